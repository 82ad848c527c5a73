//! FNV-1a of 64 bits: tells things apart that the platform gives no id or version of their own; it proves nothing and protects nothing.
//! Of a text as hexadecimal digits: [`crate::lenient::checksum`].
//!
//! ```
//! use sportello_sdk::hash::{START, fnv_1a};
//!
//! assert_eq!(fnv_1a(START, b"foobar"), 0x8594_4171_f739_67e8);
//! assert_eq!(fnv_1a(fnv_1a(START, b"foo"), b"bar"), fnv_1a(START, b"foobar"));
//! ```

/// The hash of nothing.
pub const START: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash of what was hashed before, and these bytes.
#[must_use]
pub fn fnv_1a(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
