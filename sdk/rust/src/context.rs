//! What a call is made for.

use std::cell::Cell;

use serde::de::DeserializeOwned;

use crate::Error;
use crate::bindings::shared::sportello::connector::types;

/// What a call is made for: the channel, its settings as the connector's own type, and the call's time.
#[derive(Debug, Clone)]
pub struct Context<S> {
    /// The channel's name as the operator configured it, for example `facebook-page`.
    pub channel: String,
    /// The channel's settings.
    pub settings: S,
    /// The call's time, RFC 3339 in UTC. The clock of the guest shows the same, so that a call can be replayed.
    pub now: String,
    gave_up: Cell<bool>,
}

impl<S> Context<S> {
    /// Gives up, for the rest of the call, asking a platform for what can be done without: it does not answer. A call may hold many deliveries, and
    /// each of them waiting anew would use up the time of all.
    pub fn give_up(&self) {
        self.gave_up.set(true);
    }

    /// Whether that was given up, for this item of the call or one before it.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.gave_up.get()
    }
}

impl<S: DeserializeOwned> TryFrom<types::Context> for Context<S> {
    type Error = Error;

    fn try_from(context: types::Context) -> Result<Self, Error> {
        let settings = serde_json::from_str(&context.settings).map_err(|error| {
            Error::reject(format!(
                "the settings of channel `{}` passed the schema, but the connector can't use them: {error}",
                context.channel
            ))
        })?;
        Ok(Self { channel: context.channel, settings, now: context.now, gave_up: Cell::new(false) })
    }
}
