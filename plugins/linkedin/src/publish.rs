//! The reply: a comment of the organisation below the comment or post that the conversation is named after.

use serde_json::json;
use sportello_sdk::{Context, Effect, Error, Receipt, http, time};

use crate::Settings;
use crate::api::{self, Refusal};
use crate::comments::{self, Shown};
use crate::find::{self, Look};
use crate::urn::{Comment, Target};

/// The longest comment LinkedIn takes, in characters.
const TEXT_CHARS_MAX: usize = 1250;

/// Posts the effect's text. LinkedIn takes no key of ours, so whether a lost answer took effect is for `find` to tell.
pub(crate) fn reply(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    let target = target(effect)?;
    check_text(effect, TEXT_CHARS_MAX)?;
    match write(context, effect, &target)? {
        Ok(response) => receipt(&response, &target),
        Err(refusal) => match comment_above(context, &target, &refusal)? {
            Some(above) => match write(context, effect, &above)? {
                Ok(response) => receipt(&response, &above),
                Err(refusal) => Err(meaning(context, effect, &above, &refusal)),
            },
            None => Err(meaning(context, effect, &target, &refusal)),
        },
    }
}

/// Refuses what LinkedIn would not take, before it is sent.
pub(crate) fn check_text(effect: &Effect, chars_max: usize) -> Result<(), Error> {
    if effect.text.trim().is_empty() {
        return Err(Error::reject(format!("effect {}: there is nothing to say", effect.key)));
    }
    let length = effect.text.chars().count();
    if length > chars_max {
        let reason = format!("effect {}: the text has {length} characters, and LinkedIn takes {chars_max}; nothing was sent", effect.key);
        return Err(Error::reject(reason));
    }
    Ok(())
}

/// What the effect answers.
pub(crate) fn target(effect: &Effect) -> Result<Target, Error> {
    let key = effect.conversation_key()?;
    Target::parse(key).ok_or_else(|| {
        Error::reject(format!("effect {}: `{key}` is neither a post nor a comment; nobody can be answered there", effect.key))
    })
}

fn write(context: &Context<Settings>, effect: &Effect, target: &Target) -> Result<Result<http::Response, Refusal>, Error> {
    let settings = &context.settings;
    let mut document = json!({ "actor": settings.organization, "object": target.post(), "message": { "text": effect.text } });
    if let Target::Comment(comment) = target {
        document["parentComment"] = json!(comment.urn());
    }
    api::send(api::request(settings, "POST", settings.comments_below(&target.urn())).json(&document))
}

/// A comment whose place nobody could tell when it came may be an answer itself; LinkedIn wants the comment above it then, and has done
/// nothing.
fn comment_above(context: &Context<Settings>, target: &Target, refusal: &Refusal) -> Result<Option<Target>, Error> {
    let Target::Comment(comment) = target else { return Ok(None) };
    if refusal.status() != 400 {
        return Ok(None);
    }
    // A failure here is one of a look, so what it says holds for the reply: nothing took effect.
    Ok(comments::read(context, comment)?.and_then(|shown| shown.parent()).filter(|parent| parent != comment).map(Target::Comment))
}

fn meaning(context: &Context<Settings>, effect: &Effect, target: &Target, refusal: &Refusal) -> Error {
    if refusal.is_duplicate() {
        return duplicate(refusal, find::reply(context, effect, target.clone()));
    }
    match (refusal.meaning(context), target) {
        // Somebody else's post, on which they may not let everybody comment: that is no reason to stop the channel.
        (Error::Auth(_), Target::Post(_)) if refusal.status() == 403 => Error::reject(refusal.reason()),
        (error, _) => error,
    }
}

/// The same words stand there already. If they have stood there since before this effect was queued, they are another's, and every
/// attempt of this one was refused; otherwise they may be its own, of an attempt whose answer was lost, and the host looks.
pub(crate) fn duplicate(refusal: &Refusal, look: Result<Look, Error>) -> Error {
    let reason = refusal.reason();
    match look {
        Ok(Look::Seen(candidates)) if candidates.are_others() => {
            Error::reject(format!("{reason}; an earlier one has the same words, and LinkedIn takes no second"))
        }
        _ => Error::uncertain(reason),
    }
}

fn receipt(response: &http::Response, target: &Target) -> Result<Receipt, Error> {
    // The header alone will do: what is written is written, whatever became of the body.
    let shown: Shown = serde_json::from_slice(&response.body).unwrap_or_default();
    let id = response.header("x-restli-id").map(http::decode);
    let named = id.as_deref().and_then(Comment::parse);
    let Some(comment) = named.or_else(|| shown.comment(target.post(), id.as_deref())) else {
        return Err(Error::uncertain(format!("LinkedIn answered HTTP {} without the id of a comment", response.status)));
    };
    let receipt = Receipt::new(comment.urn()).url(Target::Comment(comment).url());
    Ok(match shown.created_ms() {
        Some(at_ms) => receipt.at(time::from_milliseconds(at_ms)),
        None => receipt,
    })
}
