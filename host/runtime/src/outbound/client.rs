//! One exchange over the pool: a request out, a whole answer back, within a deadline and under caps.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{CertificateError, RootCertStore};
use tokio::time::{Instant, timeout_at};

use super::Origin;
use super::connect::{ConnectError, Connector, Resolve};
use super::failure::{Failure, UNTRUSTED};

/// Connections kept open per origin while nobody uses them.
const IDLE_CONNECTIONS_PER_ORIGIN_MAX: usize = 8;
/// How long a connection is kept while nobody uses it. Below the servers' own patience, so that a request seldom meets a connection just
/// being closed.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// The most a server's headers may take; hyper's smallest is 8 KiB.
const RESPONSE_HEADER_BYTES_MAX: usize = 64 << 10;
/// The encoding that some servers speak of and do not send.
const GZIP: &str = "gzip";
/// What every gzip begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A pool of connections.
#[derive(Clone)]
pub(super) struct Pool {
    client: Client<Connector, Full<Bytes>>,
}

/// The caps of one exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// When everything must be over.
    pub(super) deadline: Instant,
    /// When the answer's headers must be there.
    pub(super) headers_deadline: Instant,
    pub(super) response_bytes: usize,
}

impl Pool {
    /// A pool whose connections go to private networks only if `allow_private_network`. Pools are never shared across that border: a
    /// connection opened under a grant must not serve a channel without it.
    pub(super) fn new(
        resolver: Arc<dyn Resolve>,
        allow_private_network: bool,
        connect_timeout: Duration,
        roots: RootCertStore,
    ) -> Result<Self, rustls::Error> {
        let connector = Connector::new(resolver, allow_private_network, connect_timeout, roots)?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_ORIGIN_MAX)
            .http1_max_buf_size(RESPONSE_HEADER_BYTES_MAX)
            .http2_max_header_list_size(u32::try_from(RESPONSE_HEADER_BYTES_MAX).unwrap_or(u32::MAX))
            .build(connector);
        Ok(Self { client })
    }

    /// Sends `request` (its URI is absolute, its host is `origin`) and takes the whole answer, trailers dropped.
    ///
    /// A request on a connection that turned out to be closed before anything was written is repeated by the pool on another one; nothing
    /// else is ever repeated here.
    pub(super) async fn exchange(&self, origin: &Origin, request: Request<Full<Bytes>>, caps: Caps) -> Result<Response<Bytes>, Failure> {
        let started = Instant::now();
        let late = || Failure::Timeout { origin: origin.clone(), after: started.elapsed() };
        let response = timeout_at(caps.headers_deadline.min(caps.deadline), self.client.request(request))
            .await
            .map_err(|_| late())?
            .map_err(|error| client_failure(origin, &error))?;
        let (mut parts, body) = response.into_parts();
        check_headers(origin, &parts.headers)?;
        let coding = coding(&parts.headers);
        let encoded = |coding: &str| Failure::ContentCoding { origin: origin.clone(), coding: coding.to_owned() };
        if let Some(coding) = coding.as_deref().filter(|coding| *coding != GZIP) {
            return Err(encoded(coding));
        }
        let body = timeout_at(caps.deadline, collect(origin, body, caps.response_bytes)).await.map_err(|_| late())??;
        if coding.is_some() {
            if body.starts_with(&GZIP_MAGIC) {
                return Err(encoded(GZIP));
            }
            // There are servers that call every longer answer gzip, and send it plain to whoever asks for that.
            parts.headers.remove(http::header::CONTENT_ENCODING);
        }
        // The body is whole: whatever framed it on the way is no longer true.
        parts.headers.remove(http::header::TRANSFER_ENCODING);
        parts.headers.remove(http::header::TRAILER);
        Ok(Response::from_parts(parts, body))
    }
}

fn check_headers(origin: &Origin, headers: &HeaderMap) -> Result<(), Failure> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > RESPONSE_HEADER_BYTES_MAX {
        return Err(Failure::ResponseHeaders { origin: origin.clone(), max: RESPONSE_HEADER_BYTES_MAX });
    }
    Ok(())
}

/// The encoding an answer is said to be in, if in any.
fn coding(headers: &HeaderMap) -> Option<String> {
    let codings = headers.get_all(http::header::CONTENT_ENCODING).iter();
    codings.map(|coding| String::from_utf8_lossy(coding.as_bytes()).to_lowercase()).find(|coding| coding != "identity")
}

async fn collect(origin: &Origin, mut body: Incoming, max: usize) -> Result<Bytes, Failure> {
    let too_large = || Failure::ResponseBody { origin: origin.clone(), max };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| hyper_failure(origin, &error))?;
        if let Ok(data) = frame.into_data() {
            if collected.len() + data.len() > max {
                return Err(too_large());
            }
            collected.extend_from_slice(&data);
        }
    }
    Ok(collected.freeze())
}

fn client_failure(origin: &Origin, error: &ClientError) -> Failure {
    let origin_owned = || origin.clone();
    if let Some(error) = cause::<ConnectError>(error) {
        return match error {
            ConnectError::Resolution(error) => Failure::Resolution { origin: origin_owned(), reason: error.to_string() },
            ConnectError::Prohibited(address) => Failure::Address { origin: origin_owned(), address: *address },
            ConnectError::Connection(error) => Failure::Connection { origin: origin_owned(), reason: error.to_string() },
            ConnectError::Timeout(after) => Failure::ConnectionTimeout { origin: origin_owned(), after: *after },
        };
    }
    if let Some(error) = cause::<rustls::Error>(error) {
        let certificate = matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented);
        let reason = match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => UNTRUSTED.to_owned(),
            error => error.to_string(),
        };
        return Failure::Tls { origin: origin_owned(), reason, certificate };
    }
    if error.is_connect() {
        let reason = innermost(error);
        return if origin.is_secure() {
            Failure::Tls { origin: origin_owned(), reason, certificate: false }
        } else {
            Failure::Connection { origin: origin_owned(), reason }
        };
    }
    match cause::<hyper::Error>(error) {
        Some(error) => hyper_failure(origin, error),
        None => Failure::Closed { origin: origin_owned() },
    }
}

fn hyper_failure(origin: &Origin, error: &hyper::Error) -> Failure {
    let origin = origin.clone();
    if error.is_parse_too_large() {
        Failure::ResponseHeaders { origin, max: RESPONSE_HEADER_BYTES_MAX }
    } else if error.is_parse() {
        Failure::Protocol { origin, reason: innermost(error) }
    } else {
        Failure::Closed { origin }
    }
}

/// The first error of type `E` in the chain of causes. An `io::Error` shows what it wraps not as its cause but in `get_ref`.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

fn innermost(error: &dyn StdError) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
