//! What is counted: things that are numbered from 1 in the order they came.

use crate::tables::Table;

/// The next number of each counted thing, by [`Counter`].
pub const COUNTERS: Table<u8, u64> = Table::new(0, "counters");

/// Things that are numbered from 1.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Counter {
    /// Interactions.
    Interaction = 1,
    /// People.
    Person = 2,
    /// Links.
    Link = 3,
    /// Cases.
    Case = 4,
    /// Effects.
    Effect = 5,
    /// Parked deliveries.
    Delivery = 6,
    /// Tokens.
    Token = 7,
    /// Workflow runs.
    Run = 8,
}

/// More than any [`Counter`].
pub(crate) const COUNTERS_MAX: usize = 9;
