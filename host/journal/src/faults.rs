//! A disk in memory that fails on demand: power cuts, full disk, failed fsyncs. For tests (feature `faults`).
//!
//! What it assumes of a real disk, and nothing more: bytes are durable after a successful sync of their file, names after a sync of
//! their folder; anything else may be on the disk after a power cut or not, sector by sector, in any order. After a *failed* sync
//! the bytes stay readable and count as clean, so that a later sync succeeds without writing them: what Linux does.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use crate::disk::{Disk, DiskFile};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// The disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    nodes: Vec<Node>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    power_until: Option<u64>,
    capacity_bytes: Option<u64>,
    failing_syncs: Option<String>,
    held_write: Option<Gate>,
}

/// Where a write waits.
#[derive(Debug)]
struct Gate {
    begun: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

/// A write that waits before it does anything; see [`FaultyDisk::hold_next_write`].
#[derive(Debug)]
pub struct HeldWrite {
    begun: mpsc::Receiver<()>,
    go_on: mpsc::Sender<()>,
}

impl HeldWrite {
    /// Waits until somebody is about to write; for ever, if nobody does.
    pub fn wait_for_it(&self) {
        // The other end lies in the disk until a write takes it.
        let _ = self.begun.recv();
    }

    /// Lets the write go on.
    pub fn let_go(self) {
        let _ = self.go_on.send(());
    }
}

#[derive(Debug, Default, Clone)]
struct Node {
    visible: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

fn write(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    let end = offset + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(written);
}

impl Node {
    fn change(&mut self, change: Change) {
        match &change {
            Change::Write(offset, bytes) => write(&mut self.visible, *offset as usize, bytes),
            Change::Length(length) => self.visible.resize(*length as usize, 0),
        }
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            match change {
                Change::Write(offset, bytes) => write(&mut self.durable, offset as usize, &bytes),
                Change::Length(length) => self.durable.resize(length as usize, 0),
            }
        }
    }

    /// Brings some sectors of what is pending to the disk.
    fn sync_some(&mut self, random: &mut fastrand::Rng) {
        let kept_of_8 = *random.choice(&[0, 1, 4, 7, 8]).unwrap_or(&4);
        for change in self.pending.drain(..) {
            match change {
                Change::Write(offset, bytes) => {
                    let mut at = 0;
                    while at < bytes.len() {
                        let start = offset as usize + at;
                        let length = (SECTOR_BYTES - start % SECTOR_BYTES).min(bytes.len() - at);
                        if random.u8(..8) < kept_of_8 {
                            write(&mut self.durable, start, &bytes[at..at + length]);
                        }
                        at += length;
                    }
                }
                Change::Length(length) => {
                    if random.u8(..8) < kept_of_8 {
                        self.durable.resize(length as usize, 0);
                    }
                }
            }
        }
    }
}

impl State {
    /// Counts an operation that changes something, and refuses it without power.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.power_until.is_some_and(|until| self.operations > until) {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        let used: usize = self.names.values().map(|node| self.nodes[*node].visible.len()).sum();
        self.capacity_bytes.map_or(u64::MAX / 2, |capacity| capacity.saturating_sub(used as u64))
    }
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl FaultyDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets every operation that changes something fail after this many more.
    pub fn cut_power_after(&self, operations: u64) {
        let mut state = self.state();
        state.power_until = Some(state.operations + operations);
    }

    /// Whether the power is still on.
    #[must_use]
    pub fn has_power(&self) -> bool {
        let state = self.state();
        state.power_until.is_none_or(|until| state.operations < until)
    }

    /// Operations so far that changed, or were to change, something.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets no file grow once all together hold this many bytes; `None` gives room again.
    pub fn limit_capacity(&self, bytes: Option<u64>) {
        self.state().capacity_bytes = bytes;
    }

    /// Bytes in all files.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let state = self.state();
        state.names.values().map(|node| state.nodes[*node].visible.len() as u64).sum()
    }

    /// Lets every sync of a file fail (EIO) whose name contains `part`, from now on; `None` ends it.
    pub fn fail_syncs_of(&self, part: Option<&str>) {
        self.state().failing_syncs = part.map(str::to_owned);
    }

    /// Holds the next write of bytes, to whichever file, until it is let go.
    #[must_use]
    pub fn hold_next_write(&self) -> HeldWrite {
        let ((begun, was_begun), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
        self.state().held_write = Some(Gate { begun, go_on: may_go_on });
        HeldWrite { begun: was_begun, go_on }
    }

    /// The disk after a power cut now: what was synced, and any part of what was not.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let state = self.state();
        let mut after = State::default();
        let mut names = state.durable_names.clone();
        for (name, node) in &state.names {
            if !names.contains_key(name) && random.bool() {
                names.insert(name.clone(), *node);
            }
        }
        names.retain(|name, _| state.names.contains_key(name) || random.bool());
        for (name, node) in names {
            let mut node = state.nodes[node].clone();
            node.sync_some(&mut random);
            after.names.insert(name.clone(), after.nodes.len());
            after.durable_names.insert(name, after.nodes.len());
            after.nodes.push(Node { visible: node.durable.clone(), durable: node.durable, pending: Vec::new() });
        }
        Self { state: Arc::new(Mutex::new(after)) }
    }
}

struct FaultyFile {
    state: Arc<Mutex<State>>,
    node: usize,
    name: String,
}

impl FaultyFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state();
        let bytes = &state.nodes[self.node].visible;
        let from = bytes.len().min(offset as usize);
        let length = buffer.len().min(bytes.len() - from);
        buffer[..length].copy_from_slice(&bytes[from..from + length]);
        Ok(length)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let held = self.state().held_write.take();
        if let Some(gate) = held {
            let _ = gate.begun.send(());
            let _ = gate.go_on.recv();
        }
        let mut state = self.state();
        state.operate()?;
        let room = state.room();
        let node = &mut state.nodes[self.node];
        let fits = (node.visible.len() as u64 + room).saturating_sub(offset).min(bytes.len() as u64) as usize;
        node.change(Change::Write(offset, bytes[..fits].to_vec()));
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let fails = state.failing_syncs.as_ref().is_some_and(|part| self.name.contains(part));
        let seed = state.operations;
        let node = &mut state.nodes[self.node];
        if fails {
            node.sync_some(&mut fastrand::Rng::with_seed(seed));
            // EIO, as Linux says it.
            return Err(io::Error::from_raw_os_error(5));
        }
        node.sync();
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_length(&self, length_bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.nodes[self.node].change(Change::Length(length_bytes));
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.state().nodes[self.node].visible.len() as u64)
    }
}

struct FaultyLock(FaultyDisk, PathBuf);

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.0.state().locks.remove(&self.1);
    }
}

impl FaultyDisk {
    fn file(&self, path: &Path, node: usize) -> Box<dyn DiskFile> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Box::new(FaultyFile { state: Arc::clone(&self.state), node, name })
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.operate()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = state.nodes.len();
        state.nodes.push(Node::default());
        state.names.insert(path.to_owned(), node);
        drop(state);
        Ok(self.file(path, node))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let node = self.state().names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(path, node))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let State { names, durable_names, .. } = &mut *state;
        durable_names.retain(|path, _| path.parent() != Some(folder));
        durable_names.extend(names.iter().filter(|(path, _)| path.parent() == Some(folder)).map(|(path, node)| (path.clone(), *node)));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        if !self.state().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(FaultyLock(self.clone(), path.to_owned())))
    }
}
