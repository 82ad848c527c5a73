//! The key slots: one random key for every personal item, in a file that can be overwritten.
//!
//! The journal is never rewritten, so what must be forgotten is sealed before it enters: each personal item under a key of its own,
//! from a *slot*. Forgetting the item is overwriting the slot. A slot's id is also the surrogate id of whatever it was claimed for
//! (a profile, a conversation, a CRM identifier): records name the id, and the way from the identity to the id stands in the
//! slot, where it can be overwritten too.
//!
//! # Format of `keys.slots`
//! A header of 4096 bytes, then rows of 64 bytes; the row of slot *n* starts at 4096 + (*n* − 1) × 64. Little endian.
//!
//! | header | size | what |
//! |---|---|---|
//! | 0 | 8 | `SPORTKEY` |
//! | 8 | 4 | format version |
//! | 12 | 4 | CRC-32C of version, lookup key and mark |
//! | 16 | 32 | the lookup key: identities are HMAC-SHA256 under it |
//! | 48 | 8 | the mark: 1 + slots given out, after a clean close; 0 while open |
//!
//! | row | size | what |
//! |---|---|---|
//! | 0 | 32 | the key; zeros once erased |
//! | 32 | 32 | the identity the slot was claimed for; zeros if none, or erased |
//!
//! The file's mode is 0600. An identity is a keyed hash, so the file alone with the lookup key could be used to test guesses; that
//! is why the identity is erased with the key.
//!
//! # Invariants
//! 1. **A slot is given out once.** Keys are made and fsynced a chunk ahead ([`SlotOptions::chunk_slots`]). After a clean close the mark
//!    tells where to go on; it is taken back, durably, before the next slot is given out. Without it every row in the file counts
//!    as given out, so a crash wastes at most a chunk, and never repeats a slot whose ciphertext may have reached a disk.
//! 2. **A key is durable before it seals anything**, because its chunk is.
//! 3. **An identity is durable before a record that names its slot.** [`KeySlots::claim`] only remembers it; the journal calls
//!    [`KeySlots::sync`], which writes all that were remembered at once, before it writes what was appended after the claim (see
//!    [`KeySlots::before_write`]). Before it *writes*, not before it syncs: the kernel may bring a written page to the disk at any moment.
//! 4. **Erased is durable** when [`KeySlots::erase`] returns, and stays so: no key is ever written into a slot again. Identities are
//!    written while others claim and seal, so erasing waits for the write under way: it may still bring the key that is to go.
//!
//! # Failure
//! After a failed fsync nobody knows which rows the disk holds: every later call that would promise something durable is refused with
//! [`JournalError::Poisoned`]; opening again recovers. A row has no checksum: a damaged key shows as [`JournalError::SealBroken`] when
//! something is opened, a damaged identity as one that is not found. A row lies within one disk sector, so it is never half written.
//!
//! What an overwrite can't promise: flash translation layers, copy-on-write file systems and snapshots may keep the old sector. Put
//! the file on an encrypted volume, or one without snapshots.

mod identity;
mod index;
mod row;
mod seal;
mod table;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{fmt, io};

use zeroize::Zeroizing;

use self::identity::LookupKey;
use self::row::{Header, ROW_BYTES, row_offset};
use self::table::Table;
use crate::disk::{Disk, DiskFile, RealDisk};
use crate::sabotage::sabotaged;
use crate::segment::BeforeWrite;
use crate::{JournalError, Sequence};

pub use self::seal::SEAL_OVERHEAD_BYTES;

/// The number of a key slot: 1 for the first. Never given out twice, so it also names what the slot was claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SlotId(pub u64);

impl fmt::Display for SlotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How key slots are kept.
#[derive(Debug, Clone)]
pub struct SlotOptions {
    /// Slots made and fsynced ahead at a time, 1 to 1,048,576. Default 4096 (256 KiB): one fsync per 4096 items, and as many slots
    /// wasted by a crash.
    pub chunk_slots: u32,
}

impl Default for SlotOptions {
    fn default() -> Self {
        Self { chunk_slots: 4096 }
    }
}

/// The largest [`SlotOptions::chunk_slots`]: 64 MiB of file.
const CHUNK_SLOTS_MAX: u32 = 1 << 20;

/// What came out of a sealed item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsealed {
    /// What was sealed.
    Plain(Vec<u8>),
    /// The key was erased: nobody can open this again.
    Erased,
}

/// The open key slots of one tenant. Shared by threads as `Arc<KeySlots>`; see the [module](self) for what it keeps.
pub struct KeySlots {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    lookup: LookupKey,
    chunk_slots: u64,
    /// What changes under the lock.
    table: Mutex<Table>,
    /// Something was written that is not fsynced.
    dirty: AtomicBool,
    /// Held while [`KeySlots::sync`] brings claimed identities from the table to the file, so that nothing is written over what is erased meanwhile.
    /// Taken before the table's lock, which is not held for that: whoever claims and seals meanwhile goes on.
    writing: Mutex<()>,
    /// Held while fsyncing, so that whoever finds the file clean knows that the fsync is over.
    syncing: Mutex<()>,
    /// The error that stopped the slots.
    failed: OnceLock<Arc<io::Error>>,
    _lock: Box<dyn std::any::Any + Send + Sync>,
}

impl KeySlots {
    /// Opens the slots in the file `path`, or makes them, with a new lookup key. The folder must exist.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Damaged`], [`JournalError::NewerFormat`], [`JournalError::Option`], [`JournalError::Io`].
    pub fn open(path: &Path, options: SlotOptions) -> Result<Self, JournalError> {
        Self::open_on(&RealDisk, path, options)
    }

    /// [`KeySlots::open`] on another disk.
    ///
    /// # Errors
    /// As [`KeySlots::open`].
    pub fn open_on(disk: &dyn Disk, path: &Path, options: SlotOptions) -> Result<Self, JournalError> {
        if options.chunk_slots == 0 || options.chunk_slots > CHUNK_SLOTS_MAX {
            let reason = format!("must be 1 to {CHUNK_SLOTS_MAX}, is {}", options.chunk_slots);
            return Err(JournalError::Option { option: "chunk_slots", reason });
        }
        let lock = disk.lock(&path.with_extension("slots.lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => JournalError::Locked { folder: path.to_owned() },
            _ => JournalError::io("locking", path)(error),
        })?;
        let (file, header) = row::open_or_create(disk, path)?;
        let rows = (file.length().map_err(JournalError::io("reading", path))?.saturating_sub(row_offset(1))).div_ceil(ROW_BYTES as u64);
        let given_out = match header.mark.checked_sub(1) {
            Some(given_out) if given_out > rows => {
                return Err(JournalError::damaged(path, 48, format!("{given_out} slots were given out, but only {rows} are in the file")));
            }
            Some(given_out) => given_out,
            None => rows,
        };
        if header.mark == 0 {
            // As with the newest rows, see `Table::read`.
            file.write_all_at(header.encode().as_slice(), 0).map_err(JournalError::io("recovering", path))?;
        }
        let table = Table::read(file.as_ref(), path, rows, given_out, header.mark != 0)?;
        // What a killed process wrote may still be in memory only; from here on it counts as durable.
        file.sync_all().map_err(JournalError::io("syncing", path))?;
        if let Some(folder) = path.parent() {
            disk.sync_folder(folder).map_err(JournalError::io("syncing the folder", folder))?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            lookup: header.lookup,
            chunk_slots: u64::from(options.chunk_slots),
            table: Mutex::new(table),
            dirty: AtomicBool::new(false),
            writing: Mutex::new(()),
            syncing: Mutex::new(()),
            failed: OnceLock::new(),
            _lock: lock,
        })
    }

    /// Gives out a slot that was never given out before. No IO, except once a chunk.
    ///
    /// # Errors
    /// [`JournalError::Io`] when a new chunk can't be written (disk full): free space and call again. [`JournalError::Poisoned`] for good.
    pub fn allocate(&self) -> Result<SlotId, JournalError> {
        self.allocate_in(&mut self.table())
    }

    /// The slot of an identity: the one it has, or a new one (`true`). A new one's identity becomes durable by [`KeySlots::sync`].
    ///
    /// # Errors
    /// As [`KeySlots::allocate`].
    pub fn claim(&self, identity: &[u8; 32]) -> Result<(SlotId, bool), JournalError> {
        let mut table = self.table();
        if let Some(slot) = table.index.find(identity) {
            return Ok((slot, false));
        }
        let slot = self.allocate_in(&mut table)?;
        table.claimed.push((slot, *identity));
        table.index.insert(identity, slot);
        Ok((slot, true))
    }

    /// The slot of an identity, if it has one.
    #[must_use]
    pub fn find(&self, identity: &[u8; 32]) -> Option<SlotId> {
        self.table().index.find(identity)
    }

    /// The last slot given out, 0 for none.
    #[must_use]
    pub fn given_out(&self) -> u64 {
        self.table().given_out
    }

    /// The keyed hash under which something is looked up: HMAC-SHA256 under the tenant's lookup key over the parts, each preceded by
    /// its length, so that no two pairs meet.
    #[must_use]
    pub fn identity(&self, kind: &str, value: &str) -> [u8; 32] {
        self.lookup.identity(kind, value)
    }

    /// Makes every claim so far durable; does nothing when nothing was claimed.
    ///
    /// # Errors
    /// What the system says; from then on always the same, see the [module](self).
    pub fn sync(&self) -> io::Result<()> {
        {
            let _writing = self.writing();
            let rows = {
                let mut table = self.table();
                let rows = table.claimed_rows();
                table.claimed.clear();
                rows
            };
            // A failure stops the slots for good, so what is no longer in the table is not missed.
            rows.and_then(|rows| self.write_rows(rows)).inspect_err(|error| self.fail(error))?;
        }
        let _syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = self.failed.get() {
            return Err(io::Error::new(error.kind(), Arc::clone(error)));
        }
        if self.dirty.swap(false, Ordering::AcqRel) {
            self.file.sync_data().inspect_err(|error| self.fail(error))?;
        }
        Ok(())
    }

    /// [`KeySlots::sync`] as the hook of [`crate::JournalOptions::before_write`].
    #[must_use]
    pub fn before_write(self: &Arc<Self>) -> BeforeWrite {
        let slots = Arc::clone(self);
        Box::new(move || slots.sync())
    }

    /// Overwrites key and identity of every slot with zeros; durable when it returns. A slot erased before is erased again: harmless.
    ///
    /// # Errors
    /// [`JournalError::UnknownSlot`] before anything is erased. After any other error some may be erased and some not: call again, after
    /// [`JournalError::Poisoned`] on slots opened anew.
    pub fn erase(&self, slots: &[SlotId]) -> Result<(), JournalError> {
        let writing = self.writing();
        let mut table = self.table();
        if let Some(unknown) = slots.iter().find(|slot| !table.was_given_out(**slot)) {
            return Err(JournalError::UnknownSlot { slot: *unknown, last: table.given_out });
        }
        self.write_claimed(&mut table).map_err(JournalError::io("claiming key slots in", &self.path))?;
        for slot in slots {
            let offset = row_offset(slot.0);
            let mut row = Zeroizing::new([0; ROW_BYTES]);
            self.read_row(*slot, &mut row)?;
            table.index.remove(&row[32..], *slot);
            if let Some(key) = table.key_ahead(*slot) {
                **key = [0; 32];
            }
            if !sabotaged("skip-slot-overwrite") {
                self.file.write_all_at(&[0; ROW_BYTES], offset).map_err(JournalError::io("erasing a key slot in", &self.path))?;
                self.dirty.store(true, Ordering::Release);
            }
        }
        // Sealing and claiming go on while the disk syncs.
        drop(table);
        drop(writing);
        self.sync().map_err(|error| self.stopped(error))
    }

    /// Seals `plain` under the key of `slot`: nonce (12 bytes, random), ciphertext, tag (16 bytes): [`SEAL_OVERHEAD_BYTES`] more than `plain`.
    /// The same `associated_data` must be given to open it.
    ///
    /// # Errors
    /// [`JournalError::SlotErased`], [`JournalError::UnknownSlot`], [`JournalError::NoRandomness`], [`JournalError::Io`].
    pub fn seal(&self, slot: SlotId, associated_data: &[u8], plain: &[u8]) -> Result<Vec<u8>, JournalError> {
        let key = self.key(slot)?.ok_or(JournalError::SlotErased { slot })?;
        seal::seal(&key, associated_data, plain)
    }

    /// Opens what [`KeySlots::seal`] sealed.
    ///
    /// # Errors
    /// [`JournalError::SealBroken`], [`JournalError::UnknownSlot`], [`JournalError::Io`].
    pub fn open_sealed(&self, slot: SlotId, associated_data: &[u8], sealed: &[u8]) -> Result<Unsealed, JournalError> {
        match self.key(slot)? {
            None => Ok(Unsealed::Erased),
            Some(key) => seal::open(&key, associated_data, sealed).map(Unsealed::Plain).ok_or(JournalError::SealBroken { slot }),
        }
    }

    /// The key of a slot, `None` once erased.
    fn key(&self, slot: SlotId) -> Result<Option<Zeroizing<[u8; 32]>>, JournalError> {
        let key = {
            let mut table = self.table();
            if !table.was_given_out(slot) {
                return Err(JournalError::UnknownSlot { slot, last: table.given_out });
            }
            table.key_ahead(slot).cloned()
        };
        let key = match key {
            Some(key) => key,
            None => {
                let mut row = Zeroizing::new([0; ROW_BYTES]);
                self.read_row(slot, &mut row)?;
                let mut key = Zeroizing::new([0; 32]);
                key.copy_from_slice(&row[..32]);
                key
            }
        };
        Ok((*key != [0; 32]).then_some(key))
    }

    fn read_row(&self, slot: SlotId, row: &mut [u8; ROW_BYTES]) -> Result<(), JournalError> {
        let offset = row_offset(slot.0);
        let length = self.file.read_at(row, offset).map_err(JournalError::io("reading a key slot of", &self.path))?;
        // The last chunk may have been torn within a row that was never given out, so a short row is damage.
        if length == ROW_BYTES { Ok(()) } else { Err(JournalError::damaged(&self.path, offset, format!("slot {slot} is cut short"))) }
    }

    fn allocate_in(&self, table: &mut Table) -> Result<SlotId, JournalError> {
        if let Some(error) = self.failed.get() {
            return Err(self.stopped(io::Error::new(error.kind(), Arc::clone(error))));
        }
        if table.marked {
            let header = Header { lookup: self.lookup.clone(), mark: 0 };
            self.file.write_all_at(header.encode().as_slice(), 0).map_err(JournalError::io("writing the header of", &self.path))?;
            self.sync_now()?;
            table.marked = false;
        }
        if table.given_out == table.made {
            // Their keys are about to leave the memory.
            self.write_claimed(table).map_err(JournalError::io("claiming key slots in", &self.path))?;
            let (keys, rows) = seal::new_keys(self.chunk_slots as usize)?;
            self.file.write_all_at(&rows, row_offset(table.made + 1)).map_err(JournalError::io("writing new key slots to", &self.path))?;
            self.sync_now()?;
            table.made += self.chunk_slots;
            table.ahead = keys;
        }
        table.given_out += 1;
        Ok(SlotId(table.given_out))
    }

    /// Writes the identities that are not in the file yet.
    fn write_claimed(&self, table: &mut Table) -> io::Result<()> {
        self.write_rows(table.claimed_rows()?)?;
        table.claimed.clear();
        Ok(())
    }

    fn write_rows(&self, rows: Option<(SlotId, Zeroizing<Vec<u8>>)>) -> io::Result<()> {
        let Some((first, rows)) = rows else { return Ok(()) };
        self.file.write_all_at(&rows, row_offset(first.0))?;
        self.dirty.store(true, Ordering::Release);
        Ok(())
    }

    fn sync_now(&self) -> Result<(), JournalError> {
        let _syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        self.dirty.store(false, Ordering::Release);
        self.file.sync_all().map_err(|error| {
            self.fail(&error);
            self.stopped(error)
        })
    }

    fn fail(&self, error: &io::Error) {
        // An error of the system has no clone; its code says the same.
        let copy = error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error);
        let _ = self.failed.set(Arc::new(copy));
    }

    fn stopped(&self, error: io::Error) -> JournalError {
        JournalError::Poisoned { durable: Sequence::NONE, action: "syncing", path: self.path.clone(), source: Arc::new(error) }
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic can't leave the table half changed: each change is one assignment or one map operation.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeySlots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeySlots").field("path", &self.path).field("given_out", &self.given_out()).finish_non_exhaustive()
    }
}

impl Drop for KeySlots {
    /// Leaves the mark of a clean close. Nothing depends on it: without it a chunk is wasted.
    fn drop(&mut self) {
        let given_out = self.given_out();
        if self.sync().is_ok() && !self.table().marked {
            let header = Header { lookup: self.lookup.clone(), mark: given_out + 1 };
            let _ = self.file.write_all_at(header.encode().as_slice(), 0).and_then(|()| self.file.sync_data());
        }
    }
}
