//! What must be forgotten, and when. The core only keeps the list; a worker outside overwrites the key slots and reports back.

use serde::{Deserialize, Serialize};

use crate::domain::{contact, delivery, effect, interaction, person, profile};
use crate::ids::{ContactId, DeliveryId, EffectId, IdentifierId, InteractionId, PersonId, ProfileId};
use crate::tables::{Key, Table, Tables};
use crate::time::Timestamp;

/// What must be forgotten, by the moment it is due.
pub const ERASURES_DUE: Table<(Timestamp, Due), ()> = Table::new(90, "erasures-due");

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

pub(crate) fn schedule(tables: &mut Tables, due_at: Timestamp, what: Due) {
    tables.put(&ERASURES_DUE, &(due_at, what), &());
}

pub(crate) fn person_erased(tables: &mut Tables, at: Timestamp, event: &PersonErased) {
    for profile in &event.profiles {
        profile::erased(tables, *profile);
        schedule(tables, at, Due::WholeProfile(*profile));
    }
    if let Some(contact) = event.contact {
        contact::erased(tables, contact);
        schedule(tables, at, Due::Contact(contact));
    }
    for identifier in &event.identifiers {
        schedule(tables, at, Due::Identifier(*identifier));
    }
    person::erased(tables, event.person);
}

pub(crate) fn erased(tables: &mut Tables, at: Timestamp, event: &Erased) {
    match event.what {
        Due::Profile(id) | Due::WholeProfile(id) => profile::erased(tables, id),
        Due::Contact(id) => contact::erased(tables, id),
        Due::Interaction(interaction) => interaction::withdrawn(tables, at, &interaction::InteractionWithdrawn { interaction }),
        Due::Effect(id) => effect::withdrawn(tables, at, id),
        Due::Delivery(id) => delivery::erased(tables, id),
        Due::Identifier(_) => {}
    }
    // Withdrawing schedules the overwriting that has just been done.
    tables.delete(&ERASURES_DUE, &(at, event.what));
    if let Some(due_at) = event.due_at {
        tables.delete(&ERASURES_DUE, &(due_at, event.what));
    }
}
