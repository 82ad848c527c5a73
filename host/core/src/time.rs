//! The only time the core knows: the moment the writer was told.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z. The core never reads a clock; it is given this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `milliseconds` later; stays at the end of time rather than wrapping.
    #[must_use]
    pub const fn plus_ms(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add_unsigned(milliseconds))
    }

    /// Milliseconds from `earlier` to here, 0 if it is not earlier.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        let difference = self.0.saturating_sub(earlier.0);
        if difference < 0 { 0 } else { difference.unsigned_abs() }
    }
}

impl crate::tables::Key for Timestamp {
    /// Order of keys is order of time, also before 1970.
    fn write_to(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(&(self.0.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    }
}
