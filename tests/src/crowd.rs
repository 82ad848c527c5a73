//! People without a plan: they ask, answer, change their minds, take things back and like what stands there, as chance has it.
//!
//! The same seed is the same crowd, as long as the network answers alike.

use crate::networks::{Member, Network};

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Something new that an answer is expected to.
    Asked,
    /// A further word below it.
    Answered,
    /// Other words.
    Edited,
    /// It was taken back.
    Removed,
    /// Somebody likes it.
    Liked,
}

impl Act {
    /// What it is called in books.
    pub fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Edited => "edited",
            Self::Removed => "removed",
            Self::Liked => "liked",
        }
    }
}

/// How often words are changed at most: no network lets anybody do so without end.
const EDITS_MAX: usize = 3;
/// Things that are still talked about.
const RECENT: usize = 30;
const FIRST_NAMES: [&str; 10] = ["Ada", "Bruno", "Chloë", "Dario", "Elif", "Frank", "Grazia", "Hyun", "Ines", "Jorge"];
const LAST_NAMES: [&str; 9] = ["Rossi", "O'Neill", "Müller", "Lopes", "Kaya", "Però", "Nowak", "Smith", "De Luca"];
const QUESTIONS: [&str; 6] = [
    "La rete è giù da stamattina, perché?",
    "How much is the family plan these days?",
    "Ho ricevuto due fatture per ottobre. Me lo spiegate?",
    "No signal since breakfast 😡",
    "Quando riaprite il negozio di via Roma?",
    "Do you ship to islands, and to very small ones?",
];
const ANSWERS: [&str; 4] = ["Novità?", "Still nothing here.", "Grazie, aspetto.", "And now?"];
const CHANGES: [&str; 3] = [" (Edit: it works again.)", " (Aggiungo: anche i vicini.)", " 🙏🏽"];

/// Something somebody said.
#[derive(Debug, Clone)]
struct Thing {
    id: String,
    author: usize,
    text: String,
    edits: usize,
    /// Whether it opened a thread.
    is_first: bool,
}

/// People on one network, below a post of the company's.
#[derive(Debug)]
pub struct Crowd {
    network: Network,
    members: Vec<Member>,
    post: String,
    things: Vec<Thing>,
    likes: Vec<(usize, String)>,
    random: fastrand::Rng,
    asked: usize,
}

impl Crowd {
    /// So many people, at least one; the company posts something for them to comment on.
    pub fn gather(network: &Network, people: usize, seed: u64) -> Self {
        let name = |number: usize| {
            format!("{} {}", FIRST_NAMES[number % FIRST_NAMES.len()], LAST_NAMES[(number / FIRST_NAMES.len() + number) % LAST_NAMES.len()])
        };
        Self {
            network: network.clone(),
            members: (0..people.max(1)).map(|number| network.member(&name(number))).collect(),
            post: network.post("Manutenzione sabato notte / Maintenance on Saturday night"),
            things: Vec::new(),
            likes: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            asked: 0,
        }
    }

    /// Somebody does something.
    pub fn act(&mut self) -> Act {
        let recent = self.things.len().saturating_sub(RECENT);
        let chosen = (!self.things.is_empty()).then(|| self.random.usize(recent..self.things.len()));
        match (self.random.u8(0..20), chosen) {
            (9..=12, Some(thing)) => self.answer(thing),
            (13..=14, Some(thing)) => self.edit(thing).unwrap_or_else(|| self.ask()),
            (15, Some(thing)) => self.remove(thing),
            (16..=19, _) => self.like().unwrap_or_else(|| self.ask()),
            _ => self.ask(),
        }
    }

    fn ask(&mut self) -> Act {
        self.asked += 1;
        let author = self.random.usize(0..self.members.len());
        // The number makes the words unmistakable.
        let text = format!("{} [{}]", QUESTIONS[self.random.usize(0..QUESTIONS.len())], self.asked);
        let id = self.members[author].ask(&self.post, &text);
        self.things.push(Thing { id, author, text, edits: 0, is_first: true });
        Act::Asked
    }

    fn answer(&mut self, thing: usize) -> Act {
        let Thing { id, author, .. } = self.things[thing].clone();
        // Mostly the author goes on; now and then somebody else joins in.
        let author = if self.random.u8(0..4) == 0 { self.random.usize(0..self.members.len()) } else { author };
        let text = ANSWERS[self.random.usize(0..ANSWERS.len())];
        let id = self.members[author].answer(&id, text);
        self.things.push(Thing { id, author, text: text.to_owned(), edits: 0, is_first: false });
        Act::Answered
    }

    /// Nobody on X can change what answers somebody else, so only what opened a thread is changed.
    fn edit(&mut self, thing: usize) -> Option<Act> {
        if !self.things[thing].is_first || self.things[thing].edits >= EDITS_MAX {
            return None;
        }
        let change = CHANGES[self.random.usize(0..CHANGES.len())];
        let text = format!("{}{change}", self.things[thing].text);
        let worded = self.network.text_of(&self.things[thing].id).map(|shown| format!("{shown}{change}"));
        let id = self.network.edit(&self.things[thing].id, &worded.unwrap_or_else(|| text.clone()));
        let thing = &mut self.things[thing];
        (thing.id, thing.text) = (id, text);
        thing.edits += 1;
        Some(Act::Edited)
    }

    fn remove(&mut self, thing: usize) -> Act {
        let thing = self.things.swap_remove(thing);
        self.network.remove(&thing.id);
        // With it went what stood below it, where the network takes that away too.
        self.things.retain(|other| self.network.text_of(&other.id).is_some());
        Act::Removed
    }

    /// Everybody likes the company's answers and its post, each once: that is what every network tells of.
    fn like(&mut self) -> Option<Act> {
        let replies = self.network.replies();
        let liked = replies.last().map_or(&self.post, |reply| &reply.id).clone();
        let who = self.random.usize(0..self.members.len());
        if self.network.text_of(&liked).is_none() || self.likes.contains(&(who, liked.clone())) {
            return None;
        }
        self.members[who].like(&liked);
        self.likes.push((who, liked));
        Some(Act::Liked)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::{Act, Crowd};
    use crate::networks::Network;
    use crate::stand_ins::facebook::Facebook;
    use crate::stand_ins::linkedin::LinkedIn;
    use crate::stand_ins::twitter::Twitter;

    #[tokio::test]
    async fn a_crowd_does_everything_that_people_do_on_every_network() {
        let networks = [
            Network::Facebook(Arc::new(Facebook::start().await.unwrap())),
            Network::Twitter(Arc::new(Twitter::start().await.unwrap())),
            Network::LinkedIn(Arc::new(LinkedIn::start().await.unwrap())),
        ];
        for network in networks {
            let mut crowd = Crowd::gather(&network, 12, 7);
            let mut done: BTreeMap<Act, usize> = BTreeMap::new();
            for _ in 0..400 {
                *done.entry(crowd.act()).or_default() += 1;
            }
            assert_eq!(done.len(), 5, "{}: {done:?}", network.name());
            assert!(network.counts().updates_made >= 300, "{}: {:?}", network.name(), network.counts());
        }
    }
}
