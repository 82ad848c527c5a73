//! From identities to slots, in memory.
//!
//! Of an identity, which is a keyed hash, the first half is kept: 128 bits that nobody without the key can choose tell any number of
//! identities apart. It needs no second hash for its place in the table either.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::SlotId;

/// Bytes kept of an identity.
const KEPT_BYTES: usize = 16;

#[derive(Default)]
pub(super) struct Index(HashMap<[u8; KEPT_BYTES], SlotId, BuildHasherDefault<AlreadyHashed>>);

impl Index {
    pub(super) fn find(&self, identity: &[u8; 32]) -> Option<SlotId> {
        self.0.get(&kept(identity)).copied()
    }

    pub(super) fn insert(&mut self, identity: &[u8; 32], slot: SlotId) {
        self.0.insert(kept(identity), slot);
    }

    /// Forgets an identity if it is this slot's.
    pub(super) fn remove(&mut self, identity: &[u8], slot: SlotId) {
        let kept = kept(identity);
        if self.0.get(&kept) == Some(&slot) {
            self.0.remove(&kept);
        }
    }
}

fn kept(identity: &[u8]) -> [u8; KEPT_BYTES] {
    let mut kept = [0; KEPT_BYTES];
    kept.copy_from_slice(&identity[..KEPT_BYTES]);
    kept
}

/// Takes the first eight bytes as they are.
#[derive(Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length of an array, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
