//! Looking whether a reply is there: the page's own comment with the same words, made since the effect was queued, below the same object.
//!
//! All pages of the list are read, because the order they come in is not promised; `after` cursors lead on. Facebook trims and may
//! re-break a text, so words are compared without regard to white space. Absent is only answered when the whole list was read, every comment in it
//! has an author where it matters, and the host believes it only after the declared settling time.

use serde::Deserialize;
use sportello_sdk::find::Presence;
use sportello_sdk::{Context, Effect, Error, Receipt, diagnostics, http, lenient, time};

use crate::Settings;
use crate::account::Account;
use crate::graph::{Purpose, accept};
use crate::publish::public_object;

/// How many pages of comments a look reads before it gives up.
const PAGES_MAX: usize = 50;
/// How many comments a page has; the platform's own limit.
const COMMENTS_PER_PAGE: &str = "100";
/// How far the platform's clock may be behind ours, in milliseconds.
const CLOCK_SKEW_MS: i64 = 120_000;

#[derive(Deserialize)]
struct Comments {
    /// Not there: nothing was listed, which says nothing.
    data: Option<Vec<Comment>>,
    #[serde(default, deserialize_with = "lenient::value")]
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Comment {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    from: Option<Account>,
    #[serde(default, deserialize_with = "lenient::moment")]
    created_time: Option<i64>,
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

pub(crate) fn reply(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    let url = context.settings.edge(public_object(effect)?, "comments");
    let since_ms = time::milliseconds(&effect.queued_at).map_or(i64::MIN, |queued_ms| queued_ms - CLOCK_SKEW_MS);
    let mut found: Vec<Receipt> = Vec::new();
    let mut perhaps = false;
    let mut after: Option<String> = None;

    for _ in 0..PAGES_MAX {
        let mut request = http::Request::get(&url).query("fields", "id,message,from,created_time").query("limit", COMMENTS_PER_PAGE);
        if let Some(cursor) = &after {
            request = request.query("after", cursor);
        }
        let comments: Comments = match accept(request.send()?, Purpose::Look) {
            Ok(response) => response.json()?,
            // The comment or post we answered is gone, and what was below it with it: nobody can tell any more.
            Err(Error::Reject(reason)) => {
                diagnostics::info!("effect {}: can't be looked for: {reason}", effect.key);
                return Ok(Presence::CannotTell);
            }
            Err(error) => return Err(error),
        };
        let Some(listed) = comments.data else { return Ok(Presence::CannotTell) };
        let candidates = listed.iter().filter(|comment| {
            let recent = comment.created_time.is_none_or(|at| at >= since_ms);
            recent && comment.message.as_deref().is_some_and(|message| same_words(message, &effect.text))
        });
        for comment in candidates {
            match (comment.from.as_ref().and_then(|from| from.id.as_deref()), &comment.id) {
                (Some(author), Some(id)) if author == context.settings.page_id => {
                    let receipt = Receipt::new(id.clone());
                    found.push(match comment.created_time {
                        Some(at) => receipt.at(time::from_milliseconds(at)),
                        None => receipt,
                    });
                }
                (Some(_), _) => {}
                (None, _) => perhaps = true,
            }
        }
        let Some(Paging { next: Some(_), cursors }) = comments.paging else {
            return Ok(match (found.len(), perhaps) {
                (1, _) => Presence::Present(found.remove(0)),
                (0, false) => Presence::Absent,
                // Two replies with the same words, or one that hides its author: which effect is which, nobody can tell.
                _ => Presence::CannotTell,
            });
        };
        // There is more. A cursor that is missing or does not move would never show it.
        let cursor = cursors.and_then(|cursors| cursors.after).filter(|cursor| Some(cursor) != after.as_ref());
        if cursor.is_none() {
            break;
        }
        after = cursor;
    }
    diagnostics::warning!("effect {}: not all comments could be read within {PAGES_MAX} pages", effect.key);
    Ok(Presence::CannotTell)
}

fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}
