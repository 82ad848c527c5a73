//! Why a request got no answer, and how a guest and the operator are told.
//!
//! Every failure is an answer of `wasi:http`, never a trap. A guest (through its SDK) turns it into one of the contract's errors; what matters
//! most is whether the request may have reached the server:
//!
//! | `wasi:http` error code | happened | may have been sent | contract's error |
//! |---|---|---|---|
//! | `HTTP-request-denied` | origin not granted, header reserved for the host, too many requests in this call, method refused | no | `reject` |
//! | `destination-IP-prohibited` | the name leads to a private or forbidden address | no | `reject` |
//! | `HTTP-request-body-size`, `HTTP-request-header-section-size` | the guest's request is over a cap | no | `reject` |
//! | `internal-error("credential <name>: …")` | not bound, log-in refused, log-in paused after a refusal | no | `auth` |
//! | `internal-error("limit: retry after <n> ms: …")` | the channel's request limit, its concurrency, or a log-in that could not be made | no | `retry(n)` |
//! | `DNS-error`, `connection-refused`, `connection-timeout`, `TLS-protocol-error`, `TLS-certificate-error` | no connection | no | `retry` |
//! | `HTTP-response-timeout`, `connection-terminated`, `HTTP-protocol-error` | no or half an answer | **yes** | `uncertain`, or `retry` for a read |
//! | `HTTP-response-body-size`, `HTTP-response-header-section-size`, `HTTP-response-content-coding` | an answer that cannot be taken | **yes** | `uncertain`, or `reject` for a read |
//!
//! The texts never contain a secret, a path or a query. The operator's text is the `Display` of [`Failure`]; where a line of configuration
//! would change the outcome, it ends with that line.

use std::net::IpAddr;
use std::time::Duration;

use wasmtime_wasi_http::Error;

use super::Origin;
use super::address::Reach;

/// A certificate of an authority nobody named.
pub(super) const UNTRUSTED: &str = "its certificate is not trusted: no authority that this host knows has signed it; if your own has, name \
    that one's certificate for the channels with private-network = true: [outgoing] extra-roots = [\"FILE.pem\"]";

/// Why a request got no answer. `Display` is for the operator.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Failure {
    #[error("request refused: {0}")]
    Denied(String),
    #[error("request to {origin} refused: {}", prohibited(*.address))]
    Address { origin: Origin, address: IpAddr },
    #[error("request to {origin} refused: its body is over {max} bytes")]
    RequestBody { origin: String, max: usize },
    #[error("request to {origin} refused: its headers are over {max} bytes")]
    RequestHeaders { origin: Origin, max: usize },
    #[error("credential {credential}: {reason}")]
    Credential { credential: String, reason: String },
    #[error("limit: retry after {} ms: {reason}", .after.as_millis())]
    Limit { after: Duration, reason: String },
    #[error("no connection to {origin}: the name cannot be resolved: {reason}")]
    Resolution { origin: Origin, reason: String },
    #[error("no connection to {origin}: {reason}")]
    Connection { origin: Origin, reason: String },
    #[error("no connection to {origin} within {} ms", .after.as_millis())]
    ConnectionTimeout { origin: Origin, after: Duration },
    #[error("no encrypted connection to {origin}: {reason}")]
    Tls { origin: Origin, reason: String, certificate: bool },
    #[error("no answer from {origin} within {} ms", .after.as_millis())]
    Timeout { origin: Origin, after: Duration },
    #[error("{origin} closed the connection before its answer was complete")]
    Closed { origin: Origin },
    #[error("{origin} does not speak HTTP as it should: {reason}")]
    Protocol { origin: Origin, reason: String },
    #[error("the answer of {origin} is over {max} bytes")]
    ResponseBody { origin: Origin, max: usize },
    #[error("the headers of the answer of {origin} are over {max} bytes")]
    ResponseHeaders { origin: Origin, max: usize },
    #[error("{origin} answered in the encoding {coding:?}, although none was asked for; secrets cannot be searched for in it")]
    ContentCoding { origin: Origin, coding: String },
}

fn prohibited(address: IpAddr) -> String {
    match Reach::of(address) {
        Reach::Never => format!("the name leads to {address}, which no connector may reach"),
        _ => format!("the name leads to {address}, a private address; if that is meant, add to the channel: private-network = true"),
    }
}

impl Failure {
    /// What the guest gets. `redact` removes secrets from a text.
    pub(super) fn into_wasi(self, redact: impl Fn(&str) -> String) -> Error {
        let size = |bytes: usize| u32::try_from(bytes).ok();
        match self {
            Self::Denied(_) => Error::HttpRequestDenied,
            Self::Address { .. } => Error::DestinationIpProhibited,
            Self::RequestBody { max, .. } => Error::HttpRequestBodySize(Some(max as u64)),
            Self::RequestHeaders { max, .. } => Error::HttpRequestHeaderSectionSize(size(max)),
            Self::Credential { .. } | Self::Limit { .. } => Error::InternalError(Some(redact(&self.to_string()))),
            Self::Resolution { .. } => Error::DnsError { rcode: None, info_code: None },
            Self::Connection { .. } => Error::ConnectionRefused,
            Self::ConnectionTimeout { .. } => Error::ConnectionTimeout,
            Self::Tls { certificate: true, .. } => Error::TlsCertificateError,
            Self::Tls { .. } => Error::TlsProtocolError,
            Self::Timeout { .. } => Error::HttpResponseTimeout,
            Self::Closed { .. } => Error::ConnectionTerminated,
            Self::Protocol { .. } => Error::HttpProtocolError,
            Self::ResponseBody { max, .. } => Error::HttpResponseBodySize(Some(max as u64)),
            Self::ResponseHeaders { max, .. } => Error::HttpResponseHeaderSectionSize(size(max)),
            Self::ContentCoding { coding, .. } => Error::HttpResponseContentCoding(Some(redact(&coding))),
        }
    }

    /// Whether the host refused by policy, for the counters.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Address { .. } | Self::RequestBody { .. } | Self::RequestHeaders { .. })
    }
}
