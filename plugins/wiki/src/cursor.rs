//! Where the next poll goes on, and what was read already.
//!
//! Rows of recent changes are ordered by a time of whole seconds and an id, and one can become visible after another that is later. So a poll
//! that has come to the end steps back by the overlap, and the cursor remembers which rows of that time it has read: nothing is fetched
//! twice, and a poll that finds nothing new leaves the cursor as it was. Beyond [`READ_MAX`] rows in the overlap the oldest are forgotten and read
//! again, which the host notices and drops.

use serde::{Deserialize, Serialize};
use sportello_sdk::{Error, time};

/// Rows remembered; a cursor has at most 16 KiB, a remembered row at most 24 bytes.
const READ_MAX: usize = 500;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Nothing before this moment is read, in milliseconds since 1970.
    first_ms: i64,
    /// The latest row read so far, likewise.
    last_ms: i64,
    /// The row to go on with, as the wiki writes it: there is more to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Seconds before the latest row, and id, of rows read in the overlap.
    read: Vec<(i64, u64)>,
}

impl Cursor {
    /// Reads from this moment on.
    pub(crate) fn from(moment_ms: i64) -> Self {
        Self { first_ms: moment_ms, last_ms: moment_ms, next: None, read: Vec::new() }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::reject(format!("the cursor is not this connector's: {error}")))
    }

    pub(crate) fn written(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| Error::reject(format!("the cursor can't be written: {error}")))
    }

    /// The row to go on with.
    pub(crate) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Where to start where there is no row to go on with.
    pub(crate) fn start(&self, overlap_seconds: u32) -> String {
        time::from_milliseconds((self.last_ms - i64::from(overlap_seconds) * 1000).max(self.first_ms))
    }

    /// Whether this row was read before.
    pub(crate) fn has_read(&self, at_ms: i64, id: u64) -> bool {
        self.read.contains(&((self.last_ms - at_ms) / 1000, id))
    }

    /// The cursor behind these rows (time and id), with more to read from `next` on.
    pub(crate) fn behind(mut self, rows: &[(i64, u64)], next: Option<String>, overlap_seconds: u32) -> Self {
        let last_ms = rows.iter().map(|(at_ms, _)| *at_ms).fold(self.last_ms, i64::max);
        let old = self.read.iter().map(|(before, id)| (self.last_ms - before * 1000, *id));
        let mut read: Vec<_> = old.chain(rows.iter().copied()).map(|(at_ms, id)| ((last_ms - at_ms) / 1000, id)).collect();
        read.retain(|(before, _)| *before <= i64::from(overlap_seconds));
        read.sort_unstable();
        read.dedup();
        read.truncate(READ_MAX);
        self.last_ms = last_ms;
        self.read = read;
        self.next = next;
        self
    }

    /// The cursor where the wiki does not know the row to go on with any more.
    pub(crate) fn without_next(self) -> Self {
        Self { next: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_that_finds_nothing_new_leaves_the_cursor_as_it_was() {
        let cursor = Cursor::from(1_000_000).behind(&[(1_005_000, 1), (1_005_000, 2), (1_070_000, 3)], None, 60);
        assert!(cursor.has_read(1_070_000, 3) && !cursor.has_read(1_070_000, 4) && !cursor.has_read(1_005_000, 1));
        let again = cursor.clone().behind(&[(1_070_000, 3)], None, 60);
        assert_eq!(again.written().unwrap(), cursor.written().unwrap());
        assert_eq!(cursor.start(60), "1970-01-01T00:16:50Z");
        assert_eq!(cursor.start(3600), "1970-01-01T00:16:40Z", "never before the first moment");
    }

    #[test]
    fn a_cursor_stays_within_the_contracts_limit() {
        let rows: Vec<_> = (0..5000).map(|id| (2_000_000_000_000, u64::MAX - id)).collect();
        let cursor = Cursor::from(0).behind(&rows, Some("20261122112537|18446744073709551615".into()), 3600);
        assert!(cursor.written().unwrap().len() < 16 << 10);
    }
}
