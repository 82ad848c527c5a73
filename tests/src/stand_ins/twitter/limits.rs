//! How often each endpoint may be called: windows of 15 minutes, and of 24 hours, on the platform's clock. [limits]

use std::collections::BTreeMap;

use http::Method;
use jiff::Timestamp;

use super::problem::Problem;

/// How long windows last, in seconds. [limits]
const QUARTER_S: i64 = 15 * 60;
const DAY_S: i64 = 24 * 60 * 60;

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

/// What is counted for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// The user's calls in 15 minutes.
    Quarter,
    /// The user's calls in 24 hours.
    UserDay,
    /// The application's calls in 24 hours.
    AppDay,
}

impl Limit {
    const ALL: [Self; 3] = [Self::Quarter, Self::UserDay, Self::AppDay];

    fn window_s(self) -> i64 {
        if self == Self::Quarter { QUARTER_S } else { DAY_S }
    }

    /// How the headers begin that tell of it. Those of a day stand on no page of the platform's: they were seen, with the same three endings.
    /// <https://github.com/plhery/node-twitter-api-v2/issues/495>, <https://github.com/plhery/node-twitter-api-v2/issues/553>
    fn headers(self) -> &'static str {
        match self {
            Self::Quarter => "x-rate-limit",
            Self::UserDay => "x-user-limit-24hour",
            Self::AppDay => "x-app-limit-24hour",
        }
    }
}

/// Calls taken in one window, by endpoint. What is not named is unlimited, and of a day nothing is told then.
pub type CallsMax = BTreeMap<(Limit, Endpoint), u32>;

/// The platform's limits for one user and one application. [limits] One look-up of many posts may be called more often (5,000 times); here both
/// look-ups share one number. Less expensive plans had a few posts a day for each user.
pub fn calls_max_default() -> CallsMax {
    CallsMax::from([
        ((Limit::Quarter, Endpoint::Me), 75),
        ((Limit::Quarter, Endpoint::Mentions), 300),
        ((Limit::Quarter, Endpoint::Timeline), 900),
        ((Limit::Quarter, Endpoint::Lookups), 900),
        ((Limit::Quarter, Endpoint::Posts), 100),
        ((Limit::AppDay, Endpoint::Posts), 10_000),
    ])
}

#[derive(Debug, Clone, Copy)]
struct Window {
    resets_at_s: i64,
    calls: u32,
}

/// What the answers tell of a limit.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) headers: &'static str,
    pub(super) calls_max: u32,
    pub(super) remaining: u32,
    /// The second of 1970 at which all are back.
    pub(super) resets_at_s: i64,
}

/// What was called, and what is refused.
#[derive(Debug)]
pub(super) struct Limits {
    calls_max: CallsMax,
    windows: BTreeMap<(Limit, Endpoint), Window>,
    refused: BTreeMap<(Limit, Endpoint), i64>,
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
    pub(super) fn refuse(&mut self, limit: Limit, endpoint: Endpoint, until: Timestamp) {
        // The header counts whole seconds; the limit ends when it says.
        let until_s = until.as_second() + i64::from(until.subsec_nanosecond() > 0);
        self.refused.insert((limit, endpoint), until_s);
    }

    /// Counts one call, or refuses it.
    pub(super) fn take(&mut self, endpoint: Endpoint, now: Timestamp) -> Result<(), Problem> {
        if self.told(endpoint, now).iter().any(|told| told.remaining == 0) {
            self.calls_over += 1;
            return Err(Problem::too_many_requests());
        }
        for limit in Limit::ALL {
            let fresh = Window { resets_at_s: now.as_second() + limit.window_s(), calls: 0 };
            let window = self.windows.entry((limit, endpoint)).or_insert(fresh);
            if window.resets_at_s <= now.as_second() {
                *window = fresh;
            }
            window.calls += 1;
        }
        Ok(())
    }

    /// What the answers tell of an endpoint.
    pub(super) fn told(&self, endpoint: Endpoint, now: Timestamp) -> Vec<Told> {
        Limit::ALL.into_iter().filter_map(|limit| self.told_of(limit, endpoint, now.as_second())).collect()
    }

    fn told_of(&self, limit: Limit, endpoint: Endpoint, now_s: i64) -> Option<Told> {
        let key = (limit, endpoint);
        let refused_until_s = self.refused.get(&key).filter(|until_s| **until_s > now_s);
        let is_told = limit == Limit::Quarter || refused_until_s.is_some() || self.calls_max.contains_key(&key);
        let calls_max = self.calls_max.get(&key).copied().unwrap_or(u32::MAX);
        let (remaining, resets_at_s) = match (refused_until_s, self.windows.get(&key).filter(|window| window.resets_at_s > now_s)) {
            (Some(until_s), _) => (0, *until_s),
            (None, Some(window)) => (calls_max.saturating_sub(window.calls), window.resets_at_s),
            (None, None) => (calls_max, now_s + limit.window_s()),
        };
        is_told.then_some(Told { headers: limit.headers(), calls_max, remaining, resets_at_s })
    }
}
