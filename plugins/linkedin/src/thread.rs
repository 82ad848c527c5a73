//! Which comment a comment answers. A notification does not say, and only an answer filed with its question is of use, so the comment is
//! read.
//!
//! A delivery is never lost for it: where the comment can't be read, it begins a conversation of its own, whose key is the same as if it
//! were at top level. Only a limit that is over soon is waited for: the host keeps the delivery meanwhile. After another failure no more is read for this delivery, and where LinkedIn does not answer, for no other of the call, so that
//! all are answered in time. A poll can wait instead, and comes again.

use std::time::Duration;

use sportello_sdk::{Context, Error, RateLimit, diagnostics, time};

use crate::urn::Comment;
use crate::{Settings, api, comments};

/// How long a delivery waits for one comment.
const PATIENCE: Duration = Duration::from_secs(3);

/// A limit is waited for that ends so long after something was said: so long it may be unseen, but not for the rest of a day.
const LIMIT_WAITED_MS_MAX: i64 = 15 * 60 * 1000;

/// Where a comment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Directly below the post.
    Top,
    /// Below this comment.
    Below(Comment),
    /// It could not be told.
    Unknown,
}

/// Reads comments for one delivery or poll, each once.
pub(crate) struct Threads<'a> {
    context: &'a Context<Settings>,
    /// A poll: failures that pass are told instead of being put up with.
    can_wait: bool,
    is_given_up: bool,
    known: Vec<(Comment, Place)>,
}

impl<'a> Threads<'a> {
    pub(crate) fn for_delivery(context: &'a Context<Settings>) -> Self {
        Self { context, can_wait: false, is_given_up: false, known: Vec::new() }
    }

    pub(crate) fn for_poll(context: &'a Context<Settings>) -> Self {
        Self { can_wait: true, ..Self::for_delivery(context) }
    }

    /// Where a comment stands that was written or edited then; None: it is not said when.
    pub(crate) fn place(&mut self, comment: &Comment, at_ms: Option<i64>) -> Result<Place, Error> {
        if let Some((_, place)) = self.known.iter().find(|(known, _)| known == comment) {
            return Ok(place.clone());
        }
        if self.is_given_up || (!self.can_wait && self.context.has_given_up()) {
            return Ok(Place::Unknown);
        }
        let place = match self.read(comment) {
            Ok(place) => place,
            Err(error) if self.can_wait && !matches!(error, Error::Reject(_)) => return Err(error),
            Err(Error::RateLimited(limit)) if self.is_over_soon(&limit, at_ms) => return Err(Error::RateLimited(limit)),
            Err(error) => {
                self.is_given_up = !self.can_wait;
                // A refusal is an answer, and cost no time.
                if !matches!(error, Error::Reject(_)) {
                    self.context.give_up();
                }
                diagnostics::warning!("what a comment answers can't be read, so it begins a conversation of its own: {}", error.reason());
                Place::Unknown
            }
        };
        self.known.push((comment.clone(), place.clone()));
        Ok(place)
    }

    fn is_over_soon(&self, limit: &RateLimit, at_ms: Option<i64>) -> bool {
        let moments = time::milliseconds(&limit.until).zip(at_ms.or_else(|| time::milliseconds(&self.context.now)));
        moments.is_some_and(|(until, at)| until.saturating_sub(at) <= LIMIT_WAITED_MS_MAX)
    }

    fn read(&self, comment: &Comment) -> Result<Place, Error> {
        let mut request = comments::request(&self.context.settings, comment);
        if !self.can_wait {
            request = request.timeout(PATIENCE);
        }
        match api::send(request)? {
            Ok(response) => Ok(match response.json::<comments::Shown>()?.parent() {
                Some(parent) if parent != *comment => Place::Below(parent),
                _ => Place::Top,
            }),
            // It was deleted meanwhile.
            Err(refusal) if refusal.status() == 404 => Ok(Place::Unknown),
            Err(refusal) => Err(refusal.meaning(self.context)),
        }
    }
}
