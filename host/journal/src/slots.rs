//! API skeleton, being built.
#![allow(missing_docs, unused_variables, clippy::unimplemented)]
use std::io;
use std::path::Path;
use crate::JournalError;
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SlotId(pub u64);
impl std::fmt::Display for SlotId { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) } }
pub struct SlotOptions { pub chunk_slots: u32 }
impl Default for SlotOptions { fn default() -> Self { Self { chunk_slots: 4096 } } }
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsealed { Plain(Vec<u8>), Erased }
#[derive(Debug)]
pub struct KeySlots {}
impl KeySlots {
    pub fn open(path: &Path, options: SlotOptions) -> Result<Self, JournalError> { unimplemented!() }
    pub fn allocate(&self) -> Result<SlotId, JournalError> { unimplemented!() }
    pub fn claim(&self, identity: &[u8; 32]) -> Result<(SlotId, bool), JournalError> { unimplemented!() }
    pub fn find(&self, identity: &[u8; 32]) -> Option<SlotId> { unimplemented!() }
    pub fn sync(&self) -> io::Result<()> { unimplemented!() }
    pub fn erase(&self, slots: &[SlotId]) -> Result<(), JournalError> { unimplemented!() }
    pub fn seal(&self, slot: SlotId, associated_data: &[u8], plain: &[u8]) -> Result<Vec<u8>, JournalError> { unimplemented!() }
    pub fn open_sealed(&self, slot: SlotId, associated_data: &[u8], sealed: &[u8]) -> Result<Unsealed, JournalError> { unimplemented!() }
    pub fn identity(&self, kind: &str, value: &str) -> [u8; 32] { unimplemented!() }
}
