//! Where the next poll goes on, and what was read already.
//!
//! Rows of recent changes are ordered by a time of whole seconds and an id, and one can become visible after another that is later. So a poll
//! that has come to the end steps back by the overlap, and the cursor remembers which rows of that time it has read: nothing is fetched
//! twice, and a poll that finds nothing new leaves the cursor as it was. It steps back from the latest row, or, where people went on writing
//! while page after page was read, from the moment of the first page that may have lacked a row. Beyond [`READ_MAX`] rows in the overlap the
//! oldest are forgotten and read again, which the host notices and drops.

use serde::{Deserialize, Serialize};
use sportello_sdk::time;

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
    /// When the first page was read, of those read on end, that reached into the overlap of its own time: it may have lacked a row. Milliseconds since
    /// 1970; None: no such page, or none before the latest row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsure_ms: Option<i64>,
    /// Seconds before the latest row, and id, of rows read in the overlap.
    read: Vec<(i64, u64)>,
}

impl Cursor {
    /// Reads from this moment on.
    pub(crate) fn from(moment_ms: i64) -> Self {
        Self { first_ms: moment_ms, last_ms: moment_ms, next: None, unsure_ms: None, read: Vec::new() }
    }

    /// The row to go on with.
    pub(crate) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Where to start where there is no row to go on with.
    pub(crate) fn start(&self, overlap_seconds: u32) -> String {
        time::from_milliseconds(self.start_ms(overlap_seconds))
    }

    fn start_ms(&self, overlap_seconds: u32) -> i64 {
        let sure_ms = self.unsure_ms.map_or(self.last_ms, |unsure_ms| unsure_ms.min(self.last_ms));
        (sure_ms - i64::from(overlap_seconds) * 1000).max(self.first_ms)
    }

    /// Whether this row was read before.
    pub(crate) fn has_read(&self, at_ms: i64, id: u64) -> bool {
        self.read.contains(&((self.last_ms - at_ms) / 1000, id))
    }

    /// The cursor behind these rows (time and id), read at `now_ms` by the wiki's clock, with more to read from `next` on.
    pub(crate) fn behind(mut self, rows: &[(i64, u64)], now_ms: i64, next: Option<String>, overlap_seconds: u32) -> Self {
        let latest_ms = rows.iter().map(|(at_ms, _)| *at_ms).max();
        let last_ms = latest_ms.map_or(self.last_ms, |latest_ms| latest_ms.max(self.last_ms));
        let old = self.read.iter().map(|(before, id)| (self.last_ms - before * 1000, *id));
        let mut read: Vec<_> = old.chain(rows.iter().copied()).collect();
        // A page that was not read on from another one begins anew.
        let unsure_ms = self.unsure_ms.filter(|_| self.next.is_some());
        // So far the page reaches: to the row that comes after it, whatever it lacks before that; or to its last one, and if that was read before, it is
        // not later than the latest.
        let reached_ms = next.as_deref().map_or(last_ms, |next| moment_ms(next).unwrap_or(now_ms).max(last_ms));
        let reaches_into_overlap = reached_ms >= now_ms - i64::from(overlap_seconds) * 1000;
        let unsure_ms = unsure_ms.or(reaches_into_overlap.then_some(now_ms));
        self.unsure_ms = unsure_ms.filter(|unsure_ms| next.is_some() || *unsure_ms < last_ms);
        self.last_ms = last_ms;
        self.next = next;
        let start_ms = self.start_ms(overlap_seconds);
        read.retain(|(at_ms, _)| *at_ms >= start_ms);
        self.read = read.into_iter().map(|(at_ms, id)| ((last_ms - at_ms) / 1000, id)).collect();
        self.read.sort_unstable();
        self.read.dedup();
        self.read.truncate(READ_MAX);
        self
    }

    /// The cursor where the wiki does not know the row to go on with any more.
    pub(crate) fn without_next(self) -> Self {
        Self { next: None, ..self }
    }
}

/// The moment of a row to go on with, as the wiki writes it: `20261127171333|1979`.
fn moment_ms(place: &str) -> Option<i64> {
    let digits = place.get(..14).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (date, clock) = digits.split_at(8);
    time::milliseconds(&format!("{}-{}-{}T{}:{}:{}Z", &date[..4], &date[4..6], &date[6..], &clock[..2], &clock[2..4], &clock[4..]))
}

#[cfg(test)]
mod tests {
    use sportello_sdk::cursor;

    use super::*;

    #[test]
    fn a_poll_that_finds_nothing_new_leaves_the_cursor_as_it_was() {
        let cursor = Cursor::from(1_000_000).behind(&[(1_005_000, 1), (1_005_000, 2), (1_070_000, 3)], 1_071_000, None, 60);
        assert!(cursor.has_read(1_070_000, 3) && !cursor.has_read(1_070_000, 4) && !cursor.has_read(1_005_000, 1));
        let again = cursor.clone().behind(&[], 1_090_000, None, 60);
        assert_eq!(again, cursor);
        assert_eq!(cursor.start(60), "1970-01-01T00:16:50Z");
        assert_eq!(cursor.start(3600), "1970-01-01T00:16:40Z", "never before the first moment");
    }

    #[test]
    fn a_row_that_shows_late_is_found_though_reading_went_on_for_long() {
        // While the first page is read a row of 2,000 s is not to be seen yet; when the last one is, people have written for ten minutes more.
        let first = Cursor::from(1_000_000).behind(&[(1_500_000, 1), (2_000_000, 3)], 2_005_000, Some("19700101003330|4".into()), 60);
        let last = first.behind(&[(2_010_000, 4), (2_600_000, 5)], 2_605_000, None, 60);
        assert_eq!(last.start(60), "1970-01-01T00:32:25Z", "a minute before the first page was read");
        assert!(last.has_read(2_000_000, 3) && last.has_read(2_010_000, 4) && !last.has_read(2_000_000, 2));
        // Once that is read again, the latest row counts.
        let again = last.behind(&[(2_000_000, 2)], 2_665_000, None, 60);
        assert_eq!(again.start(60), "1970-01-01T00:42:20Z");
        // Old pages lack nothing, however long they take.
        let old = Cursor::from(1_000_000).behind(&[(1_500_000, 1)], 9_000_000, Some("19700101022910|2".into()), 60);
        assert_eq!(old.behind(&[(8_950_000, 2)], 9_000_000, None, 60).start(60), "1970-01-01T02:28:10Z");
    }

    #[test]
    fn a_row_that_shows_late_is_found_though_all_others_of_its_page_were_read_before() {
        let read = Cursor::from(1_000_000).behind(&[(2_000_000, 1)], 2_005_000, None, 60);
        let first = read.behind(&[], 2_010_000, Some("19700101002500|3".into()), 60);
        let last = first.behind(&[(2_600_000, 5)], 2_605_000, None, 60);
        assert_eq!(last.start(60), "1970-01-01T00:32:30Z", "a minute before the first page was read");
    }

    #[test]
    fn a_row_that_shows_late_before_the_one_to_go_on_with_is_found() {
        // The page ends long ago, but for what is not to be seen yet; or nobody can tell how far it reaches.
        for next in ["19700101003320|9", "?"] {
            let first = Cursor::from(1_000_000).behind(&[(1_500_000, 1)], 2_005_000, Some(next.into()), 60);
            let last = first.behind(&[(2_000_000, 9), (2_600_000, 10)], 2_605_000, None, 60);
            assert_eq!(last.start(60), "1970-01-01T00:32:25Z", "{next}: a minute before the first page was read");
        }
    }

    #[test]
    fn a_cursor_stays_within_the_contracts_limit() {
        let rows: Vec<_> = (0..5000).map(|id| (2_000_000_000_000, u64::MAX - id)).collect();
        let cursor = Cursor::from(0).behind(&rows, 2_000_000_000_000, Some("20261122112537|18446744073709551615".into()), 3600);
        assert!(cursor::written(&cursor).unwrap().len() < 16 << 10);
    }
}
