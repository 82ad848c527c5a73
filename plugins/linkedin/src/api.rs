//! Requests to the API, and what its errors mean.
//!
//! Every request names its version and the protocol in which keys are written; URNs in a path are percent-encoded wholly, those inside
//! parentheses too. Errors come as a JSON object with `status`, `code`, mostly a `serviceErrorCode`, and a `message`.

use std::time::Duration;

use serde::Deserialize;
use sportello_sdk::{Context, Error, credentials, headroom, http, lenient, time};

use crate::{Settings, TOKEN};

/// How long to wait after a limit that is not the day's: the platform says neither how long nor how many.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(5 * 60);
/// How long to wait before a call whose token had expired is made again with another.
const AFTER_RENEWAL: Duration = Duration::from_secs(1);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// An answer that is no success.
pub(crate) struct Refusal {
    response: http::Response,
    body: Body,
    request: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default, deserialize_with = "lenient::text")]
    code: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    service_error_code: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    message: Option<String>,
    /// What is wrong with a document stands here, and `code` is missing.
    #[serde(default, deserialize_with = "lenient::value")]
    error_details: Option<Details>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(default, deserialize_with = "lenient::list")]
    input_errors: Vec<InputError>,
}

#[derive(Deserialize)]
struct InputError {
    #[serde(default, deserialize_with = "lenient::text")]
    code: Option<String>,
}

/// Adds what every request carries. The token is the host's to put in.
pub(crate) fn request(settings: &Settings, method: &str, url: String) -> http::Request {
    http::Request::new(method, url).header("linkedin-version", settings.version.as_str()).header("x-restli-protocol-version", "2.0.0")
}

/// Sends a request; an answer that is no success is given apart, for those who know more of it than its usual meaning.
pub(crate) fn send(request: http::Request) -> Result<Result<http::Response, Refusal>, Error> {
    let name = format!("{} {}", request.method(), request.path());
    let resource = resource_of(request.path());
    headroom::take(&resource)?;
    let response = request.send()?;
    if response.is_success() {
        return Ok(Ok(response));
    }
    let body = serde_json::from_slice(&response.body).unwrap_or_default();
    let refusal = Refusal { response, body, request: name };
    if refusal.status() == 429 {
        headroom::report_refusal(&resource, &refusal.regained());
    }
    Ok(Err(refusal))
}

/// What has a limit of its own: `posts`, `socialActions`, … <https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/rate-limits>
fn resource_of(path: &str) -> String {
    let below = path.split_once("/rest/").map_or(path, |(_, below)| below);
    below.split('/').find(|part| !part.is_empty()).unwrap_or("api").to_owned()
}

/// Reads something.
pub(crate) fn look(context: &Context<Settings>, url: String) -> Result<http::Response, Error> {
    let request = request(&context.settings, "GET", url);
    send(request)?.map_err(|refusal| refusal.meaning(context))
}

impl Refusal {
    pub(crate) fn status(&self) -> u16 {
        self.response.status
    }

    /// Whether the same words stand there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.status() == 409 || (self.status() == 422 && self.code().is_some_and(|code| code.contains("DUPLICATE")))
    }

    /// What the platform says, for a person.
    pub(crate) fn reason(&self) -> String {
        let code = self.code().unwrap_or("no code");
        let service = self.body.service_error_code.as_deref().map_or_else(String::new, |number| format!("/{number}"));
        let message = self.body.message.as_deref().unwrap_or("no message");
        format!("{}: LinkedIn says ({code}{service}): {message} [HTTP {}]", self.request, self.status())
    }

    /// What the host must do.
    pub(crate) fn meaning(&self, context: &Context<Settings>) -> Error {
        let reason = self.reason();
        match self.status() {
            401 if self.says("EXPIRED_ACCESS_TOKEN", "65602") => match credentials::renew(TOKEN) {
                // Nothing took effect, whatever it was: a new token is all that is missing.
                Ok(()) => Error::retry(AFTER_RENEWAL, reason),
                Err(refused) => refused,
            },
            401 => Error::auth(format!("{reason}; the app must be authorised anew")),
            403 if self.says("ACCESS_DENIED", "100") => Error::auth(format!(
                "{reason}; the token's member needs the role ADMINISTRATOR at {}, and the app its scopes",
                context.settings.organization
            )),
            426 => Error::auth(format!(
                "{reason}; LinkedIn does not serve version {} any more: enter a newer one in the setting `version`",
                context.settings.version
            )),
            429 => Error::rate_limited(self.regained(), reason),
            _ => self.response.failure(reason),
        }
    }

    fn code(&self) -> Option<&str> {
        let details = || self.body.error_details.as_ref()?.input_errors.first()?.code.as_deref();
        self.body.code.as_deref().or_else(details)
    }

    fn says(&self, code: &str, service_code: &str) -> bool {
        self.code() == Some(code) || self.body.service_error_code.as_deref() == Some(service_code)
    }

    /// When calls are taken again: the limits of a day begin anew at midnight UTC, as the message tells, and not before though a gateway may say so;
    /// others say nothing.
    fn regained(&self) -> String {
        let is_of_the_day = self.body.message.as_deref().is_some_and(|message| message.contains(" DAY "));
        let now_ms = time::milliseconds(&time::after(Duration::ZERO)).unwrap_or_default();
        let said_ms = self.response.retry_after().and_then(|pause| time::milliseconds(&time::after(pause)));
        let midnight_ms = is_of_the_day.then(|| (now_ms.div_euclid(DAY_MS) + 1) * DAY_MS);
        said_ms.max(midnight_ms).map_or_else(|| time::after(RATE_LIMIT_PAUSE), time::from_milliseconds)
    }
}
