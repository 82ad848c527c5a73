//! The bytes of a segment: header, frames, hash chain. Pure; the golden file in `tests/` pins it.
//!
//! All integers are little endian. The header takes [`HEADER_BYTES`]:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 8 | `SPORTJNL` |
//! | 8 | 4 | format version |
//! | 12 | 4 | CRC-32C of the header's other 60 bytes |
//! | 16 | 8 | ordinal of the segment in its journal, from 1 |
//! | 24 | 8 | sequence of its first record, as in its name |
//! | 32 | 32 | hash of the chain before its first record |
//!
//! A frame is its head and the record:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 4 | length of the record, at most 2^28; the highest bit says that a hash is part of the head |
//! | 4 | 4 | CRC-32C of the frame without this field |
//! | 8 | 8 | *durable*: the highest sequence already fsynced when this frame was made |
//! | 16 | 8 | sequence |
//! | 24 | 32 or 0 | hash of the chain before this record |
//! | … | … | the record |
//!
//! # The chain
//! Records are chained in *links*: the first record of a segment begins one, and whichever comes when the present one has [`LINK_BYTES`] of frames.
//! Its frame carries the hash before it. The hash after a record is BLAKE3 over the hash before its link, then for each record of the link up to
//! and with this one: its length (4 bytes), its sequence (8), itself. So a link is hashed in large pieces, which is several times as fast as
//! hashing each record. *durable* is not part of it, and where links and segments begin follows from the lengths of the records alone
//! ([`Layout`]): it tells what happened, not how the bytes reached the disk, so that two journals of the same records have the same hash.

use crate::Sequence;

/// The format version written. Until the first release it is also raised when an event changes its shape, instead of an upcaster.
pub(crate) const VERSION: u32 = 7;
/// Length of a segment's header.
pub(crate) const HEADER_BYTES: usize = 64;
/// Length of a frame's head without a hash.
pub(crate) const HEAD_BYTES: usize = 24;
/// Length of a hash.
const HASH_BYTES: usize = 32;
/// A link with this many bytes of frames takes no further record.
pub(crate) const LINK_BYTES: u64 = 64 << 10;
/// In the length of a record: the head has a hash.
const WITH_HASH: u32 = 1 << 31;
/// Bytes of records that are hashed in one go: enough for the processor to work on many pieces at once.
const HASHED_AT_ONCE_BYTES: usize = 64 << 10;
/// What a segment starts with.
const MAGIC: [u8; 8] = *b"SPORTJNL";

/// A hash of the chain.
pub(crate) type Hash = [u8; 32];

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) ordinal: u64,
    pub(crate) first: Sequence,
    pub(crate) previous_hash: Hash,
}

/// Why a header can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Written by a newer program.
    Newer(u32),
    /// Written by a build before the first release.
    Older(u32),
    /// Not a header, or a damaged one.
    Broken(&'static str),
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.ordinal.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.get().to_le_bytes());
        bytes[32..].copy_from_slice(&self.previous_hash);
        let checksum = header_checksum(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        if bytes.len() < HEADER_BYTES {
            return Err(BadHeader::Broken("the file is shorter than a segment's header"));
        }
        if bytes[..8] != MAGIC {
            return Err(BadHeader::Broken("the file does not start as a journal segment"));
        }
        // Before the checksum: a newer version may compute that differently.
        let version = read_u32(bytes, 8);
        if version > VERSION {
            return Err(BadHeader::Newer(version));
        }
        if read_u32(bytes, 12) != header_checksum(bytes) {
            return Err(BadHeader::Broken("the checksum of the segment's header is wrong"));
        }
        if version < VERSION {
            return Err(BadHeader::Older(version));
        }
        Ok(Self { ordinal: read_u64(bytes, 16), first: Sequence::new(read_u64(bytes, 24)), previous_hash: read_hash(bytes, 32) })
    }
}

fn header_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..HEADER_BYTES])
}

/// A frame that passed its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'bytes> {
    pub(crate) durable: Sequence,
    pub(crate) sequence: Sequence,
    /// Of the first frame of a link.
    pub(crate) previous_hash: Option<Hash>,
    pub(crate) record: &'bytes [u8],
}

/// Where frames go: decided by the lengths of the records alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    segment_bytes_max: u64,
    /// Where in its segment the next frame goes, unless that has reached its limit.
    offset: u64,
    /// Frames in the present link, in bytes.
    link_bytes: u64,
}

impl Layout {
    /// At the beginning of a segment.
    pub(crate) fn new(segment_bytes_max: u64) -> Self {
        Self { segment_bytes_max, offset: HEADER_BYTES as u64, link_bytes: 0 }
    }

    /// The same place, in a segment of another limit.
    pub(crate) fn limited_to(self, segment_bytes_max: u64) -> Self {
        Self { segment_bytes_max, ..self }
    }

    /// Goes behind the frame of a record; tells whether that begins a link.
    pub(crate) fn place(&mut self, record_bytes: usize) -> bool {
        if self.offset >= self.segment_bytes_max {
            *self = Self::new(self.segment_bytes_max);
        }
        let begins_link = self.offset == HEADER_BYTES as u64 || self.link_bytes >= LINK_BYTES;
        if begins_link {
            self.link_bytes = 0;
        }
        let frame_bytes = (HEAD_BYTES + if begins_link { HASH_BYTES } else { 0 } + record_bytes) as u64;
        self.offset += frame_bytes;
        self.link_bytes += frame_bytes;
        begins_link
    }
}

/// The hash chain, as it grows.
pub(crate) struct Chain {
    /// Before the present link.
    before: Hash,
    /// Records of the present link.
    records: u64,
    hasher: blake3::Hasher,
    /// What the hasher is still to be given.
    waiting: Vec<u8>,
}

impl Chain {
    /// A link begins after this hash.
    pub(crate) fn after(hash: Hash) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&hash);
        Self { before: hash, records: 0, hasher, waiting: Vec::new() }
    }

    /// Takes a record into the present link.
    pub(crate) fn take(&mut self, sequence: Sequence, record: &[u8]) {
        self.records += 1;
        // Records are shorter than 4 GiB.
        self.waiting.extend_from_slice(&(record.len() as u32).to_le_bytes());
        self.waiting.extend_from_slice(&sequence.get().to_le_bytes());
        self.waiting.extend_from_slice(record);
        if self.waiting.len() >= HASHED_AT_ONCE_BYTES {
            self.hash_waiting();
        }
    }

    /// The hash after the last record.
    pub(crate) fn hash(&mut self) -> Hash {
        if self.records == 0 {
            return self.before;
        }
        self.hash_waiting();
        *self.hasher.finalize().as_bytes()
    }

    /// Ends the present link; the hash after it.
    pub(crate) fn begin_link(&mut self) -> Hash {
        let hash = self.hash();
        self.hasher.reset();
        self.hasher.update(&hash);
        self.before = hash;
        self.records = 0;
        hash
    }

    fn hash_waiting(&mut self) {
        self.hasher.update(&self.waiting);
        self.waiting.clear();
    }
}

/// What stands at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded<'bytes> {
    /// A good frame.
    Frame(Frame<'bytes>),
    /// The frame may be good, but needs this many bytes to tell.
    Needs(usize),
    /// Complete, and its checksum is wrong.
    Bad,
}

/// Appends the frame of `record` to `buffer`, without hash and checksum: [`complete`] adds them.
pub(crate) fn frame(buffer: &mut Vec<u8>, durable: Sequence, sequence: Sequence, begins_link: bool, record: &[u8]) {
    // The caller has checked the record against a limit of 256 MiB.
    let length = record.len() as u32 | if begins_link { WITH_HASH } else { 0 };
    let mut head = [0; HEAD_BYTES + HASH_BYTES];
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[8..16].copy_from_slice(&durable.get().to_le_bytes());
    head[16..24].copy_from_slice(&sequence.get().to_le_bytes());
    let head = &head[..head_bytes(length)];
    buffer.reserve(head.len() + record.len());
    buffer.extend_from_slice(head);
    buffer.extend_from_slice(record);
}

/// Completes a frame made by [`frame`], and takes its record into the chain.
pub(crate) fn complete(frame: &mut [u8], chain: &mut Chain) {
    let head_bytes = head_bytes(read_u32(frame, 0));
    if head_bytes > HEAD_BYTES {
        frame[HEAD_BYTES..head_bytes].copy_from_slice(&chain.begin_link());
    }
    let checksum = frame_checksum(frame);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
    chain.take(Sequence::new(read_u64(frame, 16)), &frame[head_bytes..]);
}

/// Reads the frame at the start of `bytes`.
///
/// A damaged length may ask for up to 2 GiB: the caller compares it with what the file still holds.
pub(crate) fn decode(bytes: &[u8]) -> Decoded<'_> {
    if bytes.len() < HEAD_BYTES {
        return Decoded::Needs(HEAD_BYTES);
    }
    let (total, sequence) = claimed(bytes);
    if bytes.len() < total {
        return Decoded::Needs(total);
    }
    let bytes = &bytes[..total];
    if read_u32(bytes, 4) != frame_checksum(bytes) {
        return Decoded::Bad;
    }
    let head_bytes = head_bytes(read_u32(bytes, 0));
    Decoded::Frame(Frame {
        durable: Sequence::new(read_u64(bytes, 8)),
        sequence,
        previous_hash: (head_bytes > HEAD_BYTES).then(|| read_hash(bytes, HEAD_BYTES)),
        record: &bytes[head_bytes..],
    })
}

/// The length a frame claims to have with its record, and the sequence it claims; unchecked. `bytes` holds [`HEAD_BYTES`].
pub(crate) fn claimed(bytes: &[u8]) -> (usize, Sequence) {
    let length = read_u32(bytes, 0);
    (head_bytes(length) + (length & !WITH_HASH) as usize, Sequence::new(read_u64(bytes, 16)))
}

/// The length of a head, by its first field.
fn head_bytes(length: u32) -> usize {
    if length & WITH_HASH == 0 { HEAD_BYTES } else { HEAD_BYTES + HASH_BYTES }
}

fn frame_checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..])
}

fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(number)
}

fn read_u64(bytes: &[u8], offset: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(number)
}

fn read_hash(bytes: &[u8], offset: usize) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(&bytes[offset..offset + 32]);
    hash
}
