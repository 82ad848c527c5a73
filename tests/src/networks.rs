//! The networks' stand-ins, seen alike: who plays people on any of them says what is done, and not how each network calls it.
//!
//! What is special to one network is still done with its own stand-in; see [`Network`] for which it is.

mod member;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use self::member::Member;
pub use crate::stand_ins::Reply;

use crate::error::Result;
use crate::http_client::Answer;
use crate::stand_ins::facebook::{self, Facebook, RateLimit};
use crate::stand_ins::linkedin::{self, LinkedIn};
use crate::stand_ins::twitter::{self, Endpoint, Twitter};
use crate::stand_ins::{Counts, DeliveryPlan, DeliveryReport, Faults};

/// How often a platform's clock is moved to the time it is.
const TICK: Duration = Duration::from_millis(20);

/// A network with the company's account on it.
#[derive(Debug, Clone)]
pub enum Network {
    /// A page.
    Facebook(Arc<Facebook>),
    /// An account.
    Twitter(Arc<Twitter>),
    /// An organisation's page.
    LinkedIn(Arc<LinkedIn>),
}

impl Network {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Facebook(_) => "Facebook",
            Self::Twitter(_) => "X",
            Self::LinkedIn(_) => "LinkedIn",
        }
    }

    /// Where its API is.
    pub fn api_url(&self) -> String {
        match self {
            Self::Facebook(facebook) => facebook.graph_url(),
            Self::Twitter(twitter) => twitter.api_url(),
            Self::LinkedIn(linkedin) => linkedin.api_url(),
        }
    }

    /// What can be made to go wrong with calls of its API.
    pub fn faults(&self) -> &Faults {
        match self {
            Self::Facebook(facebook) => facebook.faults(),
            Self::Twitter(twitter) => twitter.faults(),
            Self::LinkedIn(linkedin) => linkedin.faults(),
        }
    }

    /// What a call that publishes an answer contains, for faults.
    pub fn publishing(&self) -> [&'static str; 2] {
        match self {
            Self::Facebook(_) | Self::LinkedIn(_) => ["POST ", "/comments"],
            Self::Twitter(_) => ["POST ", "/2/tweets"],
        }
    }

    // --- what is done on it -----------------------------------------------------------------------------------------------------------

    /// A new person.
    pub fn member(&self, name: &str) -> Member {
        match self {
            Self::Facebook(facebook) => Member::Facebook(Arc::clone(facebook), facebook.person(name)),
            Self::Twitter(twitter) => Member::Twitter(Arc::clone(twitter), twitter.person(name)),
            Self::LinkedIn(linkedin) => Member::LinkedIn(Arc::clone(linkedin), linkedin.person(name)),
        }
    }

    /// The company posts; gives the post's id.
    pub fn post(&self, text: &str) -> String {
        match self {
            Self::Facebook(facebook) => facebook.post(&facebook.page(), text),
            Self::Twitter(twitter) => twitter.post(&twitter.company(), text),
            Self::LinkedIn(linkedin) => linkedin.post(text),
        }
    }

    /// Whether the webhook is told of what the company itself posts.
    pub fn tells_own_posts(&self) -> bool {
        !matches!(self, Self::LinkedIn(_))
    }

    /// The author changes their words; gives the id the new words have.
    ///
    /// # Panics
    /// When there is no such thing, or the network lets nobody change it.
    pub fn edit(&self, thing: &str, text: &str) -> String {
        match self {
            Self::Facebook(facebook) => facebook.edit(thing, text),
            Self::Twitter(twitter) => return twitter.edit(thing, text),
            Self::LinkedIn(linkedin) => linkedin.edit(thing, text),
        }
        thing.to_owned()
    }

    /// The author takes it back.
    ///
    /// # Panics
    /// When there is no such thing.
    pub fn remove(&self, thing: &str) {
        match self {
            Self::Facebook(facebook) => facebook.remove(thing),
            Self::Twitter(twitter) => twitter.remove(thing),
            Self::LinkedIn(linkedin) => linkedin.remove(thing),
        }
    }

    /// Something happens that nobody knows yet.
    pub fn unknown_event(&self) {
        match self {
            Self::Facebook(facebook) => facebook.unknown_field(),
            Self::Twitter(twitter) => twitter.unknown_event(),
            Self::LinkedIn(linkedin) => linkedin.unknown_action(),
        }
    }

    // --- its webhook ------------------------------------------------------------------------------------------------------------------

    /// Registers a webhook, which has to prove itself.
    ///
    /// # Errors
    /// When it does not.
    pub async fn connect(&self, url: &str) -> Result<()> {
        match self {
            Self::Facebook(facebook) => facebook.subscribe(url).await,
            Self::Twitter(twitter) => twitter.register_webhook(url).await,
            Self::LinkedIn(linkedin) => linkedin.register_webhook(url).await,
        }
    }

    /// Sends what waits, and repeats what is due.
    ///
    /// # Errors
    /// When no webhook is registered, or it does not prove itself.
    pub async fn deliver(&self, plan: &DeliveryPlan) -> Result<DeliveryReport> {
        match self {
            Self::Facebook(facebook) => facebook.deliver(plan).await,
            Self::Twitter(twitter) => twitter.deliver(plan).await,
            Self::LinkedIn(linkedin) => linkedin.deliver(plan).await,
        }
    }

    /// Sends something that is not from the network: the `number`-th of the ways to forge it.
    ///
    /// # Errors
    /// When no webhook is registered, or no answer comes.
    pub async fn forge(&self, number: usize) -> Result<Answer> {
        match self {
            Self::Facebook(facebook) => facebook.forge(facebook::Forgery::ALL[number % facebook::Forgery::ALL.len()]).await,
            Self::Twitter(twitter) => twitter.forge(twitter::Forgery::ALL[number % twitter::Forgery::ALL.len()]).await,
            Self::LinkedIn(linkedin) => linkedin.forge(linkedin::Forgery::ALL[number % linkedin::Forgery::ALL.len()]).await,
        }
    }

    /// The longest pause before what was not acknowledged is sent again.
    pub fn repeats_after(&self) -> Duration {
        match self {
            Self::Facebook(_) => facebook::PAUSE_MAX,
            Self::Twitter(_) => twitter::PAUSE_MAX,
            Self::LinkedIn(_) => Duration::from_secs(5 * 60),
        }
    }

    // --- its own state ----------------------------------------------------------------------------------------------------------------

    /// Its clock.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Facebook(facebook) => facebook.now(),
            Self::Twitter(twitter) => twitter.now(),
            Self::LinkedIn(linkedin) => linkedin.now(),
        }
    }

    /// Moves its clock.
    pub fn advance(&self, time: Duration) {
        match self {
            Self::Facebook(facebook) => facebook.advance(time),
            Self::Twitter(twitter) => twitter.advance(time),
            Self::LinkedIn(linkedin) => linkedin.advance(time),
        }
    }

    /// Its clock runs as fast as ours, until this is dropped.
    pub async fn keep_time(self) {
        let (started, began) = (Instant::now(), self.now());
        loop {
            tokio::time::sleep(TICK).await;
            if let Some(behind) = started.elapsed().checked_sub(elapsed(began, self.now())) {
                self.advance(behind);
            }
        }
    }

    /// Takes no calls that publish for this long on its clock.
    pub fn limit_rate(&self, time: Duration) {
        match self {
            Self::Facebook(facebook) => facebook.limit_rate(RateLimit::BusinessUseCase, time),
            Self::Twitter(twitter) => twitter.limit_rate(Endpoint::Posts, time),
            Self::LinkedIn(linkedin) => linkedin.limit_rate(time),
        }
    }

    /// Ends the access token.
    pub fn expire_token(&self) {
        match self {
            Self::Facebook(facebook) => facebook.expire_token(),
            Self::Twitter(twitter) => twitter.expire_token(),
            Self::LinkedIn(linkedin) => linkedin.expire_token(),
        }
    }

    // --- its books --------------------------------------------------------------------------------------------------------------------

    /// What became of its updates.
    pub fn counts(&self) -> Counts {
        match self {
            Self::Facebook(facebook) => facebook.counts(),
            Self::Twitter(twitter) => twitter.counts(),
            Self::LinkedIn(linkedin) => linkedin.counts(),
        }
    }

    /// Every answer of the company taken through its API, in order, doubled ones included.
    pub fn replies(&self) -> Vec<Reply> {
        match self {
            Self::Facebook(facebook) => facebook.replies(),
            Self::Twitter(twitter) => twitter.replies(),
            Self::LinkedIn(linkedin) => linkedin.replies(),
        }
    }

    /// Answers that stood there already: what a customer would notice.
    pub fn doubled_replies(&self) -> Vec<Reply> {
        match self {
            Self::Facebook(facebook) => facebook.doubled_replies(),
            Self::Twitter(twitter) => twitter.doubled_replies(),
            Self::LinkedIn(linkedin) => linkedin.doubled_replies(),
        }
    }

    /// The words as people see them; `None`: they are gone.
    pub fn text_of(&self, thing: &str) -> Option<String> {
        match self {
            Self::Facebook(facebook) => facebook.message_of(thing),
            Self::Twitter(twitter) => twitter.text_of(thing),
            Self::LinkedIn(linkedin) => linkedin.text_of(thing),
        }
    }

    /// Calls that were made though a limit was reached.
    pub fn calls_over_limit(&self) -> u64 {
        match self {
            Self::Facebook(facebook) => facebook.calls_over_limit(),
            Self::Twitter(twitter) => twitter.calls_over_limit(),
            Self::LinkedIn(linkedin) => linkedin.calls_over_limit(),
        }
    }

    /// How often an access token was given for a refresh token; `None`: it knows no such thing.
    pub fn token_refreshes(&self) -> Option<u64> {
        match self {
            Self::Facebook(_) => None,
            Self::Twitter(twitter) => Some(twitter.token_refreshes()),
            Self::LinkedIn(linkedin) => Some(linkedin.token_refreshes()),
        }
    }
}

/// From one moment of a platform to a later one; nothing if it is not later.
pub fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
