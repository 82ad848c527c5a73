//! The store underneath, a few functions wide, so that another engine can be put in its place and measured.
//!
//! Today it is sled 0.34. What is known of it and dealt with here:
//!
//! * Its `flush` hands the bytes to the operating system and starts their writing, but does not make them durable:
//!   a killed process loses nothing of it, a power cut may. Only [`Engine::close`] makes the files durable.
//! * A batch is recovered whole or not at all only within one tree, hence one tree for all tables.
//! * While it takes a batch it answers no read in the whole process, hence small batches.
//! * Damage makes it panic as often as it makes it fail, hence every call is guarded.
//! * A small entry costs it as much as a large one, hence rows go into it by the [page](crate::page).
//! * Its cache is 1 GiB unless told otherwise, and it starts a thread to flush unless told otherwise.
//! * Values above 128 KiB become files of their own beside the log; space of deleted rows is used again, not given back.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::error::ViewsError;
use crate::overlay::Batch;
use crate::page::{self, Garbled};
use crate::row::{CURSOR_PLACE, Direction, Place, Span, TABLE_RESERVED, Value, borrowed, place, span_of_all_tables};
use crate::sabotage::sabotaged;

/// How long an earlier store of this process may take to let go of its files.
const RELEASE_WAIT_MAX: Duration = Duration::from_secs(10);
const RELEASE_POLL: Duration = Duration::from_millis(2);
/// How long a promise that is broken on purpose stays broken, so that whoever kills the process then finds it so.
const TORN_FOR: Duration = Duration::from_millis(5);

pub(crate) struct Engine {
    folder: PathBuf,
    /// `None` once closed.
    store: RwLock<Option<sled::Db>>,
    /// By table, a place that no row is beyond, empty for none. Most rows that are looked for and not there are of something new, with a key
    /// greater than all there are: they are not looked for in the store.
    highest: RwLock<Vec<Place>>,
}

impl Engine {
    /// Opens what is in `folder`, or makes it.
    pub(crate) fn open(folder: &Path, cache_bytes_max: u64) -> Result<Engine, ViewsError> {
        wait_until_released(folder)?;
        let store = guarded("open", || {
            sled::Config::new().path(folder).cache_capacity(cache_bytes_max).flush_every_ms(None).open().map_err(Fault::Sled)
        })?;
        let highest = guarded("open", || highest_places(&store))?;
        Ok(Engine { folder: folder.to_path_buf(), store: RwLock::new(Some(store)), highest: RwLock::new(highest) })
    }

    /// Gives an empty store its first page and its cursor.
    pub(crate) fn begin(&self) -> Result<(), ViewsError> {
        self.with("write", |store| {
            store.insert(page::FIRST_KEY, &[])?;
            store.insert(CURSOR_PLACE, &0_u64.to_le_bytes())?;
            Ok(())
        })?;
        self.hand_over()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The sequence of the last finished batch; `None` if there is none.
    pub(crate) fn cursor(&self) -> Result<Option<u64>, ViewsError> {
        let Some(bytes) = self.with("read", |store| Ok(store.get(CURSOR_PLACE)?))? else {
            return Ok(None);
        };
        let bytes: [u8; 8] = bytes.as_ref().try_into().map_err(|_| ViewsError::store("read", "its cursor is garbled"))?;
        Ok(Some(u64::from_le_bytes(bytes)))
    }

    pub(crate) fn get(&self, place: &[u8]) -> Result<Option<Value>, ViewsError> {
        let highest = self.highest.read().unwrap_or_else(PoisonError::into_inner);
        let beyond = place.first().and_then(|table| highest.get(usize::from(*table))).is_none_or(|highest| place > highest.as_slice());
        drop(highest);
        self.with("read", |store| {
            if beyond {
                return Ok(None);
            }
            let (_, page) = page_of(store, place)?;
            Ok(page::find(&page, place)?.map(Value::from))
        })
    }

    /// Shows the rows of a span to `visit`, in order, until it breaks. A batch that is written meanwhile may show or not, in parts too; but no
    /// row is shown twice, although rows move from page to page.
    pub(crate) fn walk(
        &self,
        span: &Span,
        direction: Direction,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), ViewsError> {
        use std::ops::{Bound, RangeBounds as _};

        self.with("read", |store| {
            let from = match &span.0 {
                Bound::Included(place) | Bound::Excluded(place) => page_of(store, place)?.0,
                Bound::Unbounded => sled::IVec::from(&page::FIRST_KEY),
            };
            let until = match &span.1 {
                Bound::Unbounded => Bound::Excluded(place(TABLE_RESERVED, &[])),
                bound => bound.clone(),
            };
            let mut pages = store.range::<Place, _>((Bound::Included(Place::from_slice(&from)), until));
            let span = borrowed(span);
            let mut last: Option<Vec<u8>> = None;
            loop {
                let page = match direction {
                    Direction::Forward => pages.next(),
                    Direction::Backward => pages.next_back(),
                };
                let Some(page) = page else { return Ok(()) };
                let (_, page) = page?;
                let mut rows = page::rows(&page).collect::<Result<Vec<_>, _>>()?;
                if direction == Direction::Backward {
                    rows.reverse();
                }
                for (place, value) in rows {
                    let shown_before = last.as_deref().is_some_and(|last| match direction {
                        Direction::Forward => place <= last,
                        Direction::Backward => place >= last,
                    });
                    if shown_before || !span.contains(place) {
                        continue;
                    }
                    if visit(place, value).is_break() {
                        return Ok(());
                    }
                    let shown = last.get_or_insert_default();
                    shown.clear();
                    shown.extend_from_slice(place);
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

    /// Writes a batch and moves the cursor, all or nothing. One thread writes.
    pub(crate) fn write(&self, batch: &Batch) -> Result<(), ViewsError> {
        let torn = sabotaged("cursor-before-rows");
        self.raise_highest(batch);
        self.with("write", |store| {
            // Pages are read before the batch: while sled takes that nobody can read.
            let mut changes = sled::Batch::default();
            let mut rest = batch.rows.as_slice();
            while let Some(first) = rest.first() {
                let (key, page) = page_of(store, &first.place)?;
                let next = store.get_gt(&key)?.map(|(next, _)| next);
                let own = next.map_or(rest.len(), |next| rest.partition_point(|change| *change.place < *next));
                let (own, others) = rest.split_at(own);
                replace_page(&mut changes, &key, &page::rewrite(&page, own)?);
                rest = others;
            }
            let cursor = batch.sequence.to_le_bytes();
            if torn {
                store.insert(CURSOR_PLACE, &cursor)?;
                store.flush()?;
                std::thread::sleep(TORN_FOR);
            }
            changes.insert(&CURSOR_PLACE, &cursor);
            Ok(store.apply_batch(changes)?)
        })
    }

    /// Before the rows are in the store: whoever finds them there must not be told that there are none.
    fn raise_highest(&self, batch: &Batch) {
        let mut highest = self.highest.write().unwrap_or_else(PoisonError::into_inner);
        let mut rows = batch.rows.iter().rev().filter(|change| change.value.is_some()).peekable();
        while let Some(last) = rows.next() {
            if let Some(known) = highest.get_mut(usize::from(last.table()))
                && known.as_slice() < last.place.as_slice()
            {
                *known = Place::from_slice(&last.place);
            }
            while rows.next_if(|change| change.table() == last.table()).is_some() {}
        }
    }

    /// Hands what was written to the operating system: from here on it outlives this process, not the power.
    pub(crate) fn hand_over(&self) -> Result<(), ViewsError> {
        self.with("flush", |store| {
            store.flush()?;
            Ok(())
        })
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

    fn with<T>(&self, action: &'static str, call: impl FnOnce(&sled::Db) -> Result<T, Fault>) -> Result<T, ViewsError> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let store = store.as_ref().ok_or(ViewsError::Closed)?;
        guarded(action, || call(store))
    }
}

/// What went wrong inside a call.
enum Fault {
    Sled(sled::Error),
    Page,
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        Self::Sled(error)
    }
}

impl From<Garbled> for Fault {
    fn from(_: Garbled) -> Self {
        Self::Page
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sled(error) => error.fmt(formatter),
            Self::Page => formatter.write_str("a page of rows is garbled"),
        }
    }
}

/// The last place of each table.
fn highest_places(store: &sled::Db) -> Result<Vec<Place>, Fault> {
    let mut highest = vec![Place::new(); usize::from(TABLE_RESERVED)];
    for table in 0..TABLE_RESERVED {
        let Some(page) = store.range(..[table + 1]).next_back() else { continue };
        let (_, page) = page?;
        // A page may hold rows of several tables.
        for row in page::rows(&page) {
            let (place, _) = row?;
            if place.first() == Some(&table) {
                highest[usize::from(table)] = Place::from_slice(place);
            }
        }
    }
    Ok(highest)
}

/// The page that a place belongs to, with its key.
fn page_of(store: &sled::Db, place: &[u8]) -> Result<(sled::IVec, sled::IVec), Fault> {
    // The first page's key is the smallest place, so there is always one, unless it was damaged.
    store.range(..=place).next_back().ok_or(Fault::Page)?.map_err(Fault::Sled)
}

/// Puts what became of a page in its place.
fn replace_page(changes: &mut sled::Batch, key: &[u8], pages: &[Vec<u8>]) {
    match pages.split_first() {
        Some((first, more)) => {
            changes.insert(key, first.as_slice());
            for page in more {
                changes.insert(page::first_place(page).unwrap_or(key), page.as_slice());
            }
        }
        None if key == page::FIRST_KEY => changes.insert(key, &[]),
        None => changes.remove(key),
    }
}

/// A call into sled whose panic is an error like any other. Nothing of ours is changed inside, and after an error in
/// writing the store takes nothing more until it is reset, so no half-changed state is looked at.
fn guarded<T>(action: &'static str, call: impl FnOnce() -> Result<T, Fault>) -> Result<T, ViewsError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(|fault| ViewsError::store(action, fault)),
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
