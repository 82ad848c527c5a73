//! What can go wrong in the store of the views.

use std::io;
use std::path::{Path, PathBuf};

/// Errors of the view store. None of them can lose anything: the rows are rebuilt from the journal.
#[derive(Debug, thiserror::Error)]
pub enum ViewsError {
    /// Another process, or another `Views` of this one, has the folder.
    #[error("the views in {folder} are in use by another process; stop it, or give this one a data folder of its own")]
    InUse {
        /// The folder of the views.
        folder: PathBuf,
    },
    /// The file system refused something.
    #[error("the views could not {action} {path}: {source}; mend the disk or its permissions and start again")]
    Disk {
        /// What was attempted.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// sled failed or panicked while it served a request. The store takes no more records until it is reset.
    #[error("the store of the views failed to {action}: {reason}; reset the views and replay the journal")]
    Store {
        /// What was attempted.
        action: &'static str,
        /// What sled said.
        reason: String,
    },
    /// Records must be applied one after the other.
    #[error("the views are at record {cursor} and were given {given}; replay the journal from {}", cursor + 1)]
    OutOfOrder {
        /// Last sequence applied.
        cursor: u64,
        /// The sequence offered.
        given: u64,
    },
    /// A run of records was applied that is not durable whole: a part of it could not be stored.
    #[error("records up to {last} were applied as one run, but only those up to {durable} are durable; this is a fault of the program")]
    RunNotDurable {
        /// The last record of the run.
        last: u64,
        /// The last durable record.
        durable: u64,
    },
    /// A change is larger than the store takes. Nothing of its record was applied.
    #[error("record {sequence} changes a row of table {table} with {what} of {bytes} bytes; the most is {bytes_max}")]
    TooLarge {
        /// Sequence of the record.
        sequence: u64,
        /// Table of the row.
        table: u8,
        /// Key or value.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Table 255 is the store's own.
    #[error("table {table} is reserved for the store itself; give the table another number", table = crate::TABLE_RESERVED)]
    ReservedTable,
    /// The options cannot be used.
    #[error("the views cannot be opened: {0}")]
    Options(&'static str),
    /// The views were closed.
    #[error("the views are closed; open them again")]
    Closed,
}

impl ViewsError {
    pub(crate) fn disk(action: &'static str, path: &Path, source: io::Error) -> ViewsError {
        ViewsError::Disk { action, path: path.to_path_buf(), source }
    }

    pub(crate) fn store(action: &'static str, reason: impl ToString) -> ViewsError {
        ViewsError::Store { action, reason: reason.to_string() }
    }
}
