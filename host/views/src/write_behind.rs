//! The thread that carries durable records from the overlay into the store, and those who wait for it.
//!
//! Three locks, always taken in this order: `gate` (held while the store changes), `overlay`, `progress`. Nobody waits
//! for the disk while holding `overlay` or `progress`.
//!
//! A batch is taken from the overlay, written, and only then forgotten there. So at every moment the overlay holds each
//! row of a batch that is being written, and a reader who looks at the overlay first never sees half of one.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::engine::Engine;
use crate::error::ViewsError;
use crate::limits::ViewsOptions;
use crate::overlay::Overlay;

pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) options: ViewsOptions,
    gate: Mutex<()>,
    overlay: RwLock<Overlay>,
    progress: Mutex<Progress>,
    /// Something for the write-behind to look at.
    pub(crate) work: Condvar,
    /// Something for those who wait for the write-behind to look at.
    pub(crate) done: Condvar,
    /// Last sequence of the batch that was begun last.
    pub(crate) batch_begun: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) rows_written: AtomicU64,
    pub(crate) rows_coalesced: AtomicU64,
}

/// How far everybody is.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Last record durable in the journal, as far as was said.
    pub(crate) durable: u64,
    /// Last record in the overlay.
    pub(crate) applied: u64,
    /// Last record of the last finished batch.
    pub(crate) stored: u64,
    /// Last record that outlives this process.
    pub(crate) handed_over: u64,
    /// Last record somebody waits for.
    pub(crate) flush_wanted: u64,
    pub(crate) overlay_bytes: usize,
    pub(crate) apply_waits: u64,
    pub(crate) state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    /// The store failed to write; nothing more is written until a reset.
    Failed(String),
    Closed,
}

impl Progress {
    /// At a cursor, everything before it stored.
    pub(crate) fn at(cursor: u64, durable: u64) -> Progress {
        Progress {
            durable,
            applied: cursor,
            stored: cursor,
            handed_over: cursor,
            flush_wanted: 0,
            overlay_bytes: 0,
            apply_waits: 0,
            state: State::Running,
        }
    }

    /// The last record that may be in the store.
    pub(crate) fn storable(&self) -> u64 {
        self.durable.min(self.applied)
    }

    fn has_work(&self) -> bool {
        self.state == State::Running && (self.storable() > self.stored || self.flush_wanted > self.handed_over)
    }

    /// An error if the store takes nothing more.
    pub(crate) fn usable(&self) -> Result<(), ViewsError> {
        match &self.state {
            State::Running => Ok(()),
            State::Failed(reason) => Err(ViewsError::store("write", reason)),
            State::Closed => Err(ViewsError::Closed),
        }
    }
}

impl Shared {
    pub(crate) fn new(folder: PathBuf, options: ViewsOptions, engine: Engine, cursor: u64) -> Shared {
        Shared {
            folder,
            options,
            gate: Mutex::new(()),
            overlay: RwLock::new(Overlay::new(Arc::new(engine), 0, cursor)),
            progress: Mutex::new(Progress::at(cursor, cursor)),
            work: Condvar::new(),
            done: Condvar::new(),
            batch_begun: AtomicU64::new(cursor),
            batches: AtomicU64::new(0),
            rows_written: AtomicU64::new(0),
            rows_coalesced: AtomicU64::new(0),
        }
    }

    // A poisoned lock means a panic in one of the short sections below, none of which can panic half-way through a
    // change; going on is right, and going down would take every reader along.

    /// While this is held the store does not change.
    pub(crate) fn gate(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn overlay_mut(&self) -> RwLockWriteGuard<'_, Overlay> {
        self.overlay.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits on `done` while `condition` holds.
    pub(crate) fn wait_while(&self, condition: impl FnMut(&mut Progress) -> bool) -> MutexGuard<'_, Progress> {
        self.done.wait_while(self.progress(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: until closed.
    pub(crate) fn write_behind(&self) {
        loop {
            let progress = self.progress();
            let progress = self
                .work
                .wait_while(progress, |progress| progress.state != State::Closed && !progress.has_work())
                .unwrap_or_else(PoisonError::into_inner);
            // Let changes of the same rows gather, unless somebody waits or memory runs short.
            let (progress, _) = self
                .work
                .wait_timeout_while(progress, self.options.write_behind_max, |progress| {
                    progress.has_work()
                        && progress.flush_wanted <= progress.handed_over
                        && progress.overlay_bytes < self.options.overlay_bytes_max / 2
                })
                .unwrap_or_else(PoisonError::into_inner);
            if progress.state == State::Closed {
                return;
            }
            let target = progress.storable();
            drop(progress);
            if let Err(error) = self.store_up_to(target) {
                let mut progress = self.progress();
                if progress.state == State::Running {
                    progress.state = State::Failed(error.to_string());
                }
                drop(progress);
                self.done.notify_all();
            }
        }
    }

    /// Writes batches until record `target` is stored and handed over. After a reset there may be nothing to do.
    fn store_up_to(&self, target: u64) -> Result<(), ViewsError> {
        while self.store_batch(target)? {}
        let gate = self.gate();
        let engine = self.overlay().engine.clone();
        let stored = self.progress().stored;
        engine.hand_over()?;
        self.progress().handed_over = stored;
        drop(gate);
        self.done.notify_all();
        Ok(())
    }

    /// Writes one batch; false if nothing up to `target` was left.
    fn store_batch(&self, target: u64) -> Result<bool, ViewsError> {
        let _gate = self.gate();
        let progress = self.progress();
        let durable = progress.storable();
        if progress.state != State::Running || progress.stored >= target.min(durable) {
            return Ok(false);
        }
        drop(progress);

        let overlay = self.overlay();
        let Some(batch) = overlay.next_batch(durable, self.options.batch_rows_max, self.options.batch_bytes_max) else {
            return Ok(false);
        };
        let engine = overlay.engine.clone();
        drop(overlay);
        if batch.sequence > durable {
            return Err(ViewsError::store("write", "a record that is not durable was about to reach the store"));
        }

        self.batch_begun.store(batch.sequence, Ordering::SeqCst);
        engine.write(&batch)?;

        let mut overlay = self.overlay_mut();
        let forgotten = overlay.finished(&batch);
        // Under the overlay's lock: a record applied in between would be forgotten in the count, and the limit overrun by it.
        let mut progress = self.progress();
        progress.stored = batch.sequence;
        progress.overlay_bytes = overlay.bytes();
        drop(progress);
        drop(overlay);
        self.done.notify_all();

        self.batches.fetch_add(1, Ordering::Relaxed);
        self.rows_written.fetch_add(batch.rows.len() as u64, Ordering::Relaxed);
        self.rows_coalesced.fetch_add((batch.changes - batch.rows.len()) as u64, Ordering::Relaxed);
        drop(forgotten);
        Ok(true)
    }
}
