//! What is in memory of the slots: how many there are, the keys made ahead, the identities and those that are not in the file yet.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::index::Index;
use super::row::{ROW_BYTES, row_offset};
use super::{CHUNK_SLOTS_MAX, SlotId};
use crate::JournalError;
use crate::disk::DiskFile;

/// Bytes read at a time while the file is opened.
const READ_BYTES: usize = 1 << 20;
/// Rows that no fsync since proves durable are among this many at the end: a new chunk's fsync proves all chunks before it, but for the
/// identities of a write under way, which are of the last chunks.
const UNPROVEN_ROWS: u64 = 2 * CHUNK_SLOTS_MAX as u64;

/// What is known of the slots, and changes.
pub(super) struct Table {
    /// The last slot given out.
    pub(super) given_out: u64,
    /// The last slot whose key is durable.
    pub(super) made: u64,
    /// The keys of slots `made - ahead.len() + 1 ..= made`.
    pub(super) ahead: Vec<Zeroizing<[u8; 32]>>,
    /// The mark of a clean close may still be on disk.
    pub(super) marked: bool,
    pub(super) index: Index,
    /// Identities that are not in the file yet, of ascending slots. Every slot between the first and the last of them was given out after the
    /// first and is either among them or has no identity.
    pub(super) claimed: Vec<(SlotId, [u8; 32])>,
}

impl Table {
    /// Reads the `rows` of a file of which so many slots were given out: fills the index, and keeps the keys that were made ahead
    /// and not given out.
    ///
    /// Without the mark of a clean close the newest rows are written again: after a failed fsync the kernel may count as clean what never
    /// reached the disk, and would not sync it.
    pub(super) fn read(file: &dyn DiskFile, path: &Path, rows: u64, given_out: u64, marked: bool) -> Result<Self, JournalError> {
        let mut table = Self { given_out, made: rows, ahead: Vec::new(), marked, index: Index::default(), claimed: Vec::new() };
        let mut buffer = Zeroizing::new(vec![0; READ_BYTES]);
        let mut slot = 1;
        while slot <= rows {
            let filled = file.read_at(&mut buffer, row_offset(slot)).map_err(JournalError::io("reading", path))?;
            let whole = filled / ROW_BYTES;
            if whole == 0 {
                break;
            }
            for row in buffer[..whole * ROW_BYTES].chunks_exact(ROW_BYTES) {
                let mut identity = [0; 32];
                identity.copy_from_slice(&row[32..]);
                if identity != [0; 32] && slot <= table.given_out {
                    table.index.insert(&identity, SlotId(slot));
                }
                if slot > table.given_out {
                    let mut key = Zeroizing::new([0; 32]);
                    key.copy_from_slice(&row[..32]);
                    table.ahead.push(key);
                }
                slot += 1;
            }
            if !table.marked && slot > rows.saturating_sub(UNPROVEN_ROWS) {
                let start = row_offset(slot) - (whole * ROW_BYTES) as u64;
                file.write_all_at(&buffer[..whole * ROW_BYTES], start).map_err(JournalError::io("recovering", path))?;
            }
        }
        // Slots are found in `ahead` by their place from its end, so it must be whole.
        let ahead = rows - table.given_out;
        if table.ahead.len() as u64 == ahead {
            Ok(table)
        } else {
            Err(JournalError::damaged(path, row_offset(slot), format!("{ahead} slots were made ahead, {} are there", table.ahead.len())))
        }
    }

    pub(super) fn was_given_out(&self, slot: SlotId) -> bool {
        slot.0 >= 1 && slot.0 <= self.given_out
    }

    /// The rows of the identities that are not in the file yet, and those between them, from the slot of the first on.
    pub(super) fn claimed_rows(&mut self) -> io::Result<Option<(SlotId, Zeroizing<Vec<u8>>)>> {
        let (Some((first, _)), Some((last, _))) = (self.claimed.first(), self.claimed.last()) else { return Ok(None) };
        let (first, last) = (*first, *last);
        let mut rows = Zeroizing::new(vec![0; (last.0 - first.0 + 1) as usize * ROW_BYTES]);
        for (slot, row) in (first.0..).zip(rows.chunks_exact_mut(ROW_BYTES)) {
            let key = self.key_ahead(SlotId(slot)).ok_or_else(|| io::Error::other(format!("the key of slot {slot} is not in memory")))?;
            row[..32].copy_from_slice(key.as_slice());
        }
        for (slot, identity) in &self.claimed {
            let start = (slot.0 - first.0) as usize * ROW_BYTES + 32;
            rows[start..start + 32].copy_from_slice(identity);
        }
        Ok(Some((first, rows)))
    }

    /// The key of a slot of the newest chunk, kept in memory.
    pub(super) fn key_ahead(&mut self, slot: SlotId) -> Option<&mut Zeroizing<[u8; 32]>> {
        let before = self.made - self.ahead.len() as u64;
        let place = slot.0.checked_sub(before + 1)?;
        self.ahead.get_mut(place as usize)
    }
}
