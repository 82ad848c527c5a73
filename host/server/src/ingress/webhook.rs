//! `GET|POST /hooks/{tenant}/{channel}`: deliveries.
//!
//! | what comes | answer | what is kept |
//! |---|---|---|
//! | unknown tenant or channel | 404 | nothing |
//! | body over the limit | 413 | nothing |
//! | body that does not come in time | 408 | nothing |
//! | missing or wrong signature | 401 | nothing, counted |
//! | no room (queue, guests, deliveries under way) | 503 with Retry-After | nothing: the platform comes again |
//! | signed, and the connector takes it | the connector's answer, or 200 | its interactions, durable |
//! | signed, and the connector fails | 200 | the delivery, sealed and parked, durable |
//! | challenge (GET) | the connector's answer | nothing |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sportello_core::commands::{Accepted, ParkDelivery};
use sportello_core::ids::{ChannelName, DeliveryId};
use sportello_core::refusal::Refusal;
use sportello_runtime::CallFailure;
use sportello_runtime::contract::{ConnectorError, WebhookRequest, WebhookResponse};

use crate::channels::LiveChannel;
use crate::desk::{Desk, Host};
use crate::ingress::take_in::{Brought, TakeInError, take_in};
use crate::metrics::Outcome;
use crate::tenant::content::DeliveryContent;
use crate::tenant::{SubmitError, Tenant};

/// Largest body of a delivery, in bytes. Some platforms send 1,000 updates in one.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Deliveries of one tenant under way at once; beyond, the platform is told to come again.
pub const DELIVERIES_UNDER_WAY_MAX: usize = 512;
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
    let Ok(_place) = desk.deliveries_under_way.try_acquire() else {
        desk.metrics.delivery(&name, Outcome::Overloaded);
        return try_later("too many deliveries are under way");
    };
    let (parts, body) = request.into_parts();
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(unread) => {
            if matches!(unread, Unread::TooLarge) {
                desk.metrics.delivery(&name, Outcome::TooLarge);
            }
            return unread.into_response();
        }
    };
    let query = query_of(parts.uri.query().unwrap_or_default());
    match parts.method {
        Method::GET => challenge(&desk, &live, query, &parts.headers).await,
        Method::POST => {
            if let Err(problem) = verify(&live, &parts.headers, &body) {
                desk.metrics.delivery(&name, Outcome::Unsigned);
                tracing::info!(channel = %name, problem, "a delivery was refused");
                return (StatusCode::UNAUTHORIZED, format!("{problem}\n")).into_response();
            }
            deliver(&desk, &live, query, &parts.headers, body).await
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, POST")], "use GET or POST\n").into_response(),
    }
}

fn verify(live: &LiveChannel, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    live.runtime.verify(headers, body).map_err(|refusal| refusal.to_string())
}

async fn challenge(desk: &Desk, live: &LiveChannel, query: Vec<(String, String)>, headers: &HeaderMap) -> Response {
    let request = WebhookRequest { method: "GET".to_owned(), query, headers: guest_headers(live, headers), body: Vec::new() };
    match live.runtime.webhook(desk.call(live), vec![request]).await {
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

async fn deliver(desk: &Desk, live: &LiveChannel, query: Vec<(String, String)>, headers: &HeaderMap, body: Bytes) -> Response {
    let request = WebhookRequest { method: "POST".to_owned(), query, headers: guest_headers(live, headers), body: body.to_vec() };
    match process(desk, live, request.clone(), None).await {
        Ok(taken) => {
            desk.metrics.delivery(&live.name, Outcome::Taken);
            desk.metrics.ingested(&live.name, taken.accepted);
            answer(taken.response)
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

/// What was taken in, and what the platform is to be told.
pub(crate) struct Taken {
    pub(crate) accepted: Accepted,
    pub(crate) response: Option<WebhookResponse>,
}

/// Why a delivery was not taken in.
pub(crate) enum Failure {
    /// Nothing is wrong with it: there is no room now.
    TryLater(String),
    /// The connector could not take it.
    Park(Cause),
}

/// Why a delivery is set aside. A connector's own words may quote the delivery, so they are kept sealed with it and shown only to who may
/// read it; what stands in the journal in clear says the kind alone.
pub(crate) struct Cause {
    /// In our own words, nothing of the delivery in it.
    kind: String,
    /// The connector's words.
    detail: Option<String>,
}

impl Cause {
    fn of_failure(failure: &CallFailure) -> Self {
        match failure {
            // These two say what the connector returned.
            CallFailure::Output { .. } | CallFailure::Unreadable { .. } => Self {
                kind: "the connector answered against the contract; details are kept with the delivery".to_owned(),
                detail: Some(failure.to_string()),
            },
            _ => Self { kind: failure.to_string(), detail: None },
        }
    }

    fn of_error(error: &ConnectorError) -> Self {
        let kind = match error {
            ConnectorError::Retry(_) => "the connector asks to try again",
            ConnectorError::RateLimited(_) => "the connector says that the platform limits it",
            ConnectorError::Auth(_) => "the connector says that a credential does not work",
            ConnectorError::Reject(_) => "the connector cannot read it",
            ConnectorError::Uncertain(_) => "the connector is not sure what became of it",
        };
        Self { kind: format!("{kind}; its words are kept with the delivery"), detail: Some(reason(error)) }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.detail.as_deref().unwrap_or(&self.kind))
    }
}

/// How often the connector reads a delivery, should another call change its state meanwhile each time.
const READINGS_MAX: u32 = 8;

/// Has the connector read one delivery and takes in what it found.
pub(crate) async fn process(
    desk: &Desk,
    live: &LiveChannel,
    request: WebhookRequest,
    replayed: Option<DeliveryId>,
) -> Result<Taken, Failure> {
    let mut readings = 1;
    loop {
        let done = match live.runtime.webhook(desk.call(live), vec![request.clone()]).await {
            Ok(done) => done,
            Err(failure @ CallFailure::Busy { .. }) => return Err(Failure::TryLater(failure.to_string())),
            Err(failure) => return Err(Failure::Park(Cause::of_failure(&failure))),
        };
        desk.diagnostics(live, &done.diagnostics, done.diagnostics_dropped);
        let outcome = match done.value.into_iter().next() {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => return Err(Failure::Park(Cause::of_error(&error))),
            None => return Err(Failure::Park(Cause { kind: "the connector gave no answer".to_owned(), detail: None })),
        };
        let brought =
            Brought { interactions: &outcome.interactions, input: &request.body, cursor: None, state_writes: &done.state_writes, replayed };
        match take_in(&desk.tenant, live, &brought).await {
            Ok(accepted) => return Ok(Taken { accepted, response: outcome.response }),
            Err(error) if error.asks_for_another_call() && readings < READINGS_MAX => readings += 1,
            Err(error) if error.asks_for_another_call() => return Err(Failure::TryLater(error.to_string())),
            // Somebody in it is being erased, which is over in a moment; parked, the delivery would be destroyed with them.
            Err(TakeInError::Submit(SubmitError::Refused(refusal @ (Refusal::ProfileErased(_) | Refusal::ProfileChanged(_))))) => {
                return Err(Failure::TryLater(refusal.to_string()));
            }
            Err(TakeInError::Submit(SubmitError::Refused(refusal))) => {
                return Err(Failure::Park(Cause { kind: refusal.to_string(), detail: None }));
            }
            Err(error) => return Err(Failure::TryLater(error.to_string())),
        }
    }
}

async fn park(tenant: &Tenant, live: &LiveChannel, request: &WebhookRequest, cause: &Cause) -> Result<DeliveryId, String> {
    let content = DeliveryContent {
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: base64::engine::general_purpose::STANDARD.encode(&request.body),
        problem: cause.detail.clone(),
    };
    let slot = tenant.new_slot().map_err(|error| error.to_string())?;
    let sealed = tenant.seal(slot, &content).map_err(|error| error.to_string())?;
    let command = ParkDelivery { channel: live.name.clone(), slot, sealed, problem: cause.kind.clone() };
    match tenant.submit(&format!("channel:{}", live.name), command).await {
        Ok(Accepted::Delivery(delivery)) => Ok(delivery),
        Ok(_) => Err("the delivery was not parked".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A parked delivery as the connector is given it again.
pub(crate) fn unparked(content: DeliveryContent) -> Option<WebhookRequest> {
    let body = base64::engine::general_purpose::STANDARD.decode(content.body).ok()?;
    Some(WebhookRequest { method: "POST".to_owned(), query: content.query, headers: content.headers, body })
}

/// What a connector says went wrong, without the kind.
pub(crate) fn reason(error: &ConnectorError) -> String {
    match error {
        ConnectorError::Retry(retry) => retry.reason.clone(),
        ConnectorError::RateLimited(limit) => limit.reason.clone(),
        ConnectorError::Auth(reason) | ConnectorError::Reject(reason) | ConnectorError::Uncertain(reason) => reason.clone(),
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

fn query_of(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn guest_headers(live: &LiveChannel, headers: &HeaderMap) -> Vec<(String, String)> {
    let signature = live.prepared.manifest().signature.as_ref().map(|signature| signature.header.as_str());
    headers
        .iter()
        .filter(|(name, _)| !HEADERS_WITHHELD.contains(name) && Some(name.as_str()) != signature)
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
