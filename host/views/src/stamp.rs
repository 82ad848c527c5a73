//! The stamp beside the rows: what they are, and whether they can be believed.
//!
//! A small text file, replaced as a whole (written aside, made durable, renamed) and closed by its own SHA-256:
//!
//! ```text
//! sportello-views 1            the format of stamp and rows
//! rows rows-3                  the folder that holds the rows; others are left-overs
//! made-from 6a6f75…            hex of ViewsOptions::made_from
//! state open | clean           clean: nobody has it open and its files were made durable
//! boot 0f3c…                   the boot of the machine in which it was last opened
//! place 65024 1441799          device and inode of the rows folder
//! cursor 17                    clean: the cursor of the rows; open: the least it can be
//! sha256 9c12…                 of all lines above
//! ```
//!
//! The stamp is set to `open`, durably, before anything writes to the rows, and to `clean` only after all of them were
//! made durable. So a clean stamp always stands beside whole files. An open stamp means that the process ended without
//! closing. If that was in the present boot, on these very files, the kernel still holds everything the process had
//! written, and the store's own recovery finds its last whole batch. After another boot (power cut, crash of the kernel)
//! or in a copy of the folder, any part of the writes may be missing: the rows are not believed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ring::digest::{SHA256, digest};

use crate::error::ViewsError;

const FORMAT: &str = "sportello-views 1";
const FILE_NAME: &str = "stamp";
const FILE_NAME_ASIDE: &str = "stamp.new";
/// A stamp is a few hundred bytes; `made_from` is at most 1,024 bytes, twice that in hex.
const FILE_BYTES_MAX: u64 = 8 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) rows_folder: String,
    pub(crate) made_from: String,
    pub(crate) clean: bool,
    pub(crate) boot: String,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) cursor: u64,
}

impl Stamp {
    /// The stamp of an open store in `folder/rows_folder`, which must exist.
    pub(crate) fn open(folder: &Path, rows_folder: &str, made_from: &str, cursor: u64) -> Result<Stamp, ViewsError> {
        let rows = folder.join(rows_folder);
        let metadata = fs::metadata(&rows).map_err(|source| ViewsError::disk("look at", &rows, source))?;
        Ok(Stamp {
            rows_folder: rows_folder.to_owned(),
            made_from: made_from.to_owned(),
            clean: false,
            boot: present_boot(),
            device: metadata.dev(),
            inode: metadata.ino(),
            cursor,
        })
    }

    /// Reads the stamp: `None` if there is none, the inner error says why it can't be used.
    pub(crate) fn read(folder: &Path) -> Result<Option<Result<Stamp, String>>, ViewsError> {
        let path = folder.join(FILE_NAME);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
                return Ok(Some(Err(format!("its stamp has {} bytes", metadata.len()))));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ViewsError::disk("look at", &path, source)),
        }
        let bytes = fs::read(&path).map_err(|source| ViewsError::disk("read", &path, source))?;
        Ok(Some(parse(&bytes).ok_or_else(|| "its stamp is garbled or of another format".to_owned())))
    }

    /// Replaces the stamp and makes it durable.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), ViewsError> {
        let aside = folder.join(FILE_NAME_ASIDE);
        let path = folder.join(FILE_NAME);
        let text = self.text();
        File::create(&aside)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(|source| ViewsError::disk("write", &aside, source))?;
        fs::rename(&aside, &path).and_then(|()| File::open(folder)?.sync_all()).map_err(|source| ViewsError::disk("replace", &path, source))
    }

    /// Why the rows it stands beside can't be believed, as far as the stamp alone can tell.
    pub(crate) fn doubt(&self, folder: &Path, made_from: &str) -> Option<String> {
        if self.made_from != made_from {
            return Some(format!("its rows were made from {:?}, not from {made_from:?}", self.made_from));
        }
        if !folder.join(&self.rows_folder).is_dir() {
            return Some(format!("its folder {} is missing", self.rows_folder));
        }
        if self.clean {
            return None;
        }
        // Without a boot id nothing tells a killed process from a power cut.
        if self.boot.is_empty() || self.boot != present_boot() {
            return Some("it was not closed before the machine went down".to_owned());
        }
        match fs::metadata(folder.join(&self.rows_folder)) {
            Ok(metadata) if (metadata.dev(), metadata.ino()) == (self.device, self.inode) => None,
            _ => Some("it was copied while it was open".to_owned()),
        }
    }

    fn text(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let state = if self.clean { "clean" } else { "open" };
        let lines = format!(
            "{FORMAT}\nrows {}\nmade-from {}\nstate {state}\nboot {}\nplace {} {}\ncursor {}\n",
            self.rows_folder,
            hex(self.made_from.as_bytes()),
            self.boot,
            self.device,
            self.inode,
            self.cursor
        );
        let sum = hex(digest(&SHA256, lines.as_bytes()).as_ref());
        format!("{lines}sha256 {sum}\n")
    }
}

/// Takes a stamp apart. It counts only if writing what was understood gives the same bytes again, so the checksum is
/// checked and no second way of writing anything is accepted.
fn parse(bytes: &[u8]) -> Option<Stamp> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.lines();
    if lines.next()? != FORMAT {
        return None;
    }
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
    let rows_folder = field("rows")?;
    let made_from = unhex(&field("made-from")?)?;
    let clean = field("state")? == "clean";
    let boot = field("boot")?;
    let place = field("place")?;
    let (device, inode) = place.split_once(' ')?;
    let stamp = Stamp {
        rows_folder,
        made_from,
        clean,
        boot,
        device: device.parse().ok()?,
        inode: inode.parse().ok()?,
        cursor: field("cursor")?.parse().ok()?,
    };
    (is_rows_folder(&stamp.rows_folder) && stamp.text() == text).then_some(stamp)
}

fn unhex(text: &str) -> Option<String> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
    let digits = digits?;
    if digits.len() % 2 != 0 {
        return None;
    }
    String::from_utf8(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()).ok()
}

/// Whether a name is that of a rows folder, and so the store's to remove.
pub(crate) fn is_rows_folder(name: &str) -> bool {
    rows_folder_number(name).is_some()
}

/// The number of a rows folder.
pub(crate) fn rows_folder_number(name: &str) -> Option<u64> {
    name.strip_prefix("rows-")?.parse().ok()
}

/// The kernel's name for this boot; empty where there is none.
fn present_boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Views, ViewsOptions};

    fn stamp() -> Stamp {
        Stamp {
            rows_folder: "rows-3".into(),
            made_from: "journal α, rows 1".into(),
            clean: true,
            boot: "0f3c".into(),
            device: 1,
            inode: 2,
            cursor: 17,
        }
    }

    #[test]
    fn a_store_left_open_is_dropped_after_another_boot_and_a_clean_one_is_not() {
        for (clean, believed) in [(true, true), (false, false)] {
            let folder = tempfile::tempdir().unwrap();
            let views = Views::open(folder.path(), ViewsOptions::new("x")).unwrap().views;
            views.apply(1, vec![Change::new(1, &[1], Some(&[1]))]).unwrap();
            views.only_up_to(1);
            views.close().unwrap();
            let stamp = Stamp::read(folder.path()).unwrap().unwrap().unwrap();
            assert!(stamp.clean);
            Stamp { clean, boot: "another boot".into(), ..stamp }.write(folder.path()).unwrap();
            let opened = Views::open(folder.path(), ViewsOptions::new("x")).unwrap();
            assert_eq!(opened.rebuilt_because.is_none(), believed, "{:?}", opened.rebuilt_because);
            assert_eq!(opened.views.cursor(), u64::from(believed));
        }
    }

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        assert_eq!(parse(stamp().text().as_bytes()), Some(stamp()));
    }

    #[test]
    fn a_stamp_with_any_byte_changed_is_not_believed() {
        let bytes = stamp().text().into_bytes();
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[position] ^= 1 << bit;
                assert_eq!(parse(&changed), None, "bit {bit} of byte {position} flipped");
            }
            assert_eq!(parse(&bytes[..position]), None, "cut after {position} bytes");
        }
    }
}
