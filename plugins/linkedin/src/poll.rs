//! Pulling notifications: what a delivery may have missed. They can be pulled for 60 days, and are the same documents that are delivered.
//!
//! A sweep reads, page by page, all that happened since a moment; that moment is an overlap before the latest notification seen, because
//! one can be shown later than another that came after it. What was read of the overlap is remembered, so that no comment is read again.

use serde_json::value::RawValue;
use sportello_sdk::{Context, Error, cursor, http, lenient, poll, time};

use crate::cursor::Cursor;
use crate::list::Page;
use crate::notification::{Read, without_people};
use crate::role::{self, Role};
use crate::thread::Threads;
use crate::{Settings, api};

/// All that a pull can ask for.
const ACTIONS: &str = "List(LIKE,COMMENT,SHARE,SHARE_MENTION,ADMIN_COMMENT,COMMENT_EDIT,COMMENT_DELETE)";
/// How long notifications can be pulled, less what a sweep may take, in milliseconds.
const PULLABLE_MS: i64 = (60 * 24 - 1) * 60 * 60 * 1000;
/// How far the platform's clock may be ahead of ours, in milliseconds.
const CLOCK_SKEW_MS: i64 = 600_000;

pub(crate) fn page(context: &Context<Settings>, cursor: Option<String>) -> Result<poll::Page, Error> {
    let settings = &context.settings;
    let now_ms = time::milliseconds(&context.now).unwrap_or_default();
    let cursor = match cursor {
        Some(text) => cursor::read(&text)?,
        None => Cursor::from(settings.since.as_deref().and_then(time::milliseconds).unwrap_or(now_ms)),
    };
    let from_ms = cursor.begin_ms(settings.overlap_seconds, now_ms - PULLABLE_MS);

    let query = format!(
        "q=criteria&actions={ACTIONS}&organizationalEntity={}&timeRange=(start:{from_ms},end:{})&start={}&count={}",
        http::encode(&settings.organization),
        now_ms + CLOCK_SKEW_MS,
        cursor.start(),
        settings.page_rows,
    );
    let response = api::look(context, settings.resource(&format!("organizationalEntityNotifications?{query}")))?;
    let page: Page<Box<RawValue>> = response.json()?;
    let has_more = page.has_more(cursor.start(), settings.page_rows);

    let mut rows: Vec<_> = page.elements.iter().map(|raw| (raw, Read::new(raw.get()))).collect();
    // On a later page too: the role can be taken away during a sweep.
    if rows.is_empty() {
        refuse_without_role(context)?;
    }
    rows.sort_by_key(|(_, read)| read.at_ms());
    let mut threads = Threads::for_poll(context);
    let mut interactions = Vec::new();
    let mut marks = Vec::new();
    for (raw, read) in &rows {
        let mark = (read.at_ms().unwrap_or(from_ms), lenient::checksum(&read.id()));
        if !cursor.has_read(&mark) {
            let told = read.interaction(&settings.organization, now_ms, &mut threads)?;
            let text = without_people(&told, raw.get()).unwrap_or_else(|| raw.get().to_owned());
            interactions.push(told.raw_text(text));
        }
        marks.push(mark);
    }
    let next = if has_more { cursor.further(from_ms, &marks) } else { cursor.at_end(&marks, settings.overlap_seconds) };
    Ok(poll::Page::new(interactions, Some(cursor::written(&next)?), has_more))
}

/// An empty list may mean that nothing happened, or that the member whose token it is may not see what did. The cursor then stays where it is: it
/// can all be pulled once the role is given.
fn refuse_without_role(context: &Context<Settings>) -> Result<(), Error> {
    match role::ours(context)? {
        Role::Administrator | Role::Unknown => Ok(()),
        Role::None => Err(Error::auth(format!(
            "the token's member needs the role ADMINISTRATOR at {}: without it LinkedIn shows nothing and sends no deliveries",
            context.settings.organization
        ))),
    }
}
