//! Rows, and the one ordered key space in which those of all tables stand.
//!
//! A row's place is its table number followed by its key, so one table is one contiguous span, and one batch over one
//! tree of the store can change rows of every table at once.

use std::ops::Bound;

pub(crate) use sportello_rows::place;
pub use sportello_rows::{Place, Value};

/// Number of a table, 0 to 254.
pub type TableId = u8;

/// The table the store keeps for itself; it holds the cursor.
pub const TABLE_RESERVED: TableId = 255;

/// One row set or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where the row is. Its key is at most [`crate::KEY_BYTES_MAX`] bytes; rows of a table are ordered by them.
    pub place: Place,
    /// The new value; `None` deletes the row, also one that does not exist.
    pub value: Option<Value>,
}

impl Change {
    /// Sets the row at this key of a table, or deletes it.
    pub fn new(table: TableId, key: &[u8], value: Option<&[u8]>) -> Change {
        Change { place: place(table, key), value: value.map(Value::from) }
    }

    /// The table of the row.
    pub fn table(&self) -> TableId {
        self.place.first().copied().unwrap_or(TABLE_RESERVED)
    }

    /// The key of the row.
    pub fn key(&self) -> &[u8] {
        self.place.get(1..).unwrap_or_default()
    }
}

/// Order in which [`crate::Views::range`] walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// A row: key (without the table) and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// What a change leaves at a place: a value, or nothing.
pub(crate) type Content = Option<Value>;

/// A span of places, ends owned.
pub(crate) type Span = (Bound<Place>, Bound<Place>);

/// Where the cursor stands in the store.
pub(crate) const CURSOR_PLACE: [u8; 7] = [TABLE_RESERVED, b'c', b'u', b'r', b's', b'o', b'r'];

/// The places of a table between two keys; `None` where there can be none.
pub(crate) fn span(table: TableId, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Option<Span> {
    if table == TABLE_RESERVED {
        return None;
    }
    let empty = match (start, end) {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start), Bound::Excluded(end))
        | (Bound::Excluded(start), Bound::Included(end))
        | (Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
        _ => false,
    };
    if empty {
        return None;
    }
    let start = match start {
        Bound::Included(key) => Bound::Included(place(table, key)),
        Bound::Excluded(key) => Bound::Excluded(place(table, key)),
        Bound::Unbounded => Bound::Included(place(table, &[])),
    };
    let end = match end {
        Bound::Included(key) => Bound::Included(place(table, key)),
        Bound::Excluded(key) => Bound::Excluded(place(table, key)),
        Bound::Unbounded => Bound::Excluded(place(table + 1, &[])),
    };
    Some((start, end))
}

/// The places of all tables, the store's own left out.
pub(crate) fn span_of_all_tables() -> Span {
    (Bound::Unbounded, Bound::Excluded(place(TABLE_RESERVED, &[])))
}

/// A span with its ends borrowed, as maps want it.
pub(crate) fn borrowed(span: &Span) -> (Bound<&[u8]>, Bound<&[u8]>) {
    fn end(bound: &Bound<Place>) -> Bound<&[u8]> {
        bound.as_ref().map(Place::as_slice)
    }
    (end(&span.0), end(&span.1))
}
