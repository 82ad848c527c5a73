//! A tenant: one journal with its key slots, one set of views, one writer.
//!
//! ```text
//! submit ─► queue ─► writer ─► journal ─fsync─► answer
//!                      └────► views (overlay) ─► sled, behind
//! ```

pub mod content;
mod read_ahead;
mod record;
mod replay;
mod rows;
mod sealing;
mod vault;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sportello_core::commands::Accepted;
use sportello_core::ids::SlotId;
use sportello_core::tables::{Key, Rows, Table, Value, key_bytes};
use sportello_core::time::Timestamp;
use sportello_journal::{Journal, JournalError, JournalOptions, KeySlots, SegmentJournal, Sequence, SlotOptions};
use sportello_runtime::Vault;
use sportello_views::{Direction, Views, ViewsError, ViewsOptions};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::{Clock, NeverBack};
pub use read_ahead::{Decoded, ReadAhead, read_ahead};
pub use record::{Event, RecordError, TenantRecord, encode};
pub use replay::{Target, UNUSABLE_EVENTS, replay};
use rows::ViewRows;
use vault::TenantVault;
pub use verify::Verified;
pub use writer::SubmitError;
use writer::{Acknowledgements, Command, Job, Writer};

/// What the rows are made by. Raised when a change of the code makes other rows of the same records: views are rebuilt then.
const ROWS_MADE_BY: &str = "sportello rows 9";
/// By how much the machine's clock may be behind the last record without a word.
const CLOCK_BEHIND_MS_MAX: u64 = 60_000;

/// How a tenant is opened.
#[derive(Clone, Debug)]
pub struct TenantOptions {
    /// Commands that may wait for the writer; beyond, callers are told to come back. Default 4,096.
    pub queue_commands_max: usize,
}

impl Default for TenantOptions {
    fn default() -> Self {
        Self { queue_commands_max: 4_096 }
    }
}

/// Why a tenant cannot be opened or read.
#[derive(Debug, Error)]
pub enum TenantError {
    /// The journal's or the key slots' files.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The view store.
    #[error(transparent)]
    Views(#[from] ViewsError),
    /// A record that is not ours to read.
    #[error("record {sequence}: {source}")]
    Record {
        /// Its place in the journal.
        sequence: u64,
        /// What is wrong with it.
        source: RecordError,
    },
    /// The vault of tokens that rotate.
    #[error("{0}")]
    Vault(String),
    /// The system refused a thread or a folder.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Told while views are rebuilt: records applied, records in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// An open tenant. Shared as `Arc<Tenant>`.
pub struct Tenant {
    name: String,
    folder: PathBuf,
    journal: Arc<SegmentJournal>,
    slots: Arc<KeySlots>,
    vault: Arc<TenantVault>,
    views: Arc<Views>,
    clock: Arc<dyn Clock>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    queue_commands_max: usize,
    writer: Mutex<Option<JoinHandle<()>>>,
    acknowledgements: Arc<Acknowledgements>,
}

impl Tenant {
    /// Opens the tenant kept in `folder`, recovering the journal and bringing the views up to it.
    ///
    /// # Errors
    /// [`TenantError`]; nothing was changed but a torn tail cut off and views thrown away.
    pub fn open(
        name: &str,
        folder: &Path,
        options: &TenantOptions,
        clock: Arc<dyn Clock>,
        progress: Progress<'_>,
    ) -> Result<Arc<Self>, TenantError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| TenantError::System { what: format!("create the folder {}", folder.display()), source })?;
        let slots = Arc::new(KeySlots::open(&folder.join("keys.slots"), SlotOptions::default())?);
        let vault = Arc::new(TenantVault::open(folder, Arc::clone(&slots)).map_err(TenantError::Vault)?);
        let journal_options = JournalOptions { before_write: Some(slots.before_write()), ..JournalOptions::default() };
        let (journal, recovery) = SegmentJournal::open(&folder.join("journal"), journal_options)?;
        if let Some(torn) = &recovery.torn {
            tracing::warn!(
                tenant = name,
                segment = %torn.segment.display(),
                offset = torn.offset,
                bytes = torn.bytes,
                "the end of the journal was torn (the host was stopped while writing) and has been cut off; none of it was acknowledged"
            );
        }
        let opened = Views::open(&folder.join("views"), ViewsOptions::new(made_from(&slots)))?;
        if let Some(reason) = &opened.rebuilt_because {
            tracing::warn!(tenant = name, reason, "the views are rebuilt from the journal");
        }
        let views = Arc::new(opened.views);
        replay::catch_up(&journal, &views, progress)?;

        let last_moment = last_moment(&journal)?;
        let behind_ms = last_moment.ms_since(clock.now());
        if behind_ms > CLOCK_BEHIND_MS_MAX {
            tracing::warn!(
                tenant = name,
                behind_s = behind_ms / 1_000,
                "the machine's clock is behind the last record: times are told ahead of it until it has caught up; set it right if it is wrong"
            );
        }
        let clock: Arc<dyn Clock> = Arc::new(NeverBack::from(clock, last_moment));
        let journal = Arc::new(journal);
        let acknowledgements = Arc::new(Acknowledgements::new(Arc::clone(&views), journal.durable().get()));
        let callback = Arc::clone(&acknowledgements);
        journal.on_durable(Box::new(move |outcome| callback.durable(outcome)));
        let (queue, jobs) = mpsc::channel(options.queue_commands_max);
        let writer = Writer {
            journal: Arc::clone(&journal) as Arc<dyn Journal>,
            views: Arc::clone(&views),
            clock: Arc::clone(&clock),
            acknowledgements: Arc::clone(&acknowledgements),
        };
        let writer = std::thread::Builder::new()
            .name(format!("writer-{name}"))
            .spawn(move || writer.run(jobs))
            .map_err(|source| TenantError::System { what: "start the writer's thread".to_owned(), source })?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            folder: folder.to_path_buf(),
            journal,
            slots,
            vault,
            views,
            clock,
            queue: Mutex::new(Some(queue)),
            queue_commands_max: options.queue_commands_max,
            writer: Mutex::new(Some(writer)),
            acknowledgements,
        }))
    }

    /// The tenant's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is kept.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where secrets go that platforms change.
    #[must_use]
    pub fn vault(&self) -> Arc<dyn Vault> {
        Arc::clone(&self.vault) as Arc<dyn Vault>
    }

    /// The tenant's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits until the tenant's clock shows this moment.
    pub async fn clock_shows(&self, moment: Timestamp) {
        self.clock.until(moment).await;
    }

    /// Has a command of the core carried out; returns once its record is durable.
    ///
    /// # Errors
    /// [`SubmitError`]: refused, overloaded (nothing happened), or stopped.
    pub async fn submit(&self, actor: &str, command: impl Into<sportello_core::commands::Command>) -> Result<Accepted, SubmitError> {
        self.carry_out(actor, Command::Core(command.into())).await
    }

    /// As [`Tenant::submit`], for a command of the workflows.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit_workflow(&self, actor: &str, command: impl Into<sportello_workflow::Command>) -> Result<Accepted, SubmitError> {
        self.carry_out(actor, Command::Workflow(command.into())).await
    }

    async fn carry_out(&self, actor: &str, command: Command) -> Result<Accepted, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stopped = || SubmitError::Stopped("it is shutting down".to_owned());
        let queue = queue.ok_or_else(stopped)?;
        queue.try_send(Job { actor: actor.to_owned(), command, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Overloaded(self.queue_commands_max),
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        drop(queue);
        answered.await.map_err(|_| stopped())?
    }

    /// One row, as of the last decided command.
    ///
    /// # Errors
    /// The view store's.
    pub fn get<K: Key + ?Sized, V: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, ViewsError> {
        Ok(self.views.get(table.id, &key_bytes(key))?.and_then(|bytes| table.decode(&bytes)))
    }

    /// What one of the core's own functions reads from the rows, as of the last decided command.
    ///
    /// # Errors
    /// The view store's.
    pub fn read<T>(&self, read: impl FnOnce(&dyn Rows) -> T) -> Result<T, ViewsError> {
        let rows = ViewRows::new(&self.views);
        let answer = read(&rows);
        rows.check().map(|()| answer)
    }

    /// Rows whose keys begin with `prefix`, from the row after `after` on, at most `limit`: (key bytes, value).
    ///
    /// # Errors
    /// The view store's.
    pub fn list<K: Key + ?Sized, V: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        table: &Table<K, V>,
        prefix: &[u8],
        after: Option<&[u8]>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, V)>, ViewsError> {
        use std::ops::Bound;
        let end = next_prefix(prefix);
        let mut from = Bound::Included(prefix);
        let mut to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        match (after, direction) {
            (Some(after), Direction::Forward) => from = Bound::Excluded(after),
            (Some(after), Direction::Backward) => to = Bound::Excluded(after),
            (None, _) => {}
        }
        let rows = self.views.range(table.id, from, to, direction, limit)?;
        Ok(rows.into_iter().filter_map(|(key, value)| table.decode(&value).map(|value| (key, value))).collect())
    }

    /// The last sequence the rows stand for; it may be ahead of what is durable.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.views.cursor()
    }

    /// The last durable sequence, as it grows. What workers wait for.
    #[must_use]
    pub fn watch_durable(&self) -> watch::Receiver<u64> {
        self.acknowledgements.watch_durable()
    }

    /// Why the tenant stopped, once it has.
    #[must_use]
    pub fn watch_stopped(&self) -> watch::Receiver<Option<String>> {
        self.acknowledgements.watch_stopped()
    }

    /// Durable records from `from` on, as many as there are now.
    ///
    /// # Errors
    /// The journal's.
    pub fn records(&self, from: u64) -> Result<impl Iterator<Item = Result<(u64, TenantRecord), TenantError>> + Send + use<>, TenantError> {
        let records = self.journal.read(Sequence::new(from.max(1)))?;
        Ok(records.map(|record| {
            let record = record?;
            let sequence = record.sequence.get();
            TenantRecord::decode(&record.bytes).map(|record| (sequence, record)).map_err(|source| TenantError::Record { sequence, source })
        }))
    }

    /// The view store's numbers.
    #[must_use]
    pub fn view_metrics(&self) -> sportello_views::ViewsMetrics {
        self.views.metrics()
    }

    /// Commands waiting for the writer.
    #[must_use]
    pub fn queued_commands(&self) -> usize {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// Stops taking commands, finishes those it has, and closes the files. Blocks.
    ///
    /// # Errors
    /// What could not be closed; the journal holds everything acknowledged all the same.
    pub fn close(&self) -> Result<(), TenantError> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
            && writer.join().is_err()
        {
            tracing::error!(tenant = self.name, "the writer's thread had panicked");
        }
        self.journal.close()?;
        self.views.flush()?;
        self.views.close()?;
        Ok(())
    }
}

impl Rows for Tenant {
    /// For reading through the core's own functions. A failing store shows as an absent row here; use [`Tenant::get`] where that matters.
    fn row(&self, table: u8, key: &[u8]) -> Option<Value> {
        self.views.get(table, key).ok().flatten()
    }
}

/// When the last record was decided; the beginning of time for an empty journal.
fn last_moment(journal: &dyn Journal) -> Result<Timestamp, TenantError> {
    let last = journal.durable();
    if last == Sequence::NONE {
        return Ok(Timestamp::default());
    }
    let Some(record) = journal.read(last)?.next().transpose()? else { return Ok(Timestamp::default()) };
    let read = TenantRecord::decode(&record.bytes);
    read.map(|record| record.at).map_err(|source| TenantError::Record { sequence: last.get(), source })
}

/// What a tenant's rows are made of and by: its journal, told by the key slots that belong to it, and this program's rules.
fn made_from(slots: &KeySlots) -> String {
    format!("{ROWS_MADE_BY} of {}", hex::encode(&slots.identity("journal", "")[..8]))
}

/// The core's number of a key slot.
pub(crate) fn core_slot(slot: sportello_journal::SlotId) -> SlotId {
    SlotId(slot.0)
}

/// The journal's number of a key slot.
pub(crate) fn journal_slot(slot: SlotId) -> sportello_journal::SlotId {
    sportello_journal::SlotId(slot.0)
}

/// The first key after all that begin with `prefix`; None: there is none.
fn next_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if last < u8::MAX {
            next.push(last + 1);
            return Some(next);
        }
    }
    None
}
