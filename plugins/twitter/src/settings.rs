//! The channel's settings; their schema is settings.schema.json.

use serde::Deserialize;
use sportello_sdk::http;

/// Which account, and where the API is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    pub(crate) user_id: String,
    pub(crate) handle: String,
    api_url: String,
    #[serde(default)]
    pub(crate) since: Option<String>,
}

impl Settings {
    /// The URL of a path of the API's second version, such as `tweets`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/2/{path}", self.api_url.trim_end_matches('/'))
    }

    /// The URL of something of the account's, such as `mentions`.
    pub(crate) fn account(&self, what: &str) -> String {
        self.url(&format!("users/{}/{what}", http::encode(&self.user_id)))
    }
}
