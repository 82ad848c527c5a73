//! What is not in the store yet: the newest content of every changed row, and the records that changed them.
//!
//! A row is here twice, its value by reference: in `rows` for the readers, and in the record that changed it for the write-behind,
//! which must be able to write the rows as they were at an earlier record while a later one is not durable yet.
//!
//! Invariants: `records` holds exactly the records after the last finished batch, in order and whole; every place that one of these records
//! changed is in `rows`, with the content of the latest that did. A place that is there for an earlier record has the content the store has:
//! such rows are taken out once they are half of their table's, which is cheaper than looking for each.

use std::collections::VecDeque;
use std::sync::Arc;

use sportello_rows::Shelves;

use crate::engine::Engine;
use crate::row::{Change, Content, Direction, Place, Span, TABLE_RESERVED, borrowed};

/// What one change costs beside its value's bytes: a counted allocation, a slot in the record and one in the map, with the place in each.
const CHANGE_OVERHEAD_BYTES: usize = 160;

/// Changes one batch may fold into each of its rows, on average; keeps a batch of hot rows short.
const CHANGES_PER_BATCH_ROW_MAX: usize = 16;

pub(crate) struct Overlay {
    /// The store underneath. It changes only with a reset, so whoever reads both takes them together.
    pub(crate) engine: Arc<Engine>,
    /// Counts resets.
    pub(crate) generation: u64,
    /// Last sequence applied.
    pub(crate) cursor: u64,
    rows: Shelves<Newest>,
    /// By table: how many of its rows the store may have by now.
    stored: Vec<usize>,
    records: VecDeque<Record>,
    bytes: usize,
}

/// The newest content of a row, and the record that gave it.
struct Newest {
    sequence: u64,
    content: Content,
}

/// The changes of one record, or of a run of them. Kept beside the rows: those are as of the latest record.
pub(crate) struct Record {
    /// The last one's.
    sequence: u64,
    changes: Vec<Change>,
    bytes: usize,
}

impl Record {
    pub(crate) fn new(sequence: u64, changes: Vec<Change>) -> Record {
        let bytes = changes.iter().map(weight).sum();
        Record { sequence, changes, bytes }
    }
}

/// A run of whole records, folded into one content per row.
pub(crate) struct Batch {
    /// The last record in it.
    pub(crate) sequence: u64,
    /// In order of place, each place once.
    pub(crate) rows: Vec<Change>,
    /// Changes folded into the rows.
    pub(crate) changes: usize,
}

impl Overlay {
    pub(crate) fn new(engine: Arc<Engine>, generation: u64, cursor: u64) -> Overlay {
        let stored = vec![0; usize::from(TABLE_RESERVED)];
        Overlay { engine, generation, cursor, rows: Shelves::default(), stored, records: VecDeque::new(), bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The newest content of a row; the outer `None` means: ask the store.
    pub(crate) fn get(&self, place: &[u8]) -> Option<Content> {
        self.rows.get(place).map(|newest| newest.content.clone())
    }

    pub(crate) fn apply(&mut self, record: Record) {
        debug_assert!(record.sequence > self.cursor);
        for change in &record.changes {
            self.rows.put(&change.place, Newest { sequence: record.sequence, content: change.value.clone() });
        }
        self.cursor = record.sequence;
        self.bytes += record.bytes;
        self.records.push_back(record);
    }

    /// The next batch: the oldest records, none above `durable`, up to the limits but at least one.
    pub(crate) fn next_batch(&self, durable: u64, rows_max: usize, bytes_max: usize) -> Option<Batch> {
        let storable = self.records.partition_point(|record| record.sequence <= durable);
        let changes_max = rows_max.saturating_mul(CHANGES_PER_BATCH_ROW_MAX);
        let mut rows: Vec<&Change> = Vec::new();
        let (mut records, mut changes) = (0, 0);
        loop {
            let before = records;
            let mut bytes: usize = rows.iter().map(|change| weight(change)).sum();
            for record in self.records.range(records..storable) {
                let full = rows.len() + record.changes.len() > rows_max
                    || bytes + record.bytes > bytes_max
                    || changes + record.changes.len() > changes_max;
                if full && records > 0 {
                    break;
                }
                rows.extend(&record.changes);
                bytes += record.bytes;
                changes += record.changes.len();
                records += 1;
            }
            fold(&mut rows);
            // Where the same rows change again and again, folding has made room for more.
            if records == before || rows.len() > rows_max / 2 {
                break;
            }
        }
        let sequence = self.records.get(records.checked_sub(1)?)?.sequence;
        let rows = rows.into_iter().map(|change| Change { place: copy(&change.place), value: change.value.clone() }).collect();
        Some(Batch { sequence, rows, changes })
    }

    /// Forgets what a finished batch put into the store, except rows that a later record changed again.
    /// Returns what is forgotten, so that the caller can free it after it let go of the overlay.
    pub(crate) fn finished(&mut self, batch: &Batch) -> Forgotten {
        let mut rows = Vec::new();
        for changes in batch.rows.chunk_by(|one, other| one.table() == other.table()) {
            let table = changes[0].table();
            let (Some(shelf), stored) = (self.rows.shelf_mut(table), &mut self.stored[usize::from(table)]) else { continue };
            *stored += changes.len();
            if 2 * *stored >= shelf.len() {
                rows.extend(shelf.take_if(|newest| newest.sequence <= batch.sequence));
                *stored = 0;
            }
        }
        let count = self.records.partition_point(|record| record.sequence <= batch.sequence);
        let records: Vec<Record> = self.records.drain(..count).collect();
        self.bytes -= records.iter().map(|record| record.bytes).sum::<usize>();
        Forgotten { _records: records, _rows: rows }
    }

    /// The rows of a span in order, deleted ones included, up to the `limit`th that is not deleted. Together with the
    /// store's rows of the span this decides the first `limit` rows: each that is live here is one of the result.
    pub(crate) fn rows_of(&self, span: &Span, direction: Direction, limit: usize) -> Vec<(Place, Content)> {
        fn until<'a>(rows: impl Iterator<Item = (&'a Place, &'a Newest)>, limit: usize) -> Vec<(Place, Content)> {
            let mut found = Vec::new();
            let mut live = 0;
            for (place, newest) in rows {
                if live == limit {
                    break;
                }
                live += usize::from(newest.content.is_some());
                found.push((copy(place), newest.content.clone()));
            }
            found
        }
        let rows = self.rows.range(borrowed(span));
        match direction {
            Direction::Forward => until(rows, limit),
            Direction::Backward => until(rows.rev(), limit),
        }
    }
}

/// What need not be kept any more.
pub(crate) struct Forgotten {
    _records: Vec<Record>,
    _rows: Vec<(Place, Newest)>,
}

/// Puts changes in order of place; of each place the latest stays.
fn fold(changes: &mut Vec<&Change>) {
    // Stable, so that the later of two stays behind the earlier.
    changes.sort_by(|one, other| one.place.cmp(&other.place));
    changes.dedup_by(|later, earlier| {
        let same = later.place == earlier.place;
        if same {
            *earlier = *later;
        }
        same
    });
}

/// Memory a change takes, in bytes.
fn weight(change: &Change) -> usize {
    let place = if change.place.spilled() { 2 * change.place.len() } else { 0 };
    CHANGE_OVERHEAD_BYTES + place + change.value.as_ref().map_or(0, |value| value.len())
}

/// A copy as a block: [`Clone`] copies byte by byte.
fn copy(place: &Place) -> Place {
    Place::from_slice(place)
}
