//! Hashes that tell texts apart and protect nothing.

use sportello_sdk::hash::{START, fnv_1a};

/// The hash of these texts, one after the other.
pub(crate) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    // A byte that no text has keeps `ab`, `c` and `a`, `bc` apart.
    texts.into_iter().fold(START, |hash, text| fnv_1a(fnv_1a(hash, text.as_bytes()), &[0xff]))
}

/// The hash of bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    fnv_1a(START, bytes)
}
