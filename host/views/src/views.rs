//! What the rest of the product sees.

use std::fs::File;
use std::ops::{Bound, ControlFlow, RangeInclusive};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use ring::digest::{Context, SHA256};

use crate::engine::Engine;
use crate::error::ViewsError;
use crate::limits::{BATCH_ROWS_MAX_LEAST, KEY_BYTES_MAX, MADE_FROM_BYTES_MAX, ViewsOptions};
use crate::merge::merged;
use crate::opening;
use crate::overlay::{Overlay, Record};
use crate::row::{Change, Content, Direction, Place, Row, Span, TABLE_RESERVED, TableId, Value};
use crate::row::{place, span, span_of_all_tables};
use crate::write_behind::{Progress, Shared, State};

/// Times a range is read again because a batch came in between, before it keeps the next batch waiting instead.
const RANGE_RETRIES_MAX: usize = 3;

/// An opened store.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub views: Views,
    /// Why what was found on disk was dropped; `None` for a new folder and for a store that was believed. Either way
    /// the caller replays the journal from the record after [`Views::cursor`].
    pub rebuilt_because: Option<String>,
}

/// Digest of all rows at a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateHash {
    /// The last record whose changes are in the hashed rows.
    pub cursor: u64,
    /// SHA-256 over every row in order of table and key: table (1 byte), length of the key and key, length of the value
    /// and value, lengths as 4 bytes little endian. The cursor is not part of it.
    pub sha256: [u8; 32],
}

/// The numbers an operator watches. Counters start at opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewsMetrics {
    /// Rows in the overlay; some of them the store may have already.
    pub overlay_rows: u64,
    /// Memory accounted to the overlay in bytes.
    pub overlay_bytes: u64,
    /// Records applied in memory and not yet in the store.
    pub lag_records: u64,
    /// Batches written.
    pub batches: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Changes that needed no write of their own because a later change of the row was in the same batch.
    pub rows_coalesced: u64,
    /// How often [`Views::apply`] had to wait for the store.
    pub apply_waits: u64,
    /// Size of the store on disk in bytes.
    pub disk_bytes: u64,
}

/// The store of the views. One writer thread applies records, any thread reads; see the crate's documentation.
///
/// Dropping it without [`Views::close`] is like killing the process: what is not stored yet is replayed next time.
pub struct Views {
    shared: Arc<Shared>,
    write_behind: Mutex<Option<JoinHandle<()>>>,
    /// Keeps other processes out as long as it is open.
    lock: Mutex<Option<File>>,
}

/// Overlay and store as they were together at one moment.
struct Moment {
    engine: Arc<Engine>,
    generation: u64,
    cursor: u64,
    newer: Vec<(Place, Content)>,
}

impl Views {
    /// Opens the store in `folder`, which is created if it is missing and belongs to the store alone.
    ///
    /// On any doubt about what is found (damage, no or a garbled stamp, rows made from something else, a power cut since
    /// the last clean close) it is dropped and an empty store begins. Fails only if that is impossible too, if another
    /// process has the folder, or if the options can't be used.
    pub fn open(folder: &Path, options: ViewsOptions) -> Result<Opened, ViewsError> {
        if options.made_from.len() > MADE_FROM_BYTES_MAX {
            return Err(ViewsError::Options("made_from is longer than 1,024 bytes"));
        }
        if options.batch_rows_max < BATCH_ROWS_MAX_LEAST {
            return Err(ViewsError::Options("batch_rows_max must be at least 1"));
        }
        let lock = opening::lock(folder)?;
        let found = opening::open(folder, &options)?;
        let shared = Arc::new(Shared::new(folder.to_path_buf(), options, found.engine, found.cursor));
        let for_thread = shared.clone();
        let write_behind = std::thread::Builder::new()
            .name("views-write".into())
            .spawn(move || for_thread.write_behind())
            .map_err(|source| ViewsError::disk("start the thread that writes", folder, source))?;
        let views = Views { shared, write_behind: Mutex::new(Some(write_behind)), lock: Mutex::new(Some(lock)) };
        Ok(Opened { views, rebuilt_because: found.rebuilt_because })
    }

    /// Last sequence applied in memory; 0 before the first.
    pub fn cursor(&self) -> u64 {
        self.shared.progress().applied
    }

    /// Last sequence of the last batch the store finished; never above what [`Views::only_up_to`] said.
    pub fn stored_cursor(&self) -> u64 {
        self.shared.progress().stored
    }

    /// The newest value of a row.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Value>, ViewsError> {
        if table == TABLE_RESERVED {
            return Err(ViewsError::ReservedTable);
        }
        let place = place(table, key);
        loop {
            let overlay = self.shared.overlay();
            if let Some(content) = overlay.get(&place) {
                return Ok(content);
            }
            let (engine, generation) = (overlay.engine.clone(), overlay.generation);
            drop(overlay);
            // What is not in the overlay is in the store at least as new as it was a moment ago.
            match engine.get(&place) {
                Err(ViewsError::Closed) if self.shared.overlay().generation != generation => {}
                answer => return answer,
            }
        }
    }

    /// Up to `limit` rows of a table between two keys, in the order asked for, all as they were after one and the same
    /// record. The rows are copied, so `limit` bounds the memory used.
    pub fn range(
        &self,
        table: TableId,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Row>, ViewsError> {
        if table == TABLE_RESERVED {
            return Err(ViewsError::ReservedTable);
        }
        let Some(span) = span(table, start, end) else {
            return Ok(Vec::new());
        };
        if limit == 0 {
            return Ok(Vec::new());
        }
        for _ in 0..RANGE_RETRIES_MAX {
            let moment = self.moment(&span, direction, limit);
            let (generation, cursor) = (moment.generation, moment.cursor);
            let rows = rows_of(moment, &span, direction, limit);
            // A batch with records after that moment may have shown some of its rows.
            let disturbed = self.shared.batch_begun.load(Ordering::SeqCst) > cursor || self.shared.overlay().generation != generation;
            if !disturbed {
                return rows;
            }
        }
        let _gate = self.shared.gate();
        rows_of(self.moment(&span, direction, limit), &span, direction, limit)
    }

    /// Applies the changes of one record, all at once for every reader. Called by one thread; `sequence` is the cursor
    /// plus one. On an error nothing of the record is applied.
    ///
    /// Waits only while the overlay is over [`ViewsOptions::overlay_bytes_max`] and there are durable records the store
    /// still has to take; never for the journal, so that the thread which makes records durable may be the caller's.
    pub fn apply(&self, sequence: u64, changes: Vec<Change>) -> Result<(), ViewsError> {
        self.apply_run(sequence..=sequence, changes)
    }

    /// As [`Views::apply`] for what several records in a row come to, a change for each row they changed. Such a run reaches the store whole, so
    /// all of it must be durable.
    pub fn apply_run(&self, sequences: RangeInclusive<u64>, changes: Vec<Change>) -> Result<(), ViewsError> {
        let (first, sequence) = sequences.into_inner();
        self.check(sequence, &changes)?;
        let record = Record::new(sequence, changes);
        let bytes_max = self.shared.options.overlay_bytes_max;
        let over = |progress: &Progress| {
            progress.overlay_bytes > bytes_max && progress.storable() > progress.stored && progress.state == State::Running
        };
        let mut progress = self.shared.progress();
        if over(&progress) {
            progress.apply_waits += 1;
            drop(progress);
            progress = self.shared.wait_while(|progress| over(progress));
        }
        progress.usable()?;
        let durable = progress.durable;
        drop(progress);
        if first < sequence && durable < sequence {
            return Err(ViewsError::RunNotDurable { last: sequence, durable });
        }

        let mut overlay = self.shared.overlay_mut();
        if first != overlay.cursor + 1 || sequence < first {
            return Err(ViewsError::OutOfOrder { cursor: overlay.cursor, given: first });
        }
        overlay.apply(record);
        let mut progress = self.shared.progress();
        progress.applied = sequence;
        progress.overlay_bytes = overlay.bytes();
        let storable = progress.storable() == sequence;
        drop(progress);
        drop(overlay);
        if storable {
            self.shared.work.notify_one();
        }
        Ok(())
    }

    /// Says that every record up to `durable` is durable in the journal. Only changes of such records reach the store;
    /// a lower number than before is ignored.
    pub fn only_up_to(&self, durable: u64) {
        let mut progress = self.shared.progress();
        if durable > progress.durable {
            progress.durable = durable;
            drop(progress);
            self.shared.work.notify_one();
        }
    }

    /// Digest of all rows, overlay included, at one moment. Reads every row; meanwhile nothing is written to the store,
    /// and `apply` goes on until the overlay is full.
    pub fn state_hash(&self) -> Result<StateHash, ViewsError> {
        let _gate = self.shared.gate();
        let span = span_of_all_tables();
        let moment = self.moment(&span, Direction::Forward, usize::MAX);
        let mut hash = Context::new(&SHA256);
        merged(moment.newer, &moment.engine, &span, Direction::Forward, |place, value| {
            // Keys and values are bounded far below 4 GiB when they are applied.
            hash.update(&place[..1]);
            hash.update(&((place.len() - 1) as u32).to_le_bytes());
            hash.update(&place[1..]);
            hash.update(&(value.len() as u32).to_le_bytes());
            hash.update(value);
            ControlFlow::Continue(())
        })?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(hash.finish().as_ref());
        Ok(StateHash { cursor: moment.cursor, sha256 })
    }

    /// Waits until every record that is applied and durable now is in the store and outlives this process.
    pub fn flush(&self) -> Result<(), ViewsError> {
        let mut progress = self.shared.progress();
        progress.usable()?;
        let target = progress.storable();
        progress.flush_wanted = progress.flush_wanted.max(target);
        drop(progress);
        self.shared.work.notify_one();
        let waiting =
            |progress: &mut Progress| progress.state == State::Running && progress.handed_over < target && progress.flush_wanted >= target;
        self.shared.wait_while(waiting).usable()
    }

    /// Drops every row and begins an empty store, on disk too; the cursor is 0, what was said to be durable stays so.
    /// Also the way out after the store failed, and the way to give space back to the disk. Called by the writer.
    pub fn reset(&self) -> Result<(), ViewsError> {
        let shared = &self.shared;
        let _gate = shared.gate();
        if shared.progress().state == State::Closed {
            return Err(ViewsError::Closed);
        }
        let engine = Arc::new(opening::begin(&shared.folder, &shared.options)?);
        let mut overlay = shared.overlay_mut();
        let generation = overlay.generation + 1;
        let dropped = std::mem::replace(&mut *overlay, Overlay::new(engine.clone(), generation, 0));
        shared.batch_begun.store(0, Ordering::SeqCst);
        let mut progress = shared.progress();
        let apply_waits = progress.apply_waits;
        *progress = Progress { apply_waits, ..Progress::at(0, progress.durable) };
        drop(progress);
        drop(overlay);
        shared.done.notify_all();
        // Whatever ails the old store, it goes.
        let _ = dropped.engine.release();
        opening::drop_others(&shared.folder, &engine)
    }

    /// Stores what is durable, makes the files durable and stamps the store as clean, so that it is believed even after
    /// the machine was off. Records that are not durable are not stored. Later calls answer [`ViewsError::Closed`].
    pub fn close(&self) -> Result<(), ViewsError> {
        let flushed = self.flush();
        if matches!(flushed, Err(ViewsError::Closed)) {
            return Ok(());
        }
        let stored = self.stop();
        let engine = self.shared.overlay().engine.clone();
        let closed = match flushed {
            Ok(()) => engine.close().and_then(|()| opening::stamp_clean(&self.shared.folder, &engine, &self.shared.options, stored)),
            Err(error) => engine.release().and(Err(error)),
        };
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        closed
    }

    /// The numbers an operator watches.
    pub fn metrics(&self) -> ViewsMetrics {
        let shared = &self.shared;
        let (overlay_rows, engine) = {
            let overlay = shared.overlay();
            (overlay.row_count() as u64, overlay.engine.clone())
        };
        let disk_bytes = engine.disk_bytes();
        let progress = shared.progress();
        ViewsMetrics {
            overlay_rows,
            overlay_bytes: progress.overlay_bytes as u64,
            lag_records: progress.applied - progress.stored,
            batches: shared.batches.load(Ordering::Relaxed),
            rows_written: shared.rows_written.load(Ordering::Relaxed),
            rows_coalesced: shared.rows_coalesced.load(Ordering::Relaxed),
            apply_waits: progress.apply_waits,
            disk_bytes,
        }
    }

    /// Ends the write-behind and empties the overlay; returns the last record stored.
    fn stop(&self) -> u64 {
        self.shared.progress().state = State::Closed;
        self.shared.work.notify_all();
        self.shared.done.notify_all();
        if let Some(thread) = self.write_behind.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic there was reported when it happened; what it had not stored is replayed.
            let _ = thread.join();
        }
        let mut overlay = self.shared.overlay_mut();
        let emptied = Overlay::new(overlay.engine.clone(), overlay.generation, overlay.cursor);
        *overlay = emptied;
        drop(overlay);
        self.shared.progress().stored
    }

    fn moment(&self, span: &Span, direction: Direction, limit: usize) -> Moment {
        let overlay = self.shared.overlay();
        Moment {
            engine: overlay.engine.clone(),
            generation: overlay.generation,
            cursor: overlay.cursor,
            newer: overlay.rows_of(span, direction, limit),
        }
    }

    fn check(&self, sequence: u64, changes: &[Change]) -> Result<(), ViewsError> {
        let value_bytes_max = self.shared.options.value_bytes_max;
        for change in changes {
            if change.table() == TABLE_RESERVED {
                return Err(ViewsError::ReservedTable);
            }
            let key = ("a key", change.key().len(), KEY_BYTES_MAX);
            let value = ("a value", change.value.as_ref().map_or(0, |value| value.len()), value_bytes_max);
            for (what, bytes, bytes_max) in [key, value] {
                if bytes > bytes_max {
                    return Err(ViewsError::TooLarge { sequence, table: change.table(), what, bytes, bytes_max });
                }
            }
        }
        Ok(())
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        self.stop();
        // An error here changes nothing: the stamp stays open, and the next opening looks for itself.
        let _ = self.shared.overlay().engine.release();
    }
}

impl std::fmt::Debug for Views {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Views").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

fn rows_of(moment: Moment, span: &Span, direction: Direction, limit: usize) -> Result<Vec<Row>, ViewsError> {
    let mut rows = Vec::new();
    merged(moment.newer, &moment.engine, span, direction, |place, value| {
        rows.push((place[1..].to_vec(), value.to_vec()));
        if rows.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(rows)
}
