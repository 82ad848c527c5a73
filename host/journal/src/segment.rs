//! The journal in segment files: opening, appending, waiting. The thread that syncs is in `commit`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::commit::Committer;
use crate::disk::{Disk, RealDisk};
use crate::format::{self, Hash, Layout};
use crate::reader::Reader;
use crate::recovery;
use crate::{Journal, JournalError, OnDurable, Records, Sequence, VerifyReport};

/// Called by the syncing thread before it writes anything appended before the call: what records refer to must be durable first.
/// An error stops the journal.
pub type BeforeWrite = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// How a [`SegmentJournal`] works. The defaults are meant to be kept; tests make them small.
pub struct JournalOptions {
    /// A segment that has reached this takes no further record. In bytes, 4 KiB to 1 GiB; default 64 MiB. Opening reads the last
    /// segment whole, so this bounds its time (about 50 ms) and memory.
    pub segment_bytes_max: u64,
    /// A longer record is refused. In bytes, up to 256 MiB; default 16 MiB.
    pub record_bytes_max: usize,
    /// Bytes queued for the disk at which `append` waits. Default 32 MiB.
    pub queue_bytes_max: usize,
    /// Bytes written at which a group is fsynced even if more is queued: bounds how long the first record of a group waits for
    /// the last. Default 1 MiB, about twice what a disk takes during one fsync.
    pub group_bytes_max: usize,
    /// How much of the segment is filled with zeros ahead of the records. Writing into existing blocks spares the file system's own
    /// commit at every fdatasync: about half of its time for small groups. Default 1 MiB; 0 switches it off.
    pub zero_ahead_bytes: usize,
    /// Run before every write; see [`crate::KeySlots::before_write`].
    pub before_write: Option<BeforeWrite>,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            segment_bytes_max: 64 << 20,
            record_bytes_max: 16 << 20,
            queue_bytes_max: 32 << 20,
            group_bytes_max: 1 << 20,
            zero_ahead_bytes: 1 << 20,
            before_write: None,
        }
    }
}

impl std::fmt::Debug for JournalOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("JournalOptions")
            .field("segment_bytes_max", &self.segment_bytes_max)
            .field("record_bytes_max", &self.record_bytes_max)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("group_bytes_max", &self.group_bytes_max)
            .field("zero_ahead_bytes", &self.zero_ahead_bytes)
            .field("before_write", &self.before_write.is_some())
            .finish()
    }
}

impl JournalOptions {
    fn check(&self) -> Result<(), JournalError> {
        let refuse = |option, reason: &str| Err(JournalError::Option { option, reason: reason.to_owned() });
        if !(4096..=1 << 30).contains(&self.segment_bytes_max) {
            return refuse("segment_bytes_max", "must be 4 KiB to 1 GiB");
        }
        if self.record_bytes_max == 0 || self.record_bytes_max > 256 << 20 {
            return refuse("record_bytes_max", "must be 1 byte to 256 MiB");
        }
        if self.queue_bytes_max == 0 || self.group_bytes_max == 0 {
            return refuse("queue_bytes_max, group_bytes_max", "must be at least 1");
        }
        Ok(())
    }
}

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The last record.
    pub last: Sequence,
    /// Segments in the folder.
    pub segments: u64,
    /// What was cut off the end, if anything.
    pub torn: Option<TornTail>,
}

/// The unfinished end of a journal whose writer was stopped, cut off at opening. None of it was acknowledged, except as the
/// crate's documentation says under "What can't be told apart".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub segment: PathBuf,
    /// Where the cut was made, in bytes from the segment's start.
    pub offset: u64,
    /// Bytes cut off, not counting zeros behind them.
    pub bytes: u64,
}

/// A journal kept in segment files of one folder; see the crate's documentation.
pub struct SegmentJournal {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    _lock: Box<dyn std::any::Any + Send + Sync>,
}

/// What the appending, syncing, waiting and reading threads share.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) queue: Mutex<Queue>,
    /// The queue has something, or is closing.
    pub(crate) work: Condvar,
    /// The queue was taken.
    pub(crate) space: Condvar,
    durable: AtomicU64,
    head: Mutex<(Sequence, Hash)>,
    waiting: Mutex<Waiting>,
    /// `durable` grew, or the journal stopped.
    reached: Condvar,
    callbacks: Mutex<Vec<OnDurable>>,
    pub(crate) segments: Mutex<Vec<SegmentEntry>>,
    record_bytes_max: usize,
    queue_bytes_max: usize,
}

/// Frames on their way to the syncing thread, which completes them.
pub(crate) struct Queue {
    pub(crate) frames: Vec<u8>,
    layout: Layout,
    pub(crate) last: Sequence,
    /// The syncing thread waits for `work`.
    pub(crate) idle: bool,
    pub(crate) closing: bool,
    pub(crate) stopped: Option<JournalError>,
}

/// Threads in `wait_durable`, and why they will wait in vain.
#[derive(Default)]
struct Waiting {
    count: usize,
    stopped: Option<JournalError>,
}

/// A segment as readers need it.
#[derive(Debug, Clone)]
pub(crate) struct SegmentEntry {
    pub(crate) path: PathBuf,
    pub(crate) ordinal: u64,
    pub(crate) first: Sequence,
    /// Where some records start, so that a read near the end does not walk the whole segment.
    pub(crate) marks: Vec<(Sequence, u64)>,
}

/// Distance between two marks: at most this much is walked over to find a record in a segment written or recovered since opening.
pub(crate) const MARK_BYTES: u64 = 64 << 10;

impl SegmentEntry {
    /// Notes that `sequence` starts at `offset`, if the last mark is far enough behind.
    pub(crate) fn mark(&mut self, sequence: Sequence, offset: u64) {
        if self.marks.last().map_or(0, |mark| mark.1) + MARK_BYTES <= offset {
            self.marks.push((sequence, offset));
        }
    }
}

/// A lock that survives a panic elsewhere: what it guards is changed in one step each.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn durable(&self) -> Sequence {
        Sequence::new(self.durable.load(Ordering::Acquire))
    }

    /// Tells everybody that everything up to `sequence` is durable; `hash` is the chain's after it.
    pub(crate) fn publish(&self, sequence: Sequence, hash: Hash) {
        *lock(&self.head) = (sequence, hash);
        self.durable.store(sequence.get(), Ordering::Release);
        if lock(&self.waiting).count > 0 {
            self.reached.notify_all();
        }
        for callback in lock(&self.callbacks).iter() {
            callback(Ok(sequence));
        }
    }

    /// Tells everybody that nothing more becomes durable. The first reason stays.
    pub(crate) fn stop(&self, error: &JournalError) {
        {
            let mut queue = lock(&self.queue);
            if queue.stopped.is_some() {
                return;
            }
            queue.stopped = Some(error.clone());
            queue.frames = Vec::new();
        }
        self.space.notify_all();
        lock(&self.waiting).stopped = Some(error.clone());
        self.reached.notify_all();
        for callback in lock(&self.callbacks).iter() {
            callback(Err(error.clone()));
        }
    }
}

impl SegmentJournal {
    /// Opens the journal in `folder`, or makes a new one, and recovers it: a torn tail is cut off and told, damage is an error.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Damaged`], [`JournalError::NewerFormat`], [`JournalError::Option`], [`JournalError::Io`].
    pub fn open(folder: &Path, options: JournalOptions) -> Result<(Self, Recovery), JournalError> {
        Self::open_on(Arc::new(RealDisk), folder, options)
    }

    /// [`SegmentJournal::open`] on another disk.
    ///
    /// # Errors
    /// As [`SegmentJournal::open`].
    pub fn open_on(disk: Arc<dyn Disk>, folder: &Path, options: JournalOptions) -> Result<(Self, Recovery), JournalError> {
        options.check()?;
        disk.create_folder(folder).map_err(JournalError::io("making the folder", folder))?;
        let lock = disk.lock(&folder.join("journal.lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => JournalError::Locked { folder: folder.to_owned() },
            _ => JournalError::io("locking", folder)(error),
        })?;
        let mut recovered = recovery::recover(disk.as_ref(), folder, options.segment_bytes_max)?;
        let recovery = Recovery { last: recovered.last, segments: recovered.segments.len() as u64, torn: recovered.torn };
        let shared = Arc::new(Shared {
            disk,
            queue: Mutex::new(Queue {
                frames: Vec::new(),
                layout: recovered.layout,
                last: recovered.last,
                idle: false,
                closing: false,
                stopped: None,
            }),
            work: Condvar::new(),
            space: Condvar::new(),
            durable: AtomicU64::new(recovered.last.get()),
            head: Mutex::new((recovered.last, recovered.chain.hash())),
            waiting: Mutex::default(),
            reached: Condvar::new(),
            callbacks: Mutex::default(),
            segments: Mutex::new(recovered.segments),
            record_bytes_max: options.record_bytes_max,
            queue_bytes_max: options.queue_bytes_max,
        });
        let committer = Committer::new(Arc::clone(&shared), folder.to_owned(), (recovered.active, recovered.chain), options);
        let thread = std::thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || committer.run())
            .map_err(JournalError::io("starting the syncing thread for", folder))?;
        Ok((Self { shared, thread: Mutex::new(Some(thread)), _lock: lock }, recovery))
    }

    /// Makes durable what is queued and stops: later appends and waits get [`JournalError::Closed`]. Dropping does the same.
    ///
    /// # Errors
    /// What stopped the journal before everything was durable.
    pub fn close(&self) -> Result<Sequence, JournalError> {
        lock(&self.shared.queue).closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic of that thread has stopped the journal, which is told below.
            let _ = thread.join();
        }
        match &lock(&self.shared.queue).stopped {
            Some(JournalError::Closed { durable }) => Ok(*durable),
            Some(error) => Err(error.clone()),
            None => Ok(self.shared.durable()),
        }
    }
}

impl Drop for SegmentJournal {
    fn drop(&mut self) {
        // Whoever cares has waited for durability, or called close.
        let _ = self.close();
    }
}

impl std::fmt::Debug for SegmentJournal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SegmentJournal").field("durable", &self.shared.durable()).finish_non_exhaustive()
    }
}

impl Journal for SegmentJournal {
    fn append(&self, record: &[u8]) -> Result<Sequence, JournalError> {
        let shared = self.shared.as_ref();
        if record.len() > shared.record_bytes_max {
            return Err(JournalError::RecordTooLong { length_bytes: record.len(), limit_bytes: shared.record_bytes_max });
        }
        let mut queue = lock(&shared.queue);
        while queue.frames.len() >= shared.queue_bytes_max && queue.stopped.is_none() {
            queue = shared.space.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(error) = &queue.stopped {
            return Err(error.clone());
        }
        if queue.closing {
            return Err(JournalError::Closed { durable: shared.durable() });
        }
        let sequence = queue.last.next();
        let begins_link = queue.layout.place(record.len());
        format::frame(&mut queue.frames, shared.durable(), sequence, begins_link, record);
        queue.last = sequence;
        if queue.idle {
            queue.idle = false;
            drop(queue);
            shared.work.notify_one();
        }
        Ok(sequence)
    }

    fn durable(&self) -> Sequence {
        self.shared.durable()
    }

    fn wait_durable(&self, sequence: Sequence) -> Result<(), JournalError> {
        let shared = self.shared.as_ref();
        if shared.durable() >= sequence {
            return Ok(());
        }
        let mut waiting = lock(&shared.waiting);
        waiting.count += 1;
        let outcome = loop {
            if shared.durable() >= sequence {
                break Ok(());
            }
            if let Some(error) = &waiting.stopped {
                break Err(error.clone());
            }
            waiting = shared.reached.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        };
        waiting.count -= 1;
        outcome
    }

    fn on_durable(&self, callback: OnDurable) {
        let shared = self.shared.as_ref();
        // Held until the callback is in the list, so that nothing is published in between.
        let mut callbacks = lock(&shared.callbacks);
        let stopped = lock(&shared.waiting).stopped.clone();
        callback(stopped.map_or_else(|| Ok(shared.durable()), Err));
        callbacks.push(callback);
    }

    fn read(&self, from: Sequence) -> Result<Records, JournalError> {
        let reader = Reader::new(&self.shared, from)?;
        Ok(Box::new(reader))
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<VerifyReport, JournalError> {
        Reader::new(&self.shared, Sequence::FIRST)?.verify(progress)
    }

    fn head(&self) -> (Sequence, [u8; 32]) {
        *lock(&self.shared.head)
    }
}
