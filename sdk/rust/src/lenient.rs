//! Reading what platforms write, as far as it is understood: for `#[serde(default, deserialize_with = "lenient::id")]`.
//!
//! Platforms write an id as a string here and as a number there, beyond 2^53 too; a time as seconds, milliseconds or ISO 8601; and one day they change
//! a field nobody told you of. What is not of the expected shape becomes `None` here instead of an error: one odd field must not cost a delivery,
//! and a delivery's raw text is kept in any case.
//!
//! ```
//! use serde::Deserialize;
//! use sportello_sdk::lenient;
//!
//! #[derive(Deserialize)]
//! struct Comment {
//!     #[serde(default, deserialize_with = "lenient::id")]
//!     id: Option<String>,
//!     #[serde(default, deserialize_with = "lenient::moment")]
//!     at: Option<i64>,
//!     #[serde(default, deserialize_with = "lenient::value")]
//!     place: Option<(f64, f64)>,
//!     #[serde(default, deserialize_with = "lenient::list")]
//!     tags: Vec<String>,
//! }
//! let json = r#"{"id": 9007199254740993, "at": "2026-01-15T12:00:00Z", "place": 7, "tags": ["rete", 7, "guasto"]}"#;
//! let comment: Comment = serde_json::from_str(json).unwrap();
//! assert_eq!(comment.id.as_deref(), Some("9007199254740993"));
//! assert_eq!(comment.at, Some(1_768_478_400_000));
//! assert_eq!(comment.place, None);
//! assert_eq!(comment.tags, ["rete", "guasto"]);
//! ```

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{hash, time};

/// From here on a number can't be seconds (that would be the year 5138): it is milliseconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;
/// The longest id believed, in bytes: two of them fit into the contract's limit of one.
const ID_BYTES_MAX: usize = 200;

/// A JSON string or number as text, with all its digits.
///
/// # Errors
/// serde's, where there is no JSON value at all.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    Ok(match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).ok(),
        Some(b'-' | b'0'..=b'9') => Some(raw.to_owned()),
        _ => None,
    })
}

/// An id: as [`text`], but an empty one, or one longer than 200 bytes, is none.
///
/// # Errors
/// As [`text`].
pub fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text(deserializer)?.filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX))
}

/// A moment as milliseconds since 1970: a number of seconds or milliseconds, also in quotes, or an ISO 8601 text.
///
/// # Errors
/// As [`text`].
pub fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| match text.parse::<i64>() {
        Ok(number) if number >= MILLISECONDS_FROM => Some(number),
        Ok(number) => Some(number.saturating_mul(1000)),
        Err(_) => time::milliseconds(&text),
    }))
}

/// A value of any type, or None where it has another shape.
///
/// # Errors
/// As [`text`].
pub fn value<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A list of any type without the items of another shape; an empty one where it is no list.
///
/// # Errors
/// As [`text`].
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    let items: Vec<&'de RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    Ok(items.into_iter().filter_map(|item| serde_json::from_str(item.get()).ok()).collect())
}

/// A checksum of a text, in hexadecimal digits: FNV-1a. It tells things apart that the platform gives no id or time of their own; it proves
/// nothing.
#[must_use]
pub fn checksum(text: &str) -> String {
    format!("{:016x}", hash::fnv_1a(hash::START, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Said {
        #[serde(default, deserialize_with = "id")]
        id: Option<String>,
        #[serde(default, deserialize_with = "moment")]
        at: Option<i64>,
    }

    #[test]
    fn an_id_is_neither_empty_nor_too_long_and_keeps_every_digit() {
        let read = |json: &str| serde_json::from_str::<Said>(&format!(r#"{{"id": {json}}}"#)).unwrap().id;
        let longest = "7".repeat(ID_BYTES_MAX);
        assert_eq!(read(&format!("\"{longest}\"")), Some(longest.clone()));
        assert_eq!(read("9007199254740993").as_deref(), Some("9007199254740993"));
        for none in [format!("\"{longest}7\""), format!("{longest}7"), r#""""#.to_owned(), "null".to_owned(), r#"{"a": 1}"#.to_owned()] {
            assert_eq!(read(&none), None, "{none}");
        }
    }

    #[test]
    fn a_moment_is_told_in_seconds_in_milliseconds_and_as_text() {
        for said in ["1768478400", "1768478400000", r#""1768478400""#, r#""1768478400000""#, r#""2026-01-15T12:00:00Z""#] {
            assert_eq!(serde_json::from_str::<Said>(&format!(r#"{{"at": {said}}}"#)).unwrap().at, Some(1_768_478_400_000), "{said}");
        }
    }
}
