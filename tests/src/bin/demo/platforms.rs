//! What the platforms hold at the end, read from them alone: updates, replies, revisions, notes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sportello_tests::servers::Note;
use sportello_tests::stand_ins::facebook::{Counts, Reply};

use crate::Problem;
use crate::cast::Actor;
use crate::ledger::{Deed, Done, FACEBOOK, Ledger, Thread, WIKI};
use crate::player::talk_page;
use crate::scenario::Language;
use crate::stage::{Stage, WIKI_BOT, elapsed};

/// What the platforms hold.
pub(crate) struct Platforms {
    pub(crate) facebook_counts: Counts,
    facebook_replies: Vec<Reply>,
    /// What a person on Facebook would see twice.
    pub(crate) doubled_replies: Vec<String>,
    /// All revisions of the talk pages.
    pub(crate) wiki_holds: Vec<Done>,
    /// The bot's: (text of the section's answer by heading), and when.
    wiki_answers: BTreeMap<String, Vec<String>>,
    wiki_revisions: Vec<Revision>,
    /// The activities of each party.
    pub(crate) notes: BTreeMap<u64, Vec<String>>,
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
        let facebook = &stage.facebook;
        let doubled = facebook.doubled_replies();
        let mut platforms = Self {
            facebook_counts: facebook.counts(),
            facebook_replies: facebook.replies(),
            doubled_replies: doubled.iter().map(|reply| format!("{}: {:?}", reply.target, reply.text)).collect(),
            wiki_holds: Vec::new(),
            wiki_answers: BTreeMap::new(),
            wiki_revisions: Vec::new(),
            notes: BTreeMap::new(),
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

    /// Everything Facebook has made an update of: what people did, and the page's replies.
    pub(crate) fn facebook_holds(&self, ledger: &Ledger) -> Vec<Done> {
        let people = ledger.done.iter().filter(|done| done.channel == FACEBOOK).cloned();
        let replies =
            self.facebook_replies.iter().map(|reply| Done { channel: FACEBOOK, native_id: Some(reply.id.clone()), deed: Deed::Created });
        people.chain(replies).collect()
    }

    /// The answers in a thread.
    pub(crate) fn replies(&self, thread: &Thread) -> Vec<String> {
        if thread.channel == WIKI {
            return self.wiki_answers.get(&thread.key).cloned().unwrap_or_default();
        }
        self.facebook_replies.iter().filter(|reply| reply.target == thread.key).map(|reply| reply.text.clone()).collect()
    }

    /// Answers on a channel, wherever they stand.
    pub(crate) fn reply_count(&self, channel: &str) -> usize {
        if channel == WIKI { self.wiki_revisions.iter().filter(|revision| revision.own).count() } else { self.facebook_replies.len() }
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
        if thread.channel == FACEBOOK {
            let reply = self.facebook_replies.iter().find(|reply| reply.target == thread.key)?;
            return Some(elapsed(thread.opened_at, reply.at));
        }
        let in_section = |revision: &&Revision| revision.heading.as_deref() == Some(thread.key.as_str());
        let opened = self.wiki_revisions.iter().filter(in_section).find(|revision| !revision.own)?;
        let answered = self.wiki_revisions.iter().filter(in_section).find(|revision| revision.own && revision.id > opened.id)?;
        Some(elapsed(opened.at?, answered.at?))
    }

    /// What the connector calls a thread's conversation.
    pub(crate) fn conversation_key(&self, thread: &Thread) -> String {
        if thread.channel == WIKI { format!("{}#{}", talk_page(thread.language), thread.key) } else { thread.key.clone() }
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
