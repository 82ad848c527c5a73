//! Why a command is not carried out. Each sentence says what is wrong and what to do; the edge turns the kind into a status.

use thiserror::Error;

use crate::ids::ChannelName;

/// A command was refused; nothing happened.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing.
    #[error("there is no {what} {name}")]
    NotFound {
        /// `case`, `channel`, …
        what: &'static str,
        /// Its number or name.
        name: String,
    },
    /// What is so now does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// A rule of the network, the operator or the law forbids it.
    #[error("{0}")]
    Forbidden(String),
    /// The command itself makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Somebody in it has been erased meanwhile: resolve again and repeat.
    #[error("profile {0} has been erased meanwhile; resolve the author again and repeat")]
    ProfileErased(u64),
    /// Somebody in it has said something else of themselves meanwhile: resolve again and repeat.
    #[error("profile {0} has changed meanwhile; resolve the author again and repeat")]
    ProfileChanged(u64),
    /// The connector's state is not what the call went by any more: call the connector again.
    #[error("the state of channel {channel} has changed under the key {key:?} since the connector was called; call it again")]
    StateChanged {
        /// The channel.
        channel: ChannelName,
        /// The key.
        key: String,
    },
}

impl Refusal {
    pub(crate) fn not_found(what: &'static str, name: impl ToString) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }
}
