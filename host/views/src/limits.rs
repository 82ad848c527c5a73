//! Every limit of the store, named, with its default and unit.

use std::time::Duration;

/// Longest key of a row in bytes, table number not counted.
pub const KEY_BYTES_MAX: usize = 4 * 1024;

/// Longest [`ViewsOptions::made_from`] in bytes.
pub const MADE_FROM_BYTES_MAX: usize = 1024;

/// Least [`ViewsOptions::batch_rows_max`].
pub const BATCH_ROWS_MAX_LEAST: usize = 1;

/// How a store is opened, and what it may use. `ViewsOptions::new` fills in the defaults.
#[derive(Clone, Debug)]
pub struct ViewsOptions {
    /// What the rows were computed from and by: the journal's identity and the version of the code that turns records
    /// into rows. A store stamped with another text is dropped and rebuilt. At most [`MADE_FROM_BYTES_MAX`] bytes.
    pub made_from: String,
    /// Memory the overlay may take for what the store has not before [`crate::Views::apply`] waits for it, in bytes; of what the store
    /// has, it may hold as many rows again. Default 64 MiB.
    pub overlay_bytes_max: usize,
    /// Rows of one batch to the store, unless a single record has more. sled answers no read while it takes a batch, so
    /// this is also the longest wait of a reader. Default 4,096.
    pub batch_rows_max: usize,
    /// Bytes of one batch to the store, unless a single record has more. Default 4 MiB.
    pub batch_bytes_max: usize,
    /// Largest value of a row in bytes. Default 4 MiB.
    pub value_bytes_max: usize,
    /// sled's page cache in bytes; resident memory is a multiple of it. Default 64 MiB.
    pub cache_bytes_max: u64,
    /// How long a change may wait in the overlay for more changes of the same row before it is written. Default 100 ms.
    pub write_behind_max: Duration,
    /// Read every row once when opening, so that damage is found then and not in the middle of a request. Default on.
    pub scan_on_open: bool,
}

impl ViewsOptions {
    /// The defaults, for rows made from `made_from`.
    pub fn new(made_from: impl Into<String>) -> ViewsOptions {
        ViewsOptions {
            made_from: made_from.into(),
            overlay_bytes_max: 64 << 20,
            batch_rows_max: 4_096,
            batch_bytes_max: 4 << 20,
            value_bytes_max: 4 << 20,
            cache_bytes_max: 64 << 20,
            write_behind_max: Duration::from_millis(100),
            scan_on_open: true,
        }
    }
}
