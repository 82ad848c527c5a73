//! Forgetting somebody.

use std::collections::BTreeSet;

use crate::commands::Accepted;
use crate::domain::contact::{CONTACTS, CONTACTS_OF_IDENTIFIER};
use crate::domain::erasure::PersonErased;
use crate::domain::person::{LINKED_PROFILES, LINKS, LinkEnded, Origin, PEOPLE};
use crate::domain::profile::{PROFILES, PROFILES_OF_IDENTIFIER, Profile};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{ContactId, IdentifierId, PersonId, ProfileId};
use crate::refusal::Refusal;

/// Erases a person: all profiles, the contact as far as it is kept here, every word of theirs and to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasePerson {
    /// Who.
    pub person: PersonId,
    /// Who asked for it, by token name.
    pub by: String,
}

impl ErasePerson {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let person = draft.tables().get(&PEOPLE, &self.person).ok_or_else(|| Refusal::not_found("person", self.person))?;
        if person.erased {
            return Ok(Accepted::Done);
        }
        // Somebody known by profile and linked to a contact is one person: all of it goes.
        let (profile, contact) = match person.origin {
            Origin::Contact(contact) => (None, Some(contact)),
            Origin::Profile(profile) => {
                let link = draft.tables().get(&PROFILES, &profile).and_then(|row| row.link);
                let link = link.and_then(|link| draft.tables().get(&LINKS, &link));
                (Some(profile), link.map(|link| link.contact))
            }
        };
        let contact_row = contact.and_then(|contact| draft.tables().get(&CONTACTS, &contact));
        let mut profiles: BTreeSet<ProfileId> = profile.into_iter().collect();
        if let Some(row) = &contact_row {
            profiles.extend(draft.tables().get(&LINKED_PROFILES, &row.person).unwrap_or_default());
        }
        let identifiers = orphaned_identifiers(draft, &profiles, contact);
        for profile in &profiles {
            if let Some(link) = draft.tables().get(&PROFILES, profile).and_then(|row| row.link) {
                draft.emit(LinkEnded { link, reason: "the person was erased".to_owned(), refused: false });
            }
        }
        let person = contact_row.map_or(self.person, |row| row.person);
        draft.emit(PersonErased { person, profiles: profiles.into_iter().collect(), contact, identifiers, by: self.by.clone() });
        Ok(Accepted::Done)
    }
}

/// Erases one profile, every word of theirs and to them, and the person that came into being with it. Whoever it was linked to stays.
pub(super) fn forget_profile<E: From<Event>>(draft: &mut Draft<'_, E>, profile: ProfileId, row: &Profile, by: String) {
    let profiles = BTreeSet::from([profile]);
    let identifiers = orphaned_identifiers(draft, &profiles, None);
    if let Some(link) = row.link {
        draft.emit(LinkEnded { link, reason: "the profile was erased".to_owned(), refused: false });
    }
    draft.emit(PersonErased { person: row.person, profiles: vec![profile], contact: None, identifiers, by });
}

/// Identifiers that nobody else carries.
fn orphaned_identifiers<E: From<Event>>(
    draft: &Draft<'_, E>,
    profiles: &BTreeSet<ProfileId>,
    contact: Option<ContactId>,
) -> Vec<IdentifierId> {
    let tables = draft.tables();
    let of_profiles = profiles.iter().filter_map(|profile| tables.get(&PROFILES, profile)).flat_map(|row| row.identifiers);
    let of_contact = contact.and_then(|contact| tables.get(&CONTACTS, &contact)).into_iter().flat_map(|row| row.identifiers);
    let all: BTreeSet<IdentifierId> = of_profiles.chain(of_contact).map(|identified| identified.identifier).collect();
    all.into_iter()
        .filter(|identifier| {
            let other_profile =
                tables.get(&PROFILES_OF_IDENTIFIER, identifier).unwrap_or_default().iter().any(|holder| !profiles.contains(holder));
            let other_contact =
                tables.get(&CONTACTS_OF_IDENTIFIER, identifier).unwrap_or_default().iter().any(|holder| Some(*holder) != contact);
            !other_profile && !other_contact
        })
        .collect()
}
