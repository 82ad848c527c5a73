//! Contacts: records of the CRMs, as far as recognising people needs them.

use serde::{Deserialize, Serialize};

use crate::domain::erasure;
use crate::domain::profile::Identified;
use crate::ids::{ChannelName, ContactId, IdentifierId, PersonId};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Contacts by their slot.
pub const CONTACTS: Table<ContactId, Contact> = Table::new(20, "contacts");
/// Which contacts carry an identifier.
pub const CONTACTS_OF_IDENTIFIER: Table<IdentifierId, Vec<ContactId>> = Table::new(21, "contacts-of-identifier");

/// Contacts that may share one identifier before further ones are left out of matching.
pub const CONTACTS_PER_IDENTIFIER_MAX: usize = 16;

/// A contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The crm channel it came from.
    pub channel: ChannelName,
    /// The CRM's version of the record, hashed: the same is not taken in twice.
    pub version: [u8; 16],
    /// The record, sealed under the contact's slot.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// What it says people can be recognised by.
    pub identifiers: Vec<Identified>,
    /// The person it stands for.
    pub person: PersonId,
    /// Whether the CRM has deleted it.
    pub deleted: bool,
    /// When it was seen last.
    pub seen_at: Timestamp,
    /// Whether it has been erased: what is left names nobody, and nothing is taken in for it any more.
    pub erased: bool,
}

/// A contact was seen, new or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactSeen {
    /// The contact.
    pub contact: ContactId,
    /// The crm channel.
    pub channel: ChannelName,
    /// The record's version, hashed.
    pub version: [u8; 16],
    /// The sealed record.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// Its identifiers.
    pub identifiers: Vec<Identified>,
    /// The person that comes into being with it; its present one where it is known already.
    pub person: PersonId,
    /// Whether the CRM has deleted it.
    pub deleted: bool,
}

pub(crate) fn seen(tables: &mut Tables, at: Timestamp, event: &ContactSeen) {
    let before = tables.get(&CONTACTS, &event.contact);
    if let Some(before) = &before {
        forget_identifiers(tables, event.contact, before);
    }
    if !event.deleted {
        for identified in &event.identifiers {
            let mut holders = tables.get(&CONTACTS_OF_IDENTIFIER, &identified.identifier).unwrap_or_default();
            if !holders.contains(&event.contact) && holders.len() < CONTACTS_PER_IDENTIFIER_MAX {
                holders.push(event.contact);
                tables.put(&CONTACTS_OF_IDENTIFIER, &identified.identifier, &holders);
                erasure::identifier_carried(tables, identified.identifier);
            }
        }
    }
    // Those of a deleted record too: the edge looked them up, and nobody came to carry them.
    for identified in before.iter().flat_map(|contact| &contact.identifiers).chain(&event.identifiers) {
        erasure::identifier_dropped(tables, at, identified.identifier);
    }
    let contact = Contact {
        channel: event.channel.clone(),
        version: event.version,
        sealed: event.sealed.clone(),
        identifiers: event.identifiers.clone(),
        person: event.person,
        deleted: event.deleted,
        seen_at: at,
        erased: false,
    };
    tables.put(&CONTACTS, &event.contact, &contact);
}

/// Takes the contact out of everything it can be found by.
pub(crate) fn erased(tables: &mut Tables, at: Timestamp, contact_id: ContactId) {
    let Some(before) = tables.get(&CONTACTS, &contact_id) else { return };
    forget_identifiers(tables, contact_id, &before);
    for identified in &before.identifiers {
        erasure::identifier_dropped(tables, at, identified.identifier);
    }
    let empty = Contact { sealed: Vec::new(), identifiers: Vec::new(), deleted: true, erased: true, ..before };
    tables.put(&CONTACTS, &contact_id, &empty);
}

fn forget_identifiers(tables: &mut Tables, contact_id: ContactId, contact: &Contact) {
    for identified in &contact.identifiers {
        let mut holders = tables.get(&CONTACTS_OF_IDENTIFIER, &identified.identifier).unwrap_or_default();
        holders.retain(|holder| *holder != contact_id);
        if holders.is_empty() {
            tables.delete(&CONTACTS_OF_IDENTIFIER, &identified.identifier);
        } else {
            tables.put(&CONTACTS_OF_IDENTIFIER, &identified.identifier, &holders);
        }
    }
}
