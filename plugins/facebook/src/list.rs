//! Lists of the Graph API, a page at a time. <https://developers.facebook.com/docs/graph-api/results>

use serde::Deserialize;
use sportello_sdk::lenient;

use crate::account::Account;

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    /// Not there: nothing was listed, which says nothing.
    pub(crate) data: Option<Vec<T>>,
    #[serde(default, deserialize_with = "lenient::value")]
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Paging {
    #[serde(default, deserialize_with = "lenient::value")]
    cursors: Option<Cursors>,
    #[serde(default, deserialize_with = "lenient::text")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Cursors {
    #[serde(default, deserialize_with = "lenient::text")]
    after: Option<String>,
}

/// A comment or post as lists show it.
#[derive(Default, Deserialize)]
pub(crate) struct Row {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) message: Option<String>,
    /// Who wrote it; not there where the token may not see it.
    #[serde(default, deserialize_with = "lenient::value")]
    pub(crate) from: Option<Account>,
    /// In milliseconds, though Facebook tells seconds.
    #[serde(default, deserialize_with = "lenient::moment")]
    pub(crate) created_time: Option<i64>,
    /// Of a post: when it was edited or commented on last.
    #[serde(default, deserialize_with = "lenient::moment")]
    pub(crate) updated_time: Option<i64>,
    /// Of a comment: the comment it answers.
    #[serde(default, deserialize_with = "lenient::value")]
    pub(crate) parent: Option<Parent>,
}

#[derive(Deserialize)]
pub(crate) struct Parent {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<String>,
}

/// What follows a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// The page behind this cursor.
    After(String),
    /// More, and a cursor that is missing or does not move will never show it.
    OutOfReach,
}

/// The longest cursor that is believed, in bytes: a poll keeps two of them.
const CURSOR_BYTES_MAX: usize = 1024;

impl<T> Page<T> {
    /// What follows this page, which was asked for with the cursor `after`.
    pub(crate) fn next(&self, after: Option<&str>) -> Next {
        let Some(Paging { next: Some(_), cursors }) = &self.paging else { return Next::Nothing };
        let cursor = cursors.as_ref().and_then(|cursors| cursors.after.as_deref());
        match cursor.filter(|cursor| Some(*cursor) != after && cursor.len() <= CURSOR_BYTES_MAX) {
            Some(cursor) => Next::After(cursor.to_owned()),
            None => Next::OutOfReach,
        }
    }
}

/// Whether nothing made since then can follow these rows. No order is promised, so a page says for itself how it is ordered.
pub(crate) fn reaches_behind<'a>(rows: impl IntoIterator<Item = &'a Row>, since_ms: i64) -> bool {
    let made: Vec<Option<i64>> = rows.into_iter().map(|row| row.created_time).collect();
    let is_newest_first = made.len() > 1 && made.is_sorted_by(|one, other| one >= other);
    is_newest_first && made.last().is_some_and(|last| last.is_some_and(|at_ms| at_ms < since_ms))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_goes_on_only_with_a_cursor_that_moves_and_can_be_kept() {
        let behind = |after: Option<&str>, cursor: &str| {
            let page = json!({ "data": [], "paging": { "cursors": { "after": cursor }, "next": "https://graph.facebook.com/…" } });
            serde_json::from_str::<Page<Row>>(&page.to_string()).unwrap().next(after)
        };
        assert_eq!(behind(None, "b"), Next::After("b".to_owned()));
        assert_eq!(behind(Some("a"), "b"), Next::After("b".to_owned()));
        assert_eq!(behind(Some("b"), "b"), Next::OutOfReach);
        let longest = "b".repeat(CURSOR_BYTES_MAX);
        assert_eq!(behind(None, &longest), Next::After(longest.clone()));
        assert_eq!(behind(None, &format!("{longest}b")), Next::OutOfReach);
    }
}
