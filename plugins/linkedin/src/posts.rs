//! The organisation's own posts.
//!
//! Their text is in a format of LinkedIn's in which some characters mean something: one that stands bare ends the post there, and nobody is
//! told. So each gets a backslash, and is read without it. Comments are plain text.

use serde::Deserialize;
use serde_json::json;
use sportello_sdk::find::{Candidates, same_words};
use sportello_sdk::{Context, Effect, Error, Receipt, http, lenient};

use crate::Settings;
use crate::api;
use crate::find;
use crate::list::{self, Listed};
use crate::publish;
use crate::urn::{self, Target};

/// The longest post LinkedIn takes, in characters.
const TEXT_CHARS_MAX: usize = 3000;
/// What means something in a post's text.
const RESERVED: &str = r"\|{}@[]()<>#*_~";

/// A post as lists show it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    commentary: Option<String>,
    #[serde(default, deserialize_with = "lenient::moment")]
    created_at: Option<i64>,
}

impl Shown {
    /// The words as people see them.
    pub(crate) fn text(&self) -> Option<String> {
        self.commentary.as_deref().map(plain)
    }

    /// When, in milliseconds.
    pub(crate) fn created_ms(&self) -> Option<i64> {
        self.created_at
    }

    pub(crate) fn urn(&self) -> Option<String> {
        self.id.as_deref().and_then(urn::post)
    }
}

/// Posts the effect's text for everyone to see.
pub(crate) fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    publish::check_text(effect, TEXT_CHARS_MAX)?;
    let document = json!({
        "author": context.settings.organization,
        "commentary": escaped(&effect.text),
        "visibility": "PUBLIC",
        "distribution": { "feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": [] },
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": false,
    });
    let request = api::request(&context.settings, "POST", context.settings.resource("posts")).json(&document);
    let response = match api::send(request)? {
        Ok(response) => response,
        // The older post may be long ago: here the whole list is looked through.
        Err(refusal) if refusal.is_duplicate() => return Err(publish::duplicate(&refusal, find::post(context, effect, true))),
        Err(refusal) => return Err(refusal.meaning(context)),
    };
    match response.header("x-restli-id").map(http::decode).as_deref().and_then(urn::post) {
        Some(post) => Ok(Receipt::new(post.as_str()).url(Target::Post(post).url())),
        None => Err(Error::uncertain(format!("LinkedIn answered HTTP {} without the id of a post", response.status))),
    }
}

/// Reads the organisation's posts; those that were made before `since_ms` need not be read.
pub(crate) fn since(context: &Context<Settings>, since_ms: i64) -> Result<Listed<Shown>, Error> {
    let author = http::encode(&context.settings.organization);
    let url = context.settings.resource(&format!("posts?q=author&author={author}&sortBy=CREATED"));
    // The order is asked for and not promised, so a page says for itself how it is ordered.
    list::read(context, &url, |rows: &[Shown]| {
        let is_newest_first = rows.is_sorted_by(|one, other| one.created_at >= other.created_at);
        is_newest_first && rows.len() > 1 && rows.last().is_some_and(|row| row.created_at.is_some_and(|at_ms| at_ms < since_ms))
    })
}

/// Those among them that may be the effect.
pub(crate) fn candidates(rows: &[Shown], effect: &Effect) -> Candidates {
    let mut candidates = Candidates::new(effect);
    for row in rows.iter().filter(|row| row.text().is_some_and(|text| same_words(&text, &effect.text))) {
        candidates.own(row.created_ms(), row.urn().map(|urn| Receipt::new(urn.as_str()).url(Target::Post(urn).url())));
    }
    candidates
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if RESERVED.contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn plain(commentary: &str) -> String {
    let mut text = String::with_capacity(commentary.len());
    let mut letters = commentary.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_escape = letter == '\\' && letters.peek().is_some_and(|next| RESERVED.contains(*next));
        text.extend(if is_escape { letters.next() } else { Some(letter) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_is_read_again_letter_by_letter() {
        for text in ["", r"Prezzo (nuovo): 5 € \o/ #1 @you [a](b) {c|d} <e> *f* _g_ ~h~ 🙏", r"\\\", "due\nrighe"] {
            assert_eq!(plain(&escaped(text)), text);
        }
        assert_eq!(escaped("(a)"), r"\(a\)");
        assert_eq!(plain(r"a \b \"), r"a \b \", "what LinkedIn did not escape stands for itself");
    }
}
