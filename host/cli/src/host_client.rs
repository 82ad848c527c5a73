//! A small client of a running host's API. Plain HTTP: the host listens on the machine itself or behind a proxy.
//!
//! The token comes from `SPORTELLO_TOKEN`, never from the command line, where every user of the machine could read it.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take to begin and to end. Installing compiles, and others may be installing too.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Items asked for in one page, the most there can be.
const PAGE_ITEMS: usize = 200;
/// The variable that holds the token.
const TOKEN_VARIABLE: &str = "SPORTELLO_TOKEN";

/// Why the host did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{url:?} is not where a host can be asked: {reason}; write for example http://127.0.0.1:8470")]
    Url { url: String, reason: String },
    #[error(
        "the running host asks for a token: set {TOKEN_VARIABLE} to one; `sportello token create --name NAME --role admin` makes the first \
         while the host is at rest"
    )]
    NoToken,
    #[error("nothing listens on {base}: is the host running? sportello serve")]
    NobodyListens { base: String },
    #[error("{base} did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    NoAnswer { base: String },
    #[error("the connection to {base} broke: {problem}")]
    Broken { base: String, problem: String },
    #[error("the token in {TOKEN_VARIABLE} is not in force for tenant {tenant} at {base}: revoked, of another tenant, or mistyped")]
    TokenRefused { base: String, tenant: String },
    #[error("{detail}")]
    Refused { status: StatusCode, detail: String },
    #[error("{base} does not answer as Sportello does: {what}; is another program listening there?")]
    Strange { base: String, what: String },
}

impl ClientError {
    /// Whether asking again later can help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::NobodyListens { .. } | Self::NoAnswer { .. } | Self::Broken { .. } => true,
            Self::Refused { status, .. } => status.is_server_error(),
            Self::Strange { .. } | Self::Url { .. } | Self::NoToken | Self::TokenRefused { .. } => false,
        }
    }
}

/// What of a problem document (RFC 9457) a person wants to know.
#[derive(Deserialize)]
struct ProblemDocument {
    title: String,
    #[serde(default)]
    detail: String,
}

/// One page of a list.
#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// A client of one tenant's API.
pub(crate) struct HostClient {
    inner: Client<HttpConnector, Full<Bytes>>,
    base: String,
    tenant: String,
    authorization: HeaderValue,
}

impl HostClient {
    /// A client of the host at `url`, with the token of the environment.
    pub(crate) fn new(url: &str, tenant: &str) -> Result<Self, ClientError> {
        let base = base_of(url)?;
        let token = std::env::var(TOKEN_VARIABLE).unwrap_or_default();
        let token = token.trim();
        if token.is_empty() {
            return Err(ClientError::NoToken);
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| ClientError::TokenRefused { base: base.clone(), tenant: tenant.to_owned() })?;
        authorization.set_sensitive(true);
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let inner = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { inner, base, tenant: tenant.to_owned(), authorization })
    }

    /// The tenant.
    pub(crate) fn tenant(&self) -> &str {
        &self.tenant
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::GET, path, None).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, ClientError> {
        self.json(Method::POST, path, Some(("application/json", body.to_string().into()))).await
    }

    /// A POST that does nothing new when it is repeated with the same key.
    pub(crate) async fn post_once<T: DeserializeOwned>(&self, path: &str, key: &str, body: &Value) -> Result<T, ClientError> {
        let mut request = self.request(Method::POST, self.path(path), Some(("application/json", body.to_string().into())))?;
        let key = HeaderValue::from_str(key).map_err(|_| self.strange("an idempotency key is visible ASCII"))?;
        request.headers_mut().insert("idempotency-key", key);
        self.answered(request, path).await
    }

    pub(crate) async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        media_type: &'static str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        self.json(Method::POST, path, Some((media_type, body))).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::DELETE, path, None).await
    }

    /// All items of a list, the earliest first, page after page.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page: Page<T> = self.get(&format!("{path}?order=oldest&limit={PAGE_ITEMS}{after}")).await?;
            all.extend(page.items);
            // A page's next is base64url: nothing in it needs escaping.
            let Some(next) = page.next else { return Ok(all) };
            after = format!("&after={next}");
        }
    }

    /// The last durable record of the tenant, as the host's metrics say; None where they are not to be had (a proxy may keep them back).
    pub(crate) async fn last_record(&self) -> Result<Option<u64>, ClientError> {
        let request = self.request(Method::GET, "/metrics".to_owned(), None)?;
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&self.body(response).await?).into_owned();
        Ok(durable_sequence(&text, &self.tenant))
    }

    /// Opens the live stream; its body is the caller's to read.
    pub(crate) async fn stream(&self, from: Option<u64>, last_event_id: Option<&str>) -> Result<Incoming, ClientError> {
        let query = from.map_or_else(String::new, |from| format!("?from={from}"));
        let mut request = self.request(Method::GET, self.path(&format!("/events{query}")), None)?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_event_id {
            headers.insert("last-event-id", HeaderValue::from_str(id).map_err(|_| self.strange("an event's id is no header value"))?);
        }
        let response = self.send(request).await?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        Err(self.refusal(response).await)
    }

    /// What a broken stream is called.
    pub(crate) fn broken(&self, problem: impl ToString) -> ClientError {
        ClientError::Broken { base: self.base.clone(), problem: problem.to_string() }
    }

    async fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<(&'static str, Bytes)>) -> Result<T, ClientError> {
        self.answered(self.request(method, self.path(path), body)?, path).await
    }

    async fn answered<T: DeserializeOwned>(&self, request: Request<Full<Bytes>>, path: &str) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let body = self.body(response).await?;
        serde_json::from_slice(&body).map_err(|error| self.strange(format!("its answer to {path} is unexpected ({error})")))
    }

    fn path(&self, path: &str) -> String {
        format!("/api/v1/{}{path}", self.tenant)
    }

    fn request(&self, method: Method, path: String, body: Option<(&'static str, Bytes)>) -> Result<Request<Full<Bytes>>, ClientError> {
        let uri = format!("{}{path}", self.base);
        let mut request = Request::builder().method(method).uri(&uri).header(AUTHORIZATION, self.authorization.clone());
        if let Some((media_type, _)) = &body {
            request = request.header(CONTENT_TYPE, *media_type);
        }
        let body = body.map(|(_, bytes)| bytes).unwrap_or_default();
        request.body(Full::new(body)).map_err(|error| ClientError::Url { url: uri, reason: error.to_string() })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        match tokio::time::timeout(ANSWER_TIMEOUT, self.inner.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(ClientError::NobodyListens { base: self.base.clone() }),
            Ok(Err(error)) => Err(self.broken(innermost(&error))),
            Err(_) => Err(ClientError::NoAnswer { base: self.base.clone() }),
        }
    }

    async fn body(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let reading = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        match tokio::time::timeout(ANSWER_TIMEOUT, reading).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) => Err(self.broken(error)),
            Err(_) => Err(ClientError::NoAnswer { base: self.base.clone() }),
        }
    }

    async fn refusal(&self, response: Response<Incoming>) -> ClientError {
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return ClientError::TokenRefused { base: self.base.clone(), tenant: self.tenant.clone() };
        }
        let body = match self.body(response).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match serde_json::from_slice::<ProblemDocument>(&body) {
            Ok(problem) if problem.detail.is_empty() => ClientError::Refused { status, detail: problem.title },
            Ok(problem) => ClientError::Refused { status, detail: problem.detail },
            Err(_) => self.strange(format!("it answered {status} without saying why")),
        }
    }

    fn strange(&self, what: impl Into<String>) -> ClientError {
        ClientError::Strange { base: self.base.clone(), what: what.into() }
    }
}

/// `http://host:port` of what an operator wrote.
fn base_of(url: &str) -> Result<String, ClientError> {
    let wrong = |reason: &str| ClientError::Url { url: url.to_owned(), reason: reason.to_owned() };
    let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong("it cannot be read as a URL"))?;
    let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("it names a user; the token goes into SPORTELLO_TOKEN"));
    }
    match uri.scheme_str() {
        Some("http") if matches!(uri.path(), "" | "/") && uri.query().is_none() => Ok(format!("http://{authority}")),
        Some("http") => Err(wrong("it has a path")),
        Some("https") => Err(wrong("this command speaks plain HTTP, to the host itself and not to a proxy before it")),
        _ => Err(wrong("it does not begin with http://")),
    }
}

/// The value of the gauge `durable_sequence` of a tenant.
fn durable_sequence(metrics: &str, tenant: &str) -> Option<u64> {
    let label = format!("tenant=\"{tenant}\"");
    let is_it = |line: &&str| line.split_once('{').is_some_and(|(name, rest)| name.ends_with("durable_sequence") && rest.contains(&label));
    metrics.lines().find(is_it)?.rsplit(' ').next()?.parse().ok()
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hosts_own_address_is_taken_as_a_url() {
        assert_eq!(base_of("http://127.0.0.1:8470/").unwrap(), "http://127.0.0.1:8470");
        assert_eq!(base_of("http://[::1]:8470").unwrap(), "http://[::1]:8470");
        for (url, reason) in [
            ("https://support.example.com", "plain HTTP"),
            ("http://127.0.0.1:8470/api", "path"),
            ("127.0.0.1:8470", "http://"),
            ("http://anna:secret@127.0.0.1", "SPORTELLO_TOKEN"),
            ("", "read"),
        ] {
            let error = base_of(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn the_last_record_is_found_among_the_metrics_of_several_tenants() {
        let metrics = "# TYPE sportello_durable_sequence gauge\nsportello_durable_sequence{tenant=\"demo\"} 7\n\
                       sportello_durable_sequence{tenant=\"acme\"} 42\n# EOF\n";
        assert_eq!(durable_sequence(metrics, "acme"), Some(42));
        assert_eq!(durable_sequence(metrics, "nobody"), None);
    }
}
