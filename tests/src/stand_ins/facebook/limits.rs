//! How often the page may be called: a share of a window of 24 hours that slides on the platform's clock. [limits]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How long a call of a page counts. [limits]
const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// "Calls within 24 hours = 4800 * Number of Engaged Users": with one of them. [limits]
pub const CALLS_MAX: u64 = 4_800;

/// Which limit is hit. [limits]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    /// Code 32: calls with a page token, old style.
    Page,
    /// Code 80001: the business-use-case limit of pages.
    BusinessUseCase,
    /// Code 4: the whole app.
    App,
    /// Code 17: the user.
    User,
    /// Code 613: calls of this kind.
    Custom,
}

impl RateLimit {
    pub(super) fn code_and_text(self) -> (u32, &'static str) {
        match self {
            Self::Page => (32, "(#32) Page request limit reached"),
            Self::BusinessUseCase => (
                80001,
                "(#80001) There have been too many calls to this Page account. Wait a bit and try again. For more info, please refer to https://developers.facebook.com/docs/graph-api/overview/rate-limiting.",
            ),
            Self::App => (4, "(#4) Application request limit reached"),
            Self::User => (17, "(#17) User request limit reached"),
            Self::Custom => (613, "(#613) Calls to this api have exceeded the rate limit."),
        }
    }
}

/// What was called, and what is refused.
#[derive(Debug)]
pub(super) struct Limits {
    calls_max: u64,
    /// How many calls were made, by when.
    calls: BTreeMap<Timestamp, u64>,
    refused: Option<(RateLimit, Timestamp)>,
    calls_over: u64,
}

impl Limits {
    pub(super) fn new(calls_max: u64) -> Self {
        Self { calls_max, calls: BTreeMap::new(), refused: None, calls_over: 0 }
    }

    pub(super) fn calls_over(&self) -> u64 {
        self.calls_over
    }

    /// Refuses calls until then.
    pub(super) fn refuse(&mut self, limit: RateLimit, until: Timestamp) {
        self.refused = Some((limit, until));
    }

    /// The page was called so often at that time.
    pub(super) fn count(&mut self, calls: u64, at: Timestamp) {
        *self.calls.entry(at).or_default() += calls;
    }

    /// Counts one call, or refuses it. What is refused counts as well. <https://developers.facebook.com/blog/post/2016/06/16/page-level-rate-limits/>
    pub(super) fn take(&mut self, now: Timestamp) -> Result<(), RateLimit> {
        self.calls.retain(|at, _| *at + WINDOW > now);
        let used_up = self.used(now) >= self.calls_max;
        self.count(1, now);
        let limit = self.refused_now(now).map(|(limit, _)| limit).or(used_up.then_some(RateLimit::BusinessUseCase));
        self.calls_over += u64::from(limit.is_some());
        limit.map_or(Ok(()), Err)
    }

    /// Refuses a call with the app's own token while the app's limit is met: it is counted in no page's window. [limits]
    pub(super) fn take_of_the_app(&mut self, now: Timestamp) -> Result<(), RateLimit> {
        let limit = self.refused_now(now).map(|(limit, _)| limit).filter(|limit| *limit == RateLimit::App);
        self.calls_over += u64::from(limit.is_some());
        limit.map_or(Ok(()), Err)
    }

    /// The headers that tell what is used: `X-Business-Use-Case-Usage` and `X-App-Usage`. [limits]
    pub(super) fn usage(&self, page_id: &str, now: Timestamp) -> [(&'static str, Value); 2] {
        let limit = self.refused_now(now);
        let of_the_page = limit.filter(|(limit, _)| matches!(limit, RateLimit::Page | RateLimit::BusinessUseCase));
        let wait_minutes = minutes_until(of_the_page.map_or(now, |(_, until)| until).max(self.below_the_limit(now)), now);
        let share = self.used(now) * 100 / self.calls_max;
        let share = if of_the_page.is_some() { share.max(100) } else { share };
        let page = json!({page_id: [{
            "type": "pages", "call_count": share, "total_cputime": 5, "total_time": 7, "estimated_time_to_regain_access": wait_minutes,
        }]});
        let is_app_limited = limit.is_some_and(|(limit, _)| limit == RateLimit::App);
        let app = json!({"call_count": if is_app_limited { 100 } else { 3 }, "total_cputime": 1, "total_time": 2});
        [("x-business-use-case-usage", page), ("x-app-usage", app)]
    }

    fn used(&self, now: Timestamp) -> u64 {
        self.calls.iter().filter(|(at, _)| **at + WINDOW > now).map(|(_, calls)| calls).sum()
    }

    fn refused_now(&self, now: Timestamp) -> Option<(RateLimit, Timestamp)> {
        self.refused.filter(|(_, until)| *until > now)
    }

    /// From when on the window has room, if nobody calls meanwhile.
    fn below_the_limit(&self, now: Timestamp) -> Timestamp {
        let mut used = self.used(now);
        let mut until = now;
        for (at, calls) in self.calls.iter().filter(|(at, _)| **at + WINDOW > now) {
            if used < self.calls_max {
                break;
            }
            used -= calls;
            until = *at + WINDOW;
        }
        until
    }
}

/// Rounded up.
fn minutes_until(until: Timestamp, now: Timestamp) -> i64 {
    (until.as_second() - now.as_second() + 59) / 60
}
