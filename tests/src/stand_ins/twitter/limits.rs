//! How often each endpoint may be called: windows of 15 minutes on the platform's clock. [limits]

use std::collections::BTreeMap;

use http::Method;
use jiff::Timestamp;

use super::problem::Problem;

/// How long a window lasts, in seconds. [limits]
const WINDOW_S: i64 = 15 * 60;

/// A group of calls that is counted together, per user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `GET /2/users/me`.
    Me,
    /// `GET /2/users/:id/mentions`.
    Mentions,
    /// `GET /2/users/:id/tweets`.
    Timeline,
    /// `GET /2/tweets` and `GET /2/tweets/:id`.
    Lookups,
    /// `POST /2/tweets`.
    Posts,
}

impl Endpoint {
    /// Which one a call is for; `None` when the stand-in does not model it.
    pub(super) fn of(method: &Method, parts: &[&str]) -> Option<Self> {
        match (method, parts) {
            (&Method::GET, ["2", "users", "me"]) => Some(Self::Me),
            (&Method::GET, ["2", "users", _, "mentions"]) => Some(Self::Mentions),
            (&Method::GET, ["2", "users", _, "tweets"]) => Some(Self::Timeline),
            (&Method::GET, ["2", "tweets"] | ["2", "tweets", _]) => Some(Self::Lookups),
            (&Method::POST, ["2", "tweets"]) => Some(Self::Posts),
            _ => None,
        }
    }
}

/// Calls taken in one window, by endpoint. What is not named is unlimited.
pub type CallsMax = BTreeMap<Endpoint, u32>;

/// The platform's limits for one user. [limits] One look-up of many posts may be called more often (5,000 times); here both look-ups share
/// one number.
pub fn calls_max_default() -> CallsMax {
    CallsMax::from([
        (Endpoint::Me, 75),
        (Endpoint::Mentions, 300),
        (Endpoint::Timeline, 900),
        (Endpoint::Lookups, 900),
        (Endpoint::Posts, 100),
    ])
}

#[derive(Debug, Clone, Copy)]
struct Window {
    resets_at_s: i64,
    calls: u32,
}

/// What was called, and what is refused.
#[derive(Debug)]
pub(super) struct Limits {
    calls_max: CallsMax,
    windows: BTreeMap<Endpoint, Window>,
    refused: BTreeMap<Endpoint, i64>,
    calls_over: u64,
}

impl Limits {
    pub(super) fn new(calls_max: CallsMax) -> Self {
        Self { calls_max, windows: BTreeMap::new(), refused: BTreeMap::new(), calls_over: 0 }
    }

    pub(super) fn calls_over(&self) -> u64 {
        self.calls_over
    }

    /// Refuses an endpoint until then.
    pub(super) fn refuse(&mut self, endpoint: Endpoint, until: Timestamp) {
        // The header counts whole seconds; the limit ends when it says.
        let until_s = until.as_second() + i64::from(until.subsec_nanosecond() > 0);
        self.refused.insert(endpoint, until_s);
    }

    /// Counts one call, or refuses it.
    pub(super) fn take(&mut self, endpoint: Endpoint, now: Timestamp) -> Result<(), Problem> {
        let (_, remaining, _) = self.state(endpoint, now);
        if remaining == 0 {
            self.calls_over += 1;
            return Err(Problem::too_many_requests());
        }
        let fresh = Window { resets_at_s: now.as_second() + WINDOW_S, calls: 0 };
        let window = self.windows.entry(endpoint).or_insert(fresh);
        if window.resets_at_s <= now.as_second() {
            *window = fresh;
        }
        window.calls += 1;
        Ok(())
    }

    /// Calls in a window, calls left of them, and the second of 1970 at which they are all back.
    pub(super) fn state(&self, endpoint: Endpoint, now: Timestamp) -> (u32, u32, i64) {
        let now_s = now.as_second();
        let calls_max = self.calls_max.get(&endpoint).copied().unwrap_or(u32::MAX);
        if let Some(until_s) = self.refused.get(&endpoint).filter(|until_s| **until_s > now_s) {
            return (calls_max, 0, *until_s);
        }
        match self.windows.get(&endpoint).filter(|window| window.resets_at_s > now_s) {
            Some(window) => (calls_max, calls_max.saturating_sub(window.calls), window.resets_at_s),
            None => (calls_max, calls_max, now_s + WINDOW_S),
        }
    }
}
