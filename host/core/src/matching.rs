//! Links by exact evidence: the same identifier on both sides, one contact and no more, nobody's no against it, and the network's leave.

use crate::domain::channel::LinkPermission;
use crate::domain::contact::{CONTACTS, CONTACTS_OF_IDENTIFIER};
use crate::domain::person::{Evidence, LINKED_PROFILES, LINKS, LawfulBasis, LinkMade, PROFILES_PER_PERSON_MAX, REFUSED_LINKS};
use crate::domain::profile::{Identified, LookUp, LookUpAnswered, PROFILES, link_permission};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{ContactId, LinkId, ProfileId};
use crate::numbers::Counter;

/// The contacts that carry one of these identifiers, each with the first it does.
pub(crate) fn contacts_of<'a, E: From<Event>>(draft: &Draft<'_, E>, identifiers: &'a [Identified]) -> Vec<(ContactId, &'a Identified)> {
    let mut contacts: Vec<(ContactId, &Identified)> = Vec::new();
    for identified in identifiers {
        for contact in draft.tables().get(&CONTACTS_OF_IDENTIFIER, &identified.identifier).unwrap_or_default() {
            if !contacts.iter().any(|(known, _)| *known == contact) {
                contacts.push((contact, identified));
            }
        }
    }
    contacts
}

/// Links a profile if exactly one contact shares an identifier with it.
pub(crate) fn link_by_evidence<E: From<Event>>(draft: &mut Draft<'_, E>, profile_id: ProfileId) {
    let Some(profile) = draft.tables().get(&PROFILES, &profile_id) else { return };
    if profile.own || profile.link.is_some() || profile.erased {
        return;
    }
    let permission = link_permission(draft.tables(), &profile.channel);
    let candidates = contacts_of(draft, &profile.identifiers);
    if candidates.is_empty() || permission == LinkPermission::Forbidden {
        return;
    }
    if profile.look_up != LookUp::Found {
        draft.emit(LookUpAnswered { profile: profile_id, look_up: LookUp::Found });
    }
    if permission != LinkPermission::Evidence {
        return;
    }
    // Two contacts with the same number are two answers: a person decides.
    let [(contact, identified)] = candidates[..] else { return };
    if draft.tables().contains(&REFUSED_LINKS, &(profile_id, contact)) || is_full(draft, contact) {
        return;
    }
    let link = LinkId(draft.next(Counter::Link));
    draft.emit(LinkMade {
        link,
        profile: profile_id,
        contact,
        evidence: Evidence::Identifier { scheme: identified.scheme.clone(), identifier: identified.identifier },
        probability_thousandths: 1_000,
        basis: LawfulBasis::LegitimateInterest,
    });
}

/// Whether the contact's person has as many profiles as one can have.
pub(crate) fn is_full<E: From<Event>>(draft: &Draft<'_, E>, contact: ContactId) -> bool {
    draft
        .tables()
        .get(&CONTACTS, &contact)
        .and_then(|contact| draft.tables().get(&LINKED_PROFILES, &contact.person))
        .is_some_and(|profiles| profiles.len() >= PROFILES_PER_PERSON_MAX)
}

/// Ends links to a contact whose evidence the contact no longer carries.
pub(crate) fn end_stale_links<E: From<Event>>(draft: &mut Draft<'_, E>, contact_id: ContactId) {
    let Some(contact) = draft.tables().get(&CONTACTS, &contact_id) else { return };
    for profile_id in draft.tables().get(&LINKED_PROFILES, &contact.person).unwrap_or_default() {
        let Some(link_id) = draft.tables().get(&PROFILES, &profile_id).and_then(|profile| profile.link) else { continue };
        let Some(link) = draft.tables().get(&LINKS, &link_id) else { continue };
        let holds = match &link.evidence {
            Evidence::Identifier { identifier, .. } => {
                !contact.deleted && contact.identifiers.iter().any(|identified| identified.identifier == *identifier)
            }
            Evidence::Decision { .. } => !contact.deleted,
        };
        if !holds {
            let reason =
                if contact.deleted { "the contact was deleted in the CRM" } else { "the contact no longer carries the identifier" };
            draft.emit(crate::domain::person::LinkEnded { link: link_id, reason: reason.to_owned(), refused: false });
        }
    }
}
