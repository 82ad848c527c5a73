//! Installing a component. It makes nothing live.

use crate::commands::Accepted;
use crate::domain::connector::{CONNECTORS, ConnectorInstalled};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::Digest;
use crate::refusal::Refusal;

/// Records a component the runtime has checked and keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallConnector {
    /// Its SHA-256.
    pub digest: Digest,
    /// Its manifest's name.
    pub name: String,
    /// Its manifest's version.
    pub version: String,
}

impl InstallConnector {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        if draft.tables().get(&CONNECTORS, &self.digest).is_none_or(|connector| connector.retired) {
            draft.emit(ConnectorInstalled { digest: self.digest, name: self.name.clone(), version: self.version.clone() });
        }
        Ok(Accepted::Done)
    }
}
