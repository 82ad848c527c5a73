//! Recording what became of a call, or of looking for an effect.

use crate::commands::Accepted;
use crate::domain::case::{CASES, CaseAnswered};
use crate::domain::channel::Idempotency;
use crate::domain::effect::{EFFECTS, Effect, EffectDone, EffectFailed, EffectPostponed, EffectState, EffectUndecided, EffectUnknown};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{EffectId, Fingerprint};
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Calls of one effect before it is given up.
pub const ATTEMPTS_MAX: u32 = 16;

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

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectOutcome {
    /// It took place: the connector says so, or `find` saw it, or the platform's own echo did.
    Done {
        /// Hash of (channel, native id).
        receipt: Fingerprint,
        /// The receipt, sealed under the effect's slot.
        sealed: Vec<u8>,
    },
    /// Surely nothing took effect; try again then.
    Postponed {
        /// When.
        due_at: Timestamp,
        /// Why.
        problem: String,
    },
    /// It will never work.
    Failed {
        /// Why.
        problem: String,
    },
    /// Nobody knows whether it took place: a time-out after sending, a trap, a crash.
    Uncertain {
        /// Why.
        problem: String,
    },
    /// `find` did not see it.
    Absent,
    /// `find` could not be asked; look again then.
    LookAgain {
        /// When.
        due_at: Timestamp,
        /// Why.
        problem: String,
    },
    /// The platform does not let one tell.
    CannotTell,
}

impl FinishEffect {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let effect = draft.tables().get(&EFFECTS, &self.effect).ok_or_else(|| Refusal::not_found("effect", self.effect))?;
        if !matches!(effect.state, EffectState::Started | EffectState::Unknown) || effect.attempts != self.attempt {
            return Err(Refusal::Conflict(format!(
                "effect {} is {:?} in attempt {}: this outcome of attempt {} comes too late",
                self.effect, effect.state, effect.attempts, self.attempt
            )));
        }
        let id = self.effect;
        match &self.outcome {
            EffectOutcome::Done { receipt, sealed } => {
                draft.emit(EffectDone { effect: id, receipt: *receipt, sealed: sealed.clone() });
                note_answer(draft, &effect);
            }
            EffectOutcome::Postponed { due_at, problem } => postpone(draft, id, &effect, *due_at, problem),
            EffectOutcome::Failed { problem } => draft.emit(EffectFailed { effect: id, problem: problem.clone(), left_by: None }),
            EffectOutcome::Uncertain { problem } => uncertain(draft, id, &effect, problem),
            EffectOutcome::Absent => absent(draft, id, &effect),
            EffectOutcome::LookAgain { due_at, problem } => {
                draft.emit(EffectUnknown { effect: id, due_at: *due_at, problem: problem.clone() });
            }
            EffectOutcome::CannotTell => {
                let problem = "the platform does not let one tell whether it took place".to_owned();
                draft.emit(EffectUndecided { effect: id, problem });
            }
        }
        Ok(Accepted::Effect(id))
    }
}

fn postpone<E: From<Event>>(draft: &mut Draft<'_, E>, id: EffectId, effect: &Effect, due_at: Timestamp, problem: &str) {
    if effect.attempts >= ATTEMPTS_MAX {
        let problem = format!("given up after {ATTEMPTS_MAX} attempts; the last one: {problem}");
        draft.emit(EffectFailed { effect: id, problem, left_by: None });
    } else {
        draft.emit(EffectPostponed { effect: id, due_at, problem: problem.to_owned() });
    }
}

/// Never a blind retry of what a repetition would double.
fn uncertain<E: From<Event>>(draft: &mut Draft<'_, E>, id: EffectId, effect: &Effect, problem: &str) {
    match effect.idempotency {
        Idempotency::Idempotent | Idempotency::Keyed | Idempotency::Findable => {
            // For the repeatable ones too: the outcome is on record before anything is done about it.
            let settled_at = settled_at(effect, draft.now());
            let due_at = if effect.idempotency == Idempotency::Findable { settled_at } else { draft.now() };
            draft.emit(EffectUnknown { effect: id, due_at, problem: problem.to_owned() });
            if effect.idempotency != Idempotency::Findable {
                postpone(draft, id, effect, draft.now(), "the last outcome is unknown; a repetition changes nothing");
            }
        }
        Idempotency::Unsafe => {
            draft.emit(EffectUnknown { effect: id, due_at: draft.now(), problem: problem.to_owned() });
            draft.emit(EffectUndecided { effect: id, problem: problem.to_owned() });
        }
    }
}

/// Absent is believed only once the effect has had its time to settle.
fn absent<E: From<Event>>(draft: &mut Draft<'_, E>, id: EffectId, effect: &Effect) {
    let settled_at = settled_at(effect, draft.now());
    if draft.now() >= settled_at {
        postpone(draft, id, effect, draft.now(), "it was looked for and is not there");
    } else {
        draft.emit(EffectUnknown { effect: id, due_at: settled_at, problem: "not seen yet; it may still settle".to_owned() });
    }
}

fn settled_at(effect: &Effect, now: Timestamp) -> Timestamp {
    effect.started_at.unwrap_or(now).plus_ms(effect.settling_ms)
}

fn note_answer<E: From<Event>>(draft: &mut Draft<'_, E>, effect: &Effect) {
    let Some(case) = effect.case.filter(|_| effect.action == "reply") else { return };
    if draft.tables().get(&CASES, &case).is_some_and(|row| row.first_answer_at.is_none()) {
        draft.emit(CaseAnswered { case, answered_at: draft.now() });
    }
}
