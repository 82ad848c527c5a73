//! The whole at a glance: how many of what, and how fast the company answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use sportello_core::domain::case::CASES;
use sportello_core::domain::contact::CONTACTS;
use sportello_core::domain::delivery::{DELIVERIES, DeliveryState};
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::person::{Standing, person_of, standing};
use sportello_core::domain::profile::PROFILES;
use sportello_core::tables::{Key, Table};
use sportello_views::Direction;
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::api::vocabulary::{Moment, standing_word};
use crate::api::{Answer, Caller, reading};

/// Rows of each kind that are counted, the latest ones.
const ROWS_MAX: usize = 100_000;
/// Rows read in one go.
const ROWS_AT_ONCE: usize = 1_000;

/// How many of what. Counted when asked for, over at most the latest 100,000 of each kind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SummaryView {
    /// When it was counted.
    at: Moment,
    /// Whether there are more of something than were counted.
    capped: bool,
    /// Interactions taken in.
    interactions: u64,
    /// Cases by state.
    cases: BTreeMap<&'static str, u64>,
    /// People who have a profile, by standing: `customer`, `prospect`, `unknown`. Several linked profiles are one person; the company's own
    /// accounts are none.
    people: BTreeMap<&'static str, u64>,
    /// Contacts known from the CRMs.
    contacts: u64,
    /// Effects by state.
    effects: BTreeMap<&'static str, u64>,
    /// Deliveries that wait to be replayed.
    deliveries_parked: u64,
    /// How long the first answer took, by channel.
    first_answer: BTreeMap<String, FirstAnswerView>,
}

/// How long the first answer took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FirstAnswerView {
    /// Cases answered.
    answered: u64,
    /// Cases not answered yet.
    unanswered: u64,
    /// The median, in milliseconds; null: none was answered.
    median_ms: Option<u64>,
    /// The mean, in milliseconds.
    mean_ms: Option<u64>,
    /// The longest, in milliseconds.
    longest_ms: Option<u64>,
}

/// Goes over the latest rows of a table. True: there are more.
fn each<K, V>(caller: &Caller, table: &Table<K, V>, mut see: impl FnMut(V)) -> Result<bool, Problem>
where
    K: Key + ?Sized,
    V: serde::Serialize + serde::de::DeserializeOwned,
{
    let mut after: Option<Vec<u8>> = None;
    let mut seen = 0;
    loop {
        let rows = caller.tenant().list(table, &[], after.as_deref(), Direction::Backward, ROWS_AT_ONCE)?;
        let is_last = rows.len() < ROWS_AT_ONCE;
        seen += rows.len();
        after = rows.last().map(|(key, _)| key.clone());
        rows.into_iter().for_each(|(_, row)| see(row));
        if is_last || seen >= ROWS_MAX {
            return Ok(!is_last);
        }
    }
}

fn first_answers(times: Vec<u64>, unanswered: u64) -> FirstAnswerView {
    let mut times = times;
    times.sort_unstable();
    let count = times.len() as u64;
    FirstAnswerView {
        answered: count,
        unanswered,
        median_ms: times.get(times.len() / 2).copied(),
        mean_ms: times.iter().sum::<u64>().checked_div(count),
        longest_ms: times.last().copied(),
    }
}

const fn effect_word(state: EffectState) -> &'static str {
    match state {
        EffectState::Queued => "queued",
        EffectState::Started => "started",
        EffectState::Done => "done",
        EffectState::Failed => "failed",
        EffectState::Unknown => "unknown",
        EffectState::Undecided => "undecided",
    }
}

/// The whole at a glance.
#[utoipa::path(get, path = "/summary", tag = "summary", operation_id = "get_summary", responses((status = 200, description = "How many of what", body = SummaryView)))]
pub(crate) async fn summary(caller: Caller) -> Answer<SummaryView> {
    let turn = Arc::clone(&caller.counting).acquire_owned().await.map_err(|error| Problem::internal(&error))?;
    reading(caller, move |caller| {
        // Held on the thread that counts: a caller who goes away does not end the count.
        let _turn = turn;
        count(caller)
    })
    .await
}

fn count(caller: &Caller) -> Result<SummaryView, Problem> {
    let mut cases: BTreeMap<&'static str, u64> = ["open", "assigned", "waiting", "resolved"].map(|word| (word, 0)).into();
    let mut answers: BTreeMap<String, (Vec<u64>, u64)> = BTreeMap::new();
    let mut capped = each(caller, &CASES, |case| {
        *cases.entry(case.state.word()).or_default() += 1;
        let (times, unanswered) = answers.entry(case.channel.to_string()).or_default();
        match case.first_answer_at {
            Some(answered) => times.push(answered.ms_since(case.opened_at)),
            None => *unanswered += 1,
        }
    })?;
    let mut people: BTreeMap<&'static str, u64> = ["customer", "prospect", "unknown"].map(|word| (word, 0)).into();
    let mut counted = BTreeSet::new();
    capped |= each(caller, &PROFILES, |profile| {
        let standing: Standing = standing(&profile);
        if !profile.erased && standing != Standing::Own && counted.insert(person_of(caller.tenant(), &profile)) {
            *people.entry(standing_word(standing)).or_default() += 1;
        }
    })?;
    let mut effects: BTreeMap<&'static str, u64> = BTreeMap::new();
    capped |= each(caller, &EFFECTS, |effect| *effects.entry(effect_word(effect.state)).or_default() += 1)?;
    let mut contacts = 0;
    capped |= each(caller, &CONTACTS, |contact| contacts += u64::from(!contact.deleted))?;
    let mut deliveries_parked = 0;
    capped |= each(caller, &DELIVERIES, |delivery| deliveries_parked += u64::from(delivery.state == DeliveryState::Parked))?;
    let mut interactions = 0;
    capped |= each(caller, &INTERACTIONS, |_| interactions += 1)?;
    Ok(SummaryView {
        at: caller.tenant().now().into(),
        capped,
        interactions,
        cases,
        people,
        contacts,
        effects,
        deliveries_parked,
        first_answer: answers.into_iter().map(|(channel, (times, unanswered))| (channel, first_answers(times, unanswered))).collect(),
    })
}
