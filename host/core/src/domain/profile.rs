//! Profiles: who the platform says somebody is. What they are called stands sealed beside the id.

use serde::{Deserialize, Serialize};

use crate::domain::channel::{CHANNELS, LinkPermission};
use crate::domain::erasure::{self, Due};
use crate::ids::{ChannelName, IdentifierId, LinkId, PersonId, ProfileId};
use crate::tables::{Rows, Table, Tables};
use crate::time::Timestamp;

/// Profiles by their slot.
pub const PROFILES: Table<ProfileId, Profile> = Table::new(10, "profiles");
/// Which profiles carry an identifier.
pub const PROFILES_OF_IDENTIFIER: Table<IdentifierId, Vec<ProfileId>> = Table::new(11, "profiles-of-identifier");

/// Profiles the CRMs have not answered about.
pub const LOOK_UPS_PENDING: Table<ProfileId, ()> = Table::new(12, "look-ups-pending");

/// Profiles that may share one identifier before further ones are no longer looked at (a shared office phone is no evidence).
pub const PROFILES_PER_IDENTIFIER_MAX: usize = 16;

/// Something that identifies a person, by its slot; its scheme is not personal and stands in clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// `email`, `phone`, `<network>.id`, `<network>.handle`, `external`.
    pub scheme: String,
    /// Its value's slot.
    pub identifier: IdentifierId,
}

/// Where looking somebody up in the CRMs stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LookUp {
    /// Not answered yet.
    Pending,
    /// Every CRM was asked and none knows them, or there is none that could or, by the policy, may be asked.
    Absent,
    /// A contact was found. Whether it could be linked is another matter.
    Found,
    /// No CRM is asked: it is the company's own account.
    NotAsked,
}

/// A profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The channel it was first seen on.
    pub channel: ChannelName,
    /// The network it belongs to.
    pub network: String,
    /// Names, handle and address, sealed under the profile's own slot.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// What it can be recognised by.
    pub identifiers: Vec<Identified>,
    /// Whether it is the company's own account.
    pub own: bool,
    /// The person that came into being with it.
    pub person: PersonId,
    /// The link in force, if any.
    pub link: Option<LinkId>,
    /// Where looking it up stands.
    pub look_up: LookUp,
    /// First and last time it was seen.
    pub first_seen_at: Timestamp,
    /// See `first_seen_at`.
    pub last_seen_at: Timestamp,
    /// Whether it has been erased: what is left names nobody.
    pub erased: bool,
    /// When it must be given up unless it is seen again, by the network's policy.
    pub erase_at: Option<Timestamp>,
}

/// A profile was seen for the first time, says something new about itself, became the company's own or ceased to be, or was seen again after a
/// while and may be kept longer for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileSeen {
    /// The profile.
    pub profile: ProfileId,
    /// Where.
    pub channel: ChannelName,
    /// Its network.
    pub network: String,
    /// Sealed names.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// What it can be recognised by.
    pub identifiers: Vec<Identified>,
    /// Whether it is the company's own account.
    pub own: bool,
    /// The person that comes into being with it; the profile's present one where it is known already.
    pub person: PersonId,
    /// Where looking it up stands from now on. None: where it stood; nothing that could be asked about is new.
    pub look_up: Option<LookUp>,
    /// When: a parked delivery that is replayed tells of when it came.
    pub seen_at: Timestamp,
    /// When it may be kept until, by the network's policy.
    pub erase_at: Option<Timestamp>,
}

/// The CRMs have answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookUpAnswered {
    /// The profile.
    pub profile: ProfileId,
    /// What they said.
    pub look_up: LookUp,
}

/// Whether a profile of this channel may be linked to a contact. Only where evidence is enough is any CRM asked about it: an answer is half a link, and
/// the question already tells the CRM of them.
pub fn link_permission(rows: &(impl Rows + ?Sized), channel: &ChannelName) -> LinkPermission {
    let policy = CHANNELS.get(rows, channel).and_then(|channel| channel.policy());
    policy.map_or(LinkPermission::Forbidden, |policy| policy.link)
}

pub(crate) fn seen(tables: &mut Tables, at: Timestamp, event: &ProfileSeen) {
    let before = tables.get(&PROFILES, &event.profile);
    for old in before.iter().flat_map(|profile: &Profile| &profile.identifiers) {
        if !event.identifiers.iter().any(|new| new.identifier == old.identifier) {
            forget_identifier(tables, at, event.profile, old.identifier);
        }
    }
    for identified in &event.identifiers {
        let mut holders = tables.get(&PROFILES_OF_IDENTIFIER, &identified.identifier).unwrap_or_default();
        if !holders.contains(&event.profile) && holders.len() < PROFILES_PER_IDENTIFIER_MAX {
            holders.push(event.profile);
            tables.put(&PROFILES_OF_IDENTIFIER, &identified.identifier, &holders);
            erasure::identifier_carried(tables, identified.identifier);
        }
    }
    match event.look_up {
        Some(LookUp::Pending) => tables.put(&LOOK_UPS_PENDING, &event.profile, &()),
        Some(_) if before.as_ref().is_some_and(|profile| profile.look_up == LookUp::Pending) => {
            tables.delete(&LOOK_UPS_PENDING, &event.profile);
        }
        _ => {}
    }
    // Whoever is seen again is kept from now on, not from the first day.
    if let Some(due) = before.as_ref().and_then(|profile| profile.erase_at) {
        erasure::take_back(tables, due, Due::Profile(event.profile));
    }
    let profile = match before {
        Some(profile) => Profile {
            sealed: event.sealed.clone(),
            identifiers: event.identifiers.clone(),
            own: event.own,
            look_up: event.look_up.unwrap_or(profile.look_up),
            last_seen_at: event.seen_at,
            erase_at: event.erase_at,
            ..profile
        },
        None => Profile {
            channel: event.channel.clone(),
            network: event.network.clone(),
            sealed: event.sealed.clone(),
            identifiers: event.identifiers.clone(),
            own: event.own,
            person: event.person,
            link: None,
            // Of a new profile it is always said.
            look_up: event.look_up.unwrap_or(LookUp::NotAsked),
            first_seen_at: event.seen_at,
            last_seen_at: event.seen_at,
            erased: false,
            erase_at: event.erase_at,
        },
    };
    tables.put(&PROFILES, &event.profile, &profile);
    if let Some(due) = event.erase_at {
        erasure::schedule(tables, due, Due::Profile(event.profile));
    }
}

/// A stricter policy lets the profile be kept until then.
pub(crate) fn kept_until(tables: &mut Tables, id: ProfileId, erase_at: Timestamp) {
    let Some(mut profile) = tables.get(&PROFILES, &id) else { return };
    if let Some(due) = profile.erase_at.replace(erase_at) {
        erasure::take_back(tables, due, Due::Profile(id));
    }
    tables.put(&PROFILES, &id, &profile);
}

pub(crate) fn look_up_answered(tables: &mut Tables, event: &LookUpAnswered) {
    tables.update(&PROFILES, &event.profile, |profile| profile.look_up = event.look_up);
    tables.delete(&LOOK_UPS_PENDING, &event.profile);
}

/// Takes the profile out of everything it can be found by. Its rows stay, naming nobody.
pub(crate) fn erased(tables: &mut Tables, at: Timestamp, profile_id: ProfileId) {
    let Some(profile) = tables.get(&PROFILES, &profile_id) else { return };
    for identified in &profile.identifiers {
        forget_identifier(tables, at, profile_id, identified.identifier);
    }
    let empty = Profile { sealed: Vec::new(), identifiers: Vec::new(), erased: true, ..profile };
    tables.put(&PROFILES, &profile_id, &empty);
    tables.delete(&LOOK_UPS_PENDING, &profile_id);
}

fn forget_identifier(tables: &mut Tables, at: Timestamp, profile: ProfileId, identifier: IdentifierId) {
    let mut holders = tables.get(&PROFILES_OF_IDENTIFIER, &identifier).unwrap_or_default();
    holders.retain(|holder| *holder != profile);
    if holders.is_empty() {
        tables.delete(&PROFILES_OF_IDENTIFIER, &identifier);
        erasure::identifier_dropped(tables, at, identifier);
    } else {
        tables.put(&PROFILES_OF_IDENTIFIER, &identifier, &holders);
    }
}
