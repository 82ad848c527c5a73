//! Who Facebook says somebody is.

use serde::Deserialize;
use sportello_sdk::lenient;

/// A person or page: `{"id": …, "name": …}`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Account {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: Option<String>,
}
