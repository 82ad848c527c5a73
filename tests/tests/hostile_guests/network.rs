//! A guest reaches what it was granted, with credentials it never sees.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sportello_runtime::{Call, CallTime, Clock};

use super::house::{House, SIGNING_SECRET, TOKEN, call, poll, told};

/// A server on loopback that echoes what it gets, headers into headers and body, and counts.
struct Echo {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Echo {
    async fn start() -> Self {
        Self::start_redirecting(None).await
    }

    async fn start_redirecting(to: Option<String>) -> Self {
        let requests: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(echo).with_state((Arc::clone(&requests), to));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, requests }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> Vec<HeaderMap> {
        self.requests.lock().unwrap().clone()
    }
}

type EchoState = (Arc<Mutex<Vec<HeaderMap>>>, Option<String>);

async fn echo(State((requests, redirect)): State<EchoState>, request: Request) -> Response {
    let headers = request.headers().clone();
    requests.lock().unwrap().push(headers.clone());
    if let Some(location) = redirect {
        return (StatusCode::FOUND, [("location", location)]).into_response();
    }
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("none").to_owned();
    let escaped = percent_encoded(authorization.trim_start_matches("Bearer "));
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, authorization.trim_start_matches("Bearer "));
    ([("x-echo", authorization.clone())], format!("authorization={authorization} escaped={escaped} encoded={encoded}")).into_response()
}

fn percent_encoded(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[tokio::test]
async fn http_to_a_host_not_granted_is_refused_before_it_leaves() {
    let house = House::new();
    let (granted, other) = (Echo::start().await, Echo::start().await);
    let answer = poll(&house.reaching("request", &granted.origin(), &other.origin()).await).await.unwrap();
    assert!(told(&answer).contains("Reject"), "{}", told(&answer));
    assert!(other.requests().is_empty(), "a request reached a server that was not granted");
    assert!(answer.diagnostics.iter().any(|diagnostic| diagnostic.message.contains(&other.origin())), "{:?}", answer.diagnostics);
    assert_eq!(answer.http_requests, 1);
    house.still_serves().await;
}

#[tokio::test]
async fn an_origin_asked_for_and_not_granted_refuses_the_channel_with_the_line_that_would_grant_it() {
    let house = House::new();
    let error = house
        .configured("request", |options| {
            options.settings = json!({ "behaviour": "request", "granted": "https://api.example.com/v1" });
            options.granted_origins = vec!["https://www.example.com".to_owned()];
        })
        .await
        .unwrap_err();
    assert!(error.to_string().contains(r#"origins = ["https://api.example.com", "https://www.example.com"]"#), "{error}");
}

/// A clock that others move.
struct Moved(Arc<AtomicI64>);

impl Clock for Moved {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

#[tokio::test]
async fn a_guests_clock_shows_when_the_last_answer_came_and_stands_still_between() {
    let house = House::new();
    let echo = Echo::start().await;
    for (target, is_answered) in [(echo.origin(), true), ("http://127.0.0.1:1".to_owned(), false)] {
        let seconds = Arc::new(AtomicI64::new(1_795_342_500));
        let channel = house.reaching("watch-the-clock", &echo.origin(), &target).await;
        let call = Call { time: CallTime::begin(Moved(Arc::clone(&seconds))), ..call() };
        seconds.fetch_add(90, Ordering::Relaxed);
        let answer = channel.poll(call, None).await.unwrap();
        let expected = format!("2026-11-22T10:15:00Z 2026-11-22T10:15:00Z 2026-11-22T10:16:30Z {is_answered}");
        assert_eq!(told(&answer), expected);
    }
    house.still_serves().await;
}

#[tokio::test]
async fn http_to_a_private_address_is_refused_even_where_the_origin_is_granted() {
    let house = House::new();
    let server = Echo::start().await;
    let by_name = format!("http://localhost:{}", server.address.port());
    for origin in [server.origin(), by_name] {
        let channel = house
            .configured("request", |options| {
                options.settings = json!({ "behaviour": "request", "granted": origin, "target": origin });
                options.granted_origins = vec![origin.clone()];
            })
            .await
            .unwrap();
        let answer = poll(&channel).await.unwrap();
        assert!(told(&answer).contains("Reject"), "{origin}: {}", told(&answer));
    }
    assert!(server.requests().is_empty(), "a request reached a private address");
    house.still_serves().await;
}

#[tokio::test]
async fn a_check_of_settings_reaches_nobody_and_uses_no_credential() {
    let house = House::new();
    let echo = Echo::start().await;
    let channel = house.reaching("reach-out-in-check", &echo.origin(), &format!("{}/page", echo.origin())).await;
    let problems = channel.check_settings("2026-11-22T10:15:00Z".parse().unwrap()).await.unwrap();
    let message = &problems[0].message;
    assert!(echo.requests().is_empty(), "a check of settings reached the network: {message}");
    assert_eq!(message.matches("ask nobody anything").count(), 3, "{message}");
    assert!(!message.contains("Ok("), "{message}");
    house.still_serves().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_leads_nowhere_that_is_not_granted() {
    let house = House::new();
    let inner = Echo::start().await;
    let outer = Echo::start_redirecting(Some(format!("{}/inner", inner.origin()))).await;
    let answer = poll(&house.reaching("follow-redirect", &outer.origin(), &outer.origin()).await).await.unwrap();
    assert!(told(&answer).starts_with("302, then Error::Reject"), "{}", told(&answer));
    assert_eq!(outer.requests().len(), 1);
    assert!(inner.requests().is_empty(), "the redirect was followed");
    house.still_serves().await;
}

#[tokio::test]
async fn a_guests_own_authorization_header_is_refused() {
    let house = House::new();
    let server = Echo::start().await;
    let answer = poll(&house.reaching("own-authorization", &server.origin(), &server.origin()).await).await.unwrap();
    assert!(told(&answer).contains("Reject"), "{}", told(&answer));
    for headers in server.requests() {
        let sent = format!("{headers:?}");
        assert!(!sent.contains("of-my-own"), "the guest's header went out: {sent}");
    }
    house.still_serves().await;
}

#[tokio::test]
async fn a_credential_is_sent_by_the_host_and_never_seen_by_the_guest_even_if_the_server_echoes_it() {
    let house = House::new();
    let server = Echo::start().await;
    let answer = poll(&house.reaching("request", &server.origin(), &server.origin()).await).await.unwrap();
    let sent = server.requests();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["authorization"], format!("Bearer {TOKEN}"), "the host did not put the credential in");
    let seen = format!("{answer:?}");
    assert!(seen.contains("authorization="), "{seen}");
    let escaped = percent_encoded(TOKEN);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, TOKEN);
    for form in [TOKEN, &escaped, &encoded] {
        assert!(!seen.contains(form), "the guest saw the credential: {seen}");
    }
    house.still_serves().await;
}

#[tokio::test]
async fn a_guest_uses_credentials_as_declared_and_reads_none() {
    let house = House::new();
    let answer = poll(&house.channel("use-credentials").await).await.unwrap();
    let told = told(&answer);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SIGNING_SECRET.as_bytes());
    let expected = hex::encode(ring::hmac::sign(&key, b"data"));
    assert!(told.contains(&format!("signed=Ok(\"{expected}\")")), "{told}");
    for what in ["document", "long"] {
        let refused = format!("{what}=Err(Error::Auth(\"credential `signing`: signing verifies deliveries");
        assert!(told.contains(&refused), "what may be a delivery is not signed with its key ({what}): {told}");
    }
    assert!(told.contains("matches=Ok(false)/Ok(true)"), "{told}");
    assert!(told.contains(" ends=Ok(())"), "{told}");
    let no_moment = "Err(Error::Reject(\"credential `token`: a time is written in UTC";
    let no_such = "Err(Error::Auth(\"credential `other`: the manifest declares no credential other";
    for (what, why) in [("ends-undeclared", no_such), ("ends-some-time", no_moment), ("ends-elsewhere", no_moment)] {
        assert!(told.contains(&format!("{what}={why}")), "{what}: {told}");
    }
    for refused in ["token=Err", "undeclared=Err", "renewed=Err"] {
        assert!(told.contains(refused), "{refused}: {told}");
    }
    assert!(!told.contains(TOKEN), "{told}");
    house.still_serves().await;
}
