//! Announcing a call before it is made.

use crate::commands::Accepted;
use crate::domain::effect::{EFFECTS, EffectStarted, EffectState};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::EffectId;
use crate::refusal::Refusal;

/// Says that an effect's call is about to be made. The call may be made once this is durable.
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
        draft.emit(EffectStarted { effect: self.effect, attempt: effect.attempts + 1 });
        Ok(Accepted::Effect(self.effect))
    }
}
