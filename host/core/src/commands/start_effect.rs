//! Announcing a call before it is made.

use crate::commands::Accepted;
use crate::commands::finish_effect::{Setback, end, undecided};
use crate::domain::case::CASES;
use crate::domain::channel::{CHANNELS, LinkPermission};
use crate::domain::effect::{self, EFFECTS, Effect, EffectStarted, EffectState, UNSUMMONED};
use crate::domain::lane;
use crate::domain::person::{LawfulBasis, contact_of};
use crate::domain::profile::PROFILES;
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::EffectId;
use crate::refusal::Refusal;

/// Says that an effect's call is about to be made. The call may be made once this is durable and the effect is started. Refused while another of its
/// lane is under way or comes before it. An effect that would tell a CRM of somebody whose network's policy forbids it by now comes to its end instead;
/// an answer that the policy by now leaves to people is left to them.
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
        if effect::is_left_to_people(draft.tables(), self.effect, &effect) {
            undecided(draft, self.effect, effect.may_have_happened, UNSUMMONED);
            return Ok(Accepted::Effect(self.effect));
        }
        match forbidden(draft, &effect) {
            Some(problem) => end(draft, self.effect, effect.may_have_happened, &Setback { problem, detail: Vec::new() }),
            None => draft.emit(EffectStarted { effect: self.effect, attempt: effect.attempts + 1 }),
        }
        Ok(Accepted::Effect(self.effect))
    }
}

/// Why the effect may not be done any more, which could be asked for: the policy has become stricter since.
fn forbidden<E: From<Event>>(draft: &Draft<'_, E>, effect: &Effect) -> Option<String> {
    let of_case = || CASES.get(draft.tables(), &effect.case?)?.profile;
    // Whom a CRM would be told of. A record it has may be changed, whoever is linked to it.
    let told = match effect.action.as_str() {
        "activity" => of_case(),
        "contact" if effect.contact.is_none() => effect.profile,
        _ => None,
    }?;
    let profile = draft.tables().get(&PROFILES, &told).filter(|profile| !profile.erased)?;
    let has_consent = || match effect.contact {
        // A link without consent has ended with the policy that allowed it.
        Some(_) => contact_of(draft.tables(), &profile).is_some(),
        None => effect.basis == Some(LawfulBasis::Consent),
    };
    let unless = match draft.tables().get(&CHANNELS, &profile.channel)?.policy()?.link {
        LinkPermission::Evidence => return None,
        LinkPermission::Consent if has_consent() => return None,
        LinkPermission::Consent => " without that person's consent on record (basis \"consent\")",
        LinkPermission::Forbidden => "",
    };
    Some(format!("the policy of channel {} no longer lets a CRM be told of profile {told}{unless}", profile.channel))
}
