//! Reading durable records, checking each on the way.

use std::path::PathBuf;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;

use crate::disk::{Disk, DiskFile};
use crate::format::{self, Chain, Decoded, HEAD_BYTES, HEADER_BYTES, Header};
use crate::recovery::bad_header;
use crate::segment::{SegmentEntry, Shared, lock};
use crate::{JournalError, Record, Sequence, VerifyReport};

/// Bytes read at a time.
const READ_BYTES: usize = 256 << 10;
/// Records between two calls of `progress`.
const PROGRESS_RECORDS: u64 = 4096;

/// Walks the records `from..=until`.
pub(crate) struct Reader {
    disk: Arc<dyn Disk>,
    segments: IntoIter<SegmentEntry>,
    open: Option<OpenSegment>,
    from: Sequence,
    /// The next record in the files.
    next: Sequence,
    until: Sequence,
    /// The chain before `next`; not known from where records were skipped to where the next link begins.
    chain: Option<Chain>,
    segments_read: u64,
}

/// A window that moves over a segment.
struct OpenSegment {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    buffer: Vec<u8>,
    /// Where in the buffer the next frame starts.
    at: usize,
    /// Where in the file that is.
    offset: u64,
}

impl Reader {
    pub(crate) fn new(shared: &Shared, from: Sequence) -> Result<Self, JournalError> {
        let until = shared.durable();
        let from = from.max(Sequence::FIRST);
        if from > until.next() {
            return Err(JournalError::BeyondEnd { asked: from, durable: until });
        }
        let segments = lock(&shared.segments);
        // The first segment starts at 1, so there is one at or before `from`.
        let place = segments.partition_point(|entry| entry.first <= from).saturating_sub(1);
        let mut needed: Vec<SegmentEntry> = Vec::with_capacity(segments.len() - place);
        for entry in &segments[place..] {
            let (path, marks) = (entry.path.clone(), Vec::new());
            needed.push(SegmentEntry { path, ordinal: entry.ordinal, first: entry.first, marks });
        }
        let near = segments.get(place).and_then(|entry| {
            let marks = &entry.marks;
            marks[..marks.partition_point(|mark| mark.0 <= from)].last().copied()
        });
        drop(segments);
        let next = needed.first().map_or(from, |entry| entry.first);
        let mut reader = Self {
            disk: Arc::clone(&shared.disk),
            segments: needed.into_iter(),
            open: None,
            from,
            next,
            until,
            chain: None,
            segments_read: 0,
        };
        if from <= until
            && reader.open_next()?
            && let (Some((sequence, offset)), Some(open)) = (near, reader.open.as_mut())
        {
            reader.next = sequence;
            reader.chain = None;
            open.jump(offset);
        }
        Ok(reader)
    }

    /// Goes to the next segment and checks that it continues the chain.
    fn open_next(&mut self) -> Result<bool, JournalError> {
        let Some(entry) = self.segments.next() else {
            return Ok(false);
        };
        let path = entry.path;
        let file = self.disk.open(&path).map_err(JournalError::io("opening", &path))?;
        let mut bytes = [0; HEADER_BYTES];
        let filled = file.read_at(&mut bytes, 0).map_err(JournalError::io("reading", &path))?;
        let header = Header::decode(&bytes[..filled]).map_err(|bad| bad_header(&path, bad))?;
        if header.first != self.next || header.first != entry.first || header.ordinal != entry.ordinal {
            let reason = format!("the segment starts with sequence {}, {} was expected", header.first, self.next);
            return Err(JournalError::damaged(&path, 24, reason));
        }
        if self.chain.as_mut().is_some_and(|chain| chain.hash() != header.previous_hash) {
            return Err(JournalError::damaged(&path, 32, format!("the hash chain breaks before sequence {}", self.next)));
        }
        self.chain = Some(Chain::after(header.previous_hash));
        self.segments_read += 1;
        self.open = Some(OpenSegment { file, path, buffer: Vec::new(), at: 0, offset: HEADER_BYTES as u64 });
        Ok(true)
    }

    fn step(&mut self) -> Result<Option<Record>, JournalError> {
        while self.next <= self.until {
            let Some(open) = &mut self.open else {
                return Ok(None);
            };
            if !open.fill(HEAD_BYTES)? {
                let rest = open.rest();
                if rest > 0 {
                    return Err(open.damaged(format!("the segment ends within record {}", self.next)));
                }
                let (path, offset) = (open.path.clone(), open.offset);
                if !self.open_next()? {
                    return Err(JournalError::damaged(&path, offset, format!("the journal ends before durable record {}", self.next)));
                }
                continue;
            }
            let (length, sequence) = format::claimed(open.bytes());
            if sequence != self.next {
                return Err(open.damaged(format!("sequence {sequence} stands where {} should", self.next)));
            }
            if self.next < self.from {
                open.jump(open.offset + length as u64);
                self.next = self.next.next();
                self.chain = None;
                continue;
            }
            if !open.fill(length)? {
                return Err(open.damaged(format!("record {} runs past the end of the segment", self.next)));
            }
            let Decoded::Frame(frame) = format::decode(open.bytes()) else {
                return Err(open.damaged(format!("the checksum of record {} is wrong", self.next)));
            };
            if let Some(hash) = frame.previous_hash {
                if self.chain.as_mut().is_some_and(|chain| chain.begin_link() != hash) {
                    return Err(open.damaged(format!("the hash chain breaks at record {}", self.next)));
                }
                self.chain.get_or_insert_with(|| Chain::after(hash));
            }
            if let Some(chain) = &mut self.chain {
                chain.take(sequence, frame.record);
            }
            let record = Record { sequence, bytes: Bytes::copy_from_slice(frame.record) };
            open.advance(length);
            self.next = self.next.next();
            return Ok(Some(record));
        }
        Ok(None)
    }

    /// Walks to the end.
    pub(crate) fn verify(mut self, progress: &mut dyn FnMut(u64)) -> Result<VerifyReport, JournalError> {
        let mut report = VerifyReport { records: 0, segments: 0, bytes: 0, last: Sequence::NONE, hash: [0; 32] };
        while let Some(record) = self.step()? {
            report.records += 1;
            report.bytes += record.bytes.len() as u64;
            report.last = record.sequence;
            if report.records.is_multiple_of(PROGRESS_RECORDS) {
                progress(record.sequence.get());
            }
        }
        report.hash = self.chain.as_mut().map(Chain::hash).unwrap_or_default();
        report.segments = self.segments_read;
        progress(report.last.get());
        Ok(report)
    }
}

impl Iterator for Reader {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step().transpose();
        if matches!(item, Some(Err(_))) {
            // Nothing after damage is given.
            self.until = Sequence::NONE;
        }
        item
    }
}

impl OpenSegment {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    fn rest(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// Gets at least `wanted` bytes into the window; `false` when the file has fewer.
    fn fill(&mut self, wanted: usize) -> Result<bool, JournalError> {
        if self.rest() >= wanted {
            return Ok(true);
        }
        let end = self.offset + self.rest() as u64;
        let left = self.file.length().map_err(JournalError::io("reading", &self.path))?.saturating_sub(end);
        // Not more than the file has: a damaged length may claim 4 GiB.
        let more = (READ_BYTES.max(wanted) as u64).min(left) as usize;
        self.buffer.drain(..self.at);
        self.at = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + more, 0);
        let filled = self.file.read_at(&mut self.buffer[kept..], end).map_err(JournalError::io("reading", &self.path))?;
        self.buffer.truncate(kept + filled);
        Ok(self.buffer.len() >= wanted)
    }

    fn advance(&mut self, length: usize) {
        self.at += length;
        self.offset += length as u64;
    }

    /// Goes to an offset of the file at or after the present one.
    fn jump(&mut self, offset: u64) {
        let distance = (offset - self.offset) as usize;
        if distance <= self.rest() {
            self.at += distance;
        } else {
            self.buffer.clear();
            self.at = 0;
        }
        self.offset = offset;
    }

    fn damaged(&self, reason: String) -> JournalError {
        JournalError::damaged(&self.path, self.offset, reason)
    }
}
