//! The mappings that tests use.

/// A made-up CRM in the manner of JSON:API.
#[allow(dead_code, reason = "each test file uses what it needs")]
pub(crate) const PEOPLE: &str = include_str!("people.yaml");

/// Those that come with the connector.
#[allow(dead_code, reason = "each test file uses what it needs")]
pub(crate) const REQUEST_TRACKER: &str = include_str!("../../mappings/request-tracker.yaml");
#[allow(dead_code, reason = "each test file uses what it needs")]
pub(crate) const CSV_DROP: &str = include_str!("../../mappings/csv-drop.yaml");
