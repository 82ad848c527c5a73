//! Ids and times as the platform writes them: an id is a string or a number, and numbers go beyond 2^53, so their digits are kept as text; a
//! time is a number of seconds (feed) or milliseconds (messages), as a number or in quotes, or an ISO 8601 text.
//!
//! What is neither becomes None instead of an error: one odd field must not cost a delivery.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sportello_sdk::time;

/// From here on a number can't be seconds (that would be the year 5138): it is milliseconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// A JSON string or number as text.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    Ok(match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).ok(),
        Some(b'-' | b'0'..=b'9') => Some(raw.to_owned()),
        _ => None,
    })
}

/// The longest id believed, in bytes. Facebook's have 20 to 200; two of them fit into the contract's limit of one.
const ID_BYTES_MAX: usize = 200;

/// An id: as [`text`], but an empty one, or one longer than any id is, is none.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text(deserializer)?.filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX))
}

/// A moment, as milliseconds since 1970.
pub(crate) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| match text.parse::<i64>() {
        Ok(number) if number >= MILLISECONDS_FROM => Some(number),
        Ok(number) => Some(number.saturating_mul(1000)),
        Err(_) => time::milliseconds(&text),
    }))
}

/// A value of any type, or None where it has another shape.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A person or page: `{"id": …, "name": …}`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Account {
    #[serde(default, deserialize_with = "id")]
    pub(crate) id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) name: Option<String>,
}

/// A checksum of a text, in hexadecimal digits: FNV-1a. It tells things apart that the platform gives no id or time of their own; it proves
/// nothing.
pub(crate) fn checksum(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}
