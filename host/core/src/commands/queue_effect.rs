//! Asking for something to be done outside.

use crate::commands::Accepted;
use crate::domain::case::CASES;
use crate::domain::channel::CHANNELS;
use crate::domain::contact::CONTACTS;
use crate::domain::conversation::CONVERSATIONS;
use crate::domain::effect::{AskedBy, EFFECTS_BY_KEY, EffectQueued, EffectUnsummoned, UNSUMMONED};
use crate::domain::interaction::INTERACTIONS;
use crate::domain::person::LawfulBasis;
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{CaseId, ChannelName, ContactId, ConversationId, EffectId, InteractionId, ProfileId, SlotId};
use crate::numbers::Counter;
use crate::refusal::Refusal;

/// Queues an effect. The same key again is the same effect: nothing new happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueEffect {
    /// Derived by the host from who asked: a run's step and visit, or a caller's idempotency key. Never from the content.
    pub key: String,
    /// The channel that is to do it.
    pub channel: ChannelName,
    /// `reply`, `post`, `activity`, `contact`.
    pub action: String,
    /// The case it belongs to.
    pub case: Option<CaseId>,
    /// The conversation a reply goes to.
    pub conversation: Option<ConversationId>,
    /// The interaction in it that is answered. None: the latest of somebody else's.
    pub answers: Option<InteractionId>,
    /// The contact it is about.
    pub contact: Option<ContactId>,
    /// Who it is directed at, so that it is forgotten with them.
    pub profile: Option<ProfileId>,
    /// Why it is lawful to tell a CRM of them, as far as whoever asks says.
    pub basis: Option<LawfulBasis>,
    /// Where its words' key is.
    pub slot: SlotId,
    /// Its words, sealed.
    pub sealed: Vec<u8>,
    /// Who asks.
    pub asked_by: AskedBy,
}

impl QueueEffect {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        if let Some(effect) = draft.tables().get(&EFFECTS_BY_KEY, &self.key) {
            return Ok(Accepted::Effect(effect));
        }
        let channel = draft.tables().get(&CHANNELS, &self.channel).ok_or_else(|| Refusal::not_found("channel", &self.channel))?;
        let Some(action) = channel.action(&self.action) else {
            let can: Vec<&str> = channel.grant.iter().flat_map(|grant| &grant.actions).map(|action| action.name.as_str()).collect();
            return Err(Refusal::Invalid(format!(
                "channel {} cannot {:?}; it can: {}",
                self.channel,
                self.action,
                if can.is_empty() { "nothing (no connector is granted, or it only listens)".to_owned() } else { can.join(", ") }
            )));
        };
        if !self.case.is_none_or(|case| draft.tables().contains(&CASES, &case)) {
            return Err(Refusal::not_found("case", self.case.map_or(0, |case| case.0)));
        }
        if !self.contact.is_none_or(|contact| draft.tables().contains(&CONTACTS, &contact)) {
            return Err(Refusal::not_found("contact", self.contact.map_or(0, |contact| contact.0)));
        }
        let mut unsummoned = false;
        if let Some(id) = self.conversation {
            let conversation = draft.tables().get(&CONVERSATIONS, &id).ok_or_else(|| Refusal::not_found("conversation", id))?;
            if conversation.channel != self.channel {
                return Err(Refusal::Invalid(format!(
                    "conversation {id} takes place on {}, not on {}",
                    conversation.channel, self.channel
                )));
            }
            // Somebody who addressed the company earlier in the thread does not make it everybody's, nor for ever theirs.
            let answered = self.answers.or(conversation.latest_inbound).and_then(|id| draft.tables().get(&INTERACTIONS, &id));
            unsummoned = !answered.is_some_and(|answered| answered.conversation == id && answered.summons);
        } else if self.action == "reply" {
            return Err(Refusal::Invalid("a reply needs the conversation it goes to".to_owned()));
        }
        let is_left_to_people = unsummoned && channel.policy().is_some_and(|policy| policy.reply_only_summoned);
        let effect = EffectId(draft.next(Counter::Effect));
        let event = EffectQueued {
            effect,
            key: self.key.clone(),
            channel: self.channel.clone(),
            action: self.action.clone(),
            idempotency: action.idempotency,
            settling_ms: action.settling_ms,
            case: self.case,
            conversation: self.conversation,
            contact: self.contact,
            profile: self.profile,
            basis: self.basis,
            slot: self.slot,
            sealed: self.sealed.clone(),
            asked_by: self.asked_by.clone(),
            undecided: is_left_to_people.then(|| UNSUMMONED.to_owned()),
        };
        draft.emit(event);
        if unsummoned {
            // The policy may be another one by the time it is done.
            draft.emit(EffectUnsummoned { effect });
        }
        Ok(Accepted::Effect(effect))
    }
}
