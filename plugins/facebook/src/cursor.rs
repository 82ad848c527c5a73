//! Where the next poll goes on. A poll that finds nothing new leaves the cursor as it was.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How far a sweep steps back behind the latest thing told, in milliseconds: one can be shown later than another that was made after it.
const OVERLAP_MS: i64 = 60 * 60 * 1000;
/// What is younger is left to the webhook, which tells it at once and better; in milliseconds.
const LEFT_TO_THE_WEBHOOK_MS: i64 = 10 * 60 * 1000;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Nothing made before this moment is told, in milliseconds since 1970.
    first_ms: i64,
    /// When the latest thing told by a sweep that came to its end was made, likewise.
    last_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<Sweep>,
}

/// Reading the posts, and the comments below each in which something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sweep {
    /// What was made from then on is told, in milliseconds since 1970.
    pub(crate) from_ms: i64,
    /// What was made later is left to the next sweep, likewise.
    until_ms: i64,
    /// When the latest thing told was made, likewise.
    latest_ms: i64,
    /// Where the list of posts goes on; None before its first page and behind its last.
    pub(crate) posts_after: Option<String>,
    /// Whether the last page of posts was read.
    has_all_posts: bool,
    /// Posts whose comments are to be read, the one under way first.
    posts: VecDeque<String>,
    /// Where the comments of the one under way go on.
    pub(crate) comments_after: Option<String>,
    /// Whether something could not be read: then the next sweep begins where this one did.
    misses_something: bool,
}

impl Cursor {
    /// Reads from this moment on.
    pub(crate) fn from(moment_ms: i64) -> Self {
        Self { first_ms: moment_ms, last_ms: moment_ms, sweep: None }
    }

    /// The sweep under way, or a new one.
    pub(crate) fn sweep(&self, now_ms: i64) -> Sweep {
        self.sweep.clone().unwrap_or_else(|| Sweep {
            from_ms: (self.last_ms - OVERLAP_MS).max(self.first_ms),
            until_ms: now_ms - LEFT_TO_THE_WEBHOOK_MS,
            latest_ms: self.last_ms,
            posts_after: None,
            has_all_posts: false,
            posts: VecDeque::new(),
            comments_after: None,
            misses_something: false,
        })
    }

    /// The cursor behind this much of a sweep.
    pub(crate) fn behind(mut self, sweep: Sweep) -> Self {
        if !sweep.is_over() {
            self.sweep = Some(sweep);
            return self;
        }
        if !sweep.misses_something {
            self.last_ms = self.last_ms.max(sweep.latest_ms);
        }
        self.sweep = None;
        self
    }

    /// Whether a sweep is under way.
    pub(crate) fn has_more(&self) -> bool {
        self.sweep.is_some()
    }
}

impl Sweep {
    /// The post whose comments are to be read next; None: it is the posts' turn.
    pub(crate) fn post(&self) -> Option<&str> {
        self.posts.front().map(String::as_str)
    }

    /// Whether what was made then is told by this sweep. It is, then.
    pub(crate) fn tells(&mut self, made_ms: i64) -> bool {
        let is_told = (self.from_ms..=self.until_ms).contains(&made_ms);
        if is_told {
            self.latest_ms = self.latest_ms.max(made_ms);
        }
        is_told
    }

    /// Something may have happened below this post.
    pub(crate) fn look_below(&mut self, post: String) {
        self.posts.push_back(post);
    }

    /// A page of posts was read.
    pub(crate) fn posts_go_on(&mut self, after: Option<String>) {
        self.has_all_posts = after.is_none();
        self.posts_after = after;
    }

    /// A page of the post's comments was read. None: the last that matters.
    pub(crate) fn comments_go_on(&mut self, after: Option<String>) {
        if after.is_none() {
            self.posts.pop_front();
        }
        self.comments_after = after;
    }

    /// Something could not be read.
    pub(crate) fn misses_something(&mut self) {
        self.misses_something = true;
    }

    fn is_over(&self) -> bool {
        self.has_all_posts && self.posts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use sportello_sdk::cursor;

    use super::*;

    const NOW_MS: i64 = 1_768_478_400_000;

    #[test]
    fn a_sweep_tells_what_was_made_since_an_hour_before_the_latest_and_leaves_the_youngest() {
        let cursor = Cursor::from(NOW_MS - 24 * OVERLAP_MS);
        let mut sweep = cursor.sweep(NOW_MS);
        assert!(!sweep.tells(NOW_MS - 24 * OVERLAP_MS - 1), "never before the first moment");
        assert!(!sweep.tells(NOW_MS) && sweep.tells(NOW_MS - LEFT_TO_THE_WEBHOOK_MS) && sweep.tells(NOW_MS - 2 * OVERLAP_MS));
        sweep.posts_go_on(None);
        let cursor = cursor.behind(sweep);
        assert_eq!((cursor.has_more(), cursor.sweep(NOW_MS).from_ms), (false, NOW_MS - LEFT_TO_THE_WEBHOOK_MS - OVERLAP_MS));
        let mut empty = cursor.sweep(NOW_MS + 1);
        empty.posts_go_on(None);
        assert_eq!(cursor.clone().behind(empty), cursor, "nothing new leaves it as it was");
    }

    #[test]
    fn a_sweep_goes_on_where_it_was_and_one_that_missed_something_is_made_again() {
        let cursor = Cursor::from(0);
        let mut sweep = cursor.sweep(NOW_MS);
        assert!(sweep.tells(NOW_MS / 2));
        sweep.posts_go_on(Some("more".to_owned()));
        let cursor: Cursor = cursor::read(&cursor::written(&cursor.behind(sweep)).unwrap()).unwrap();
        assert!(cursor.has_more());
        let mut sweep = cursor.sweep(2 * NOW_MS);
        assert_eq!((sweep.posts_after.as_deref(), sweep.until_ms), (Some("more"), NOW_MS - LEFT_TO_THE_WEBHOOK_MS));
        sweep.misses_something();
        sweep.posts_go_on(None);
        let cursor = cursor.behind(sweep);
        assert_eq!((cursor.has_more(), cursor.sweep(NOW_MS).from_ms), (false, 0));
    }

    #[test]
    fn a_cursor_stays_within_the_contracts_limit() {
        let cursor = Cursor::from(NOW_MS);
        let mut sweep = cursor.sweep(NOW_MS);
        // As many and as long ones as are believed.
        (0..50).for_each(|_| sweep.look_below("9".repeat(200)));
        sweep.posts_go_on(Some("a".repeat(1024)));
        sweep.comments_go_on(Some("a".repeat(1024)));
        assert!(cursor::written(&cursor.behind(sweep)).unwrap().len() < 16 << 10);
    }
}
