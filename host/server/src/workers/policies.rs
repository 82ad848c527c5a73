//! Brings what is stored in line with a policy that has become stricter: by the operator's word, or by a component that declares another one.
//!
//! The core remembers the loosest policy under which something may have come in ([`Channel::loosest`](sportello_core::domain::channel::Channel)); while
//! that is not the one in force, all that the channel brought is gone through, page by page, and the core says what must go sooner. A crash in
//! between leaves the mark, and all is gone through once more.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sportello_core::commands::{ENFORCED_AT_ONCE_MAX, EnforcePolicy};
use sportello_core::domain::case::CASES;
use sportello_core::domain::channel::Policy;
use sportello_core::domain::delivery::DELIVERIES;
use sportello_core::domain::effect::{EFFECTS, Effect};
use sportello_core::domain::erasure::Due;
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::profile::PROFILES;
use sportello_core::ids::{ChannelName, DeliveryId, EffectId, InteractionId, ProfileId};
use sportello_core::tables::{Key, Table};
use sportello_views::Direction;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::workers::Rest;

const ACTOR: &str = "worker:policies";

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut changed = desk.channels.watch();
    let mut rest = Rest::new(&desk, stopping.clone());
    loop {
        changed.mark_unchanged();
        let outcome = enforce_all(&desk, &rest).await;
        if let Err(problem) = &outcome {
            tracing::warn!(tenant = desk.tenant.name(), problem, "what is stored is not in line with the policies yet; trying again");
        }
        let goes_on = match outcome {
            Err(_) => rest.until(None).await,
            Ok(()) => tokio::select! {
                () = stopping.cancelled() => false,
                changed = changed.changed() => changed.is_ok(),
            },
        };
        if !goes_on {
            return;
        }
    }
}

async fn enforce_all(desk: &Desk, rest: &Rest) -> Result<(), String> {
    for (_, name, row) in desk.channels.rows().map_err(|error| error.to_string())? {
        if let Some(policy) = row.policy().filter(|policy| row.loosest.as_ref() != Some(policy)) {
            let enforcing = Enforcing { desk, rest, channel: name, policy };
            enforcing.all().await?;
        }
    }
    Ok(())
}

/// A channel whose policy has become stricter.
struct Enforcing<'desk> {
    desk: &'desk Desk,
    rest: &'desk Rest,
    channel: ChannelName,
    policy: Policy,
}

impl Enforcing<'_> {
    async fn all(&self) -> Result<(), String> {
        self.each(&PROFILES, |id, row| (row.channel == self.channel).then_some(Due::Profile(ProfileId(id)))).await?;
        self.each(&INTERACTIONS, |id, row| (row.channel == self.channel && !row.withdrawn).then_some(Due::Interaction(InteractionId(id))))
            .await?;
        self.each(&EFFECTS, |id, row| self.concerns(row).then_some(Due::Effect(EffectId(id)))).await?;
        self.each(&DELIVERIES, |id, row| (row.channel == self.channel).then_some(Due::Delivery(DeliveryId(id)))).await?;
        self.submit(Vec::new(), true).await
    }

    /// Whether the channel does the effect, or the effect may quote what came in there.
    fn concerns(&self, effect: &Effect) -> bool {
        let of_case = || effect.case.and_then(|case| CASES.get(self.desk.tenant.as_ref(), &case));
        effect.channel == self.channel || of_case().is_some_and(|case| case.channel == self.channel)
    }

    /// Goes through a whole table, whose keys are numbers.
    async fn each<K: Key, V>(&self, table: &Table<K, V>, concerned: impl Fn(u64, &V) -> Option<Due>) -> Result<(), String>
    where
        V: Serialize + DeserializeOwned,
    {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.desk.tenant.list(table, &[], after.as_deref(), Direction::Forward, ENFORCED_AT_ONCE_MAX);
            let page = page.map_err(|error| error.to_string())?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let number = |key: &[u8]| key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
            let stored: Vec<Due> = page.iter().filter_map(|(key, row)| concerned(number(key)?, row)).collect();
            if !stored.is_empty() {
                self.submit(stored, false).await?;
            }
            if self.rest.stopping() {
                return Err("the host stops".to_owned());
            }
        }
    }

    async fn submit(&self, stored: Vec<Due>, is_last: bool) -> Result<(), String> {
        let command = EnforcePolicy { channel: self.channel.clone(), policy: self.policy.clone(), stored, is_last };
        self.desk.tenant.submit(ACTOR, command).await.map(|_| ()).map_err(|error| error.to_string())
    }
}
