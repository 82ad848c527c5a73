//! Replies, which are comments below the comment or post that the conversation is named after, and posts of the page.
//! <https://developers.facebook.com/docs/pages-api/posts>
//!
//! The Graph API takes no key of ours, so whether a lost answer took effect is for `find` to tell.

use serde::Deserialize;
use sportello_sdk::{Context, Effect, Error, Receipt, http, lenient};

use crate::graph::{Purpose, Refusal, send};
use crate::{Settings, deletion, find, messaging};

#[derive(Deserialize)]
struct Created {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
}

/// Answers below an object.
pub(crate) fn reply(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    let written = write(context, effect, public_object(effect)?, "comments")?;
    written.map(Receipt::new).map_err(|refusal| refusal.meaning(Purpose::Change))
}

/// Posts on the page, for everyone to see.
pub(crate) fn post(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    match write(context, effect, &context.settings.page_id, "feed")? {
        Ok(id) => Ok(Receipt::new(&id).url(post_url(&id))),
        Err(refusal) if refusal.is_duplicate() => Err(duplicate(context, effect, &refusal)),
        Err(refusal) => Err(refusal.meaning(Purpose::Change)),
    }
}

/// The post before has the same words. If it stood there before this effect was queued, it is another's, and every attempt of this one was refused;
/// otherwise it may be its own, of an attempt whose answer was lost, and the host looks.
fn duplicate(context: &Context<Settings>, effect: &Effect, refusal: &Refusal) -> Error {
    let meaning = refusal.meaning(Purpose::Change);
    match find::posts(context, effect) {
        Ok(Some(seen)) if seen.newest_is_an_older_twin() => {
            Error::reject(format!("{}; the post before has the same words, and Facebook takes no second", meaning.reason()))
        }
        _ => meaning,
    }
}

/// Writes the effect's text; gives the id of what was written.
fn write(context: &Context<Settings>, effect: &Effect, object: &str, edge: &str) -> Result<Result<String, Refusal>, Error> {
    if effect.text.trim().is_empty() {
        return Err(Error::reject(format!("effect {}: there is nothing to say", effect.key)));
    }
    let response = match send(http::Request::post(context.settings.edge(object, edge)).form([("message", &effect.text)]))? {
        Ok(response) => response,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match response.json::<Created>()?.id {
        Some(id) => Ok(Ok(id)),
        None => Err(Error::uncertain(format!("Facebook answered HTTP {} without the id of what was written", response.status))),
    }
}

/// Where people see a post.
pub(crate) fn post_url(id: &str) -> String {
    format!("https://www.facebook.com/{id}")
}

/// The object of the graph that the effect answers.
pub(crate) fn public_object(effect: &Effect) -> Result<&str, Error> {
    let key = effect.conversation_key()?;
    if key.starts_with(messaging::KEY_PREFIX) {
        return Err(Error::reject(format!("effect {}: this connector reads private messages and does not answer them", effect.key)));
    }
    if key.starts_with(deletion::KEY_PREFIX) {
        return Err(Error::reject(format!(
            "effect {}: who asks to be deleted is shown what became of it, and cannot be answered",
            effect.key
        )));
    }
    Ok(key)
}
