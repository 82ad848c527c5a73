//! Which files lie in the folder, and in which order they are read.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sportello_sdk::{Error, diagnostics};

use super::Csv;
use super::fault::Fault;
use crate::hash::hash;
use crate::problem::Problems;

pub(crate) const KEYS: [&str; 7] = ["names", "order", "kind", "complete", "give-up-after-seconds", "page-size", "look-up-mebibytes"];

/// Files with a name of the mapping: each is remembered in the cursor.
pub(crate) const FILES_MAX: usize = 200;
/// Whatever else lies in the folder.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of a file: it is read at once, and a guest has 64 MiB.
pub(crate) const FILE_BYTES_MAX: u64 = 32 << 20;
/// Bytes of a name: the cursor has it.
const NAME_BYTES_MAX: usize = 200;
/// How long to wait for a folder that cannot be read.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(60);

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Name,
    Modified,
}

pub(crate) const ORDERS: [(&str, Order); 2] = [("name", Order::Name), ("modified", Order::Modified)];

/// A file's name in which `*` is any letters and `?` is one.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Vec<char>);

impl Pattern {
    pub(crate) fn read(text: &str, line: usize, problems: &Problems) -> Option<Self> {
        if text.contains(['/', '\\']) {
            problems.add(line, format!("`{text}` is a name within the folder, with `*` and `?`, and no path"));
            return None;
        }
        Some(Self(text.chars().collect()))
    }

    fn fits(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut pattern_at, mut name_at) = (0, 0);
        // Behind the last star, and what it has swallowed so far.
        let mut star: Option<(usize, usize)> = None;
        while name_at < name.len() {
            match self.0.get(pattern_at) {
                Some('*') => {
                    pattern_at += 1;
                    star = Some((pattern_at, name_at));
                }
                Some(letter) if *letter == '?' || *letter == name[name_at] => {
                    pattern_at += 1;
                    name_at += 1;
                }
                _ => {
                    let Some((behind, swallowed)) = star else { return false };
                    star = Some((behind, swallowed + 1));
                    (pattern_at, name_at) = (behind, swallowed + 1);
                }
            }
        }
        self.0[pattern_at..].iter().all(|letter| *letter == '*')
    }
}

/// A file of the folder.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    /// Milliseconds since 1970.
    pub(crate) modified: i64,
    /// Tells this state of the file from any other, without reading it.
    pub(crate) stamp: u64,
}

impl File {
    /// All its bytes.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Fault> {
        let too_large = || Fault::Broken(format!("it has more than {FILE_BYTES_MAX} bytes, and no more are taken"));
        if self.size > FILE_BYTES_MAX {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0) + 1);
        // It may grow meanwhile.
        let read = fs::File::open(&self.path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        read.map_err(|error| Fault::Incomplete(format!("it cannot be read: {error}")))?;
        if bytes.len() as u64 > FILE_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
    }
}

/// All files with a name of the mapping, in its order.
pub(crate) fn list(csv: &Csv, folder: &Path) -> Result<Vec<File>, Error> {
    let unreadable = |error: std::io::Error| Error::retry(RETRY_AFTER, format!("{}: the folder cannot be read: {error}", csv.name));
    let too_many = |what: &str| Error::reject(format!("{}: more than {what} in the folder; move away what was read", csv.name));
    let mut files = Vec::new();
    for (count, entry) in fs::read_dir(folder).map_err(unreadable)?.enumerate() {
        if count == ENTRIES_MAX {
            return Err(too_many(&format!("{ENTRIES_MAX} files lie")));
        }
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| csv.names.iter().any(|pattern| pattern.fits(name))) else { continue };
        // What is gone meanwhile, or leads out of the folder, is no file of it.
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if !metadata.is_file() {
            continue;
        }
        if name.len() > NAME_BYTES_MAX {
            diagnostics::error!("a file's name has {} bytes; at most {NAME_BYTES_MAX} are taken, and the file is not read", name.len());
            continue;
        }
        if files.len() == FILES_MAX {
            return Err(too_many(&format!("{FILES_MAX} files with a name of the mapping are")));
        }
        let modified = metadata.modified().ok();
        let nanoseconds = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos());
        let stamp = hash([name, &metadata.len().to_string(), &nanoseconds.to_string()]);
        let file = File { name: name.into(), path: entry.path(), size: metadata.len(), modified: milliseconds(modified), stamp };
        files.push(file);
    }
    files.sort_by(|one, other| {
        let by_name = one.name.cmp(&other.name);
        if csv.order == Order::Name { by_name } else { one.modified.cmp(&other.modified).then(by_name) }
    });
    Ok(files)
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(at: Option<SystemTime>) -> i64 {
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_its_pattern() {
        let fits = |pattern: &str, name: &str| Pattern::read(pattern, 1, &Problems::default()).is_some_and(|pattern| pattern.fits(name));
        for (pattern, name) in [("contacts-*.csv", "contacts-.csv"), ("contacts-*.csv", "contacts-a.csv.csv"), ("*", ""), ("?b*b", "abbb")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("contacts-*.csv", "contacts-1.csv.done"), ("a?", "a"), ("a", "ab"), ("*.csv", "X.CSV")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(!fits("../*.csv", "../x.csv"));
    }
}
