//! What can go wrong between a client and a platform, on demand.
//!
//! A fault is armed for requests whose text (`METHOD /path?query`, a line break, the body) contains given words, and strikes a given number
//! of times. It is driven by the test, never by a clock: a held request stays held until the test lets it go, and the test can wait until
//! the request has arrived. So a crash can be placed exactly: before the platform's commit, or after it and before the answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use jiff::Timestamp;
use tokio::sync::watch;

use super::patience::Patience;

/// The biggest request body a stand-in reads, in bytes.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What is shown of a request that met trouble.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answer with this status; nothing happens on the platform.
    Refuse {
        /// The HTTP status, for instance 503.
        status: u16,
        /// `Retry-After` in seconds, if any.
        retry_after_s: Option<u32>,
    },
    /// Answer with this JSON, which says that it was not done; nothing happens on the platform.
    Decline {
        /// The HTTP status; some platforms say it with 200.
        status: u16,
        /// What it says.
        json: &'static str,
        /// The headers that say so, too.
        headers: &'static [(&'static str, &'static str)],
    },
    /// The same, and another header names the second of 1970 from which on it may be done, so many seconds later on the platform's clock.
    DeclineUntil {
        /// The HTTP status.
        status: u16,
        /// What it says.
        json: &'static str,
        /// The headers that say so, too.
        headers: &'static [(&'static str, &'static str)],
        /// The header that says until when, and in how many seconds that is.
        until: (&'static str, u32),
    },
    /// It happens on the platform, but the answer is this status.
    RefuseAfterEffect {
        /// The HTTP status, for instance 502.
        status: u16,
    },
    /// Nothing happens on the platform, and no answer comes: the connection ends. A client that waits until its time is over knows no more than one
    /// whose connection ended, and guests are told the same (`docs/contract.md`), so this is a time-out without the waiting.
    NoAnswer,
    /// It happens on the platform, and no answer comes: the connection ends.
    NoAnswerAfterEffect,
    /// Nothing happens until [`FaultHandle::release`]; then the request is served.
    HoldBefore,
    /// Nothing happens until [`FaultHandle::release`], and then the connection ends without an answer.
    HoldInVain,
    /// It happens on the platform; the answer is held until [`FaultHandle::release`].
    HoldAfter,
    /// It happens on the platform; half of the body is sent, the rest only after [`FaultHandle::release`].
    SlowBody,
    /// It happens on the platform; half of the body is sent, then the connection breaks.
    BrokenBody,
}

/// What can become of a request anywhere.
pub const TROUBLES: [Fault; 8] = [
    Fault::Refuse { status: 429, retry_after_s: Some(90) },
    Fault::Refuse { status: 503, retry_after_s: None },
    Fault::Refuse { status: 502, retry_after_s: Some(30) },
    Fault::RefuseAfterEffect { status: 502 },
    Fault::NoAnswer,
    Fault::NoAnswerAfterEffect,
    Fault::BrokenBody,
    Fault::SlowBody,
];

#[derive(Debug)]
struct Armed {
    fault: Fault,
    words: Vec<String>,
    left: Mutex<Left>,
    struck: watch::Sender<usize>,
    /// The last request it struck.
    met: Mutex<String>,
    released: watch::Sender<bool>,
}

/// Requests with the words of a fault that are still to come.
#[derive(Debug)]
struct Left {
    /// How many it lets pass.
    passing: usize,
    /// How many it strikes then.
    striking: usize,
}

impl Left {
    /// Whether it strikes this one.
    fn take(&mut self) -> bool {
        if self.passing > 0 {
            self.passing -= 1;
            return false;
        }
        let strikes = self.striking > 0;
        self.striking -= usize::from(strikes);
        strikes
    }
}

/// The faults armed at one stand-in.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    armed: Arc<Mutex<Vec<Arc<Armed>>>>,
    weather: Arc<Mutex<Option<Weather>>>,
    clock: Arc<OnceLock<Clock>>,
    patience: Arc<Mutex<Patience>>,
    requests: Arc<AtomicU64>,
}

/// What tells the time.
struct Clock(Box<dyn Fn() -> Timestamp + Send + Sync>);

impl std::fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0().fmt(formatter)
    }
}

/// Trouble without a plan.
#[derive(Debug)]
struct Weather {
    percent: u8,
    random: fastrand::Rng,
    more: &'static [Fault],
    struck: usize,
}

/// What a request contains that spends a token which works once. Its successor is in the answer: were that lost, no client could go on, and a person
/// would have to authorise it anew. So trouble by chance comes to it before anything has happened.
pub const SPENDS: &str = "grant_type=refresh_token";

/// How long a slow body pauses in the middle when nobody holds it.
const SLOW: std::time::Duration = std::time::Duration::from_millis(15);

/// One armed fault: wait for it, let it go.
#[derive(Debug, Clone)]
pub struct FaultHandle(Arc<Armed>);

impl FaultHandle {
    /// Waits until the fault has struck `times` times.
    pub async fn struck(&self, times: usize) {
        // The sender lives in the handle itself, so waiting cannot fail.
        let _ = self.0.struck.subscribe().wait_for(|struck| *struck >= times).await;
    }

    /// How often it has struck.
    pub fn count(&self) -> usize {
        *self.0.struck.borrow()
    }

    /// The beginning of the request it struck last: method, path and query, a line break, the body.
    pub fn met(&self) -> String {
        self.0.met.lock().expect("no panic while faults are held").chars().take(SHOWN_CHARACTERS_MAX).collect()
    }

    /// It strikes no more.
    pub fn disarm(&self) {
        self.0.left.lock().expect("no panic while faults are held").striking = 0;
    }

    /// Lets go everything it holds, and what it would hold later.
    pub fn release(&self) {
        self.0.released.send_replace(true);
    }
}

impl Faults {
    /// From now on the time is what this clock says, which both sides go by. Without one it is the machine's, and nobody comes too early.
    pub fn go_by(&self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) {
        // There is one clock; the first stays.
        let _ = self.clock.set(Clock(Box::new(clock)));
    }

    /// Requests that came so far, whatever became of them.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn now(&self) -> Option<Timestamp> {
        self.clock.get().map(|clock| clock.0())
    }

    /// The other side was stopped: what was answered at this moment may have been heard by nobody.
    pub fn is_cut_off(&self) {
        if let Some(now) = self.now() {
            self.patience.lock().expect("no panic while faults are held").is_cut_off(now);
        }
    }

    /// Requests that came before the time at which an answer to one of the same kind had said to come again (`Retry-After` and the platforms' own
    /// headers), the first twenty.
    pub fn too_early(&self) -> Vec<String> {
        self.patience.lock().expect("no panic while faults are held").too_early().to_vec()
    }

    /// Arms `fault` for the next `times` requests that contain all `words`.
    pub fn arm(&self, fault: Fault, words: &[&str], times: usize) -> FaultHandle {
        self.arm_behind(0, fault, words, times)
    }

    /// The same, once so many requests with these words have passed.
    pub fn arm_behind(&self, passing: usize, fault: Fault, words: &[&str], times: usize) -> FaultHandle {
        let armed = Arc::new(Armed {
            fault,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            left: Mutex::new(Left { passing, striking: times }),
            struck: watch::Sender::new(0),
            met: Mutex::default(),
            released: watch::Sender::new(false),
        });
        self.armed.lock().expect("no panic while faults are held").push(Arc::clone(&armed));
        FaultHandle(armed)
    }

    /// From now on this share of all requests meets trouble, of a kind chosen each time: refused before or after it happened, told to come again later,
    /// not answered at all whether it happened or not, answered slowly, or the connection breaks in the middle of the answer; or it is one of `more`, as
    /// the platform alone knows them. The same seed is the same trouble for the same requests. Zero ends it.
    pub fn at_random(&self, percent: u8, seed: u64, more: &'static [Fault]) {
        let weather = Weather { percent, random: fastrand::Rng::with_seed(seed), more, struck: 0 };
        *self.weather.lock().expect("no panic while faults are held") = Some(weather);
    }

    /// How many requests met trouble that was not planned.
    pub fn struck_at_random(&self) -> usize {
        self.weather.lock().expect("no panic while faults are held").as_ref().map_or(0, |weather| weather.struck)
    }

    fn by_chance(&self, text: &str) -> Option<Fault> {
        let mut weather = self.weather.lock().expect("no panic while faults are held");
        let weather = weather.as_mut()?;
        if weather.random.u8(0..100) >= weather.percent {
            return None;
        }
        weather.struck += 1;
        let refusal = Fault::Refuse { status: 503, retry_after_s: None };
        // So long that it is judged whether it is waited for.
        let limit = Fault::Refuse { status: 429, retry_after_s: Some(300) };
        let lost = [Fault::RefuseAfterEffect { status: 502 }, Fault::NoAnswerAfterEffect, Fault::BrokenBody];
        let kinds = [refusal, limit, Fault::NoAnswer, lost[0], lost[1], lost[2], Fault::SlowBody];
        let fault = *weather.random.choice(kinds.iter().chain(weather.more).collect::<Vec<_>>())?;
        Some(if lost.contains(&fault) && text.contains(SPENDS) { refusal } else { fault })
    }

    /// Disarms everything; what is held is let go.
    pub fn clear(&self) {
        for armed in self.armed.lock().expect("no panic while faults are held").drain(..) {
            armed.released.send_replace(true);
        }
    }

    fn strike(&self, text: &str) -> Option<Arc<Armed>> {
        let armed = self.armed.lock().expect("no panic while faults are held");
        let strikes = |armed: &&Arc<Armed>| {
            let is_meant = armed.words.iter().all(|word| text.contains(word.as_str()));
            is_meant && armed.left.lock().expect("no panic while faults are held").take()
        };
        armed.iter().find(strikes).cloned().inspect(|armed| {
            text.clone_into(&mut armed.met.lock().expect("no panic while faults are held"));
            armed.struck.send_modify(|struck| *struck += 1);
        })
    }
}

/// The middleware in front of every stand-in.
pub(crate) async fn apply(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    faults.requests.fetch_add(1, Ordering::Relaxed);
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let text = format!("{} {}\n{}", parts.method, parts.uri, String::from_utf8_lossy(&bytes));
    let request = Request::from_parts(parts, Body::from(bytes));
    let patience = || faults.patience.lock().expect("no panic while faults are held");
    if let Some(now) = faults.now() {
        patience().comes(&text, now);
    }
    let (response, is_whole) = answer(&faults, &text, request, next).await;
    if let Some(now) = faults.now().filter(|_| is_whole) {
        patience().answered(&text, response.headers(), now);
    }
    response
}

/// The answer, and whether all of it comes at once.
async fn answer(faults: &Faults, text: &str, request: Request, next: Next) -> (Response, bool) {
    let (fault, mut released) = match faults.strike(text) {
        Some(armed) => (armed.fault, armed.released.subscribe()),
        None => match faults.by_chance(text) {
            Some(fault) => (fault, released_soon()),
            None => return (next.run(request).await, true),
        },
    };
    let response = match fault {
        Fault::Refuse { status, retry_after_s } => refusal(status, retry_after_s),
        Fault::Decline { status, json, headers } => declined(status, json, headers),
        Fault::DeclineUntil { status, json, headers, until: (name, seconds) } => {
            let mut response = declined(status, json, headers);
            response
                .headers_mut()
                .insert(name, HeaderValue::from(faults.now().unwrap_or_else(Timestamp::now).as_second() + i64::from(seconds)));
            response
        }
        Fault::RefuseAfterEffect { status } => {
            next.run(request).await;
            refusal(status, None)
        }
        Fault::NoAnswer => no_answer(),
        Fault::NoAnswerAfterEffect => {
            next.run(request).await;
            no_answer()
        }
        Fault::HoldBefore => {
            release(&mut released).await;
            next.run(request).await
        }
        Fault::HoldInVain => {
            release(&mut released).await;
            no_answer()
        }
        Fault::HoldAfter => {
            let response = next.run(request).await;
            release(&mut released).await;
            response
        }
        Fault::SlowBody => in_halves(next.run(request).await, Some(released)).await,
        Fault::BrokenBody => in_halves(next.run(request).await, None).await,
    };
    (response, !matches!(fault, Fault::SlowBody | Fault::BrokenBody))
}

/// Where nobody is there to let it go.
fn released_soon() -> watch::Receiver<bool> {
    let (release, released) = watch::channel(false);
    tokio::spawn(async move {
        tokio::time::sleep(SLOW).await;
        // Whoever asked may be gone.
        let _ = release.send(true);
    });
    released
}

async fn release(released: &mut watch::Receiver<bool>) {
    // Nobody who could let it go is left: then it is let go.
    let _ = released.wait_for(|released| *released).await;
}

/// Ends the connection: what serves it ends with whatever serves a request on it. Nothing is printed.
fn no_answer() -> ! {
    std::panic::resume_unwind(Box::new("the stand-in does not answer"))
}

fn refusal(status: u16, retry_after_s: Option<u32>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = (status, "<html><body>The stand-in was told to fail.</body></html>").into_response();
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    }
    response
}

fn declined(status: u16, json: &'static str, headers: &[(&'static str, &'static str)]) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = (status, [("content-type", "application/json; charset=utf-8")], json).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    response
}

/// Sends half of the body, then waits until it is released and sends the rest, or breaks the connection when there is nothing to wait for.
async fn in_halves(response: Response, released: Option<watch::Receiver<bool>>) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let (first, second) = (bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..));
    let rest = async move {
        match released {
            Some(mut released) => {
                release(&mut released).await;
                Ok(second)
            }
            None => Err(std::io::Error::other("the stand-in broke the connection")),
        }
    };
    let halves = stream::once(async move { Ok::<Bytes, std::io::Error>(first) });
    Response::from_parts(parts, Body::from_stream(futures_util::StreamExt::chain(halves, stream::once(rest))))
}
