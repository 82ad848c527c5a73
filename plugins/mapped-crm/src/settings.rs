//! The channel's settings; their schema is settings.schema.json.

use std::path::Path;

use serde::Deserialize;

/// Where a guest finds the folder of the setting `folder`; the manifest asks for it by this name.
const FOLDER: &str = "/drop";

/// Where the system is, and how it is read and written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    base_url: Option<String>,
    folder: Option<String>,
    pub(crate) mapping: String,
}

impl Settings {
    /// Whether it says where a system is asked.
    pub(crate) fn has_base_url(&self) -> bool {
        self.base_url.is_some()
    }

    /// Where paths of the mapping begin, without a slash at the end.
    pub(crate) fn base_url(&self) -> &str {
        self.base_url.as_deref().unwrap_or_default().trim_end_matches('/')
    }

    /// Where the files lie: in a guest always below its own root, in a test where the setting says.
    pub(crate) fn folder(&self) -> Option<&Path> {
        let folder = self.folder.as_deref()?;
        Some(Path::new(if cfg!(target_arch = "wasm32") { FOLDER } else { folder }))
    }

    /// Scheme, host and port of it.
    pub(crate) fn origin(&self) -> &str {
        let base = self.base_url();
        let host = base.find("://").map_or(0, |at| at + 3);
        base[host..].find('/').map_or(base, |at| &base[..host + at])
    }
}
