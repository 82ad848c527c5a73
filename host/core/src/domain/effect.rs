//! Effects: what is done outside. Queued, then *started* durably before every call, then done, failed or unknown.

use serde::{Deserialize, Serialize};

use crate::domain::case::CASES;
use crate::domain::channel::{CHANNELS, Idempotency};
use crate::domain::erasure::{self, Due};
use crate::domain::lane;
use crate::domain::person::LawfulBasis;
use crate::ids::{CaseId, ChannelName, ContactId, ConversationId, EffectId, InteractionId, ProfileId, SlotId, SubjectId};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Effects by number.
pub const EFFECTS: Table<EffectId, Effect> = Table::new(70, "effects");
/// Effects by the key the host derived: the same key is the same effect.
pub const EFFECTS_BY_KEY: Table<String, EffectId> = Table::new(71, "effects-by-key");
/// Effects that wait for a worker, by channel and the moment they may start: of each lane the first.
pub const EFFECTS_DUE: Table<(ChannelName, Timestamp, EffectId), ()> = Table::new(72, "effects-due");
/// Effects started and without an outcome.
pub const EFFECTS_STARTED: Table<EffectId, ()> = Table::new(73, "effects-started");
/// Effects in answer to a case.
pub const EFFECTS_BY_CASE: Table<(CaseId, EffectId), ()> = Table::new(74, "effects-by-case");
/// Things on platforms that effects of ours brought about, hashed (channel, native id).
pub const RECEIPTS: Table<SubjectId, EffectId> = Table::new(75, "receipts");
/// Effects directed at a profile, or belonging to a case of its, for erasing.
pub const EFFECTS_BY_PROFILE: Table<(ProfileId, EffectId), ()> = Table::new(76, "effects-by-profile");
/// Effects about a contact, for erasing.
pub const EFFECTS_BY_CONTACT: Table<(ContactId, EffectId), ()> = Table::new(79, "effects-by-contact");
/// Answers to something by which nobody addressed the company.
pub const EFFECTS_UNSUMMONED: Table<EffectId, ()> = Table::new(110, "effects-unsummoned");
/// Effects a person must decide about.
pub const EFFECTS_UNDECIDED: Table<EffectId, ()> = Table::new(77, "effects-undecided");

/// Why an answer is left to people where only who addressed the company may be answered automatically.
pub(crate) const UNSUMMONED: &str =
    "the network lets one answer only where one was addressed; answer by hand on the network, or give it up";

/// Where an effect stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectState {
    /// Waits for its turn.
    Queued,
    /// The call may be under way.
    Started,
    /// It took place.
    Done,
    /// It did not and will not take place.
    Failed,
    /// It may have taken place: to be looked for.
    Unknown,
    /// Nothing can tell, or nothing may be done automatically: a person decides.
    Undecided,
}

impl EffectState {
    /// Whether it comes to an end by itself: those behind it in its lane wait for it.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Queued | Self::Started | Self::Unknown)
    }
}

/// Who asked for an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AskedBy {
    /// A step of a workflow's run.
    Run {
        /// The run.
        run: u64,
        /// The step's name.
        step: String,
    },
    /// Somebody through the API.
    Person {
        /// Their token's name.
        name: String,
    },
}

/// An effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The host's key.
    pub key: String,
    /// The channel that does it.
    pub channel: ChannelName,
    /// `reply`, `post`, `activity`, `contact`.
    pub action: String,
    /// What a repetition would do.
    pub idempotency: Idempotency,
    /// How long it may take to become visible to `find`.
    pub settling_ms: u64,
    /// The case it belongs to.
    pub case: Option<CaseId>,
    /// The conversation a reply goes to.
    pub conversation: Option<ConversationId>,
    /// The contact it is about.
    pub contact: Option<ContactId>,
    /// Who it is directed at.
    pub profile: Option<ProfileId>,
    /// Why it is lawful to tell a CRM of them, as far as whoever asked said.
    pub basis: Option<LawfulBasis>,
    /// Where its words' key is.
    pub slot: SlotId,
    /// Its words, sealed. Empty once erased.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// Who asked for it.
    pub asked_by: AskedBy,
    /// Where it stands.
    pub state: EffectState,
    /// Calls started so far.
    pub attempts: u32,
    /// Calls that failed, but not those for which nothing could start (no guest free, a credential that does not work).
    pub failures: u32,
    /// Whether some call may have taken effect, for all we know: then a person has the last word, and nothing asks for it anew.
    pub may_have_happened: bool,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it may start, or be looked for, next.
    pub due_at: Timestamp,
    /// When it was started last.
    pub started_at: Option<Timestamp>,
    /// When it came to an end.
    pub ended_at: Option<Timestamp>,
    /// The platform's receipt, sealed like the words. Empty where its own echo was the first to tell.
    #[serde(with = "serde_bytes")]
    pub receipt: Vec<u8>,
    /// The interaction in which the platform showed what it brought about.
    pub echo: Option<InteractionId>,
    /// The effect behind it in its lane.
    pub next: Option<EffectId>,
    /// What went wrong last, in our own words.
    pub problem: Option<String>,
    /// What the connector said of it, sealed like the words: a platform's answer may quote people.
    #[serde(with = "serde_bytes")]
    pub detail: Vec<u8>,
}

/// An effect was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectQueued {
    /// Its number.
    pub effect: EffectId,
    /// The host's key.
    pub key: String,
    /// The channel that does it.
    pub channel: ChannelName,
    /// `reply`, `post`, `activity`, `contact`.
    pub action: String,
    /// What a repetition would do.
    pub idempotency: Idempotency,
    /// How long it may take to become visible to `find`.
    pub settling_ms: u64,
    /// The case it belongs to.
    pub case: Option<CaseId>,
    /// The conversation a reply goes to.
    pub conversation: Option<ConversationId>,
    /// The contact it is about.
    pub contact: Option<ContactId>,
    /// Who it is directed at.
    pub profile: Option<ProfileId>,
    /// Why it is lawful to tell a CRM of them, as far as whoever asked said.
    pub basis: Option<LawfulBasis>,
    /// Where its words' key is.
    pub slot: SlotId,
    /// Its words, sealed.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// Who asked for it.
    pub asked_by: AskedBy,
    /// Why a person must decide first; None: it may be done.
    pub undecided: Option<String>,
}

/// What was asked for answers something by which nobody addressed the company. Said of every such effect, whatever the policy lets one do when it is
/// asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectUnsummoned {
    /// Which.
    pub effect: EffectId,
}

/// A call is about to be made. Durable before it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectStarted {
    /// Which.
    pub effect: EffectId,
    /// The how manieth call, from 1.
    pub attempt: u32,
}

/// It took place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectDone {
    /// Which.
    pub effect: EffectId,
    /// The thing it brought about (channel, native id), hashed.
    pub receipt: SubjectId,
    /// The platform's receipt, sealed under the effect's slot. Empty where its echo is the evidence.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// The interaction in which the platform showed it, if that has come in.
    pub echo: Option<InteractionId>,
}

/// The call failed and nothing took effect; it is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectPostponed {
    /// Which.
    pub effect: EffectId,
    /// When the next call may be made.
    pub due_at: Timestamp,
    /// Why, in our own words.
    pub problem: String,
    /// What the connector said, sealed.
    #[serde(with = "serde_bytes")]
    pub detail: Vec<u8>,
    /// Whether it counts as a failed call.
    pub counted: bool,
    /// Whether it is certain by now that no call took effect: it was looked for, and is not there.
    pub ruled_out: bool,
}

/// It did not and will not take place; or somebody decided to leave it, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectFailed {
    /// Which.
    pub effect: EffectId,
    /// Why, in our own words.
    pub problem: String,
    /// What the connector said, sealed.
    #[serde(with = "serde_bytes")]
    pub detail: Vec<u8>,
    /// Who decided to leave it, by token name: then it may have taken place. None: it failed for certain.
    pub left_by: Option<String>,
}

/// It may have taken place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectUnknown {
    /// Which.
    pub effect: EffectId,
    /// When to look for it.
    pub due_at: Timestamp,
    /// Why it is not known, in our own words.
    pub problem: String,
    /// What the connector said, sealed.
    #[serde(with = "serde_bytes")]
    pub detail: Vec<u8>,
}

/// A person must decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectUndecided {
    /// Which.
    pub effect: EffectId,
    /// Why.
    pub problem: String,
}

pub(crate) fn queued(tables: &mut Tables, at: Timestamp, event: &EffectQueued) {
    let effect = Effect {
        key: event.key.clone(),
        channel: event.channel.clone(),
        action: event.action.clone(),
        idempotency: event.idempotency,
        settling_ms: event.settling_ms,
        case: event.case,
        conversation: event.conversation,
        contact: event.contact,
        profile: event.profile,
        basis: event.basis,
        slot: event.slot,
        sealed: event.sealed.clone(),
        asked_by: event.asked_by.clone(),
        state: if event.undecided.is_some() { EffectState::Undecided } else { EffectState::Queued },
        attempts: 0,
        failures: 0,
        may_have_happened: false,
        queued_at: at,
        due_at: at,
        started_at: None,
        ended_at: None,
        receipt: Vec::new(),
        echo: None,
        next: None,
        problem: event.undecided.clone(),
        detail: Vec::new(),
    };
    tables.put(&EFFECTS_BY_KEY, &event.key, &event.effect);
    if let Some(case) = event.case {
        tables.put(&EFFECTS_BY_CASE, &(case, event.effect), &());
    }
    if let Some(contact) = event.contact {
        tables.put(&EFFECTS_BY_CONTACT, &(contact, event.effect), &());
    }
    // The words to one person in another's case may speak of both.
    let of_case = event.case.and_then(|case| tables.get(&CASES, &case)).and_then(|case| case.profile);
    for profile in event.profile.into_iter().chain(of_case) {
        tables.put(&EFFECTS_BY_PROFILE, &(profile, event.effect), &());
    }
    if effect.state.is_pending() {
        lane::join(tables, event.effect, &effect);
    }
    place(tables, event.effect, &effect);
    tables.put(&EFFECTS, &event.effect, &effect);
}

pub(crate) fn unsummoned(tables: &mut Tables, event: &EffectUnsummoned) {
    tables.put(&EFFECTS_UNSUMMONED, &event.effect, &());
}

/// Whether only a person may do it, by the policy in force: it answers something by which nobody addressed the company.
pub(crate) fn is_left_to_people(tables: &Tables, id: EffectId, effect: &Effect) -> bool {
    // Before it was said of every such effect, no other was a person's before its first call.
    let is_unsummoned = tables.contains(&EFFECTS_UNSUMMONED, &id) || effect.state == EffectState::Undecided && effect.attempts == 0;
    let policy = || tables.get(&CHANNELS, &effect.channel).and_then(|channel| channel.policy());
    is_unsummoned && policy().is_some_and(|policy| policy.reply_only_summoned)
}

pub(crate) fn started(tables: &mut Tables, at: Timestamp, event: &EffectStarted) {
    change(tables, event.effect, |effect| {
        effect.state = EffectState::Started;
        effect.attempts = event.attempt;
        effect.started_at = Some(at);
    });
}

pub(crate) fn done(tables: &mut Tables, at: Timestamp, event: &EffectDone) {
    change(tables, event.effect, |effect| {
        effect.state = EffectState::Done;
        effect.ended_at = Some(at);
        effect.receipt.clone_from(&event.sealed);
        effect.echo = event.echo;
        effect.problem = None;
    });
    tables.put(&RECEIPTS, &event.receipt, &event.effect);
    keep_for_a_while(tables, event.effect);
}

/// The platform shows something of the company's own: the echo of an effect, if one brought it about.
pub(crate) fn shown(tables: &mut Tables, subject: &SubjectId, interaction: InteractionId) {
    if let Some(id) = tables.get(&RECEIPTS, subject) {
        tables.update(&EFFECTS, &id, |effect| effect.echo = effect.echo.or(Some(interaction)));
    }
}

pub(crate) fn postponed(tables: &mut Tables, event: &EffectPostponed) {
    change(tables, event.effect, |effect| {
        effect.state = EffectState::Queued;
        effect.due_at = event.due_at;
        effect.failures += u32::from(event.counted);
        effect.may_have_happened &= !event.ruled_out;
        effect.problem = Some(event.problem.clone());
        effect.detail.clone_from(&event.detail);
    });
}

pub(crate) fn failed(tables: &mut Tables, at: Timestamp, event: &EffectFailed) {
    change(tables, event.effect, |effect| {
        effect.state = EffectState::Failed;
        effect.ended_at = Some(at);
        effect.problem = Some(event.problem.clone());
        effect.detail.clone_from(&event.detail);
    });
    keep_for_a_while(tables, event.effect);
}

fn keep_for_a_while(tables: &mut Tables, id: EffectId) {
    let due_at = tables.get(&EFFECTS, &id).and_then(|effect| kept_until(tables, &effect));
    if let Some(due_at) = due_at {
        erasure::schedule(tables, due_at, Due::Effect(id));
    }
}

/// The words of what has come to an end are kept as long as both policies let contents be kept: of the channel that does it, and of the one its case is
/// of, from which they may quote. None: no limit, or it has not come to an end.
pub(crate) fn kept_until(tables: &Tables, effect: &Effect) -> Option<Timestamp> {
    let of_case = effect.case.and_then(|case| tables.get(&CASES, &case)).map(|case| case.channel);
    let channels = [Some(&effect.channel), of_case.as_ref()];
    let policies = channels.into_iter().flatten().filter_map(|channel| tables.get(&CHANNELS, channel)?.policy());
    let content_ms = policies.filter_map(|policy| policy.content_ms).min()?;
    Some(effect.ended_at?.plus_ms(content_ms))
}

pub(crate) fn unknown(tables: &mut Tables, event: &EffectUnknown) {
    change(tables, event.effect, |effect| {
        effect.state = EffectState::Unknown;
        effect.due_at = event.due_at;
        effect.may_have_happened = true;
        effect.problem = Some(event.problem.clone());
        effect.detail.clone_from(&event.detail);
    });
}

pub(crate) fn undecided(tables: &mut Tables, event: &EffectUndecided) {
    change(tables, event.effect, |effect| {
        effect.state = EffectState::Undecided;
        effect.problem = Some(event.problem.clone());
    });
}

/// Gives up the words; what was done stays on record.
pub(crate) fn withdrawn(tables: &mut Tables, at: Timestamp, id: EffectId) {
    let found = tables.update(&EFFECTS, &id, |effect| {
        effect.sealed = Vec::new();
        effect.receipt = Vec::new();
        effect.detail = Vec::new();
    });
    if found {
        erasure::schedule(tables, at, Due::Effect(id));
    }
}

fn change(tables: &mut Tables, id: EffectId, change: impl FnOnce(&mut Effect)) {
    let Some(mut effect) = tables.get(&EFFECTS, &id) else { return };
    displace(tables, id, &effect);
    let was_pending = effect.state.is_pending();
    change(&mut effect);
    let next = match (was_pending, effect.state.is_pending()) {
        (true, false) => lane::leave(tables, id, &mut effect),
        (false, true) => {
            lane::join(tables, id, &effect);
            None
        }
        _ => None,
    };
    place(tables, id, &effect);
    tables.put(&EFFECTS, &id, &effect);
    if let Some((id, effect)) = next {
        place(tables, id, &effect);
    }
}

fn place(tables: &mut Tables, id: EffectId, effect: &Effect) {
    match effect.state {
        EffectState::Queued | EffectState::Unknown => {
            if lane::first(tables, effect) == Some(id) || crate::sabotage::sabotaged("skip-lane-order") {
                tables.put(&EFFECTS_DUE, &(effect.channel.clone(), effect.due_at, id), &());
            }
        }
        EffectState::Started => tables.put(&EFFECTS_STARTED, &id, &()),
        EffectState::Undecided => tables.put(&EFFECTS_UNDECIDED, &id, &()),
        EffectState::Done | EffectState::Failed => {}
    }
}

fn displace(tables: &mut Tables, id: EffectId, effect: &Effect) {
    match effect.state {
        EffectState::Queued | EffectState::Unknown => {
            tables.delete(&EFFECTS_DUE, &(effect.channel.clone(), effect.due_at, id));
        }
        EffectState::Started => tables.delete(&EFFECTS_STARTED, &id),
        EffectState::Undecided => tables.delete(&EFFECTS_UNDECIDED, &id),
        EffectState::Done | EffectState::Failed => {}
    }
}
