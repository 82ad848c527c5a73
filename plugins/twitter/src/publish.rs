//! Replies and posts: `POST /2/tweets`. <https://docs.x.com/x-api/posts/create-post>
//!
//! X takes no key of ours, so whether a lost answer took effect is for `find` to tell.

use serde::Deserialize;
use serde_json::json;
use sportello_sdk::find::since_ms;
use sportello_sdk::{Context, Effect, Error, Receipt, http, lenient};

use crate::Settings;
use crate::api::{self, Refusal};
use crate::find;
use crate::message;

/// How far back a look goes for whatever has the same words, in milliseconds: a day.
const DUPLICATES_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Deserialize)]
struct Created {
    #[serde(default, deserialize_with = "lenient::value")]
    data: Option<CreatedPost>,
}

#[derive(Deserialize)]
struct CreatedPost {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
}

pub(crate) fn create(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    if effect.text.trim().is_empty() {
        return Err(Error::reject(format!("effect {}: X takes no empty post", effect.key)));
    }
    let mut body = json!({ "text": effect.text });
    if let Some(target) = target(effect)? {
        body["reply"] = json!({ "in_reply_to_tweet_id": target });
    }
    let request = http::Request::post(context.settings.url("tweets")).json(&body);
    let response = api::change(&request, "posts")?.map_err(|refusal| meaning(context, effect, &refusal))?;
    match response.json::<Created>()?.data.and_then(|post| post.id) {
        Some(id) => Ok(Receipt::new(&id).url(format!("https://x.com/i/status/{id}"))),
        None => Err(Error::uncertain(format!("X answered HTTP {} without the id of a post", response.status))),
    }
}

/// X takes the same words once only, and does not say for how long it remembers them. Before an attempt is repeated the host has looked: if these
/// words do not stand there as this effect's, they are another's, and it took no effect.
fn meaning(context: &Context<Settings>, effect: &Effect, refusal: &Refusal) -> Error {
    if !refusal.is_duplicate() {
        return refusal.meaning();
    }
    let reason = refusal.reason();
    match find::look(context, effect, since_ms(effect).saturating_sub(DUPLICATES_MS)) {
        Ok(Some(candidates)) if candidates.are_others() => {
            Error::reject(format!("{reason}; another post of the account has the same words, and X takes no second"))
        }
        _ => Error::uncertain(reason),
    }
}

/// The post a reply goes to; None: it is a post of its own.
pub(crate) fn target(effect: &Effect) -> Result<Option<&str>, Error> {
    if effect.action == "post" {
        return Ok(None);
    }
    let key = effect.conversation_key()?;
    if key.starts_with(message::KEY_PREFIX) {
        return Err(Error::reject(format!("effect {}: this connector reads direct messages and does not answer them", effect.key)));
    }
    let thread = key.split('/').next().unwrap_or(key);
    let target = effect.in_reply_to.as_deref().unwrap_or(thread);
    if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::reject(format!("effect {}: {target:?} is no post that could be answered", effect.key)));
    }
    Ok(Some(target))
}
