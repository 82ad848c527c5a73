//! A post, whatever it came in, and what it tells.
//!
//! # Identity
//! An edit makes a new id, and the history names all of them from the first on: that first one is the thing, and the later ids are revisions of it.
//!
//! # Conversation
//! Below a company's post hundreds answer, each with their own trouble, and X counts all of them as one conversation. Here a conversation is what
//! one person says in one of X's: its key is `<the thread's first post>/<the person>`. What the company says to them belongs to it.

use serde::Deserialize;
use sportello_sdk::{Interaction, Profile, lenient, time};

use crate::Settings;

/// Who X says somebody is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) handle: Option<String>,
    pub(crate) name: Option<String>,
}

impl Person {
    pub(crate) fn profile(&self) -> Profile {
        let profile = Profile::new(&self.id);
        let profile = match &self.name {
            Some(name) => profile.display_name(name),
            None => profile,
        };
        match &self.handle {
            Some(handle) => profile.handle(handle).url(format!("https://x.com/{handle}")),
            None => profile,
        }
    }
}

/// A post in either shape.
#[derive(Clone, Debug, Default)]
pub(crate) struct Post {
    pub(crate) id: String,
    /// All versions, the first one first. Empty: the shape does not say.
    pub(crate) history: Vec<String>,
    pub(crate) author: Option<Person>,
    /// As it was typed.
    pub(crate) text: Option<String>,
    pub(crate) at_ms: Option<i64>,
    /// The thread's first post. None: the shape does not say.
    pub(crate) thread: Option<String>,
    /// The post it answers, and whose that is.
    pub(crate) answers: Option<String>,
    pub(crate) answers_whom: Option<String>,
    pub(crate) quotes: Option<String>,
    pub(crate) reposts: Option<String>,
    /// Whether it names the company, or quotes it.
    pub(crate) addresses: bool,
    pub(crate) language: Option<String>,
}

impl Post {
    /// The first version.
    pub(crate) fn root(&self) -> &str {
        self.history.first().unwrap_or(&self.id)
    }

    /// Whether it lies in a thread whose first post only X knows.
    pub(crate) fn wants_thread(&self) -> bool {
        self.thread.is_none() && self.answers.is_some()
    }

    /// A post that answers nothing begins its thread: its first version does, whichever version X names.
    fn thread(&self) -> &str {
        let told = self.thread.as_deref().or(self.answers.as_deref());
        told.filter(|told| !self.history.iter().any(|version| version == told)).unwrap_or(self.root())
    }

    /// The key of its conversation.
    fn conversation(&self, settings: &Settings) -> String {
        let company = settings.user_id.as_str();
        let author = self.author.as_ref().map(|author| author.id.as_str());
        let with = if author == Some(company) { self.answers_whom.as_deref().unwrap_or(company) } else { author.unwrap_or("somebody") };
        key(self.thread(), with)
    }

    /// That it was deleted with all its versions.
    pub(crate) fn deletion(&self, settings: &Settings, now_ms: i64) -> Interaction {
        deletion(settings, self.root(), self.conversation(settings), self.author.as_ref(), now_ms)
    }

    pub(crate) fn interaction(&self, settings: &Settings, now_ms: i64) -> Interaction {
        let company = settings.user_id.as_str();
        let author = self.author.as_ref().map(|author| author.id.as_str());
        let own = author == Some(company);
        let kind = match (&self.reposts, &self.answers, &self.quotes) {
            (Some(_), _, _) => "repost",
            (None, Some(_), _) => "reply",
            (None, None, _) if !own && self.addresses => "mention",
            (None, None, _) => "post",
        };
        let at = time::from_milliseconds(self.at_ms.unwrap_or(now_ms));
        let mut interaction = Interaction::new(self.root(), kind, at, self.conversation(settings)).own(own);
        interaction = interaction.conversation_url(format!("https://x.com/i/status/{}", self.thread()));
        if self.root() != self.id {
            interaction = interaction.edited(&self.id);
        }
        if let Some(author) = &self.author {
            interaction = interaction.author(author.profile());
        }
        if let Some(answered) = self.answers.as_ref().or(self.reposts.as_ref()).or(self.quotes.as_ref()) {
            interaction = interaction.in_reply_to(answered);
        }
        // Of a repost the words are somebody else's.
        if let Some(text) = self.text.as_ref().filter(|_| self.reposts.is_none()) {
            interaction = interaction.text(text);
        }
        if let Some(language) = self.language.as_ref().filter(|language| *language != "und" && !language.is_empty()) {
            interaction = interaction.language(language);
        }
        let addressed = self.addresses || self.answers_whom.as_deref() == Some(company);
        for (name, value) in [("post-id", Some(&self.id)), ("quotes", self.quotes.as_ref()), ("reposts", self.reposts.as_ref())] {
            if let Some(value) = value {
                interaction = interaction.attribute(name, value);
            }
        }
        if addressed && !own && self.reposts.is_none() { interaction.attribute("addressed", "true") } else { interaction }
    }
}

/// That a post was deleted, by its first version.
pub(crate) fn deletion(settings: &Settings, root: &str, conversation: String, author: Option<&Person>, at_ms: i64) -> Interaction {
    let own = author.is_some_and(|author| author.id == settings.user_id);
    let gone = Interaction::new(root, "post", time::from_milliseconds(at_ms), conversation).deleted("deleted").own(own);
    match author {
        Some(author) => gone.author(author.profile()),
        None => gone,
    }
}

/// The key of what one person says in one thread.
pub(crate) fn key(thread: &str, person: &str) -> String {
    format!("{thread}/{person}")
}

/// A link as it stands in a text, and what it stands for.
#[derive(Deserialize)]
pub(crate) struct Link {
    #[serde(default, deserialize_with = "lenient::text")]
    url: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    expanded_url: Option<String>,
}

/// A text as it was typed: X writes links short, of those without a scheme too, and escapes.
pub(crate) fn typed<'a>(text: &str, links: impl Iterator<Item = &'a Link>) -> String {
    let mut text = unescaped(text);
    for link in links {
        if let (Some(short), Some(whole)) = (&link.url, &link.expanded_url) {
            text = text.replace(short, whole);
        }
    }
    text
}

/// X writes these three in texts as in HTML.
pub(crate) fn unescaped(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
