//! How much is used of the platform's limits, as its answers tell.
//! <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>
//!
//! Facebook tells shares of sliding windows, in percent. Calls with a page's token are counted under the page's window of a day
//! (`X-Business-Use-Case-Usage`); the app's window of an hour (`X-App-Usage`) matters once it is used up. Such a window has no end, and a share is no
//! number of calls: what the host is told is how many calls the share leaves at least, for the minute that runs. The next answer tells anew, and a
//! minute is the shortest wait that Facebook names. When nothing is left, that holds as long as Facebook says, or as one waits after a limit
//! that does not say how long.

use std::time::Duration;

use serde_json::Value;
use sportello_sdk::{Error, headroom, http, time};

/// How long to wait after a limit that does not say how long: the windows slide.
const PAUSE: Duration = Duration::from_secs(5 * 60);
/// The longest wait believed: the page's window is of 24 hours.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Calls that a percent of the page's window stands for at least: 4,800 are allowed for each person who engages with the page.
const CALLS_PER_PERCENT: u32 = 48;
const MINUTE_MS: i64 = 60 * 1000;

/// What the host calls the windows.
const PAGE: &str = "page";
const APP: &str = "app";
/// What a refusal says of all calls with the page's token, which may come from whatever stands before the Graph API.
const REFUSED: &str = "refused";
/// The same of all calls of the app, its own token's and the page's.
const APP_REFUSED: &str = "app-refused";

/// What a call is counted under.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// The page's window, and the app's.
    Page,
    /// The app's alone.
    App,
}

/// How much of a window is used.
#[derive(Default)]
struct Usage {
    /// The largest of its shares: calls, processor time, time. It may be more than 100.
    percent: u64,
    /// Minutes until calls are taken again; 0: they are.
    regained_after: u64,
}

/// Takes a request out of the windows before it is made.
///
/// # Errors
/// Nothing is left: rate limited.
pub(crate) fn take(counted: Counted) -> Result<(), Error> {
    if counted == Counted::Page {
        headroom::take(REFUSED)?;
        headroom::take(PAGE)?;
    }
    headroom::take(APP_REFUSED)?;
    headroom::take(APP)
}

/// Tells the host what an answer says is left.
pub(crate) fn report(response: &http::Response) {
    match of_the_page(response) {
        Some(usage) if usage.is_used_up() => tell(PAGE, 0, usage.pause()),
        Some(usage) => tell(PAGE, usage.calls_left(), Duration::from_millis(1)),
        None => {}
    }
    if let Some(usage) = document(response, "x-app-usage").map(|usage| Usage::of(&usage)).filter(Usage::is_used_up) {
        tell(APP, 0, usage.pause());
    }
}

/// A limit was met: how long to wait. No call that is counted so is made meanwhile, whatever for.
pub(crate) fn limit_met(response: &http::Response, counted: Counted) -> Duration {
    let pause = match of_the_page(response) {
        Some(usage) if usage.regained_after > 0 && counted == Counted::Page => usage.pause(),
        _ => response.retry_after().unwrap_or(PAUSE).min(PAUSE_MAX),
    };
    headroom::report_refusal(if counted == Counted::Page { REFUSED } else { APP_REFUSED }, &time::after(pause));
    pause
}

/// The window ends with a full minute, so that answers of one minute tell of the same. The next one has as much as was left, until an answer tells.
fn tell(window: &str, remaining: u32, lasts: Duration) {
    let until_ms = time::milliseconds(&time::after(lasts)).unwrap_or_default();
    headroom::report(&headroom::Window {
        name: window.to_owned(),
        allowed: (remaining > 0).then_some(remaining),
        remaining,
        resets_at: time::from_milliseconds((until_ms + MINUTE_MS - 1).div_euclid(MINUTE_MS) * MINUTE_MS),
    });
}

impl Usage {
    fn of(document: &Value) -> Self {
        let shares = ["call_count", "total_cputime", "total_time"].iter().filter_map(|share| document[share].as_u64());
        let regained_after = document["estimated_time_to_regain_access"].as_u64().unwrap_or_default();
        Self { percent: shares.max().unwrap_or_default(), regained_after }
    }

    fn is_used_up(&self) -> bool {
        self.percent >= 100 || self.regained_after > 0
    }

    /// At least. How shares are rounded is not said, so the last percent is used a call a minute.
    fn calls_left(&self) -> u32 {
        let whole_percents = u32::try_from(99_u64.saturating_sub(self.percent)).unwrap_or_default();
        (whole_percents * CALLS_PER_PERCENT).max(1)
    }

    fn pause(&self) -> Duration {
        match self.regained_after {
            0 => PAUSE,
            minutes => Duration::from_secs(minutes.saturating_mul(60)).min(PAUSE_MAX),
        }
    }
}

/// The most that is used of any kind of use: `{"PAGE": [{"type": "pages", "call_count": …, …}]}`.
fn of_the_page(response: &http::Response) -> Option<Usage> {
    let document = document(response, "x-business-use-case-usage")?;
    let uses = document.as_object()?.values().filter_map(Value::as_array).flatten().map(Usage::of);
    uses.reduce(|one, other| Usage {
        percent: one.percent.max(other.percent),
        regained_after: one.regained_after.max(other.regained_after),
    })
}

fn document(response: &http::Response, header: &str) -> Option<Value> {
    serde_json::from_str(response.header(header)?).ok()
}
