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
//! A frame is [`FRAME_BYTES`] and the record:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 4 | length of the record |
//! | 4 | 4 | CRC-32C of the frame without this field |
//! | 8 | 8 | *durable*: the highest sequence already fsynced when this frame was made |
//! | 16 | 8 | sequence |
//! | 24 | 32 | hash of the chain before this record |
//! | 56 | … | the record |
//!
//! The chain's hash after a record is SHA-256 over bytes 16 to the end of its frame: sequence, previous hash, record. *durable* is
//! not part of it: it tells how the bytes reached the disk, not what happened, so that two journals of the same records have the
//! same hash.

use ring::digest::{SHA256, digest};

use crate::Sequence;

/// The format version written.
pub(crate) const VERSION: u32 = 1;
/// Length of a segment's header.
pub(crate) const HEADER_BYTES: usize = 64;
/// Length of a frame without its record.
pub(crate) const FRAME_BYTES: usize = 56;
/// What a segment starts with.
const MAGIC: [u8; 8] = *b"SPORTJNL";
/// Where what the hash covers starts in a frame.
const HASHED_FROM: usize = 16;

/// A link of the chain.
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
        if version != VERSION || read_u32(bytes, 12) != header_checksum(bytes) {
            return Err(BadHeader::Broken("the checksum of the segment's header is wrong"));
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
    pub(crate) previous_hash: Hash,
    pub(crate) record: &'bytes [u8],
    /// The chain's hash after this record is made from these.
    hashed: &'bytes [u8],
}

impl Frame<'_> {
    /// Length of frame and record.
    pub(crate) fn length(&self) -> usize {
        FRAME_BYTES + self.record.len()
    }

    /// The chain's hash after this record.
    pub(crate) fn hash(&self) -> Hash {
        chain_hash(self.hashed)
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

/// Appends the frame of `record` to `buffer`, without previous hash and checksum: [`chain`] adds them.
pub(crate) fn frame(buffer: &mut Vec<u8>, durable: Sequence, sequence: Sequence, record: &[u8]) {
    // The caller has checked the record against a limit below 4 GiB.
    let length = (record.len() as u32).to_le_bytes();
    let mut head = [0; FRAME_BYTES];
    head[..4].copy_from_slice(&length);
    head[8..16].copy_from_slice(&durable.get().to_le_bytes());
    head[16..24].copy_from_slice(&sequence.get().to_le_bytes());
    buffer.reserve(FRAME_BYTES + record.len());
    buffer.extend_from_slice(&head);
    buffer.extend_from_slice(record);
}

/// Completes frames made by [`frame`], one after the other; returns the chain's hash after the last.
pub(crate) fn chain(frames: &mut [u8], mut hash: Hash) -> Hash {
    let mut rest = frames;
    while !rest.is_empty() {
        let (length, _) = claimed(rest);
        let (frame, after) = rest.split_at_mut(length);
        frame[24..FRAME_BYTES].copy_from_slice(&hash);
        let checksum = frame_checksum(frame);
        frame[4..8].copy_from_slice(&checksum.to_le_bytes());
        hash = chain_hash(&frame[HASHED_FROM..]);
        rest = after;
    }
    hash
}

/// Reads the frame at the start of `bytes`.
///
/// A damaged length may ask for up to 4 GiB: the caller compares it with what the file still holds.
pub(crate) fn decode(bytes: &[u8]) -> Decoded<'_> {
    if bytes.len() < FRAME_BYTES {
        return Decoded::Needs(FRAME_BYTES);
    }
    let (total, sequence) = claimed(bytes);
    if bytes.len() < total {
        return Decoded::Needs(total);
    }
    let bytes = &bytes[..total];
    if read_u32(bytes, 4) != frame_checksum(bytes) {
        return Decoded::Bad;
    }
    Decoded::Frame(Frame {
        durable: Sequence::new(read_u64(bytes, 8)),
        sequence,
        previous_hash: read_hash(bytes, 24),
        record: &bytes[FRAME_BYTES..],
        hashed: &bytes[HASHED_FROM..],
    })
}

/// The length a frame claims to have with its record, and the sequence it claims; unchecked. `bytes` holds [`FRAME_BYTES`].
pub(crate) fn claimed(bytes: &[u8]) -> (usize, Sequence) {
    (FRAME_BYTES + read_u32(bytes, 0) as usize, Sequence::new(read_u64(bytes, 16)))
}

/// The hash of the chain before a completed frame.
pub(crate) fn previous_hash(frame: &[u8]) -> Hash {
    read_hash(frame, 24)
}

fn frame_checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..])
}

fn chain_hash(hashed: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, hashed).as_ref());
    hash
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
