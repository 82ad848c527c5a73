//! Where a platform delivers to a connector: verifies the signature as the host does, hands over, and keeps what the connector makes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sportello_runtime::contract::{Interaction, WebhookRequest};
use tokio::task::JoinHandle;

use super::driver::{Driver, Line};

#[derive(Clone)]
struct Inside {
    line: Line,
    taken: Arc<Mutex<Vec<Interaction>>>,
}

/// A running one. Dropping it stops it.
pub(crate) struct Inbox {
    /// Where it takes challenges and deliveries.
    pub(crate) url: String,
    taken: Arc<Mutex<Vec<Interaction>>>,
    task: JoinHandle<()>,
}

impl Inbox {
    /// Opens one for the driver's channel, on a free loopback port.
    pub(crate) async fn open(driver: &Driver) -> Self {
        let inside = Inside { line: driver.line(), taken: Arc::default() };
        let taken = Arc::clone(&inside.taken);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let url = format!("http://{}/hooks/inbox", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(take_in).with_state(inside);
        let task = tokio::spawn(async move {
            // It ends only by the abort in Drop.
            let _ = axum::serve(listener, router).await;
        });
        Self { url, taken, task }
    }

    /// What was delivered since the last time this was asked, doubled ones included, in the order it came.
    pub(crate) fn take(&self) -> Vec<Interaction> {
        std::mem::take(&mut *self.taken.lock().expect("no panic while it is held"))
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take_in(
    State(inside): State<Inside>,
    method: Method,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = match method == Method::POST {
        true => match inside.line.channel.verify(&headers, &body) {
            Ok(signed) => signed.into_owned(),
            Err(_) => return StatusCode::UNAUTHORIZED.into_response(),
        },
        false => Vec::new(),
    };
    let request = WebhookRequest { method: method.to_string(), query: query.into_iter().collect(), headers: Vec::new(), body };
    match inside.line.webhook(request).await {
        Ok(outcome) => {
            inside.taken.lock().expect("no panic while it is held").extend(outcome.interactions);
            let Some(response) = outcome.response else { return StatusCode::OK.into_response() };
            let status = StatusCode::from_u16(response.status).expect("a status");
            (status, [("content-type", response.content_type)], response.body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
    }
}
