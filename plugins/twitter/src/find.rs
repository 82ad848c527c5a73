//! Looking whether a reply or a post is there: the account's own, in its timeline, with the same words and the same post answered.
//! <https://docs.x.com/x-api/users/get-posts>
//!
//! X puts `@names` before the words of a reply, shortens links and escapes `&<>`: words are compared without all that and without regard to white
//! space. Absent is only answered when the whole list since the effect was queued was shown and read, and the host believes it only after the declared
//! settling time.

use std::collections::BTreeMap;

use sportello_sdk::find::{Candidates, Presence, since_ms};
use sportello_sdk::{Context, Effect, Error, Receipt, diagnostics, http};

use crate::Settings;
use crate::activity::Row;
use crate::api::{self, Document};
use crate::mentions::{POST_FIELDS, to_the_second};
use crate::publish::target;

/// How many pages of the timeline a look reads before it gives up.
const PAGES_MAX: usize = 32;

/// Says whether the effect is there.
pub(crate) fn presence(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    Ok(look(context, effect, since_ms(effect))?.map_or(Presence::CannotTell, Candidates::presence))
}

/// Reads the account's timeline since a moment; None: it is too long.
pub(crate) fn look(context: &Context<Settings>, effect: &Effect, from_ms: i64) -> Result<Option<Candidates>, Error> {
    let target = target(effect)?;
    let mut candidates = Candidates::new(effect);
    let mut token: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut request = http::Request::get(context.settings.account("tweets"))
            .query("start_time", to_the_second(from_ms))
            .query("max_results", "100")
            .query("tweet.fields", POST_FIELDS);
        if let Some(token) = &token {
            request = request.query("pagination_token", token);
        }
        let document: Document<Row> = api::look(&request, "timeline")?.json()?;
        document.note_errors("timeline");
        if !document.is_whole() {
            candidates.unclear();
        }
        for row in document.data {
            count(&mut candidates, context, effect, target, row);
        }
        let next = document.meta.and_then(|meta| meta.next_token);
        if next.is_none() {
            return Ok(Some(candidates));
        }
        if next == token {
            break;
        }
        token = next;
    }
    diagnostics::warning!("effect {}: not all posts could be read within {PAGES_MAX} pages", effect.key);
    Ok(None)
}

fn count(candidates: &mut Candidates, context: &Context<Settings>, effect: &Effect, target: Option<&str>, row: Row) {
    let Some(post) = row.post(&context.settings, &BTreeMap::new()) else {
        return candidates.unclear();
    };
    let text = post.text.as_deref().unwrap_or_default();
    let text = if post.answers.is_some() { without_names(text) } else { text };
    if post.reposts.is_some() || !same_words(text, &effect.text) {
        return;
    }
    if post.answers.as_deref() == target {
        candidates.own(post.at_ms, Some(Receipt::new(post.root()).url(format!("https://x.com/i/status/{}", post.id))));
    } else {
        candidates.other();
    }
}

/// The words of a reply without the names that X puts before them.
fn without_names(text: &str) -> &str {
    let mut rest = text;
    while let Some(name) = rest.strip_prefix('@') {
        let end = name.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(name.len());
        let behind = &name[end..];
        if !behind.starts_with(' ') {
            break;
        }
        rest = behind.trim_start();
    }
    rest
}

/// A reply may have been typed with names in front itself: both sides lose them.
fn same_words(theirs: &str, ours: &str) -> bool {
    [ours, without_names(ours)].iter().any(|ours| words(theirs).eq(words(ours)))
}

/// X gives every link a scheme, whether it was typed or not.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().map(|word| word.strip_prefix("https://").or_else(|| word.strip_prefix("http://")).unwrap_or(word))
}
