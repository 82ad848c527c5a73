//! What [`crate::Find`] gives, and how to come to it where the platform takes no key of ours: by what the account's own things say.
//!
//! Go through a list of the platform's, tell [`Candidates`] what has the effect's words, and it says whether the effect is there.

pub use crate::bindings::find::exports::sportello::connector::find::Presence;

use crate::{Effect, Receipt, time};

/// How far the platform's clock may be behind ours, in milliseconds.
const CLOCK_SKEW_MS: i64 = 120_000;

/// What was made before this moment is not the effect: when it was queued, less two minutes, because the platform's clock may be behind ours. In
/// milliseconds since 1970.
#[must_use]
pub fn since_ms(effect: &Effect) -> i64 {
    time::milliseconds(&effect.queued_at).map_or(i64::MIN, |queued_ms| queued_ms.saturating_sub(CLOCK_SKEW_MS))
}

/// Whether two texts have the same words. Platforms trim and break texts anew, so white space does not count.
#[must_use]
pub fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

/// What has the effect's words.
#[derive(Debug)]
pub struct Candidates {
    since_ms: i64,
    own: Vec<Receipt>,
    others: usize,
    is_unclear: bool,
}

impl Candidates {
    /// None so far.
    #[must_use]
    pub fn new(effect: &Effect) -> Self {
        Self { since_ms: since_ms(effect), own: Vec::new(), others: 0, is_unclear: false }
    }

    /// Whether something made then can be the effect; a platform that does not say when leaves it possible.
    #[must_use]
    pub fn is_since(&self, at_ms: Option<i64>) -> bool {
        at_ms.is_none_or(|at_ms| at_ms >= self.since_ms)
    }

    /// One of the account's own, where the effect would stand. No receipt: it hides which one it is. A list that grows at its beginning shows the same
    /// again on its next page, which counts once.
    pub fn own(&mut self, at_ms: Option<i64>, receipt: Option<Receipt>) {
        match receipt {
            _ if !self.is_since(at_ms) => self.other(),
            None => self.unclear(),
            Some(receipt) if self.own.iter().any(|known| known.native_id == receipt.native_id) => {}
            Some(receipt) => self.own.push(match at_ms {
                Some(at_ms) => receipt.at(time::from_milliseconds(at_ms)),
                None => receipt,
            }),
        }
    }

    /// One of the account's own that is another's: it is older, or stands elsewhere.
    pub fn other(&mut self) {
        self.others += 1;
    }

    /// Something was not shown, or hides whose it is.
    pub fn unclear(&mut self) {
        self.is_unclear = true;
    }

    /// Whether the words are another's and not the effect's: then a platform that refuses duplicates has refused every attempt of it.
    #[must_use]
    pub fn are_others(&self) -> bool {
        self.own.is_empty() && self.others > 0 && !self.is_unclear
    }

    /// Whether the effect is there. Of two with the same words nobody can tell which effect is which.
    #[must_use]
    pub fn presence(mut self) -> Presence {
        match (self.own.pop(), self.is_unclear) {
            (Some(receipt), _) if self.own.is_empty() => Presence::Present(receipt),
            (None, false) => Presence::Absent,
            _ => Presence::CannotTell,
        }
    }
}
