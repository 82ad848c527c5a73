//! People and links. A profile brings a person of its own; a contact too. A link says that a profile is the contact's person, with evidence,
//! and can be undone exactly: nothing refers to people but through links at read, so undoing one only has to end it.

use serde::{Deserialize, Serialize};

use crate::domain::contact::CONTACTS;
use crate::domain::profile::{LookUp, PROFILES, Profile};
use crate::ids::{ContactId, IdentifierId, LinkId, PersonId, ProfileId};
use crate::tables::{Rows, Table, Tables};
use crate::time::Timestamp;

/// People by number.
pub const PEOPLE: Table<PersonId, Person> = Table::new(30, "people");
/// Links by number, ended ones too.
pub const LINKS: Table<LinkId, Link> = Table::new(31, "links");
/// Links a person has said no to: never made again by evidence.
pub const REFUSED_LINKS: Table<(ProfileId, ContactId), ()> = Table::new(32, "refused-links");
/// The profiles linked to a contact's person at present.
pub const LINKED_PROFILES: Table<PersonId, Vec<ProfileId>> = Table::new(33, "linked-profiles");

/// Profiles one person can be linked to at once.
pub const PROFILES_PER_PERSON_MAX: usize = 64;

/// What a person came into being with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A profile seen on a channel.
    Profile(ProfileId),
    /// A record of a CRM.
    Contact(ContactId),
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// What they came into being with.
    pub origin: Origin,
    /// When.
    pub since: Timestamp,
    /// Whether they have been erased.
    pub erased: bool,
}

/// What somebody is to the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A contact of theirs is known.
    Customer,
    /// They have a usable profile, and no CRM that may be asked knows them.
    Prospect,
    /// No usable profile, or the CRMs have not answered yet.
    Unknown,
    /// They are the company: the profile is its own account.
    Own,
}

/// Why a link holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// Both carry the same identifier.
    Identifier {
        /// Its scheme.
        scheme: String,
        /// Its slot.
        identifier: IdentifierId,
    },
    /// Somebody decided it.
    Decision {
        /// Who.
        by: String,
        /// Why, without personal content.
        reason: String,
    },
}

/// The ground on which a link is lawful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LawfulBasis {
    /// The person agreed, on record.
    Consent,
    /// The company answers who spoke to it, with data that person gave.
    LegitimateInterest,
}

/// A profile ↔ person relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The profile.
    pub profile: ProfileId,
    /// The contact whose person it is said to be.
    pub contact: ContactId,
    /// Why.
    pub evidence: Evidence,
    /// How sure, in thousandths. Exact evidence is 1,000.
    pub probability_thousandths: u16,
    /// Why it is lawful.
    pub basis: LawfulBasis,
    /// When it was made.
    pub made_at: Timestamp,
    /// When and why it ended; None: it holds.
    pub ended: Option<(Timestamp, String)>,
}

/// A link was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkMade {
    /// Its number.
    pub link: LinkId,
    /// The profile.
    pub profile: ProfileId,
    /// The contact.
    pub contact: ContactId,
    /// Why.
    pub evidence: Evidence,
    /// How sure, in thousandths.
    pub probability_thousandths: u16,
    /// Why it is lawful.
    pub basis: LawfulBasis,
}

/// A link was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEnded {
    /// Its number.
    pub link: LinkId,
    /// Why, without personal content.
    pub reason: String,
    /// Whether evidence may make it again. A person's no is final.
    pub refused: bool,
}

/// A person came into being.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonAppeared {
    /// Their number.
    pub person: PersonId,
    /// With what.
    pub origin: Origin,
}

/// The person a profile stands for now.
pub fn person_of(rows: &(impl Rows + ?Sized), profile: &Profile) -> PersonId {
    contact_of(rows, profile).and_then(|contact| CONTACTS.get(rows, &contact)).map_or(profile.person, |contact| contact.person)
}

/// The contact a profile is linked to now.
pub fn contact_of(rows: &(impl Rows + ?Sized), profile: &Profile) -> Option<ContactId> {
    LINKS.get(rows, &profile.link?).map(|link| link.contact)
}

/// What whoever stands behind a profile is to the company.
#[must_use]
pub fn standing(profile: &Profile) -> Standing {
    if profile.own {
        Standing::Own
    } else if profile.link.is_some() {
        Standing::Customer
    } else if profile.erased || profile.identifiers.is_empty() || profile.look_up == LookUp::Pending {
        Standing::Unknown
    } else {
        Standing::Prospect
    }
}

pub(crate) fn appeared(tables: &mut Tables, at: Timestamp, event: &PersonAppeared) {
    tables.put(&PEOPLE, &event.person, &Person { origin: event.origin, since: at, erased: false });
}

pub(crate) fn link_made(tables: &mut Tables, at: Timestamp, event: &LinkMade) {
    let link = Link {
        profile: event.profile,
        contact: event.contact,
        evidence: event.evidence.clone(),
        probability_thousandths: event.probability_thousandths,
        basis: event.basis,
        made_at: at,
        ended: None,
    };
    tables.put(&LINKS, &event.link, &link);
    tables.delete(&REFUSED_LINKS, &(event.profile, event.contact));
    tables.update(&PROFILES, &event.profile, |profile| profile.link = Some(event.link));
    if let Some(contact) = tables.get(&CONTACTS, &event.contact) {
        let mut profiles = tables.get(&LINKED_PROFILES, &contact.person).unwrap_or_default();
        profiles.push(event.profile);
        tables.put(&LINKED_PROFILES, &contact.person, &profiles);
    }
}

pub(crate) fn link_ended(tables: &mut Tables, at: Timestamp, event: &LinkEnded) {
    let Some(mut link) = tables.get(&LINKS, &event.link) else { return };
    link.ended = Some((at, event.reason.clone()));
    tables.put(&LINKS, &event.link, &link);
    tables.update(&PROFILES, &link.profile, |profile| profile.link = None);
    if let Some(contact) = tables.get(&CONTACTS, &link.contact) {
        let mut profiles = tables.get(&LINKED_PROFILES, &contact.person).unwrap_or_default();
        profiles.retain(|profile| *profile != link.profile);
        if profiles.is_empty() {
            tables.delete(&LINKED_PROFILES, &contact.person);
        } else {
            tables.put(&LINKED_PROFILES, &contact.person, &profiles);
        }
    }
    if event.refused {
        tables.put(&REFUSED_LINKS, &(link.profile, link.contact), &());
    }
}

pub(crate) fn erased(tables: &mut Tables, person: PersonId) {
    tables.update(&PEOPLE, &person, |person| person.erased = true);
}
