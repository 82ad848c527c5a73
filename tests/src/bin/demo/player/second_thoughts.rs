//! What follows on what was said: changes, removals, second words, likes; and somebody who wants to be forgotten.

use sportello_tests::networks::Member;

use super::Player;
use crate::Problem;
use crate::TENANT;
use crate::cast::Known;
use crate::ledger::{Deed, FACEBOOK, TWITTER, Thread};
use crate::scenario::{Then, Topic};
use crate::screen::Look;

/// Of so many reactions one is a share, where there is such a thing.
const SHARE_EVERY: usize = 4;

impl Player<'_> {
    /// Some of this scene's speakers change or remove what they said.
    pub(super) fn think_again(&mut self, channel: &'static str, scene: usize, edits: usize, removals: usize) -> Result<(), Problem> {
        let network = self.network(channel)?;
        for _ in 0..edits {
            let can_change =
                |thread: &Thread| thread.can_be_edited && !thread.edited && matches!(thread.topic, Topic::Outage | Topic::Anger);
            let Some(position) = self.pick_thread(channel, scene, can_change) else { break };
            let thread = &self.ledger.threads[position];
            let text = format!("{}{}", thread.text, self.scenario.edits[&thread.language]);
            let key = thread.key.clone();
            let text = if channel == TWITTER { format!("@{} {text}", self.stage.twitter.settings().handle) } else { text };
            network.edit(&key, &text);
            self.ledger.threads[position].edited = true;
            self.ledger.note(channel, key, Deed::Edited);
        }
        for _ in 0..removals {
            // On X a deletion tells of each version of what was changed; those are never removed here.
            let Some(position) = self.pick_thread(channel, scene, |thread| channel != TWITTER || !thread.edited) else { break };
            let thread = &mut self.ledger.threads[position];
            network.remove(&thread.key);
            thread.removed = true;
            let key = thread.key.clone();
            self.ledger.note(channel, key, Deed::Deleted);
        }
        Ok(())
    }

    /// What follows in a scene: second thoughts, second words, reactions.
    pub(super) fn go_on(&mut self, channel: &'static str, scene: usize, then: Then) -> Result<(), Problem> {
        let of_scene = || self.ledger.threads.iter().filter(|thread| thread.scene == scene && thread.channel == channel);
        let edits = then.edits.saturating_sub(of_scene().filter(|thread| thread.edited).count());
        let removals = then.removals.saturating_sub(of_scene().filter(|thread| thread.removed).count());
        self.think_again(channel, scene, edits, removals)?;
        for _ in 0..then.follow_ups {
            let earlier = self.random.usize(0..=scene);
            let picked = self.pick_thread(channel, earlier, |_| true).or_else(|| self.pick_thread(channel, scene, |_| true));
            let Some(position) = picked else { break };
            let words = self.pick(&self.scenario.follow_ups[&self.ledger.threads[position].language].clone());
            // On X only who is named is told.
            let words = if channel == TWITTER { format!("@{} {words}", self.stage.twitter.settings().handle) } else { words };
            let actors = self.actors;
            let thread = &mut self.ledger.threads[position];
            let id = actors[thread.actor].member(channel)?.answer(&thread.key, &words);
            thread.follow_ups += 1;
            self.ledger.note(channel, id, Deed::Created);
        }
        for number in 0..then.reactions {
            self.react(channel, scene, number)?;
        }
        if channel == TWITTER && then.reactions > 0 {
            self.somebody_follows()?;
        }
        Ok(())
    }

    /// Somebody likes or shares something.
    fn react(&mut self, channel: &'static str, scene: usize, number: usize) -> Result<(), Problem> {
        let kind = self.pick(&self.scenario.reactions.clone());
        let who = self.somebody_on(channel);
        let actors = self.actors;
        let member = actors[who].member(channel)?;
        // What of ours is liked on X is told to us; elsewhere likes of what stands below our posts are told too.
        let own = self.posts.get(channel).and_then(|posts| posts.last()).cloned().ok_or("nothing was posted yet")?;
        let key = match self.pick_thread(channel, scene, |_| true) {
            Some(position) if channel != TWITTER => self.ledger.threads[position].key.clone(),
            _ if channel == TWITTER => own.clone(),
            _ => return Ok(()),
        };
        let shares = number % SHARE_EVERY == SHARE_EVERY - 1 && channel != FACEBOOK;
        // Somebody has one reaction to a thing: another one would replace it.
        if !self.reacted.insert((who, if shares { format!("share:{own}") } else { key.clone() })) {
            return Ok(());
        }
        let id = match member {
            Member::Facebook(facebook, person) => {
                facebook.react(person, &key, &kind);
                format!("reaction:{key}:{}", person.id)
            }
            Member::Twitter(twitter, person) if shares => twitter.repost(person, &own),
            Member::LinkedIn(linkedin, person) if shares => format!("repost:{}", linkedin.share(person, &own, "")),
            Member::Twitter(twitter, person) => {
                let at_ms = twitter.like(person, &key);
                format!("like:{key}:{}@{at_ms}", person.id)
            }
            Member::LinkedIn(..) => {
                member.like(&key);
                format!("urn:li:like:({},{key})", member.id())
            }
        };
        self.ledger.note(channel, id, Deed::Created);
        self.ledger.spoke(channel, who);
        Ok(())
    }

    /// Somebody on X follows us.
    fn somebody_follows(&mut self) -> Result<(), Problem> {
        let actors = self.actors;
        for _ in 0..actors.len() {
            let who = self.somebody_on(TWITTER);
            if !self.reacted.insert((who, "follow".to_owned())) {
                continue;
            }
            if let Member::Twitter(twitter, person) = actors[who].member(TWITTER)? {
                let which = twitter.follow(person);
                self.ledger.note(TWITTER, format!("follow:{}:{}@{which}", person.id, twitter.user_id()), Deed::Created);
                self.ledger.spoke(TWITTER, who);
                return Ok(());
            }
        }
        Err("everybody on X follows us already".into())
    }

    fn somebody_on(&mut self, channel: &str) -> usize {
        let there: Vec<usize> = (0..self.actors.len()).filter(|position| self.actors[*position].members.contains_key(channel)).collect();
        there[self.random.usize(0..there.len())]
    }

    /// A public thread that stands, of one scene.
    fn pick_thread(&mut self, channel: &str, scene: usize, fits: impl Fn(&Thread) -> bool) -> Option<usize> {
        let there = |thread: &Thread| thread.scene == scene && thread.channel == channel && thread.can_be_followed && !thread.removed;
        let threads = self.ledger.threads.iter().enumerate();
        let standing: Vec<usize> = threads.filter(|(_, thread)| there(thread) && fits(thread)).map(|(position, _)| position).collect();
        (!standing.is_empty()).then(|| standing[self.random.usize(0..standing.len())])
    }

    /// At the end of it all somebody who is in no CRM asks Facebook to be forgotten, and Facebook asks us.
    pub(super) async fn somebody_asks_to_be_forgotten(&mut self) -> Result<(), Problem> {
        let actors = self.actors;
        let has_reacted = |position: usize| self.reacted.iter().any(|(who, _)| *who == position);
        let commented = |thread: &&Thread| thread.channel == FACEBOOK && thread.can_be_followed && !thread.removed;
        let fits = |position: &usize| actors[*position].known == Known::Nothing && !has_reacted(*position);
        let found = self.ledger.threads.iter().filter(commented).map(|thread| thread.actor).find(fits);
        let position = found.ok_or("nobody who commented on Facebook is in no CRM")?;
        let Member::Facebook(facebook, person) = actors[position].member(FACEBOOK)? else { return Err("not on Facebook".into()) };
        facebook.request_data_deletion(&format!("{}/hooks/{TENANT}/{FACEBOOK}", self.host.url), person).await?;
        // Whether they were answered before is a matter of moments: at most once.
        self.ledger.threads.iter_mut().filter(|thread| thread.actor == position).for_each(|thread| thread.removed = true);
        self.ledger.forgotten = Some(position);
        let told = format!("           ! {} asks Facebook to be forgotten, and Facebook asks us", person.name);
        self.screen.say(&self.screen.look(&told, Look::Faint));
        Ok(())
    }
}
