//! Looking for what the webhook missed: Facebook repeats a delivery for 36 hours and then never again.
//!
//! A sweep reads the page's wall, post by post, and the comments below each post in which something happened, newest first, back to a moment; that
//! moment is an overlap before the latest thing told. What is told is what the delivery told when the thing was made, so the host drops what it has.
//! A list shows things as they are now: an edit that was missed is in the words of what was missed with it, and cannot be told of what is known.
//!
//! Each call makes one request, besides one a day that asks when the page's token ends. Its cursor says where the list goes on. Where Facebook does not take a cursor of a list any more (what it pointed at may
//! be gone), the next sweep begins where this one did.

use serde_json::value::RawValue;
use sportello_sdk::{Context, Error, Interaction, cursor, diagnostics, http, poll, time};

use crate::cursor::{Cursor, Sweep};
use crate::delivery::Around;
use crate::graph::{LOOK_AGAIN_AFTER, Purpose, send};
use crate::list::{Next, Page, Row, reaches_behind};
use crate::{Settings, feed, token};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Reads on.
pub(crate) fn page(context: &Context<Settings>, cursor: Option<String>) -> Result<poll::Page, Error> {
    let settings = &context.settings;
    let now_ms = time::milliseconds(&context.now).unwrap_or_default();
    let cursor = match cursor {
        Some(text) => cursor::read(&text)?,
        None => Cursor::from(settings.since.as_deref().and_then(time::milliseconds).unwrap_or(now_ms)),
    };
    let mut sweep = cursor.sweep(now_ms);
    let interactions = match sweep.post().map(str::to_owned) {
        Some(post) => comments(context, &mut sweep, &post)?,
        None => posts(context, &mut sweep)?,
    };
    let cursor = cursor.behind(sweep);
    if !cursor.has_more() {
        token::watch(context)?;
    }
    Ok(poll::Page::new(interactions, Some(cursor::written(&cursor)?), cursor.has_more()))
}

/// The posts of the page and of its visitors. `since` is of their last change or of when they were made, sources disagree: hence the days.
/// <https://developers.facebook.com/docs/graph-api/reference/page/feed>
fn posts(context: &Context<Settings>, sweep: &mut Sweep) -> Result<Vec<Interaction>, Error> {
    let settings = &context.settings;
    let since_ms = sweep.from_ms - i64::from(settings.posts_days) * DAY_MS;
    let request = http::Request::get(settings.edge(&settings.page_id, "feed"))
        .query("fields", "id,message,from,created_time,updated_time")
        .query("since", since_ms.div_euclid(1000).to_string());
    let after = sweep.posts_after.take();
    let rows = match read(settings, request, after.as_deref()) {
        Err(Error::Reject(reason)) if after.is_some() => {
            misses(sweep, "the page's wall", &reason);
            sweep.posts_go_on(None);
            return Ok(Vec::new());
        }
        read => read?,
    };
    for (_, row) in &rows.rows {
        if let Some(id) = &row.id
            && row.updated_time.is_none_or(|updated_ms| updated_ms >= sweep.from_ms)
        {
            sweep.look_below(id.clone());
        }
    }
    let after = rows.next(sweep, "the page's wall", since_ms);
    sweep.posts_go_on(after);
    Ok(told(context, sweep, rows, None))
}

/// The comments below a post, at every level. <https://developers.facebook.com/docs/graph-api/reference/object/comments>
fn comments(context: &Context<Settings>, sweep: &mut Sweep, post: &str) -> Result<Vec<Interaction>, Error> {
    let settings = &context.settings;
    let request = http::Request::get(settings.edge(post, "comments"))
        .query("fields", "id,message,from,created_time,parent{id}")
        .query("filter", "stream")
        .query("order", "reverse_chronological");
    let after = sweep.comments_after.take();
    let rows = match read(settings, request, after.as_deref()) {
        Err(Error::Reject(reason)) => {
            // Without a cursor it is the post that cannot be read: it is gone.
            match after {
                Some(_) => misses(sweep, post, &reason),
                None => diagnostics::info!("nothing is looked for below {post}: {reason}"),
            }
            sweep.comments_go_on(None);
            return Ok(Vec::new());
        }
        read => read?,
    };
    let after = rows.next(sweep, post, sweep.from_ms);
    sweep.comments_go_on(after);
    Ok(told(context, sweep, rows, Some(post)))
}

fn misses(sweep: &mut Sweep, list: &str, reason: &str) {
    diagnostics::warning!("{list} could not be read to its end, and is read again with the next poll: {reason}");
    sweep.misses_something();
}

/// A page of a list, each row with its own JSON.
struct Rows {
    rows: Vec<(Box<RawValue>, Row)>,
    next: Next,
}

impl Rows {
    /// Where the list goes on; None: nothing that was made since then follows, or it cannot be asked for.
    fn next(&self, sweep: &mut Sweep, list: &str, since_ms: i64) -> Option<String> {
        if reaches_behind(self.rows.iter().map(|(_, row)| row), since_ms) {
            return None;
        }
        match &self.next {
            Next::Nothing => None,
            Next::After(after) => Some(after.clone()),
            Next::OutOfReach => {
                misses(sweep, list, "it goes on without a cursor");
                None
            }
        }
    }
}

fn read(settings: &Settings, request: http::Request, after: Option<&str>) -> Result<Rows, Error> {
    let mut request = request.query("limit", settings.page_rows.to_string());
    if let Some(after) = after {
        request = request.query("after", after);
    }
    let response = send(request)?.map_err(|refusal| refusal.meaning(Purpose::Look))?;
    let page: Page<Box<RawValue>> = response.json()?;
    let next = page.next(after);
    let Some(rows) = page.data else { return Err(Error::retry(LOOK_AGAIN_AFTER, "Facebook answered without a list")) };
    let rows = rows.into_iter().map(|raw| {
        let row = serde_json::from_str(raw.get()).unwrap_or_default();
        (raw, row)
    });
    Ok(Rows { rows: rows.collect(), next })
}

/// What of these rows the sweep tells, oldest first. What says no time that can be read is told as of the moment the sweep reads from, by each sweep that
/// is shown it: the host knows what it has.
fn told(context: &Context<Settings>, sweep: &mut Sweep, rows: Rows, below: Option<&str>) -> Vec<Interaction> {
    let mut rows = rows.rows;
    rows.retain(|(_, row)| row.created_time.is_none_or(|made_ms| sweep.tells(made_ms)));
    let from_ms = sweep.from_ms;
    rows.sort_by_key(|(_, row)| row.created_time.unwrap_or(from_ms));
    let tell = |(raw, row): (Box<RawValue>, Row)| {
        let around = Around { page: &context.settings.page_id, fallback_ms: from_ms, raw: raw.get() };
        feed::listed(&around, row, below).raw_text(raw.get())
    };
    rows.into_iter().map(tell).collect()
}
