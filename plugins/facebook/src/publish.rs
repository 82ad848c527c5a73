//! The reply: a comment below the comment or post that the conversation is named after.

use serde::Deserialize;
use sportello_sdk::{Context, Effect, Error, Receipt, http, lenient};

use crate::graph::{Purpose, accept};
use crate::{Settings, messaging};

#[derive(Deserialize)]
struct Created {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
}

/// Posts the effect's text. The Graph API takes no key of ours, so whether a lost answer took effect is for `find` to tell.
pub(crate) fn reply(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    let object = public_object(effect)?;
    if effect.text.trim().is_empty() {
        return Err(Error::reject(format!("effect {}: Facebook takes no empty comment", effect.key)));
    }
    let request = http::Request::post(context.settings.edge(object, "comments")).form([("message", &effect.text)]);
    let response = accept(request.send()?, Purpose::Change)?;
    match response.json::<Created>()?.id {
        Some(id) => Ok(Receipt::new(id)),
        None => Err(Error::uncertain(format!("Facebook answered HTTP {} without the id of a comment", response.status))),
    }
}

/// The object of the graph that the effect answers.
pub(crate) fn public_object(effect: &Effect) -> Result<&str, Error> {
    let key = effect.conversation_key()?;
    if key.starts_with(messaging::KEY_PREFIX) {
        return Err(Error::reject(format!("effect {}: this connector reads private messages and does not answer them", effect.key)));
    }
    Ok(key)
}
