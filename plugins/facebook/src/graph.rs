//! What the Graph API's errors mean.
//!
//! Errors come as a JSON object `error` with a code, mostly under HTTP 400, rate limits too. What it says decides; the HTTP status only
//! counts where there is no such object.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use sportello_sdk::{Error, http, time};

/// How long to wait after a rate limit that does not say how long: a page's limits are counted over a sliding window.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The longest wait believed: the windows are of 24 hours.
const RATE_LIMIT_PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long to wait before a look that failed in passing is made again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The same words stand there already: Facebook takes no post that is like the one before.
/// <https://developers.facebook.com/docs/graph-api/guides/error-handling>
const DUPLICATE: i64 = 506;

#[derive(Deserialize)]
struct Failed {
    error: GraphError,
}

#[derive(Deserialize)]
struct GraphError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: i64,
    error_subcode: Option<i64>,
    #[serde(default)]
    is_transient: bool,
    fbtrace_id: Option<String>,
}

/// Whether a request would change something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Look,
    Change,
}

/// What the Graph API says where it does not do what was asked.
pub(crate) struct Refusal {
    error: GraphError,
    response: http::Response,
}

/// Sends a request; a refusal is given apart, for those who know more of it than its usual meaning.
pub(crate) fn send(request: http::Request) -> Result<Result<http::Response, Refusal>, Error> {
    let response = request.send()?;
    match serde_json::from_slice(&response.body) {
        Ok(Failed { error }) => Ok(Err(Refusal { error, response })),
        // Whatever stands before the Graph API can refuse, too.
        Err(_) if response.status == 429 => Err(Error::rate_limited(regained(&response), "HTTP 429")),
        Err(_) => response.success().map(Ok),
    }
}

impl Refusal {
    /// Whether the same words stand there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.error.code == DUPLICATE
    }

    /// What the host must do.
    pub(crate) fn meaning(&self, purpose: Purpose) -> Error {
        let Self { error, response } = self;
        let subcode = error.error_subcode.map_or(String::new(), |subcode| format!("/{subcode}"));
        let trace = error.fbtrace_id.as_deref().unwrap_or("none");
        let reason = format!("Facebook says ({}{subcode}): {} [HTTP {}, trace {trace}]", error.code, error.message, response.status);
        match error.code {
            4 | 17 | 32 | 613 | 80001..=80008 => Error::rate_limited(regained(response), reason),
            102 | 190 => Error::auth(reason),
            // They may be ours, of an attempt whose answer was lost: a look will tell.
            DUPLICATE if purpose == Purpose::Change => Error::uncertain(reason),
            _ if error.is_transient || matches!(error.code, 1 | 2) || response.status >= 500 => match purpose {
                Purpose::Look => Error::retry(response.retry_after().unwrap_or(LOOK_AGAIN_AFTER), reason),
                Purpose::Change => Error::uncertain(reason),
            },
            _ => Error::reject(reason),
        }
    }
}

/// When the page may ask again: `X-Business-Use-Case-Usage` says it in minutes for each kind of use.
fn regained(response: &http::Response) -> String {
    let usage: Option<Value> = response.header("x-business-use-case-usage").and_then(|usage| serde_json::from_str(usage).ok());
    let minutes = usage
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|pages| pages.values())
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|use_case| use_case["estimated_time_to_regain_access"].as_u64())
        .max()
        .filter(|minutes| *minutes > 0);
    let pause = match minutes {
        Some(minutes) => Duration::from_secs(minutes.saturating_mul(60)),
        None => response.retry_after().unwrap_or(RATE_LIMIT_PAUSE),
    };
    time::after(pause.min(RATE_LIMIT_PAUSE_MAX))
}
