//! Opening a store: believed as a whole, or dropped as a whole.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::error::ViewsError;
use crate::limits::ViewsOptions;
use crate::stamp::{Stamp, is_rows_folder, rows_folder_number};

/// How long a process that is just ending may keep the lock.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(2);

/// What was found, or made.
pub(crate) struct Found {
    pub(crate) engine: Engine,
    pub(crate) cursor: u64,
    pub(crate) rebuilt_because: Option<String>,
}

/// Takes the folder for this process. The lock goes with the file.
pub(crate) fn lock(folder: &Path) -> Result<File, ViewsError> {
    fs::create_dir_all(folder).map_err(|source| ViewsError::disk("create", folder, source))?;
    let path = folder.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| ViewsError::disk("open", &path, source))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_WAIT_MAX => std::thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => {
                return Err(ViewsError::InUse { folder: folder.to_path_buf() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(ViewsError::disk("lock", &path, source));
            }
        }
    }
}

/// Opens the store in a locked folder; on any doubt drops it and begins an empty one.
pub(crate) fn open(folder: &Path, options: &ViewsOptions) -> Result<Found, ViewsError> {
    let reason = match Stamp::read(folder)? {
        None if rows_folders(folder)?.is_empty() => None,
        None => Some("its stamp is missing".to_owned()),
        Some(Err(reason)) => Some(reason),
        Some(Ok(stamp)) => match stamp.doubt(folder, &options.made_from) {
            Some(reason) => Some(reason),
            None => match believe(folder, &stamp, options)? {
                Ok(found) => return Ok(found),
                Err(reason) => Some(reason),
            },
        },
    };
    let engine = begin(folder, options)?;
    drop_others(folder, &engine)?;
    Ok(Found { engine, cursor: 0, rebuilt_because: reason })
}

/// Opens the rows the stamp speaks of; the inner error is the doubt that came up.
fn believe(folder: &Path, stamp: &Stamp, options: &ViewsOptions) -> Result<Result<Found, String>, ViewsError> {
    Stamp::open(folder, &stamp.rows_folder, &options.made_from, stamp.cursor)?.write(folder)?;
    let engine = match Engine::open(&folder.join(&stamp.rows_folder), options.cache_bytes_max) {
        Ok(engine) => engine,
        Err(error @ ViewsError::InUse { .. }) => return Err(error),
        Err(error) => return Ok(Err(error.to_string())),
    };
    match check(&engine, stamp, options) {
        Ok(cursor) => Ok(Ok(Found { engine, cursor, rebuilt_because: None })),
        Err(reason) => {
            // It is about to be dropped, so it does not matter how it closes.
            let _ = engine.release();
            Ok(Err(reason))
        }
    }
}

fn check(engine: &Engine, stamp: &Stamp, options: &ViewsOptions) -> Result<u64, String> {
    let cursor = engine.cursor().map_err(|error| error.to_string())?.ok_or("its cursor is missing")?;
    if cursor < stamp.cursor || (stamp.clean && cursor != stamp.cursor) {
        return Err(format!("its rows are at record {cursor}, its stamp is at {}", stamp.cursor));
    }
    if options.scan_on_open {
        engine.scan().map_err(|error| error.to_string())?;
    }
    Ok(cursor)
}

/// Begins an empty store in a rows folder of its own and stamps it; what was there before stays until `drop_others`.
pub(crate) fn begin(folder: &Path, options: &ViewsOptions) -> Result<Engine, ViewsError> {
    let last = rows_folders(folder)?.iter().filter_map(|name| rows_folder_number(name)).max().unwrap_or(0);
    let name = format!("rows-{}", last + 1);
    let rows = folder.join(&name);
    fs::create_dir(&rows).map_err(|source| ViewsError::disk("create", &rows, source))?;
    Stamp::open(folder, &name, &options.made_from, 0)?.write(folder)?;
    let engine = Engine::open(&rows, options.cache_bytes_max)?;
    engine.begin()?;
    Ok(engine)
}

/// Removes every rows folder but that of `engine`.
pub(crate) fn drop_others(folder: &Path, engine: &Engine) -> Result<(), ViewsError> {
    for name in rows_folders(folder)? {
        let path = folder.join(&name);
        if path != engine.folder() {
            fs::remove_dir_all(&path).map_err(|source| ViewsError::disk("remove", &path, source))?;
        }
    }
    Ok(())
}

/// Stamps a store whose files were just made durable.
pub(crate) fn stamp_clean(folder: &Path, engine: &Engine, options: &ViewsOptions, cursor: u64) -> Result<(), ViewsError> {
    let name = engine.folder().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stamp = Stamp::open(folder, &name, &options.made_from, cursor)?;
    Stamp { clean: true, ..stamp }.write(folder)
}

fn rows_folders(folder: &Path) -> Result<Vec<String>, ViewsError> {
    let disk = |source| ViewsError::disk("list", folder, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(disk)? {
        let name = entry.map_err(disk)?.file_name().to_string_lossy().into_owned();
        if is_rows_folder(&name) {
            names.push(name);
        }
    }
    Ok(names)
}
