//! People and posts, and what their deeds are told as.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::super::Reply;
use super::{Payloads, TwitterSettings};

/// Milliseconds of 1970 at which the ids of posts begin. <https://docs.x.com/resources/fundamentals/x-ids>
const IDS_BEGIN_MS: i64 = 1_288_834_974_657;
/// An edited post has at most five versions after its first. [edits]
pub(super) const EDITS_MAX: usize = 5;
/// For how long a post can be edited, from its first version on. [edits]
pub(super) const EDITING_TIME: SignedDuration = SignedDuration::from_mins(30);
/// A handle's letters. <https://help.x.com/en/managing-your-account/x-username-rules>
const HANDLE_LETTERS_MAX: usize = 15;

/// Somebody with an account, or the company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id: digits above 2^53.
    pub id: String,
    /// The name shown.
    pub name: String,
    /// The handle, without `@`.
    pub handle: String,
}

/// Another post that a post is about; its author is known even after it was deleted.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) post: u64,
    pub(super) author: String,
}

/// One version of a post.
#[derive(Debug, Clone)]
pub(super) struct Post {
    pub(super) id: u64,
    /// The first version of its chain.
    pub(super) first: u64,
    pub(super) author: String,
    pub(super) text: String,
    /// How many letters at the beginning the platform put there: whom a reply answers.
    pub(super) implicit: usize,
    pub(super) replied_to: Option<Reference>,
    pub(super) quoted: Option<Reference>,
    pub(super) reposted: Option<Reference>,
    pub(super) conversation: u64,
    pub(super) created: Timestamp,
    /// From when lists show it.
    pub(super) listed: Timestamp,
}

/// `@handle` in a text, by letters.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) person: Person,
}

/// What an update carries.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// A whole document of the X Activity API.
    Activity(Value),
    /// One row of a list of the account activity, with the people it names.
    Account { list: &'static str, row: Value, users: Map<String, Value> },
}

/// One thing that happened, waiting to be sent.
#[derive(Debug, Clone)]
pub(super) struct Update {
    pub(super) number: u64,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) struct World {
    company: Person,
    now: Timestamp,
    people: BTreeMap<String, Person>,
    posts: BTreeMap<u64, Post>,
    chains: BTreeMap<u64, Vec<u64>>,
    waiting: Vec<Update>,
    updates_made: u64,
    last_id: u64,
    replies: Vec<Reply>,
    posts_by_api: Vec<(String, String)>,
    listing_lag: SignedDuration,
    hidden: BTreeSet<String>,
    payloads: Payloads,
    is_subscribed_to_authors: bool,
    tells_one_deletion: bool,
    told: u64,
    pub(super) random: fastrand::Rng,
}

impl World {
    pub(super) fn new(company: Person, settings: &TwitterSettings) -> Self {
        Self {
            people: BTreeMap::from([(company.id.clone(), company.clone())]),
            company,
            now: settings.now,
            posts: BTreeMap::new(),
            chains: BTreeMap::new(),
            waiting: Vec::new(),
            updates_made: 0,
            last_id: 0,
            replies: Vec::new(),
            posts_by_api: Vec::new(),
            listing_lag: SignedDuration::ZERO,
            hidden: BTreeSet::new(),
            payloads: settings.payloads,
            is_subscribed_to_authors: true,
            tells_one_deletion: false,
            told: 0,
            random: fastrand::Rng::with_seed(settings.seed),
        }
    }

    pub(super) fn unsubscribe_from_authors(&mut self) {
        self.is_subscribed_to_authors = false;
    }

    pub(super) fn tell_one_deletion(&mut self) {
        self.tells_one_deletion = true;
    }

    pub(super) fn company(&self) -> &Person {
        &self.company
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

    /// Whether this person and what they posted are shown to nobody.
    pub(super) fn hide(&mut self, person: &Person, is_hidden: bool) {
        if is_hidden {
            self.hidden.insert(person.id.clone());
        } else {
            self.hidden.remove(&person.id);
        }
    }

    pub(super) fn is_hidden(&self, person: &str) -> bool {
        self.hidden.contains(person)
    }

    pub(super) fn replies(&self) -> &[Reply] {
        &self.replies
    }

    pub(super) fn posts_by_api(&self) -> &[(String, String)] {
        &self.posts_by_api
    }

    pub(super) fn person_by_id(&self, id: &str) -> Option<&Person> {
        self.people.get(id)
    }

    /// The author of a post. Everybody who posts has an account here, and accounts are never removed.
    pub(super) fn author(&self, post: &Post) -> &Person {
        self.people.get(&post.author).unwrap_or(&self.company)
    }

    pub(super) fn post_by_id(&self, id: u64) -> Option<&Post> {
        self.posts.get(&id)
    }

    /// All versions of a post, oldest first.
    pub(super) fn chain(&self, post: &Post) -> &[u64] {
        self.chains.get(&post.first).map_or(&[], Vec::as_slice)
    }

    /// The newest version of each post that lists show already, newest first.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Post> {
        self.posts.values().rev().filter(|post| post.listed <= self.now && self.chain(post).last() == Some(&post.id))
    }

    /// The accounts a text names; what nobody has as a handle is mere text.
    pub(super) fn mentions(&self, text: &str) -> Vec<Mention> {
        let letters: Vec<char> = text.chars().collect();
        let is_of_handle = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
        let starts = (0..letters.len()).filter(|&at| letters[at] == '@' && (at == 0 || !is_of_handle(&letters[at - 1])));
        let named = starts.filter_map(|start| {
            let handle: String = letters[start + 1..].iter().take_while(|letter| is_of_handle(letter)).collect();
            let person = self.people.values().find(|person| person.handle.eq_ignore_ascii_case(&handle))?;
            Some(Mention { start, end: start + 1 + handle.len(), person: person.clone() })
        });
        named.collect()
    }

    /// Whether a post names an account; `explicit` leaves out what the platform itself put there.
    pub(super) fn names(&self, post: &Post, person: &Person, explicit: bool) -> bool {
        let is_meant = |mention: &Mention| mention.person == *person && (!explicit || mention.start >= post.implicit);
        post.reposted.is_none() && self.mentions(&post.text).iter().any(is_meant)
    }

    pub(super) fn person(&mut self, name: &str) -> Person {
        let stem: String = name.chars().filter(char::is_ascii_alphanumeric).take(HANDLE_LETTERS_MAX - 4).collect();
        let is_free = |handle: &str| !self.people.values().any(|person| person.handle.eq_ignore_ascii_case(handle));
        let stem = if stem.is_empty() { "persona".to_owned() } else { stem };
        let numbered = (1..).map(|number| format!("{stem}{number}"));
        let handle = std::iter::once(stem.clone()).chain(numbered).find(|handle| is_free(handle)).unwrap_or(stem.clone());
        let person = Person { id: self.next_id().to_string(), name: name.to_owned(), handle };
        self.people.insert(person.id.clone(), person.clone());
        person
    }

    pub(super) fn post(&mut self, author: &Person, text: &str) -> u64 {
        let post = self.draft(author, text);
        self.publish(post)
    }

    /// A reply; whom it answers is put before its text, as the platform does. `None` when the target does not exist.
    pub(super) fn reply(&mut self, author: &Person, target: u64, text: &str) -> Option<u64> {
        let target = self.posts.get(&target)?.clone();
        let prefix = self.reply_prefix(author, &target);
        let mut post = self.draft(author, &format!("{prefix}{text}"));
        post.implicit = prefix.chars().count();
        post.conversation = target.conversation;
        post.replied_to = Some(Reference { post: target.id, author: target.author });
        Some(self.publish(post))
    }

    /// Whom a reply answers, as the platform puts it before the text.
    pub(super) fn reply_prefix(&self, author: &Person, target: &Post) -> String {
        let mut answered = vec![self.author(target).handle.clone()];
        answered.extend(self.mentions(&target.text).into_iter().map(|mention| mention.person.handle));
        let is_first = |(position, handle): &(usize, &String)| **handle != author.handle && !answered[..*position].contains(handle);
        answered.iter().enumerate().filter(is_first).map(|(_, handle)| format!("@{handle} ")).collect()
    }

    /// A post of the company through the API, with its place in the books.
    pub(super) fn announce(&mut self, text: &str) -> u64 {
        let company = self.company.clone();
        let id = self.post(&company, text);
        self.posts_by_api.push((id.to_string(), text.to_owned()));
        id
    }

    /// A reply of the company through the API, with its place in the books.
    pub(super) fn answer(&mut self, target: u64, text: &str) -> Option<u64> {
        let company = self.company.clone();
        let id = self.reply(&company, target, text)?;
        self.replies.push(Reply { target: target.to_string(), id: id.to_string(), text: text.to_owned(), at: self.now });
        Some(id)
    }

    /// A quotation; the platform puts a link to what is quoted behind the text, which it shortens like any other.
    pub(super) fn quote(&mut self, author: &Person, target: u64, text: &str) -> Option<u64> {
        let target = self.posts.get(&target)?.clone();
        let mut post = self.draft(author, &format!("{text} https://x.com/{}/status/{}", self.author(&target).handle, target.id));
        post.quoted = Some(Reference { post: target.id, author: target.author });
        Some(self.publish(post))
    }

    pub(super) fn repost(&mut self, author: &Person, target: u64) -> Option<u64> {
        let target = self.posts.get(&target)?.clone();
        let text = format!("RT @{}: {}", self.author(&target).handle, target.text);
        let mut post = self.draft(author, &text);
        post.reposted = Some(Reference { post: target.id, author: target.author });
        Some(self.publish(post))
    }

    /// Another version: a post of its own with a new id, in the same chain. `None` when the platform lets nobody edit it: a reply to somebody
    /// else, a repost, after five edits, or half an hour after the first version. [edits]
    pub(super) fn edit(&mut self, id: u64, text: &str) -> Option<u64> {
        let old = self.posts.get(&id)?.clone();
        let is_answer = old.replied_to.as_ref().is_some_and(|target| target.author != old.author);
        let is_old = self.posts.get(&old.first).is_some_and(|first| first.created + EDITING_TIME <= self.now);
        if self.chain(&old).len() > EDITS_MAX || is_old || is_answer || old.reposted.is_some() {
            return None;
        }
        let prefix: String = old.text.chars().take(old.implicit).collect();
        let id = self.next_id();
        let listed = self.now + self.listing_lag;
        Some(self.publish(Post { id, text: format!("{prefix}{text}"), created: self.now, listed, ..old }))
    }

    /// Deleting one version deletes all. [edits] Of which of them it tells the platform does not say.
    pub(super) fn remove(&mut self, id: u64) -> Option<()> {
        let first = self.posts.get(&id)?.first;
        for version in self.chains.remove(&first).unwrap_or_default() {
            let removed = self.posts.remove(&version).filter(|_| version == id || !self.tells_one_deletion);
            if let Some(post) = removed.filter(|post| self.is_subscribed_to_authors || post.author == self.company.id) {
                self.tell_deleted(&post);
            }
        }
        Some(())
    }

    /// The updates that wait to be sent.
    pub(super) fn take_waiting(&mut self) -> Vec<Update> {
        std::mem::take(&mut self.waiting)
    }

    /// All versions of what somebody posted and did not delete.
    pub(super) fn posts_of(&self, author: &Person) -> impl Iterator<Item = &Post> {
        self.posts.values().filter(|post| post.author == author.id)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn updates_made(&self) -> u64 {
        self.updates_made
    }

    /// Whether the next happening is told in the shape of the X Activity API.
    pub(super) fn is_told_as_activity(&mut self) -> bool {
        let is_activity = match self.payloads {
            Payloads::Activity => true,
            Payloads::AccountActivity => false,
            Payloads::Both => self.told.is_multiple_of(2),
        };
        self.told += 1;
        is_activity
    }

    pub(super) fn push(&mut self, body: Body) {
        self.updates_made += 1;
        self.waiting.push(Update { number: self.updates_made, body });
    }

    /// An id of this moment of the platform's clock; each is greater than all before.
    pub(super) fn next_id(&mut self) -> u64 {
        let milliseconds = u64::try_from(self.now.as_millisecond() - IDS_BEGIN_MS).unwrap_or_default();
        self.last_id = (milliseconds << 22).max(self.last_id + 1);
        self.last_id
    }

    fn draft(&mut self, author: &Person, text: &str) -> Post {
        let id = self.next_id();
        Post {
            id,
            first: id,
            author: author.id.clone(),
            text: text.to_owned(),
            implicit: 0,
            replied_to: None,
            quoted: None,
            reposted: None,
            conversation: id,
            created: self.now,
            listed: self.now + self.listing_lag,
        }
    }

    fn publish(&mut self, post: Post) -> u64 {
        let id = post.id;
        self.chains.entry(post.first).or_default().push(id);
        self.posts.insert(id, post.clone());
        self.tell_created(&post);
        id
    }
}

/// When an account was opened: its id says it.
pub(super) fn opened(person: &Person) -> Timestamp {
    let number: u64 = person.id.parse().unwrap_or_default();
    let milliseconds = i64::try_from(number >> 22).unwrap_or_default() + IDS_BEGIN_MS;
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_hour_after_it_was_posted_nobody_changes_a_post() {
        let company =
            Person { id: "1499874563210987655".to_owned(), name: "Telefonia Sole".to_owned(), handle: "TelefoniaSole".to_owned() };
        let mut world = World::new(company, &TwitterSettings::default());
        let ada = world.person("Ada");
        let first = world.post(&ada, "aiuto");
        world.advance(SignedDuration::from_secs(1_799));
        let second = world.edit(first, "aiuto!").expect("it is not too late yet");
        world.advance(SignedDuration::from_secs(1));
        assert_eq!([first, second].map(|version| world.edit(version, "aiuto!!")), [None, None]);
    }
}
