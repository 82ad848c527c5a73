//! Somebody between a connector and its server: passes requests on. Before a wiki it lets happen on the way what happens to wikis now and then, so
//! that the same trouble strikes the real one and its stand-in.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::error::Result;
use crate::http_client::{Answer, HttpClient};
use crate::stand_ins::{Faults, Serving};

/// Makes a request as it came, and gives the answer as it came. `target`: `http://127.0.0.1:port`.
///
/// # Errors
/// As [`HttpClient::send`].
pub async fn pass_on(target: &str, method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Result<Answer> {
    let kept = ["content-type", "cookie", "authorization", "if-match", "prefer"].into_iter();
    let kept: Vec<_> = kept.filter_map(|name| Some((name, headers.get(name)?.to_str().ok()?))).collect();
    // A client of its own for each: cookies are the connector's affair.
    HttpClient::default().send(method, &format!("{target}{uri}"), &kept, body).await
}

/// That answer to whoever asked; HTTP 502 where there is none.
pub fn handed_back(answer: Result<Answer>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let Ok(answer) = answer else {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        return response;
    };
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in &answer.headers {
        if !["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
            response.headers_mut().append(name, value.clone());
        }
    }
    *response.body_mut() = Body::from(answer.body);
    response
}

/// Why a wiki refuses for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The account has edited too often; it may read.
    RateLimited,
    /// Nobody can edit; everybody can read.
    ReadOnly,
    /// The database's replicas lag behind: whoever sends `maxlag` is refused, and told when to come again.
    Lagged,
}

impl Refusal {
    fn meets(self, request: &str) -> bool {
        match self {
            Self::RateLimited | Self::ReadOnly => request.contains("action=edit"),
            Self::Lagged => request.contains("maxlag="),
        }
    }

    /// As MediaWiki 1.39 says it (`includes/api/i18n/en.json`, `ApiMain::checkMaxLag`): HTTP 200.
    fn answer(self) -> Response<Body> {
        let (code, info) = match self {
            Self::RateLimited => ("ratelimited", "You've exceeded your rate limit. Please wait some time and try again."),
            Self::ReadOnly => ("readonly", "The wiki is currently in read-only mode."),
            Self::Lagged => ("maxlag", "Waiting for a database server: 7 seconds lagged."),
        };
        let mut response = Response::new(Body::from(json!({"error": {"code": code, "info": info}}).to_string()));
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert("mediawiki-api-error", HeaderValue::from_static(code));
        if self == Self::Lagged {
            headers.insert("retry-after", HeaderValue::from_static("5"));
            headers.insert("x-database-lag", HeaderValue::from_static("7"));
        }
        response
    }
}

#[derive(Debug, Default)]
struct Inside {
    target: String,
    refusal: Mutex<Option<Refusal>>,
    refused: AtomicU64,
    asked: AtomicU64,
    rows: Mutex<Vec<Value>>,
    adds_fields: AtomicBool,
    held_back_since: Mutex<Option<Timestamp>>,
    hidden: Mutex<Option<Range<Timestamp>>>,
    /// Whatever passes holds it for reading.
    barrier: RwLock<()>,
}

/// A running one before a wiki. Dropping it stops it.
#[derive(Debug)]
pub struct Gateway {
    serving: Serving,
    faults: Faults,
    inside: Arc<Inside>,
}

impl Gateway {
    /// Passes everything on to the wiki at `target` (`http://127.0.0.1:port`).
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start(target: &str) -> Result<Self> {
        let inside = Arc::new(Inside { target: target.to_owned(), ..Inside::default() });
        let faults = Faults::default();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&inside));
        Ok(Self { serving: Serving::start(router, faults.clone()).await?, faults, inside })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> String {
        self.serving.base_url()
    }

    /// What can be made to go wrong on the way.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Nothing passes while this is held, and what was passing has its answer.
    pub async fn close(&self) -> RwLockWriteGuard<'_, ()> {
        self.inside.barrier.write().await
    }

    /// From now on refuses for this reason, or for none.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        *held(&self.inside.refusal) = refusal;
    }

    /// Requests refused so far.
    pub fn refused(&self) -> u64 {
        self.inside.refused.load(Ordering::SeqCst)
    }

    /// How often somebody began to read recent changes; going on with the next page is no beginning.
    pub fn times_asked(&self) -> u64 {
        self.inside.asked.load(Ordering::SeqCst)
    }

    /// The next list of recent changes ends with these rows, too.
    pub fn add_rows(&self, rows: Vec<Value>) {
        held(&self.inside.rows).extend(rows);
    }

    /// From now on every object in an answer has a field `shimmer_2027`, which nobody knows.
    pub fn add_fields(&self) {
        self.inside.adds_fields.store(true, Ordering::SeqCst);
    }

    /// Of what was written at this moment or later every second row of recent changes is not to be seen, as on a replica that has not got it yet.
    pub fn hold_back(&self, since: Option<Timestamp>) {
        *held(&self.inside.held_back_since) = since;
    }

    /// What was written in this time is not to be seen among recent changes.
    pub fn hide(&self, time: Option<Range<Timestamp>>) {
        *held(&self.inside.hidden) = time;
    }

    /// What is written from this moment on is to be seen, and what was hidden is not yet.
    pub fn end_hiding(&self, at: Timestamp) {
        if let Some(time) = &mut *held(&self.inside.hidden) {
            time.end = at;
        }
    }
}

fn held<Value>(mutex: &Mutex<Value>) -> MutexGuard<'_, Value> {
    mutex.lock().expect("no panic while it is held")
}

async fn serve(State(inside): State<Arc<Inside>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let request = format!("{uri}\n{}", String::from_utf8_lossy(&body));
    let reads_changes = request.contains("list=recentchanges");
    if reads_changes && request.contains("rcstart=") {
        inside.asked.fetch_add(1, Ordering::SeqCst);
    }
    let refusal = held(&inside.refusal).filter(|refusal| refusal.meets(&request));
    if let Some(refusal) = refusal {
        inside.refused.fetch_add(1, Ordering::SeqCst);
        return refusal.answer();
    }
    let passing = inside.barrier.read().await;
    let answer = pass_on(&inside.target, method, &uri, &headers, body).await;
    drop(passing);
    handed_back(answer.map(|answer| inside.changed(answer, reads_changes)))
}

impl Inside {
    fn changed(&self, answer: Answer, reads_changes: bool) -> Answer {
        let Ok(mut reply) = answer.json() else { return answer };
        if reads_changes && let Some(Value::Array(rows)) = reply.pointer_mut("/query/recentchanges") {
            let at = |row: &Value| row["timestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            if let Some(since) = *held(&self.held_back_since) {
                let is_late = |row: &Value| at(row).is_some_and(|at| at >= since);
                rows.retain(|row| !is_late(row) || row["rcid"].as_u64().is_none_or(|id| id % 2 == 0));
            }
            if let Some(time) = &*held(&self.hidden) {
                rows.retain(|row| at(row).is_none_or(|at| !time.contains(&at)));
            }
            rows.append(&mut held(&self.rows));
        }
        if self.adds_fields.load(Ordering::SeqCst) {
            add_fields(&mut reply);
        }
        Answer { body: reply.to_string().into(), ..answer }
    }
}

fn add_fields(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(add_fields),
        Value::Object(fields) => {
            fields.values_mut().for_each(add_fields);
            fields.insert("shimmer_2027".to_owned(), json!({"hue": 7}));
        }
        _ => {}
    }
}
