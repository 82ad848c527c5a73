//! The contract's limits of what a connector returns. One value over a limit refuses the whole answer, so the builders of this crate cut what is only
//! to be read (words, names, reasons), and leave out a URL that is too long; ids are never cut, because a cut id is another id.

/// Bytes of an interaction's text.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// Bytes of raw text a connector fetched itself.
pub const RAW_TEXT_BYTES_MAX: usize = 64 << 10;
/// Bytes of an id, a handle, a display name, a revision, an identifier's value, a conversation's title or key.
pub const ID_BYTES_MAX: usize = 512;
/// Bytes of a URL.
pub const URL_BYTES_MAX: usize = 4 << 10;
/// Attributes of one record.
pub const ATTRIBUTES_MAX: usize = 32;
/// Bytes of an attribute's value.
pub const ATTRIBUTE_BYTES_MAX: usize = 4 << 10;
/// Bytes of a reason in an error.
pub const REASON_BYTES_MAX: usize = 2 << 10;
/// Interactions, or contacts, of one call.
pub const ITEMS_MAX: usize = 1000;

/// The text, or as much of its beginning as `bytes_max` holds without cutting a character.
#[must_use]
pub fn cut(text: impl Into<String>, bytes_max: usize) -> String {
    let mut text = text.into();
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

/// The URL, unless it is too long.
pub(crate) fn url(url: impl Into<String>) -> Option<String> {
    Some(url.into()).filter(|url| url.len() <= URL_BYTES_MAX)
}
