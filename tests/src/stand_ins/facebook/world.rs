//! Posts, comments and people, and the updates their deeds make.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::super::Reply;

/// Somebody with an account, or the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id they have for the page, which is in whatever they do there: digits. [matching]
    pub id: String,
    /// The id they have for the app, which is in a request for deletion. [matching]
    pub id_in_the_app: String,
    /// The name shown.
    pub name: String,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) id: String,
    pub(super) from: Person,
    pub(super) message: String,
    /// The object it answers; `None` for a post.
    pub(super) parent: Option<String>,
    pub(super) post: String,
    pub(super) created: Timestamp,
    /// From when on it stands in lists.
    pub(super) listed: Timestamp,
    /// What updates call it: `post`, `status`, `photo`, `video`, `share`, `comment`.
    pub(super) item: &'static str,
    /// Of a post: when it was made, edited or commented on last.
    pub(super) updated: Timestamp,
}

/// What a post can be about, besides its words. [webhooks]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// A picture.
    Photo,
    /// A film.
    Video,
    /// A link, or a post of somebody's.
    Share,
}

impl Attachment {
    /// What updates call the post, and its further id.
    fn item_and_id(self) -> (&'static str, &'static str) {
        match self {
            Self::Photo => ("photo", "photo_id"),
            Self::Video => ("video", "video_id"),
            Self::Share => ("share", "share_id"),
        }
    }
}

/// What an update carries.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// `changes[]`: field and value; times in seconds.
    Change {
        /// `feed`, `mention`, …
        field: String,
        /// The value.
        value: Value,
    },
    /// `messaging[]`; times in milliseconds.
    Messaging(Value),
}

/// One thing that happened, waiting to be sent.
#[derive(Debug, Clone)]
pub(super) struct Update {
    pub(super) number: u64,
    pub(super) time: Timestamp,
    pub(super) body: Body,
}

impl Update {
    /// Turns the ids that are digits only into JSON numbers.
    pub(super) fn ids_as_numbers(&mut self) {
        let Body::Change { value, .. } = &mut self.body else { return };
        for pointer in ["/from/id", "/sender_id"] {
            if let Some(id) = value.pointer_mut(pointer)
                && let Some(number) = id.as_str().and_then(|text| text.parse::<u64>().ok())
            {
                *id = json!(number);
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct World {
    page: Person,
    people: Vec<Person>,
    /// The ids of those who had to do with the page.
    met: BTreeSet<String>,
    now: Timestamp,
    listing_lag: SignedDuration,
    objects: BTreeMap<String, Object>,
    /// In the order they were made, which is how comments are listed.
    order: Vec<String>,
    waiting: Vec<Update>,
    fresh_from: usize,
    updates_made: u64,
    last_id: u64,
    replies: Vec<Reply>,
    posts_by_api: Vec<(String, String)>,
}

impl World {
    pub(super) fn new(page_id: &str, page_name: &str, now: Timestamp) -> Self {
        Self {
            page: Person { id: page_id.to_owned(), id_in_the_app: page_id.to_owned(), name: page_name.to_owned() },
            people: Vec::new(),
            met: BTreeSet::new(),
            now,
            listing_lag: SignedDuration::ZERO,
            objects: BTreeMap::new(),
            order: Vec::new(),
            waiting: Vec::new(),
            fresh_from: 0,
            updates_made: 0,
            last_id: 122_100_000_000_000_000,
            replies: Vec::new(),
            posts_by_api: Vec::new(),
        }
    }

    pub(super) fn page(&self) -> &Person {
        &self.page
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn advance(&mut self, time: SignedDuration) {
        self.now += time;
    }

    pub(super) fn list_late(&mut self, lag: SignedDuration) {
        self.listing_lag = lag;
    }

    /// What lists show, oldest first.
    fn listed(&self) -> impl DoubleEndedIterator<Item = &Object> {
        self.order.iter().filter_map(|id| self.objects.get(id)).filter(|object| object.listed <= self.now)
    }

    pub(super) fn person(&mut self, name: &str) -> Person {
        let person = Person { id: self.next_id(), id_in_the_app: self.next_id(), name: name.to_owned() };
        self.people.push(person.clone());
        person
    }

    pub(super) fn person_in_the_app(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id_in_the_app == id)
    }

    /// Whether they have had to do with the page.
    pub(super) fn has_met(&self, person: &Person) -> bool {
        self.met.contains(&person.id)
    }

    pub(super) fn object(&self, id: &str) -> Option<&Object> {
        self.objects.get(id)
    }

    pub(super) fn message_of(&self, id: &str) -> Option<String> {
        self.object(id).map(|object| object.message.clone())
    }

    /// Direct answers, oldest first; with `all_below` also the answers to those.
    pub(super) fn answers(&self, target: &str, all_below: bool) -> Vec<&Object> {
        let is_below =
            |object: &Object| object.parent.as_deref() == Some(target) || (all_below && object.post == target && object.id != target);
        self.listed().filter(|object| is_below(object)).collect()
    }

    pub(super) fn replies(&self) -> &[Reply] {
        &self.replies
    }

    pub(super) fn posts_by_api(&self) -> &[(String, String)] {
        &self.posts_by_api
    }

    /// The page's own posts, newest first.
    pub(super) fn own_posts(&self) -> Vec<&Object> {
        let is_own = |object: &&Object| object.parent.is_none() && object.from == self.page;
        self.listed().rev().filter(is_own).collect()
    }

    /// The posts on the page's wall, newest first.
    pub(super) fn wall(&self) -> Vec<&Object> {
        let prefix = format!("{}_", self.page.id);
        let is_here = |object: &&Object| object.parent.is_none() && object.id.starts_with(&prefix);
        self.listed().rev().filter(is_here).collect()
    }

    pub(super) fn post(&mut self, author: &Person, message: &str) -> String {
        // The page's own posts are of the item "status", visitors' of the item "post".
        let item = if *author == self.page { "status" } else { "post" };
        self.put_on_the_wall(author, message, item, Map::new())
    }

    /// A post of this item with something in it. [webhooks] It is named by an id of its own as well; words are there if somebody says any.
    pub(super) fn attach(&mut self, author: &Person, attachment: Attachment, message: &str) -> String {
        let (item, name) = attachment.item_and_id();
        let more = json!({name: self.next_id(), "link": format!("https://www.facebook.com/{item}/{}", self.last_id)});
        let Value::Object(more) = more else { unreachable!("an object was just written") };
        self.put_on_the_wall(author, message, item, more)
    }

    fn put_on_the_wall(&mut self, author: &Person, message: &str, item: &'static str, more: Map<String, Value>) -> String {
        let number = self.next_id();
        let id = format!("{}_{number}", self.page.id);
        let mut value = json!({
            "from": {"id": author.id, "name": author.name}, "post_id": id, "created_time": self.now.as_second(), "item": item, "published": 1,
            "verb": "add",
        });
        if !message.is_empty() {
            value["message"] = json!(message);
        }
        more.into_iter().for_each(|(name, text)| value[name] = text);
        self.keep(Object {
            id: id.clone(),
            from: author.clone(),
            message: message.to_owned(),
            parent: None,
            post: id.clone(),
            created: self.now,
            item,
            updated: self.now,
            listed: self.now + self.listing_lag,
        });
        self.queue("feed", value);
        id
    }

    /// `None` when the target does not exist.
    pub(super) fn comment(&mut self, author: &Person, target: &str, message: &str) -> Option<String> {
        let target = self.objects.get(target)?.clone();
        // [comments] Threads have two levels: an answer to an answer hangs below the same comment.
        let parent = match &target.parent {
            Some(above) if *above != target.post => above.clone(),
            _ => target.id.clone(),
        };
        let post_number = target.post.rsplit('_').next().unwrap_or_default().to_owned();
        let id = format!("{post_number}_{}", self.next_id());
        let object = Object {
            id: id.clone(),
            from: author.clone(),
            message: message.to_owned(),
            parent: Some(parent),
            post: target.post.clone(),
            created: self.now,
            item: "comment",
            updated: self.now,
            listed: self.now + self.listing_lag,
        };
        self.queue("feed", self.comment_value(&object, "add", Some(message)));
        self.touch(&target.post);
        self.keep(object);
        Some(id)
    }

    /// A reply of the page through the Graph API: a comment like any other, so its echo is sent too.
    pub(super) fn reply(&mut self, target: &str, message: &str) -> Option<String> {
        let page = self.page.clone();
        let id = self.comment(&page, target, message)?;
        self.replies.push(Reply { target: target.to_owned(), id: id.clone(), text: message.to_owned(), at: self.now });
        Some(id)
    }

    /// A post of the page through the Graph API: a post like any other, so its echo is sent too.
    pub(super) fn publish(&mut self, message: &str) -> String {
        let page = self.page.clone();
        let id = self.post(&page, message);
        self.posts_by_api.push((id.clone(), message.to_owned()));
        id
    }

    pub(super) fn edit(&mut self, id: &str, message: &str) -> Option<()> {
        let object = self.objects.get_mut(id)?;
        object.message = message.to_owned();
        object.updated = self.now;
        let object = object.clone();
        let value = self.value_of(&object, "edited", Some(message));
        self.queue("feed", value);
        Some(())
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<()> {
        let object = self.objects.remove(id)?;
        self.objects.retain(|_, other| other.parent.as_deref() != Some(id) && other.post != id);
        // [webhooks] A removal carries no message.
        let value = self.value_of(&object, "remove", None);
        self.queue("feed", value);
        Some(())
    }

    /// Whoever runs the page hides a post or comment of somebody's, or shows it again (`unhide`). [webhooks] No words are told.
    pub(super) fn moderate(&mut self, id: &str, verb: &str) -> Option<()> {
        let object = Object { from: self.page.clone(), ..self.objects.get(id)?.clone() };
        let value = self.value_of(&object, verb, None);
        self.queue("feed", value);
        Some(())
    }

    /// Somebody reacts (`add`), or takes it back (`remove`).
    pub(super) fn react(&mut self, author: &Person, id: &str, kind: &str, verb: &str) -> Option<()> {
        let object = self.objects.get(id)?;
        let mut value = json!({
            "reaction_type": kind, "from": {"id": author.id, "name": author.name}, "parent_id": object.parent.as_ref().unwrap_or(&object.id),
            "post_id": object.post, "created_time": self.now.as_second(), "item": "reaction", "verb": verb,
        });
        if object.parent.is_some() {
            value["comment_id"] = json!(object.id);
        }
        self.queue("feed", value);
        Some(())
    }

    pub(super) fn mention(&mut self, author: &Person, message: &str) -> String {
        let id = format!("{}_{}", author.id, self.next_id());
        self.keep(Object {
            id: id.clone(),
            from: author.clone(),
            message: message.to_owned(),
            parent: None,
            post: id.clone(),
            created: self.now,
            item: "post",
            updated: self.now,
            listed: self.now + self.listing_lag,
        });
        // [webhooks] A mention may come without `from`.
        let value = json!({"post_id": id, "message": message, "created_time": self.now.as_second(), "item": "post", "verb": "add"});
        self.queue("mention", value);
        id
    }

    /// [webhooks] A recommendation comes in a field of its own, names its author in its own way, and has an id that nothing else has.
    pub(super) fn recommend(&mut self, author: &Person, recommends: bool, text: &str) -> String {
        let id = self.next_id();
        let value = json!({
            "item": "rating", "verb": "add", "reviewer_id": author.id, "reviewer_name": author.name, "review_text": text, "open_graph_story_id": id,
            "recommendation_type": if recommends { "POSITIVE" } else { "NEGATIVE" }, "created_time": self.now.as_second(),
        });
        self.queue("ratings", value);
        id
    }

    /// The author changes a direct message; `edits` times so far, this one included.
    /// <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/message-edits>
    pub(super) fn edit_message(&mut self, author: &Person, id: &str, text: &str, edits: u8) {
        let value = json!({
            "sender": {"id": author.id}, "recipient": {"id": self.page.id}, "timestamp": self.now.as_millisecond(),
            "message_edit": {"mid": id, "text": text, "num_edit": edits},
        });
        self.push(Body::Messaging(value));
    }

    pub(super) fn direct_message(&mut self, author: &Person, text: &str) -> String {
        let id = format!("m_{}", self.next_id());
        let value = json!({
            "sender": {"id": author.id}, "recipient": {"id": self.page.id}, "timestamp": self.now.as_millisecond(),
            "message": {"mid": id, "text": text},
        });
        self.push(Body::Messaging(value));
        id
    }

    pub(super) fn queue(&mut self, field: &str, value: Value) {
        self.push(Body::Change { field: field.to_owned(), value });
    }

    /// The updates made since this was last asked.
    pub(super) fn fresh_updates(&mut self) -> &mut [Update] {
        let from = self.fresh_from.min(self.waiting.len());
        self.fresh_from = self.waiting.len();
        &mut self.waiting[from..]
    }

    /// Takes all updates that wait to be sent.
    pub(super) fn take_waiting(&mut self) -> Vec<Update> {
        self.fresh_from = 0;
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn updates_made(&self) -> u64 {
        self.updates_made
    }

    fn value_of(&self, object: &Object, verb: &str, message: Option<&str>) -> Value {
        if object.parent.is_some() {
            return self.comment_value(object, verb, message);
        }
        let mut value = json!({
            "from": {"id": object.from.id, "name": object.from.name}, "post_id": object.id, "created_time": self.now.as_second(), "item": object.item,
            "published": 1, "verb": verb,
        });
        if let Some(message) = message {
            value["message"] = json!(message);
        }
        value
    }

    fn comment_value(&self, object: &Object, verb: &str, message: Option<&str>) -> Value {
        let mut value = json!({
            "from": {"id": object.from.id, "name": object.from.name},
            "post": {
                "status_type": "mobile_status_update", "is_published": true, "updated_time": graph_time(self.now), "promotion_status": "inactive",
                "permalink_url": format!("https://www.facebook.com/{}", object.post), "id": object.post,
            },
            "post_id": object.post, "comment_id": object.id, "created_time": self.now.as_second(), "item": "comment",
            "parent_id": object.parent, "verb": verb,
        });
        if let Some(message) = message {
            value["message"] = json!(message);
        }
        value
    }

    fn push(&mut self, body: Body) {
        let (Body::Change { value, .. } | Body::Messaging(value)) = &body;
        let who = ["/from/id", "/reviewer_id", "/sender/id"].into_iter().find_map(|pointer| value.pointer(pointer)?.as_str());
        self.met.extend(who.map(str::to_owned));
        self.updates_made += 1;
        self.waiting.push(Update { number: self.updates_made, time: self.now, body });
    }

    fn touch(&mut self, post: &str) {
        if let Some(post) = self.objects.get_mut(post) {
            post.updated = self.now;
        }
    }

    fn keep(&mut self, object: Object) {
        self.order.push(object.id.clone());
        self.objects.insert(object.id.clone(), object);
    }

    fn next_id(&mut self) -> String {
        self.last_id += 7;
        self.last_id.to_string()
    }
}

/// A time as the Graph API writes it.
pub(super) fn graph_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}
