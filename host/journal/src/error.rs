//! What can go wrong, in words an operator can act on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Sequence, SlotId};

/// Why the journal or its key slots refused.
///
/// Cheap to clone: one failed fsync is told to every waiter.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The operating system refused a file operation outside the commit path; nothing was acknowledged by it.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb: "opening", "reading".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// A write or fsync on the commit path failed. The journal takes nothing more until it is opened again: after a failed fsync
    /// nobody knows what the disk holds, and trying again on the same file would report success without it.
    #[error(
        "the journal stopped at sequence {durable}: {action} {} failed: {source}. Nothing after {durable} was acknowledged; \
         mend the disk (space, cable, quota) and restart: opening the journal recovers it", path.display()
    )]
    Poisoned {
        /// The last sequence that is durable.
        durable: Sequence,
        /// What was being done.
        action: &'static str,
        /// The file it was done to.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The journal was closed while somebody waited on it or appended to it.
    #[error("the journal was closed at sequence {durable}")]
    Closed {
        /// The last sequence that is durable.
        durable: Sequence,
    },
    /// Another process, or another journal in this one, has the folder.
    #[error("{} is in use by another process: stop it first, or give this one a folder of its own", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// A record is longer than the limit.
    #[error(
        "a record of {length_bytes} bytes is over the limit of {limit_bytes} (record_bytes_max): split the command, or raise the limit"
    )]
    RecordTooLong {
        /// Length of the record, in bytes.
        length_bytes: usize,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// Bytes that were durable are not what was written. Nothing was changed on disk.
    #[error(
        "{} is damaged at offset {offset}: {reason}. Nothing was dropped: restore this file from a backup, or keep a copy of the \
         folder before any repair", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes from its start.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A file was written by a newer version of this program.
    #[error("{} has format version {found}, this program reads up to {supported}: upgrade it; nothing was changed", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version in its header.
        found: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// A file was written by a build before the first release, in a form no program reads any more.
    #[error(
        "{} has format version {found}, this program reads version {supported}: read it with the build that wrote it          (`sportello events export`); nothing was changed", path.display()
    )]
    OlderFormat {
        /// The file.
        path: PathBuf,
        /// The version in its header.
        found: u32,
        /// The version this program reads.
        supported: u32,
    },
    /// A read starts after the end.
    #[error("the journal ends at {durable}: sequence {asked} can't be read yet")]
    BeyondEnd {
        /// The sequence asked for.
        asked: Sequence,
        /// The last durable sequence.
        durable: Sequence,
    },
    /// A slot id that was never given out.
    #[error("key slot {slot} was never given out (the last is {last})")]
    UnknownSlot {
        /// The slot asked for.
        slot: SlotId,
        /// The last slot given out.
        last: u64,
    },
    /// Sealing was asked under a slot whose key has been erased.
    #[error("key slot {slot} was erased: nothing can be sealed under it; allocate a new one")]
    SlotErased {
        /// The slot.
        slot: SlotId,
    },
    /// Sealed bytes do not open under their slot and associated data: altered, cut short, or belonging to another slot.
    #[error(
        "what is sealed under key slot {slot} does not open: the bytes or their associated data were altered, or belong to another slot"
    )]
    SealBroken {
        /// The slot.
        slot: SlotId,
    },
    /// The system gave no random bytes.
    #[error("the system's random source failed: keys can't be made")]
    NoRandomness,
    /// An option has a value that can't work.
    #[error("option {option}: {reason}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Why it can't work, and what would.
        reason: String,
    },
}

impl JournalError {
    /// An [`JournalError::Io`] for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    /// A [`JournalError::Damaged`].
    pub(crate) fn damaged(path: &Path, offset: u64, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), offset, reason: reason.into() }
    }
}
