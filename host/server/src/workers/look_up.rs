//! Asks the CRMs about profiles they have not answered about.

use std::sync::Arc;
use std::time::Duration;

use sportello_core::commands::{AnswerLookUp, TakeContacts};
use sportello_core::domain::channel::ChannelKind;
use sportello_core::domain::profile::{LOOK_UPS_PENDING, PROFILES};
use sportello_core::ids::ProfileId;
use sportello_runtime::contract::{ConnectorError, Identifier};
use sportello_views::Direction;
use tokio_util::sync::CancellationToken;

use crate::channels::LiveChannel;
use crate::desk::Desk;
use crate::ingress::contacts::contact_news;
use crate::ingress::webhook::reason;
use crate::tenant::content::ProfileContent;
use crate::workers::{Rest, backoff};

const ACTOR: &str = "worker:look-up";
/// Profiles asked about in one go.
const LIST_MAX: usize = 64;
/// First and longest pause while a CRM does not answer.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// See [`RETRY_FIRST`].
const RETRY_LONGEST: Duration = Duration::from_secs(5 * 60);

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    let mut failures = 0;
    while !rest.stopping() {
        let pending = desk.tenant.list(&LOOK_UPS_PENDING, &[], None, Direction::Forward, LIST_MAX).unwrap_or_default();
        if pending.is_empty() {
            if !rest.until(desk.tenant.now(), None).await {
                return;
            }
            continue;
        }
        for (key, ()) in pending {
            let Some(profile) = key.last_chunk::<8>().map(|bytes| ProfileId(u64::from_be_bytes(*bytes))) else { continue };
            match look_up(&desk, profile).await {
                Ok(()) => failures = 0,
                Err(problem) => {
                    tracing::warn!(tenant = desk.tenant.name(), problem, "a CRM could not be asked; trying again");
                    if !rest.pause(backoff(failures, RETRY_FIRST, RETRY_LONGEST)).await {
                        return;
                    }
                    failures += 1;
                    break;
                }
            }
        }
    }
}

/// Asks every CRM about every identifier of a profile, takes in what they know, and says so if nobody knows anything.
async fn look_up(desk: &Desk, id: ProfileId) -> Result<(), String> {
    let content: Option<ProfileContent> = match desk.tenant.get(&PROFILES, &id).map_err(|error| error.to_string())? {
        Some(row) => desk.tenant.open_sealed(id.slot(), &row.sealed).map_err(|error| error.to_string())?,
        None => None,
    };
    let live = desk.channels.live();
    let crms = live.values().filter(|channel| channel.row.grant.as_ref().is_some_and(|grant| grant.kind == ChannelKind::Crm));
    for crm in crms {
        for (scheme, value) in content.iter().flat_map(|content| &content.identifiers) {
            ask(desk, crm, scheme, value).await?;
        }
    }
    // A no-op where a contact was found meanwhile.
    desk.tenant.submit(ACTOR, AnswerLookUp { profile: id }).await.map_err(|error| error.to_string())?;
    Ok(())
}

async fn ask(desk: &Desk, crm: &LiveChannel, scheme: &str, value: &str) -> Result<(), String> {
    let identifier = Identifier { scheme: scheme.to_owned(), value: value.to_owned() };
    let done = crm.runtime.look_up(desk.call(crm), identifier).await.map_err(|failure| failure.to_string())?;
    desk.diagnostics(crm, &done.diagnostics, done.diagnostics_dropped);
    let contacts = match done.value {
        Ok(contacts) => contacts,
        // This CRM cannot look up by such an identifier, now or ever: it is not a reason to ask again.
        Err(ConnectorError::Reject(problem)) => {
            tracing::debug!(channel = %crm.name, scheme, problem, "the CRM does not look up by this scheme");
            return Ok(());
        }
        Err(error) => return Err(reason(&error)),
    };
    if contacts.is_empty() {
        return Ok(());
    }
    let contacts = contact_news(&desk.tenant, crm, &contacts).map_err(|error| error.to_string())?;
    let command = TakeContacts { channel: crm.name.clone(), contacts, cursor: None };
    desk.tenant.submit(ACTOR, command).await.map_err(|error| error.to_string())?;
    Ok(())
}
