//! The store underneath, a few functions wide, so that another engine can be put in its place and measured.
//!
//! Today it is sled 0.34. What is known of it and dealt with here:
//!
//! * Its `flush` hands the bytes to the operating system and starts their writing, but does not make them durable:
//!   a killed process loses nothing of it, a power cut may. Only [`Engine::close`] makes the files durable.
//! * A batch is recovered whole or not at all only within one tree, hence one tree for all tables.
//! * While it takes a batch it answers no read in the whole process, hence small batches.
//! * Damage makes it panic as often as it makes it fail, hence every call is guarded.
//! * Its cache is 1 GiB unless told otherwise, and it starts a thread to flush unless told otherwise.
//! * Values above 128 KiB become files of their own beside the log; space of deleted rows is used again, not given back.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::error::ViewsError;
use crate::overlay::Batch;
use crate::row::{CURSOR_PLACE, Direction, Span, span_of_all_tables};
use crate::sabotage::sabotaged;

/// How long an earlier store of this process may take to let go of its files.
const RELEASE_WAIT_MAX: Duration = Duration::from_secs(10);
const RELEASE_POLL: Duration = Duration::from_millis(2);

pub(crate) struct Engine {
    folder: PathBuf,
    /// `None` once closed.
    store: RwLock<Option<sled::Db>>,
}

impl Engine {
    /// Opens what is in `folder`, or makes it.
    pub(crate) fn open(folder: &Path, cache_bytes_max: u64) -> Result<Engine, ViewsError> {
        wait_until_released(folder)?;
        let store = guarded("open", || sled::Config::new().path(folder).cache_capacity(cache_bytes_max).flush_every_ms(None).open())?;
        Ok(Engine { folder: folder.to_path_buf(), store: RwLock::new(Some(store)) })
    }

    /// Puts the cursor of an empty store in its place.
    pub(crate) fn begin(&self) -> Result<(), ViewsError> {
        self.write(&Batch::empty())?;
        self.hand_over()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The sequence of the last finished batch; `None` if there is none.
    pub(crate) fn cursor(&self) -> Result<Option<u64>, ViewsError> {
        let Some(bytes) = self.get(&CURSOR_PLACE)? else {
            return Ok(None);
        };
        let bytes: [u8; 8] = bytes.try_into().map_err(|_| ViewsError::store("read", "its cursor is garbled"))?;
        Ok(Some(u64::from_le_bytes(bytes)))
    }

    pub(crate) fn get(&self, place: &[u8]) -> Result<Option<Vec<u8>>, ViewsError> {
        self.with("read", |store| Ok(store.get(place)?.map(|value| value.to_vec())))
    }

    /// Shows the rows of a span to `visit`, in order, until it breaks.
    pub(crate) fn walk(
        &self,
        span: &Span,
        direction: Direction,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), ViewsError> {
        self.with("read", |store| {
            let mut rows = store.range::<Vec<u8>, _>(span.clone());
            loop {
                let row = match direction {
                    Direction::Forward => rows.next(),
                    Direction::Backward => rows.next_back(),
                };
                let Some(row) = row else { return Ok(()) };
                let (place, value) = row?;
                if visit(&place, &value).is_break() {
                    return Ok(());
                }
            }
        })
    }

    /// Reads every row once; what is damaged fails here. Returns their number.
    pub(crate) fn scan(&self) -> Result<u64, ViewsError> {
        let mut rows = 0;
        self.walk(&span_of_all_tables(), Direction::Forward, |_, _| {
            rows += 1;
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// Writes a batch and moves the cursor, all or nothing.
    pub(crate) fn write(&self, batch: &Batch) -> Result<(), ViewsError> {
        if sabotaged("cursor-before-rows") {
            return self.write_torn(batch);
        }
        self.with("write", |store| {
            // Bring the pages in first: inside the batch nobody could read meanwhile.
            for place in batch.rows.keys() {
                store.get(place)?;
            }
            let mut changes = sled::Batch::default();
            for (place, content) in &batch.rows {
                match content {
                    Some(value) => changes.insert(&**place, &**value),
                    None => changes.remove(&**place),
                }
            }
            changes.insert(&CURSOR_PLACE, &batch.sequence.to_le_bytes());
            store.apply_batch(changes)
        })
    }

    /// The promise of [`Engine::write`] broken on purpose: cursor first, then row by row.
    fn write_torn(&self, batch: &Batch) -> Result<(), ViewsError> {
        self.with("write", |store| {
            store.insert(CURSOR_PLACE, &batch.sequence.to_le_bytes())?;
            store.flush()?;
            for (place, content) in &batch.rows {
                match content {
                    Some(value) => store.insert(place, &**value)?,
                    None => store.remove(place)?,
                };
            }
            store.flush().map(drop)
        })
    }

    /// Hands what was written to the operating system: from here on it outlives this process, not the power.
    pub(crate) fn hand_over(&self) -> Result<(), ViewsError> {
        self.with("flush", |store| store.flush().map(drop))
    }

    /// Bytes the files take on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let mut bytes = 0;
        // Files come and go meanwhile; one that is gone takes no space.
        let _ = every_file(&self.folder, &mut |path| {
            bytes += fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512);
            Ok(())
        });
        bytes
    }

    /// Lets go of the files. Nobody reads meanwhile or afterwards.
    pub(crate) fn release(&self) -> Result<(), ViewsError> {
        let store = self.store.write().unwrap_or_else(PoisonError::into_inner).take();
        guarded("close", || {
            drop(store);
            Ok(())
        })
    }

    /// Lets go of the files, waits until nothing writes to them any more, and makes them durable.
    pub(crate) fn close(&self) -> Result<(), ViewsError> {
        self.release()?;
        wait_until_released(&self.folder)?;
        let durable = |path: &Path| File::open(path).and_then(|file| file.sync_all());
        every_file(&self.folder, &mut |path| durable(path))
            .and_then(|()| durable(&self.folder))
            .map_err(|source| ViewsError::disk("make durable", &self.folder, source))
    }

    fn with<T>(&self, action: &'static str, call: impl FnOnce(&sled::Db) -> Result<T, sled::Error>) -> Result<T, ViewsError> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let store = store.as_ref().ok_or(ViewsError::Closed)?;
        guarded(action, || call(store))
    }
}

/// A call into sled whose panic is an error like any other. Nothing of ours is changed inside, and after an error in
/// writing the store takes nothing more until it is reset, so no half-changed state is looked at.
fn guarded<T>(action: &'static str, call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, ViewsError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(|error| ViewsError::store(action, error)),
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(ViewsError::store(action, format!("sled panicked: {message}")))
        }
    }
}

/// sled's threads may hold its file, and the lock on it, a little longer than its handle.
fn wait_until_released(folder: &Path) -> Result<(), ViewsError> {
    let path = folder.join("db");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ViewsError::disk("open", &path, error)),
    };
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(_) if started.elapsed() < RELEASE_WAIT_MAX => std::thread::sleep(RELEASE_POLL),
            Err(_) => {
                return Err(ViewsError::InUse { folder: folder.to_path_buf() });
            }
        }
    }
}

/// Calls `each` with every file and folder below `folder`, contents before their folder.
fn every_file(folder: &Path, each: &mut impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            every_file(&entry.path(), each)?;
        }
        each(&entry.path())?;
    }
    Ok(())
}
