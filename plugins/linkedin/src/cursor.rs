//! Where the next poll goes on, and what was read already.
//!
//! A poll that finds nothing new leaves the cursor as it was.

use serde::{Deserialize, Serialize};

/// Notifications remembered; a cursor has at most 16 KiB, a remembered one at most 36 bytes.
const READ_MAX: usize = 400;

/// A notification: its time, and the checksum of its id.
pub(crate) type Mark = (i64, String);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Nothing before this moment is read, in milliseconds since 1970.
    first_ms: i64,
    /// The latest notification seen so far, likewise.
    last_ms: i64,
    /// Where the sweep under way began to read, and how many rows of it were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<(i64, usize)>,
    /// The notifications read in the overlap.
    read: Vec<Mark>,
}

impl Cursor {
    /// Reads from this moment on.
    pub(crate) fn from(moment_ms: i64) -> Self {
        Self { first_ms: moment_ms, last_ms: moment_ms, sweep: None, read: Vec::new() }
    }

    /// Where the sweep begins; never before `earliest_ms` if it is a new one, because what falls out of the list would shift its rows.
    pub(crate) fn begin_ms(&self, overlap_seconds: u32, earliest_ms: i64) -> i64 {
        match self.sweep {
            Some((from_ms, _)) => from_ms,
            None => (self.last_ms - i64::from(overlap_seconds) * 1000).max(self.first_ms).max(earliest_ms),
        }
    }

    /// How many rows of the sweep were read.
    pub(crate) fn start(&self) -> usize {
        self.sweep.map_or(0, |(_, start)| start)
    }

    /// Whether this notification was read before.
    pub(crate) fn has_read(&self, mark: &Mark) -> bool {
        self.read.contains(mark)
    }

    /// The cursor behind these rows, with more of the sweep to read.
    pub(crate) fn further(mut self, from_ms: i64, rows: &[Mark]) -> Self {
        self.sweep = Some((from_ms, self.start() + rows.len()));
        self.remember(rows, i64::MIN);
        self
    }

    /// The cursor behind the last rows of a sweep.
    pub(crate) fn at_end(mut self, rows: &[Mark], overlap_seconds: u32) -> Self {
        self.sweep = None;
        let overlap_ms = i64::from(overlap_seconds) * 1000;
        self.remember(rows, overlap_ms);
        self
    }

    /// Forgets what lies further back than `overlap_ms` (a negative one: nothing does), and the oldest of too many.
    fn remember(&mut self, rows: &[Mark], overlap_ms: i64) {
        self.last_ms = rows.iter().map(|(at_ms, _)| *at_ms).fold(self.last_ms, i64::max);
        self.read.extend_from_slice(rows);
        let last_ms = self.last_ms;
        self.read.retain(|(at_ms, _)| overlap_ms < 0 || last_ms - at_ms <= overlap_ms);
        self.read.sort_unstable();
        self.read.dedup();
        self.read.drain(..self.read.len().saturating_sub(READ_MAX));
    }
}

#[cfg(test)]
mod tests {
    use sportello_sdk::cursor;

    use super::*;

    fn marks<const N: usize>(marks: [(i64, u32); N]) -> [Mark; N] {
        marks.map(|(at_ms, id)| (at_ms, id.to_string()))
    }

    fn has_read(cursor: &Cursor, at_ms: i64, id: u32) -> bool {
        cursor.has_read(&(at_ms, id.to_string()))
    }

    #[test]
    fn a_poll_that_finds_nothing_new_leaves_the_cursor_as_it_was() {
        let cursor = Cursor::from(1_000_000).at_end(&marks([(1_005_000, 1), (1_005_000, 2), (1_070_000, 3)]), 60);
        assert!(has_read(&cursor, 1_070_000, 3) && !has_read(&cursor, 1_070_000, 4) && !has_read(&cursor, 1_005_000, 1));
        assert_eq!(cursor.clone().at_end(&marks([(1_070_000, 3)]), 60), cursor);
        assert_eq!(cursor.clone().at_end(&[], 60), cursor);
        assert_eq!(cursor.begin_ms(60, 0), 1_010_000);
        assert_eq!(cursor.begin_ms(3600, 0), 1_000_000, "never before the first moment");
        assert_eq!(cursor.begin_ms(60, 1_060_000), 1_060_000, "nor before what can be pulled");
    }

    #[test]
    fn a_sweep_goes_on_where_it_was_and_begins_anew_only_at_its_end() {
        let cursor = Cursor::from(1_000).further(1_000, &marks([(9_000, 1), (8_000, 2)]));
        assert_eq!((cursor.begin_ms(0, 50_000), cursor.start()), (1_000, 2), "however old it is by now");
        let cursor = cursor.further(1_000, &marks([(7_000, 3), (6_000, 4)]));
        assert_eq!((cursor.start(), has_read(&cursor, 9_000, 1)), (4, true));
        let cursor = cursor.at_end(&marks([(5_000, 5)]), 2);
        assert_eq!((cursor.begin_ms(2, 0), cursor.start()), (7_000, 0));
        assert!(has_read(&cursor, 7_000, 3) && !has_read(&cursor, 6_000, 4));
    }

    #[test]
    fn a_cursor_stays_within_the_contracts_limit() {
        let rows: Vec<_> = (0..5000).map(|id| (2_000_000_000_000, format!("{:016x}", u64::MAX - id))).collect();
        let cursor = Cursor::from(0).further(0, &rows).at_end(&rows, 3600);
        assert!(cursor::written(&cursor).unwrap().len() < 16 << 10);

        let rows: Vec<_> = (0..1000).map(|at_ms| (at_ms, "1".to_owned())).collect();
        let cursor = Cursor::from(0).further(0, &rows);
        assert!(has_read(&cursor, 999, 1) && !has_read(&cursor, 0, 1), "the oldest are forgotten");
    }
}
