//! Which files were read, where in one it goes on, and who was in the last full export. The contract's cursor has 16 KiB.

use serde::{Deserialize, Serialize};
use sportello_sdk::{Error, cursor};

use super::files::{FILES_MAX, File};
use super::ids::{from_letters, pack, to_letters, unpack};
use crate::hash::hash;

/// Bytes of a file that is remembered: six of its name's hash, six of its stamp, eight of its checksum.
const KNOWN_BYTES: usize = 20;
/// What six bytes hold.
const SIX_BYTES: u64 = (1 << 48) - 1;
/// The checksum of a file that was given up: no content is the same as it.
const GIVEN_UP: u64 = 0;

/// Where changes go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Files that were read or given up, those read last at the end.
    known: Vec<Known>,
    pub(crate) reading: Option<Reading>,
    /// The stamp of a file whose time lies in the future, and when it was first seen so.
    pub(crate) waiting: Option<(u64, i64)>,
    /// The packed ids of the last full export.
    ids: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    name: u64,
    stamp: u64,
    checksum: u64,
}

/// A file of which a part was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) checksum: u64,
    /// Where the next row begins, and its line.
    pub(crate) at: usize,
    pub(crate) line: usize,
    /// Rows read so far, and those of them that were left out.
    pub(crate) rows: u32,
    pub(crate) bad: u32,
    /// Whether it is only looked through for bad rows so far, because one of them refuses the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) checking: bool,
    /// How many of those who are absent were told of, once all rows are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gone: Option<usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    files: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reading: Option<Reading>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<(u64, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ids: Option<String>,
}

impl Cursor {
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let foreign = || Error::reject("the cursor is not one of the source `csv`");
        let written: Written = serde_json::from_str(text).map_err(|_| foreign())?;
        let known = from_letters(&written.files).ok_or_else(foreign)?;
        let known = known.as_chunks::<KNOWN_BYTES>().0.iter().map(Known::read).collect();
        let ids = written.ids.map(|letters| from_letters(&letters).ok_or_else(foreign)).transpose()?;
        Ok(Self { known, reading: written.reading, waiting: written.waiting, ids })
    }

    pub(crate) fn write(&self) -> Result<String, Error> {
        let known: Vec<u8> = self.known.iter().flat_map(|known| known.written()).collect();
        let ids = self.ids.as_deref().map(to_letters);
        let written = Written { files: to_letters(&known), reading: self.reading.clone(), waiting: self.waiting, ids };
        cursor::written(&written)
    }

    /// Whether a file is in a state in which it was read or given up.
    pub(crate) fn knows(&self, stamp: u64) -> bool {
        self.known.iter().any(|known| known.stamp == stamp & SIX_BYTES)
    }

    /// Whether reading a content would change nothing: the file had it when it was read, or it is that of the file read last. A content that an
    /// earlier file had is read again: what was changed may have been changed back.
    pub(crate) fn has_content(&self, name: &str, checksum: u64) -> bool {
        let of_name = self.known.iter().find(|known| known.name == name_hash(name));
        of_name.or(self.known.last()).is_some_and(|known| known.checksum == checksum)
    }

    /// Remembers a file that was touched or copied.
    pub(crate) fn touched(&mut self, file: &File, checksum: u64, files: &[File]) {
        match self.known.iter_mut().find(|known| known.name == name_hash(&file.name)) {
            Some(known) => known.stamp = file.stamp & SIX_BYTES,
            None => self.remember(&file.name, file.stamp, checksum, files),
        }
    }

    /// Remembers a file that was read.
    pub(crate) fn read_to_end(&mut self, file: &File, checksum: u64, files: &[File]) {
        self.remember(&file.name, file.stamp, checksum, files);
    }

    /// Remembers that nobody waits for a file in this state.
    pub(crate) fn given_up(&mut self, file: &File, stamp: u64, files: &[File]) {
        self.remember(&file.name, stamp, GIVEN_UP, files);
    }

    fn remember(&mut self, name: &str, stamp: u64, checksum: u64, files: &[File]) {
        let name = name_hash(name);
        self.known.retain(|known| known.name != name);
        if self.known.len() >= FILES_MAX {
            let is_there = |known: &Known| files.iter().any(|file| name_hash(&file.name) == known.name);
            let oldest_gone = self.known.iter().position(|known| !is_there(known)).unwrap_or(0);
            self.known.remove(oldest_gone);
        }
        self.known.push(Known { name, stamp: stamp & SIX_BYTES, checksum });
    }

    /// Who was in the last full export.
    pub(crate) fn ids(&self) -> Result<Option<Vec<String>>, Error> {
        let unpacked = self.ids.as_deref().map(|packed| unpack(packed).ok_or_else(|| Error::reject("the ids in the cursor can't be read")));
        unpacked.transpose()
    }

    /// Remembers who was in a full export, sorted; false where they are too many.
    pub(crate) fn set_ids(&mut self, ids: &[String]) -> bool {
        self.ids = pack(ids);
        self.ids.is_some()
    }
}

fn name_hash(name: &str) -> u64 {
    hash([name]) & SIX_BYTES
}

impl Known {
    fn read(bytes: &[u8; KNOWN_BYTES]) -> Self {
        let number = |range: std::ops::Range<usize>| bytes[range].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Self { name: number(0..6), stamp: number(6..12), checksum: number(12..20) }
    }

    fn written(self) -> impl Iterator<Item = u8> {
        let six = |number: u64| number.to_be_bytes().into_iter().skip(2);
        six(self.name).chain(six(self.stamp)).chain(self.checksum.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::PACKED_BYTES_MAX;
    use super::*;

    fn file(name: &str, stamp: u64) -> File {
        File { name: name.into(), path: name.into(), size: 1, modified: 0, stamp }
    }

    #[test]
    fn a_full_cursor_fits_the_contract_and_comes_back_as_it_was() {
        let mut cursor = Cursor::default();
        for number in 0..FILES_MAX as u64 + 50 {
            cursor.read_to_end(&file(&format!("{number}.csv"), u64::MAX - number), u64::MAX - number, &[]);
        }
        cursor.ids = Some(vec![0xff; PACKED_BYTES_MAX]);
        cursor.waiting = Some((u64::MAX, i64::MIN));
        let (size, checksum) = (u64::MAX, u64::MAX);
        let (at, line) = (usize::MAX, usize::MAX);
        cursor.reading = Some(Reading {
            name: "\"".repeat(200),
            size,
            checksum,
            at,
            line,
            rows: u32::MAX,
            bad: u32::MAX,
            checking: true,
            gone: Some(usize::MAX),
        });
        let written = cursor.write().unwrap();
        assert!(written.len() <= 16 << 10, "{} bytes", written.len());
        assert_eq!(Cursor::read(&written).unwrap(), cursor);
        assert!(cursor.knows(u64::MAX - 249) && !cursor.knows(u64::MAX), "the oldest is forgotten");
        for foreign in ["7", "{}", r#"{"since":1,"newest":2}"#, r#"{"files":"!"}"#] {
            assert!(Cursor::read(foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn a_file_that_lies_in_the_folder_is_not_forgotten_before_one_that_is_gone() {
        let mut cursor = Cursor::default();
        let there = file("there.csv", 7);
        cursor.read_to_end(&there, 1, &[]);
        for number in 0..FILES_MAX as u64 {
            cursor.read_to_end(&file(&format!("{number}.csv"), 100 + number), 1, std::slice::from_ref(&there));
        }
        assert!(cursor.knows(7) && !cursor.knows(100));
    }
}
