//! The channel's settings; their schema is settings.schema.json.

use serde::Deserialize;

/// Which page, and where the Graph API is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    pub(crate) page_id: String,
    graph_url: String,
    #[serde(default = "default_graph_version")]
    graph_version: String,
    #[serde(default)]
    pub(crate) public_url: Option<String>,
    #[serde(default)]
    pub(crate) since: Option<String>,
    #[serde(default = "default_posts_days")]
    pub(crate) posts_days: u32,
    #[serde(default = "default_page_rows")]
    pub(crate) page_rows: usize,
    #[serde(default)]
    pub(crate) ask_token_end: bool,
}

fn default_graph_version() -> String {
    "v24.0".into()
}

fn default_posts_days() -> u32 {
    30
}

fn default_page_rows() -> usize {
    50
}

impl Settings {
    /// The URL of something below an object of the graph.
    pub(crate) fn edge(&self, object: &str, edge: &str) -> String {
        self.url(&format!("{}/{edge}", sportello_sdk::http::encode(object)))
    }

    /// The URL of what has this path in the graph.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{}/{path}", self.graph_url.trim_end_matches('/'), self.graph_version)
    }
}
