//! Requests to the action API, and what its errors mean.
//!
//! Every error comes as HTTP 200 with an object `error`. Whoever is not logged in may edit all the same, anonymously, so every request asserts
//! that it is a user's; where that fails the session is given up and the request is made once more, which logs in anew.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use sportello_sdk::{Error, credentials, diagnostics, headroom, http, time};

use crate::{BOT, Settings};

/// The wiki is asked to refuse while its replicas lag behind by more seconds than this, so that bots do not make it worse.
const MAXLAG_SECONDS: &str = "5";
/// How long to wait after `maxlag` without `Retry-After`.
const LAG_PAUSE: Duration = Duration::from_secs(5);
/// How long to wait while the wiki takes no edits.
const READ_ONLY_PAUSE: Duration = Duration::from_secs(60);
/// How long to wait after `ratelimited`: the limits are counted per minute.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(60);
/// How long to wait before a request that changed nothing is made again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Windows of the host's in which nothing is left while the wiki refuses: of everything, and of edits.
const ALL: &str = "all";
const EDITS: &str = "edits";

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Repeating it changes nothing.
    Look,
    /// An edit.
    Edit,
}

/// An error of the wiki's own.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ApiError {
    pub(crate) code: String,
    #[serde(default)]
    info: String,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// Why there is no reply: an error of the wiki's own, which callers may know better than [`ApiError::meaning`], or anything else.
#[derive(Debug)]
pub(crate) enum Trouble {
    Api(ApiError),
    Other(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Trouble {
    /// Whether it is this error of the wiki's.
    pub(crate) fn is(&self, code: &str) -> bool {
        matches!(self, Self::Api(error) if error.code == code)
    }

    /// What the host must do.
    pub(crate) fn meaning(self, purpose: Purpose) -> Error {
        match self {
            Self::Api(error) => error.meaning(purpose),
            Self::Other(error) => error,
        }
    }
}

impl ApiError {
    fn meaning(&self, purpose: Purpose) -> Error {
        let reason = format!("the wiki says {}: {}", self.code, self.info);
        match self.code.as_str() {
            // Nothing is wrong with the call, and no other would be taken either; a wiki may take no edits for hours.
            "maxlag" => Error::rate_limited(time::after(self.retry_after.unwrap_or(LAG_PAUSE)), reason),
            "readonly" | "ratelimited" => Error::rate_limited(time::after(self.no_edits_for().unwrap_or_default()), reason),
            // Each of these means that the wiki refused before it changed anything.
            "editconflict" | "badtoken" => Error::retry(RETRY_PAUSE, reason),
            "assertuserfailed"
            | "assertnameduserfailed"
            | "blocked"
            | "autoblocked"
            | "permissiondenied-read"
            | "readapidenied"
            | "writeapidenied" => Error::auth(reason),
            // A fault inside the wiki: an edit may have been kept before it.
            code if code.starts_with("internal_api_error") => match purpose {
                Purpose::Look => Error::retry(RETRY_PAUSE, reason),
                Purpose::Edit => Error::uncertain(reason),
            },
            _ => Error::reject(reason),
        }
    }

    /// For how long no edit is taken, whosever: as long as the wiki says, or a pause of ours.
    fn no_edits_for(&self) -> Option<Duration> {
        let pause = match self.code.as_str() {
            "readonly" => READ_ONLY_PAUSE,
            "ratelimited" => RATE_LIMIT_PAUSE,
            _ => return None,
        };
        Some(self.retry_after.unwrap_or(pause))
    }
}

/// Asks, with the parameters in the query. All tried again on an expired session.
pub(crate) fn look(settings: &Settings, parameters: &[(&str, &str)]) -> Result<Value, Trouble> {
    call(|| {
        let request = everywhere().into_iter().chain(parameters.iter().copied());
        request.fold(http::Request::get(settings.api_url()), |request, (name, value)| request.query(name, value))
    })
}

/// Asks for something longer than a URL may be.
pub(crate) fn look_by_post(settings: &Settings, parameters: &[(&str, &str)]) -> Result<Value, Trouble> {
    call(|| http::Request::post(settings.api_url()).form(everywhere().into_iter().chain(parameters.iter().copied())).repeatable())
}

/// Edits. Not tried again here: the token belongs to the session.
pub(crate) fn edit(settings: &Settings, parameters: &[(&str, &str)]) -> Result<Value, Trouble> {
    headroom::take(EDITS)?;
    let sent = send(http::Request::post(settings.api_url()).form(everywhere().into_iter().chain(parameters.iter().copied())));
    if let Err(Trouble::Api(error)) = &sent
        && let Some(pause) = error.no_edits_for()
    {
        headroom::report_refusal(EDITS, &time::after(pause));
    }
    sent
}

/// Gives the session up: the next request logs in anew.
pub(crate) fn log_in_anew() -> Result<(), Error> {
    diagnostics::info!("the wiki has ended the bot's session; logging in anew");
    credentials::renew(BOT)
}

fn everywhere() -> [(&'static str, &'static str); 4] {
    [("format", "json"), ("formatversion", "2"), ("assert", "user"), ("maxlag", MAXLAG_SECONDS)]
}

fn call(request: impl Fn() -> http::Request) -> Result<Value, Trouble> {
    match send(request()) {
        Err(trouble) if trouble.is("assertuserfailed") => {
            log_in_anew()?;
            send(request())
        }
        outcome => outcome,
    }
}

fn send(request: http::Request) -> Result<Value, Trouble> {
    #[derive(Deserialize)]
    struct Failed {
        error: ApiError,
    }
    headroom::take(ALL)?;
    let response = request.send()?;
    if let Ok(Failed { error }) = serde_json::from_slice(&response.body) {
        let error = ApiError { retry_after: response.retry_after(), ..error };
        if error.code == "maxlag" {
            headroom::report_refusal(ALL, &time::after(error.retry_after.unwrap_or(LAG_PAUSE)));
        }
        return Err(Trouble::Api(error));
    }
    let refused = response.success();
    if let Err(Error::RateLimited(limit)) = &refused {
        headroom::report_refusal(ALL, &limit.until);
    }
    Ok(refused?.json()?)
}

/// A reply that is not as the API's documentation and 1.39 have it.
pub(crate) fn unexpected(what: &str) -> Error {
    Error::retry(RETRY_PAUSE, format!("the wiki's reply has no usable {what}; is it an older version than 1.31?"))
}
