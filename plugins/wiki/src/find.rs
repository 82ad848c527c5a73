//! Looking whether a reply or a post is there: by the effect's key in a comment of the page's text, now or in an edit of ours since it was queued.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sportello_sdk::find::Presence;
use sportello_sdk::{Context, Effect, Error, Receipt, diagnostics, time};

use crate::api::{self, Purpose};
use crate::publish::{PageNow, page_now};
use crate::thread::page_of;
use crate::{Settings, revisions};

/// How far the wiki's clock may be behind ours, in milliseconds.
const CLOCK_SKEW_MS: i64 = 10 * 60 * 1000;
/// Revisions of the page listed in one request, and requests: a page with more edits since the effect was queued can't be looked through.
const ROWS_PER_REQUEST: &str = "100";
/// See [`ROWS_PER_REQUEST`].
const REQUESTS_MAX: usize = 10;
/// Edits of ours whose texts are read in one look; the host's limit of all answers in a call is 16 MiB.
const TEXT_BYTES_MAX: u64 = 8 << 20;

/// What the effect's key stands between, on the page: the contract's keys are `[a-z0-9-]`, so nothing in it ends the comment.
const MARKER: (&str, &str) = ("<!-- sportello ", " -->");

pub(crate) fn marker(effect: &Effect) -> String {
    let (before, behind) = MARKER;
    format!("{before}{}{behind}", effect.key)
}

/// The key of the effect that made this edit. None: it added no key, or several (an edit that moved answers here from another page).
pub(crate) fn key_added<'text>(old: &str, new: &'text str) -> Option<&'text str> {
    let before: BTreeSet<&str> = keys(old).collect();
    let added: BTreeSet<&str> = keys(new).filter(|key| !before.contains(key)).collect();
    added.first().copied().filter(|_| added.len() == 1)
}

/// The keys that stand in a text.
fn keys(text: &str) -> impl Iterator<Item = &str> {
    text.split(MARKER.0).skip(1).filter_map(|rest| Some(rest.split_once(MARKER.1)?.0)).filter(|key| is_key(key))
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

pub(crate) fn reply(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    presence(&context.settings, effect, page_of(effect.conversation_key()?))
}

/// Looks on the page with this title.
pub(crate) fn presence(settings: &Settings, effect: &Effect, title: &str) -> Result<Presence, Error> {
    let Some(page) = page_now(settings, title)? else {
        // A deleted page took its history along: whether it ever stood there, nobody can tell.
        return Ok(Presence::CannotTell);
    };
    let stands_there = page.text.contains(&marker(effect));
    let sighting = match edits_of_ours(settings, effect, &page.title)? {
        Some(edits) => first_with_marker(settings, effect, &page, &edits)?,
        None => Sighting::TooMuch,
    };
    Ok(match sighting {
        Sighting::Seen(receipt) => Presence::Present(receipt),
        // Somebody moved it here from another page, or there was too much to find out when it came.
        _ if stands_there => Presence::Present(anywhere(settings, &page)),
        Sighting::NotSeen => Presence::Absent,
        Sighting::TooMuch => {
            diagnostics::warning!("effect {}: too many edits of its page since it was queued to look through", effect.key);
            Presence::CannotTell
        }
    })
}

/// The receipt of what stands on this page.
pub(crate) fn receipt(settings: &Settings, effect: &Effect, page: &PageNow) -> Result<Receipt, Error> {
    let edits = edits_of_ours(settings, effect, &page.title)?.unwrap_or_default();
    Ok(match first_with_marker(settings, effect, page, &edits)? {
        Sighting::Seen(receipt) => receipt,
        Sighting::NotSeen | Sighting::TooMuch => anywhere(settings, page),
    })
}

/// What looking through our edits brought.
enum Sighting {
    Seen(Receipt),
    NotSeen,
    /// Not seen, but not all was looked at.
    TooMuch,
}

fn anywhere(settings: &Settings, page: &PageNow) -> Receipt {
    Receipt::new(format!("rev:{}", page.revision)).url(settings.page_url(&page.title, None))
}

/// An edit: revision, size, time.
struct Edit {
    revision: u64,
    bytes: u64,
    at: String,
}

/// Our edits of the page since the effect was queued, oldest first; None if there are too many edits to tell.
fn edits_of_ours(settings: &Settings, effect: &Effect, title: &str) -> Result<Option<Vec<Edit>>, Error> {
    let since_ms = time::milliseconds(&effect.queued_at).map_or(i64::MIN, |queued_ms| queued_ms - CLOCK_SKEW_MS);
    let asked = [
        ("action", "query"),
        ("prop", "revisions"),
        ("titles", title),
        ("rvprop", "ids|timestamp|user|size"),
        ("rvlimit", ROWS_PER_REQUEST),
    ];
    let mut next: Vec<(String, String)> = Vec::new();
    let mut edits = Vec::new();
    for _ in 0..REQUESTS_MAX {
        let parameters: Vec<_> = asked.into_iter().chain(next.iter().map(|(name, value)| (name.as_str(), value.as_str()))).collect();
        let reply = api::look(settings, &parameters).map_err(|trouble| trouble.meaning(Purpose::Look))?;
        let rows = reply["query"]["pages"][0]["revisions"].as_array();
        for row in rows.into_iter().flatten() {
            let (Some(revision), Some(at)) = (row["revid"].as_u64(), row["timestamp"].as_str()) else { continue };
            if time::milliseconds(at).is_some_and(|at_ms| at_ms < since_ms) {
                edits.reverse();
                return Ok(Some(edits));
            }
            if row["user"].as_str().is_some_and(|user| settings.is_bot(user)) {
                edits.push(Edit { revision, bytes: row["size"].as_u64().unwrap_or_default(), at: at.to_owned() });
            }
        }
        let Some(more) = reply["continue"].as_object() else {
            edits.reverse();
            return Ok(Some(edits));
        };
        next = more.iter().filter_map(|(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    }
    Ok(None)
}

/// Looks for the first of our edits with the effect's key in its text: the one that put it there.
fn first_with_marker(settings: &Settings, effect: &Effect, page: &PageNow, edits: &[Edit]) -> Result<Sighting, Error> {
    let mut bytes = 0;
    let mut looked_at = BTreeMap::new();
    for edit in edits {
        bytes += edit.bytes;
        if bytes > TEXT_BYTES_MAX {
            break;
        }
        looked_at.insert(edit.revision, edit.bytes);
    }
    let texts = revisions::texts(settings, &looked_at).map_err(|trouble| trouble.meaning(Purpose::Look))?;
    let marker = marker(effect);
    let Some(first) = edits.iter().find(|edit| texts.get(&edit.revision).is_some_and(|text| text.contains(&marker))) else {
        return Ok(if looked_at.len() < edits.len() { Sighting::TooMuch } else { Sighting::NotSeen });
    };
    let receipt = Receipt::new(format!("rev:{}", first.revision)).url(settings.page_url(&page.title, None));
    Ok(Sighting::Seen(match time::normalise(&first.at) {
        Some(at) => receipt.at(at),
        None => receipt,
    }))
}

#[cfg(test)]
mod tests {
    use super::key_added;

    #[test]
    fn an_edit_is_known_by_the_one_key_it_added() {
        let (one, two) = (":a <!-- sportello 1a2b3c-run-1-1 -->", ":b <!-- sportello 1a2b3c-run-1-2 -->");
        assert_eq!(key_added("", one), Some("1a2b3c-run-1-1"));
        assert_eq!(key_added(one, &format!("{one}\n{two}\n{two}")), Some("1a2b3c-run-1-2"));
        assert_eq!(key_added("", &format!("{one}\n{two}")), None, "answers that were moved here");
        assert_eq!(key_added(one, &format!("{one}\n:c")), None, "somebody wrote by hand with the bot's account");
        assert_eq!(key_added("", "<!-- sportello --> <!-- sportello x y --> <!-- sportello run-1"), None, "no keys");
    }
}
