//! Adding a channel or changing its settings.

use crate::commands::Accepted;
use crate::domain::channel::{CHANNELS, ChannelConfigured, ChannelSettings};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::ChannelName;
use crate::refusal::Refusal;

/// Gives a channel these settings. The edge has checked them against the connector's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigureChannel {
    /// The channel.
    pub channel: ChannelName,
    /// All of its settings.
    pub settings: ChannelSettings,
}

impl ConfigureChannel {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let present = draft.tables().get(&CHANNELS, &self.channel);
        if let Some(grant) = present.as_ref().and_then(|channel| channel.grant.as_ref())
            && grant.connector != self.settings.connector
        {
            return Err(Refusal::Conflict(format!(
                "channel {} uses connector {}; a channel keeps its connector: add another channel for {}",
                self.channel, grant.connector, self.settings.connector
            )));
        }
        if present.is_none_or(|channel| channel.settings != self.settings) {
            draft.emit(ChannelConfigured { channel: self.channel.clone(), settings: self.settings.clone() });
        }
        Ok(Accepted::Done)
    }
}
