//! What the Graph API's errors mean.
//!
//! Errors come as a JSON object `error` with a code, mostly under HTTP 400, rate limits too. What it says decides; the HTTP status only
//! counts where there is no such object.

use std::time::Duration;

use serde::Deserialize;
use sportello_sdk::{Error, http, time};

use crate::usage::Counted;
use crate::{APP_TOKEN, PAGE_TOKEN, usage};

/// How long to wait before a look that failed in passing is made again.
pub(crate) const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The same words stand there already: Facebook takes no post that is like the one before.
/// <https://developers.facebook.com/docs/graph-api/guides/error-handling>
const DUPLICATE: i64 = 506;
/// The app has used up its hour, whosever token a call brought. <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>
const APP_CALLS: i64 = 4;
/// The app has reached a limit that has no other name. <https://developers.facebook.com/docs/graph-api/guides/error-handling>
const APP_LIMIT: i64 = 341;

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
    counted: Counted,
}

/// Sends a request with the page's token; a refusal is given apart, for those who know more of it than its usual meaning.
pub(crate) fn send(request: http::Request) -> Result<Result<http::Response, Refusal>, Error> {
    send_with(PAGE_TOKEN, request)
}

/// The same, where this credential brings the page's token.
pub(crate) fn send_with(credential: &str, request: http::Request) -> Result<Result<http::Response, Refusal>, Error> {
    sent(request.credential(credential), Counted::Page)
}

/// Sends a request with the app's own token, which is counted under no window of the page's.
pub(crate) fn send_as_the_app(request: http::Request) -> Result<Result<http::Response, Refusal>, Error> {
    sent(request.credential(APP_TOKEN), Counted::App)
}

fn sent(request: http::Request, counted: Counted) -> Result<Result<http::Response, Refusal>, Error> {
    usage::take(counted)?;
    let response = request.send()?;
    usage::report(&response);
    match serde_json::from_slice(&response.body) {
        Ok(Failed { error }) => Ok(Err(Refusal { error, response, counted })),
        // Whatever stands before the Graph API can refuse, too.
        Err(_) if response.status == 429 => Err(Error::rate_limited(time::after(usage::limit_met(&response, counted)), "HTTP 429")),
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
        let Self { error, response, counted } = self;
        let subcode = error.error_subcode.map_or(String::new(), |subcode| format!("/{subcode}"));
        let trace = error.fbtrace_id.as_deref().unwrap_or("none");
        let reason = format!("Facebook says ({}{subcode}): {} [HTTP {}, trace {trace}]", error.code, error.message, response.status);
        match error.code {
            APP_CALLS | APP_LIMIT => Error::rate_limited(time::after(usage::limit_met(response, Counted::App)), reason),
            17 | 32 | 613 | 80001..=80008 => Error::rate_limited(time::after(usage::limit_met(response, *counted)), reason),
            102 | 190 => Error::auth(reason),
            // The documented meaning is a permission that was not granted or was taken away; what is the matter with one object has a subcode.
            // <https://developers.facebook.com/docs/graph-api/guides/error-handling>
            10 | 200..=299 if error.error_subcode.is_none() && !error.is_transient => {
                Error::auth(format!("{reason}; the page's token or the app lacks a permission that this needs"))
            }
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
