//! `GET|POST /hooks/{tenant}/{channel}`: deliveries.
//!
//! | what comes | answer | what is kept |
//! |---|---|---|
//! | unknown tenant or channel | 404 | nothing |
//! | body over the limit | 413 | nothing |
//! | body that does not come in time | 408 | nothing |
//! | missing or wrong signature | 401 | nothing, counted |
//! | no room (queue, guests, deliveries or challenges under way) | 503 with Retry-After | nothing: the platform comes again |
//! | signed, and the connector takes it | the connector's answer, or 200 | its interactions, durable |
//! | signed, and the connector fails | 200 | the delivery, sealed and parked, durable |
//! | challenge (GET), also while the channel is quarantined | the connector's answer | nothing |

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sportello_core::ids::ChannelName;
use sportello_runtime::contract::{Carrier, WebhookRequest, WebhookResponse};
use sportello_runtime::{CallFailure, SignatureRefusal};

use crate::channels::LiveChannel;
use crate::desk::{Desk, Host};
use crate::health::Purpose;
use crate::ingress::delivery::{Failure, park, reason};
use crate::ingress::gathering;
use crate::metrics::Outcome;

/// Largest body of a delivery, in bytes. Some platforms send 1,000 updates in one.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Deliveries of one tenant under way at once; beyond, the platform is told to come again.
pub const DELIVERIES_UNDER_WAY_MAX: usize = 512;
/// Challenges of one tenant under way at once. They have places of their own, and guests of their own: anybody can send one, and a platform gives up an address that misses some.
pub const CHALLENGES_UNDER_WAY_MAX: usize = 32;
/// How long a body may take to arrive. Whoever sends it holds one of the places above and has not proved anything yet.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Seconds after which a platform may come again.
const RETRY_AFTER_SECONDS: &str = "2";

/// Headers a guest is never given: they carry secrets, ours or the platform's.
const HEADERS_WITHHELD: [header::HeaderName; 4] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::SET_COOKIE];

/// Takes a delivery or a challenge.
pub async fn handle(State(host): State<Arc<Host>>, Path((tenant, channel)): Path<(String, String)>, request: Request) -> Response {
    let Some(desk) = host.desk(&tenant) else { return not_found(&format!("there is no tenant {tenant:?}")) };
    let Ok(name) = ChannelName::new(channel.clone()) else { return not_found(&format!("there is no channel {channel:?}")) };
    let Some(live) = desk.channels.get(&name) else {
        return match desk.channels.is_configured(&name) {
            Ok(true) => try_later("the channel is not live: no connector is granted to it, or it is disabled"),
            _ => not_found(&format!("there is no channel {channel:?}")),
        };
    };
    if !live.prepared.capabilities().webhook {
        return not_found(&format!("the connector of channel {name} takes no webhooks"));
    }
    match *request.method() {
        Method::GET => challenge(&desk, &live, request).await,
        Method::POST => delivery(&desk, &live, request).await,
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, POST")], "use GET or POST\n").into_response(),
    }
}

async fn delivery(desk: &Arc<Desk>, live: &Arc<LiveChannel>, request: Request) -> Response {
    // Before anything is spent on it: whoever does not even claim to be the platform gets no place.
    if let Err(refusal) = live.runtime.claims_a_signature(request.headers()) {
        return unsigned(desk, live, &refusal);
    }
    let Ok(_place) = desk.deliveries_under_way.try_acquire() else {
        desk.metrics.delivery(&live.name, Outcome::Overloaded);
        return try_later("too many deliveries are under way");
    };
    let (parts, body) = request.into_parts();
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(unread) => {
            if matches!(unread, Unread::TooLarge) {
                desk.metrics.delivery(&live.name, Outcome::TooLarge);
            }
            return unread.into_response();
        }
    };
    let query = query_of(&parts.uri);
    match live.runtime.verify(&parts.headers, &body) {
        Ok(Cow::Borrowed(_)) => deliver(desk, live, query, &parts.headers, body.into()).await,
        Ok(Cow::Owned(document)) => deliver(desk, live, query, &parts.headers, document).await,
        Err(refusal) => unsigned(desk, live, &refusal),
    }
}

fn unsigned(desk: &Desk, live: &LiveChannel, refusal: &SignatureRefusal) -> Response {
    desk.metrics.delivery(&live.name, Outcome::Unsigned);
    tracing::info!(channel = %live.name, problem = %refusal, "a delivery was refused");
    (StatusCode::UNAUTHORIZED, format!("{refusal}\n")).into_response()
}

async fn challenge(desk: &Desk, live: &LiveChannel, request: Request) -> Response {
    let Ok(_place) = desk.challenges_under_way.try_acquire() else { return try_later("too many challenges are under way") };
    let headers = guest_headers(live, request.headers());
    let request = WebhookRequest { method: "GET".to_owned(), query: query_of(request.uri()), headers, body: Vec::new() };
    match live.runtime.challenge(desk.call(live, Purpose::Webhook), &request).await {
        Ok(done) => match done.value.into_iter().next() {
            Some(Ok(outcome)) if outcome.interactions.is_empty() => answer(outcome.response),
            Some(Ok(_)) => bad_gateway("the connector answered a challenge with interactions, which nobody signed"),
            Some(Err(error)) => (StatusCode::FORBIDDEN, format!("{}\n", reason(&error))).into_response(),
            None => bad_gateway("the connector gave no answer"),
        },
        Err(CallFailure::Busy { .. }) => try_later("all guests are busy"),
        Err(failure) => bad_gateway(&failure.to_string()),
    }
}

async fn deliver(desk: &Arc<Desk>, live: &Arc<LiveChannel>, query: Vec<(String, String)>, headers: &HeaderMap, body: Vec<u8>) -> Response {
    let request = WebhookRequest { method: "POST".to_owned(), query, headers: guest_headers(live, headers), body };
    match gathering::deliver(desk, live, request.clone()).await {
        Ok(response) => {
            desk.metrics.delivery(&live.name, Outcome::Taken);
            answer(response)
        }
        Err(Failure::TryLater(problem)) => {
            desk.metrics.delivery(&live.name, Outcome::Overloaded);
            try_later(&problem)
        }
        Err(Failure::Park(cause)) => match park(&desk.tenant, live, &request, &cause).await {
            Ok(delivery) => {
                desk.metrics.delivery(&live.name, Outcome::Parked);
                tracing::warn!(channel = %live.name, %delivery, problem = cause.kind, "a delivery was parked");
                StatusCode::OK.into_response()
            }
            Err(problem) => {
                desk.metrics.delivery(&live.name, Outcome::Overloaded);
                try_later(&problem)
            }
        },
    }
}

/// Why a body was not read.
enum Unread {
    TooLarge,
    TooSlow,
    BrokenOff,
}

impl Unread {
    fn into_response(self) -> Response {
        match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, format!("a delivery has at most {BODY_BYTES_MAX} bytes\n")),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {} seconds\n", BODY_TIME_MAX.as_secs())),
            Self::BrokenOff => (StatusCode::BAD_REQUEST, "the body broke off\n".to_owned()),
        }
        .into_response()
    }
}

async fn read_body(body: Body) -> Result<Bytes, Unread> {
    let whole = tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match whole.map_err(|_| Unread::TooSlow)? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Unread::TooLarge),
        Err(_) => Err(Unread::BrokenOff),
    }
}

fn query_of(uri: &Uri) -> Vec<(String, String)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn guest_headers(live: &LiveChannel, headers: &HeaderMap) -> Vec<(String, String)> {
    let signatures = &live.prepared.manifest().signatures;
    let signs = |name: &str| {
        signatures.iter().any(|signature| matches!(&signature.carrier, Carrier::Header(header) if header.eq_ignore_ascii_case(name)))
    };
    headers
        .iter()
        .filter(|(name, _)| !HEADERS_WITHHELD.contains(name) && !signs(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}

fn answer(response: Option<WebhookResponse>) -> Response {
    let Some(response) = response else { return StatusCode::OK.into_response() };
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK);
    let content_type = HeaderValue::from_str(&response.content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    (status, [(header::CONTENT_TYPE, content_type), (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))], response.body)
        .into_response()
}

fn not_found(problem: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("{problem}\n")).into_response()
}

fn try_later(problem: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)], format!("{problem}; try again later\n")).into_response()
}

fn bad_gateway(problem: &str) -> Response {
    (StatusCode::BAD_GATEWAY, format!("{problem}\n")).into_response()
}
