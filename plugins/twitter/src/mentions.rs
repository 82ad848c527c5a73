//! Asking for what a webhook may have missed: the account's mentions, newest first, page by page.
//! <https://docs.x.com/x-api/users/get-mentions>
//!
//! # The cursor
//! A sweep asks for everything since a moment and follows `next_token` to the last page. Where it stands is in the cursor, so a restart goes on with
//! the next page. The next sweep begins a little before the newest post the last one saw, because posts show late; the host drops what it has.
//! Where X does not take a token any more, or names a page as the one behind itself, the sweep goes on below the oldest post it has seen (`until_id`).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sportello_sdk::{Context, Error, diagnostics, http, poll, time};

use crate::activity::{Row, people};
use crate::api::{self, Document};
use crate::delivery::{Unknown, not_understood};
use crate::edits::Edits;
use crate::{Settings, actor};

/// How far a sweep steps back, in milliseconds: posts show late in the list.
const OVERLAP_MS: i64 = 5 * 60 * 1000;
/// Where the very first sweep begins, in milliseconds before it.
const FIRST_SWEEP_MS: i64 = 24 * 60 * 60 * 1000;
/// Posts on a page; the platform's own limit.
const POSTS_PER_PAGE: &str = "100";
/// What is asked for of a post and of its author.
pub(crate) const POST_FIELDS: &str = "author_id,conversation_id,created_at,display_text_range,edit_history_tweet_ids,entities,in_reply_to_user_id,lang,note_tweet,referenced_tweets";
const USER_FIELDS: &str = "name,username";

#[derive(Serialize, Deserialize)]
struct Cursor {
    /// Where the sweep begins, in milliseconds since 1970.
    from_ms: i64,
    /// The newest post it has seen, so that the next one knows where to begin.
    newest_ms: i64,
    /// The oldest post it has seen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    oldest: Option<u64>,
    /// Only older posts than this one are asked for, since a token was refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    until: Option<u64>,
    /// The next page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    token: Option<String>,
}

impl Cursor {
    fn new(from_ms: i64, newest_ms: i64) -> Self {
        Self { from_ms, newest_ms, oldest: None, until: None, token: None }
    }

    /// Where the next sweep begins once this one has read what it could; never before both this one's beginning and `first`, that of the very first.
    fn next_sweep(&self, first: i64) -> Self {
        Self::new((self.newest_ms - OVERLAP_MS).max(first.min(self.from_ms)), self.newest_ms)
    }

    /// Where it goes on where a page cannot be had, and whether there is more now: below a page without posts nothing can be asked for, and the sweep
    /// ends there.
    fn without_page(self, first: i64, reason: &str) -> (Self, bool) {
        let more = self.oldest != self.until;
        let below = if more { "those below what was seen are asked for" } else { "what lies below it is not read" };
        diagnostics::warning!("a page of mentions is gone, {below}: {reason}");
        (if more { Self { until: self.oldest, token: None, ..self } } else { self.next_sweep(first) }, more)
    }
}

pub(crate) fn poll(context: &Context<Settings>, cursor: Option<String>) -> Result<poll::Page, Error> {
    let settings = &context.settings;
    let now_ms = time::milliseconds(&context.now).unwrap_or_default();
    let first = settings.since.as_deref().and_then(time::milliseconds).unwrap_or(now_ms - FIRST_SWEEP_MS);
    let cursor = cursor.and_then(|cursor| serde_json::from_str(&cursor).ok()).unwrap_or(Cursor::new(first, first));

    let mut request = http::Request::get(settings.account("mentions"))
        .query("start_time", to_the_second(cursor.from_ms))
        .query("max_results", POSTS_PER_PAGE)
        .query("tweet.fields", POST_FIELDS)
        .query("expansions", "author_id")
        .query("user.fields", USER_FIELDS);
    if let Some(until) = cursor.until {
        request = request.query("until_id", until.to_string());
    }
    if let Some(token) = &cursor.token {
        request = request.query("pagination_token", token);
    }
    let document: Document<Box<RawValue>> = match api::look(&request, "mentions") {
        Ok(response) => response.json()?,
        Err(Error::Reject(reason)) if cursor.token.is_some() => {
            let (next, more) = cursor.without_page(first, &reason);
            return Ok(poll::Page::new([], serde_json::to_string(&next).ok(), more));
        }
        Err(error) => return Err(error),
    };
    document.must_be_a_list(settings)?;
    document.note_errors("mentions");
    let people = people(document.includes.unwrap_or_default().users);
    let mut edits = Edits::read()?;
    let mut newest_ms = cursor.newest_ms;
    let mut oldest = cursor.oldest;
    let mut interactions = Vec::new();
    for raw in &document.data {
        let Some(post) = serde_json::from_str::<Row>(raw.get()).ok().and_then(|row| row.post(settings, &people)) else {
            let author = actor::of(raw.get()).map(|named| people.get(&named.id).cloned().unwrap_or(named));
            let unknown = Unknown { kind: "mentions".to_owned(), id: None, author };
            interactions.push(not_understood(settings, now_ms, unknown, raw.get()).raw_text(raw.get()));
            continue;
        };
        newest_ms = newest_ms.max(post.at_ms.unwrap_or(newest_ms));
        oldest = oldest.into_iter().chain(post.id.parse().ok()).min();
        edits.note(&post);
        if edits.is_gone(&post) {
            interactions.push(post.deletion(settings, now_ms));
        }
        interactions.push(post.interaction(settings, now_ms).raw_text(raw.get()));
    }
    edits.write()?;
    let seen = Cursor { newest_ms, oldest, ..cursor };
    let (next, more) = match document.meta.and_then(|meta| meta.next_token) {
        None => (seen.next_sweep(first), false),
        Some(token) if seen.token.as_ref() == Some(&token) => seen.without_page(first, "X names it as the one behind itself"),
        token => (Cursor { token, ..seen }, true),
    };
    Ok(poll::Page::new(interactions, serde_json::to_string(&next).ok(), more))
}

/// X takes times to the second.
pub(crate) fn to_the_second(ms: i64) -> String {
    time::from_seconds(ms.div_euclid(1000))
}
