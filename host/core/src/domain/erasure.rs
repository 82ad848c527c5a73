//! What must be forgotten, and when. The core only keeps the list; a worker outside overwrites the key slots and reports back.

use serde::{Deserialize, Serialize};

use crate::domain::contact::CONTACTS_OF_IDENTIFIER;
use crate::domain::profile::PROFILES_OF_IDENTIFIER;
use crate::domain::{contact, delivery, effect, interaction, person, profile};
use crate::ids::{ContactId, DeliveryId, EffectId, IdentifierId, InteractionId, PersonId, ProfileId};
use crate::tables::{Key, Table, Tables};
use crate::time::Timestamp;

/// What must be forgotten, by the moment it is due.
pub const ERASURES_DUE: Table<(Timestamp, Due), ()> = Table::new(90, "erasures-due");
/// Identifiers nobody carries any more, with the moment their entry stands under in [`ERASURES_DUE`].
pub const IDENTIFIERS_GIVEN_UP: Table<IdentifierId, Timestamp> = Table::new(91, "identifiers-given-up");

/// Something with a key slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Due {
    /// A profile's names and identity.
    Profile(ProfileId),
    /// A contact's record and identity.
    Contact(ContactId),
    /// An interaction's words.
    Interaction(InteractionId),
    /// An effect's words.
    Effect(EffectId),
    /// A parked delivery.
    Delivery(DeliveryId),
    /// Everything of a profile: names, identity, identifiers, words, effects, and the parked deliveries of its channel.
    WholeProfile(ProfileId),
    /// An identifier nobody carries any more.
    Identifier(IdentifierId),
}

impl Due {
    fn parts(self) -> (u8, u64) {
        match self {
            Self::Profile(id) => (1, id.0),
            Self::Contact(id) => (2, id.0),
            Self::Interaction(id) => (3, id.0),
            Self::Effect(id) => (4, id.0),
            Self::Delivery(id) => (5, id.0),
            Self::WholeProfile(id) => (6, id.0),
            Self::Identifier(id) => (7, id.0),
        }
    }
}

impl Key for Due {
    fn write_to(&self, key: &mut Vec<u8>) {
        let (kind, number) = self.parts();
        (kind, number).write_to(key);
    }
}

/// Somebody asked to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonErased {
    /// Who.
    pub person: PersonId,
    /// Their profiles.
    pub profiles: Vec<ProfileId>,
    /// Their contact.
    pub contact: Option<ContactId>,
    /// Identifiers nobody else carries.
    pub identifiers: Vec<IdentifierId>,
    /// Who asked for it, by token name.
    pub by: String,
}

/// Slots were overwritten: from now on nobody can read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// The list's entry this answers; None: it was found along the way (a whole profile's parts).
    pub due_at: Option<Timestamp>,
    /// What was erased.
    pub what: Due,
}

/// The policy has become stricter: something that is there must be forgotten sooner. An entry under a later moment may stay on the list, where it meets
/// what is forgotten already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionShortened {
    /// What.
    pub what: Due,
    /// When it must be forgotten now.
    pub erase_at: Timestamp,
}

pub(crate) fn schedule(tables: &mut Tables, due_at: Timestamp, what: Due) {
    tables.put(&ERASURES_DUE, &(due_at, what), &());
}

/// Takes an entry back.
pub(crate) fn take_back(tables: &mut Tables, due_at: Timestamp, what: Due) {
    tables.delete(&ERASURES_DUE, &(due_at, what));
}

/// Somebody no longer carries the identifier. It goes with the last who did: its keyed hash would let anybody who has the disk test a guess.
pub(crate) fn identifier_dropped(tables: &mut Tables, at: Timestamp, identifier: IdentifierId) {
    if tables.contains(&PROFILES_OF_IDENTIFIER, &identifier)
        || tables.contains(&CONTACTS_OF_IDENTIFIER, &identifier)
        || tables.contains(&IDENTIFIERS_GIVEN_UP, &identifier)
    {
        return;
    }
    tables.put(&IDENTIFIERS_GIVEN_UP, &identifier, &at);
    schedule(tables, at, Due::Identifier(identifier));
}

/// Somebody carries the identifier, perhaps again.
pub(crate) fn identifier_carried(tables: &mut Tables, identifier: IdentifierId) {
    if let Some(due_at) = tables.get(&IDENTIFIERS_GIVEN_UP, &identifier) {
        tables.delete(&IDENTIFIERS_GIVEN_UP, &identifier);
        take_back(tables, due_at, Due::Identifier(identifier));
    }
}

pub(crate) fn retention_shortened(tables: &mut Tables, event: &RetentionShortened) {
    match event.what {
        Due::Profile(id) => profile::kept_until(tables, id, event.erase_at),
        Due::Delivery(id) => delivery::kept_until(tables, id, event.erase_at),
        _ => {}
    }
    schedule(tables, event.erase_at, event.what);
}

pub(crate) fn person_erased(tables: &mut Tables, at: Timestamp, event: &PersonErased) {
    for profile in &event.profiles {
        profile::erased(tables, at, *profile);
        schedule(tables, at, Due::WholeProfile(*profile));
    }
    if let Some(contact) = event.contact {
        contact::erased(tables, at, contact);
        schedule(tables, at, Due::Contact(contact));
    }
    for identifier in &event.identifiers {
        identifier_dropped(tables, at, *identifier);
    }
    person::erased(tables, event.person);
}

pub(crate) fn erased(tables: &mut Tables, at: Timestamp, event: &Erased) {
    match event.what {
        Due::Profile(id) | Due::WholeProfile(id) => profile::erased(tables, at, id),
        Due::Contact(id) => contact::erased(tables, at, id),
        Due::Interaction(interaction) => interaction::withdrawn(tables, at, &interaction::InteractionWithdrawn { interaction }),
        Due::Effect(id) => effect::withdrawn(tables, at, id),
        Due::Delivery(id) => delivery::erased(tables, id),
        Due::Identifier(id) => tables.delete(&IDENTIFIERS_GIVEN_UP, &id),
    }
    // Withdrawing schedules the overwriting that has just been done.
    tables.delete(&ERASURES_DUE, &(at, event.what));
    if let Some(due_at) = event.due_at {
        tables.delete(&ERASURES_DUE, &(due_at, event.what));
    }
}
