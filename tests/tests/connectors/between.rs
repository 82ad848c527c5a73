//! Somebody between a connector and its server: passes requests on, and lets a test act at an exact moment.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use futures_util::future::BoxFuture;
use sportello_tests::servers::gateway;
use tokio::task::JoinHandle;

type Act = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What happens to requests whose text (path, query, body) contains given words.
enum Deed {
    /// The test acts, then the request goes on.
    Before(Act),
    /// The request is served, and its answer lost.
    LoseAnswer,
}

struct Planned {
    words: String,
    left: usize,
    deed: Arc<Deed>,
}

#[derive(Clone)]
struct Inside {
    target: String,
    planned: Arc<Mutex<Vec<Planned>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

/// A running one. Dropping it stops it.
pub(crate) struct Between {
    base_url: String,
    inside: Inside,
    task: JoinHandle<()>,
}

impl Between {
    /// Passes everything on to `target` (`http://127.0.0.1:port`).
    pub(crate) async fn start(target: &str) -> Self {
        let inside = Inside { target: target.to_owned(), planned: Arc::default(), seen: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let base_url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(pass_on).with_state(inside.clone());
        let task = tokio::spawn(async move {
            // It ends only by the abort in Drop.
            let _ = axum::serve(listener, router).await;
        });
        Self { base_url, inside, task }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Acts right before each of the next `times` requests with these words is passed on.
    pub(crate) fn before(&self, words: &str, times: usize, act: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        self.plan(words, times, Deed::Before(Box::new(act)));
    }

    /// Loses the answer to the next request with these words.
    pub(crate) fn lose_answer(&self, words: &str) {
        self.plan(words, 1, Deed::LoseAnswer);
    }

    /// How many requests with these words were passed on.
    pub(crate) fn count(&self, words: &str) -> usize {
        self.inside.seen.lock().expect("no panic while it is held").iter().filter(|text| text.contains(words)).count()
    }

    fn plan(&self, words: &str, times: usize, deed: Deed) {
        let planned = Planned { words: words.to_owned(), left: times, deed: Arc::new(deed) };
        self.inside.planned.lock().expect("no panic while it is held").push(planned);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inside {
    fn deed(&self, text: &str) -> Option<Arc<Deed>> {
        let mut planned = self.planned.lock().expect("no panic while it is held");
        let found = planned.iter_mut().find(|planned| planned.left > 0 && text.contains(&planned.words))?;
        found.left -= 1;
        Some(Arc::clone(&found.deed))
    }
}

async fn pass_on(State(inside): State<Inside>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let text = format!("{uri}\n{}", String::from_utf8_lossy(&body));
    inside.seen.lock().expect("no panic while it is held").push(text.clone());
    let deed = inside.deed(&text);
    if let Some(Deed::Before(act)) = deed.as_deref() {
        act().await;
    }
    let answer = gateway::pass_on(&inside.target, method, &uri, &headers, body).await;
    if matches!(deed.as_deref(), Some(Deed::LoseAnswer)) {
        // A body that breaks off: the client sees a connection that was cut while it waited.
        let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("the answer is lost")) });
        return Response::new(Body::from_stream(broken));
    }
    gateway::handed_back(answer)
}
