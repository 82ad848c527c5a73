//! The store of the views: rows that can be rebuilt from the journal.
mod error;
mod limits;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use error::ViewsError;
pub use limits::{KEY_BYTES_MAX, ViewsOptions};

/// Number of a table, 0 to 254.
pub type TableId = u8;

/// The table the store keeps for itself.
pub const TABLE_RESERVED: TableId = 255;

/// One row set or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table of the row.
    pub table: TableId,
    /// The key, at most [`KEY_BYTES_MAX`] bytes. Rows are ordered by its bytes.
    pub key: Vec<u8>,
    /// The new value; `None` deletes the row.
    pub value: Option<Vec<u8>>,
}

/// Order in which [`Views::range`] walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// A row: key (without the table) and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// An opened store.
pub struct Opened {
    /// The store.
    pub views: Views,
    /// Why what was found on disk was dropped; the caller replays the journal from record 1. `None` for a new folder.
    pub rebuilt_because: Option<String>,
}

/// Digest of all rows at a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateHash {
    /// The sequence up to which records are in the hashed rows.
    pub cursor: u64,
    /// SHA-256 over every row in order of table and key; lengths included, cursor not.
    pub sha256: [u8; 32],
}

/// The numbers an operator watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewsMetrics {
    /// Rows in the overlay.
    pub overlay_rows: u64,
    /// Memory accounted to the overlay in bytes.
    pub overlay_bytes: u64,
    /// Records applied in memory and not yet in the store.
    pub lag_records: u64,
    /// Batches written since opening.
    pub batches: u64,
    /// Rows written since opening.
    pub rows_written: u64,
    /// Changes that needed no write of their own because a later change of the row was in the same batch.
    pub rows_coalesced: u64,
    /// How often `apply` had to wait for the store.
    pub apply_waits: u64,
    /// Size of the store on disk in bytes.
    pub disk_bytes: u64,
}

/// The store. One writer thread applies records, any thread reads.
pub struct Views {
    rows: RwLock<(u64, BTreeMap<Vec<u8>, Vec<u8>>)>,
}

impl Views {
    /// Opens the store in `folder`, creating it if it is missing.
    pub fn open(_folder: &Path, _options: ViewsOptions) -> Result<Opened, ViewsError> {
        Ok(Opened { views: Views { rows: RwLock::default() }, rebuilt_because: None })
    }

    /// Last sequence applied in memory; 0 before the first.
    pub fn cursor(&self) -> u64 {
        self.read().0
    }

    /// Last sequence of the last batch the store finished.
    pub fn stored_cursor(&self) -> u64 {
        self.read().0
    }

    /// The newest value of a row.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, ViewsError> {
        Ok(self.read().1.get(&row_key(table, key)).cloned())
    }

    /// Up to `limit` rows of a table between two keys.
    pub fn range(
        &self,
        table: TableId,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Row>, ViewsError> {
        let start = start.map(|key| row_key(table, key));
        let start = if start == Bound::Unbounded { Bound::Included(vec![table]) } else { start };
        let end = end.map(|key| row_key(table, key));
        let end = if end == Bound::Unbounded { Bound::Excluded(vec![table + 1]) } else { end };
        let guard = self.read();
        let rows = guard.1.range((start, end)).map(|(key, value)| (key[1..].to_vec(), value.clone()));
        Ok(match direction {
            Direction::Forward => rows.take(limit).collect(),
            Direction::Backward => rows.rev().take(limit).collect(),
        })
    }

    /// Applies the changes of one record.
    pub fn apply(&self, sequence: u64, changes: Vec<Change>) -> Result<(), ViewsError> {
        let mut guard = self.write();
        if sequence != guard.0 + 1 {
            return Err(ViewsError::OutOfOrder { cursor: guard.0, given: sequence });
        }
        for change in changes {
            let key = row_key(change.table, &change.key);
            match change.value {
                Some(value) => guard.1.insert(key, value),
                None => guard.1.remove(&key),
            };
        }
        guard.0 = sequence;
        Ok(())
    }

    /// Says that every record up to `durable` is durable in the journal; only such records reach the store.
    pub fn only_up_to(&self, _durable: u64) {}

    /// Digest of all rows, overlay included.
    pub fn state_hash(&self) -> Result<StateHash, ViewsError> {
        Ok(StateHash { cursor: self.cursor(), sha256: [0; 32] })
    }

    /// Waits until every durable record is in the store.
    pub fn flush(&self) -> Result<(), ViewsError> {
        Ok(())
    }

    /// Drops every row; the cursor is 0 again.
    pub fn reset(&self) -> Result<(), ViewsError> {
        *self.write() = Default::default();
        Ok(())
    }

    /// Flushes, makes the files durable and stamps the store as cleanly closed. Later calls answer `Closed`.
    pub fn close(&self) -> Result<(), ViewsError> {
        Ok(())
    }

    /// The numbers an operator watches.
    pub fn metrics(&self) -> ViewsMetrics {
        ViewsMetrics::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, (u64, BTreeMap<Vec<u8>, Vec<u8>>)> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, (u64, BTreeMap<Vec<u8>, Vec<u8>>)> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row_key(table: TableId, key: &[u8]) -> Vec<u8> {
    let mut row_key = Vec::with_capacity(1 + key.len());
    row_key.push(table);
    row_key.extend_from_slice(key);
    row_key
}
