//! The durable record: a [`Journal`] in segment files, and the [key slots](slots) that let it forget.
//!
//! A tenant's truth is one sequence of records; everything else is computed from it. This crate keeps that sequence, tells when a
//! record is durable, reads it back, and notices when a byte of it has changed. It knows nothing of what the records say.
//!
//! ```no_run
//! use std::sync::Arc;
//! use sportello_journal::{Journal, JournalOptions, KeySlots, SegmentJournal, SlotOptions};
//!
//! # fn main() -> Result<(), sportello_journal::JournalError> {
//! # let folder = std::path::Path::new("tenant");
//! let slots = Arc::new(KeySlots::open(&folder.join("keys.slots"), SlotOptions::default())?);
//! let options = JournalOptions { before_write: Some(slots.before_write()), ..JournalOptions::default() };
//! let (journal, recovery) = SegmentJournal::open(&folder.join("journal"), options)?;
//! if let Some(torn) = recovery.torn {
//!     eprintln!("{} bytes cut off {} at {}", torn.bytes, torn.segment.display(), torn.offset);
//! }
//! let slot = slots.allocate()?;
//! let sealed = slots.seal(slot, b"interaction text", b"Buongiorno")?;
//! let sequence = journal.append(&sealed)?;
//! journal.wait_durable(sequence)?; // only now may anybody be told
//! # Ok(())
//! # }
//! ```
//!
//! # Files
//! ```text
//! tenant/keys.slots                               one key per personal item; overwritten to forget
//! tenant/keys.slots.lock
//! tenant/journal/journal.lock                     held by the process that has the journal open
//! tenant/journal/00000000000000000001.segment     named by the first record
//! tenant/journal/00000000000000104857.segment
//! ```
//! A segment is a header and frames; their bytes are in the documentation of the module `format`, and pinned by a golden file.
//!
//! # Invariants
//! 1. A sequence is published as durable after the fdatasync of its bytes returned without error, and after every smaller one.
//! 2. Sequences have no gaps. Records are chained in links of 64 KiB; the first record of each names the hash of the chain before it, and so
//!    does the header of each segment: no record can be changed, left out, moved or put in without breaking every hash after it.
//! 3. A segment that has a successor ends exactly with its last record: it is cut and synced before the successor is made. Segments
//!    count from 1 in their headers, so a missing one is seen without reading the others. Which record is the last follows from the lengths
//!    of the records alone.
//! 4. Behind the records of the last segment there are only zeros.
//! 5. Frame *n* tells how far the journal was durable when it was made. So a good frame proves that what it names had reached the
//!    disk, and that damage there is damage, not an unfinished write.
//! 6. What [`JournalOptions::before_write`] makes durable was durable before any byte of a record appended after it could be.
//!
//! # One commit
//! ```text
//!  appending thread                         syncing thread
//!  seal, append: frame into the queue ────► take the queue, chain (BLAKE3, CRC-32C)
//!  seal, append …                           before_write: sync the key slots, if something was claimed
//!  seal, append …                           write; more queued? take, chain, write …
//!  wait_durable, or a callback ◄─────────── fdatasync, publish
//!                                           zeros ahead, while nobody waits
//! ```
//! The group is what came during the last fsync. [`JournalOptions::group_bytes_max`] bounds it, [`JournalOptions::queue_bytes_max`] bounds what may
//! wait (then `append` waits too). What was measured and led to this shape, on a two-core machine with 512-byte items:
//!
//! - Hashing record by record (SHA-256) was the largest cost on the processor: 0.4 µs a record, as much as sealing it, in the way of every large
//!   group. A link is hashed in pieces of up to 64 KiB (BLAKE3, many lanes at once), on the syncing thread alone;
//!   `docs/decisions/0010-chain-by-links.md` has the figures.
//! - An fdatasync into blocks that already hold zeros takes about half the time of one that lets the file grow, because the file
//!   system has no metadata to commit (36 KB: 108 against 207 µs). `fallocate` alone gains little: its blocks are marked unwritten, and
//!   the first write unmarks them. So the syncing thread writes a megabyte of zeros ahead, after an acknowledgement. It costs writing every
//!   byte twice; under sustained load of large groups gain and cost are even.
//!
//! # Recovery
//! Opening reads the headers of all segments and walks the last segment. At the first place without a good frame:
//!
//! | what follows | meaning | what is done |
//! |---|---|---|
//! | zeros only | the end | go on there |
//! | no good frame | a torn tail | cut off, told in [`Recovery::torn`] |
//! | a good frame that proves the missing record durable | damage | [`JournalError::Damaged`], nothing is changed |
//! | a good frame of the same group, and a sector (512 bytes) of zeros before it | a torn group: its sectors reach the disk in any order | cut off, told |
//! | a good frame of the same group, and no such sector | damage | [`JournalError::Damaged`] |
//!
//! A frame with a good checksum in the wrong place, or with the wrong hash, is damage too. A last segment without a header and without records was
//! being made when the power went; it is removed and told. Older segments are checked whenever they are read, and all of them by
//! [`Journal::verify`].
//!
//! Then the records that no later one proves durable are written *again*, and synced. Without that, a journal opened after a failed
//! fsync would trust pages that the kernel shows, counts as clean, and never wrote.
//!
//! ## What can't be told apart
//! - A bit flipped in the very last record looks like a torn tail. It is cut off, and told.
//! - So does a record of the last group that lost a whole sector after it was acknowledged, with what follows it in that group.
//! - Records of the last link that are replaced together with their checksums: its hash stands nowhere yet. [`Journal::head`] changes.
//! - A last segment that is missing as a whole leaves a shorter, good journal. Whoever keeps a sequence or a hash elsewhere (the views, a
//!   backup) sees it.
//!
//! # Failure
//! An error of write or fsync stops the journal for good ([`JournalError::Poisoned`]): every waiter, callback and later append gets it, nothing after
//! the last durable sequence is acknowledged, and nothing is tried again on the same file. Opening again recovers. A panic on the
//! syncing thread does the same. A full disk is such an error; writing zeros ahead is not, since the records may still fit.

mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod disk;
mod error;
#[cfg(feature = "faults")]
pub mod faults;
mod format;
mod journal;
mod reader;
mod recovery;
mod sabotage;
mod segment;
mod sequence;
pub mod slots;

pub use error::JournalError;
pub use journal::{Journal, OnDurable, Record, Records, VerifyReport};
pub use segment::{BeforeWrite, JournalOptions, Recovery, SegmentJournal, TornTail};
pub use sequence::Sequence;
pub use slots::{KeySlots, SEAL_OVERHEAD_BYTES, SlotId, SlotOptions, Unsealed};
