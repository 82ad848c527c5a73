//! Making an installed component live on a channel.

use crate::commands::Accepted;
use crate::commands::retire_connector::hex;
use crate::domain::channel::{CHANNELS, ConnectorGranted, Grant};
use crate::domain::connector::CONNECTORS;
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::ChannelName;
use crate::refusal::Refusal;

/// Grants a channel to a component by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantConnector {
    /// The channel.
    pub channel: ChannelName,
    /// The component and what its manifest declares.
    pub grant: Grant,
}

impl GrantConnector {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let channel = draft.tables().get(&CHANNELS, &self.channel).ok_or_else(|| Refusal::not_found("channel", &self.channel))?;
        let digest = hex(&self.grant.digest.0);
        let connector =
            draft.tables().get(&CONNECTORS, &self.grant.digest).ok_or_else(|| Refusal::not_found("installed connector", &digest))?;
        if connector.retired {
            return Err(Refusal::Conflict(format!("connector {} {digest} is retired; install it again first", connector.name)));
        }
        if channel.settings.connector != connector.name {
            return Err(Refusal::Conflict(format!(
                "channel {} is configured for connector {}, and {digest} is {}",
                self.channel, channel.settings.connector, connector.name
            )));
        }
        if channel.grant.as_ref() != Some(&self.grant) {
            draft.emit(ConnectorGranted { channel: self.channel.clone(), grant: self.grant.clone() });
        }
        Ok(Accepted::Done)
    }
}
