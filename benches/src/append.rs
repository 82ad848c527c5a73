//! Durable append against a raw file.
//!
//! A commit of ours: for 64 or 512 interactions of 512 bytes take a key slot, seal the words under it, encode the event, append the record;
//! then wait until all are durable. A raw commit: write as many bytes to a file with one call, fdatasync. They alternate, one
//! by one, in one process and on one disk, so that both see the same weather. Two raw files: one that grows as any file does (the reference of the budget), and
//! one filled with zeros beforehand (as fast as the disk can be).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sportello_core::domain::interaction::{Change, InteractionReceived};
use sportello_core::event::Event;
use sportello_core::ids::{ChannelName, ConversationId, Fingerprint, InteractionId, ProfileId, SlotId, SubjectId};
use sportello_core::time::Timestamp;
use sportello_journal::{Journal as _, JournalOptions, KeySlots, SEAL_OVERHEAD_BYTES, SegmentJournal, SlotOptions};
use sportello_server::tenant::TenantRecord;

use crate::measured::Measured;
use crate::samples::{Paired, median};
use crate::{Plan, Problem};

/// Bytes of an interaction's words.
pub(crate) const ITEM_BYTES: usize = 512;
/// What the journal adds to a record, but for the first of a link; see the module `format` of the journal.
const FRAME_BYTES: usize = 24;
const FLOOR: f64 = 0.7;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Measured>, Problem> {
    [64, 512].into_iter().map(|batch| measure(plan, batch)).collect()
}

fn measure(plan: &Plan, batch: usize) -> Result<Measured, Problem> {
    let (commits, warm_up) = if plan.quick { (200, 20) } else { (1_000, 40) };
    let folder = tempfile::Builder::new().prefix("bench-append-").tempdir_in(&plan.folder)?;
    let mut appender = Appender::open(folder.path())?;
    // Once more than is measured: how many bytes a commit has.
    let (_, bytes) = appender.commit(batch)?;
    let raw_bytes = vec![0x5a; bytes];
    let mut growing = Raw::new(&folder.path().join("growing"), 0)?;
    let mut filled = Raw::new(&folder.path().join("filled"), bytes * (commits + warm_up))?;
    let mut against_growing = Paired::default();
    let mut against_filled = Paired::default();
    for round in 0..commits + warm_up {
        // Each goes first in turn.
        let mut measured = [Duration::ZERO; 3];
        for turn in 0..3 {
            let which = (round + turn) % 3;
            measured[which] = match which {
                0 => appender.commit(batch)?.0,
                1 => growing.commit(&raw_bytes)?,
                _ => filled.commit(&raw_bytes)?,
            };
        }
        if round >= warm_up {
            against_growing.push(measured[0], measured[1]);
            against_filled.push(measured[0], measured[2]);
        }
    }
    let (growing, filled) = (against_growing.ratio(), against_filled.ratio());
    let note = format!("{bytes} bytes a commit; of sums {:.2}; against a file of zeros {:.2}", growing.of_sums, filled.of_medians);
    let microseconds = |times: &[Duration]| median(times) * 1e6;
    Ok(Measured::reported(format!("append-{batch}"), microseconds(&against_growing.ours), "us a commit", note).against_paired(
        microseconds(&against_growing.reference),
        growing,
        FLOOR,
    ))
}

/// The journal with its key slots, opened as a tenant opens them.
struct Appender {
    journal: SegmentJournal,
    slots: Arc<KeySlots>,
    channel: ChannelName,
}

impl Appender {
    fn open(folder: &Path) -> Result<Self, Problem> {
        let slots = Arc::new(KeySlots::open(&folder.join("keys.slots"), SlotOptions::default())?);
        let options = JournalOptions { before_write: Some(slots.before_write()), ..JournalOptions::default() };
        let (journal, _) = SegmentJournal::open(&folder.join("journal"), options)?;
        let appender = Self { journal, slots, channel: ChannelName::new("facebook-page")? };
        // What is measured must be what the product writes: its own reader has to understand it.
        let read = TenantRecord::decode(&appender.record(sportello_journal::SlotId(1), vec![0; ITEM_BYTES + SEAL_OVERHEAD_BYTES]))?;
        match read.events.as_slice() {
            [Ok(event)] if event.word() == "interaction.received" => Ok(appender),
            other => Err(format!("the record that is appended is not what a tenant reads: {other:?}").into()),
        }
    }

    /// How long it took, and how many bytes went to the disk.
    fn commit(&mut self, batch: usize) -> Result<(Duration, usize), Problem> {
        let start = Instant::now();
        let mut bytes = 0;
        let mut last = self.journal.durable();
        for _ in 0..batch {
            let slot = self.slots.allocate()?;
            let sealed = self.slots.seal(slot, &slot.0.to_le_bytes(), &[b'a'; ITEM_BYTES])?;
            let record = self.record(slot, sealed);
            bytes += FRAME_BYTES + record.len();
            last = self.journal.append(&record)?;
        }
        self.journal.wait_durable(last)?;
        Ok((start.elapsed(), bytes))
    }

    fn record(&self, slot: sportello_journal::SlotId, sealed: Vec<u8>) -> Vec<u8> {
        let event = Event::from(InteractionReceived {
            interaction: InteractionId(slot.0),
            identity: Fingerprint([1; 16]),
            channel: self.channel.clone(),
            subject: SubjectId(slot.0),
            change: Change::Created,
            names_author: false,
            kind: "comment".to_owned(),
            profile: Some(ProfileId(slot.0)),
            conversation: ConversationId(slot.0),
            own: false,
            private: false,
            summons: false,
            in_reply_to: None,
            occurred_at: Timestamp(1_795_000_000_000),
            slot: SlotId(slot.0),
            sealed,
            received_at: Timestamp(1_795_000_000_000),
            erase_at: None,
        });
        // The head of a tenant's record, as the server documents it.
        const ACTOR: &[u8] = b"channel:facebook-page";
        let mut record = Vec::with_capacity(1_024);
        record.push(1);
        record.extend_from_slice(&1_795_000_000_000_i64.to_le_bytes());
        record.push(ACTOR.len() as u8);
        record.extend_from_slice(ACTOR);
        record.extend_from_slice(&1_u16.to_le_bytes());
        event.encode(&mut record);
        record
    }
}

/// The other side: a file, and nothing but bytes.
struct Raw {
    file: File,
    offset: u64,
}

impl Raw {
    fn new(path: &Path, zeros_bytes: usize) -> std::io::Result<Self> {
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
