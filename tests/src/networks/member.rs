//! Somebody with an account on a network, and what they do there.

use std::sync::Arc;

use crate::stand_ins::facebook::{self, Facebook};
use crate::stand_ins::linkedin::{self, LinkedIn};
use crate::stand_ins::twitter::{self, Twitter};

/// Somebody on a network.
#[derive(Debug, Clone)]
pub enum Member {
    /// On Facebook.
    Facebook(Arc<Facebook>, facebook::Person),
    /// On X.
    Twitter(Arc<Twitter>, twitter::Person),
    /// On LinkedIn.
    LinkedIn(Arc<LinkedIn>, linkedin::Person),
}

impl Member {
    /// The id that connectors see.
    pub fn id(&self) -> String {
        match self {
            Self::Facebook(_, person) => person.id.clone(),
            Self::Twitter(_, person) => person.id.clone(),
            Self::LinkedIn(_, person) => person.urn(),
        }
    }

    /// The name shown.
    pub fn name(&self) -> &str {
        match self {
            Self::Facebook(_, person) => &person.name,
            Self::Twitter(_, person) => &person.name,
            Self::LinkedIn(_, person) => &person.name,
        }
    }

    /// The handle, where the network has such a thing.
    pub fn handle(&self) -> Option<&str> {
        match self {
            Self::Twitter(_, person) => Some(&person.handle),
            Self::Facebook(..) | Self::LinkedIn(..) => None,
        }
    }

    /// Writes below something: comments on a post, or answers what somebody said. Gives the id of what was written.
    ///
    /// # Panics
    /// When there is no such thing.
    pub fn answer(&self, thing: &str, text: &str) -> String {
        match self {
            Self::Facebook(facebook, person) => facebook.comment(person, thing, text),
            Self::Twitter(twitter, person) => twitter.reply(person, thing, text),
            Self::LinkedIn(linkedin, person) => linkedin.comment(person, thing, text),
        }
    }

    /// Names the company in a post of their own, where they do so; gives the post's id.
    pub fn mention(&self, text: &str) -> String {
        match self {
            Self::Facebook(facebook, person) => facebook.mention(person, text),
            Self::Twitter(twitter, person) => twitter.post(person, &naming(twitter, text)),
            Self::LinkedIn(linkedin, person) => linkedin.mention(person, text),
        }
    }

    /// Says something that an answer is expected to: comments on the company's post, or on X, where people speak up by themselves, names it.
    ///
    /// # Panics
    /// When there is no such post.
    pub fn ask(&self, post: &str, text: &str) -> String {
        match self {
            Self::Facebook(..) | Self::LinkedIn(..) => self.answer(post, text),
            Self::Twitter(..) => self.mention(text),
        }
    }

    /// Likes something.
    ///
    /// # Panics
    /// When there is no such thing.
    pub fn like(&self, thing: &str) {
        match self {
            Self::Facebook(facebook, person) => facebook.react(person, thing, "like"),
            Self::Twitter(twitter, person) => {
                twitter.like(person, thing);
            }
            Self::LinkedIn(linkedin, person) => linkedin.like(person, thing),
        }
    }
}

/// The text with the company's name in it.
pub(super) fn naming(twitter: &Twitter, text: &str) -> String {
    let name = format!("@{}", twitter.settings().handle);
    if text.contains(&name) { text.to_owned() } else { format!("{name} {text}") }
}
