//! Bringing what is stored in line with a policy that has become stricter.

use crate::commands::Accepted;
use crate::domain::channel::{CHANNELS, LinkPermission, Policy, PolicyEnforced};
use crate::domain::delivery::{self, DELIVERIES, DeliveryState};
use crate::domain::effect::{self, EFFECTS};
use crate::domain::erasure::{Due, ERASURES_DUE, RetentionShortened};
use crate::domain::interaction::INTERACTIONS;
use crate::domain::person::{LINKS, LawfulBasis, LinkEnded};
use crate::domain::profile::{PROFILES, Profile};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::ChannelName;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Things brought in line by one command.
pub const ENFORCED_AT_ONCE_MAX: usize = 1_000;

/// Brings some of what a channel brought in line with its policy: what may not be kept as long as it was to be goes sooner, a link that may no longer
/// be is ended. Nothing is ever kept longer for it. Whoever asks goes through all there is, a batch at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnforcePolicy {
    /// The channel.
    pub channel: ChannelName,
    /// The policy that was in force when it was begun: with another one by now, all is gone through anew.
    pub policy: Policy,
    /// Profiles, interactions, effects and parked deliveries of the channel, at most [`ENFORCED_AT_ONCE_MAX`].
    pub stored: Vec<Due>,
    /// Whether these are the last.
    pub is_last: bool,
}

impl EnforcePolicy {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let channel = draft.tables().get(&CHANNELS, &self.channel).ok_or_else(|| Refusal::not_found("channel", &self.channel))?;
        if channel.policy().as_ref() != Some(&self.policy) {
            return Err(Refusal::Conflict(format!("the policy of channel {} has changed meanwhile", self.channel)));
        }
        if self.stored.len() > ENFORCED_AT_ONCE_MAX {
            return Err(Refusal::Invalid(format!("{} things at once; at most {ENFORCED_AT_ONCE_MAX}", self.stored.len())));
        }
        for what in &self.stored {
            self.shorten(draft, *what);
        }
        if self.is_last && channel.loosest.as_ref() != Some(&self.policy) {
            draft.emit(PolicyEnforced { channel: self.channel.clone() });
        }
        Ok(Accepted::Done)
    }

    fn shorten<E: From<Event>>(&self, draft: &mut Draft<'_, E>, what: Due) {
        let erase_at = match what {
            Due::Profile(id) => {
                let Some(profile) = draft.tables().get(&PROFILES, &id).filter(|profile| !profile.erased) else { return };
                self.end_link(draft, &profile);
                let erase_at = self.policy.profile_ms.map(|kept_ms| profile.last_seen_at.plus_ms(kept_ms));
                erase_at.filter(|erase_at| profile.erase_at.is_none_or(|present| *erase_at < present))
            }
            Due::Interaction(id) => {
                let interaction = draft.tables().get(&INTERACTIONS, &id).filter(|interaction| !interaction.withdrawn);
                interaction.zip(self.policy.content_ms).map(|(interaction, kept_ms)| interaction.received_at.plus_ms(kept_ms))
            }
            Due::Effect(id) => {
                let effect = draft.tables().get(&EFFECTS, &id).filter(|effect| !effect.sealed.is_empty());
                effect.and_then(|effect| effect::kept_until(draft.tables(), &effect))
            }
            Due::Delivery(id) => {
                let delivery = draft.tables().get(&DELIVERIES, &id).filter(|delivery| delivery.state == DeliveryState::Parked);
                let present =
                    delivery.map(|delivery| (delivery.parked_at.plus_ms(delivery::kept_ms(Some(&self.policy))), delivery.erase_at));
                present.filter(|(erase_at, present)| erase_at < present).map(|(erase_at, _)| erase_at)
            }
            Due::Contact(_) | Due::WholeProfile(_) | Due::Identifier(_) => None,
        };
        let is_new = |erase_at: &Timestamp| !draft.tables().contains(&ERASURES_DUE, &(*erase_at, what));
        if let Some(erase_at) = erase_at.filter(is_new) {
            draft.emit(RetentionShortened { what, erase_at });
        }
    }

    fn end_link<E: From<Event>>(&self, draft: &mut Draft<'_, E>, profile: &Profile) {
        let Some(link) = profile.link else { return };
        let has_consent = || draft.tables().get(&LINKS, &link).is_some_and(|link| link.basis == LawfulBasis::Consent);
        let is_allowed = match self.policy.link {
            LinkPermission::Evidence => true,
            LinkPermission::Consent => has_consent(),
            LinkPermission::Forbidden => false,
        };
        if !is_allowed {
            let reason = format!("the policy of channel {} no longer allows it", self.channel);
            draft.emit(LinkEnded { link, reason, refused: false });
        }
    }
}
