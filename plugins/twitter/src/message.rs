//! Direct messages, which look alike in both shapes: a list of events, and the people beside it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use sportello_sdk::{Interaction, lenient, time};

use crate::Settings;
use crate::activity::Unwrapped;
use crate::delivery::Told;
use crate::post::{Person, unescaped};

/// What stands before the other person's id in the key of a private conversation.
pub(crate) const KEY_PREFIX: &str = "dm:";

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    direct_message_events: Vec<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient::value")]
    users: Option<Correspondents>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::moment")]
    created_timestamp: Option<i64>,
    #[serde(default, deserialize_with = "lenient::value")]
    message_create: Option<Created>,
}

#[derive(Deserialize)]
struct Created {
    #[serde(default, deserialize_with = "lenient::id")]
    sender_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    target: Option<Target>,
    #[serde(default, deserialize_with = "lenient::value")]
    message_data: Option<Data>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default, deserialize_with = "lenient::id")]
    recipient_id: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default, deserialize_with = "lenient::text")]
    text: Option<String>,
}

/// A person beside messages: `username` in one shape, `screen_name` in the other.
#[derive(Deserialize)]
pub(crate) struct Correspondent {
    #[serde(default, deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    username: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    screen_name: Option<String>,
}

/// People beside messages, by id.
pub(crate) type Correspondents = BTreeMap<String, Unwrapped<Correspondent>>;

impl Correspondent {
    fn person(&self, id: &str) -> Person {
        Person { id: id.to_owned(), handle: self.username.clone().or_else(|| self.screen_name.clone()), name: self.name.clone() }
    }
}

/// The messages of an activity's payload: one, as a rule; None stands for what is not understood.
pub(crate) fn of_payload(settings: &Settings, payload: &str) -> Vec<Option<Told>> {
    let Ok(payload) = serde_json::from_str::<Payload<'_>>(payload) else { return vec![None] };
    let people = payload.users.unwrap_or_default();
    let messages: Vec<Option<Told>> = payload.direct_message_events.iter().map(|event| told(settings, event.get(), &people)).collect();
    if messages.is_empty() { vec![None] } else { messages }
}

/// One message.
pub(crate) fn told(settings: &Settings, event: &str, people: &Correspondents) -> Option<Told> {
    let event: Event = serde_json::from_str(event).ok()?;
    let created = event.message_create?;
    let sender = created.sender_id?;
    let recipient = created.target.and_then(|target| target.recipient_id);
    let own = sender == settings.user_id;
    if let Some(other) = recipient.as_ref().filter(|recipient| !own && **recipient != settings.user_id) {
        return Some(Told::NotOurs(other.clone()));
    }
    let other = if own { recipient.as_deref().unwrap_or("unknown") } else { sender.as_str() };
    let author =
        people.get(&sender).map_or_else(|| Person { id: sender.clone(), handle: None, name: None }, |known| known.0.person(&sender));
    let at = event.created_timestamp.map_or_else(time::now, time::from_milliseconds);
    let message =
        Interaction::new(event.id?, "direct-message", at, format!("{KEY_PREFIX}{other}")).private().own(own).author(author.profile());
    Some(Told::Other(Box::new(match created.message_data.and_then(|data| data.text) {
        Some(text) => message.text(unescaped(&text)),
        None => message,
    })))
}
