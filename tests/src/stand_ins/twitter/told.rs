//! What happens, told in two shapes: the X Activity API's and that of the older account activity. [activity] [account]
//!
//! The same person has an id of digits in a string here, and a JSON number above 2^53 beside that string there.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::fields::{POST_FIELDS, USER_FIELDS, post_row, short_text, time_text, user_row};
use super::length::LENGTH_MAX;
use super::wording::{Link, Sent};
use super::world::{Body, EDITING_TIME, EDITS_MAX, Person, Post, World};

/// The first letters of a long text in the older shape. [account]
const SHORT_LETTERS: usize = 140;

impl World {
    /// A post is told when it is the company's, or answers, names, quotes or reposts it. One post can be several events of the newer shape,
    /// and a reply deep in a thread, which names the company without having typed it, is none. [activity]
    pub(super) fn tell_created(&mut self, post: &Post) {
        let company = self.company().clone();
        let concerns = |target: &Option<super::world::Reference>| target.as_ref().is_some_and(|target| target.author == company.id);
        let mut kinds = Vec::new();
        if post.author == company.id {
            kinds.push("post.create");
        } else {
            let cases = [
                (self.names(post, &company, true), "post.mention.create"),
                (concerns(&post.replied_to), "post.reply.create"),
                (concerns(&post.quoted), "post.quote.create"),
                (concerns(&post.reposted), "post.repost.create"),
            ];
            kinds.extend(cases.into_iter().filter(|(is_so, _)| *is_so).map(|(_, kind)| kind));
        }
        if kinds.is_empty() && !self.names(post, &company, false) {
            return;
        }
        if self.is_told_as_activity() {
            for kind in kinds {
                let payload = self.activity_post(post);
                // [activity] `includes` may be there; the documentation's replies, quotations and reposts come without.
                let is_bare = !matches!(kind, "post.create" | "post.mention.create") && self.random.bool();
                let includes = if is_bare {
                    json!({})
                } else {
                    json!({"users": self.users_of(&[self.author(post), &company]), "tweets": [payload.clone()]})
                };
                self.tell_activity(kind, json!({"user_id": company.id}), payload, Some(includes));
            }
        } else {
            let row = self.account_post(post, true);
            self.push(Body::Account { list: "tweet_create_events", row, users: Map::new() });
        }
    }

    /// Both shapes tell of deletions by the accounts that an application follows ([activity], [account]): to hear of everybody's it has to
    /// follow each author. The stand-in's does. The newer shape does not say when.
    pub(super) fn tell_deleted(&mut self, post: &Post) {
        let author = self.author(post).clone();
        if self.is_told_as_activity() {
            let includes = json!({"users": [{"data": user_row(&author, USER_FIELDS)}]});
            let payload = json!({"id": post.id.to_string(), "author_id": author.id});
            self.tell_activity("post.delete", json!({"user_id": author.id}), payload, Some(includes));
        } else {
            let row = json!({
                "status": {"id": post.id.to_string(), "user_id": author.id}, "timestamp_ms": self.now().as_millisecond().to_string(),
            });
            self.push(Body::Account { list: "tweet_delete_events", row, users: Map::new() });
        }
    }

    /// Gives when, in milliseconds; None: there is no such post.
    pub(super) fn like(&mut self, person: &Person, target: u64) -> Option<i64> {
        let post = self.post_by_id(target)?.clone();
        let id = format!("{:032x}", self.random.u128(..));
        let now_ms = self.now().as_millisecond();
        if self.is_told_as_activity() {
            let direction = if post.author == self.company().id { "inbound" } else { "outbound" };
            let filter = json!({"user_id": self.company().id, "direction": direction});
            let includes = json!({"users": self.users_of(&[person]), "tweets": [self.activity_post(&post)]});
            // The platform's machine-readable description calls the author `tweet_author_id`, the page of payloads as here.
            let payload = json!({
                "id": id, "created_at": time_text(post.created), "timestamp_ms": now_ms.to_string(), "liked_tweet_author_id": post.author,
                "liked_tweet_id": post.id.to_string(),
            });
            self.tell_activity("like.create", filter, payload, Some(includes));
        } else {
            let row = json!({
                "id": id, "created_at": account_time(self.now()), "timestamp_ms": now_ms, "favorited_status": self.account_post(&post, true),
                "user": account_user(person),
            });
            self.push(Body::Account { list: "favorite_events", row, users: Map::new() });
        }
        Some(now_ms)
    }

    /// Gives what tells it from other times: its event's id, or in the older shape its time in milliseconds.
    pub(super) fn follow(&mut self, person: &Person) -> String {
        let company = self.company().clone();
        if self.is_told_as_activity() {
            let payload = json!({
                "source": {"data": user_row(person, USER_FIELDS)}, "target": {"data": user_row(&company, USER_FIELDS)},
            });
            self.tell_activity("follow.follow", json!({"user_id": company.id}), payload, None)
        } else {
            let when = self.now().as_millisecond().to_string();
            let row = json!({
                "type": "follow", "created_timestamp": when, "target": account_user(&company), "source": account_user(person),
            });
            self.push(Body::Account { list: "follow_events", row, users: Map::new() });
            when
        }
    }

    pub(super) fn direct_message(&mut self, from: &Person, to: &Person, text: &str) -> u64 {
        let id = self.next_id();
        let mut row = json!({
            "type": "message_create", "id": id.to_string(), "created_timestamp": self.now().as_millisecond().to_string(),
            "message_create": {"target": {"recipient_id": to.id}, "sender_id": from.id, "message_data": {"text": text}},
        });
        if self.is_told_as_activity() {
            let kind = if *from == *self.company() { "dm.sent" } else { "dm.received" };
            let user = |person: &Person| (person.id.clone(), json!({"data": user_row(person, USER_FIELDS)}));
            let users: Map<String, Value> = [from, to].into_iter().map(user).collect();
            let payload = json!({"direct_message_events": [row], "users": users});
            self.tell_activity(kind, json!({"user_id": self.company().id}), payload, None);
        } else {
            row["message_create"]["message_data"]["entities"] = json!({"hashtags": [], "symbols": [], "user_mentions": [], "urls": []});
            let users = [from, to].into_iter().map(|person| (person.id.clone(), account_correspondent(person))).collect();
            self.push(Body::Account { list: "direct_message_events", row, users });
        }
        id
    }

    /// An event of a kind that nobody knows yet.
    pub(super) fn unknown_event(&mut self) {
        if self.is_told_as_activity() {
            self.tell_activity("mystery.shimmer", json!({"user_id": self.company().id}), json!({"hue": 7}), None);
        } else {
            self.push(Body::Account { list: "mystery_events", row: json!({"hue": 7}), users: Map::new() });
        }
    }

    /// Gives the event's id.
    fn tell_activity(&mut self, kind: &str, filter: Value, payload: Value, includes: Option<Value>) -> String {
        let uuid = self.random.i64(..).to_string();
        let mut data =
            json!({"event_uuid": uuid, "filter": filter, "event_type": kind, "tag": format!("sportello {kind}"), "payload": payload});
        if let Some(includes) = includes {
            data["includes"] = includes;
        }
        self.push(Body::Activity(json!({"data": data})));
        uuid
    }

    fn users_of(&self, people: &[&Person]) -> Vec<Value> {
        let mut rows: Vec<Value> = people.iter().map(|person| Value::Object(user_row(person, USER_FIELDS))).collect();
        rows.dedup();
        rows
    }

    /// All of a post; counters stand there twice, as numbers and as strings. [activity]
    fn activity_post(&self, post: &Post) -> Value {
        let mut row = post_row(self, post, POST_FIELDS);
        row.extend(post_row(self, post, &["in_reply_to_tweet_id"]));
        let mut row = Value::Object(row);
        numbers_as_strings_too(&mut row);
        row
    }

    /// A post in the older shape, with what it quotes or reposts when `deep`. [account]
    fn account_post(&self, post: &Post, deep: bool) -> Value {
        let sent = Sent::of(&post.text);
        let mentions: Vec<Value> = self
            .mentions(&post.text)
            .into_iter()
            .map(|mention| {
                let person = &mention.person;
                json!({
                    "screen_name": person.handle, "name": person.name, "id": number(&person.id), "id_str": person.id,
                    "indices": [sent.place(mention.start), sent.place(mention.end)],
                })
            })
            .collect();
        let link = |link: &Link| json!({"url": link.short, "expanded_url": link.whole, "display_url": link.displayed, "indices": [link.start, link.end]});
        let urls: Vec<Value> = sent.links.iter().map(link).collect();
        let entities = json!({"hashtags": [], "urls": urls, "user_mentions": mentions, "symbols": []});
        let (answered, answered_id) = post.replied_to.as_ref().map_or((None, None), |target| (Some(&target.author), Some(target.post)));
        let screen_name = answered.and_then(|id| self.person_by_id(id)).map(|person| &person.handle);
        let mut row = json!({
            "created_at": account_time(post.created), "id": post.id, "id_str": post.id.to_string(), "text": sent.text, "source": "",
            "display_text_range": [post.implicit, sent.end()], "truncated": false,
            "in_reply_to_status_id": answered_id, "in_reply_to_status_id_str": answered_id.map(|id| id.to_string()),
            "in_reply_to_user_id": answered.map(|id| number(id)), "in_reply_to_user_id_str": answered,
            "in_reply_to_screen_name": screen_name, "user": account_user(self.author(post)), "geo": null, "coordinates": null, "place": null,
            "contributors": null, "is_quote_status": post.quoted.is_some(), "quote_count": 0, "reply_count": 0, "retweet_count": 0,
            "favorite_count": 0, "entities": entities, "favorited": false, "retweeted": false, "filter_level": "low", "lang": "und",
            "timestamp_ms": post.created.as_millisecond().to_string(),
        });
        // [edits] All posts since September 2022 have them, those that were never edited too, and [account] says that it tells them.
        let versions: Vec<String> = self.chain(post).iter().map(u64::to_string).collect();
        row["edit_controls"] = json!({
            "editable_until_ms": (post.created + EDITING_TIME).as_millisecond(), "edits_remaining": (EDITS_MAX + 1).saturating_sub(versions.len()),
        });
        row["edit_history"] = json!({"initial_tweet_id": post.first.to_string(), "edit_tweet_ids": versions});
        row["editable"] = json!(post.replied_to.is_none());
        if sent.letters > LENGTH_MAX {
            row["text"] = json!(short_text(post, SHORT_LETTERS));
            row["truncated"] = json!(true);
            row["display_text_range"] = json!([0, SHORT_LETTERS]);
            row["extended_tweet"] =
                json!({"full_text": sent.text, "display_text_range": [post.implicit, sent.end()], "entities": entities});
        }
        if let Some(quoted) = &post.quoted {
            row["quoted_status_id"] = json!(quoted.post);
            row["quoted_status_id_str"] = json!(quoted.post.to_string());
        }
        for (name, target) in [("quoted_status", &post.quoted), ("retweeted_status", &post.reposted)] {
            if let Some(shown) = target.as_ref().filter(|_| deep).and_then(|target| self.post_by_id(target.post)) {
                row[name] = self.account_post(shown, false);
            }
        }
        row
    }
}

/// Every id here is digits below 2^64.
fn number(id: &str) -> u64 {
    id.parse().unwrap_or_default()
}

fn account_time(time: Timestamp) -> String {
    time.strftime("%a %b %d %H:%M:%S +0000 %Y").to_string()
}

fn account_user(person: &Person) -> Value {
    json!({
        "id": number(&person.id), "id_str": person.id, "name": person.name, "screen_name": person.handle, "location": null, "url": null,
        "description": null, "protected": false, "verified": false, "followers_count": 3, "friends_count": 4, "listed_count": 0,
        "favourites_count": 6, "statuses_count": 5, "created_at": account_time(super::world::opened(person)),
        "profile_image_url_https": "https://pbs.twimg.com/profile_images/1/example_normal.jpg",
    })
}

/// People beside direct messages are shown in a shape of their own. [account]
fn account_correspondent(person: &Person) -> Value {
    json!({
        "id": person.id, "created_timestamp": super::world::opened(person).as_millisecond().to_string(), "name": person.name,
        "screen_name": person.handle, "protected": false, "verified": false, "followers_count": 3, "friends_count": 4, "statuses_count": 5,
        "profile_image_url_https": "https://pbs.twimg.com/profile_images/1/example_normal.jpg",
    })
}

/// Puts `name_str` behind each number called `name`.
fn numbers_as_strings_too(value: &mut Value) {
    match value {
        Value::Object(row) => {
            let doubled = |(name, value): (String, Value)| {
                let text = value.as_u64().map(|number| (format!("{name}_str"), json!(number.to_string())));
                std::iter::once((name, value)).chain(text)
            };
            *row = std::mem::take(row).into_iter().flat_map(doubled).collect();
            row.values_mut().for_each(numbers_as_strings_too);
        }
        Value::Array(rows) => rows.iter_mut().for_each(numbers_as_strings_too),
        _ => {}
    }
}
