//! API skeleton, being built.
#![allow(missing_docs, unused_variables, clippy::unimplemented)]
use std::io;
use std::path::{Path, PathBuf};
use crate::journal::*;
use crate::{JournalError, Sequence};

/// Called by the sync thread before a group is written.
pub type BeforeWrite = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

pub struct JournalOptions {
    pub segment_bytes_max: u64,
    pub record_bytes_max: usize,
    pub queue_bytes_max: usize,
    pub before_write: Option<BeforeWrite>,
}
impl Default for JournalOptions {
    fn default() -> Self {
        Self { segment_bytes_max: 64 << 20, record_bytes_max: 16 << 20, queue_bytes_max: 32 << 20, before_write: None }
    }
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery { pub last: Sequence, pub segments: u64, pub torn: Option<TornTail> }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail { pub segment: PathBuf, pub offset: u64, pub bytes: u64 }
#[derive(Debug)]
pub struct SegmentJournal {}
impl SegmentJournal {
    pub fn open(folder: &Path, options: JournalOptions) -> Result<(Self, Recovery), JournalError> { unimplemented!() }
}
impl Journal for SegmentJournal {
    fn append(&self, record: &[u8]) -> Result<Sequence, JournalError> { unimplemented!() }
    fn durable(&self) -> Sequence { unimplemented!() }
    fn wait_durable(&self, sequence: Sequence) -> Result<(), JournalError> { unimplemented!() }
    fn on_durable(&self, callback: OnDurable) { unimplemented!() }
    fn read(&self, from: Sequence) -> Result<Records, JournalError> { unimplemented!() }
    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<VerifyReport, JournalError> { unimplemented!() }
    fn head(&self) -> (Sequence, [u8; 32]) { unimplemented!() }
}
