//! Whom an event names as the one who did it, of kinds nobody here knows: both shapes use the same few words for that. Whoever is named can have it
//! erased.

use serde::Deserialize;
use sportello_sdk::lenient;

use crate::activity::Unwrapped;
use crate::post::Person;

#[derive(Default, Deserialize)]
struct Event {
    #[serde(default, deserialize_with = "lenient::id")]
    author_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    sender_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    user_id: Option<String>,
    /// Who did it, where it was done to somebody else.
    #[serde(default, deserialize_with = "lenient::value")]
    source: Option<Unwrapped<Named>>,
    #[serde(default, deserialize_with = "lenient::value")]
    user: Option<Unwrapped<Named>>,
}

/// A person in either shape.
#[derive(Deserialize)]
pub(crate) struct Named {
    #[serde(default, deserialize_with = "lenient::id")]
    id_str: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    screen_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    username: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    name: Option<String>,
}

impl Named {
    pub(crate) fn id(&self) -> Option<&String> {
        self.id_str.as_ref().or(self.id.as_ref())
    }

    pub(crate) fn person(&self) -> Option<Person> {
        let handle = self.username.clone().or_else(|| self.screen_name.clone());
        Some(Person { id: self.id()?.clone(), handle, name: self.name.clone() })
    }
}

/// Who did it. None: nobody is named.
pub(crate) fn of(event: &str) -> Option<Person> {
    let event: Event = serde_json::from_str(event).unwrap_or_default();
    let by_id = |id| Person { id, handle: None, name: None };
    let named = event.source.or(event.user).and_then(|named| named.0.person());
    named.or_else(|| event.author_id.or(event.sender_id).or(event.user_id).map(by_id))
}
