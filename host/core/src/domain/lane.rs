//! Lanes: whose order effects keep. Effects of one lane are done one after the other, as they were asked for; lanes do not wait for each other.
//!
//! A lane is the queue of its effects that have not come to an end, chained through [`Effect::next`]. Only the first may be called or looked
//! for, so only the first stands in [`EFFECTS_DUE`](super::effect::EFFECTS_DUE). When it comes to an end, or a person must decide (that may take
//! days), the one behind it is the first. An effect that ends before its turn, by the platform's own echo, stays in the chain and is passed over.

use serde::{Deserialize, Serialize};

use crate::domain::effect::{EFFECTS, Effect};
use crate::ids::{ChannelName, ContactId, ConversationId, EffectId, ProfileId};
use crate::tables::{Key, Table, Tables};

/// Lanes in which something is to be done.
pub const LANES: Table<(ChannelName, Lane), Queue> = Table::new(78, "lanes");

/// Whose order an effect keeps on its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What is said in a conversation.
    Conversation(ConversationId),
    /// What is written about a contact.
    Contact(ContactId),
    /// What is directed at somebody, outside of conversations.
    Profile(ProfileId),
    /// Everything else: what the channel says to everybody.
    Channel,
}

impl Lane {
    /// The lane of an effect.
    #[must_use]
    pub fn of(effect: &Effect) -> Self {
        let conversation = effect.conversation.map(Self::Conversation);
        let contact = || effect.contact.map(Self::Contact);
        let profile = || effect.profile.map(Self::Profile);
        conversation.or_else(contact).or_else(profile).unwrap_or(Self::Channel)
    }
}

impl Key for Lane {
    fn write_to(&self, key: &mut Vec<u8>) {
        let (kind, number) = match self {
            Self::Conversation(id) => (1_u8, id.0),
            Self::Contact(id) => (2, id.0),
            Self::Profile(id) => (3, id.0),
            Self::Channel => (4, 0),
        };
        (kind, number).write_to(key);
    }
}

/// The ends of a lane's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Whose turn it is.
    pub first: EffectId,
    /// The one asked for last.
    pub last: EffectId,
}

/// Whose turn it is in an effect's lane.
pub(crate) fn first(tables: &Tables, effect: &Effect) -> Option<EffectId> {
    tables.get(&LANES, &key(effect)).map(|queue| queue.first)
}

/// Puts an effect behind all others of its lane.
pub(super) fn join(tables: &mut Tables, id: EffectId, effect: &Effect) {
    let queue = match tables.get(&LANES, &key(effect)) {
        Some(queue) => {
            tables.update(&EFFECTS, &queue.last, |last| last.next = Some(id));
            Queue { last: id, ..queue }
        }
        None => Queue { first: id, last: id },
    };
    tables.put(&LANES, &key(effect), &queue);
}

/// Takes an effect out of its lane; gives the one whose turn it is now, if it was this one's.
pub(super) fn leave(tables: &mut Tables, id: EffectId, effect: &mut Effect) -> Option<(EffectId, Effect)> {
    let queue = tables.get(&LANES, &key(effect)).filter(|queue| queue.first == id)?;
    let mut next = effect.next.take();
    while let Some((id, row)) = next.and_then(|id| Some((id, tables.get(&EFFECTS, &id)?))) {
        if row.state.is_pending() {
            tables.put(&LANES, &key(effect), &Queue { first: id, ..queue });
            return Some((id, row));
        }
        next = row.next;
    }
    tables.delete(&LANES, &key(effect));
    None
}

fn key(effect: &Effect) -> (ChannelName, Lane) {
    (effect.channel.clone(), Lane::of(effect))
}
