//! Posts, comments and people, and the notifications their deeds make.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::Reply;
use super::urn::{self, Target};

/// The first number that JavaScript's `Number` cannot tell from its neighbours, and more.
const BEYOND_F64: u64 = (1 << 53) + 1;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id: letters and digits, valid for this app only.
    pub id: String,
    /// The name shown.
    pub name: String,
    /// Whether the member does not let apps see who acted: notifications and comments then come without an author, as in
    /// <https://github.com/MicrosoftDocs/feedback/issues/971>.
    pub is_hidden: bool,
}

impl Person {
    /// `urn:li:person:…`.
    pub fn urn(&self) -> String {
        format!("urn:li:person:{}", self.id)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Author {
    Member(Person),
    Organization,
}

#[derive(Debug, Clone)]
pub(super) struct Post {
    /// The number of `urn:li:activity:…`; all else about a post hangs on it.
    pub(super) activity: String,
    /// `urn:li:share:…` or `urn:li:ugcPost:…`.
    pub(super) urn: String,
    pub(super) author: Author,
    pub(super) text: String,
    pub(super) created: Timestamp,
    /// Whether the organisation made it through the API.
    is_by_api: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub(super) id: String,
    pub(super) activity: String,
    /// The id of the comment it answers.
    pub(super) parent: Option<String>,
    pub(super) author: Author,
    pub(super) text: String,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
}

impl Comment {
    pub(super) fn urn(&self) -> String {
        urn::comment(&self.activity, &self.id)
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub(super) struct Notification {
    pub(super) id: u64,
    pub(super) at: Timestamp,
    /// From when it can be pulled.
    pub(super) listed: Timestamp,
    pub(super) action: String,
    pub(super) document: Value,
}

#[derive(Debug)]
pub(super) struct World {
    organization: String,
    member: String,
    now: Timestamp,
    people: BTreeMap<String, Person>,
    posts: Vec<Post>,
    /// In the order they were made.
    comments: Vec<Comment>,
    likes: BTreeMap<String, u64>,
    notifications: Vec<Notification>,
    listing_lag: SignedDuration,
    /// How many of the notifications were taken to be sent.
    taken: usize,
    last_number: u64,
    replies: Vec<Reply>,
    random: fastrand::Rng,
}

impl World {
    pub(super) fn new(organization: &str, member: &str, now: Timestamp, seed: u64) -> Self {
        Self {
            organization: organization.to_owned(),
            member: member.to_owned(),
            now,
            people: BTreeMap::new(),
            posts: Vec::new(),
            comments: Vec::new(),
            likes: BTreeMap::new(),
            notifications: Vec::new(),
            listing_lag: SignedDuration::ZERO,
            taken: 0,
            last_number: 7_094_637_247_487_995_904,
            replies: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn organization(&self) -> &str {
        &self.organization
    }

    pub(super) fn member_id(&self) -> &str {
        &self.member
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn advance(&mut self, time: SignedDuration) {
        self.now += time;
    }

    pub(super) fn person(&mut self, name: &str, is_hidden: bool) -> Person {
        let id: String = (0..10).map(|_| self.random.alphanumeric()).collect();
        let person = Person { id: id.clone(), name: name.to_owned(), is_hidden };
        self.people.insert(id, person.clone());
        person
    }

    pub(super) fn member(&self, id: &str) -> Option<&Person> {
        self.people.get(id)
    }

    /// The author's URN, unless it is hidden.
    pub(super) fn urn_of(&self, author: &Author) -> Option<String> {
        match author {
            Author::Organization => Some(self.organization.clone()),
            Author::Member(person) if person.is_hidden => None,
            Author::Member(person) => Some(person.urn()),
        }
    }

    /// The post of any of its three URNs.
    pub(super) fn post_of(&self, urn: &str) -> Option<&Post> {
        let activity = urn.strip_prefix("urn:li:activity:");
        self.posts.iter().find(|post| post.urn == urn || activity == Some(post.activity.as_str()))
    }

    pub(super) fn comment_of(&self, post: &str, id: &str) -> Option<&Comment> {
        let post = self.post_of(post)?;
        self.comments.iter().find(|comment| comment.id == id && comment.activity == post.activity)
    }

    /// The post a URN names or hangs below, and the comment where it names one.
    pub(super) fn find(&self, target: &Target) -> Option<(&Post, Option<&Comment>)> {
        match target {
            Target::Post(urn) => Some((self.post_of(urn)?, None)),
            Target::Comment { post, id } => Some((self.post_of(post)?, Some(self.comment_of(post, id)?))),
        }
    }

    /// Direct answers, oldest first.
    pub(super) fn answers(&self, activity: &str, parent: Option<&str>) -> Vec<&Comment> {
        self.comments.iter().filter(|comment| comment.activity == activity && comment.parent.as_deref() == parent).collect()
    }

    pub(super) fn likes(&self, urn: &str) -> u64 {
        self.likes.get(urn).copied().unwrap_or_default()
    }

    pub(super) fn text_of(&self, urn: &str) -> Option<String> {
        let (post, comment) = self.find(&urn::parse(urn)?)?;
        Some(comment.map_or_else(|| post.text.clone(), |comment| comment.text.clone()))
    }

    pub(super) fn replies(&self) -> &[Reply] {
        &self.replies
    }

    /// All notifications, oldest first.
    pub(super) fn list_late(&mut self, lag: SignedDuration) {
        self.listing_lag = lag;
    }

    pub(super) fn notifications(&self) -> &[Notification] {
        &self.notifications
    }

    /// Takes the notifications that wait to be sent.
    pub(super) fn take_waiting(&mut self) -> Vec<Notification> {
        let waiting = self.notifications[self.taken..].to_vec();
        self.taken = self.notifications.len();
        waiting
    }

    pub(super) fn waiting(&self) -> usize {
        self.notifications.len() - self.taken
    }

    // --- deeds ------------------------------------------------------------------------------------------------------------------------

    /// A new post; gives its URN.
    pub(super) fn post(&mut self, author: Author, text: &str) -> String {
        let kind = if self.random.bool() { "share" } else { "ugcPost" };
        let urn = format!("urn:li:{kind}:{}", self.next_number());
        let activity = self.next_number().to_string();
        self.posts.push(Post { activity, urn: urn.clone(), author, text: text.to_owned(), created: self.now, is_by_api: false });
        urn
    }

    /// The organisation posts through the API; nobody is told.
    pub(super) fn post_by_api(&mut self, text: &str) -> String {
        let urn = self.post(Author::Organization, text);
        self.posts.iter_mut().filter(|post| post.urn == urn).for_each(|post| post.is_by_api = true);
        urn
    }

    /// The organisation's posts, oldest first; only those made through the API, or all.
    pub(super) fn own_posts(&self, only_by_api: bool) -> impl DoubleEndedIterator<Item = &Post> {
        self.posts.iter().filter(move |post| post.author == Author::Organization && (post.is_by_api || !only_by_api))
    }

    /// A new comment; gives its URN, or `None` when there is no such target.
    pub(super) fn comment(&mut self, author: Author, target: &str, text: &str) -> Option<String> {
        let (post, above) = self.find(&urn::parse(target)?)?;
        // The site knows two levels: an answer to an answer hangs below the same comment.
        let parent = above.map(|above| above.parent.clone().unwrap_or_else(|| above.id.clone()));
        let activity = post.activity.clone();
        let comment = Comment {
            id: self.next_number().to_string(),
            activity,
            parent,
            author,
            text: text.to_owned(),
            created: self.now,
            modified: self.now,
        };
        let action = if comment.author == Author::Organization { "ADMIN_COMMENT" } else { "COMMENT" };
        self.notify_of_comment(action, &comment);
        let urn = comment.urn();
        self.comments.push(comment);
        Some(urn)
    }

    /// The organisation comments through the API: a comment like any other, so its echo is sent too.
    pub(super) fn reply(&mut self, target: &str, text: &str) -> Option<Comment> {
        let (post, above) = self.find(&urn::parse(target)?)?;
        let answered = above.map_or_else(|| post.urn.clone(), Comment::urn);
        let id = self.comment(Author::Organization, target, text)?;
        self.replies.push(Reply { target: answered, id, text: text.to_owned(), at: self.now });
        self.comments.last().cloned()
    }

    /// Changes a post or comment; a changed comment keeps its id.
    pub(super) fn edit(&mut self, urn: &str, text: &str) -> Option<()> {
        match urn::parse(urn)? {
            Target::Post(urn) => {
                let activity = self.post_of(&urn)?.activity.clone();
                self.posts.iter_mut().find(|post| post.activity == activity)?.text = text.to_owned();
            }
            Target::Comment { post, id } => {
                self.comment_of(&post, &id)?;
                let comment = self.comments.iter_mut().find(|comment| comment.id == id)?;
                (comment.text, comment.modified) = (text.to_owned(), self.now);
                let comment = comment.clone();
                self.notify_of_comment("COMMENT_EDIT", &comment);
            }
        }
        Some(())
    }

    /// Removes a post or comment, with all below it. Only the thing itself is told of, and only a comment: no page says that its answers
    /// are told of one by one.
    pub(super) fn remove(&mut self, urn: &str) -> Option<()> {
        let (post, comment) = self.find(&urn::parse(urn)?)?;
        let (activity, comment) = (post.activity.clone(), comment.cloned());
        match comment {
            None => {
                self.posts.retain(|post| post.activity != activity);
                self.comments.retain(|comment| comment.activity != activity);
            }
            Some(comment) => {
                self.comments.retain(|other| other.id != comment.id && other.parent.as_ref() != Some(&comment.id));
                self.notify_of_comment("COMMENT_DELETE", &comment);
            }
        }
        Some(())
    }

    pub(super) fn like(&mut self, author: &Person, target: &str) -> Option<()> {
        let (post, comment) = self.find(&urn::parse(target)?)?;
        let liked = comment.map_or_else(|| post.urn.clone(), Comment::urn);
        let object = comment.map_or_else(|| format!("urn:li:activity:{}", post.activity), Comment::urn);
        let post = post.clone();
        // Whoever likes is named by nothing but this URN.
        let generated = (!author.is_hidden).then(|| format!("urn:li:like:({},{object})", author.urn()));
        *self.likes.entry(liked).or_default() += 1;
        if post.author == Author::Organization {
            self.notify("LIKE", Some(&post), generated, None);
        }
        Some(())
    }

    /// Somebody shares a post; gives the URN of theirs.
    pub(super) fn share(&mut self, author: &Person, shared: &str, text: &str) -> Option<String> {
        let shared = self.post_of(shared)?.clone();
        let urn = self.post(Author::Member(author.clone()), text);
        let decorated = self.decorated_share(&urn);
        if shared.author == Author::Organization {
            self.notify("SHARE", Some(&shared), Some(urn.clone()), decorated);
        }
        Some(urn)
    }

    /// Somebody names the organisation in a post of theirs; gives the post's URN.
    pub(super) fn mention(&mut self, author: &Person, text: &str) -> String {
        let urn = self.post(Author::Member(author.clone()), text);
        let post = self.post_of(&urn).cloned();
        let decorated = self.decorated_share(&urn);
        self.notify("SHARE_MENTION", post.as_ref(), Some(urn.clone()), decorated);
        urn
    }

    pub(super) fn unknown_action(&mut self) {
        self.notify("SHIMMER_2027", None, None, None);
    }

    // --- notifications ----------------------------------------------------------------------------------------------------------------

    /// Only what happens below the organisation's own posts is told of. [notifications]
    fn notify_of_comment(&mut self, action: &str, comment: &Comment) {
        let Some(post) = self.posts.iter().find(|post| post.activity == comment.activity).cloned() else { return };
        if post.author != Author::Organization {
            return;
        }
        // Both spellings occur in one notification: seen in a live one of August 2023 that its receiver published.
        let spell = if self.random.bool() { urn::comment } else { urn::comment_in_short };
        let generated = spell(&comment.activity, &comment.id);
        let decorated = (action != "COMMENT_DELETE").then(|| {
            let object = format!("urn:li:activity:{}", comment.activity);
            let mut decorated = json!({"entity": comment.urn(), "object": object, "text": comment.text});
            if let Some(owner) = self.urn_of(&comment.author) {
                decorated["owner"] = json!(owner);
            }
            json!({"comment": decorated})
        });
        self.notify(action, Some(&post), Some(generated), decorated);
    }

    fn decorated_share(&self, urn: &str) -> Option<Value> {
        self.post_of(urn).map(|post| json!({"share": self.decorated_post(post)}))
    }

    fn decorated_post(&self, post: &Post) -> Value {
        let mut decorated = json!({"entity": post.urn, "text": post.text, "mediaCategory": "NONE"});
        if let Some(owner) = self.urn_of(&post.author) {
            decorated["owner"] = json!(owner);
        }
        decorated
    }

    fn notify(&mut self, action: &str, source: Option<&Post>, generated: Option<String>, decorated: Option<Value>) {
        let number = self.notifications.len() as u64;
        // One in three is a number that a double-precision reader takes for its neighbour's.
        let id = if number % 3 == 2 { BEYOND_F64 + 2 * (number / 3) } else { 5_603_453_321 + number };
        let mut document = json!({
            "notificationId": id, "organizationalEntity": self.organization, "action": action,
            "lastModifiedAt": self.now.as_millisecond(), "subscriber": format!("urn:li:person:{}", self.member),
        });
        if let Some(post) = source {
            // The page writes the activity's URN and the share's in different places: both come.
            let activity = format!("urn:li:activity:{}", post.activity);
            document["sourcePost"] = json!(if self.random.bool() { &activity } else { &post.urn });
            document["decoratedSourcePost"] = self.decorated_post(post);
        }
        if let Some(generated) = generated {
            document["generatedActivity"] = json!(generated);
        }
        if let Some(decorated) = decorated {
            document["decoratedGeneratedActivity"] = decorated;
        }
        let listed = self.now + self.listing_lag;
        self.notifications.push(Notification { id, at: self.now, listed, action: action.to_owned(), document });
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 4_096 + self.random.u64(0..1_000);
        self.last_number
    }
}
