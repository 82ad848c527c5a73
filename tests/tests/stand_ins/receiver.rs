//! A receiver of webhooks, as careful as ours must be: it proves itself, and checks each POST before it reads it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ring::hmac;
use serde_json::Value;

/// How one platform's webhooks are proven on both sides.
pub(crate) trait Proof: Send + Sync + 'static {
    /// The body that answers the platform's GET; `None` when the query is not from the platform.
    fn answer(&self, query: &BTreeMap<String, String>) -> Option<String>;

    /// What that body is.
    fn content_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }

    /// Whether a POST is from the platform, and came as it was sent.
    fn is_genuine(&self, headers: &HeaderMap, body: &[u8]) -> bool;
}

/// What a receiver saw, and what it is to answer next (200 when nothing is prescribed; None: too late).
#[derive(Default)]
struct Seen {
    bodies: Vec<Bytes>,
    answers: VecDeque<Option<u16>>,
}

impl Seen {
    /// What to answer.
    fn take(&mut self, body: Bytes) -> Option<u16> {
        let answer = self.answers.pop_front().unwrap_or(Some(200));
        if answer.is_none_or(|status| status == 200) {
            self.bodies.push(body);
        }
        answer
    }
}

#[derive(Clone)]
struct Keeper {
    proof: Arc<dyn Proof>,
    seen: Arc<Mutex<Seen>>,
}

/// A running receiver.
pub(crate) struct Receiver {
    /// Where it takes webhooks.
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Receiver {
    /// Starts at `/hooks/receiver` on a free loopback port.
    pub(crate) async fn start(proof: impl Proof) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let keeper = Keeper { proof: Arc::new(proof), seen: Arc::clone(&seen) };
        let router = Router::new().route("/hooks/receiver", get(answer).post(receive)).with_state(keeper);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let url = format!("http://{}/hooks/receiver", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// Prescribes the statuses of the next genuine POSTs; only one answered 200 is kept.
    pub(crate) fn answer_next(&self, statuses: &[u16]) {
        self.seen.lock().expect("no panic").answers.extend(statuses.iter().copied().map(Some));
    }

    /// Prescribes that the next genuine POST is kept, and answered when nobody waits any more.
    #[allow(dead_code, reason = "the test of the command is late nowhere")]
    pub(crate) fn answer_next_too_late(&self) {
        self.seen.lock().expect("no panic").answers.push_back(None);
    }

    /// The bodies answered 200 or too late, in the order they came.
    pub(crate) fn bodies(&self) -> Vec<Bytes> {
        self.seen.lock().expect("no panic").bodies.clone()
    }

    /// The same, read as JSON.
    pub(crate) fn documents(&self) -> Vec<Value> {
        self.bodies().iter().map(|body| serde_json::from_slice(body).expect("JSON")).collect()
    }
}

async fn answer(State(keeper): State<Keeper>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let kind = [("content-type", keeper.proof.content_type())];
    keeper.proof.answer(&query).map_or_else(|| StatusCode::FORBIDDEN.into_response(), |body| (kind, body).into_response())
}

async fn receive(State(keeper): State<Keeper>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !keeper.proof.is_genuine(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let answer = keeper.seen.lock().expect("no panic").take(body);
    match answer {
        Some(status) => StatusCode::from_u16(status).expect("a status"),
        None => std::future::pending().await,
    }
}

/// Whether a header is `PREFIX` and the encoded HMAC-SHA256 of these bytes.
pub(crate) fn is_signed(
    headers: &HeaderMap,
    (name, prefix): (&str, &str),
    decode: impl Fn(&str) -> Option<Vec<u8>>,
    secret: &str,
    body: &[u8],
) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let encoded = headers.get(name).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix(prefix));
    encoded.and_then(decode).is_some_and(|tag| hmac::verify(&key, body, &tag).is_ok())
}
