//! Parked deliveries: what a connector could not take in, sealed as it came, until somebody mends the connector. Kept 72 hours at most, and
//! no longer than its channel's policy lets raw deliveries and content be kept: a delivery holds many people's words under one key.

use serde::{Deserialize, Serialize};

use crate::domain::channel::Policy;
use crate::domain::erasure::{self, Due};
use crate::ids::{ChannelName, DeliveryId, SlotId};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Parked deliveries by number.
pub const DELIVERIES: Table<DeliveryId, Delivery> = Table::new(80, "deliveries");
/// Parked deliveries by channel.
pub const DELIVERIES_BY_CHANNEL: Table<(ChannelName, DeliveryId), ()> = Table::new(81, "deliveries-by-channel");

/// How long a parked delivery is kept at most: 72 hours.
pub const DELIVERY_KEPT_MS_MAX: u64 = 72 * 60 * 60 * 1_000;

/// How long a delivery is kept under this policy. What is in it is content.
#[must_use]
pub fn kept_ms(policy: Option<&Policy>) -> u64 {
    let limits = policy.map_or([None, None], |policy| [policy.raw_ms, policy.content_ms]);
    limits.into_iter().flatten().fold(DELIVERY_KEPT_MS_MAX, u64::min)
}

/// Where a parked delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// Waits to be replayed.
    Parked,
    /// Was taken in later.
    Replayed,
    /// Its time ran out, or somebody in it was erased.
    Expired,
}

/// A parked delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Where it came in.
    pub channel: ChannelName,
    /// Its key's slot.
    pub slot: SlotId,
    /// The delivery, sealed. Empty once replayed or expired.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// Why it could not be taken in, without personal content.
    pub problem: String,
    /// When it came.
    pub parked_at: Timestamp,
    /// When it must be given up, by the network's policy.
    pub erase_at: Timestamp,
    /// Where it stands.
    pub state: DeliveryState,
}

/// A delivery was parked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryParked {
    /// Its number.
    pub delivery: DeliveryId,
    /// Where it came in.
    pub channel: ChannelName,
    /// Its key's slot.
    pub slot: SlotId,
    /// The delivery, sealed.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// Why.
    pub problem: String,
    /// When it must be given up, by the network's policy.
    pub erase_at: Timestamp,
}

/// A parked delivery was taken in after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReplayed {
    /// Which.
    pub delivery: DeliveryId,
}

pub(crate) fn parked(tables: &mut Tables, at: Timestamp, event: &DeliveryParked) {
    let delivery = Delivery {
        channel: event.channel.clone(),
        slot: event.slot,
        sealed: event.sealed.clone(),
        problem: event.problem.clone(),
        parked_at: at,
        erase_at: event.erase_at,
        state: DeliveryState::Parked,
    };
    tables.put(&DELIVERIES, &event.delivery, &delivery);
    tables.put(&DELIVERIES_BY_CHANNEL, &(event.channel.clone(), event.delivery), &());
    erasure::schedule(tables, event.erase_at, Due::Delivery(event.delivery));
}

pub(crate) fn replayed(tables: &mut Tables, at: Timestamp, event: &DeliveryReplayed) {
    end(tables, event.delivery, DeliveryState::Replayed);
    erasure::schedule(tables, at, Due::Delivery(event.delivery));
}

/// A stricter policy lets the delivery be kept until then.
pub(crate) fn kept_until(tables: &mut Tables, id: DeliveryId, erase_at: Timestamp) {
    let Some(mut delivery) = tables.get(&DELIVERIES, &id) else { return };
    erasure::take_back(tables, delivery.erase_at, Due::Delivery(id));
    delivery.erase_at = erase_at;
    tables.put(&DELIVERIES, &id, &delivery);
}

/// The delivery's slot has been overwritten.
pub(crate) fn erased(tables: &mut Tables, id: DeliveryId) {
    if tables.get(&DELIVERIES, &id).is_some_and(|delivery| delivery.state == DeliveryState::Parked) {
        end(tables, id, DeliveryState::Expired);
    }
}

fn end(tables: &mut Tables, id: DeliveryId, state: DeliveryState) {
    let Some(mut delivery) = tables.get(&DELIVERIES, &id) else { return };
    delivery.state = state;
    delivery.sealed = Vec::new();
    tables.delete(&DELIVERIES_BY_CHANNEL, &(delivery.channel.clone(), id));
    tables.put(&DELIVERIES, &id, &delivery);
}
