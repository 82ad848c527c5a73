//! HTTP towards the origins the operator granted.
//!
//! A [`Request`] is built, sent, and answered by a [`Response`] whatever its status is. The host checks the origin, puts the secrets in,
//! counts against the declared limits, and follows no redirect.
//!
//! # What a failure means
//! [`Request::send`] turns what went wrong into what the host must do ([`Failure::into_error`]). The question is whether the platform may have
//! done something: a request that was never sent can be repeated ([`Error::retry`]); one that was sent and not answered can be repeated only if it
//! changes nothing. `GET`, `HEAD` and `OPTIONS` do not; of a `POST` that only asks (JSON-RPC look-ups, for example) say
//! [`Request::repeatable`]. Everything else is [`Error::uncertain`].

#[cfg(target_arch = "wasm32")]
mod wasi;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, time};

/// How long the host waits before a call whose request could not be sent is made again.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The largest answer a connector reads, unless [`Request::limit`] says otherwise. The host's own limit may be lower.
pub const RESPONSE_BYTES_MAX: usize = 4 << 20;

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    url: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    repeatable: bool,
    timeout: Option<Duration>,
    response_bytes_max: usize,
    invalid: Option<String>,
}

impl Request {
    /// A request with any method, to an absolute URL.
    #[must_use]
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        let method = method.into();
        Self {
            repeatable: matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS"),
            method,
            url: url.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            response_bytes_max: RESPONSE_BYTES_MAX,
            invalid: None,
        }
    }

    /// A `GET` of an absolute URL.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST` to an absolute URL.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a query parameter; it is encoded.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Makes it with this credential alone, where the manifest declares several for one origin. It is refused where none of that name is bound.
    #[must_use]
    pub fn credential(self, name: &str) -> Self {
        self.header("sportello-credential", name)
    }

    /// Sends these fields as `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn form<N: AsRef<str>, V: AsRef<str>>(self, fields: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut body = String::new();
        for (name, value) in fields {
            push_pair(&mut body, name.as_ref(), value.as_ref());
        }
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Sends this value as `application/json`. A value that can't be written as JSON is reported by [`Request::send`].
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body("application/json", body),
            Err(error) => Self { invalid: Some(format!("the body can't be written as JSON: {error}")), ..self },
        }
    }

    /// Sends these bytes.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Says that sending this twice changes nothing more than sending it once.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// How long to wait for the first byte of the answer, and between two bytes of it. Without it, the host's limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Reads at most this many bytes of the answer's body; more is a failure. Default: [`RESPONSE_BYTES_MAX`].
    #[must_use]
    pub fn limit(mut self, response_bytes_max: usize) -> Self {
        self.response_bytes_max = response_bytes_max;
        self
    }

    /// Sends it and reads the whole answer. A status like 404 or 500 is an answer; see [`Response::success`].
    ///
    /// # Errors
    /// What the host must do now, see the module's text.
    pub fn send(self) -> Result<Response, Error> {
        if let Some(reason) = &self.invalid {
            return Err(Error::reject(format!("{}: {reason}", self.name())));
        }
        #[cfg(target_arch = "wasm32")]
        let answer = wasi::send(&self);
        #[cfg(not(target_arch = "wasm32"))]
        let answer = crate::testing::send(&self);
        match answer {
            Ok(response) if response.body.len() > self.response_bytes_max => {
                let reason = format!("the answer is longer than {} bytes", self.response_bytes_max);
                Err(Failure::Unusable(reason).into_error(&self.name(), self.repeatable))
            }
            Ok(response) => Ok(Response { request: self.name(), repeatable: self.repeatable, ..response }),
            Err(failure) => Err(failure.into_error(&self.name(), self.repeatable)),
        }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The absolute URL with the query.
    #[must_use]
    pub fn url(&self) -> String {
        let mut url = self.url.clone();
        if !self.query.is_empty() {
            let mut query = String::new();
            for (name, value) in &self.query {
                push_pair(&mut query, name, value);
            }
            url.push(if self.url.contains('?') { '&' } else { '?' });
            url.push_str(&query);
        }
        url
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.parts().map_or("/", |(_, _, path)| path);
        path.split('?').next().unwrap_or(path)
    }

    /// The first query parameter of this name, decoded, wherever it was given.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<String> {
        let url = self.url();
        let (_, query) = url.split_once('?')?;
        pair_value(query, name)
    }

    /// The first header of this name.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// The first field of this name in a form body, decoded.
    #[must_use]
    pub fn form_value(&self, name: &str) -> Option<String> {
        pair_value(std::str::from_utf8(&self.body).ok()?, name)
    }

    /// What [`Request::timeout`] was given.
    #[must_use]
    pub fn timeout_value(&self) -> Option<Duration> {
        self.timeout
    }

    /// The body.
    #[must_use]
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// serde's, where it is none.
    pub fn body_json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// Method and URL without the query, for messages.
    fn name(&self) -> String {
        format!("{} {}", self.method, self.url.split('?').next().unwrap_or(&self.url))
    }

    /// Scheme, authority, and path with query as it was given.
    fn parts(&self) -> Option<(&str, &str, &str)> {
        let (scheme, rest) = self.url.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        (!authority.is_empty()).then_some((scheme, authority, path))
    }
}

/// The platform's answer.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    request: String,
    repeatable: bool,
}

impl Response {
    /// An answer, for tests.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// An answer of type `application/json`, for tests.
    #[must_use]
    pub fn with_json(status: u16, value: &impl Serialize) -> Self {
        // What a test writes into an answer is what it wants to see there; a value without JSON becomes an empty body.
        Self { body: serde_json::to_vec(value).unwrap_or_default(), ..Self::new(status) }.with_header("content-type", "application/json")
    }

    /// An answer of type `text/plain`, for tests.
    #[must_use]
    pub fn with_text(status: u16, text: impl Into<String>) -> Self {
        Self { body: text.into().into_bytes(), ..Self::new(status) }.with_header("content-type", "text/plain")
    }

    /// Adds a header, for tests.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a JSON document of this type, whatever the status is.
    ///
    /// # Errors
    /// [`Error::retry`] where the request can be repeated (a proxy's error page, mostly); otherwise [`Error::uncertain`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let reason = format!("{}: HTTP {} is not the JSON expected: {error}", self.request, self.status);
            if self.repeatable { Error::retry(RETRY_AFTER, reason) } else { Error::uncertain(reason) }
        })
    }

    /// This answer, if its status is 2xx.
    ///
    /// # Errors
    /// Those of [`Response::failure`], with the beginning of the body as the reason.
    pub fn success(self) -> Result<Self, Error> {
        if self.is_success() {
            return Ok(self);
        }
        let excerpt: String = self.text().chars().take(300).collect();
        Err(self.failure(format!("{}: HTTP {}: {excerpt}", self.request, self.status)))
    }

    /// Whether its status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The usual meaning of an answer that is no success, for platforms that keep to it, with what the platform says as the reason: 401
    /// [`Error::auth`]; 429 [`Error::rate_limited`] until `Retry-After` (without it, a minute); 408 and 500 upwards [`Error::retry`] where the request
    /// can be repeated, otherwise [`Error::uncertain`]; the rest [`Error::reject`].
    #[must_use]
    pub fn failure(&self, reason: impl Into<String>) -> Error {
        match self.status {
            401 => Error::auth(reason),
            429 => Error::rate_limited(time::after(self.retry_after().unwrap_or(Duration::from_secs(60))), reason),
            408 | 500.. if self.repeatable => Error::retry(self.retry_after().unwrap_or(RETRY_AFTER), reason),
            // Gateways have numbers of their own (520 and above), for servers that may have done it.
            408 | 500.. => Error::uncertain(reason),
            _ => Error::reject(reason),
        }
    }

    /// How long to wait by `Retry-After`, which is a number of seconds or a date. <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        text.parse().ok().map(Duration::from_secs).or_else(|| {
            let until_ms = time::milliseconds(&time::from_http_date(text)?)?;
            let wait_ms = until_ms.saturating_sub(time::now_milliseconds());
            // A moment that has passed is no wait at all.
            Some(Duration::from_millis(u64::try_from(wait_ms).unwrap_or_default()))
        })
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The host refused: the origin is not granted to this channel, or the request touched what is the host's to write.
    Denied(String),
    /// The host could not put the credential in: not bound, or its log-in failed.
    Credential(String),
    /// A limit of this channel is reached; nothing was sent. The host says `limit: retry after 1500 ms: …`.
    Limit(String),
    /// The connection was not made: nothing was sent.
    NotSent(String),
    /// It was sent, and then: a time-out, a reset, half an answer.
    Interrupted(String),
    /// The request itself can't be sent, now or later.
    Invalid(String),
    /// It was answered, in a way that will be the same next time: too large, a loop.
    Unusable(String),
}

impl Failure {
    /// What the host must do now. `request` names it in the message; `repeatable` says whether sending it twice changes nothing.
    #[must_use]
    pub fn into_error(self, request: &str, repeatable: bool) -> Error {
        match self {
            Self::Denied(reason) => Error::reject(format!(
                "{request}: the host refused this request ({reason}); the operator grants origins, the manifest asks for them"
            )),
            Self::Credential(reason) => Error::auth(format!("{request}: {reason}")),
            // Nothing was sent, for a reason that is the channel's and not this call's: the host must not count it as a failure, and make no
            // other call before that.
            Self::Limit(reason) => {
                let after = after_ms(&reason).map_or(RETRY_AFTER, Duration::from_millis);
                Error::rate_limited(time::after(after), format!("{request}: {reason}"))
            }
            Self::NotSent(reason) => Error::retry(RETRY_AFTER, format!("{request}: not sent: {reason}")),
            Self::Interrupted(reason) if repeatable => Error::retry(RETRY_AFTER, format!("{request}: no answer: {reason}")),
            Self::Interrupted(reason) => Error::uncertain(format!("{request}: sent, no answer: {reason}")),
            Self::Invalid(reason) => Error::reject(format!("{request}: {reason}")),
            Self::Unusable(reason) if repeatable => Error::reject(format!("{request}: {reason}")),
            Self::Unusable(reason) => Error::uncertain(format!("{request}: {reason}")),
        }
    }
}

/// Percent-encodes a text so that it can stand in a path segment or a query: all but letters, digits, `-`, `.`, `_`, `~`.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// The reverse of [`encode`], which also reads `+` as a blank, as forms do. What is not well-formed stands for itself.
#[must_use]
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The number in `… after <number> ms …`.
fn after_ms(reason: &str) -> Option<u64> {
    let (_, rest) = reason.split_once(" after ")?;
    rest.split_once(" ms")?.0.parse().ok()
}

fn push_pair(pairs: &mut String, name: &str, value: &str) {
    if !pairs.is_empty() {
        pairs.push('&');
    }
    pairs.push_str(&encode(name));
    pairs.push('=');
    pairs.push_str(&encode(value));
}

fn pair_value(pairs: &str, name: &str) -> Option<String> {
    pairs
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(candidate, _)| decode(candidate) == name)
        .map(|(_, value)| decode(value))
}

fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
