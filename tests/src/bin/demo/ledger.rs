//! What was done on the platforms, and what Sportello is expected to have done about it. Kept by the player and the stand-ins alone:
//! nothing here comes from Sportello.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sportello_tests::stand_ins::FaultHandle;

use crate::cast::Actor;
use crate::scenario::{Answer, Language, Topic};

/// The channels' names in the tenant.
pub(crate) const FACEBOOK: &str = "facebook-page";
/// See [`FACEBOOK`].
pub(crate) const TWITTER: &str = "twitter";
/// See [`FACEBOOK`].
pub(crate) const LINKEDIN: &str = "linkedin";
/// See [`FACEBOOK`].
pub(crate) const WIKI: &str = "wiki";
/// See [`FACEBOOK`].
pub(crate) const CRM: &str = "crm";

/// What was done to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    Created,
    Edited,
    Deleted,
}

/// One thing somebody did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Done {
    pub(crate) channel: &'static str,
    /// The platform's id; `None` where it has none, and the count is all there is.
    pub(crate) native_id: Option<String>,
    pub(crate) deed: Deed,
}

/// A thread that somebody opened.
pub(crate) struct Thread {
    pub(crate) channel: &'static str,
    /// By what the platform knows it: the comment's or post's id; on the wiki the heading.
    pub(crate) key: String,
    /// What the connector names the conversation by.
    pub(crate) conversation: String,
    /// Who opened it.
    pub(crate) actor: usize,
    pub(crate) topic: Topic,
    pub(crate) language: Language,
    pub(crate) text: String,
    /// Whether what is said below it stays in its thread.
    pub(crate) can_be_followed: bool,
    /// Whether its words can be changed so that the platform says what they were before.
    pub(crate) can_be_edited: bool,
    /// Whether it speaks to the company. On X nobody else may be answered by a machine.
    pub(crate) summons: bool,
    /// On the platform's clock.
    pub(crate) opened_at: Timestamp,
    pub(crate) follow_ups: u32,
    pub(crate) edited: bool,
    pub(crate) removed: bool,
    /// In which scene.
    pub(crate) scene: usize,
}

/// What must have come of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The one reply, or none at all.
    pub(crate) reply: Option<Answer>,
    /// Whether the CRM holds one activity for it.
    pub(crate) activity: bool,
    /// Whose it is at the end.
    pub(crate) owner: Option<&'static str>,
    /// Whether it is resolved at the end; `None`: it depends on who was faster.
    pub(crate) resolved: Option<bool>,
}

impl Thread {
    /// What must have come of it. For a removed one every count is "at most".
    pub(crate) fn expected(&self, actors: &[Actor]) -> Expected {
        let customer = actors[self.actor].is_recognisable();
        let reply = match self.topic {
            _ if !self.summons => None,
            Topic::Outage | Topic::Anger if customer => Some(Answer::OutageCustomer),
            Topic::Outage | Topic::Anger => Some(Answer::OutageOthers),
            Topic::Offer | Topic::Bill if customer => Some(Answer::QuestionCustomer),
            Topic::Offer | Topic::Bill => Some(Answer::QuestionOthers),
            Topic::Thanks => Some(Answer::Thanks),
            Topic::Direct | Topic::Mention => None,
        };
        Expected {
            reply,
            activity: matches!(reply, Some(Answer::OutageCustomer | Answer::QuestionCustomer)),
            owner: match (self.topic, customer) {
                (Topic::Anger, _) => Some("reputation"),
                (Topic::Offer | Topic::Bill, true) => Some("second-line"),
                (Topic::Offer | Topic::Bill, false) => Some("sales"),
                (Topic::Direct, _) => Some("front-desk"),
                (Topic::Mention, _) => Some("social-team"),
                (Topic::Outage | Topic::Thanks, _) => None,
            },
            resolved: match self.topic {
                _ if self.removed || self.follow_ups > 0 => None,
                Topic::Outage | Topic::Thanks => Some(self.summons),
                _ => Some(false),
            },
        }
    }
}

/// Everything that was done.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) done: Vec<Done>,
    pub(crate) threads: Vec<Thread>,
    /// Who has shown themselves where.
    pub(crate) speakers: BTreeSet<(&'static str, usize)>,
    /// How many of the deeds are the company's own posts.
    pub(crate) own_posts: usize,
    /// What forged deliveries were answered with, by status.
    pub(crate) forgeries: Vec<u16>,
    /// Calls that were answered with a limit.
    pub(crate) limits: Vec<(&'static str, FaultHandle)>,
    /// Calls whose answer was lost.
    pub(crate) lost: Vec<(&'static str, FaultHandle)>,
    /// Who asked to be forgotten.
    pub(crate) forgotten: Option<usize>,
}

impl Ledger {
    pub(crate) fn note(&mut self, channel: &'static str, native_id: impl Into<Option<String>>, deed: Deed) {
        self.done.push(Done { channel, native_id: native_id.into(), deed });
    }

    /// Somebody was seen on a channel.
    pub(crate) fn spoke(&mut self, channel: &'static str, actor: usize) {
        self.speakers.insert((channel, actor));
    }
}
