//! The channel's settings; their schema is settings.schema.json.

use serde::Deserialize;

/// Where the system is, and how it is read and written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    base_url: String,
    pub(crate) mapping: String,
}

impl Settings {
    /// Where paths of the mapping begin, without a slash at the end.
    pub(crate) fn base_url(&self) -> &str {
        self.base_url.trim_end_matches('/')
    }

    /// Scheme, host and port of it.
    pub(crate) fn origin(&self) -> &str {
        let base = self.base_url();
        let host = base.find("://").map_or(0, |at| at + 3);
        base[host..].find('/').map_or(base, |at| &base[..host + at])
    }
}
