//! What the network counts at the end.

use serde_json::{Map, Value, json};
use sportello_tests::networks::{Network, Reply};
use sportello_tests::stand_ins::Counts;

use crate::play::Played;

/// How many doubled answers are shown.
const SHOWN_MAX: usize = 5;

/// The books.
pub(crate) struct Books {
    name: &'static str,
    acts: Vec<(&'static str, u64)>,
    counts: Counts,
    /// Given up by the network, or never taken though it was tried to the end.
    lost: u64,
    replies: usize,
    doubled: Vec<Reply>,
    calls_over_limit: u64,
    token_refreshes: Option<u64>,
    challenges_missed: u64,
    troubled: usize,
}

impl Books {
    pub(crate) fn of(network: &Network, played: &Played) -> Self {
        let counts = network.counts();
        let never_taken = if played.is_interrupted { 0 } else { counts.updates_pending };
        let missed = if let Network::LinkedIn(linkedin) = network { linkedin.challenges_missed() } else { 0 };
        Self {
            name: network.name(),
            acts: played.acts.iter().map(|(act, times)| (act.word(), *times)).collect(),
            lost: counts.updates_given_up + never_taken,
            counts,
            replies: network.replies().len(),
            doubled: network.doubled_replies(),
            calls_over_limit: network.calls_over_limit(),
            token_refreshes: network.token_refreshes(),
            challenges_missed: missed + played.challenges_missed,
            troubled: played.troubled,
        }
    }

    /// Whether nothing is lost and nothing doubled.
    pub(crate) fn is_right(&self) -> bool {
        self.lost == 0 && self.doubled.is_empty()
    }

    pub(crate) fn show(&self, as_json: bool) {
        if as_json {
            println!("{}", json!({"network": self.name, "right": self.is_right(), "books": self.json()}));
        } else {
            print!("{}", self.text());
        }
    }

    fn json(&self) -> Value {
        let acts: Map<String, Value> = self.acts.iter().map(|(word, times)| ((*word).to_owned(), json!(times))).collect();
        let refused: Map<String, Value> =
            self.counts.posts.refused.iter().map(|(status, times)| (status.to_string(), json!(times))).collect();
        json!({
            "acts": acts,
            "updates": {
                "made": self.counts.updates_made, "acknowledged": self.counts.updates_acknowledged,
                "given_up": self.counts.updates_given_up, "pending": self.counts.updates_pending, "lost": self.lost,
            },
            "deliveries": {
                "posted": self.counts.posts.posted, "acknowledged": self.counts.posts.acknowledged, "refused": refused,
                "unanswered": self.counts.posts.unanswered,
            },
            "replies": self.replies, "doubled": self.doubled.len(), "calls_over_limit": self.calls_over_limit,
            "token_refreshes": self.token_refreshes, "challenges_missed": self.challenges_missed, "calls_in_trouble": self.troubled,
        })
    }

    fn text(&self) -> String {
        let acts: Vec<String> = self.acts.iter().map(|(word, times)| format!("{times} {word}")).collect();
        let acts = if acts.is_empty() { "nothing".to_owned() } else { acts.join(", ") };
        let refused: Vec<String> = self.counts.posts.refused.iter().map(|(status, times)| format!("{times} × {status}")).collect();
        let refused = if refused.is_empty() { "none".to_owned() } else { refused.join(", ") };
        let number = |count: Option<u64>| count.map_or("not counted".to_owned(), |count| count.to_string());
        let (counts, posts) = (&self.counts, &self.counts.posts);
        let mut text = format!(
            "\n{}'s books\n  people             {acts}\n  updates            {} made, {} acknowledged, {} given up, {} pending\n  \
             deliveries         {} posted, {} acknowledged, refused: {refused}, {} unanswered\n  answers            {} taken, {} doubled\n  \
             calls              {} over a limit, {} in trouble\n  tokens             fetched anew: {}\n  challenges missed  {}\n",
            self.name,
            counts.updates_made,
            counts.updates_acknowledged,
            counts.updates_given_up,
            counts.updates_pending,
            posts.posted,
            posts.acknowledged,
            posts.unanswered,
            self.replies,
            self.doubled.len(),
            self.calls_over_limit,
            self.troubled,
            number(self.token_refreshes),
            self.challenges_missed,
        );
        for reply in self.doubled.iter().take(SHOWN_MAX) {
            text.push_str(&format!("  DOUBLED            {} to {}: {:?}\n", reply.id, reply.target, reply.text));
        }
        text.push_str(if self.is_right() { "nothing lost, nothing doubled\n" } else { "" });
        if self.lost > 0 {
            text.push_str(&format!("LOST: {} updates were never acknowledged\n", self.lost));
        }
        text
    }
}
