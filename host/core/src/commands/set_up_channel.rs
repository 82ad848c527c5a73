//! Settings and component of a channel, changed together.

use crate::commands::{Accepted, ConfigureChannel, GrantConnector};
use crate::domain::channel::{ChannelSettings, Grant};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::ChannelName;
use crate::refusal::Refusal;

/// Gives a channel these settings and grants it to a component: both or neither. The edge has checked the settings against this component's
/// schema, which may refuse those in force before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUpChannel {
    /// The channel.
    pub channel: ChannelName,
    /// All of its settings.
    pub settings: ChannelSettings,
    /// The component and what its manifest declares.
    pub grant: Grant,
}

impl SetUpChannel {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let Self { channel, settings, grant } = self.clone();
        ConfigureChannel { channel: channel.clone(), settings }.decide(draft)?;
        GrantConnector { channel, grant }.decide(draft)
    }
}
