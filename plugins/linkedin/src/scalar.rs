//! Values as the platform writes them: an id is a string or a number, and numbers go beyond 2^53, so their digits are kept as text; a
//! time is a number of milliseconds.
//!
//! What has another shape becomes None instead of an error: one odd field must not cost a delivery.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The longest id believed, in bytes. LinkedIn's have 20 to 120; two of them fit into the contract's limit of one.
pub(crate) const ID_BYTES_MAX: usize = 200;

/// A JSON string or number as text.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    Ok(match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).ok(),
        Some(b'-' | b'0'..=b'9') => Some(raw.to_owned()),
        _ => None,
    })
}

/// An id: as [`text`], but an empty one, or one longer than any id is, is none.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text(deserializer)?.filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX))
}

/// Milliseconds since 1970, as a number or in quotes.
pub(crate) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| text.parse().ok()))
}

/// A count.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| text.parse().ok()))
}

/// A value of any type, or None where it has another shape.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A checksum of a text: FNV-1a. It tells things apart that the platform gives no id of their own; it proves nothing.
pub(crate) fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
