//! Announcing a call before it is made.

use crate::commands::Accepted;
use crate::domain::effect::{EFFECTS, EffectStarted, EffectState};
use crate::domain::lane;
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::EffectId;
use crate::refusal::Refusal;

/// Says that an effect's call is about to be made. The call may be made once this is durable. Refused while another of its lane is under way or
/// comes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartEffect {
    /// The effect.
    pub effect: EffectId,
}

impl StartEffect {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let effect = draft.tables().get(&EFFECTS, &self.effect).ok_or_else(|| Refusal::not_found("effect", self.effect))?;
        if effect.state != EffectState::Queued {
            return Err(Refusal::Conflict(format!("effect {} is {:?}, not queued", self.effect, effect.state)));
        }
        if effect.due_at > draft.now() {
            return Err(Refusal::Conflict(format!("effect {} is not due yet", self.effect)));
        }
        if let Some(first) = lane::first(draft.tables(), &effect).filter(|first| *first != self.effect)
            && !crate::sabotage::sabotaged("skip-lane-order")
        {
            return Err(Refusal::Conflict(format!(
                "effect {} waits for effect {first}, which was asked for before it in the same place",
                self.effect
            )));
        }
        draft.emit(EffectStarted { effect: self.effect, attempt: effect.attempts + 1 });
        Ok(Accepted::Effect(self.effect))
    }
}
