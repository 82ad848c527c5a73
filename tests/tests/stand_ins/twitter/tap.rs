//! What goes over the wire between a client and the stand-in: a relay that notes it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use sportello_tests::http_client::HttpClient;

/// One request with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// None: it has none.
    pub(crate) body: Option<Value>,
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) answer: Value,
}

#[derive(Clone)]
pub(crate) struct Tap {
    /// Where it listens: what the stand-in's own address is elsewhere.
    pub(crate) url: String,
    behind: String,
    http: Arc<HttpClient>,
    noted: Arc<Mutex<Vec<Exchange>>>,
}

impl Tap {
    /// Relays to a server.
    pub(crate) async fn before(behind: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let tap = Self { url, behind, http: Arc::default(), noted: Arc::default() };
        let router = Router::new().fallback(relay).with_state(tap.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        tap
    }

    pub(crate) fn noted(&self) -> Vec<Exchange> {
        self.noted.lock().expect("no panic").clone()
    }
}

async fn relay(
    State(tap): State<Tap>,
    method: Method,
    uri: Uri,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let of_answer = ["content-type", "x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"];
    let sent: Vec<(&str, &str)> =
        ["authorization", "content-type"].iter().filter_map(|name| Some((*name, headers.get(*name)?.to_str().ok()?))).collect();
    let answer = tap.http.send(method.clone(), &format!("{}{uri}", tap.behind), &sent, body.clone()).await.expect("an answer");
    tap.noted.lock().expect("no panic").push(Exchange {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query,
        body: (!body.is_empty()).then(|| serde_json::from_slice(&body).unwrap_or(Value::Null)),
        status: answer.status,
        content_type: answer.header("content-type").to_owned(),
        answer: answer.json().unwrap_or_default(),
    });
    let status = axum::http::StatusCode::from_u16(answer.status).expect("a status");
    let mut response = (status, answer.body).into_response();
    response.headers_mut().remove("content-type");
    for name in of_answer {
        if let Some(value) = answer.headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
