//! The trait every durable record implements.

use bytes::Bytes;

use crate::{JournalError, Sequence};

/// One record: one command's events, already encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub sequence: Sequence,
    /// What was appended.
    pub bytes: Bytes,
}

/// What a verification walked over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records whose checksum and chain were checked.
    pub records: u64,
    /// Segments (or whatever the journal is stored in) they were in.
    pub segments: u64,
    /// Bytes of the records alone.
    pub bytes: u64,
    /// The last sequence checked.
    pub last: Sequence,
    /// The hash of the chain at `last`.
    pub hash: [u8; 32],
}

/// Called with the new durable sequence after every group, or once with the error that stopped the journal.
pub type OnDurable = Box<dyn Fn(Result<Sequence, JournalError>) + Send>;

/// The records read from a journal, in order.
pub type Records = Box<dyn Iterator<Item = Result<Record, JournalError>> + Send>;

/// A durable, ordered, hash-chained record.
///
/// One thread appends, many wait and read. What every implementation must keep stands in the module `conformance` (feature
/// `conformance`) as tests.
pub trait Journal: Send + Sync {
    /// Frames and queues a record; it is *not* durable yet. Records become durable in order.
    ///
    /// Never waits for the disk, except when the queue is full (back-pressure).
    ///
    /// # Errors
    /// [`JournalError::RecordTooLong`] (the journal goes on); [`JournalError::Poisoned`] or [`JournalError::Closed`] for good.
    fn append(&self, record: &[u8]) -> Result<Sequence, JournalError>;

    /// The last durable sequence, [`Sequence::NONE`] for none.
    fn durable(&self) -> Sequence;

    /// Blocks until `sequence` is durable; also for one that is not appended yet.
    ///
    /// # Errors
    /// Whatever stops the journal before that: then the record was not acknowledged and must not be.
    fn wait_durable(&self, sequence: Sequence) -> Result<(), JournalError>;

    /// Adds a callback for every group that became durable, and for the error that stops the journal.
    ///
    /// It runs on the thread that syncs, so it must be quick and must not call back into the journal's `append` or
    /// `wait_durable`. It is called once at once with the state of now, so nothing is missed.
    fn on_durable(&self, callback: OnDurable);

    /// Reads durable records from `from` on, up to what was durable at the call. Reading from the sequence just after the end
    /// gives nothing.
    ///
    /// # Errors
    /// [`JournalError::BeyondEnd`]; damage is an item of the iterator, and its last.
    fn read(&self, from: Sequence) -> Result<Records, JournalError>;

    /// Checks checksum and chain of every durable record, calling `progress` with the sequence reached now and then.
    ///
    /// # Errors
    /// The first damage found.
    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<VerifyReport, JournalError>;

    /// The last durable sequence and the hash of the chain after it; [`Sequence::NONE`] and zeros when there is none.
    fn head(&self) -> (Sequence, [u8; 32]);
}
