//! What may not be exceeded: sizes, times, numbers.

use std::convert::Infallible;

use contract::RequestLimit;
use futures_util::StreamExt as _;
use wasmtime_wasi_http::RequestOptions;

use super::*;

/// A body of unknown length.
fn streamed(chunks: usize) -> Body {
    Body::from_stream(futures_util::stream::iter((0..chunks).map(|_| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1000])))))
}

#[tokio::test]
async fn response_over_the_cap_is_refused_whether_announced_or_not() {
    let server = Server::start(|seen| match seen.uri.path() {
        "/announced" => ok("x".repeat(10_001)),
        "/streamed" => ok(streamed(11)),
        _ => ok(streamed(10)),
    })
    .await;
    let mut setup = Setup::for_server(&server);
    setup.limits.response_body_bytes_max = 10_000;
    let channel = setup.build();
    for path in ["/announced", "/streamed"] {
        let outcome = get(&channel, &server.url(path)).await;
        assert!(matches!(outcome, Err(Error::HttpResponseBodySize(Some(10_000)))), "{path}: {outcome:?}");
    }
    assert_eq!(get(&channel, &server.url("/")).await.unwrap().body.len(), 10_000);
}

#[tokio::test]
async fn a_calls_answers_have_a_cap_together() {
    let server = Server::start(|_| ok("x".repeat(1000))).await;
    let mut setup = Setup::for_server(&server);
    setup.limits.response_bytes_per_call_max = 2500;
    let mut call = Call::new(&setup.build());
    for _ in 0..2 {
        call.get(&server.url("/")).await.unwrap();
    }
    let outcome = call.get(&server.url("/")).await;
    assert!(matches!(outcome, Err(Error::HttpResponseBodySize(Some(500)))), "{outcome:?}");
}

#[tokio::test]
async fn headers_of_an_answer_have_a_cap() {
    let server = Server::start(|_| Response::builder().header("x-long", "x".repeat(70_000)).body(Body::empty()).unwrap()).await;
    let outcome = get(&Setup::for_server(&server).build(), &server.url("/")).await;
    assert!(matches!(outcome, Err(Error::HttpResponseHeaderSectionSize(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_request_over_its_caps_is_not_sent() {
    let server = Server::start(|_| ok("never")).await;
    let mut setup = Setup::for_server(&server);
    setup.limits.request_body_bytes_max = 1000;
    setup.limits.request_header_bytes_max = 1000;
    let channel = setup.build();
    let body = Call::new(&channel).send(Request::post(server.url("/")), &"x".repeat(1001)).await;
    assert!(matches!(body, Err(Error::HttpRequestBodySize(Some(1000)))), "{body:?}");
    let header = Call::new(&channel).send(Request::get(server.url("/")).header("x-long", "x".repeat(1000)), "").await;
    assert!(matches!(header, Err(Error::HttpRequestHeaderSectionSize(Some(1000)))), "{header:?}");
    let path = get(&channel, &server.url(&format!("/{}", "x".repeat(1000)))).await;
    assert!(matches!(path, Err(Error::HttpRequestHeaderSectionSize(Some(1000)))), "{path:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn every_request_of_a_call_ends_before_the_call_does_and_then_none_is_sent() {
    let server = Server::start(|_| ok(Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>()))).await;
    let channel = Setup::for_server(&server).build();
    let wall_max = Duration::from_secs(3);
    let mut call = Call::lasting(wall_max, &channel);
    // Asked first whether it is over, however late the machine comes to ask.
    let hanging = tokio::time::timeout(wall_max, call.get(&server.url("/hangs"))).await.expect("it ends before the call does");
    assert!(hanging.is_err(), "{hanging:?}");
    let text = internal_error(call.get(&server.url("/late")).await);
    assert!(text.starts_with("limit: retry after"), "{text}");
    assert_eq!((server.count("/hangs"), server.count("/late")), (1, 0));
}

#[tokio::test]
async fn slow_body_is_cut_at_the_deadline() {
    let server = Server::start(|seen| match seen.uri.path() {
        // One chunk, then nothing for ever.
        "/body" => {
            let first = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first"))]);
            ok(Body::from_stream(first.chain(futures_util::stream::pending())))
        }
        _ => ok("x"),
    })
    .await;
    let silent = Server::start_async(|_| std::future::pending()).await;
    let mut setup = Setup::new(&[&server.url(""), &silent.url("")]);
    setup.limits.total_max = Duration::from_millis(200);
    let channel = setup.build();
    for url in [server.url("/body"), silent.url("/")] {
        let started = std::time::Instant::now();
        let outcome = get(&channel, &url).await;
        assert!(matches!(outcome, Err(Error::HttpResponseTimeout)), "{url}: {outcome:?}");
        assert!(started.elapsed() >= Duration::from_millis(200), "{url}: cut after {:?}", started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(5), "{url}: cut only after {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_body_the_guest_never_finishes_ends_at_the_deadline() {
    let server = Server::start(|_| ok("never")).await;
    let mut setup = Setup::for_server(&server);
    setup.limits.total_max = Duration::from_millis(100);
    let endless = http_body_util::StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<Bytes>, Error>>());
    let request = Request::post(server.url("/")).body(BodyExt::boxed_unsync(endless)).unwrap();
    assert_denied(&Call::new(&setup.build()).begin(request).await);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_call_has_only_so_many_requests() {
    let server = Server::start(|_| ok("hello")).await;
    let mut setup = Setup::for_server(&server);
    setup.limits.requests_per_call_max = 3;
    let channel = setup.build();
    let mut call = Call::new(&channel);
    for _ in 0..3 {
        assert_eq!(call.get(&server.url("/")).await.unwrap().status, 200);
    }
    assert_denied(&call.get(&server.url("/")).await);
    assert!(call.notes().concat().contains("more than 3 requests"), "{:?}", call.notes());
    assert_eq!(get(&channel, &server.url("/")).await.unwrap().status, 200, "another call has its own");
}

#[tokio::test]
async fn the_connectors_own_request_limit_holds_over_calls_and_generations() {
    let server = Server::start(|_| ok("hello")).await;
    let mut setup = Setup::for_server(&server);
    setup.manifest.request_limits = vec![RequestLimit { requests: 2, seconds: 60 }, RequestLimit { requests: 100, seconds: 3600 }];
    let first = setup.build();
    get(&first, &server.url("/")).await.unwrap();
    let second = setup.build();
    get(&second, &server.url("/")).await.unwrap();
    drop(first);
    let text = internal_error(get(&second, &server.url("/")).await);
    let wait: u64 = text.strip_prefix("limit: retry after ").unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((50_000..=60_000).contains(&wait), "{text}");
    assert_eq!(second.counters().limited, 1);
    let a_minute_later = CLOCK + Duration::from_secs(61);
    assert_eq!(Call::at(a_minute_later, &second).get(&server.url("/")).await.unwrap().status, 200);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn only_so_many_requests_are_under_way_at_once() {
    let now = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (counted, peak) = (Arc::clone(&now), Arc::clone(&most));
    // Each request waits a moment for more of them to arrive than are allowed.
    let server = Server::start_async(move |_| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let third = async {
                while now.load(Ordering::SeqCst) < 3 {
                    tokio::task::yield_now().await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(30), third).await;
            now.fetch_sub(1, Ordering::SeqCst);
            ok("hello")
        }
    })
    .await;
    let mut setup = Setup::for_server(&server);
    setup.limits.requests_at_once_max = 2;
    let channel = setup.build();
    let url = server.url("/");
    let all = futures_util::future::join_all((0..8).map(|_| get(&channel, &url))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!((peak.load(Ordering::SeqCst), counted.load(Ordering::SeqCst)), (2, 0));
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(|_| ok("hello")).await;
    let setup = Setup::for_server(&server);
    for _ in 0..20 {
        // A new generation and a new call each time.
        get(&setup.build(), &server.url("/")).await.unwrap();
    }
    assert_eq!((server.seen().len(), server.connections()), (20, 1));
}

#[tokio::test]
async fn a_guest_may_be_more_impatient_than_the_host() {
    let silent = Server::start_async(|_| std::future::pending()).await;
    let mut call = Call::new(&Setup::for_server(&silent).build());
    let request = Request::get(silent.url("/")).body(guest_body("")).unwrap();
    let options = RequestOptions { first_byte_timeout: Some(Duration::from_millis(50)), ..RequestOptions::default() };
    let answer = call.http.send_request(request, Some(options), Box::new(async { Ok(()) }));
    let outcome = Pin::from(answer).await.map(|(response, _)| response.status());
    assert!(matches!(outcome, Err(Error::HttpResponseTimeout)), "{outcome:?}");
}

#[tokio::test]
async fn a_call_that_fills_its_places_is_told_to_come_back() {
    let server = Server::start(|_| ok("hello")).await;
    let mut setup = Setup::for_server(&server);
    setup.limits.total_max = Duration::from_millis(100);
    setup.limits.requests_at_once_per_call_max = 1;
    let channel = setup.build();
    // Both begin at the same moment and are late at the same moment. Nothing is sent, so no connection needs the machine's time.
    tokio::time::pause();
    let mut call = Call::new(&channel);
    let endless = http_body_util::StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<Bytes>, Error>>());
    let first = call.begin(Request::post(server.url("/")).body(BodyExt::boxed_unsync(endless)).unwrap());
    let second = call.begin(Request::get(server.url("/")).body(guest_body("")).unwrap());
    let (first, second) = futures_util::future::join(first, second).await;
    assert_denied(&first);
    let text = internal_error(second);
    // Whichever is looked at first, nothing of the second was sent.
    assert!(text.starts_with("limit: retry after 1000 ms: "), "{text}");
    assert_eq!(server.connections(), 0);
}
