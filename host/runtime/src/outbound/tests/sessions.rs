//! Log-ins the host makes, and what becomes of their sessions.

mod pauses;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::{Capture, Encoding, Expectation, LoginBody, LoginStep, Place, Session};

use super::*;
use crate::outbound::{LOGINS_MAX, LOGINS_PERIOD, REDACTED};

const PASSWORD: &str = "p\"ss & w&rd + \\";

/// A CRM that gives out sessions by JSON-RPC and wants them in a header.
#[derive(Clone, Default)]
struct Crm {
    logins: Arc<AtomicUsize>,
    /// Sessions up to this number have expired.
    expired: Arc<AtomicUsize>,
}

impl Crm {
    fn session(number: usize) -> String {
        format!("0123456789abcdef-{number}")
    }

    fn answer(&self, seen: &Seen) -> Response<Body> {
        if seen.uri.path() == "/login" {
            let asked: Value = serde_json::from_slice(&seen.body).unwrap();
            if asked["params"] != json!(["sportello", {"password": PASSWORD}]) {
                return answer_json(&json!({"result": null, "status": "Failed", "reason": asked["params"]}));
            }
            let number = self.logins.fetch_add(1, Ordering::SeqCst) + 1;
            return answer_json(&json!({"result": [7, Self::session(number)], "status": "Success"}));
        }
        let authorization = seen.header("authorization").strip_prefix("Session ").unwrap_or_default();
        let session = String::from_utf8(STANDARD.decode(authorization).unwrap()).unwrap();
        let number = session.strip_prefix("sportello:7:0123456789abcdef-").and_then(|number| number.parse::<usize>().ok());
        match number {
            Some(number) if number > self.expired.load(Ordering::SeqCst) => ok(format!("you are {authorization} or {session}")),
            _ => status(401, "who are you?"),
        }
    }

    fn expire(&self) {
        self.expired.store(self.logins.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    fn logins(&self) -> usize {
        self.logins.load(Ordering::SeqCst)
    }
}

fn session(steps: Vec<LoginStep>, cookies: bool) -> Session {
    Session {
        origin: None,
        steps,
        cookies,
        lifetime_seconds: 0,
        lifetime_capture: None,
        rotates: Vec::new(),
        rotation_lifetime_capture: None,
        retry_at_header: None,
    }
}

fn crm_credential(server: &Server) -> Credential {
    let step = LoginStep {
        method: "POST".into(),
        path: "/login".into(),
        placements: Vec::new(),
        body: LoginBody::Json(r#"{"method":"login","params":["${user}",{"password":"${password}"}]}"#.into()),
        captures: vec![
            Capture { name: "uid".into(), pointer: "/result/0".into() },
            Capture { name: "session".into(), pointer: "/result/1".into() },
        ],
        expect: vec![Expectation { pointer: "/status".into(), equals: "Success".into() }],
    };
    Credential {
        placements: vec![placement(Place::Header("authorization".into()), "Session ", "${user}:${uid}:${session}", Encoding::Base64)],
        session: Some(session(vec![step], false)),
        ..credential(server, &["user", "password"])
    }
}

async fn crm() -> (Crm, Server, Setup) {
    let crm = Crm::default();
    let answering = crm.clone();
    let server = Server::start(move |seen| answering.answer(seen)).await;
    let setup = Setup::for_server(&server).with(crm_credential(&server), &["sportello", PASSWORD]);
    (crm, server, setup)
}

/// A credential whose log-in captures what `/login` says its token is.
fn captured(server: &Server, steps: usize) -> Credential {
    let step = |number: usize| LoginStep {
        method: "POST".into(),
        path: "/login".into(),
        placements: Vec::new(),
        body: LoginBody::None,
        captures: vec![Capture { name: format!("token-{number}"), pointer: "/token".into() }],
        expect: Vec::new(),
    };
    Credential {
        placements: vec![placement(Place::Header("authorization".into()), "Bearer ", "${token-0}", Encoding::Plain)],
        session: Some(session((0..steps).map(step).collect(), false)),
        ..credential(server, &["password"])
    }
}

#[tokio::test]
async fn what_is_too_long_for_a_token_is_not_taken_for_one() {
    for (bytes, logs_in) in [(16 << 10, true), ((16 << 10) + 1, false)] {
        let server = Server::start(move |seen| match seen.uri.path() {
            "/login" => answer_json(&json!({"token": "t".repeat(bytes)})),
            _ => ok("in"),
        })
        .await;
        let channel = Setup::for_server(&server).with(captured(&server, 1), &[PASSWORD]).build();
        let mut call = Call::new(&channel);
        assert_eq!(call.get(&server.url("/read")).await.is_ok(), logs_in, "{bytes} bytes: {:?}", call.notes());
        assert_eq!(server.count("/read"), usize::from(logs_in));
    }
}

#[tokio::test]
async fn a_log_in_of_more_steps_than_any_platform_needs_is_refused() {
    let server = Server::start(|_| ok("never")).await;
    let refusal =
        |steps| Setup::for_server(&server).with(captured(&server, steps), &[PASSWORD]).try_build().err().map(|error| error.to_string());
    assert_eq!(refusal(8), None);
    assert!(refusal(9).unwrap().contains("9 steps; 1 to 8"));
    assert!(refusal(0).is_some());
}

#[tokio::test]
async fn the_host_logs_in_and_the_guest_sees_nothing_of_it() {
    let (crm, server, setup) = crm().await;
    let channel = setup.build();
    assert_eq!(crm.logins(), 0, "nothing logs in before it is needed");
    for _ in 0..3 {
        let got = get(&channel, &server.url("/read")).await.unwrap();
        assert_eq!(got.body, format!("you are {REDACTED} or {REDACTED}"));
    }
    assert_eq!(crm.logins(), 1);
    assert_eq!((channel.counters().logins, channel.counters().requests), (1, 3));
}

#[tokio::test]
async fn one_login_for_a_hundred_waiting_requests() {
    let (crm, server, setup) = crm().await;
    let channel = setup.build();
    let url = server.url("/read");
    let all = futures_util::future::join_all((0..100).map(|_| get(&channel, &url))).await;
    assert!(all.iter().all(|got| got.as_ref().is_ok_and(|got| got.status == 200)), "{all:?}");
    assert_eq!((crm.logins(), server.count("/login")), (1, 1));
}

#[tokio::test]
async fn a_call_that_is_cut_off_does_not_take_the_login_along() {
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let release = Arc::new(tokio::sync::Semaphore::new(0));
    let (crm, gate) = (Crm::default(), Arc::clone(&release));
    let answering = crm.clone();
    let server = Server::start_async(move |seen| {
        let (answering, arrived, gate) = (answering.clone(), arrived.clone(), Arc::clone(&gate));
        async move {
            arrived.send(seen.uri.path().to_owned()).unwrap();
            if seen.uri.path() == "/login" {
                gate.acquire().await.unwrap().forget();
            }
            answering.answer(&seen)
        }
    })
    .await;
    let channel = Setup::for_server(&server).with(crm_credential(&server), &["sportello", PASSWORD]).build();
    let request = Request::get(server.url("/read")).body(guest_body("")).unwrap();
    let cut_off = tokio::spawn(Call::new(&channel).begin(request));
    assert_eq!(arrivals.recv().await.unwrap(), "/login");
    cut_off.abort();
    assert!(cut_off.await.unwrap_err().is_cancelled());
    release.add_permits(1);
    assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
    assert_eq!(crm.logins(), 1);
}

#[tokio::test]
async fn a_401_drops_the_session() {
    let (crm, server, setup) = crm().await;
    let channel = setup.build();
    let write = || Request::post(server.url("/write"));
    assert_eq!(Call::new(&channel).send(write(), "once").await.unwrap().status, 200);
    crm.expire();
    // A write is not repeated: the guest gets the 401, the next request has a new session.
    let mut call = Call::new(&channel);
    assert_eq!(call.send(write(), "twice?").await.unwrap().status, 401);
    assert_eq!((server.count("/write"), crm.logins()), (2, 1));
    assert_eq!(call.send(write(), "again").await.unwrap().status, 200);
    assert_eq!((server.count("/write"), crm.logins()), (3, 2));
}

#[tokio::test]
async fn a_read_with_an_expired_session_is_repeated_once() {
    let (crm, server, setup) = crm().await;
    let channel = setup.build();
    assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
    crm.expire();
    assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
    assert_eq!((server.count("/read"), crm.logins()), (3, 2));
    // Many reads that find the session expired log in once together.
    crm.expire();
    let url = server.url("/read");
    let all = futures_util::future::join_all((0..20).map(|_| get(&channel, &url))).await;
    assert!(all.iter().all(|got| got.as_ref().is_ok_and(|got| got.status == 200)), "{all:?}");
    assert_eq!(crm.logins(), 3);
    // Where a new session does not help either, the guest is told.
    crm.expired.store(usize::MAX, Ordering::SeqCst);
    let before = server.count("/read");
    assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 401);
    assert_eq!((server.count("/read") - before, crm.logins()), (2, 4));
}

#[tokio::test]
async fn a_refusal_that_repeats_the_password_does_not_show_it() {
    let server = Server::start(|seen| answer_json(&json!({"status": format!("no such thing as {}", seen.body())}))).await;
    let channel = Setup::for_server(&server).with(crm_credential(&server), &["sportello", PASSWORD]).build();
    let mut call = Call::new(&channel);
    let text = internal_error(call.get(&server.url("/")).await) + &call.notes().concat();
    assert!(text.contains(REDACTED) && !text.contains("w&rd"), "{text}");
}

#[tokio::test]
async fn renew_brings_a_new_session_but_not_without_end() {
    let (crm, server, setup) = crm().await;
    let channel = setup.build();
    for login in 1..=LOGINS_MAX as usize {
        assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
        assert_eq!(crm.logins(), login);
        channel.renew("bot").unwrap();
    }
    let text = internal_error(get(&channel, &server.url("/read")).await);
    assert!(text.starts_with("limit: retry after ") && text.contains("too often"), "{text}");
    assert_eq!(crm.logins(), LOGINS_MAX as usize);
    advance(LOGINS_PERIOD).await;
    assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
    assert!(channel.renew("other").unwrap_err().contains("other"));
}

#[tokio::test]
async fn a_session_ends_with_its_lifetime() {
    let (crm, server, mut setup) = crm().await;
    setup.manifest.credentials[0].session.as_mut().unwrap().lifetime_seconds = 600;
    let channel = setup.build();
    for (seconds, logins) in [(0, 1), (590, 1), (20, 2)] {
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
        assert_eq!(crm.logins(), logins);
    }
}

#[tokio::test]
async fn a_session_survives_a_new_generation_with_the_same_credential() {
    let (crm, server, mut setup) = crm().await;
    let first = setup.build();
    get(&first, &server.url("/read")).await.unwrap();
    setup.manifest.version = "2.0.0".into();
    setup.settings = json!({"unrelated": true});
    let second = setup.build();
    drop(first);
    get(&second, &server.url("/read")).await.unwrap();
    assert_eq!(crm.logins(), 1);
    // A changed definition is another credential.
    setup.manifest.credentials[0].session.as_mut().unwrap().lifetime_seconds = 600;
    get(&setup.build(), &server.url("/read")).await.unwrap();
    assert_eq!(crm.logins(), 2);
}

/// A wiki: a token is fetched first, the log-in is a form, the session is a cookie, failures are 200.
fn wiki_credential(server: &Server) -> Credential {
    let token = LoginStep {
        method: "GET".into(),
        path: "${/script-path}/api.php?meta=tokens&user=${user}".into(),
        placements: Vec::new(),
        body: LoginBody::None,
        captures: vec![Capture { name: "login-token".into(), pointer: "/query/tokens/logintoken".into() }],
        expect: Vec::new(),
    };
    let login = LoginStep {
        method: "POST".into(),
        path: "${/script-path}/api.php".into(),
        placements: Vec::new(),
        body: LoginBody::Form(vec![
            ("action".into(), "login".into()),
            ("lgname".into(), "${user}".into()),
            ("lgpassword".into(), "${password}".into()),
            ("lgtoken".into(), "${login-token}".into()),
        ]),
        captures: Vec::new(),
        expect: vec![Expectation { pointer: "/login/result".into(), equals: "Success".into() }],
    };
    Credential { session: Some(session(vec![token, login], true)), ..credential(server, &["user", "password"]) }
}

fn wiki(seen: &Seen) -> Response<Body> {
    const TOKEN: &str = "abcdef0123456789+\\";
    let cookie = seen.header("cookie");
    let form: HashMap<_, _> = form_urlencoded::parse(&seen.body).into_owned().collect();
    if seen.uri.query() == Some("meta=tokens&user=Sportello%20Bot%40connector") {
        let body = json!({"query": {"tokens": {"logintoken": TOKEN}}}).to_string();
        return Response::builder().header("set-cookie", "wiki_session=anonymous-session; path=/; HttpOnly").body(body.into()).unwrap();
    }
    if form.get("action").is_some_and(|action| action == "login") {
        let expected = [("lgname", "Sportello Bot@connector"), ("lgpassword", PASSWORD), ("lgtoken", TOKEN)];
        let right = expected.iter().all(|(name, value)| form.get(*name).is_some_and(|found| found == value));
        let result = if right && cookie == "wiki_session=anonymous-session" { "Success" } else { "Failed" };
        return Response::builder()
            .header("set-cookie", "wiki_session=very-secret-session; path=/; HttpOnly")
            .header("set-cookie", "wikiUserName=Sportello+Bot; path=/; HttpOnly")
            .header("set-cookie", "elsewhere=yes; path=/elsewhere")
            .body(json!({"login": {"result": result}}).to_string().into())
            .unwrap();
    }
    if seen.uri.path() == "/w/rotate" {
        return Response::builder().header("set-cookie", "wiki_session=a-rotated-session; path=/").body("rotated".into()).unwrap();
    }
    ok(format!("{cookie} Sportello Bot"))
}

#[tokio::test]
async fn cookies_stay_with_the_host() {
    let server = Server::start(wiki).await;
    let mut setup = Setup::for_server(&server).with(wiki_credential(&server), &["Sportello Bot@connector", PASSWORD]);
    setup.settings = json!({"script-path": "/w"});
    setup.secrets.get_mut("bot").unwrap().insert("user".into(), BoundField::Plain("Sportello Bot@connector".into()));
    let channel = setup.build();
    let mut call = Call::new(&channel);
    let got = call.get(&server.url("/w/page")).await.unwrap();
    let sent = server.seen().last().unwrap().header("cookie").to_owned();
    assert_eq!(sent, "wiki_session=very-secret-session; wikiUserName=Sportello+Bot");
    // The bot's own name, which is no secret, is still readable where it matters.
    assert_eq!(got.body, format!("wiki_session={REDACTED}; wikiUserName=Sportello+Bot Sportello Bot"));
    let got = call.get(&server.url("/w/rotate")).await.unwrap();
    assert!(!got.headers.contains_key("set-cookie"), "{:?}", got.headers);
    let got = call.get(&server.url("/w/page")).await.unwrap();
    assert!(server.seen().last().unwrap().header("cookie").contains("a-rotated-session"));
    assert!(!got.body.contains("rotated"), "{}", got.body);
}

#[tokio::test]
async fn set_cookie_never_reaches_a_guest_even_without_a_session() {
    let server = Server::start(|_| Response::builder().header("set-cookie", "a=b").body("hello".into()).unwrap()).await;
    let got = get(&Setup::for_server(&server).build(), &server.url("/")).await.unwrap();
    assert!(!got.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_login_does_not_follow_a_redirect() {
    let elsewhere = Server::start(|_| ok("never")).await;
    let target = elsewhere.url("/login");
    let server = Server::start(move |_| Response::builder().status(307).header("location", &target).body(Body::empty()).unwrap()).await;
    let channel = Setup::for_server(&server).with(crm_credential(&server), &["sportello", PASSWORD]).build();
    let text = internal_error(get(&channel, &server.url("/")).await);
    assert!(text.contains("log-in refused") && text.contains("307"), "{text}");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn cookies_of_two_credentials_share_one_header() {
    let server = Server::start(|seen| {
        let name = seen.uri.path().trim_start_matches("/login-").to_owned();
        Response::builder().header("set-cookie", format!("{name}=1; Path=/")).body("{}".into()).unwrap()
    })
    .await;
    let login = |name: &str| {
        let path = format!("/login-{name}");
        let step = LoginStep {
            method: "POST".into(),
            path,
            placements: Vec::new(),
            body: LoginBody::None,
            captures: Vec::new(),
            expect: Vec::new(),
        };
        let session = Some(session(vec![step], true));
        Credential { name: name.into(), session, ..credential(&server, &["token"]) }
    };
    let setup = Setup::for_server(&server).with(login("first"), &["long-enough"]).with(login("second"), &["long-enough"]);
    get(&setup.build(), &server.url("/page")).await.unwrap();
    let seen = server.seen();
    let page = seen.iter().find(|seen| seen.uri.path() == "/page").unwrap();
    assert_eq!(page.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["first=1; second=1"]);
}
