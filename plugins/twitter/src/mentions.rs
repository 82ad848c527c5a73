//! Asking for what a webhook may have missed: the account's mentions, newest first, page by page.
//! <https://docs.x.com/x-api/users/get-mentions>
//!
//! # The cursor
//! A sweep asks for everything since a moment and follows `next_token` to the last page. Where it stands is in the cursor, so a restart goes on with
//! the next page. The next sweep begins a little before the newest post the last one saw, because posts show late; the host drops what it has.
//! A token X does not take any more begins the sweep anew: nothing is lost by that.

use serde::{Deserialize, Serialize};
use sportello_sdk::{Context, Error, diagnostics, http, poll, time};

use crate::Settings;
use crate::activity::{Row, people};
use crate::api::{Document, Purpose, send};
use crate::edits::Edits;

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
    /// The next page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    token: Option<String>,
}

pub(crate) fn poll(context: &Context<Settings>, cursor: Option<String>) -> Result<poll::Page, Error> {
    let settings = &context.settings;
    let now_ms = time::milliseconds(&context.now).unwrap_or_default();
    let first = settings.since.as_deref().and_then(time::milliseconds).unwrap_or(now_ms - FIRST_SWEEP_MS);
    let cursor =
        cursor.and_then(|cursor| serde_json::from_str(&cursor).ok()).unwrap_or(Cursor { from_ms: first, newest_ms: first, token: None });

    let mut request = http::Request::get(settings.account("mentions"))
        .query("start_time", to_the_second(cursor.from_ms))
        .query("max_results", POSTS_PER_PAGE)
        .query("tweet.fields", POST_FIELDS)
        .query("expansions", "author_id")
        .query("user.fields", USER_FIELDS);
    if let Some(token) = &cursor.token {
        request = request.query("pagination_token", token);
    }
    let document: Document<Row> = match send(&request, "mentions", Purpose::Look) {
        Ok(response) => response.json()?,
        Err(Error::Reject(reason)) if cursor.token.is_some() => {
            diagnostics::warning!("a page of mentions is gone, all are asked for again: {reason}");
            let again = Cursor { token: None, ..cursor };
            return Ok(poll::Page { interactions: Vec::new(), cursor: serde_json::to_string(&again).ok(), more: true });
        }
        Err(error) => return Err(error),
    };
    document.note_errors("mentions");
    let people = people(document.includes.unwrap_or_default().users);
    let mut edits = Edits::read()?;
    let mut newest_ms = cursor.newest_ms;
    let mut interactions = Vec::new();
    for post in document.data.into_iter().filter_map(|row| row.post(settings, &people)) {
        newest_ms = newest_ms.max(post.at_ms.unwrap_or(newest_ms));
        edits.note(&post);
        // Words in the list are the words of the webhook: the raw text would only repeat them.
        interactions.push(post.interaction(settings, now_ms));
    }
    edits.write()?;
    let token = document.meta.and_then(|meta| meta.next_token);
    let more = token.is_some();
    let next = if more {
        Cursor { from_ms: cursor.from_ms, newest_ms, token }
    } else {
        Cursor { from_ms: (newest_ms - OVERLAP_MS).max(first.min(cursor.from_ms)), newest_ms, token: None }
    };
    Ok(poll::Page { interactions, cursor: serde_json::to_string(&next).ok(), more })
}

/// X takes times to the second.
pub(crate) fn to_the_second(ms: i64) -> String {
    time::from_seconds(ms.div_euclid(1000))
}
