//! FNV-1a of 64 bits: tells texts apart, protects nothing.

/// The hash of nothing.
pub(crate) const FNV_1A_START: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash of what was hashed before, and these bytes.
pub(crate) fn fnv_1a(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
