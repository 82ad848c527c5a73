//! Which of the two shapes a delivery has, and where each event stands in its body.
//!
//! Only the envelope must be JSON; what is inside is taken as far as it is understood, and kept raw as a range of the body in any case. So nothing that X
//! adds one day costs a delivery.

use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::RawValue;
use sportello_sdk::{Context, Error, Interaction, diagnostics, lenient, time};

use crate::edits::Edits;
use crate::post::{Person, Post, deletion, key};
use crate::{Settings, account, activity, api};

/// What one event tells.
pub(crate) enum Told {
    Post(Box<Post>),
    /// A post is gone: its id, and whose it was if X says so.
    Deleted(String, Option<Person>, Option<i64>),
    /// Anything else that has words in the contract.
    Other(Box<Interaction>),
    /// It is this other account's.
    NotOurs(String),
    /// Somebody writes a message, or has read one: nothing was said.
    Unsaid,
    NotUnderstood(Unknown),
}

/// What has no words in the contract.
#[derive(Default)]
pub(crate) struct Unknown {
    /// What X calls it.
    pub(crate) kind: String,
    /// Its id, if it has one.
    pub(crate) id: Option<String>,
    /// Whoever did it, if X says so.
    pub(crate) author: Option<Person>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient::id")]
    for_user_id: Option<String>,
}

/// Everything a delivery tells of this channel's account.
pub(crate) fn interactions(context: &Context<Settings>, body: &[u8]) -> Result<Vec<Interaction>, Error> {
    let not_of_shape = |error: &dyn Display| Error::reject(format!("the delivery is not of X's shape: {error}"));
    let text = str::from_utf8(body).map_err(|error| not_of_shape(&error))?;
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| not_of_shape(&error))?;
    let settings = &context.settings;
    let mut told: Vec<(Told, &str)> = match (envelope.data, &envelope.for_user_id) {
        (Some(data), _) => {
            let events = activity::events(data).into_iter();
            events.flat_map(|event| activity::told(settings, event.get()).into_iter().map(|told| (told, event.get()))).collect()
        }
        (None, Some(user)) if *user != settings.user_id => return Err(of_another_account(settings, user)),
        (None, _) => account::events(settings, text),
    };
    leave_out_others(settings, &mut told)?;
    leave_out_unsaid(&mut told);
    place_in_threads(
        context,
        told.iter_mut().filter_map(|(told, _)| match told {
            Told::Post(post) if post.wants_thread() => Some(&mut **post),
            _ => None,
        }),
    );

    let now_ms = time::milliseconds(&context.now).unwrap_or_default();
    let mut edits = Edits::read()?;
    let mut interactions = Vec::new();
    for (told, raw) in told {
        interactions.extend(taken_back(settings, &edits, now_ms, &told));
        interactions.extend(interaction(settings, &mut edits, now_ms, told, raw).map(|told| told.raw_part(body, raw)));
    }
    edits.write()?;
    Ok(interactions)
}

/// Of several events those of this account come in. If there are none, the delivery is not for it.
fn leave_out_others(settings: &Settings, told: &mut Vec<(Told, &str)>) -> Result<(), Error> {
    let all = told.len();
    let mut other = None;
    told.retain(|(told, _)| match told {
        Told::NotOurs(whose) => {
            other = Some(whose.clone());
            false
        }
        _ => true,
    });
    match other {
        Some(other) if told.is_empty() => Err(of_another_account(settings, &other)),
        Some(_) => {
            diagnostics::warning!("{} of {all} events are of other accounts than {}: left out", all - told.len(), settings.user_id);
            Ok(())
        }
        None => Ok(()),
    }
}

fn leave_out_unsaid(told: &mut Vec<(Told, &str)>) {
    let all = told.len();
    told.retain(|(told, _)| !matches!(told, Told::Unsaid));
    if told.len() < all {
        diagnostics::debug!("{} of {all} events say that somebody writes or has read a message: left out", all - told.len());
    }
}

/// Most likely the wrong user-id in the settings. Parked, the delivery can be replayed once they are right.
fn of_another_account(settings: &Settings, whose: &str) -> Error {
    Error::reject(format!("the delivery is for the account {whose}, not for {} of the channel's settings", settings.user_id))
}

/// What was deleted before anything told that it is a version of this post.
fn taken_back(settings: &Settings, edits: &Edits, now_ms: i64, told: &Told) -> Option<Interaction> {
    match told {
        Told::Post(post) if edits.is_gone(post) => Some(post.deletion(settings, now_ms)),
        _ => None,
    }
}

fn interaction(settings: &Settings, edits: &mut Edits, now_ms: i64, told: Told, raw: &str) -> Option<Interaction> {
    Some(match told {
        Told::Post(post) => {
            edits.note(&post);
            post.interaction(settings, now_ms)
        }
        Told::Deleted(id, author, at_ms) => {
            edits.note_gone(&id);
            let root = edits.root_of(&id);
            let whom = author.as_ref().map_or("somebody", |author| author.id.as_str());
            deletion(settings, &root, key(&root, whom), author.as_ref(), at_ms.unwrap_or(now_ms))
        }
        Told::Other(interaction) => *interaction,
        Told::NotOurs(_) | Told::Unsaid => return None,
        Told::NotUnderstood(unknown) => not_understood(settings, now_ms, unknown, raw),
    })
}

/// What has no words in the contract, with its JSON.
pub(crate) fn not_understood(settings: &Settings, now_ms: i64, unknown: Unknown, raw: &str) -> Interaction {
    let id = format!("event:{}", unknown.id.unwrap_or_else(|| lenient::checksum(raw)));
    let event = Interaction::new(id, "page-edit", time::from_milliseconds(now_ms), "account")
        .attribute("not-understood", "true")
        .attribute("event", unknown.kind.chars().take(200).collect::<String>());
    match unknown.author {
        Some(author) => event.own(author.id == settings.user_id).author(author.profile()),
        None => event,
    }
}

/// The older shape says what a post answers and not which thread that is in: X is asked, once for all of a delivery, and for no delivery of the call any
/// more once it did not answer. What it does not tell is filed under the post answered.
fn place_in_threads<'a>(context: &Context<Settings>, posts: impl Iterator<Item = &'a mut Post>) {
    let mut posts: Vec<&mut Post> = posts.collect();
    let answered: Vec<&str> = posts.iter().filter_map(|post| post.answers.as_deref()).collect();
    if answered.is_empty() || context.has_given_up() {
        return;
    }
    let (threads, asked) = api::threads(&context.settings, &answered);
    for post in &mut posts {
        post.thread = post.answers.as_ref().and_then(|answered| threads.get(answered).cloned());
    }
    if let Err(error) = asked {
        // A refusal is an answer, and cost no time.
        if !matches!(error, Error::Reject(_)) {
            context.give_up();
        }
        diagnostics::warning!("threads could not be asked for: {}", error.reason());
    }
}
