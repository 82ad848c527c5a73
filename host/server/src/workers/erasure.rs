//! Forgets what is due: overwrites key slots, then says so.
//!
//! The order makes a crash harmless: slots are overwritten first (again, if need be), and only then is the entry taken off the list.

use std::collections::BTreeSet;
use std::sync::Arc;

use sportello_core::commands::RecordErased;
use sportello_core::domain::conversation::CONVERSATIONS;
use sportello_core::domain::delivery::{DELIVERIES, DELIVERIES_BY_CHANNEL};
use sportello_core::domain::effect::{EFFECTS, EFFECTS_BY_PROFILE};
use sportello_core::domain::erasure::{Due, ERASURES_DUE};
use sportello_core::domain::interaction::{INTERACTIONS, INTERACTIONS_BY_CONVERSATION, INTERACTIONS_BY_PROFILE};
use sportello_core::domain::profile::PROFILES;
use sportello_core::ids::{ContactId, ConversationId, DeliveryId, EffectId, IdentifierId, InteractionId, ProfileId, SlotId};
use sportello_core::tables::key_bytes;
use sportello_core::time::Timestamp;
use sportello_views::{Direction, ViewsError};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::workers::Rest;

const ACTOR: &str = "worker:erasure";
/// Entries handled in one record.
const LIST_MAX: usize = 500;

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    loop {
        let now = desk.tenant.now();
        let next = match due(&desk, now).await {
            Ok(Looked::Handled) => continue,
            Ok(Looked::Nothing { next }) => next,
            Err(problem) => {
                tracing::error!(tenant = desk.tenant.name(), problem, "what must be forgotten could not be; trying again");
                None
            }
        };
        if !rest.until(now, next).await {
            return;
        }
    }
}

enum Looked {
    Handled,
    Nothing { next: Option<Timestamp> },
}

async fn due(desk: &Arc<Desk>, now: Timestamp) -> Result<Looked, String> {
    let entries = desk.tenant.list(&ERASURES_DUE, &[], None, Direction::Forward, LIST_MAX).map_err(|error| error.to_string())?;
    let mut slots = Vec::new();
    let mut erased = Vec::new();
    let mut next = None;
    for (key, ()) in entries {
        let Some((due_at, what)) = entry(&key) else { continue };
        if due_at > now {
            next = Some(due_at);
            break;
        }
        slots_of(desk, what, &mut slots, &mut erased).map_err(|error| error.to_string())?;
        erased.push((Some(due_at), what));
    }
    if erased.is_empty() {
        return Ok(Looked::Nothing { next });
    }
    let worker = Arc::clone(desk);
    // Overwriting fsyncs.
    let overwritten = tokio::task::spawn_blocking(move || worker.tenant.erase_slots(&slots)).await;
    overwritten.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    desk.tenant.submit(ACTOR, RecordErased { erased }).await.map_err(|error| error.to_string())?;
    Ok(Looked::Handled)
}

/// The slots behind one entry; whatever is found along the way is added to what is reported.
fn slots_of(desk: &Desk, what: Due, slots: &mut Vec<SlotId>, erased: &mut Vec<(Option<Timestamp>, Due)>) -> Result<(), ViewsError> {
    match what {
        Due::Profile(profile) => slots.push(profile.slot()),
        Due::Contact(contact) => slots.push(contact.slot()),
        Due::Identifier(identifier) => slots.push(identifier.slot()),
        Due::Interaction(id) => slots.extend(desk.tenant.get(&INTERACTIONS, &id)?.map(|row| row.slot)),
        Due::Effect(id) => slots.extend(desk.tenant.get(&EFFECTS, &id)?.map(|row| row.slot)),
        Due::Delivery(id) => slots.extend(desk.tenant.get(&DELIVERIES, &id)?.map(|row| row.slot)),
        Due::WholeProfile(profile) => whole_profile(desk, profile, slots, erased)?,
    }
    Ok(())
}

fn whole_profile(
    desk: &Desk,
    profile: ProfileId,
    slots: &mut Vec<SlotId>,
    erased: &mut Vec<(Option<Timestamp>, Due)>,
) -> Result<(), ViewsError> {
    slots.push(profile.slot());
    let prefix = key_bytes(&profile);
    let mut spoken = Spoken::default();
    for (key, ()) in desk.tenant.list(&INTERACTIONS_BY_PROFILE, &prefix, None, Direction::Forward, usize::MAX)? {
        let Some(id) = number(&key).map(InteractionId) else { continue };
        let Some(row) = desk.tenant.get(&INTERACTIONS, &id)? else { continue };
        slots.push(row.slot);
        erased.push((None, Due::Interaction(id)));
        spoken.subjects.insert(row.subject.0);
        spoken.conversations.insert(row.conversation);
        // A thread this profile began may carry its name in the key.
        if desk.tenant.get(&CONVERSATIONS, &row.conversation)?.is_some_and(|conversation| conversation.first == id) {
            slots.push(row.conversation.slot());
        }
    }
    answers_to(desk, &spoken, slots, erased)?;
    for (key, ()) in desk.tenant.list(&EFFECTS_BY_PROFILE, &prefix, None, Direction::Forward, usize::MAX)? {
        let Some(id) = number(&key).map(EffectId) else { continue };
        slots.extend(desk.tenant.get(&EFFECTS, &id)?.map(|row| row.slot));
        erased.push((None, Due::Effect(id)));
    }
    // A parked delivery of the profile's channel may speak of them, and nobody can look inside without opening everybody's.
    if let Some(row) = desk.tenant.get(&PROFILES, &profile)? {
        let prefix = key_bytes(&row.channel);
        for (key, ()) in desk.tenant.list(&DELIVERIES_BY_CHANNEL, &prefix, None, Direction::Forward, usize::MAX)? {
            let Some(id) = number(&key).map(DeliveryId) else { continue };
            slots.extend(desk.tenant.get(&DELIVERIES, &id)?.map(|row| row.slot));
            erased.push((None, Due::Delivery(id)));
        }
    }
    Ok(())
}

/// What somebody said, and where.
#[derive(Default)]
struct Spoken {
    subjects: BTreeSet<[u8; 16]>,
    conversations: BTreeSet<ConversationId>,
}

/// The company's own words to somebody, as the platform showed them to us: they may name them, quote them, greet them.
fn answers_to(desk: &Desk, spoken: &Spoken, slots: &mut Vec<SlotId>, erased: &mut Vec<(Option<Timestamp>, Due)>) -> Result<(), ViewsError> {
    for conversation in &spoken.conversations {
        let prefix = key_bytes(conversation);
        for (key, ()) in desk.tenant.list(&INTERACTIONS_BY_CONVERSATION, &prefix, None, Direction::Forward, usize::MAX)? {
            let Some(id) = number(&key).map(InteractionId) else { continue };
            let Some(row) = desk.tenant.get(&INTERACTIONS, &id)? else { continue };
            let answers = row.private || row.in_reply_to.is_some_and(|subject| spoken.subjects.contains(&subject.0));
            if row.own && answers {
                slots.push(row.slot);
                erased.push((None, Due::Interaction(id)));
            }
        }
    }
    Ok(())
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
