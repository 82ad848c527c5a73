//! The document that is parsed: shared, as a file, with the guest of the peer, so that both do the same work.

use serde::Deserialize;

/// A delivery of three comments, about 2 KB.
#[derive(Deserialize)]
pub(crate) struct Document {
    pub(crate) entry: Vec<Entry>,
}

/// What happened in one place.
#[derive(Deserialize)]
pub(crate) struct Entry {
    pub(crate) changes: Vec<Change>,
}

/// One thing that happened.
#[derive(Deserialize)]
pub(crate) struct Change {
    pub(crate) value: Comment,
}

/// A comment.
#[derive(Deserialize)]
pub(crate) struct Comment {
    pub(crate) comment_id: String,
    pub(crate) post_id: String,
    pub(crate) message: String,
    /// Seconds since 1970.
    pub(crate) created_time: i64,
    pub(crate) from: Account,
}

/// Who wrote it.
#[derive(Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Document {
    /// All comments, in order.
    pub(crate) fn comments(self) -> impl Iterator<Item = Comment> {
        self.entry.into_iter().flat_map(|entry| entry.changes).map(|change| change.value)
    }
}
