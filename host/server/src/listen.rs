//! Connections: taken up to a limit, held to a time for their headers, and ended in order.
//!
//! A connection costs memory and a descriptor before anybody has proved who they are, so there are at most
//! [`ListenLimits::connections_max`]; more wait with the system until one ends. Whoever connects has [`ListenLimits::header_time_max`] for the
//! whole head of a request, the next one on a kept connection included, and is hung up on after that.
//!
//! The end: nothing new is taken, idle connections close at once, requests under way finish. What has not ended after
//! [`ListenLimits::end_time_max`] is cut off, so that nobody can keep the host from stopping.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long nothing is accepted after the system refused: descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What connections may cost.
#[derive(Clone, Debug)]
pub(crate) struct ListenLimits {
    /// Connections at once. Default 1,000.
    pub(crate) connections_max: usize,
    /// Time for the head of a request. Default 30 s.
    pub(crate) header_time_max: Duration,
    /// Time for requests under way once the host stops. Default 35 s: a connector's call takes 30 at most.
    pub(crate) end_time_max: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self { connections_max: 1_000, header_time_max: Duration::from_secs(30), end_time_max: Duration::from_secs(35) }
    }
}

/// Serves until `stopping` fires and every connection has ended.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: &ListenLimits, stopping: CancellationToken) {
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let accepting = async {
        loop {
            // Nobody closes the semaphore.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let stream = accept(&listener).await;
            let serving = connection(stream, router.clone(), limits.header_time_max, stopping.clone());
            let cut_off = cut_off.clone();
            connections.spawn(async move {
                let _place = place;
                cut_off.run_until_cancelled(serving).await;
            });
        }
    };
    stopping.run_until_cancelled(accepting).await;
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.end_time_max, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections that did not end in time are cut off");
        cut_off.cancel();
        connections.wait().await;
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    use std::io::ErrorKind;

    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Theirs: they hung up before we came to it.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted; if descriptors have run out, raise the limit of open files");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, header_time_max: Duration, stopping: CancellationToken) {
    // Answers are small and whole: waiting to fill a packet only delays them. A socket that refuses works all the same.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time_max)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    use super::*;

    /// Far longer than any of these tests.
    const LONG: Duration = Duration::from_secs(600);
    /// What must happen at once happens within this, or the test fails.
    const AT_ONCE: Duration = Duration::from_secs(30);
    const REQUEST: &[u8] = b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n";

    struct Served {
        address: SocketAddr,
        stopping: CancellationToken,
        /// A request has come in.
        asked: Arc<Notify>,
        /// Lets it be answered.
        answer: Arc<Notify>,
        task: JoinHandle<()>,
    }

    async fn start(limits: ListenLimits) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, answer, stopping) = (Arc::new(Notify::new()), Arc::new(Notify::new()), CancellationToken::new());
        let (signal, awaited, stop) = (Arc::clone(&asked), Arc::clone(&answer), stopping.clone());
        let slow = move || async move {
            signal.notify_one();
            awaited.notified().await;
            "here it is"
        };
        let router = Router::new().route("/slow", get(slow)).route("/fast", get(|| async { "fast" }));
        let task = tokio::spawn(async move { serve(listener, router, &limits, stop).await });
        Served { address, stopping, asked, answer, task }
    }

    async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        // A connection that is cut off may be reset: what came before counts.
        let _ = tokio::time::timeout(AT_ONCE, stream.read_to_end(&mut bytes)).await.expect("the connection ends");
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn whoever_does_not_finish_a_header_is_hung_up_on() {
        let served = start(ListenLimits { header_time_max: Duration::from_millis(100), ..ListenLimits::default() }).await;
        let said = rest(send(served.address, b"GET /slow HTTP/1.1\r\nhost: he").await).await;
        assert!(!said.contains("200"), "{said}");
    }

    #[tokio::test]
    async fn a_connection_that_does_not_end_does_not_keep_the_host_from_stopping() {
        let limits = ListenLimits { header_time_max: LONG, end_time_max: Duration::from_millis(100), ..ListenLimits::default() };
        let served = start(limits).await;
        let half = send(served.address, b"GET /slow HTTP/1.1\r\nhost: he").await;
        let never_answered = send(served.address, REQUEST).await;
        served.asked.notified().await;
        served.stopping.cancel();
        tokio::time::timeout(AT_ONCE, served.task).await.expect("it ends").unwrap();
        assert_eq!((rest(half).await, rest(never_answered).await), (String::new(), String::new()));
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_before_the_end() {
        let served = start(ListenLimits { end_time_max: LONG, ..ListenLimits::default() }).await;
        let asking = send(served.address, REQUEST).await;
        served.asked.notified().await;
        served.stopping.cancel();
        served.answer.notify_one();
        let said = rest(asking).await;
        assert!(said.starts_with("HTTP/1.1 200 OK") && said.ends_with("here it is"), "{said}");
        tokio::time::timeout(AT_ONCE, served.task).await.expect("it ends").unwrap();
    }

    #[tokio::test]
    async fn a_connection_too_many_waits_until_another_ends() {
        let served = start(ListenLimits { connections_max: 1, ..ListenLimits::default() }).await;
        let first = send(served.address, REQUEST).await;
        served.asked.notified().await;
        let mut second = send(served.address, b"GET /fast HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await;
        let early = tokio::time::timeout(Duration::from_millis(100), second.read_u8()).await;
        assert!(early.is_err(), "the second was served beside the first: {early:?}");
        drop(first);
        let said = rest(second).await;
        assert!(said.ends_with("fast"), "{said}");
    }
}
