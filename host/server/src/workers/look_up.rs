//! Asks the CRMs about profiles they have not answered about, where the network's policy lets profiles be linked on evidence: elsewhere no CRM is told
//! of anybody.
//!
//! A question that fails is put off by itself, so that one a CRM cannot take does not hold up the others; when several fail in a row the CRM is
//! taken to be down and everybody waits a little.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use sportello_core::commands::{AnswerLookUps, TakeContacts};
use sportello_core::domain::channel::{ChannelKind, LinkPermission};
use sportello_core::domain::profile::{Identified, LOOK_UPS_PENDING, PROFILES, link_permission};
use sportello_core::ids::ProfileId;
use sportello_core::time::Timestamp;
use sportello_runtime::contract::{ConnectorError, Identifier};
use sportello_views::Direction;
use tokio_util::sync::CancellationToken;

use crate::channels::LiveChannel;
use crate::desk::Desk;
use crate::health::{Purpose, limit_ends_at};
use crate::ingress::contacts::contact_news;
use crate::tenant::content::ProfileContent;
use crate::workers::{Rest, backoff, millis};

const ACTOR: &str = "worker:look-up";
/// Profiles listed in one go.
const LIST_MAX: usize = 256;
/// Profiles that are asked about at once.
const QUESTIONS_AT_ONCE_MAX: usize = 8;
/// First and longest pause before a question is put again.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// See [`RETRY_FIRST`].
const RETRY_LONGEST: Duration = Duration::from_secs(5 * 60);
/// Failures in a row after which the CRM is taken to be down.
const FAILURES_IN_A_ROW_MAX: u32 = 5;
/// Questions put off that are remembered; beyond, they are put again sooner.
const PUT_OFF_MAX: usize = 100_000;

/// Questions that failed, and when each is put again.
#[derive(Default)]
struct PutOff(HashMap<ProfileId, Waiting>);

struct Waiting {
    failures: u32,
    until: Timestamp,
}

impl PutOff {
    /// Until when a question waits; None: it may be put.
    fn until(&self, profile: ProfileId, now: Timestamp) -> Option<Timestamp> {
        self.0.get(&profile).map(|waiting| waiting.until).filter(|until| *until > now)
    }

    /// Puts a question off; gives the moment at which its turn comes. `limited`: until then the CRM's limit lasts, which is no failure.
    fn failed(&mut self, profile: ProfileId, now: Timestamp, limited: Option<Timestamp>) -> Timestamp {
        if self.0.len() >= PUT_OFF_MAX && !self.0.contains_key(&profile) {
            self.0.clear();
        }
        let waiting = self.0.entry(profile).or_insert(Waiting { failures: 0, until: now });
        waiting.until = limited.unwrap_or_else(|| {
            let pause = backoff(waiting.failures, RETRY_FIRST, RETRY_LONGEST);
            waiting.failures += 1;
            now.plus_ms(millis(pause))
        });
        waiting.until
    }

    fn answered(&mut self, profile: ProfileId) {
        self.0.remove(&profile);
    }
}

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    let mut put_off = PutOff::default();
    while !rest.stopping() {
        let next = ask_round(&desk, &rest, &mut put_off).await;
        if !rest.until(next).await {
            return;
        }
    }
}

/// Asks about everybody whose turn it is; gives the moment at which somebody's comes.
async fn ask_round(desk: &Desk, rest: &Rest, put_off: &mut PutOff) -> Option<Timestamp> {
    let mut failures_in_a_row = 0;
    let mut next: Option<Timestamp> = None;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let pending = desk.tenant.list(&LOOK_UPS_PENDING, &[], after.as_deref(), Direction::Forward, LIST_MAX).unwrap_or_default();
        let Some((last, ())) = pending.last() else { return next };
        after = Some(last.clone());
        let now = desk.tenant.now();
        let mut ready = Vec::with_capacity(pending.len());
        for profile in pending.iter().filter_map(|(key, ())| key.last_chunk::<8>()).map(|bytes| ProfileId(u64::from_be_bytes(*bytes))) {
            match put_off.until(profile, now) {
                Some(until) => next = Some(next.map_or(until, |next| next.min(until))),
                None => ready.push(profile),
            }
        }
        let asking = stream::iter(ready).map(|profile| look_up(desk, profile)).buffer_unordered(QUESTIONS_AT_ONCE_MAX);
        // What is answered together is recorded together.
        let mut answers = asking.ready_chunks(LIST_MAX);
        while let Some(chunk) = answers.next().await {
            if rest.stopping() {
                return None;
            }
            let mut asked = Vec::with_capacity(chunk.len());
            let mut failed = Vec::new();
            for answer in chunk {
                match answer {
                    Ok(answered) => {
                        failures_in_a_row = 0;
                        asked.extend(answered);
                    }
                    Err((profile, setback)) => {
                        failures_in_a_row += 1;
                        failed.push((profile, setback));
                    }
                }
            }
            for (profile, _) in &asked {
                put_off.answered(*profile);
            }
            let profiles: Vec<ProfileId> = asked.iter().map(|(profile, _)| *profile).collect();
            if !asked.is_empty()
                && let Err(error) = desk.tenant.submit(ACTOR, AnswerLookUps { asked }).await
            {
                failed.extend(profiles.into_iter().map(|profile| (profile, Setback::from(error.to_string()))));
            }
            for (profile, Setback { problem, limited }) in failed {
                tracing::warn!(tenant = desk.tenant.name(), %profile, problem, "a CRM could not be asked; it is asked again later");
                let until = put_off.failed(profile, desk.tenant.now(), limited);
                next = Some(next.map_or(until, |next| next.min(until)));
            }
            if failures_in_a_row >= FAILURES_IN_A_ROW_MAX {
                return next;
            }
        }
    }
}

/// What went wrong.
struct Setback {
    /// It says nothing personal.
    problem: String,
    /// Until when the CRM's limit lasts, if that is all.
    limited: Option<Timestamp>,
}

impl From<String> for Setback {
    fn from(problem: String) -> Self {
        Self { problem, limited: None }
    }
}

/// What somebody was asked about, or what went wrong; None: they are gone.
type Answered = Result<Option<(ProfileId, Vec<Identified>)>, (ProfileId, Setback)>;

/// Asks every CRM about every identifier of a profile, and takes in what they know.
async fn look_up(desk: &Desk, id: ProfileId) -> Answered {
    let failed = |problem: String| (id, Setback::from(problem));
    let Some(row) = desk.tenant.get(&PROFILES, &id).map_err(|error| failed(error.to_string()))? else { return Ok(None) };
    // The policy may have become stricter since the question came up.
    if link_permission(desk.tenant.as_ref(), &row.channel) != LinkPermission::Evidence {
        return Ok(Some((id, row.identifiers)));
    }
    // For each profile anew: a CRM that was swapped meanwhile is asked on its new generation.
    let crms = crms(desk).map_err(failed)?;
    if !crms.is_empty() {
        let content: Option<ProfileContent> = desk.tenant.open_sealed(id.slot(), &row.sealed).map_err(|error| failed(error.to_string()))?;
        for crm in &crms {
            for (scheme, value) in content.iter().flat_map(|content| &content.identifiers) {
                ask(desk, crm, scheme, value).await.map_err(|setback| (id, setback))?;
            }
        }
    }
    Ok(Some((id, row.identifiers)))
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

async fn ask(desk: &Desk, crm: &LiveChannel, scheme: &str, value: &str) -> Result<(), Setback> {
    let identifier = Identifier { scheme: scheme.to_owned(), value: value.to_owned() };
    let failed = |problem: &str, limited| Setback { problem: format!("channel {}: {problem}", crm.name), limited };
    if let Some(until) = crm.health.windows.held(Purpose::LookUp, desk.tenant.now()) {
        return Err(failed("nothing is left under the platform's limit", Some(until)));
    }
    let called = crm.runtime.look_up(desk.call(crm, Purpose::LookUp), identifier).await;
    desk.note(crm, Purpose::LookUp, &called);
    let done = called.map_err(|failure| failed(crate::desk::kind_of_failure(&failure), None))?;
    let contacts = match done.value {
        Ok(contacts) => contacts,
        // This CRM cannot look up by such an identifier, now or ever: it is not a reason to ask again.
        Err(ConnectorError::Reject(_)) => return Ok(()),
        Err(error) => {
            let limited = match &error {
                ConnectorError::RateLimited(limit) => Some(limit_ends_at(limit, desk.tenant.now())),
                _ => None,
            };
            return Err(failed(crate::desk::kind_of_error(&error), limited));
        }
    };
    if contacts.is_empty() {
        return Ok(());
    }
    let contacts = contact_news(&desk.tenant, crm, &contacts).map_err(|error| error.to_string())?;
    let command = TakeContacts { channel: crm.name.clone(), contacts, cursor: None };
    desk.tenant.submit(ACTOR, command).await.map_err(|error| error.to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_questions_put_off_than_are_remembered_are_put_again_sooner_and_take_no_memory() {
        let now = Timestamp(1_000_000);
        let mut put_off = PutOff::default();
        for profile in (0..PUT_OFF_MAX as u64).map(ProfileId) {
            put_off.failed(profile, now, None);
        }
        put_off.failed(ProfileId(7), now, None);
        assert!(put_off.until(ProfileId(8), now).is_some(), "one that is remembered takes nobody's place");
        let one_more = ProfileId(PUT_OFF_MAX as u64);
        let until = put_off.failed(one_more, now, None);
        assert_eq!(put_off.0.len(), 1);
        assert_eq!(put_off.until(one_more, now), Some(until));
        assert_eq!(put_off.until(ProfileId(8), now), None);
    }

    #[test]
    fn a_question_waits_for_the_end_of_a_limit_and_no_longer_however_often_it_was_met() {
        let (now, ends) = (Timestamp(1_000_000), Timestamp(1_090_000));
        let mut put_off = PutOff::default();
        for _ in 0..10 {
            assert_eq!(put_off.failed(ProfileId(7), now, Some(ends)), ends);
        }
        assert_eq!((put_off.until(ProfileId(7), now), put_off.until(ProfileId(7), ends)), (Some(ends), None));
        assert!(put_off.failed(ProfileId(7), ends, None) <= ends.plus_ms(millis(RETRY_FIRST)), "a limit is no failure");
    }
}
