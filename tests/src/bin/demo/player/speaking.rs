//! People say something, on a network or on the wiki.

use jiff::Timestamp;
use sportello_tests::networks::Member;

use super::{Player, talk_page};
use crate::Problem;
use crate::ledger::{Deed, LINKEDIN, TWITTER, Thread, WIKI};
use crate::scenario::{Place, Says, Topic};

/// What was written on a network.
struct Written {
    /// By what the network knows it.
    key: String,
    /// What the connector names the conversation by.
    conversation: String,
    can_be_followed: bool,
    can_be_edited: bool,
}

impl Player<'_> {
    /// One thing is said.
    pub(super) async fn say(&mut self, scene: usize, says: Says) -> Result<(), Problem> {
        let channel = says.place.channel();
        let position = self.turns.next(self.actors, says.language, channel, says.topic)?;
        let actors = self.actors;
        let line = self.pick(&self.scenario.lines[&says.topic][&says.language].clone());
        let text = self.fill(&line, says.language, &actors[position].name);
        if channel == WIKI {
            return self.write_on_wiki(scene, says, position, text).await;
        }
        let opened_at = self.network(channel)?.now();
        let member = actors[position].member(channel)?;
        let Written { key, conversation, can_be_followed, can_be_edited } = match says.topic {
            Topic::Direct => self.write_in_private(channel, member, &text),
            Topic::Mention => {
                let key = member.mention(&text);
                self.ledger.note(channel, key.clone(), Deed::Created);
                Written { conversation: key.clone(), key, can_be_followed: false, can_be_edited: false }
            }
            _ => self.write(says.place, position, member, &text)?,
        };
        // On Facebook a mention may come without its author, and here does.
        if says.topic != Topic::Mention || channel == LINKEDIN {
            self.ledger.spoke(channel, position);
        }
        if self.ledger.threads.iter().any(|thread| thread.channel == channel && thread.conversation == conversation) {
            return Ok(());
        }
        self.ledger.threads.push(Thread {
            channel,
            key,
            conversation,
            actor: position,
            topic: says.topic,
            language: says.language,
            text,
            can_be_followed,
            can_be_edited,
            summons: says.place != Place::XAside,
            opened_at,
            follow_ups: 0,
            edited: false,
            removed: false,
            scene,
        });
        Ok(())
    }

    /// In public, where it opens a thread.
    fn write(&mut self, place: Place, position: usize, member: &Member, text: &str) -> Result<Written, Problem> {
        let channel = place.channel();
        let latest = self.posts.get(channel).and_then(|posts| posts.last()).cloned().ok_or("nothing was posted yet")?;
        let (key, thread) = match (place, member) {
            (Place::Post, Member::Facebook(facebook, person)) => (facebook.post(person, text), None),
            (Place::X, _) => (member.mention(text), None),
            (Place::XAside, _) => {
                let above = self.somebody_elses_thread(position)?;
                (member.answer(&above, text), Some(above))
            }
            _ => (member.answer(&latest, text), Some(latest)),
        };
        self.ledger.note(channel, key.clone(), Deed::Created);
        // On X a conversation is what one person says in one thread.
        let conversation = if channel == TWITTER { format!("{}/{}", thread.as_ref().unwrap_or(&key), member.id()) } else { key.clone() };
        Ok(Written {
            key,
            conversation,
            can_be_followed: !matches!(place, Place::Post | Place::XAside),
            // On X nobody can change what answers somebody else.
            can_be_edited: matches!(place, Place::Comment | Place::X | Place::LinkedIn),
        })
    }

    /// A post on X that names us, for somebody else to answer.
    fn somebody_elses_thread(&mut self, position: usize) -> Result<String, Problem> {
        let fits = |thread: &&Thread| {
            thread.channel == TWITTER && thread.actor != position && thread.can_be_edited && thread.summons && !thread.removed
        };
        let keys: Vec<&String> = self.ledger.threads.iter().filter(fits).map(|thread| &thread.key).collect();
        let key = keys.get(self.random.usize(0..keys.len().max(1))).ok_or("nobody has named us on X yet")?;
        Ok((*key).clone())
    }

    fn write_in_private(&mut self, channel: &'static str, member: &Member, text: &str) -> Written {
        let id = match member {
            Member::Facebook(facebook, person) => Some(facebook.direct_message(person, text)),
            Member::Twitter(twitter, person) => Some(twitter.direct_message(person, &twitter.company(), text)),
            Member::LinkedIn(..) => None,
        };
        if let Some(id) = id {
            self.ledger.note(channel, id, Deed::Created);
        }
        // A connector names a private conversation by the other person.
        let conversation = format!("dm:{}", member.id());
        Written { key: conversation.clone(), conversation, can_be_followed: false, can_be_edited: false }
    }

    async fn write_on_wiki(&mut self, scene: usize, says: Says, position: usize, text: String) -> Result<(), Problem> {
        let actors = self.actors;
        let actor = &actors[position];
        let page = talk_page(says.language);
        let template = self.scenario.headings.get(&says.topic).and_then(|headings| headings.get(&says.language));
        let mut heading = template.ok_or_else(|| format!("there is no heading for {:?}", says.topic))?.replace("{name}", &actor.name);
        let sections = self.sections.entry(page).or_default();
        let before = sections.iter().filter(|section| section.starts_with(&heading)).count();
        if before > 0 {
            heading = format!("{heading} ({})", before + 1);
        }
        sections.push(heading.clone());
        let Some(user) = &actor.wiki else { return Err(format!("{} is not on the wiki", actor.name).into()) };
        let edit = user.edit_talk(page, &heading, &text).await?;
        let revision = edit.revision.ok_or("a new section changed nothing")?;
        self.ledger.note(WIKI, format!("rev:{revision}"), Deed::Created);
        self.ledger.spoke(WIKI, position);
        self.ledger.threads.push(Thread {
            channel: WIKI,
            conversation: format!("{page}#{heading}"),
            key: heading,
            actor: position,
            topic: says.topic,
            language: says.language,
            text,
            can_be_followed: false,
            can_be_edited: false,
            summons: true,
            opened_at: Timestamp::now(),
            follow_ups: 0,
            edited: false,
            removed: false,
            scene,
        });
        Ok(())
    }
}
