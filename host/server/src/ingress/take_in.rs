//! Submitting what a connector brought, and what to do when somebody in it is being erased, or says something else of themselves, at the same
//! moment.

use std::time::Duration;

use sportello_core::commands::{Accepted, Ingest, RequestDeletions, RequestedDeletion, StateChange};
use sportello_core::domain::channel::{Source, StateWrite};
use sportello_core::ids::{ChannelName, DeliveryId, Fingerprint};
use sportello_core::refusal::Refusal;
use sportello_journal::JournalError;
use sportello_runtime::contract::{DeletionRequest, Interaction};
use thiserror::Error;

use crate::channels::LiveChannel;
use crate::ingress::arrivals::arrivals;
use crate::tenant::{SubmitError, Tenant};

/// How often an ingest is prepared anew because an author was erased or changed meanwhile.
const PREPARED_ANEW_MAX: u32 = 20;
/// How long the erasing worker is given between two tries.
const ERASURE_PAUSE: Duration = Duration::from_millis(50);

/// Why nothing was taken in.
#[derive(Debug, Error)]
pub enum TakeInError {
    /// The key slots.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Refused, overloaded or stopped.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl TakeInError {
    /// Whether the connector's state is not what its call went by any more: another call may be taken in.
    pub(crate) fn asks_for_another_call(&self) -> bool {
        matches!(self, Self::Submit(SubmitError::Refused(Refusal::StateChanged { .. })))
    }
}

/// What one call of a connector gave.
pub(crate) struct Brought<'a> {
    pub(crate) parts: &'a [Part<'a>],
    pub(crate) cursor: Option<(Source, Option<String>)>,
    pub(crate) state_writes: &'a [sportello_runtime::StateWrite],
    pub(crate) replayed: Option<DeliveryId>,
}

/// What it gave for one delivery, or for one page.
pub(crate) struct Part<'a> {
    pub(crate) interactions: &'a [Interaction],
    /// The body that byte ranges point into.
    pub(crate) input: &'a [u8],
}

/// Takes all of it in, durably, or nothing.
pub(crate) async fn take_in(tenant: &Tenant, channel: &LiveChannel, brought: &Brought<'_>) -> Result<Accepted, TakeInError> {
    let actor = format!("channel:{}", channel.name);
    let taken = anew_while_changed(ERASURE_PAUSE, || async {
        let (arrivals, known) = arrivals(tenant, channel, brought.parts)?;
        let command = Ingest {
            channel: channel.name.clone(),
            arrivals,
            known,
            cursor: brought.cursor.clone(),
            state_writes: brought.state_writes.iter().map(state_change).collect(),
            replayed: brought.replayed,
        };
        Ok(tenant.submit(&actor, command).await?)
    })
    .await;
    if matches!(taken, Ok(Accepted::Ingested { new: 1.., .. })) {
        channel.health.heard(tenant.now());
    }
    taken
}

/// Tries again while somebody in it is being erased or has changed since it was prepared.
async fn anew_while_changed<Taking>(pause: Duration, mut take: impl FnMut() -> Taking) -> Result<Accepted, TakeInError>
where
    Taking: Future<Output = Result<Accepted, TakeInError>>,
{
    let mut tries = 0;
    loop {
        let outcome = take().await;
        let changed_meanwhile = matches!(
            outcome,
            Err(TakeInError::Submit(SubmitError::Refused(Refusal::ProfileErased(_) | Refusal::ProfileChanged(_)))
                | TakeInError::Journal(JournalError::SlotErased { .. }))
        );
        if !changed_meanwhile || tries == PREPARED_ANEW_MAX {
            return outcome;
        }
        tries += 1;
        tokio::time::sleep(pause).await;
    }
}

/// Has the profiles forgotten for which the platform passes on a request for deletion; durable when it returns.
pub(crate) async fn take_deletion_requests(
    tenant: &Tenant,
    channel: &LiveChannel,
    asked: impl Iterator<Item = &DeletionRequest>,
) -> Result<(), TakeInError> {
    let mut requests = Vec::new();
    for request in asked {
        let confirmation = confirmation(tenant, &channel.name, &request.confirmation);
        requests.push(RequestedDeletion { confirmation, profile: tenant.known_profile(channel.network(), &request.profile) });
    }
    if !requests.is_empty() {
        let command = RequestDeletions { channel: channel.name.clone(), requests };
        tenant.submit(&format!("channel:{}", channel.name), command).await?;
    }
    Ok(())
}

/// What a request for deletion is found by: the code itself is kept nowhere.
pub(crate) fn confirmation(tenant: &Tenant, channel: &ChannelName, code: &str) -> Fingerprint {
    tenant.fingerprint("deletion-request", &[channel.as_str(), code])
}

fn state_change(write: &sportello_runtime::StateWrite) -> StateChange {
    StateChange { write: StateWrite { key: write.key.clone(), value: write.value.clone() }, based_on: write.based_on }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_changed_meanwhile_each_time_is_given_up_after_so_many_tries() {
        let mut tries = 0;
        let never = anew_while_changed(Duration::ZERO, || {
            tries += 1;
            assert!(tries <= PREPARED_ANEW_MAX + 1, "it is prepared for ever");
            std::future::ready(Err(SubmitError::Refused(Refusal::ProfileErased(501)).into()))
        });
        let given_up = never.await;
        assert!(matches!(given_up, Err(TakeInError::Submit(SubmitError::Refused(Refusal::ProfileErased(501))))), "{given_up:?}");
        assert_eq!(tries, PREPARED_ANEW_MAX + 1);
    }
}
