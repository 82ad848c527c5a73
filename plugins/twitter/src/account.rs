//! The events of the older account activity: `{"for_user_id", "tweet_create_events": […], "favorite_events": […], …}`, several in one delivery.
//! <https://docs.x.com/x-api/enterprise-gnip-2.0/fundamentals/account-activity>
//!
//! The same person has an id of digits in a string in the newer shape, and a number above 2^53 beside that string here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use sportello_sdk::lenient;

use crate::Settings;
use crate::activity::{following, is_typed, reaction};
use crate::actor::{self, Named};
use crate::delivery::{Told, Unknown};
use crate::message::{self, Correspondents};
use crate::post::{Link, Person, Post, typed};

/// A post of this shape.
#[derive(Deserialize)]
struct Status {
    #[serde(default, deserialize_with = "lenient::id")]
    id_str: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    text: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    extended_tweet: Option<Extended>,
    #[serde(default, deserialize_with = "lenient::moment")]
    timestamp_ms: Option<i64>,
    #[serde(default, deserialize_with = "lenient::id")]
    in_reply_to_status_id_str: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    in_reply_to_user_id_str: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    quoted_status_id_str: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    quoted_status: Option<Shown>,
    #[serde(default, deserialize_with = "lenient::value")]
    retweeted_status: Option<Shown>,
    #[serde(default, deserialize_with = "lenient::value")]
    user: Option<Named>,
    #[serde(default, deserialize_with = "lenient::value")]
    entities: Option<Entities>,
    #[serde(default, deserialize_with = "lenient::value")]
    display_text_range: Option<(u32, u32)>,
    #[serde(default, deserialize_with = "lenient::value")]
    edit_history: Option<History>,
    #[serde(default, deserialize_with = "lenient::text")]
    lang: Option<String>,
}

#[derive(Deserialize)]
struct Extended {
    #[serde(default, deserialize_with = "lenient::text")]
    full_text: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    entities: Option<Entities>,
    #[serde(default, deserialize_with = "lenient::value")]
    display_text_range: Option<(u32, u32)>,
}

/// Another post that this one shows.
#[derive(Deserialize)]
struct Shown {
    #[serde(default, deserialize_with = "lenient::id")]
    id_str: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    user: Option<Named>,
}

#[derive(Deserialize)]
struct History {
    #[serde(default, deserialize_with = "lenient::id")]
    initial_tweet_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    edit_tweet_ids: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Entities {
    #[serde(default, deserialize_with = "lenient::list")]
    user_mentions: Vec<Mention>,
    #[serde(default, deserialize_with = "lenient::list")]
    urls: Vec<Link>,
}

#[derive(Deserialize)]
struct Mention {
    #[serde(default, deserialize_with = "lenient::id")]
    id_str: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    indices: Option<(u32, u32)>,
}

#[derive(Deserialize)]
struct Favorite {
    #[serde(default, deserialize_with = "lenient::value")]
    favorited_status: Option<Shown>,
    #[serde(default, deserialize_with = "lenient::value")]
    user: Option<Named>,
    #[serde(default, deserialize_with = "lenient::moment")]
    timestamp_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Follow {
    #[serde(rename = "type", default, deserialize_with = "lenient::text")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    source: Option<Named>,
    #[serde(default, deserialize_with = "lenient::value")]
    target: Option<Named>,
    #[serde(default, deserialize_with = "lenient::moment")]
    created_timestamp: Option<i64>,
}

#[derive(Deserialize)]
struct Gone {
    #[serde(default, deserialize_with = "lenient::value")]
    status: Option<GoneStatus>,
    #[serde(default, deserialize_with = "lenient::moment")]
    timestamp_ms: Option<i64>,
}

#[derive(Deserialize)]
struct GoneStatus {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    user_id: Option<String>,
}

/// Every event of a delivery, with its own JSON. What has no lists is one event, and not understood.
pub(crate) fn events<'a>(settings: &Settings, body: &'a str) -> Vec<(Told, &'a str)> {
    let Ok(lists) = serde_json::from_str::<BTreeMap<String, &'a RawValue>>(body) else {
        return vec![(Told::NotUnderstood(Unknown::default()), body)];
    };
    let users = lists.get("users").and_then(|users| serde_json::from_str(users.get()).ok()).unwrap_or_default();
    let mut told = Vec::new();
    for (name, list) in lists.iter().filter(|(name, _)| !matches!(name.as_str(), "for_user_id" | "users" | "apps" | "user_has_blocked")) {
        let rows: Vec<&'a RawValue> = serde_json::from_str(list.get()).unwrap_or_else(|_| vec![*list]);
        for row in rows {
            let understood = of_list(settings, name, row.get(), &users);
            let unknown = || Unknown { kind: name.clone(), id: None, author: actor::of(row.get()) };
            told.push((understood.unwrap_or_else(|| Told::NotUnderstood(unknown())), row.get()));
        }
    }
    told
}

fn of_list(settings: &Settings, list: &str, row: &str, users: &Correspondents) -> Option<Told> {
    match list {
        "tweet_create_events" => serde_json::from_str::<Status>(row).ok()?.post(settings).map(|post| Told::Post(Box::new(post))),
        "tweet_delete_events" => {
            let gone: Gone = serde_json::from_str(row).ok()?;
            let status = gone.status?;
            let author = status.user_id.map(|id| Person { id, handle: None, name: None });
            Some(Told::Deleted(status.id?, author, gone.timestamp_ms))
        }
        "favorite_events" => {
            let favorite: Favorite = serde_json::from_str(row).ok()?;
            let target = favorite.favorited_status?.id_str?;
            Some(reaction(settings, &target, &favorite.user?.person()?, favorite.timestamp_ms))
        }
        "follow_events" => {
            let follow: Follow = serde_json::from_str(row).ok()?;
            let is_taken_back = follow.kind.as_deref() == Some("unfollow");
            let at_ms = follow.created_timestamp;
            let when = at_ms.map(|at_ms| at_ms.to_string());
            Some(following(settings, (&follow.source?.person()?, &follow.target?.person()?), at_ms, when.as_deref(), is_taken_back))
        }
        "direct_message_events" => message::told(settings, row, users),
        "direct_message_indicate_typing_events" | "direct_message_mark_read_events" => Some(Told::Unsaid),
        _ => None,
    }
}

impl Status {
    fn post(self, settings: &Settings) -> Option<Post> {
        let id = self.id_str.or(self.id)?;
        let (full_text, entities, shown) = match self.extended_tweet {
            Some(extended) => (extended.full_text, extended.entities.or(self.entities), extended.display_text_range),
            None => (None, self.entities, self.display_text_range),
        };
        let Entities { user_mentions: mentions, urls } = entities.unwrap_or_default();
        let company = Some(&settings.user_id);
        let quoted = self.quoted_status_id_str.or_else(|| self.quoted_status.as_ref().and_then(|shown| shown.id_str.clone()));
        let quotes_us = self.quoted_status.and_then(|shown| shown.user).is_some_and(|user| user.id() == company);
        let history = self.edit_history.map(|history| {
            let first = history.initial_tweet_id.into_iter();
            let mut ids: Vec<String> = first.chain(history.edit_tweet_ids).collect();
            ids.dedup();
            ids
        });
        Some(Post {
            // Of a post that answers something only X knows it.
            thread: None,
            id,
            history: history.unwrap_or_default(),
            author: self.user.and_then(|user| user.person()),
            text: full_text.or(self.text).map(|text| typed(&text, urls.iter())),
            at_ms: self.timestamp_ms,
            answers: self.in_reply_to_status_id_str,
            answers_whom: self.in_reply_to_user_id_str,
            quotes: quoted,
            reposts: self.retweeted_status.and_then(|shown| shown.id_str),
            addresses: quotes_us
                || mentions
                    .iter()
                    .any(|mention| mention.id_str.as_ref() == company && is_typed(mention.indices.map(|(start, _)| start), shown)),
            language: self.lang,
        })
    }
}
