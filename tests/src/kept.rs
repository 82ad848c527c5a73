//! What a tenant keeps that can still be read.

use std::collections::BTreeMap;

use serde_json::Value;
use sportello_core::domain::erasure::ERASURES_DUE;
use sportello_core::event::Event as CoreEvent;
use sportello_core::ids::SlotId;
use sportello_server::desk::Desk;
use sportello_server::tenant::{Event, Tenant};
use sportello_views::Direction;

/// Whether nothing is due to be forgotten by now.
///
/// # Panics
/// When the tenant cannot be read.
#[must_use]
pub fn nothing_due(desk: &Desk) -> bool {
    desk.tenant.list(&ERASURES_DUE, &[], None, Direction::Forward, usize::MAX).expect("the tenant can be read").iter().all(|(key, ())| {
        let due_at = i64::from_be_bytes(key[..8].try_into().expect("the tenant can be read")) ^ i64::MIN;
        due_at > desk.tenant.now().0
    })
}

/// Everything sealed that the journal ever took and that can still be opened, as JSON.
///
/// # Panics
/// When the tenant cannot be read.
#[must_use]
pub fn openable(tenant: &Tenant) -> Vec<String> {
    let mut sealed: Vec<(SlotId, Vec<u8>)> = Vec::new();
    let mut effect_slots = BTreeMap::new();
    for record in tenant.records(1).expect("the tenant can be read") {
        for event in record.expect("the tenant can be read").1.events {
            let Event::Core(event) = event.expect("the tenant can be read") else { continue };
            match event {
                CoreEvent::InteractionReceived(event) => sealed.push((event.slot, event.sealed)),
                CoreEvent::ProfileSeen(event) => sealed.push((event.profile.slot(), event.sealed)),
                CoreEvent::ContactSeen(event) => sealed.push((event.contact.slot(), event.sealed)),
                CoreEvent::DeliveryParked(event) => sealed.push((event.slot, event.sealed)),
                CoreEvent::EffectQueued(event) => {
                    effect_slots.insert(event.effect, event.slot);
                    sealed.push((event.slot, event.sealed));
                }
                CoreEvent::EffectDone(event) => sealed.push((effect_slots[&event.effect], event.sealed)),
                _ => {}
            }
        }
    }
    let open = |(slot, sealed): &(SlotId, Vec<u8>)| tenant.open_sealed::<Value>(*slot, sealed).expect("the tenant can be read");
    sealed.iter().filter_map(open).map(|content| content.to_string()).collect()
}
