//! The events of the X Activity API: `{"data": {"event_uuid", "event_type", "filter", "payload", "includes"}}`.
//! <https://docs.x.com/x-api/activity/introduction>
//!
//! One post can come as several events (it names the company and answers it), and the same event again under another uuid: its identity is the post.
//! People stand in `includes`, which is missing now and then: then the author is an id and nothing else.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sportello_sdk::{Interaction, lenient, time};

use crate::delivery::{Told, Unknown};
use crate::message;
use crate::post::{Link, Person, Post, key, typed};
use crate::{Settings, actor};

#[derive(Default, Deserialize)]
struct Event<'a> {
    #[serde(default, deserialize_with = "lenient::id")]
    event_uuid: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    event_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    filter: Option<Filter>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient::value")]
    includes: Option<Includes>,
}

/// The subscription that brought the event.
#[derive(Deserialize)]
struct Filter {
    #[serde(default, deserialize_with = "lenient::id")]
    user_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct Includes {
    #[serde(default, deserialize_with = "lenient::list")]
    users: Vec<Unwrapped<User>>,
}

/// A person.
#[derive(Deserialize)]
pub(crate) struct User {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    username: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    name: Option<String>,
}

impl User {
    fn person(self) -> Option<Person> {
        Some(Person { id: self.id?, handle: self.username, name: self.name })
    }
}

/// Something X wraps in `data` now and then: once, and what lies deeper is not looked for.
pub(crate) struct Unwrapped<T>(pub(crate) T);

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unwrapped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let inner = serde_json::from_str::<Wrapped<'de>>(raw).ok().and_then(|wrapped| serde_json::from_str(wrapped.data.get()).ok());
        inner.map_or_else(|| serde_json::from_str(raw), Ok).map(Self).map_err(D::Error::custom)
    }
}

/// A post as the second version of the API writes it.
#[derive(Default, Deserialize)]
pub(crate) struct Row {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) text: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    note_tweet: Option<Note>,
    #[serde(default, deserialize_with = "lenient::list")]
    edit_history_tweet_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    author_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::moment")]
    pub(crate) created_at: Option<i64>,
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) conversation_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    in_reply_to_user_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    referenced_tweets: Vec<Reference>,
    #[serde(default, deserialize_with = "lenient::value")]
    entities: Option<Entities>,
    #[serde(default, deserialize_with = "lenient::value")]
    display_text_range: Option<(u32, u32)>,
    #[serde(default, deserialize_with = "lenient::text")]
    lang: Option<String>,
}

#[derive(Deserialize)]
struct Note {
    #[serde(default, deserialize_with = "lenient::text")]
    text: Option<String>,
    /// Of the whole text; those beside it are of its beginning only.
    #[serde(default, deserialize_with = "lenient::value")]
    entities: Option<Entities>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "type", default, deserialize_with = "lenient::text")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entities {
    #[serde(default, deserialize_with = "lenient::list")]
    mentions: Vec<Mention>,
    #[serde(default, deserialize_with = "lenient::list")]
    urls: Vec<Link>,
}

#[derive(Deserialize)]
struct Mention {
    #[serde(default, deserialize_with = "lenient::value")]
    start: Option<u32>,
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    username: Option<String>,
}

impl Row {
    /// The words as they were typed.
    fn text(&self) -> Option<String> {
        let note = self.note_tweet.as_ref();
        let entities = note.and_then(|note| note.entities.as_ref()).into_iter().chain(&self.entities);
        let text = note.and_then(|note| note.text.as_ref()).or(self.text.as_ref())?;
        Some(typed(text, entities.flat_map(|entities| &entities.urls)))
    }

    /// The post, with whoever of `people` wrote it.
    pub(crate) fn post(self, settings: &Settings, people: &BTreeMap<String, Person>) -> Option<Post> {
        let text = self.text();
        let mut answers = None;
        let mut quotes = None;
        let mut reposts = None;
        for reference in self.referenced_tweets {
            match reference.kind.as_deref() {
                Some("replied_to") => answers = reference.id,
                Some("quoted") => quotes = reference.id,
                Some("retweeted") => reposts = reference.id,
                _ => {}
            }
        }
        let mentions = self.entities.iter().flat_map(|entities| &entities.mentions);
        let named = mentions.into_iter().any(|mention| {
            let is_us = mention.id.as_ref() == Some(&settings.user_id)
                || mention.username.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&settings.handle));
            is_us && is_typed(mention.start, self.display_text_range)
        });
        let author = self.author_id.map(|id| people.get(&id).cloned().unwrap_or(Person { id, handle: None, name: None }));
        Some(Post {
            id: self.id?,
            history: self.edit_history_tweet_ids,
            author,
            text,
            at_ms: self.created_at,
            thread: self.conversation_id,
            answers,
            answers_whom: self.in_reply_to_user_id,
            quotes,
            reposts,
            addresses: named,
            language: self.lang,
        })
    }
}

/// Whether a name was typed. X itself puts the names of everybody in the thread before the words of a reply; the words begin where what is shown
/// does. Only a typed name summons.
pub(crate) fn is_typed(start: Option<u32>, shown: Option<(u32, u32)>) -> bool {
    start.zip(shown).is_none_or(|(start, (from, _))| start >= from)
}

#[derive(Deserialize)]
struct Gone {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    author_id: Option<String>,
}

#[derive(Deserialize)]
struct Like {
    #[serde(default, deserialize_with = "lenient::id")]
    liked_tweet_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::moment")]
    timestamp_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Follow {
    #[serde(default, deserialize_with = "lenient::value")]
    source: Option<Unwrapped<User>>,
    #[serde(default, deserialize_with = "lenient::value")]
    target: Option<Unwrapped<User>>,
}

/// `data` is one event; should it be a list one day, it is several.
pub(crate) fn events(data: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(data.get()).unwrap_or_else(|_| vec![data])
}

/// People by id.
pub(crate) fn people(users: Vec<Unwrapped<User>>) -> BTreeMap<String, Person> {
    users.into_iter().filter_map(|user| user.0.person()).map(|person| (person.id.clone(), person)).collect()
}

/// What an event tells: one thing, but messages may be several. One application can be subscribed to several accounts, and each event says whose it is; only deletions come by subscriptions
/// to whoever wrote to the company.
pub(crate) fn told(settings: &Settings, event: &str) -> Vec<Told> {
    let event: Event<'_> = serde_json::from_str(event).unwrap_or_default();
    let kind = event.event_type.clone().unwrap_or_default();
    let whose = event.filter.and_then(|filter| filter.user_id).filter(|whose| *whose != settings.user_id);
    if let Some(other) = whose.filter(|_| kind != "post.delete") {
        return vec![Told::NotOurs(other)];
    }
    let people = people(event.includes.unwrap_or_default().users);
    let payload = event.payload.map_or("null", RawValue::get);
    let understood = match kind.as_str() {
        "post.delete" => vec![deleted(payload, &people)],
        "like.create" => vec![like(settings, payload, &people)],
        "follow.follow" | "follow.unfollow" => {
            vec![follow(settings, payload, event.event_uuid.as_deref(), kind == "follow.unfollow")]
        }
        "dm.received" | "dm.sent" => message::of_payload(settings, payload),
        "dm.indicate_typing" | "dm.read" => vec![Some(Told::Unsaid)],
        _ if kind.starts_with("post.") => vec![post(settings, payload, &people, kind == "post.quote.create")],
        _ => vec![None],
    };
    let unknown = || {
        let named = actor::of(payload);
        let author = named.map(|named| people.get(&named.id).cloned().unwrap_or(named));
        Told::NotUnderstood(Unknown { kind: kind.clone(), id: event.event_uuid.clone(), author })
    };
    understood.into_iter().map(|told| told.unwrap_or_else(unknown)).collect()
}

fn post(settings: &Settings, payload: &str, people: &BTreeMap<String, Person>, quotes_us: bool) -> Option<Told> {
    let mut post = serde_json::from_str::<Row>(payload).ok()?.post(settings, people)?;
    post.addresses |= quotes_us;
    Some(Told::Post(Box::new(post)))
}

fn deleted(payload: &str, people: &BTreeMap<String, Person>) -> Option<Told> {
    let gone: Gone = serde_json::from_str(payload).ok()?;
    let author = gone.author_id.map(|id| people.get(&id).cloned().unwrap_or(Person { id, handle: None, name: None }));
    Some(Told::Deleted(gone.id?, author, None))
}

/// Who likes stands beside the payload, alone: whoever wrote the post is named in it.
fn like(settings: &Settings, payload: &str, people: &BTreeMap<String, Person>) -> Option<Told> {
    let like: Like = serde_json::from_str(payload).ok()?;
    let target = like.liked_tweet_id?;
    let person = match people.len() {
        1 => people.values().next(),
        _ => people.values().find(|person| person.id != settings.user_id),
    }?;
    Some(reaction(settings, &target, person, like.timestamp_ms))
}

/// A like, in either shape. Neither tells when one is taken back, and whoever likes again does it at another time. It lies beside the conversation of
/// whoever answers the same post: there the latest thing somebody said is what an answer goes to.
pub(crate) fn reaction(settings: &Settings, target: &str, person: &Person, at_ms: Option<i64>) -> Told {
    let at = at_ms.map_or_else(time::now, time::from_milliseconds);
    let when = at_ms.map(|at_ms| at_ms.to_string());
    let native_id = once(&format!("like:{target}:{}", person.id), when.as_deref());
    let reaction = Interaction::new(native_id, "reaction", at, format!("like:{}", key(target, &person.id)))
        .author(person.profile())
        .own(person.id == settings.user_id)
        .in_reply_to(target)
        .attribute("reaction", "like")
        .attribute("names-author", "true");
    Told::Other(Box::new(reaction))
}

fn follow(settings: &Settings, payload: &str, uuid: Option<&str>, is_taken_back: bool) -> Option<Told> {
    let follow: Follow = serde_json::from_str(payload).ok()?;
    let (source, target) = (follow.source?.0.person()?, follow.target?.0.person()?);
    Some(following(settings, (&source, &target), None, uuid, is_taken_back))
}

/// One person follows another, or does so no more, in either shape. `which` tells this time from others: X gives a follow no id, and an unfollow does
/// not say which follow it takes back, so it is a thing of its own.
pub(crate) fn following(
    settings: &Settings,
    (source, target): (&Person, &Person),
    at_ms: Option<i64>,
    which: Option<&str>,
    is_taken_back: bool,
) -> Told {
    if source.id != settings.user_id && target.id != settings.user_id {
        return Told::NotOurs(target.id.clone());
    }
    let at = at_ms.map_or_else(time::now, time::from_milliseconds);
    let conversation = format!("follow:{}:{}", source.id, target.id);
    let native_id = once(&if is_taken_back { format!("un{conversation}") } else { conversation.clone() }, which);
    let follow = Interaction::new(native_id, "follow", at, conversation)
        .author(source.profile())
        .own(source.id == settings.user_id)
        .attribute("names-author", "true");
    Told::Other(Box::new(if is_taken_back { follow.deleted("deleted") } else { follow }))
}

/// The id of something that can be done again and has none of its own: `which` tells one time from the others.
fn once(what: &str, which: Option<&str>) -> String {
    which.map_or_else(|| what.to_owned(), |which| format!("{what}@{which}"))
}
