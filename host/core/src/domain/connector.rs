//! Connectors: components by digest. Installing one makes nothing live; a channel's grant does.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Installed components by digest.
pub const CONNECTORS: Table<Digest, Connector> = Table::new(1, "connectors");

/// An installed component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connector {
    /// Its manifest's name.
    pub name: String,
    /// Its manifest's version.
    pub version: String,
    /// When it was installed first.
    pub installed_at: Timestamp,
    /// Whether it has been retired: no new grants, its history stays readable.
    pub retired: bool,
}

/// A component was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorInstalled {
    /// The component's SHA-256.
    pub digest: Digest,
    /// Its manifest's name.
    pub name: String,
    /// Its manifest's version.
    pub version: String,
}

/// A component was retired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorRetired {
    /// The component's SHA-256.
    pub digest: Digest,
}

pub(crate) fn installed(tables: &mut Tables, at: Timestamp, event: &ConnectorInstalled) {
    let connector = Connector { name: event.name.clone(), version: event.version.clone(), installed_at: at, retired: false };
    tables.put(&CONNECTORS, &event.digest, &connector);
}

pub(crate) fn retired(tables: &mut Tables, event: &ConnectorRetired) {
    tables.update(&CONNECTORS, &event.digest, |connector| connector.retired = true);
}
