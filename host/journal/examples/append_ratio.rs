//! Durable append against a raw file: `cargo run --release -p sportello-journal --example append_ratio [folder]`.
//!
//! A commit of ours is: seal 64 or 512 items of 512 bytes, each under a key of its own, append them, wait until they are durable.
//! A raw commit is: write the same number of bytes to a file with one call, fdatasync. They alternate, one by one, in one process and on one
//! disk, so that both see the same weather; the ratio is raw time over our time, of medians and of sums. Two raw files: one that
//! grows as any file does (the reference of the budget), and one filled with zeros beforehand (as fast as the disk can be).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sportello_journal::{Journal, JournalError, JournalOptions, KeySlots, SEAL_OVERHEAD_BYTES, SegmentJournal, SlotId, SlotOptions};

const ITEM_BYTES: usize = 512;
const FRAME_BYTES: usize = 56;
const COMMITS: usize = 400;
const WARM_UP: usize = 40;

struct Raw {
    file: File,
    offset: u64,
}

impl Raw {
    fn new(path: PathBuf, zeros_bytes: usize) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
        let zeros = vec![0; 1 << 20];
        for megabyte in 0..zeros_bytes.div_ceil(zeros.len()) {
            file.write_all_at(&zeros, (megabyte * zeros.len()) as u64)?;
        }
        file.sync_all()?;
        Ok(Self { file, offset: 0 })
    }

    fn commit(&mut self, bytes: &[u8]) -> std::io::Result<Duration> {
        let start = Instant::now();
        self.file.write_all_at(bytes, self.offset)?;
        self.file.sync_data()?;
        self.offset += bytes.len() as u64;
        Ok(start.elapsed())
    }
}

fn commit(journal: &SegmentJournal, slots: &KeySlots, ids: &[SlotId], item: &[u8]) -> Result<Duration, JournalError> {
    let start = Instant::now();
    let mut last = journal.durable();
    for id in ids {
        let sealed = slots.seal(*id, &id.0.to_le_bytes(), item)?;
        last = journal.append(&sealed)?;
    }
    journal.wait_durable(last)?;
    Ok(start.elapsed())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn run(folder: &Path, batch: usize) -> Result<(), Box<dyn std::error::Error>> {
    let bytes = vec![0x5a; batch * (FRAME_BYTES + ITEM_BYTES + SEAL_OVERHEAD_BYTES)];
    let item = [0x5a; ITEM_BYTES];
    let slots = Arc::new(KeySlots::open(&folder.join("keys.slots"), SlotOptions { chunk_slots: 1 << 18 })?);
    let options = JournalOptions { before_write: Some(slots.before_write()), ..JournalOptions::default() };
    let (journal, _) = SegmentJournal::open(&folder.join("journal"), options)?;
    let mut growing = Raw::new(folder.join("growing"), 0)?;
    let mut filled = Raw::new(folder.join("filled"), bytes.len() * (COMMITS + WARM_UP))?;
    let mut times: [Vec<Duration>; 3] = Default::default();
    let mut cpu: Vec<Duration> = Vec::new();
    for round in 0..COMMITS + WARM_UP {
        let ids = (0..batch).map(|_| slots.allocate()).collect::<Result<Vec<_>, _>>()?;
        let start = Instant::now();
        for id in &ids {
            std::hint::black_box(slots.seal(*id, &id.0.to_le_bytes(), &item)?);
        }
        let sealing = start.elapsed();
        // Each goes first in turn.
        let mut measured = [Duration::ZERO; 3];
        for turn in 0..3 {
            let which = (round + turn) % 3;
            measured[which] = match which {
                0 => commit(&journal, &slots, &ids, &item)?,
                1 => growing.commit(&bytes)?,
                _ => filled.commit(&bytes)?,
            };
        }
        if round >= WARM_UP {
            cpu.push(sealing);
            for (times, measured) in times.iter_mut().zip(measured) {
                times.push(measured);
            }
        }
    }
    let sums: Vec<f64> = times.iter().map(|times| times.iter().sum::<Duration>().as_secs_f64()).collect();
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times).as_secs_f64()).collect();
    println!(
        "batch {batch:>3}: ours {:>4.0} us, raw growing {:>4.0} us, raw zero-filled {:>4.0} us (medians); sealing alone {:>3.0} us",
        medians[0] * 1e6,
        medians[1] * 1e6,
        medians[2] * 1e6,
        median(&mut cpu).as_secs_f64() * 1e6
    );
    println!(
        "           ratio to growing {:.2} (sums {:.2}), floor 0.70; to zero-filled {:.2} (sums {:.2})",
        medians[1] / medians[0],
        sums[1] / sums[0],
        medians[2] / medians[0],
        sums[2] / sums[0]
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    for batch in [64, 512] {
        let folder = tempfile::tempdir_in(&parent)?;
        run(folder.path(), batch)?;
    }
    Ok(())
}
