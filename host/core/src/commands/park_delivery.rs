//! Setting aside what a connector could not take in.

use crate::commands::Accepted;
use crate::domain::channel::CHANNELS;
use crate::domain::delivery::{DeliveryParked, kept_ms};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{ChannelName, DeliveryId, SlotId};
use crate::numbers::Counter;
use crate::refusal::Refusal;

/// Parks a signed delivery, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkDelivery {
    /// Where it came in.
    pub channel: ChannelName,
    /// Its key's slot.
    pub slot: SlotId,
    /// The delivery, sealed.
    pub sealed: Vec<u8>,
    /// Why, without personal content.
    pub problem: String,
}

impl ParkDelivery {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let channel = draft.tables().get(&CHANNELS, &self.channel).ok_or_else(|| Refusal::not_found("channel", &self.channel))?;
        let delivery = DeliveryId(draft.next(Counter::Delivery));
        draft.emit(DeliveryParked {
            delivery,
            channel: self.channel.clone(),
            slot: self.slot,
            sealed: self.sealed.clone(),
            problem: self.problem.clone(),
            erase_at: draft.now().plus_ms(kept_ms(channel.policy().as_ref())),
        });
        Ok(Accepted::Delivery(delivery))
    }
}
