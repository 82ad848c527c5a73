//! The channel's settings; their schema is settings.schema.json.

use serde::Deserialize;
use sportello_sdk::http;

use crate::thread::cut;

/// Bytes of a heading in a URL, before they are encoded, which makes up to three of each. The contract's limit of a URL is 4 KiB.
const ANCHOR_BYTES_MAX: usize = 512;

/// Which wiki, as whom, and what is read of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    base_url: String,
    api_path: String,
    bot: String,
    #[serde(default = "talk_namespaces")]
    pub(crate) namespaces: Vec<u32>,
    #[serde(default)]
    pages: Vec<String>,
    pub(crate) since: Option<String>,
    pub(crate) language: Option<String>,
    /// Where posts go.
    pub(crate) post_page: Option<String>,
    #[serde(default = "overlap_seconds")]
    pub(crate) overlap_seconds: u32,
    #[serde(default = "page_rows")]
    pub(crate) page_rows: u32,
}

fn talk_namespaces() -> Vec<u32> {
    vec![1, 3, 5, 7, 9, 11, 13, 15]
}

fn overlap_seconds() -> u32 {
    60
}

fn page_rows() -> u32 {
    50
}

impl Settings {
    /// Where the action API is.
    pub(crate) fn api_url(&self) -> String {
        format!("{}{}", self.base_url.trim_end_matches('/'), self.api_path)
    }

    /// Where people see a page: `index.php` stands beside `api.php`, whatever short URLs the wiki has. A long anchor is cut, because the contract
    /// limits a URL; it then leads to the page's top.
    pub(crate) fn page_url(&self, title: &str, anchor: Option<&str>) -> String {
        let folder = self.api_path.strip_suffix("api.php").unwrap_or("/");
        let title = http::encode(&title.replace(' ', "_"));
        let anchor = anchor.map(|anchor| cut(anchor, ANCHOR_BYTES_MAX).replace(' ', "_"));
        let anchor = anchor.map_or_else(String::new, |anchor| format!("#{}", http::encode(&anchor)));
        format!("{}{folder}index.php?title={title}{anchor}", self.base_url.trim_end_matches('/'))
    }

    /// Whether this page is read; `title` as the wiki writes it.
    pub(crate) fn follows(&self, title: &str) -> bool {
        self.pages.is_empty() || self.pages.iter().any(|page| same_title(page, title))
    }

    /// Whether this is the account the connector answers with.
    pub(crate) fn is_bot(&self, user: &str) -> bool {
        same_title(self.bot.split('@').next().unwrap_or(&self.bot), user)
    }
}

/// Titles and user names are equal but for underscores and the case of the first letter (of each part, the namespace's too).
fn same_title(one: &str, other: &str) -> bool {
    let parts = |title: &str| {
        let title = title.replace('_', " ");
        let parts = title.split(':').map(|part| capital(part.trim())).collect::<Vec<_>>();
        parts.join(":")
    };
    parts(one) == parts(other)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
