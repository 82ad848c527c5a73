//! The channel's settings; their schema is settings.schema.json.

use serde::Deserialize;
use sportello_sdk::http;

/// Which organisation, where the API is, and how notifications are pulled.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// `urn:li:organization:…`.
    pub(crate) organization: String,
    api_url: String,
    /// YYYYMM.
    pub(crate) version: String,
    pub(crate) since: Option<String>,
    #[serde(default = "overlap_seconds")]
    pub(crate) overlap_seconds: u32,
    #[serde(default = "page_rows")]
    pub(crate) page_rows: usize,
}

fn overlap_seconds() -> u32 {
    3600
}

fn page_rows() -> usize {
    20
}

impl Settings {
    /// The URL of a resource, by its path below `/rest/`.
    pub(crate) fn resource(&self, path: &str) -> String {
        format!("{}/rest/{path}", self.api_url.trim_end_matches('/'))
    }

    /// The URL of the comments below a post or comment.
    pub(crate) fn comments_below(&self, urn: &str) -> String {
        self.resource(&format!("socialActions/{}/comments", http::encode(urn)))
    }
}
