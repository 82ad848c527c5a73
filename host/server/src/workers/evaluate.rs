//! Answers what workflows ask: conditions and texts, with the words opened for as long as it takes.

use std::sync::Arc;

use sportello_core::domain::case::CASES;
use sportello_core::domain::contact::CONTACTS;
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::person::{Standing, contact_of, standing};
use sportello_core::domain::profile::{LookUp, PROFILES, Profile};
use sportello_core::time::Timestamp;
use sportello_views::Direction;
use sportello_workflow::commands::{Answer, AnswerStep};
use sportello_workflow::facts::{CaseFacts, ChannelFacts, InteractionFacts, NowFacts, PersonFacts, ProfileFacts};
use sportello_workflow::run::{RUNS, RunId, STEPS_ASKED};
use sportello_workflow::{Asked, Facts, Outcome, evaluate, question_of};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::tenant::Tenant;
use crate::tenant::content::{ContactContent, EffectContent, InteractionContent, ProfileContent};
use crate::workers::Rest;

const ACTOR: &str = "worker:evaluate";
/// Questions looked at in one go.
const LIST_MAX: usize = 256;
/// How long a question waits for the CRMs' answer about the author; after that they count as unknown. Longer than the minute and a half for which a CRM under
/// its limit asks to wait, and short enough that a CRM that is down keeps nobody from being answered.
const LOOK_UP_WAIT_MAX_MS: u64 = 3 * 60 * 1_000;

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    while !rest.stopping() {
        if !answer_round(&desk).await && !rest.until(None).await {
            return;
        }
    }
}

/// Goes through every question once, so that those that must wait hold up nobody; tells whether any was answered.
async fn answer_round(desk: &Arc<Desk>) -> bool {
    let mut answered = false;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let asked = desk.tenant.list(&STEPS_ASKED, &[], after.as_deref(), Direction::Forward, LIST_MAX).unwrap_or_default();
        let Some((last, ())) = asked.last() else { return answered };
        after = Some(last.clone());
        let steps: Vec<(RunId, u64)> = asked.iter().filter_map(|(key, ())| step(key)).collect();
        let worker = Arc::clone(desk);
        // Opening and evaluating take processor time.
        let prepare_all = move || steps.into_iter().filter_map(|(run, visit)| prepare(&worker, run, visit)).collect::<Vec<_>>();
        let prepared = tokio::task::spawn_blocking(prepare_all).await.unwrap_or_default();
        // Together: their records share an fsync.
        let submitted = futures_util::future::join_all(prepared.into_iter().map(|answer| submit(desk, answer))).await;
        answered |= submitted.contains(&true);
    }
}

async fn submit(desk: &Desk, answer: AnswerStep) -> bool {
    let (run, visit) = (answer.run, answer.visit);
    match desk.tenant.submit_workflow(ACTOR, answer).await {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%run, visit, %error, "a question could not be answered");
            false
        }
    }
}

/// Why there is no answer.
enum NoAnswer {
    /// Not yet: a look-up is under way whose outcome may be asked for, or a store could not be read.
    Later,
    /// Never: the step fails.
    Failed(String),
}

/// A store that cannot be read now may be read later.
fn later(error: &dyn std::fmt::Display) -> NoAnswer {
    tracing::warn!(%error, "a question cannot be answered now; trying again");
    NoAnswer::Later
}

fn prepare(desk: &Desk, run: RunId, visit: u64) -> Option<AnswerStep> {
    let asked = question_of(desk.tenant.as_ref(), run, visit)?;
    let answer = match find_answer(desk, &asked) {
        Ok(answer) => answer,
        Err(NoAnswer::Later) => return None,
        Err(NoAnswer::Failed(problem)) => Answer::Failed(problem),
    };
    Some(AnswerStep { run, visit, answer })
}

fn find_answer(desk: &Desk, asked: &Asked) -> Result<Answer, NoAnswer> {
    let (facts, address) = gather(desk, asked)?;
    let content = match evaluate(&asked.question, &facts).map_err(|error| NoAnswer::Failed(error.to_string()))? {
        Outcome::Condition(holds) => return Ok(Answer::Condition(holds)),
        Outcome::Text(text) => {
            EffectContent { text, conversation_key: address.conversation_key, in_reply_to: address.native_id, ..EffectContent::default() }
        }
        Outcome::Activity { subject, text } => {
            EffectContent { text, subject: Some(subject), contact: address.contact, ..EffectContent::default() }
        }
    };
    let slot = desk.tenant.new_slot().map_err(|error| later(&error))?;
    let sealed = desk.tenant.seal(slot, &content).map_err(|error| later(&error))?;
    Ok(Answer::Text { slot, sealed })
}

/// Where words are to go.
#[derive(Default)]
struct Address {
    conversation_key: Option<String>,
    native_id: Option<String>,
    contact: Option<String>,
}

fn gather(desk: &Desk, asked: &Asked) -> Result<(Facts, Address), NoAnswer> {
    let tenant = desk.tenant.as_ref();
    let now = tenant.now();
    let gone = |what: &str| NoAnswer::Failed(format!("{what} gone"));
    let case = tenant.get(&CASES, &asked.case).map_err(|error| later(&error))?.ok_or_else(|| gone("the case is"))?;
    let profile = match case.profile {
        Some(id) => tenant.get(&PROFILES, &id).map_err(|error| later(&error))?.map(|row| (id, row)),
        None => None,
    };
    if profile.as_ref().is_some_and(|(_, row)| waits_for_look_up(row, || waited_ms(tenant, asked, now))) {
        return Err(NoAnswer::Later);
    }
    let mut facts = Facts {
        case: CaseFacts {
            number: asked.case.0.cast_signed(),
            state: case.state.word().to_owned(),
            owner: case.owner.clone().unwrap_or_default(),
            priority: i64::from(case.priority),
            answered: case.first_answer_at.is_some(),
            reopened: i64::from(case.reopened),
            age_minutes: (now.ms_since(case.opened_at) / 60_000).cast_signed(),
        },
        channel: ChannelFacts { name: case.channel.to_string() },
        now: now_facts(now),
        ..Facts::default()
    };
    let mut address = Address::default();
    if let Some(id) = asked.interaction
        && let Some(row) = tenant.get(&INTERACTIONS, &id).map_err(|error| later(&error))?
    {
        let content: Option<InteractionContent> = tenant.open_sealed(row.slot, &row.sealed).map_err(|error| later(&error))?;
        let content = content.ok_or_else(|| gone("the words are"))?;
        facts.interaction = InteractionFacts {
            text: content.text.unwrap_or_default(),
            kind: row.kind,
            language: content.language.unwrap_or_default(),
            private: row.private,
        };
        address.conversation_key = Some(content.conversation_key);
        address.native_id = Some(content.native_id);
    }
    if let Some((id, row)) = profile {
        let content: Option<ProfileContent> = tenant.open_sealed(id.slot(), &row.sealed).map_err(|error| later(&error))?;
        let content = content.unwrap_or_default();
        let standing = standing(&row);
        facts.profile = ProfileFacts {
            display_name: content.display_name.or_else(|| content.handle.clone()).unwrap_or_default(),
            handle: content.handle.unwrap_or_default(),
            network: row.network.clone(),
        };
        facts.person = PersonFacts { standing: word(standing).to_owned(), customer: standing == Standing::Customer };
        if let Some(contact) = contact_of(tenant, &row)
            && let Some(contact_row) = tenant.get(&CONTACTS, &contact).map_err(|error| later(&error))?
        {
            let content: Option<ContactContent> = tenant.open_sealed(contact.slot(), &contact_row.sealed).map_err(|error| later(&error))?;
            address.contact = content.map(|content| content.id);
        }
    }
    Ok((facts, address))
}

/// Whether the answer waits for the CRMs to say who it is: not for ever, a customer waits too.
fn waits_for_look_up(profile: &Profile, waited_ms: impl FnOnce() -> u64) -> bool {
    profile.look_up == LookUp::Pending && profile.link.is_none() && !profile.erased && waited_ms() < LOOK_UP_WAIT_MAX_MS
}

/// How long the run has been under way; no time at all where that cannot be read.
fn waited_ms(tenant: &Tenant, asked: &Asked, now: Timestamp) -> u64 {
    tenant.get(&RUNS, &asked.run).ok().flatten().map_or(0, |run| now.ms_since(run.started_at))
}

fn now_facts(now: Timestamp) -> NowFacts {
    let moment = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    NowFacts {
        time: moment.timestamp().to_string(),
        hour: i64::from(moment.hour()),
        minute: i64::from(moment.minute()),
        weekday: i64::from(moment.weekday().to_monday_one_offset()),
    }
}

const fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Customer => "customer",
        Standing::Prospect => "prospect",
        Standing::Unknown => "unknown",
        Standing::Own => "own",
    }
}

/// A question's key: run, visit.
fn step(key: &[u8]) -> Option<(RunId, u64)> {
    let (run, rest) = key.split_first_chunk::<8>()?;
    Some((RunId(u64::from_be_bytes(*run)), u64::from_be_bytes(*rest.first_chunk::<8>()?)))
}

#[cfg(test)]
mod tests {
    use sportello_core::ids::{ChannelName, LinkId, PersonId};

    use super::*;

    #[test]
    fn an_answer_waits_for_the_crms_a_limited_time_and_only_while_they_may_still_say_who_it_is() {
        let pending = Profile {
            channel: ChannelName::new("town-page").unwrap(),
            network: "example".into(),
            sealed: Vec::new(),
            identifiers: Vec::new(),
            own: false,
            person: PersonId(1),
            link: None,
            look_up: LookUp::Pending,
            first_seen_at: Timestamp(0),
            last_seen_at: Timestamp(0),
            erased: false,
            erase_at: None,
        };
        let waits = |profile: &Profile, waited_ms| waits_for_look_up(profile, || waited_ms);
        assert!(waits(&pending, 0) && waits(&pending, LOOK_UP_WAIT_MAX_MS - 1));
        assert!(!waits(&pending, LOOK_UP_WAIT_MAX_MS) && !waits(&pending, u64::MAX));
        assert!(!waits(&Profile { look_up: LookUp::Absent, ..pending.clone() }, 0));
        assert!(!waits(&Profile { link: Some(LinkId(1)), ..pending.clone() }, 0));
        assert!(!waits(&Profile { erased: true, ..pending }, 0));
    }
}
