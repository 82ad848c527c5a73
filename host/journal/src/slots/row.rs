//! Header and rows of the slot file.

use std::path::Path;

use zeroize::Zeroizing;

use super::identity::LookupKey;
use crate::JournalError;
use crate::disk::{Disk, DiskFile};

/// Length of a row.
pub(super) const ROW_BYTES: usize = 64;
/// Length of the header: one page, so that it never shares one with a row.
const HEADER_BYTES: usize = 4096;
/// The part of the header that is used.
const USED_BYTES: usize = 56;
const MAGIC: [u8; 8] = *b"SPORTKEY";
const VERSION: u32 = 1;

/// What the header says.
pub(super) struct Header {
    pub(super) lookup: LookupKey,
    /// 1 + slots given out, after a clean close; 0 otherwise.
    pub(super) mark: u64,
}

impl Header {
    pub(super) fn encode(&self) -> Zeroizing<[u8; USED_BYTES]> {
        let mut bytes = Zeroizing::new([0; USED_BYTES]);
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..48].copy_from_slice(self.lookup.bytes());
        bytes[48..].copy_from_slice(&self.mark.to_le_bytes());
        let checksum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&checksum);
        bytes
    }

    fn decode(bytes: &[u8; USED_BYTES], path: &Path) -> Result<Self, JournalError> {
        if bytes[..8] != MAGIC {
            return Err(JournalError::damaged(path, 0, "the file does not start as a file of key slots"));
        }
        let mut version = [0; 4];
        version.copy_from_slice(&bytes[8..12]);
        let version = u32::from_le_bytes(version);
        if version > VERSION {
            return Err(JournalError::NewerFormat { path: path.to_owned(), found: version, supported: VERSION });
        }
        if version != VERSION || bytes[12..16] != checksum(bytes) {
            return Err(JournalError::damaged(path, 12, "the checksum of the header is wrong"));
        }
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&bytes[16..48]);
        let mut mark = [0; 8];
        mark.copy_from_slice(&bytes[48..]);
        Ok(Self { lookup: LookupKey::new(key), mark: u64::from_le_bytes(mark) })
    }
}

fn checksum(bytes: &[u8; USED_BYTES]) -> [u8; 4] {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[8..12]), &bytes[16..]).to_le_bytes()
}

/// Where the row of a slot starts.
pub(super) fn row_offset(slot: u64) -> u64 {
    HEADER_BYTES as u64 + (slot - 1) * ROW_BYTES as u64
}

/// The file with its header; a file that was being made when the power went is made again.
pub(super) fn open_or_create(disk: &dyn Disk, path: &Path) -> Result<(Box<dyn DiskFile>, Header), JournalError> {
    let io = |action| JournalError::io(action, path);
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => disk.create(path).map_err(io("creating"))?,
        Err(error) => return Err(io("opening")(error)),
    };
    let mut bytes = Zeroizing::new([0; USED_BYTES]);
    file.read_at(bytes.as_mut_slice(), 0).map_err(io("reading"))?;
    // No row is written before the header is durable, so a file without rows and header holds nothing.
    if file.length().map_err(io("reading"))? <= HEADER_BYTES as u64 && *bytes == [0; USED_BYTES] {
        let header = Header { lookup: LookupKey::random()?, mark: 0 };
        file.write_all_at(header.encode().as_slice(), 0).map_err(io("writing"))?;
        file.set_length(HEADER_BYTES as u64).map_err(io("writing"))?;
        file.sync_all().map_err(io("syncing"))?;
        return Ok((file, header));
    }
    let header = Header::decode(&bytes, path)?;
    Ok((file, header))
}
