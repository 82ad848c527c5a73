//! A person's word on an effect nobody else can judge.

use crate::commands::Accepted;
use crate::domain::effect::{self, EFFECTS, EffectFailed, EffectPostponed, EffectState, UNSUMMONED};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::EffectId;
use crate::refusal::Refusal;

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectDecision {
    /// It did not take place: do it.
    Repeat,
    /// Leave it: it took place, or is not wanted any more.
    GiveUp,
}

/// Decides an undecided effect. What the policy leaves to people is not done from here while it does, whoever says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecideEffect {
    /// The effect.
    pub effect: EffectId,
    /// What is decided.
    pub decision: EffectDecision,
    /// Who decides, by token name.
    pub by: String,
}

impl DecideEffect {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let effect = draft.tables().get(&EFFECTS, &self.effect).ok_or_else(|| Refusal::not_found("effect", self.effect))?;
        if effect.state != EffectState::Undecided {
            return Err(Refusal::Conflict(format!("effect {} is {:?}: there is nothing to decide", self.effect, effect.state)));
        }
        match self.decision {
            EffectDecision::Repeat if effect::is_left_to_people(draft.tables(), self.effect, &effect) => {
                return Err(Refusal::Forbidden(UNSUMMONED.to_owned()));
            }
            EffectDecision::Repeat => {
                let problem = format!("{} decided that it be done", self.by);
                draft.emit(EffectPostponed {
                    effect: self.effect,
                    due_at: draft.now(),
                    problem,
                    detail: Vec::new(),
                    counted: false,
                    ruled_out: true,
                });
            }
            EffectDecision::GiveUp => {
                let problem = format!("{} decided to leave it", self.by);
                draft.emit(EffectFailed { effect: self.effect, problem, detail: Vec::new(), left_by: Some(self.by.clone()) });
            }
        }
        Ok(Accepted::Effect(self.effect))
    }
}
