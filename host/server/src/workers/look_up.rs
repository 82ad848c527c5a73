//! Asks the CRMs about profiles they have not answered about.
//!
//! A question that fails is put off by itself, so that one a CRM cannot take does not hold up the others; when several fail in a row the CRM is
//! taken to be down and everybody waits a little.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sportello_core::commands::{AnswerLookUp, TakeContacts};
use sportello_core::domain::channel::ChannelKind;
use sportello_core::domain::profile::{LOOK_UPS_PENDING, PROFILES};
use sportello_core::ids::ProfileId;
use sportello_core::time::Timestamp;
use sportello_runtime::contract::{ConnectorError, Identifier};
use sportello_views::Direction;
use tokio_util::sync::CancellationToken;

use crate::channels::LiveChannel;
use crate::desk::Desk;
use crate::ingress::contacts::contact_news;
use crate::tenant::content::ProfileContent;
use crate::workers::{Rest, backoff};

const ACTOR: &str = "worker:look-up";
/// Profiles listed in one go.
const LIST_MAX: usize = 256;
/// First and longest pause before a question is put again.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// See [`RETRY_FIRST`].
const RETRY_LONGEST: Duration = Duration::from_secs(5 * 60);
/// Failures in a row after which the CRM is taken to be down.
const FAILURES_IN_A_ROW_MAX: u32 = 5;
/// Questions put off that are remembered; beyond, they are put again sooner.
const PUT_OFF_MAX: usize = 100_000;

/// A question that failed.
struct PutOff {
    failures: u32,
    until: Timestamp,
}

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    let mut put_off = HashMap::new();
    while !rest.stopping() {
        let next = ask_round(&desk, &rest, &mut put_off).await;
        if !rest.until(desk.tenant.now(), next).await {
            return;
        }
    }
}

/// Asks about everybody whose turn it is; gives the moment at which somebody's comes.
async fn ask_round(desk: &Desk, rest: &Rest, put_off: &mut HashMap<ProfileId, PutOff>) -> Option<Timestamp> {
    let mut failures_in_a_row = 0;
    let mut next: Option<Timestamp> = None;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let pending = desk.tenant.list(&LOOK_UPS_PENDING, &[], after.as_deref(), Direction::Forward, LIST_MAX).unwrap_or_default();
        let Some((last, ())) = pending.last() else { return next };
        after = Some(last.clone());
        for (key, ()) in &pending {
            if rest.stopping() {
                return None;
            }
            let Some(profile) = key.last_chunk::<8>().map(|bytes| ProfileId(u64::from_be_bytes(*bytes))) else { continue };
            let now = desk.tenant.now();
            if let Some(waiting) = put_off.get(&profile).filter(|waiting| waiting.until > now) {
                next = Some(next.map_or(waiting.until, |next| next.min(waiting.until)));
                continue;
            }
            match look_up(desk, profile).await {
                Ok(()) => {
                    failures_in_a_row = 0;
                    put_off.remove(&profile);
                }
                Err(problem) => {
                    tracing::warn!(tenant = desk.tenant.name(), %profile, problem, "a CRM could not be asked; it is asked again later");
                    if put_off.len() >= PUT_OFF_MAX {
                        put_off.clear();
                    }
                    let waiting = put_off.entry(profile).or_insert(PutOff { failures: 0, until: now });
                    let pause = backoff(waiting.failures, RETRY_FIRST, RETRY_LONGEST);
                    waiting.failures += 1;
                    waiting.until = now.plus_ms(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
                    next = Some(next.map_or(waiting.until, |next| next.min(waiting.until)));
                    failures_in_a_row += 1;
                    if failures_in_a_row == FAILURES_IN_A_ROW_MAX {
                        return next;
                    }
                }
            }
        }
    }
}

/// Asks every CRM about every identifier of a profile, takes in what they know, and says that they were asked. Errors say nothing personal.
async fn look_up(desk: &Desk, id: ProfileId) -> Result<(), String> {
    let Some(row) = desk.tenant.get(&PROFILES, &id).map_err(|error| error.to_string())? else { return Ok(()) };
    let content: Option<ProfileContent> = desk.tenant.open_sealed(id.slot(), &row.sealed).map_err(|error| error.to_string())?;
    for crm in crms(desk)? {
        for (scheme, value) in content.iter().flat_map(|content| &content.identifiers) {
            ask(desk, &crm, scheme, value).await?;
        }
    }
    let command = AnswerLookUp { profile: id, asked: row.identifiers };
    desk.tenant.submit(ACTOR, command).await.map_err(|error| error.to_string())?;
    Ok(())
}

/// Every CRM there is. One that is configured and not live has not answered: then nobody can say that somebody is in no CRM.
fn crms(desk: &Desk) -> Result<Vec<Arc<LiveChannel>>, String> {
    let mut crms = Vec::new();
    for (_, name, row) in desk.channels.rows().map_err(|error| error.to_string())? {
        if row.settings.enabled && row.grant.as_ref().is_some_and(|grant| grant.kind == ChannelKind::Crm) {
            crms.push(desk.channels.get(&name).ok_or_else(|| format!("the CRM of channel {name} is not live"))?);
        }
    }
    Ok(crms)
}

async fn ask(desk: &Desk, crm: &LiveChannel, scheme: &str, value: &str) -> Result<(), String> {
    let identifier = Identifier { scheme: scheme.to_owned(), value: value.to_owned() };
    let failed = |problem: &str| format!("channel {}: {problem}", crm.name);
    let done = crm.runtime.look_up(desk.call(crm), identifier).await.map_err(|failure| failed(crate::desk::kind_of_failure(&failure)))?;
    desk.diagnostics(crm, &done.diagnostics, done.diagnostics_dropped);
    let contacts = match done.value {
        Ok(contacts) => contacts,
        // This CRM cannot look up by such an identifier, now or ever: it is not a reason to ask again.
        Err(ConnectorError::Reject(_)) => return Ok(()),
        Err(error) => return Err(failed(crate::desk::kind_of_error(&error))),
    };
    if contacts.is_empty() {
        return Ok(());
    }
    let contacts = contact_news(&desk.tenant, crm, &contacts).map_err(|error| error.to_string())?;
    let command = TakeContacts { channel: crm.name.clone(), contacts, cursor: None };
    desk.tenant.submit(ACTOR, command).await.map_err(|error| error.to_string())?;
    Ok(())
}
