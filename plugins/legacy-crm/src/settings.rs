//! The channel's settings; their schema is settings.schema.json.

use serde::Deserialize;

/// Which Tryton, and which of its contact mechanisms identify a party.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    base_url: String,
    rpc_path: String,
    #[serde(default = "usual_identifiers")]
    pub(crate) identifiers: Vec<Rule>,
    #[serde(default)]
    pub(crate) external: External,
    #[serde(default)]
    pub(crate) changes_from: ChangesFrom,
    #[serde(default = "overlap_seconds")]
    pub(crate) overlap_seconds: u32,
    #[serde(default = "page_size")]
    pub(crate) page_size: u32,
}

/// What the first look at changes gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ChangesFrom {
    /// All parties.
    #[default]
    Beginning,
    /// What changes from then on.
    Now,
}

/// What of a party is the company's own customer number, `external`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub(crate) enum External {
    /// Its code.
    #[default]
    Code,
    /// Its identifiers of this type; without one, those that have none.
    Identifier {
        /// Tryton's `type`: `it_vat`, ….
        #[serde(rename = "type")]
        kind: Option<String>,
    },
    /// Nothing.
    Nothing,
}

/// Contact mechanisms of this type, and of this label if one is given, carry an identifier of this scheme.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Rule {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) label: Option<String>,
    pub(crate) scheme: String,
}

fn usual_identifiers() -> Vec<Rule> {
    let usual = [
        ("email", None, "email"),
        ("phone", None, "phone"),
        ("mobile", None, "phone"),
        ("other", Some("wiki"), "wiki.handle"),
        ("other", Some("facebook"), "facebook.id"),
    ];
    usual
        .into_iter()
        .map(|(kind, label, scheme)| Rule { kind: kind.into(), label: label.map(str::to_owned), scheme: scheme.into() })
        .collect()
}

fn overlap_seconds() -> u32 {
    60
}

fn page_size() -> u32 {
    100
}

impl Settings {
    /// Where JSON-RPC is.
    pub(crate) fn rpc_url(&self) -> String {
        format!("{}{}", self.base_url.trim_end_matches('/'), self.rpc_path)
    }
}
