//! Answers what workflows ask: conditions and texts, with the words opened for as long as it takes.

use std::sync::Arc;

use sportello_core::domain::case::CASES;
use sportello_core::domain::contact::CONTACTS;
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::person::{Standing, contact_of, standing};
use sportello_core::domain::profile::PROFILES;
use sportello_core::time::Timestamp;
use sportello_views::Direction;
use sportello_workflow::commands::{Answer, AnswerStep};
use sportello_workflow::facts::{CaseFacts, ChannelFacts, InteractionFacts, NowFacts, PersonFacts, ProfileFacts};
use sportello_workflow::run::{RunId, STEPS_ASKED};
use sportello_workflow::{Asked, Facts, Outcome, evaluate, question_of};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::tenant::content::{ContactContent, EffectContent, InteractionContent, ProfileContent};
use crate::workers::Rest;

const ACTOR: &str = "worker:evaluate";
/// Questions looked at in one go.
const LIST_MAX: usize = 256;

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    loop {
        let asked = desk.tenant.list(&STEPS_ASKED, &[], None, Direction::Forward, LIST_MAX).unwrap_or_default();
        let answers = asked.iter().filter_map(|(key, ())| step(key)).map(|(run, visit)| answer(&desk, run, visit));
        // Together: their records share an fsync.
        let answered = futures_util::future::join_all(answers).await.into_iter().any(|answered| answered);
        if !answered && !rest.until(desk.tenant.now(), None).await {
            return;
        }
        if rest.stopping() {
            return;
        }
    }
}

async fn answer(desk: &Desk, run: RunId, visit: u64) -> bool {
    let Some(asked) = question_of(desk.tenant.as_ref(), run, visit) else { return false };
    let answer = match prepare(desk, &asked) {
        Ok(Some(answer)) => answer,
        // Not to be answered yet.
        Ok(None) => return false,
        Err(problem) => Answer::Failed(problem),
    };
    match desk.tenant.submit_workflow(ACTOR, AnswerStep { run, visit, answer }).await {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%run, visit, %error, "an answer came too late");
            false
        }
    }
}

/// The answer; None: a look-up is under way whose outcome the conditions may ask for.
fn prepare(desk: &Desk, asked: &Asked) -> Result<Option<Answer>, String> {
    let Some((facts, address)) = gather(desk, asked)? else { return Ok(None) };
    let content = match evaluate(&asked.question, &facts).map_err(|error| error.to_string())? {
        Outcome::Condition(holds) => return Ok(Some(Answer::Condition(holds))),
        Outcome::Text(text) => {
            EffectContent { text, subject: None, conversation_key: address.conversation_key, in_reply_to: address.native_id, contact: None }
        }
        Outcome::Activity { subject, text } => {
            EffectContent { text, subject: Some(subject), conversation_key: None, in_reply_to: None, contact: address.contact }
        }
    };
    let slot = desk.tenant.new_slot().map_err(|error| error.to_string())?;
    let sealed = desk.tenant.seal(slot, &content).map_err(|error| error.to_string())?;
    Ok(Some(Answer::Text { slot, sealed }))
}

/// Where words are to go.
#[derive(Default)]
struct Address {
    conversation_key: Option<String>,
    native_id: Option<String>,
    contact: Option<String>,
}

fn gather(desk: &Desk, asked: &Asked) -> Result<Option<(Facts, Address)>, String> {
    let tenant = desk.tenant.as_ref();
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let now = tenant.now();
    let case = tenant.get(&CASES, &asked.case).map_err(|error| failed(&error))?.ok_or("the case is gone")?;
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
        && let Some(row) = tenant.get(&INTERACTIONS, &id).map_err(|error| failed(&error))?
    {
        let content: InteractionContent =
            tenant.open_sealed(row.slot, &row.sealed).map_err(|error| failed(&error))?.ok_or("the words have been erased")?;
        facts.interaction = InteractionFacts {
            text: content.text.unwrap_or_default(),
            kind: row.kind,
            language: content.language.unwrap_or_default(),
            private: row.private,
        };
        address.conversation_key = Some(content.conversation_key);
        address.native_id = Some(content.native_id);
    }
    if let Some(id) = case.profile
        && let Some(row) = tenant.get(&PROFILES, &id).map_err(|error| failed(&error))?
    {
        if row.look_up == sportello_core::domain::profile::LookUp::Pending && row.link.is_none() && !row.erased {
            return Ok(None);
        }
        let content: ProfileContent = tenant.open_sealed(id.slot(), &row.sealed).map_err(|error| failed(&error))?.unwrap_or_default();
        let standing = standing(&row);
        facts.profile = ProfileFacts {
            display_name: content.display_name.or_else(|| content.handle.clone()).unwrap_or_default(),
            handle: content.handle.unwrap_or_default(),
            network: row.network.clone(),
        };
        facts.person = PersonFacts { standing: word(standing).to_owned(), customer: standing == Standing::Customer };
        if let Some(contact) = contact_of(tenant, &row)
            && let Some(contact_row) = tenant.get(&CONTACTS, &contact).map_err(|error| failed(&error))?
        {
            let content: Option<ContactContent> =
                tenant.open_sealed(contact.slot(), &contact_row.sealed).map_err(|error| failed(&error))?;
            address.contact = content.map(|content| content.id);
        }
    }
    Ok(Some((facts, address)))
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
    }
}

/// A question's key: run, visit.
fn step(key: &[u8]) -> Option<(RunId, u64)> {
    let (run, rest) = key.split_first_chunk::<8>()?;
    Some((RunId(u64::from_be_bytes(*run)), u64::from_be_bytes(*rest.first_chunk::<8>()?)))
}
