//! FNV-1a of 64 bits: tells texts apart, protects nothing.

/// The hash of these texts, one after the other.
pub(crate) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    // A byte that no text has keeps `ab`, `c` and `a`, `bc` apart.
    texts.into_iter().flat_map(|text| text.bytes().chain([0xff])).fold(OFFSET, step)
}

/// The hash of bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(OFFSET, |hash, byte| step(hash, *byte))
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}
