//! The watched folder: a component put there is installed, nothing more. What is wrong with a file is said, and changes nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{RecursiveMode, Watcher as _};
use sportello_runtime::limits::EngineLimits;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::connectors::install_command;
use crate::desk::Host;
use crate::tenant::SubmitError;

/// How often the folder is looked at even if the system reports nothing (network file systems do not).
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(10);
/// A file is taken once it has not changed for this long: a copy may be under way.
const SETTLED_FOR: Duration = Duration::from_millis(300);

/// Installs what is put into `folder` until the host stops.
pub(crate) async fn run(host: Arc<Host>, folder: PathBuf, stopping: CancellationToken) {
    let changed = Arc::new(Notify::new());
    let signal = Arc::clone(&changed);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Looking at the folder is an event too: answering it would look for ever.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            signal.notify_one();
        }
    })
    .and_then(|mut watcher| watcher.watch(&folder, RecursiveMode::NonRecursive).map(|()| watcher));
    if let Err(error) = &watcher {
        tracing::warn!(folder = %folder.display(), %error, "the folder cannot be watched; it is looked at every ten seconds");
    }
    let mut seen = HashMap::new();
    loop {
        let unsettled = look(&host, &folder, &mut seen).await;
        let pause = if unsettled { SETTLED_FOR } else { LOOK_AT_LEAST_EVERY };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = changed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Installs every file that is new and settled; tells whether one is still changing. What could not be recorded is tried again at the next look.
async fn look(host: &Host, folder: &Path, seen: &mut HashMap<PathBuf, (SystemTime, u64)>) -> bool {
    let mut unsettled = false;
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "wasm")) {
        let Ok(metadata) = path.metadata() else { continue };
        let stamp = (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len());
        if seen.get(&path) == Some(&stamp) {
            continue;
        }
        if stamp.0.elapsed().is_ok_and(|age| age < SETTLED_FOR) {
            unsettled = true;
            continue;
        }
        if install(host, &path, stamp.1).await == Looked::Finished {
            seen.insert(path, stamp);
        }
    }
    unsettled
}

/// What became of a file.
#[derive(PartialEq, Eq)]
enum Looked {
    /// It is installed, or cannot be as it is.
    Finished,
    /// It can be read, or recorded, another time.
    Again,
}

async fn install(host: &Host, path: &Path, length: u64) -> Looked {
    let shown = path.display();
    let bytes_max = EngineLimits::default().component_bytes_max;
    if length > bytes_max as u64 {
        tracing::error!(file = %shown, length, bytes_max, "a component was not installed: the file is too large");
        return Looked::Finished;
    }
    let bytes = match read_at_most(path, bytes_max).await {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(file = %shown, %error, "a component cannot be read");
            return Looked::Again;
        }
    };
    match host.connectors.install(&bytes).await {
        Ok(prepared) => {
            let mut looked = Looked::Finished;
            for desk in host.desks() {
                if let Err(error) = desk.tenant.submit("watched-folder", install_command(&prepared)).await {
                    tracing::error!(file = %shown, tenant = desk.tenant.name(), %error, "an installation could not be recorded");
                    if !matches!(error, SubmitError::Refused(_)) {
                        looked = Looked::Again;
                    }
                }
            }
            tracing::info!(file = %shown, connector = prepared.label(), digest = %prepared.digest(), "installed; grant it to a channel to make it live");
            looked
        }
        Err(error) => {
            tracing::error!(file = %shown, %error, "a component was not installed; nothing has changed");
            Looked::Finished
        }
    }
}

/// Of a file that grows meanwhile no more than one byte too many, which the runtime refuses.
async fn read_at_most(path: &Path, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    tokio::fs::File::open(path).await?.take(bytes_max as u64 + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
