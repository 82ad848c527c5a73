//! What stands behind the entries that are due: key slots, and the rows whose words go with them.
//!
//! Forgetting a whole profile takes, beside its names:
//!
//! * every word it said, and the identity of threads it began and of things whose id names it;
//! * what was, or is to be, said to it: effects directed at it or queued in its cases;
//! * the company's own words as the platform showed them to us, where they answer it: in private, in reply to something it said, brought about
//!   by one of those effects, or said in a thread of its case after it first spoke and not in reply to somebody else;
//! * the parked deliveries of every channel it may have used: one key seals many people's words there, and nobody can look inside without
//!   opening everybody's.

use std::collections::BTreeSet;

use sportello_core::domain::case::{CASES, CASES_BY_PROFILE};
use sportello_core::domain::channel::CHANNELS;
use sportello_core::domain::contact::CONTACTS_OF_IDENTIFIER;
use sportello_core::domain::conversation::CONVERSATIONS;
use sportello_core::domain::delivery::{DELIVERIES, DELIVERIES_BY_CHANNEL};
use sportello_core::domain::effect::{EFFECTS, EFFECTS_BY_CONTACT, EFFECTS_BY_PROFILE, RECEIPTS};
use sportello_core::domain::erasure::{Due, ERASURES_DUE};
use sportello_core::domain::interaction::{INTERACTIONS, INTERACTIONS_BY_CONVERSATION, INTERACTIONS_BY_PROFILE, Interaction, SUBJECTS};
use sportello_core::domain::profile::{PROFILES, PROFILES_OF_IDENTIFIER};
use sportello_core::ids::{
    CaseId, ContactId, ConversationId, DeliveryId, EffectId, IdentifierId, InteractionId, ProfileId, SlotId, SubjectId,
};
use sportello_core::tables::{Key, Table, key_bytes};
use sportello_core::time::Timestamp;
use sportello_views::{Direction, ViewsError};

use super::Erased;
use crate::tenant::Tenant;

/// Entries handled at once.
const LIST_MAX: usize = 500;

/// What is to be overwritten, and what is to be told of afterwards.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The slots.
    pub(super) slots: Vec<SlotId>,
    /// What was found behind the entries.
    pub(super) along: BTreeSet<Due>,
    /// The entries.
    pub(super) listed: Vec<Erased>,
    /// When the first entry that is not due yet will be.
    pub(super) next: Option<Timestamp>,
}

/// All that is due at `now`, or the first [`LIST_MAX`] entries of it.
pub(super) fn gather(tenant: &Tenant, now: Timestamp) -> Result<Found, ViewsError> {
    let mut found = Found::default();
    for (key, ()) in tenant.list(&ERASURES_DUE, &[], None, Direction::Forward, LIST_MAX)? {
        let Some((due_at, what)) = entry(&key) else { continue };
        if due_at > now {
            found.next = Some(due_at);
            break;
        }
        behind(tenant, what, &mut found)?;
        found.listed.push((Some(due_at), what));
    }
    Ok(found)
}

/// Leaves out identifiers that somebody carries again.
pub(super) fn without_claimed(tenant: &Tenant, mut found: Found) -> Result<Found, ViewsError> {
    let mut claimed = Vec::new();
    for (_, what) in &found.listed {
        if let Due::Identifier(identifier) = what
            && (tenant.get(&PROFILES_OF_IDENTIFIER, identifier)?.is_some() || tenant.get(&CONTACTS_OF_IDENTIFIER, identifier)?.is_some())
        {
            claimed.push(*identifier);
        }
    }
    found.slots.retain(|slot| !claimed.iter().any(|identifier| identifier.slot() == *slot));
    found.listed.retain(|(_, what)| !matches!(what, Due::Identifier(identifier) if claimed.contains(identifier)));
    Ok(found)
}

fn behind(tenant: &Tenant, what: Due, found: &mut Found) -> Result<(), ViewsError> {
    match what {
        Due::Profile(profile) => {
            found.slots.push(profile.slot());
            for row in interactions_of(tenant, profile)?.iter().map(|(_, row)| row).filter(|row| row.names_author) {
                found.slots.push(row.subject.slot());
            }
        }
        Due::Contact(contact) => {
            found.slots.push(contact.slot());
            for id in numbers(tenant, &EFFECTS_BY_CONTACT, &key_bytes(&contact))?.into_iter().map(EffectId) {
                found.slots.extend(tenant.get(&EFFECTS, &id)?.map(|row| row.slot));
                found.along.insert(Due::Effect(id));
            }
        }
        Due::Identifier(identifier) => found.slots.push(identifier.slot()),
        Due::Interaction(id) => found.slots.extend(tenant.get(&INTERACTIONS, &id)?.map(|row| row.slot)),
        Due::Effect(id) => found.slots.extend(tenant.get(&EFFECTS, &id)?.map(|row| row.slot)),
        Due::Delivery(id) => found.slots.extend(tenant.get(&DELIVERIES, &id)?.map(|row| row.slot)),
        Due::WholeProfile(profile) => whole_profile(tenant, profile, found)?,
    }
    Ok(())
}

/// What somebody did.
fn interactions_of(tenant: &Tenant, profile: ProfileId) -> Result<Vec<(InteractionId, Interaction)>, ViewsError> {
    let mut found = Vec::new();
    for id in numbers(tenant, &INTERACTIONS_BY_PROFILE, &key_bytes(&profile))?.into_iter().map(InteractionId) {
        found.extend(tenant.get(&INTERACTIONS, &id)?.map(|row| (id, row)));
    }
    Ok(found)
}

/// What somebody said and what was done for them: what the company's words may be an answer to.
struct Spoken {
    profile: ProfileId,
    subjects: BTreeSet<SubjectId>,
    effects: BTreeSet<EffectId>,
    conversations: BTreeSet<ConversationId>,
}

fn whole_profile(tenant: &Tenant, profile: ProfileId, found: &mut Found) -> Result<(), ViewsError> {
    found.slots.push(profile.slot());
    let prefix = key_bytes(&profile);
    let mut spoken = Spoken { profile, subjects: BTreeSet::new(), effects: BTreeSet::new(), conversations: BTreeSet::new() };
    let mut channels = BTreeSet::new();
    for (id, row) in interactions_of(tenant, profile)? {
        found.slots.push(row.slot);
        if row.names_author {
            found.slots.push(row.subject.slot());
        }
        found.along.insert(Due::Interaction(id));
        spoken.subjects.insert(row.subject);
        spoken.conversations.insert(row.conversation);
        // A thread this profile began may carry its name in the key.
        if tenant.get(&CONVERSATIONS, &row.conversation)?.is_some_and(|conversation| conversation.first == id) {
            found.slots.push(row.conversation.slot());
        }
        channels.insert(row.channel);
    }
    for id in numbers(tenant, &EFFECTS_BY_PROFILE, &prefix)?.into_iter().map(EffectId) {
        let Some(row) = tenant.get(&EFFECTS, &id)? else { continue };
        found.slots.push(row.slot);
        found.along.insert(Due::Effect(id));
        spoken.effects.insert(id);
        spoken.conversations.extend(row.conversation);
    }
    for case in numbers(tenant, &CASES_BY_PROFILE, &prefix)?.into_iter().map(CaseId) {
        spoken.conversations.extend(tenant.get(&CASES, &case)?.map(|row| row.conversation));
    }
    answers_to(tenant, &spoken, found)?;
    let network = tenant.get(&PROFILES, &profile)?.map(|row| row.network);
    for (key, channel) in tenant.list(&CHANNELS, &[], None, Direction::Forward, usize::MAX)? {
        // Of what a channel without a connector once brought nobody can tell the network.
        let may_have = channel.grant.is_none_or(|grant| network.as_ref().is_none_or(|network| grant.network == *network));
        if may_have || channels.iter().any(|channel| key_bytes(channel) == key) {
            for id in numbers(tenant, &DELIVERIES_BY_CHANNEL, &key)?.into_iter().map(DeliveryId) {
                found.slots.extend(tenant.get(&DELIVERIES, &id)?.map(|row| row.slot));
                found.along.insert(Due::Delivery(id));
            }
        }
    }
    Ok(())
}

/// The company's own words to somebody, as the platform showed them to us: they may name them, quote them, greet them.
fn answers_to(tenant: &Tenant, spoken: &Spoken, found: &mut Found) -> Result<(), ViewsError> {
    for conversation in &spoken.conversations {
        let case = tenant.get(&CONVERSATIONS, conversation)?.and_then(|conversation| conversation.case);
        let case = case.map(|case| tenant.get(&CASES, &case)).transpose()?.flatten();
        let theirs = case.is_some_and(|case| case.profile == Some(spoken.profile));
        let mut spoke = false;
        for id in numbers(tenant, &INTERACTIONS_BY_CONVERSATION, &key_bytes(conversation))?.into_iter().map(InteractionId) {
            let Some(row) = tenant.get(&INTERACTIONS, &id)? else { continue };
            spoke |= row.profile == Some(spoken.profile);
            if row.own && (answers(tenant, spoken, &row)? || theirs && spoke && !answers_another(tenant, spoken, &row)?) {
                found.slots.push(row.slot);
                found.along.insert(Due::Interaction(id));
            }
        }
    }
    Ok(())
}

fn answers(tenant: &Tenant, spoken: &Spoken, row: &Interaction) -> Result<bool, ViewsError> {
    if row.private || row.in_reply_to.is_some_and(|subject| spoken.subjects.contains(&subject)) {
        return Ok(true);
    }
    Ok(tenant.get(&RECEIPTS, &row.subject)?.is_some_and(|effect| spoken.effects.contains(&effect)))
}

/// Whether it is known to be said to somebody else.
fn answers_another(tenant: &Tenant, spoken: &Spoken, row: &Interaction) -> Result<bool, ViewsError> {
    let Some(subject) = row.in_reply_to else { return Ok(false) };
    let answered = tenant.get(&SUBJECTS, &subject)?.and_then(|subject| subject.versions.first().copied());
    let answered = answered.map(|id| tenant.get(&INTERACTIONS, &id)).transpose()?.flatten();
    Ok(answered.is_some_and(|answered| !answered.own && answered.profile.is_some_and(|profile| profile != spoken.profile)))
}

/// The last 8 bytes of every key that begins with `prefix`.
fn numbers<K: Key>(tenant: &Tenant, table: &Table<K, ()>, prefix: &[u8]) -> Result<Vec<u64>, ViewsError> {
    let keys = tenant.list(table, prefix, None, Direction::Forward, usize::MAX)?;
    Ok(keys.iter().filter_map(|(key, ())| number(key)).collect())
}

/// The 8 bytes at the end of a key.
fn number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// A list entry's key: moment, kind, number.
fn entry(key: &[u8]) -> Option<(Timestamp, Due)> {
    let (moment, rest) = key.split_first_chunk::<8>()?;
    let (kind, rest) = rest.split_first()?;
    let id = number(rest)?;
    let what = match kind {
        1 => Due::Profile(ProfileId(id)),
        2 => Due::Contact(ContactId(id)),
        3 => Due::Interaction(InteractionId(id)),
        4 => Due::Effect(EffectId(id)),
        5 => Due::Delivery(DeliveryId(id)),
        6 => Due::WholeProfile(ProfileId(id)),
        7 => Due::Identifier(IdentifierId(id)),
        _ => return None,
    };
    Some((Timestamp((u64::from_be_bytes(*moment) ^ (1 << 63)).cast_signed()), what))
}

#[cfg(test)]
mod tests;
