//! Recording what became of a call, or of looking for an effect.
//!
//! | outcome | what follows |
//! |---|---|
//! | done | done |
//! | not started | the same again later; it does not count as a failed call |
//! | postponed (surely nothing took effect) | again later, [`FAILURES_MAX`] times at most |
//! | failed (it will never work) | failed |
//! | uncertain | on record as unknown; then by class: found out with `find` once it has settled, repeated where that changes nothing, or a person's |
//! | absent | believed once it has settled: then it may be done; before that it is looked for again |
//! | cannot tell | a person's |
//!
//! What the platform's own echo has shown meanwhile (see [`Ingest`](super::Ingest)) is done: whatever else is said of the same attempt changes
//! nothing.
//!
//! An effect that may have taken place is never given up as failed by itself: a person has the last word.

use crate::commands::Accepted;
use crate::domain::case::{CASES, CaseAnswered};
use crate::domain::channel::Idempotency;
use crate::domain::effect::{EFFECTS, Effect, EffectDone, EffectFailed, EffectPostponed, EffectState, EffectUndecided, EffectUnknown};
use crate::domain::interaction::{INTERACTIONS, SUBJECTS};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{EffectId, InteractionId, SubjectId};
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Failed calls of one effect before it is given up.
pub const FAILURES_MAX: u32 = 16;

/// Records the outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishEffect {
    /// The effect.
    pub effect: EffectId,
    /// The attempt this is the outcome of: a late outcome of an earlier one is refused.
    pub attempt: u32,
    /// What became of it.
    pub outcome: EffectOutcome,
}

/// What went wrong: in our own words, and in the connector's, sealed under the effect's slot (they may quote people).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setback {
    /// In our own words.
    pub problem: String,
    /// In the connector's, sealed; empty where it said nothing.
    pub detail: Vec<u8>,
}

impl From<&str> for Setback {
    fn from(problem: &str) -> Self {
        Self { problem: problem.to_owned(), detail: Vec::new() }
    }
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectOutcome {
    /// It took place: the connector says so, or `find` saw it.
    Done {
        /// Hash of (channel, native id).
        receipt: SubjectId,
        /// The receipt, sealed under the effect's slot.
        sealed: Vec<u8>,
    },
    /// No call could be made.
    NotStarted {
        /// When to try again.
        due_at: Timestamp,
        /// Why.
        setback: Setback,
    },
    /// Surely nothing took effect; try again then.
    Postponed {
        /// When.
        due_at: Timestamp,
        /// Why.
        setback: Setback,
    },
    /// It will never work.
    Failed(Setback),
    /// Nobody knows whether it took place: a time-out after sending, a trap, a crash.
    Uncertain(Setback),
    /// `find` did not see it.
    Absent,
    /// `find` could not be asked; look again then.
    LookAgain {
        /// When.
        due_at: Timestamp,
        /// Why.
        setback: Setback,
    },
    /// The platform does not let one tell.
    CannotTell,
}

impl FinishEffect {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let effect = draft.tables().get(&EFFECTS, &self.effect).ok_or_else(|| Refusal::not_found("effect", self.effect))?;
        if effect.state == EffectState::Done && effect.attempts == self.attempt {
            return Ok(Accepted::Effect(self.effect));
        }
        // A call has an outcome while it is started; a look while it is unknown; done may turn up in both.
        let expected: &[EffectState] = match &self.outcome {
            EffectOutcome::Done { .. } => &[EffectState::Started, EffectState::Unknown],
            EffectOutcome::Absent | EffectOutcome::LookAgain { .. } | EffectOutcome::CannotTell => &[EffectState::Unknown],
            _ => &[EffectState::Started],
        };
        if !expected.contains(&effect.state) || effect.attempts != self.attempt {
            return Err(Refusal::Conflict(format!(
                "effect {} is {:?} in attempt {}: this outcome of attempt {} comes too late",
                self.effect, effect.state, effect.attempts, self.attempt
            )));
        }
        let id = self.effect;
        match &self.outcome {
            EffectOutcome::Done { receipt, sealed } => {
                let echo = echo_of(draft, *receipt);
                took_place(draft, &effect, EffectDone { effect: id, receipt: *receipt, sealed: sealed.clone(), echo });
            }
            EffectOutcome::NotStarted { due_at, setback } => again(draft, id, *due_at, setback, Again::default()),
            EffectOutcome::Postponed { due_at, setback } => retry(draft, id, &effect, *due_at, setback, false),
            EffectOutcome::Failed(setback) => end(draft, id, effect.may_have_happened, setback),
            EffectOutcome::Uncertain(setback) => uncertain(draft, id, &effect, setback),
            EffectOutcome::Absent if draft.now() >= effect.due_at => {
                retry(draft, id, &effect, draft.now(), &"it was looked for and is not there".into(), true);
            }
            EffectOutcome::Absent => unknown(draft, id, effect.due_at, &"not seen yet; it may still settle".into()),
            EffectOutcome::LookAgain { due_at, setback } => unknown(draft, id, *due_at, setback),
            EffectOutcome::CannotTell => {
                let problem = "the platform does not let one tell whether it took place".to_owned();
                draft.emit(EffectUndecided { effect: id, problem });
            }
        }
        Ok(Accepted::Effect(id))
    }
}

/// How an effect goes back into the queue.
#[derive(Clone, Copy, Default)]
struct Again {
    counted: bool,
    ruled_out: bool,
}

fn again<E: From<Event>>(draft: &mut Draft<'_, E>, id: EffectId, due_at: Timestamp, setback: &Setback, how: Again) {
    let Setback { problem, detail } = setback.clone();
    draft.emit(EffectPostponed { effect: id, due_at, problem, detail, counted: how.counted, ruled_out: how.ruled_out });
}

fn retry<E: From<Event>>(draft: &mut Draft<'_, E>, id: EffectId, effect: &Effect, due_at: Timestamp, setback: &Setback, ruled_out: bool) {
    if effect.failures + 1 < FAILURES_MAX {
        again(draft, id, due_at, setback, Again { counted: true, ruled_out });
        return;
    }
    let problem = format!("given up after {FAILURES_MAX} failed calls; the last one: {}", setback.problem);
    let may_have_happened = draft.tables().get(&EFFECTS, &id).is_some_and(|row| row.may_have_happened) && !ruled_out;
    end(draft, id, may_have_happened, &Setback { problem, detail: setback.detail.clone() });
}

/// It is over, unless it may have taken place: then a person decides.
pub(super) fn end<E: From<Event>>(draft: &mut Draft<'_, E>, id: EffectId, may_have_happened: bool, setback: &Setback) {
    let Setback { problem, detail } = setback.clone();
    if may_have_happened {
        undecided(draft, id, may_have_happened, &problem);
    } else {
        draft.emit(EffectFailed { effect: id, problem, detail, left_by: None });
    }
}

/// A person decides.
pub(super) fn undecided<E: From<Event>>(draft: &mut Draft<'_, E>, id: EffectId, may_have_happened: bool, problem: &str) {
    let before = if may_have_happened { "an earlier call may have taken effect; " } else { "" };
    draft.emit(EffectUndecided { effect: id, problem: format!("{before}{problem}") });
}

fn unknown<E: From<Event>>(draft: &mut Draft<'_, E>, id: EffectId, due_at: Timestamp, setback: &Setback) {
    let Setback { problem, detail } = setback.clone();
    draft.emit(EffectUnknown { effect: id, due_at, problem, detail });
}

/// Never a blind retry of what a repetition would double.
fn uncertain<E: From<Event>>(draft: &mut Draft<'_, E>, id: EffectId, effect: &Effect, setback: &Setback) {
    // Settling begins when nobody waits for the call any more: what was sent may still be at work on the other side.
    let settled_at = draft.now().plus_ms(effect.settling_ms);
    // On record as unknown in any case, before anything is done about it.
    unknown(draft, id, settled_at, setback);
    match effect.idempotency {
        Idempotency::Findable => {}
        Idempotency::Idempotent | Idempotency::Keyed => {
            let setback = "the last outcome is unknown; a repetition changes nothing".into();
            retry(draft, id, effect, draft.now(), &setback, false);
        }
        Idempotency::Unsafe => draft.emit(EffectUndecided { effect: id, problem: setback.problem.clone() }),
    }
}

/// It took place, whoever saw it.
pub(super) fn took_place<E: From<Event>>(draft: &mut Draft<'_, E>, effect: &Effect, done: EffectDone) {
    draft.emit(done);
    note_answer(draft, effect);
}

/// The company's own interaction in which the platform showed it, if that was faster than the answer to the call.
fn echo_of<E: From<Event>>(draft: &Draft<'_, E>, receipt: SubjectId) -> Option<InteractionId> {
    let shown = *draft.tables().get(&SUBJECTS, &receipt)?.versions.first()?;
    draft.tables().get(&INTERACTIONS, &shown).filter(|interaction| interaction.own).map(|_| shown)
}

fn note_answer<E: From<Event>>(draft: &mut Draft<'_, E>, effect: &Effect) {
    let Some(case) = effect.case.filter(|_| effect.action == "reply") else { return };
    if draft.tables().get(&CASES, &case).is_some_and(|row| row.first_answer_at.is_none()) {
        draft.emit(CaseAnswered { case, answered_at: draft.now() });
    }
}
