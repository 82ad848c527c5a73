//! The store of the views: rows that can be rebuilt from the journal, on sled behind an overlay in memory.
//!
//! ```text
//!            apply(sequence, changes)                         get · range · state_hash
//! writer ───────────────┐                                         │
//!                       ▼                                         ▼
//!               ┌───────────────┐   one batch = rows + cursor  ┌───────┐
//!               │    overlay    │─────────────────────────────►│ store │   readers: overlay first, then store
//!               └───────────────┘   write-behind thread,       └───────┘
//!                                   durable records only
//! ```
//!
//! # Promises
//! * **Nothing here is the truth.** Whatever happens to the folder, [`Views::open`] answers with rows that are exactly
//!   those of the records up to [`Views::cursor`], possibly none; the caller replays the rest from the journal.
//! * **A batch is whole.** It holds whole records and their cursor and is stored all or nothing, so after a killed
//!   process the rows are those of the records up to the stored cursor, no more and no less.
//! * **What is not durable in the journal never reaches the store** ([`Views::only_up_to`]); a journal that lost its tail
//!   never meets rows from the future.
//! * **A range shows no half of a record**: it is read as of one moment. Two calls are two moments.
//! * **Nothing grows without limit**: see [`ViewsOptions`]. If the store is slower than the writer, [`Views::apply`]
//!   waits. Records that are not durable yet don't count as a reason to wait; the journal's own queue bounds them.
//!
//! # When what is on disk is believed
//! sled 0.34 never makes its files durable by itself, and finds its last whole batch after a kill only because the
//! kernel still has everything it was given. So a store is believed if it was closed cleanly (its files made durable
//! by us and stamped so), or if it was killed in the present boot of the machine and is still on the same files. In
//! every other case (power cut, crash of the kernel, a copy taken while open, other code or another journal, damage
//! found while reading it through) it is dropped, and [`Opened::rebuilt_because`] says why. Damage that shows only
//! later comes back as [`ViewsError::Store`] from the call that met it: [`Views::reset`], then replay.
//!
//! One thing is left to the caller: a store that is ahead of its journal (the journal was restored from an older backup)
//! has a [`Views::cursor`] above the journal's last record; then reset it.
//!
//! # Folder
//! `stamp` (what the rows are, see `stamp.rs`), `lock` (held while open), `rows-N` (the engine's own files; each rebuild
//! begins the next number and removes the others, which is also how space comes back).

mod engine;
mod error;
mod limits;
mod merge;
mod opening;
mod overlay;
mod page;
mod row;
mod sabotage;
mod stamp;
mod views;
mod write_behind;

pub use error::ViewsError;
pub use limits::{BATCH_ROWS_MAX_LEAST, KEY_BYTES_MAX, MADE_FROM_BYTES_MAX, ViewsOptions};
pub use row::{Change, Direction, Place, Row, TABLE_RESERVED, TableId, Value};
pub use views::{Opened, StateHash, Views, ViewsMetrics};
