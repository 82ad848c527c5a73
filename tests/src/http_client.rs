//! A small HTTP client for tests: one server, a cookie jar, every answer as it came.
//!
//! It follows no redirect, retries nothing and judges no status, because tests want to see what a server really said.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::error::{Error, Result};

/// How long a call may take by default. Generous, because a busy machine of two cores runs PHP slowly.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(60);

/// One answer, unjudged.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// All response headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(|why| Error::Unexpected {
            what: format!("a call that returns JSON (HTTP {}, {why})", self.status),
            answer: excerpt(&self.text()),
        })
    }

    /// One header as text, empty when missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A client with its own cookies. Make one per person a test plays.
#[derive(Debug)]
pub struct HttpClient {
    inner: Client<HttpConnector, Full<Bytes>>,
    cookies: Mutex<BTreeMap<String, String>>,
    time_max: Duration,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new(CALL_TIME_MAX)
    }
}

impl HttpClient {
    /// A client without cookies that waits at most `time_max` for each answer.
    pub fn new(time_max: Duration) -> Self {
        Self { inner: Client::builder(TokioExecutor::new()).build_http(), cookies: Mutex::default(), time_max }
    }

    /// GET with a query.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] when none comes in time.
    pub async fn get(&self, url: &str, query: &[(&str, &str)]) -> Result<Answer> {
        self.send(Method::GET, &with_query(url, query), &[], Bytes::new()).await
    }

    /// POST of form fields.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] when none comes in time.
    pub async fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        self.send(Method::POST, url, &[("content-type", "application/x-www-form-urlencoded")], encode_pairs(fields).into()).await
    }

    /// POST of a JSON document with further headers.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] when none comes in time.
    pub async fn post_json(&self, url: &str, headers: &[(&str, &str)], document: &Value) -> Result<Answer> {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(Method::POST, url, &all, document.to_string().into()).await
    }

    /// Any request.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] when the connection fails, breaks, or no whole answer comes in time.
    pub async fn send(&self, method: Method, url: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer> {
        let no_answer = |why: String| Error::NoAnswer { url: url.to_owned(), why };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().map_err(|why| no_answer(format!("not a URL: {why}")))?;
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).map_err(|why| no_answer(why.to_string()))?;
            request.headers_mut().insert(name, HeaderValue::try_from(*value).map_err(|why| no_answer(why.to_string()))?);
        }
        if let Some(cookies) = self.cookie_header()
            && !request.headers().contains_key("cookie")
        {
            request.headers_mut().insert("cookie", HeaderValue::try_from(cookies).map_err(|why| no_answer(why.to_string()))?);
        }
        let exchange = async {
            let response = self.inner.request(request).await.map_err(|why| no_answer(chain(&why)))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|why| no_answer(chain(&why)))?.to_bytes();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        };
        let answer = tokio::time::timeout(self.time_max, exchange)
            .await
            .map_err(|_| Error::NoAnswer { url: url.to_owned(), why: format!("nothing within {:?}", self.time_max) })??;
        self.keep_cookies(&answer.headers);
        Ok(answer)
    }

    /// The cookies held now, by name.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().expect("no panic while cookies are held").clone()
    }

    /// Forgets all cookies, as a client that was restarted would.
    pub fn forget_cookies(&self) {
        self.cookies.lock().expect("no panic while cookies are held").clear();
    }

    fn cookie_header(&self) -> Option<String> {
        let cookies = self.cookies();
        (!cookies.is_empty()).then(|| cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "))
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().expect("no panic while cookies are held");
        for header in headers.get_all("set-cookie") {
            let text = header.to_str().unwrap_or_default();
            let pair = text.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

/// `url?a=b&c=d`, percent-encoded.
pub fn with_query(url: &str, query: &[(&str, &str)]) -> String {
    match (query.is_empty(), url.contains('?')) {
        (true, _) => url.to_owned(),
        (false, false) => format!("{url}?{}", encode_pairs(query)),
        (false, true) => format!("{url}&{}", encode_pairs(query)),
    }
}

/// `a=b&c=d` with everything but the unreserved characters percent-encoded (RFC 3986, section 2.3).
pub fn encode_pairs(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
            encoded
        })
    };
    pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

/// The first 600 characters, so that a failure message stays readable.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
