//! What opening does: find the segments, walk the last one, cut off a torn tail, refuse damage.

use std::path::{Path, PathBuf};

use crate::commit::{Active, create_segment, segment_name};
use crate::disk::{Disk, DiskFile};
use crate::format::{self, BadHeader, Chain, Decoded, HEAD_BYTES, HEADER_BYTES, Header, Layout, VERSION};
use crate::segment::{SegmentEntry, TornTail};
use crate::{JournalError, Sequence};

/// A journal ready to go on.
pub(crate) struct Recovered {
    pub(crate) last: Sequence,
    pub(crate) chain: Chain,
    pub(crate) layout: Layout,
    pub(crate) segments: Vec<SegmentEntry>,
    pub(crate) active: Active,
    pub(crate) torn: Option<TornTail>,
}

/// The unit a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Opens what is in the folder, or starts a journal there.
pub(crate) fn recover(disk: &dyn Disk, folder: &Path, segment_bytes_max: u64) -> Result<Recovered, JournalError> {
    let mut names = disk.list(folder).map_err(JournalError::io("listing", folder))?;
    names.retain(|name| name.ends_with(".segment"));
    names.sort_unstable();
    let mut torn = None;
    // A segment being made when the power went has no header and no records. Its predecessor is complete.
    if let Some(name) = names.last()
        && let Some(cut) = remove_unborn(disk, folder, &folder.join(name))?
    {
        torn = Some(cut);
        names.pop();
    }
    let mut entries: Vec<SegmentEntry> = Vec::with_capacity(names.len());
    for name in &names {
        entries.push(check_header(disk, folder, name, entries.last())?);
    }
    let Some(entry) = entries.last_mut() else {
        let header = Header { ordinal: 1, first: Sequence::FIRST, previous_hash: [0; 32] };
        let active = create_segment(disk, folder, header).map_err(|(action, path, error)| JournalError::io(action, &path)(error))?;
        let segments = vec![SegmentEntry { path: active.path.clone(), ordinal: 1, first: Sequence::FIRST, marks: Vec::new() }];
        let (chain, layout) = (Chain::after([0; 32]), Layout::new(segment_bytes_max));
        return Ok(Recovered { last: Sequence::NONE, chain, layout, segments, active, torn });
    };
    let (file, bytes) = read_whole(disk, &entry.path)?;
    let walked = walk(&bytes, entry)?;
    if let Some(cut_bytes) = walked.torn_bytes {
        torn = Some(TornTail { segment: entry.path.clone(), offset: walked.end as u64, bytes: cut_bytes });
    }
    let recovered = make_durable(file.as_ref(), &bytes, &walked).and_then(|()| disk.sync_folder(folder));
    recovered.map_err(JournalError::io("recovering", &entry.path))?;
    let active = Active {
        file,
        path: entry.path.clone(),
        ordinal: entry.ordinal,
        offset: walked.end as u64,
        zeros_until: if walked.torn_bytes.is_some() { walked.end } else { bytes.len() } as u64,
    };
    Ok(Recovered {
        last: walked.last,
        chain: walked.chain,
        layout: walked.layout.limited_to(segment_bytes_max),
        segments: entries,
        active,
        torn,
    })
}

/// Makes sure that what was found is on the disk, and that what is cut off is not.
///
/// After a failed fsync the kernel may hold pages that it counts as clean and that never reached the disk: reading shows them,
/// and fsync does nothing for them. So every record that no later one proves durable is written again, and the header when there is
/// no proof for it. The segment's name may be in memory only, too: the caller syncs the folder.
fn make_durable(file: &dyn DiskFile, bytes: &[u8], walked: &Walked) -> std::io::Result<()> {
    if walked.torn_bytes.is_some() {
        file.set_length(walked.end as u64)?;
    }
    file.write_all_at(&bytes[walked.unproven..walked.end], walked.unproven as u64)?;
    file.sync_all()
}

fn read_whole(disk: &dyn Disk, path: &Path) -> Result<(Box<dyn DiskFile>, Vec<u8>), JournalError> {
    let file = disk.open(path).map_err(JournalError::io("opening", path))?;
    let mut bytes = vec![0; file.length().map_err(JournalError::io("reading", path))? as usize];
    let filled = file.read_at(&mut bytes, 0).map_err(JournalError::io("reading", path))?;
    bytes.truncate(filled);
    Ok((file, bytes))
}

/// Removes the last segment if it never became one, and tells what was cut.
fn remove_unborn(disk: &dyn Disk, folder: &Path, path: &Path) -> Result<Option<TornTail>, JournalError> {
    let file = disk.open(path).map_err(JournalError::io("opening", path))?;
    let mut header = [0; HEADER_BYTES];
    let filled = file.read_at(&mut header, 0).map_err(JournalError::io("reading", path))?;
    if !matches!(Header::decode(&header[..filled]), Err(BadHeader::Broken(_))) {
        return Ok(None);
    }
    let (_, bytes) = read_whole(disk, path)?;
    // The header is synced before the first record is written: anything behind it means that it was once good.
    if bytes.len() > HEADER_BYTES && !is_zero(&bytes[HEADER_BYTES..]) {
        return Err(JournalError::damaged(path, 0, "the segment's header is damaged, and records follow it"));
    }
    disk.remove(path).and_then(|()| disk.sync_folder(folder)).map_err(JournalError::io("removing the unfinished segment", path))?;
    Ok(Some(TornTail { segment: path.to_owned(), offset: 0, bytes: meaningful(&bytes) }))
}

fn check_header(disk: &dyn Disk, folder: &Path, name: &str, before: Option<&SegmentEntry>) -> Result<SegmentEntry, JournalError> {
    let path = folder.join(name);
    let file = disk.open(&path).map_err(JournalError::io("opening", &path))?;
    let mut bytes = [0; HEADER_BYTES];
    let filled = file.read_at(&mut bytes, 0).map_err(JournalError::io("reading", &path))?;
    let header = Header::decode(&bytes[..filled]).map_err(|bad| bad_header(&path, bad))?;
    if *name != segment_name(header.first) {
        return Err(JournalError::damaged(
            &path,
            24,
            format!("the segment starts with sequence {}, its name says otherwise", header.first),
        ));
    }
    let expected = before.map_or(1, |before| before.ordinal + 1);
    if header.ordinal != expected {
        let reason = format!("this is segment {} of the journal, but segment {expected} is missing before it", header.ordinal);
        return Err(JournalError::damaged(&path, 16, reason));
    }
    if before.is_none() && header.first != Sequence::FIRST {
        return Err(JournalError::damaged(&path, 24, format!("the first segment starts with sequence {}, not 1", header.first)));
    }
    Ok(SegmentEntry { path, ordinal: header.ordinal, first: header.first, marks: Vec::new() })
}

/// The error for a header that can't be used.
pub(crate) fn bad_header(path: &Path, bad: BadHeader) -> JournalError {
    match bad {
        BadHeader::Newer(found) => JournalError::NewerFormat { path: path.to_owned(), found, supported: VERSION },
        BadHeader::Older(found) => JournalError::OlderFormat { path: path.to_owned(), found, supported: VERSION },
        BadHeader::Broken(reason) => JournalError::damaged(path, 0, reason),
    }
}

/// The last segment, walked.
struct Walked {
    last: Sequence,
    chain: Chain,
    layout: Layout,
    /// Where the records end.
    end: usize,
    /// From where on nothing proves the bytes durable: a record, or 0 for the header.
    unproven: usize,
    /// What follows the end and is not zeros, without trailing zeros.
    torn_bytes: Option<u64>,
}

fn walk(bytes: &[u8], entry: &mut SegmentEntry) -> Result<Walked, JournalError> {
    let path: PathBuf = entry.path.clone();
    let header = Header::decode(bytes).map_err(|bad| bad_header(&path, bad))?;
    let mut offset = HEADER_BYTES;
    let mut next = header.first;
    let (mut chain, mut layout) = (Chain::after(header.previous_hash), Layout::new(u64::MAX));
    let mut proven = Sequence::NONE;
    while let Decoded::Frame(frame) = format::decode(&bytes[offset..]) {
        if frame.sequence != next {
            return Err(JournalError::damaged(&path, offset as u64, format!("sequence {} stands where {next} should", frame.sequence)));
        }
        if frame.previous_hash.is_some_and(|hash| hash != chain.begin_link()) {
            return Err(JournalError::damaged(&path, offset as u64, format!("the hash chain breaks at sequence {next}")));
        }
        if layout.place(frame.record.len()) != frame.previous_hash.is_some() {
            let reason = format!("record {next} names the hash before it and should not, or should and does not");
            return Err(JournalError::damaged(&path, offset as u64, reason));
        }
        entry.mark(next, offset as u64);
        proven = proven.max(frame.durable);
        chain.take(next, frame.record);
        next = next.next();
        offset += format::claimed(&bytes[offset..]).0;
    }
    let rest = &bytes[offset..];
    let torn_bytes = if is_zero(rest) {
        None
    } else {
        refuse_damage(bytes, offset, next, &path)?;
        Some(meaningful(rest))
    };
    let mut unproven = 0;
    let mut sequence = header.first;
    while sequence <= proven && unproven < offset {
        unproven = unproven.max(HEADER_BYTES);
        unproven += format::claimed(&bytes[unproven..]).0;
        sequence = sequence.next();
    }
    // `next` is at least 1.
    Ok(Walked { last: Sequence::new(next.get() - 1), chain, layout, end: offset, unproven, torn_bytes })
}

/// Tells a torn tail from damage, at `offset`, where the record `expected` should be and is not.
fn refuse_damage(bytes: &[u8], offset: usize, expected: Sequence, path: &Path) -> Result<(), JournalError> {
    let mut at = offset + 1;
    let mut first_good = None;
    while at + HEAD_BYTES <= bytes.len() {
        let (length, sequence) = format::claimed(&bytes[at..]);
        // Most places are ruled out by this, before any checksum: a sequence that could stand here.
        let possible = sequence > expected && sequence.get() - expected.get() <= (bytes.len() / HEAD_BYTES) as u64;
        if possible
            && at + length <= bytes.len()
            && let Decoded::Frame(frame) = format::decode(&bytes[at..])
        {
            first_good.get_or_insert((at, frame.sequence));
            if frame.durable >= expected {
                let reason = format!("record {expected} is damaged; it was durable before record {} at {at} was written", frame.sequence);
                return Err(JournalError::damaged(path, offset as u64, reason));
            }
            at += length;
        } else {
            at += 1;
        }
    }
    match first_good {
        // Both belong to the last group, whose sectors reach the disk in any order: a missing one has left its zeros.
        Some((at, good)) if !has_zero_sector(bytes, offset, at) => {
            let reason = format!("record {expected} is damaged, record {good} at {at} is good, and no sector between is missing");
            Err(JournalError::damaged(path, offset as u64, reason))
        }
        _ => Ok(()),
    }
}

/// Whether the part of some sector that lies in `from..to` is all zeros.
fn has_zero_sector(bytes: &[u8], from: usize, to: usize) -> bool {
    let mut start = from;
    while start < to {
        let end = (start / SECTOR_BYTES + 1) * SECTOR_BYTES;
        if is_zero(&bytes[start..end.min(to)]) {
            return true;
        }
        start = end;
    }
    false
}

fn is_zero(bytes: &[u8]) -> bool {
    // In words: this runs over whole segments.
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

/// Length without trailing zeros.
fn meaningful(bytes: &[u8]) -> u64 {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}
