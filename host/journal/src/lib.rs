//! The durable record with its key slots.
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
