//! A guest cannot hurt the host, and has nothing it was not granted. One test for each way to try, with a real component that tries it.
//!
//! Every test ends the same way: on the same runtime a well-behaved channel still answers, and no slot of the pool is lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sportello_runtime::contract::{ConnectorError, Effect, Page, WebhookRequest};
use sportello_runtime::limits::{CallLimits, EngineLimits, QuarantineLimits};
use sportello_runtime::{
    Call, CallFailure, Channel, ChannelOptions, Done, NoVault, QuarantineState, Runtime, RuntimeError, RuntimeOptions, Secret, Uncounted,
};
use sportello_tests::guests::guest;

const TOKEN: &str = "the/token+nobody=may&see-0123456789";
/// A granted origin nobody asks.
const UNREACHED: &str = "https://api.example.com";
const SIGNING_SECRET: &str = "the-signing-secret";

/// A runtime with one connector that misbehaves as told.
struct House {
    runtime: Runtime,
    slots: usize,
}

impl House {
    fn new() -> Self {
        let limits = EngineLimits { calls_max: 4, slot_wait_max: Duration::from_millis(200), ..EngineLimits::default() };
        let slots = limits.calls_max as usize;
        Self { runtime: Runtime::new(RuntimeOptions { limits, ..RuntimeOptions::default() }).unwrap(), slots }
    }

    async fn channel(&self, behaviour: &str) -> Channel {
        self.configured(behaviour, |_| {}).await.unwrap()
    }

    async fn configured(&self, behaviour: &str, change: impl FnOnce(&mut ChannelOptions)) -> Result<Channel, RuntimeError> {
        let prepared = self.runtime.prepare(&guest("hostile")).await.unwrap();
        let secret = |field: &str, text: &str| BTreeMap::from([(field.to_owned(), Secret::new(text).into())]);
        let mut options = ChannelOptions {
            tenant: "tenant".into(),
            name: "channel".into(),
            settings: json!({ "behaviour": behaviour, "granted": UNREACHED }),
            granted_origins: vec![UNREACHED.to_owned()],
            granted_folders: Vec::new(),
            secrets: BTreeMap::from([
                ("signing".to_owned(), secret("secret", SIGNING_SECRET)),
                ("token".to_owned(), secret("token", TOKEN)),
            ]),
            allow_private_network: false,
            vault: Arc::new(NoVault),
            limits: CallLimits {
                wall_max: Duration::from_millis(1500),
                computing_max: Duration::from_millis(300),
                ..CallLimits::default()
            },
            quarantine: QuarantineLimits::default(),
        };
        change(&mut options);
        self.runtime.channel(&prepared, options)
    }

    /// A channel whose granted origin is `granted`, on loopback, and whose requests go to `target`.
    async fn reaching(&self, behaviour: &str, granted: &str, target: &str) -> Channel {
        let settings = json!({ "behaviour": behaviour, "granted": granted, "target": target });
        let granted = vec![granted.to_owned()];
        self.configured(behaviour, |options| {
            options.settings = settings;
            options.granted_origins = granted;
            options.allow_private_network = true;
        })
        .await
        .unwrap()
    }

    /// What every test ends with.
    async fn still_serves(&self) {
        let channel = self.configured("well-behaved", |options| options.limits = CallLimits::default()).await.unwrap();
        let answer = poll(&channel).await.unwrap();
        assert_eq!(told(&answer), "well");
        assert_eq!(self.runtime.free_slots(), self.slots, "a slot of the pool was lost");
    }
}

fn call() -> Call {
    Call {
        now: "2026-11-22T10:15:00.25Z".parse().unwrap(),
        seed: 7,
        state: Arc::new(BTreeMap::<String, Vec<u8>>::new()),
        headroom: Arc::new(Uncounted),
    }
}

async fn poll(channel: &Channel) -> Result<Done<Result<Page, ConnectorError>>, CallFailure> {
    channel.poll(call(), None).await
}

/// What the guest wrote into its cursor.
fn told(answer: &Done<Result<Page, ConnectorError>>) -> &str {
    answer.value.as_ref().unwrap().cursor.as_deref().unwrap()
}

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
async fn an_endless_loop_is_stopped_by_the_time_for_computing() {
    let house = House::new();
    // However slow the machine is, the time of the whole call is not over first.
    let channel = house.configured("endless-loop", |options| options.limits.wall_max = Duration::from_secs(60)).await.unwrap();
    let failure = poll(&channel).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Deadline { computing: true, .. }), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn spinning_in_host_calls_is_stopped_like_any_loop() {
    let house = House::new();
    let failure = poll(&house.channel("host-call-storm").await).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Deadline { .. }), "{failure}");
    house.still_serves().await;
}

/// On one thread: a guest that spins must not keep the timer, or anybody else, from their turn.
#[tokio::test(flavor = "current_thread")]
async fn a_spinning_guest_does_not_take_the_thread_from_others() {
    let house = House::new();
    let channel = house.channel("endless-loop").await;
    let turns = async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        Instant::now()
    };
    let call = async { (poll(&channel).await, Instant::now()) };
    let ((failure, call_ended), turns_ended) = tokio::join!(call, turns);
    assert!(matches!(failure, Err(CallFailure::Deadline { .. })));
    assert!(turns_ended < call_ended, "nobody else had a turn before the guest was stopped");
    house.still_serves().await;
}

#[tokio::test]
async fn waiting_for_ever_in_a_host_call_is_stopped_by_the_time_of_the_call() {
    let house = House::new();
    match poll(&house.channel("wait-for-ever").await).await {
        Err(CallFailure::Deadline { computing: false, elapsed, .. }) => {
            assert!(elapsed >= Duration::from_millis(1500), "{elapsed:?}");
        }
        other => panic!("{other:?}"),
    }
    house.still_serves().await;
}

#[tokio::test]
async fn a_memory_bomb_is_refused_the_memory_and_named() {
    let house = House::new();
    match poll(&house.channel("memory-bomb").await).await {
        Err(CallFailure::Memory { asked_bytes, limit_bytes, .. }) => {
            assert_eq!(limit_bytes, CallLimits::default().memory_bytes_max);
            assert!(asked_bytes > limit_bytes && asked_bytes < limit_bytes + (16 << 20), "{asked_bytes}");
        }
        Err(failure) => panic!("stopped by something else: {failure}"),
        Ok(answer) => panic!("the guest {} and was let", told(&answer)),
    }
    house.still_serves().await;
}

#[tokio::test]
async fn one_text_aliased_into_a_giant_result_is_refused_before_the_host_copies_it() {
    let house = House::new();
    let failure = poll(&house.channel("aliased-giant-result").await).await.unwrap_err();
    assert!(matches!(failure, CallFailure::OutputTooLarge { .. }), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn deep_recursion_traps_in_the_guest() {
    let house = House::new();
    let failure = poll(&house.channel("deep-recursion").await).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Trap { .. }), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn a_trap_is_an_answer_with_a_reason() {
    let house = House::new();
    let failure = poll(&house.channel("trap").await).await.unwrap_err();
    assert!(matches!(&failure, CallFailure::Trap { reason, .. } if reason.contains("unreachable")), "{failure}");
    let failure = poll(&house.channel("exit").await).await.unwrap_err();
    assert!(matches!(&failure, CallFailure::Trap { .. }), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn repeated_traps_quarantine_the_channel_and_no_other() {
    let house = House::new();
    let channel = house
        .configured("trap", |options| {
            options.quarantine = QuarantineLimits { failures_max: 3, window: Duration::from_secs(600), rest: Duration::from_secs(600) };
        })
        .await
        .unwrap();
    for _ in 0..3 {
        assert!(matches!(poll(&channel).await, Err(CallFailure::Trap { .. })));
    }
    let failure = poll(&channel).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Quarantined { .. }), "{failure}");
    assert!(failure.retry_after().is_some());
    assert!(matches!(channel.quarantine(), QuarantineState::Resting { .. }));
    house.still_serves().await;
}

#[tokio::test]
async fn a_flood_of_diagnostics_is_cut_in_number_and_length_and_counted() {
    let house = House::new();
    let answer = poll(
        &house
            .configured("diagnostics-flood", |options| {
                options.limits =
                    CallLimits { wall_max: Duration::from_secs(60), computing_max: Duration::from_secs(60), ..CallLimits::default() };
            })
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    let limits = CallLimits::default();
    assert_eq!(answer.diagnostics.len(), limits.diagnostics_max);
    assert_eq!(answer.diagnostics_dropped as usize, 20_000 - limits.diagnostics_max);
    for diagnostic in &answer.diagnostics {
        assert!(diagnostic.message.len() <= limits.diagnostic_bytes_max + '…'.len_utf8());
    }
    assert!(answer.output_bytes_discarded > 9_000, "{}", answer.output_bytes_discarded);
    house.still_serves().await;
}

#[tokio::test]
async fn a_broken_promise_in_the_output_refuses_all_of_it() {
    let house = House::new();
    let failure = poll(&house.channel("broken-promise").await).await.unwrap_err();
    assert!(matches!(&failure, CallFailure::Output { fault, .. } if fault.field.contains("occurred-at")), "{failure}");

    let channel = house.channel("well-behaved").await;
    let request = |method: &str| WebhookRequest { method: method.into(), query: vec![], headers: vec![], body: b"{}".to_vec() };
    let unsigned = channel.webhook(call(), &[request("GET")]).await.unwrap_err();
    assert!(unsigned.to_string().contains("not signed"), "{unsigned}");
    let beyond = channel.webhook(call(), &[request("POST")]).await.unwrap_err();
    assert!(beyond.to_string().contains("raw"), "{beyond}");
    house.still_serves().await;
}

#[tokio::test]
async fn what_is_not_signed_or_not_alone_takes_no_connector_out_of_service() {
    let house = House::new();
    let channel = house.channel("well-behaved").await;
    let request = |method: &str| WebhookRequest { method: method.into(), query: vec![], headers: vec![], body: b"{}".to_vec() };
    for _ in 0..2 * QuarantineLimits::default().failures_max {
        channel.webhook(call(), &[request("GET")]).await.unwrap_err();
        channel.webhook(call(), &[request("POST"), request("POST")]).await.unwrap_err();
    }
    assert_eq!(channel.quarantine(), QuarantineState::Serving { failures: 0 });
    channel.webhook(call(), &[request("POST")]).await.unwrap_err();
    assert_eq!(channel.quarantine(), QuarantineState::Serving { failures: 1 }, "a signed delivery by itself says something about it");
    house.still_serves().await;
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
    let problems = channel.check_settings(call().now).await.unwrap();
    let message = &problems[0].message;
    assert!(echo.requests().is_empty(), "a check of settings reached the network: {message}");
    assert_eq!(message.matches("ask nobody anything").count(), 2, "{message}");
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
    for refused in ["token=Err", "undeclared=Err", "renewed=Err"] {
        assert!(told.contains(refused), "{refused}: {told}");
    }
    assert!(!told.contains(TOKEN), "{told}");
    house.still_serves().await;
}

#[tokio::test]
async fn wasi_is_there_and_inert_and_a_call_can_be_repeated_exactly() {
    let house = House::new();
    let channel = house.channel("look-around").await;
    let first = poll(&channel).await.unwrap();
    let told_first = told(&first);
    // 2026-11-22T10:15:00 in seconds.
    assert!(told_first.starts_with("1795342500 true "), "{told_first}");
    assert!(told_first.contains("env=0 args=0"), "{told_first}");
    assert!(told_first.contains("socket-refused=true name-refused=true"), "{told_first}");
    assert!(!told_first.contains("files=0") || told_first.contains("files=Not"), "{told_first}");
    assert_eq!(told(&poll(&channel).await.unwrap()), told_first, "the same call ran another way");
    let other_seed = channel.poll(Call { seed: 8, ..call() }, None).await.unwrap();
    assert_ne!(told(&other_seed), told_first, "randomness does not come from the seed");
    house.still_serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_folder_can_be_read_and_nothing_else_can() {
    let house = House::new();
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("drop");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(outside.path().join("secret.txt"), "a secret").unwrap();
    std::fs::write(folder.join("contacts.csv"), "id;name").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.join("way-out")).unwrap();
    let path = folder.display().to_string();
    let configured = |granted: Vec<String>| {
        house.configured("folders", |options| {
            options.settings["folder"] = json!(path);
            options.granted_folders = granted;
        })
    };
    let error = configured(Vec::new()).await.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&format!("folders = [{path:?}]")), "{error}");
    let channel = configured(vec![path.clone()]).await.unwrap();
    assert_eq!(
        told(&poll(&channel).await.unwrap()),
        "list=contacts.csv+way-out read=id;name above=denied link=denied root=denied host=denied write=denied append=denied make=denied \
         remove=denied rename=denied link-up=denied"
    );
    assert_eq!(std::fs::read_to_string(folder.join("contacts.csv")).unwrap(), "id;name");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    // Without the setting nothing is asked for, and nothing is there.
    assert!(told(&poll(&house.channel("folders").await).await.unwrap()).starts_with("list=denied read=denied above=denied"));
    // A folder that goes away is no fault of the connector's.
    std::fs::remove_dir_all(&folder).unwrap();
    let failure = poll(&channel).await.map(|_| ()).unwrap_err();
    assert!(matches!(failure, CallFailure::Folder { .. }) && !failure.is_connectors_fault() && failure.nothing_started(), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_or_none_is_refused_when_the_channel_is_built() {
    let house = House::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    for (path, problem) in [("/nowhere/at/all", "No such file"), ("relative", "absolute"), (file.path().to_str().unwrap(), "no folder")] {
        let built = house.configured("folders", |options| {
            options.settings["folder"] = json!(path);
            options.granted_folders = vec![path.to_owned()];
        });
        let error = built.await.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(path) && error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn state_is_written_by_poll_only_and_only_with_the_call() {
    let house = House::new();
    let channel = house.channel("state").await;
    let answer = poll(&channel).await.unwrap();
    assert_eq!(told(&answer), "Some(\"yes\")");
    assert_eq!(answer.state_writes.len(), 1);
    let effect = Effect {
        key: "e-1".into(),
        action: "reply".into(),
        conversation: None,
        in_reply_to: None,
        contact: None,
        subject: None,
        text: "hello".into(),
        queued_at: "2026-11-22T10:15:00Z".into(),
        attributes: vec![],
    };
    let published = channel.publish(call(), vec![effect]).await.unwrap();
    assert!(format!("{:?}", published.value).contains("only webhook and poll"), "{:?}", published.value);
    assert!(published.state_writes.is_empty());
    house.still_serves().await;
}

#[tokio::test]
async fn a_call_more_than_there_are_slots_is_busy_and_drains_when_the_others_end() {
    let house = House::new();
    let channel = house.channel("wait-for-ever").await;
    let waiting: Vec<_> = (0..house.slots)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { poll(&channel).await })
        })
        .collect();
    while house.runtime.free_slots() > 0 {
        tokio::task::yield_now().await;
    }
    let failure = poll(&channel).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Busy { .. }), "{failure}");
    assert_eq!(channel.in_flight(), house.slots);
    channel.drained().await;
    for call in waiting {
        assert!(matches!(call.await.unwrap(), Err(CallFailure::Deadline { .. })));
    }
    house.still_serves().await;
}

#[tokio::test]
async fn a_slow_channel_leaves_slots_to_the_others() {
    let slot_wait_max = Duration::from_millis(200);
    let limits = EngineLimits { calls_max: 4, channel_calls_max: 3, slot_wait_max, ..EngineLimits::default() };
    let slots = limits.calls_max as usize;
    let house = House { runtime: Runtime::new(RuntimeOptions { limits, ..RuntimeOptions::default() }).unwrap(), slots };
    let slow = house.configured("wait-for-ever", |options| options.limits.wall_max = Duration::from_secs(60)).await.unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let slow = slow.clone();
            tokio::spawn(async move { poll(&slow).await })
        })
        .collect();
    while house.runtime.free_slots() > 1 {
        tokio::task::yield_now().await;
    }
    let failure = poll(&slow).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Busy { .. }) && failure.to_string().contains("channel_calls_max"), "{failure}");
    let answer = poll(&house.channel("well-behaved").await).await.unwrap();
    assert_eq!(told(&answer), "well");
    for call in waiting {
        call.abort();
        let _ = call.await;
    }
    slow.drained().await;
    house.still_serves().await;
}

#[tokio::test]
async fn a_call_given_up_gives_everything_back() {
    let house = House::new();
    let channel = house.channel("wait-for-ever").await;
    let task = tokio::spawn({
        let channel = channel.clone();
        async move { poll(&channel).await }
    });
    while house.runtime.free_slots() == house.slots {
        tokio::task::yield_now().await;
    }
    task.abort();
    let _ = task.await;
    channel.drained().await;
    house.still_serves().await;
}
