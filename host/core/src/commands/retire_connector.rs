//! Retiring a component: no new grants, its history stays readable.

use crate::commands::Accepted;
use crate::domain::connector::{CONNECTORS, ConnectorRetired};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::Digest;
use crate::refusal::Refusal;

/// Retires a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetireConnector {
    /// Its SHA-256.
    pub digest: Digest,
}

impl RetireConnector {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let connector =
            draft.tables().get(&CONNECTORS, &self.digest).ok_or_else(|| Refusal::not_found("connector", hex(&self.digest.0)))?;
        if !connector.retired {
            draft.emit(ConnectorRetired { digest: self.digest });
        }
        Ok(Accepted::Done)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
