//! Rows of many tables in one order, in memory.
//!
//! A row's [`Place`] is its table's number followed by its key, so one table is one contiguous span. The core's drafts and the views' overlay
//! keep rows on [`Shelves`]; a row's [`Value`] is shared between them, not copied.

mod shelf;
mod shelves;

use std::sync::Arc;

use smallvec::SmallVec;

pub use shelf::Shelf;
pub use shelves::Shelves;

/// Where a row stands among those of all tables: its table's number, then its key's bytes. Usual ones take no memory of their own.
pub type Place = SmallVec<[u8; 31]>;

/// A row's bytes, shared by all who hold them.
pub type Value = Arc<[u8]>;

/// The place of a table's row.
#[must_use]
pub fn place(table: u8, key: &[u8]) -> Place {
    let mut place = Place::new();
    place.push(table);
    place.extend_from_slice(key);
    place
}
