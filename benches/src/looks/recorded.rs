//! A platform that remembers: what it is asked for the first time it has answered by whoever knows, and gives the same answer from then on.
//!
//! So what is measured is not what a stand-in's own work costs: an answer is found by the whole request and sent.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, DATE, HOST};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::client::Client;
use crate::Problem;

/// Who knows the answers.
pub(super) enum Source {
    /// The server at `http://address:port`.
    Server(String),
    /// A function.
    Function(fn(&Asked) -> Value),
}

/// A request.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Serves on loopback until it is dropped.
pub(super) struct Recorded {
    address: SocketAddr,
    inside: Arc<Inside>,
    serving: JoinHandle<()>,
}

/// What tells requests apart: method, target, body.
type Key = (Method, String, Bytes);
type Answer = Response<Full<Bytes>>;

struct Inside {
    source: Source,
    answers: Mutex<HashMap<Key, Answer>>,
    requests: AtomicUsize,
    /// The requests since somebody began to listen.
    heard: Mutex<Option<Vec<Asked>>>,
}

impl Recorded {
    pub(super) async fn start(source: Source) -> Result<Self, Problem> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let inside = Arc::new(Inside { source, answers: Mutex::default(), requests: AtomicUsize::new(0), heard: Mutex::default() });
        let serving = tokio::spawn(serve(listener, Arc::clone(&inside)));
        Ok(Self { address, inside, serving })
    }

    /// `http://127.0.0.1:port`.
    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Forgets the answers: something has happened there.
    pub(super) fn forget(&self) {
        held(&self.inside.answers).clear();
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> usize {
        self.inside.requests.load(Ordering::Relaxed)
    }

    /// The requests that come while this is done, in order.
    pub(super) async fn asked_during(&self, work: impl Future<Output = Result<(), Problem>>) -> Result<Vec<Asked>, Problem> {
        *held(&self.inside.heard) = Some(Vec::new());
        work.await?;
        Ok(held(&self.inside.heard).take().unwrap_or_default())
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, inside: Arc<Inside>) {
    // An error of one connection is its client's to tell.
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let inside = Arc::clone(&inside);
        let service = service_fn(move |request| {
            let inside = Arc::clone(&inside);
            async move { inside.answer(request).await }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl Inside {
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Problem> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (parts, body) = request.into_parts();
        let target = parts.uri.to_string();
        let asked = Asked { method: parts.method, target, headers: parts.headers, body: body.collect().await?.to_bytes() };
        if let Some(heard) = held(&self.heard).as_mut() {
            heard.push(asked.clone());
        }
        let key: Key = (asked.method.clone(), asked.target.clone(), asked.body.clone());
        let known = held(&self.answers).get(&key).cloned();
        if let Some(answer) = known {
            return Ok(answer);
        }
        let answer = self.source.answer(asked).await?;
        held(&self.answers).insert(key, answer.clone());
        Ok(answer)
    }
}

impl Source {
    async fn answer(&self, mut asked: Asked) -> Result<Answer, Problem> {
        match self {
            Self::Server(base_url) => {
                asked.headers.remove(HOST);
                let mut response = Client::of(base_url.clone()).exchange(&asked).await?.map(Full::new);
                response.headers_mut().remove(DATE);
                Ok(response)
            }
            Self::Function(answer) => {
                let body = Full::new(Bytes::from(answer(&asked).to_string()));
                Ok(Response::builder().header(CONTENT_TYPE, "application/json").body(body)?)
            }
        }
    }
}

/// What a panic elsewhere left behind is as good as before: each entry is whole.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
