//! The durable record with its key slots.
mod error;
mod journal;
mod segment;
mod sequence;
mod slots;

pub use error::JournalError;
pub use journal::{Journal, OnDurable, Record, Records, VerifyReport};
pub use segment::{BeforeWrite, JournalOptions, Recovery, SegmentJournal, TornTail};
pub use sequence::Sequence;
pub use slots::{KeySlots, SlotId, SlotOptions, Unsealed};
