//! The place of a record in a journal.

use std::fmt;

/// The place of a record in its journal: 1 for the first, then without gaps.
///
/// [`Sequence::NONE`] (0) stands before the first record: the head of an empty journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(u64);

impl Sequence {
    /// Before the first record.
    pub const NONE: Self = Self(0);
    /// The first record of every journal.
    pub const FIRST: Self = Self(1);

    /// The sequence with this number; 0 is [`Sequence::NONE`].
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for storing it elsewhere.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sequence of the record after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        // 2^64 records at a million a second would take half a million years.
        Self(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<Sequence> for u64 {
    fn from(sequence: Sequence) -> Self {
        sequence.0
    }
}
