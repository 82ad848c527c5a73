//! Group commit: the one thread that writes and syncs.
//!
//! It takes whatever is queued, writes it, looks whether more was queued meanwhile, and when nothing was (or the group is large
//! enough) fsyncs and tells everybody. So records are hashed and written while later ones of the same burst are still being sealed,
//! and a group is whatever came during the last fsync.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use crate::disk::{Disk, DiskFile};
use crate::format::{self, Chain, HEADER_BYTES, Hash, Header};
use crate::sabotage::sabotaged;
use crate::segment::{BeforeWrite, JournalOptions, SegmentEntry, Shared, lock};
use crate::{JournalError, Sequence};

/// The segment being written.
pub(crate) struct Active {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) ordinal: u64,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    /// The file's length; zeros from `offset` on.
    pub(crate) zeros_until: u64,
}

/// The syncing thread's own state.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    folder: PathBuf,
    active: Active,
    /// Up to the last record completed.
    chain: Chain,
    segment_bytes_max: u64,
    group_bytes_max: usize,
    zero_ahead_bytes: usize,
    /// Zeros could not be written in this segment: the disk may be full, but the records may still fit.
    zero_ahead_failed: bool,
    before_write: Option<BeforeWrite>,
    zeros: Vec<u8>,
}

/// A file operation that failed, before it is known what was durable.
type Failed = (&'static str, PathBuf, io::Error);

/// The file name of the segment that starts with this sequence.
pub(crate) fn segment_name(first: Sequence) -> String {
    format!("{first:020}.segment")
}

/// Makes a segment, durable with its name.
pub(crate) fn create_segment(disk: &dyn Disk, folder: &Path, header: Header) -> Result<Active, Failed> {
    let path = folder.join(segment_name(header.first));
    let made = disk.create(&path).and_then(|file| {
        file.write_all_at(&header.encode(), 0)?;
        file.sync_all()?;
        disk.sync_folder(folder)?;
        Ok(file)
    });
    match made {
        Ok(file) => Ok(Active { file, path, ordinal: header.ordinal, offset: HEADER_BYTES as u64, zeros_until: HEADER_BYTES as u64 }),
        Err(error) => Err(("making the segment", path, error)),
    }
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, folder: PathBuf, (active, chain): (Active, Chain), options: JournalOptions) -> Self {
        Self {
            shared,
            folder,
            active,
            chain,
            segment_bytes_max: options.segment_bytes_max,
            group_bytes_max: options.group_bytes_max,
            zero_ahead_bytes: options.zero_ahead_bytes,
            zero_ahead_failed: false,
            before_write: options.before_write,
            zeros: vec![0; options.zero_ahead_bytes],
        }
    }

    /// Until the journal is closed and everything queued is durable, or until the first error.
    pub(crate) fn run(mut self) {
        let stop = StopOnPanic(Arc::clone(&self.shared), self.folder.clone());
        if let Err((action, path, error)) = self.commit_groups() {
            let durable = self.shared.durable();
            self.shared.stop(&JournalError::Poisoned { durable, action, path, source: Arc::new(error) });
        } else {
            self.shared.stop(&JournalError::Closed { durable: self.shared.durable() });
        }
        drop(stop);
    }

    fn commit_groups(&mut self) -> Result<(), Failed> {
        let mut frames = Vec::new();
        loop {
            let Some(mut last) = self.take_waiting(&mut frames) else {
                return Ok(());
            };
            let mut written_bytes = 0;
            loop {
                self.write_all(&mut frames)?;
                written_bytes += frames.len();
                if written_bytes >= self.group_bytes_max {
                    break;
                }
                match self.take(&mut frames) {
                    Some(more) => last = more,
                    None => break,
                }
            }
            if !sabotaged("ack-before-fsync") {
                self.active.file.sync_data().map_err(|error| self.failed("syncing", error))?;
            }
            self.shared.publish(last, self.chain.hash());
            self.write_zeros_ahead()?;
        }
    }

    /// Takes the queue, waiting for something to be in it; `None` when the journal is closing and the queue is empty.
    fn take_waiting(&mut self, frames: &mut Vec<u8>) -> Option<Sequence> {
        {
            let mut queue = lock(&self.shared.queue);
            while queue.frames.is_empty() {
                if queue.closing {
                    return None;
                }
                queue.idle = true;
                queue = self.shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.idle = false;
        }
        self.take(frames)
    }

    /// Swaps the queue with the emptied `frames`; gives the last sequence in it, `None` if it was empty.
    fn take(&mut self, frames: &mut Vec<u8>) -> Option<Sequence> {
        frames.clear();
        let mut queue = lock(&self.shared.queue);
        if queue.frames.is_empty() {
            return None;
        }
        std::mem::swap(&mut queue.frames, frames);
        let last = queue.last;
        drop(queue);
        self.shared.space.notify_all();
        Some(last)
    }

    /// Completes frames and writes them, into a new segment from where the present one has reached its limit.
    fn write_all(&mut self, frames: &mut [u8]) -> Result<(), Failed> {
        let mut rest = frames;
        while !rest.is_empty() {
            if self.active.offset >= self.segment_bytes_max {
                let (_, first) = format::claimed(rest);
                self.rotate(first)?;
            }
            let mut length = 0;
            while length < rest.len() && self.active.offset + (length as u64) < self.segment_bytes_max {
                let (frame_bytes, _) = format::claimed(&rest[length..]);
                format::complete(&mut rest[length..length + frame_bytes], &mut self.chain);
                length += frame_bytes;
            }
            let (complete, after) = rest.split_at_mut(length);
            self.write(complete)?;
            rest = after;
        }
        Ok(())
    }

    fn write(&mut self, frames: &[u8]) -> Result<(), Failed> {
        if let Some(before_write) = &self.before_write {
            before_write().map_err(|error| ("syncing what the records refer to (key slots), before", self.active.path.clone(), error))?;
        }
        self.active.file.write_all_at(frames, self.active.offset).map_err(|error| self.failed("writing", error))?;
        let (_, first) = format::claimed(frames);
        if let Some(entry) = lock(&self.shared.segments).last_mut() {
            entry.mark(first, self.active.offset);
        }
        self.active.offset += frames.len() as u64;
        self.active.zeros_until = self.active.zeros_until.max(self.active.offset);
        Ok(())
    }

    /// Closes the segment at exactly its last record, then starts the next one. In this order, so that a segment with a successor is
    /// complete, whatever happens in between.
    fn rotate(&mut self, first: Sequence) -> Result<(), Failed> {
        let file = &self.active.file;
        file.set_length(self.active.offset).and_then(|()| file.sync_all()).map_err(|error| self.failed("closing the segment", error))?;
        let previous_hash: Hash = self.chain.hash();
        let ordinal = self.active.ordinal + 1;
        self.active = create_segment(self.shared.disk.as_ref(), &self.folder, Header { ordinal, first, previous_hash })?;
        self.zero_ahead_failed = false;
        let entry = SegmentEntry { path: self.active.path.clone(), ordinal, first, marks: Vec::new() };
        lock(&self.shared.segments).push(entry);
        Ok(())
    }

    /// Fills the next stretch of the segment with zeros, when less than half of it is left. After the acknowledgement, so that nobody
    /// waits for it unless the disk is busy anyway.
    fn write_zeros_ahead(&mut self) -> Result<(), Failed> {
        let left = self.active.zeros_until - self.active.offset;
        if self.zero_ahead_failed || left >= (self.zero_ahead_bytes / 2) as u64 || self.active.offset >= self.segment_bytes_max {
            return Ok(());
        }
        if self.active.file.write_all_at(&self.zeros, self.active.zeros_until).is_err() {
            self.zero_ahead_failed = true;
            return Ok(());
        }
        self.active.zeros_until += self.zeros.len() as u64;
        if lock(&self.shared.queue).frames.is_empty() {
            self.active.file.sync_data().map_err(|error| self.failed("syncing", error))?;
        }
        Ok(())
    }

    fn failed(&self, action: &'static str, error: io::Error) -> Failed {
        (action, self.active.path.clone(), error)
    }
}

/// Stops the journal if the syncing thread panics (in a callback or a hook): otherwise everybody would wait for ever.
struct StopOnPanic(Arc<Shared>, PathBuf);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let source = Arc::new(io::Error::other("a callback or hook on the syncing thread panicked"));
            self.0.stop(&JournalError::Poisoned { durable: self.0.durable(), action: "syncing", path: self.1.clone(), source });
        }
    }
}
