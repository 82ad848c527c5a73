//! What the platforms hold at the end, read from them alone: updates, replies, revisions, notes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sportello_tests::networks::{Network, Reply, elapsed};
use sportello_tests::servers::Note;
use sportello_tests::stand_ins::Counts;

use crate::Problem;
use crate::cast::Actor;
use crate::ledger::{Deed, Done, Ledger, Thread, WIKI};
use crate::player::talk_page;
use crate::scenario::Language;
use crate::stage::{Stage, WIKI_BOT};

/// What the platforms hold.
pub(crate) struct Platforms {
    /// The networks' books, by channel.
    pub(crate) books: Vec<(&'static str, Books)>,
    /// All revisions of the talk pages.
    pub(crate) wiki_holds: Vec<Done>,
    /// The bot's: (text of the section's answer by heading), and when.
    wiki_answers: BTreeMap<String, Vec<String>>,
    wiki_revisions: Vec<Revision>,
    /// The activities of each party.
    pub(crate) notes: BTreeMap<u64, Vec<String>>,
    /// Replies X refused because nobody had summoned us.
    pub(crate) unsummoned_refused: u64,
    /// Whether the refresh token that was handed out first still serves, by network.
    pub(crate) first_tokens_serve: Vec<(&'static str, bool)>,
}

/// What one network counts.
pub(crate) struct Books {
    pub(crate) name: &'static str,
    pub(crate) counts: Counts,
    replies: Vec<Reply>,
    /// What a person would see twice.
    pub(crate) doubled: Vec<String>,
    pub(crate) calls_over_limit: u64,
    pub(crate) token_refreshes: Option<u64>,
}

impl Books {
    fn of(network: &Network) -> Self {
        Self {
            name: network.name(),
            counts: network.counts(),
            replies: network.replies(),
            doubled: network.doubled_replies().iter().map(|reply| format!("{}: {:?}", reply.target, reply.text)).collect(),
            calls_over_limit: network.calls_over_limit(),
            token_refreshes: network.token_refreshes(),
        }
    }
}

struct Revision {
    id: u64,
    own: bool,
    at: Option<Timestamp>,
    heading: Option<String>,
}

impl Platforms {
    /// Asks them.
    pub(crate) async fn ask(stage: &Stage, actors: &[Actor]) -> Result<Self, Problem> {
        let mut platforms = Self {
            books: stage.networks.iter().map(|(channel, network)| (*channel, Books::of(network))).collect(),
            wiki_holds: Vec::new(),
            wiki_answers: BTreeMap::new(),
            wiki_revisions: Vec::new(),
            notes: BTreeMap::new(),
            unsummoned_refused: stage.twitter.unsummoned_refused(),
            first_tokens_serve: vec![
                ("X", stage.twitter.refresh_token() == stage.twitter.settings().refresh_token),
                ("LinkedIn", stage.linkedin.refresh_token() == stage.first_linkedin_token),
            ],
        };
        let reader = stage.wiki.admin();
        for language in [Language::It, Language::En] {
            let page = talk_page(language);
            let Some(text) = reader.page_text(page).await? else { continue };
            platforms.read_sections(&text);
            for row in reader.revisions(page).await? {
                platforms.read_revision(&row);
            }
        }
        platforms.notes = ask_notes(stage, actors).await?;
        Ok(platforms)
    }

    fn read_revision(&mut self, row: &Value) {
        let Some(id) = row["revid"].as_u64() else { return };
        // A summary begins with the section's heading: `/* Heading */`.
        let summary = row["comment"].as_str().unwrap_or_default();
        let heading = summary.strip_prefix("/* ").and_then(|rest| rest.split_once(" */")).map(|(heading, _)| heading.to_owned());
        let at = row["timestamp"].as_str().and_then(|at| at.parse().ok());
        self.wiki_revisions.push(Revision { id, own: row["user"].as_str() == Some(WIKI_BOT), at, heading });
        self.wiki_holds.push(Done { channel: WIKI, native_id: Some(format!("rev:{id}")), deed: Deed::Created });
    }

    /// The bot's paragraphs below each heading: those that are signed by it.
    fn read_sections(&mut self, text: &str) {
        let mut heading = String::new();
        for line in text.lines() {
            if let Some(found) = line.strip_prefix("== ").and_then(|rest| rest.strip_suffix(" ==")) {
                heading = found.to_owned();
            } else if line.contains(&format!("[[User:{WIKI_BOT}|")) {
                self.wiki_answers.entry(heading.clone()).or_default().push(line.trim_start_matches([':', '*', ' ']).to_owned());
            }
        }
    }

    fn replies_on(&self, channel: &str) -> &[Reply] {
        self.books.iter().find(|(name, _)| *name == channel).map_or(&[], |(_, books)| books.replies.as_slice())
    }

    /// Everything that stands on a channel: what people did, and our replies.
    pub(crate) fn holds(&self, ledger: &Ledger, channel: &'static str) -> Vec<Done> {
        if channel == WIKI {
            return self.wiki_holds.clone();
        }
        let people = ledger.done.iter().filter(|done| done.channel == channel).cloned();
        let created = |reply: &Reply| Done { channel, native_id: Some(reply.id.clone()), deed: Deed::Created };
        people.chain(self.replies_on(channel).iter().map(created)).collect()
    }

    /// How much stands on all channels.
    pub(crate) fn hold_count(&self, ledger: &Ledger) -> usize {
        self.books.iter().map(|(channel, _)| *channel).chain([WIKI]).map(|channel| self.holds(ledger, channel).len()).sum()
    }

    /// The answers in a thread.
    pub(crate) fn replies(&self, thread: &Thread) -> Vec<String> {
        if thread.channel == WIKI {
            return self.wiki_answers.get(&thread.key).cloned().unwrap_or_default();
        }
        self.replies_on(thread.channel).iter().filter(|reply| reply.target == thread.key).map(|reply| reply.text.clone()).collect()
    }

    /// Answers on a channel, wherever they stand.
    pub(crate) fn reply_count(&self, channel: &str) -> usize {
        if channel == WIKI { self.wiki_revisions.iter().filter(|revision| revision.own).count() } else { self.replies_on(channel).len() }
    }

    /// Answers on all channels.
    pub(crate) fn all_replies(&self) -> usize {
        self.books.iter().map(|(_, books)| books.replies.len()).sum::<usize>() + self.reply_count(WIKI)
    }

    /// Activities in the CRM.
    pub(crate) fn note_count(&self) -> usize {
        self.notes.values().map(Vec::len).sum()
    }

    /// How long each answered thread waited, by the platform's own clock.
    pub(crate) fn first_answers(&self, ledger: &Ledger, channel: &str) -> Vec<Duration> {
        let threads = ledger.threads.iter().filter(|thread| thread.channel == channel);
        threads.filter_map(|thread| self.first_answer(thread)).collect()
    }

    fn first_answer(&self, thread: &Thread) -> Option<Duration> {
        if thread.channel != WIKI {
            let reply = self.replies_on(thread.channel).iter().find(|reply| reply.target == thread.key)?;
            return Some(elapsed(thread.opened_at, reply.at));
        }
        let in_section = |revision: &&Revision| revision.heading.as_deref() == Some(thread.key.as_str());
        let opened = self.wiki_revisions.iter().filter(in_section).find(|revision| !revision.own)?;
        let answered = self.wiki_revisions.iter().filter(in_section).find(|revision| revision.own && revision.id > opened.id)?;
        Some(elapsed(opened.at?, answered.at?))
    }
}

/// The activities of all parties.
async fn ask_notes(stage: &Stage, actors: &[Actor]) -> Result<BTreeMap<u64, Vec<String>>, Problem> {
    let operator = stage.crm.operator();
    let mut notes = BTreeMap::new();
    for party in actors.iter().filter_map(|actor| actor.party) {
        let of_party: Vec<Note> = operator.notes(party).await?;
        notes.insert(party, of_party.into_iter().map(|note| note.message).collect());
    }
    Ok(notes)
}
