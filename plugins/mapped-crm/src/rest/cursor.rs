//! Where changes go on: everything a walk through the pages needs, so that it can be left and taken up again at any page.

use serde::{Deserialize, Serialize};
use sportello_sdk::{Error, cursor};

use super::paging::Place;

/// What is remembered of the records read: a cursor has 16 KiB, and the next page's link may take three of them.
const SEEN_MAX: usize = 400;

/// Where changes go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// What is asked for: records changed at this moment or later, in milliseconds since 1970.
    pub(crate) since: i64,
    /// The newest moment read so far.
    pub(crate) newest: i64,
    /// The page of the list, if it was not read to its end.
    pub(crate) place: Option<Place>,
    /// The page at which the walk before this one found nothing.
    pub(crate) gone: Option<Place>,
    /// Moments and hashes of records read within the overlap.
    seen: Vec<(i64, u64)>,
}

/// As it is written: ages are short where moments are long.
#[derive(Serialize, Deserialize)]
struct Written {
    since: i64,
    newest: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<Place>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<(i64, u64)>,
}

impl Cursor {
    /// Before the first record changed at this moment.
    pub(crate) fn new(since: i64) -> Self {
        Self { since, newest: since, place: None, gone: None, seen: Vec::new() }
    }

    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let written: Written = cursor::read(text)?;
        let newest = written.newest;
        let seen = written.seen.into_iter().map(|(age, hash)| (newest.saturating_sub(age), hash)).collect();
        Ok(Self { since: written.since, newest, place: written.place, gone: written.gone, seen })
    }

    pub(crate) fn write(&self) -> Result<String, Error> {
        let seen = self.seen.iter().map(|(moment, hash)| (self.newest - moment, *hash)).collect();
        let written = Written { since: self.since, newest: self.newest, place: self.place.clone(), gone: self.gone.clone(), seen };
        cursor::written(&written)
    }

    /// Whether no record was read yet.
    pub(crate) fn is_untouched(&self) -> bool {
        self.seen.is_empty() && self.newest == self.since
    }

    /// Whether what has this hash was read already.
    pub(crate) fn has_seen(&self, hash: u64) -> bool {
        self.seen.iter().any(|(_, known)| *known == hash)
    }

    /// Remembers what was read.
    pub(crate) fn remember(&mut self, moment: i64, hash: u64) {
        if !self.has_seen(hash) {
            self.seen.push((moment, hash));
        }
    }

    /// Forgets what is older than it can be read again, and of more than there is room for the oldest.
    pub(crate) fn forget(&mut self, overlap_ms: i64) {
        let oldest = self.newest.saturating_sub(overlap_ms).min(self.since);
        self.seen.retain(|(moment, _)| *moment >= oldest);
        // The same records make the same cursor, in whatever order they came.
        self.seen.sort_unstable();
        let surplus = self.seen.len().saturating_sub(SEEN_MAX);
        self.seen.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cursor_fits_the_contract_and_comes_back_as_it_was() {
        let mut cursor = Cursor::new(1_764_000_000_000);
        cursor.newest = 1_764_000_600_000;
        cursor.place = Some(Place::Link(format!("/{}", "x".repeat(3 << 10))));
        for number in 0..1000 {
            cursor.remember(1_764_000_000_000 + number, u64::MAX - u64::try_from(number).unwrap());
        }
        cursor.forget(600_000);
        let written = cursor.write().unwrap();
        assert!(written.len() <= 16 << 10, "{} bytes", written.len());
        assert_eq!(Cursor::read(&written).unwrap(), cursor);
        assert!(cursor.has_seen(u64::MAX - 999) && !cursor.has_seen(u64::MAX));
        assert!(Cursor::read("{}").is_err() && Cursor::read("7").is_err());
    }
}
