//! How long a log-in that failed is waited for.

use super::*;
use crate::headroom::HeadroomWindow;
use crate::outbound::{LOGIN_PAUSE_AFTER_REFUSAL_MAX, LOGIN_PAUSE_ASKED_MAX};

#[tokio::test]
async fn a_platform_that_has_had_too_many_log_ins_is_left_alone_longer_each_time_and_as_long_as_it_asks() {
    let second = Duration::from_secs(1);
    let growing: Vec<Duration> = (0..10).map(|tries| (second * (1 << tries)).min(LOGIN_PAUSE_AFTER_REFUSAL_MAX)).collect();
    let until = ("Thu, 01 Jan 2026 00:10:00 GMT", "Thu, 01 Jan 2026 00:09:00 GMT");
    let cases = [
        (None, growing),
        (Some(("90", "")), vec![90 * second; 4]),
        (Some(until), vec![60 * second; 4]),
        (Some(("31536000", "")), vec![LOGIN_PAUSE_ASKED_MAX; 2]),
        (Some(("soon", "")), vec![second, 2 * second]),
    ];
    for (asked, pauses) in cases {
        let server = Server::start(move |_| {
            let mut answer = status(429, "too many");
            if let Some((retry_after, date)) = asked {
                answer.headers_mut().insert("retry-after", retry_after.parse().unwrap());
                answer.headers_mut().insert("date", date.parse().unwrap());
            }
            answer
        })
        .await;
        let channel = Setup::for_server(&server).with(crm_credential(&server), &["sportello", PASSWORD]).build();
        let limited = async || {
            let text = internal_error(get(&channel, &server.url("/read")).await);
            assert!(text.starts_with("limit: retry after") && text.contains("it answered 429"), "the password may be good: {text}");
        };
        limited().await;
        for (number, pause) in pauses.iter().enumerate() {
            advance(*pause - Duration::from_millis(500)).await;
            limited().await;
            assert_eq!(server.count("/login"), number + 1, "{asked:?}: tried again within {pause:?}");
            advance(Duration::from_millis(600)).await;
            limited().await;
            assert_eq!(server.count("/login"), number + 2, "{asked:?}: not tried again after {pause:?}");
        }
    }
}

#[tokio::test]
async fn a_pause_is_over_when_it_is_in_the_time_of_calls_or_in_that_which_passes() {
    let server = Server::start(|_| {
        let mut answer = status(429, "too many");
        answer.headers_mut().insert("retry-after", "90".parse().unwrap());
        answer
    })
    .await;
    let channel = Setup::for_server(&server).with(crm_credential(&server), &["sportello", PASSWORD]).build();
    let logins_at = async |seconds: i64| {
        let now = clock() + Duration::from_secs(1_000_000) + jiff::SignedDuration::from_secs(seconds);
        internal_error(Call::at(now, &channel).get(&server.url("/read")).await);
        server.count("/login")
    };
    assert_eq!((logins_at(0).await, logins_at(80).await, logins_at(91).await), (1, 1, 2));
    // The clock of calls was turned back by a day.
    assert_eq!(logins_at(-86_400).await, 2);
    advance(Duration::from_secs(91)).await;
    assert_eq!(logins_at(-86_400).await, 3);
}

/// What outlasts a process: the end of each window in which nothing is left.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, Timestamp>>);

/// The same as a call sees it that began at this moment.
struct KeptAt(Arc<Kept>, Timestamp);

impl Headroom for KeptAt {
    fn take(&self, window: &str) -> Result<(), Timestamp> {
        let ends = self.0.0.lock().unwrap();
        ends.get(window).copied().filter(|end| *end > self.1).map_or(Ok(()), Err)
    }

    fn report(&self, window: HeadroomWindow) {
        assert_eq!((window.allowed, window.remaining), (None, 0));
        self.0.0.lock().unwrap().insert(window.name, window.resets_at);
    }

    fn ends(&self, _: &str, _: Option<Timestamp>) {}
}

#[tokio::test]
async fn the_pause_that_a_platform_asks_of_a_log_in_is_kept_over_a_restart() {
    let hour = LOGIN_PAUSE_ASKED_MAX;
    for (code, asked, pause) in [(429, "90", Some(90)), (503, "90", Some(90)), (429, "31536000", Some(hour.as_secs())), (429, "soon", None)]
    {
        let server = Server::start(move |seen| {
            let mut answer = status(if seen.uri.path() == "/login" { code } else { 200 }, "not now");
            answer.headers_mut().insert("retry-after", asked.parse().unwrap());
            answer
        })
        .await;
        let kept = Arc::new(Kept::default());
        // Each process has sessions of its own.
        let logins_after = async |seconds: u64| {
            let mut setup = Setup::for_server(&server).with(crm_credential(&server), &["sportello", PASSWORD]);
            setup.outbound = outbound(&[]);
            let now = clock() + Duration::from_secs(seconds);
            let headroom = Arc::new(KeptAt(Arc::clone(&kept), now));
            let mut call = Call::counted(now, CallLimits::default().wall_max, headroom, &setup.build());
            let text = internal_error(call.get(&server.url("/read")).await);
            assert!(text.starts_with("limit: retry after"), "{text}");
            server.count("/login")
        };
        assert_eq!(logins_after(0).await, 1);
        let names: Vec<String> = kept.0.lock().unwrap().keys().cloned().collect();
        let Some(pause) = pause else {
            assert_eq!((names.len(), logins_after(1).await), (0, 2), "{code} {asked}: it asked for nothing");
            continue;
        };
        assert_eq!(names, ["log-in bot"]);
        assert_eq!(logins_after(pause - 1).await, 1, "{code} {asked}: tried again too early");
        assert_eq!(logins_after(pause + 1).await, 2, "{code} {asked}: not tried again");
    }
}

#[tokio::test]
async fn a_platform_may_say_in_a_header_of_its_own_until_when_it_wants_no_log_in() {
    // The status, the header's moment, `Retry-After`, and after how many seconds it is tried again. Who is out of order says nothing by that header.
    for (code, at, asked, pause) in [
        (429, Some("400"), None, 400),
        (429, Some("400"), Some("30"), 400),
        (429, Some("30"), Some("400"), 400),
        (429, Some("soon"), None, 1),
        (503, Some("400"), None, 1),
        (503, Some("400"), Some("30"), 30),
    ] {
        let began = clock();
        let server = Server::start(move |_| {
            let mut answer = status(code, "not now");
            let moment = at.map(|at| at.parse().map_or(at.to_owned(), |after: i64| (began.as_second() + after).to_string()));
            for (name, value) in [("x-limit-reset", moment), ("retry-after", asked.map(str::to_owned))] {
                value.map(|value| answer.headers_mut().insert(name, value.parse().unwrap()));
            }
            answer
        })
        .await;
        let mut credential = crm_credential(&server);
        credential.session.as_mut().unwrap().retry_at_header = Some("X-Limit-Reset".into());
        let channel = Setup::for_server(&server).with(credential, &["sportello", PASSWORD]).build();
        let tries = async |seconds| {
            internal_error(Call::at(began + Duration::from_secs(seconds), &channel).get(&server.url("/read")).await);
            server.count("/login")
        };
        assert_eq!((tries(0).await, tries(pause - 1).await), (1, 1), "{code}, {at:?}, {asked:?}: tried again too early");
        assert_eq!(tries(pause + 1).await, 2, "{code}, {at:?}, {asked:?}: not tried again");
    }
}

#[tokio::test]
async fn a_refused_login_is_not_hammered() {
    let (crm, server, mut setup) = crm().await;
    setup.secrets.get_mut("bot").unwrap().insert("password".into(), Secret::new("wrong-password").into());
    let channel = setup.build();
    let mut call = Call::new(&channel);
    let text = internal_error(call.get(&server.url("/read")).await);
    let expected = format!("credential bot: log-in refused by {}: expected /status = Success, found Failed", server.url(""));
    assert!(text.starts_with(&expected), "{text}");
    for _ in 0..20 {
        let text = internal_error(call.get(&server.url("/read")).await);
        assert!(text.starts_with(&expected), "{text}");
    }
    assert_eq!((server.count("/login"), server.count("/read")), (1, 0));
    assert!(!call.notes().concat().contains("wrong-password"));

    // The pauses double up to their limit.
    let mut waited = Duration::ZERO;
    let mut pause = Duration::from_secs(1);
    for tries in 2..12 {
        advance(pause - Duration::from_millis(500)).await;
        internal_error(get(&channel, &server.url("/read")).await);
        assert_eq!(server.count("/login"), tries - 1, "tried again too early");
        advance(Duration::from_millis(600)).await;
        internal_error(get(&channel, &server.url("/read")).await);
        assert_eq!(server.count("/login"), tries, "not tried again after {pause:?}");
        waited += pause;
        pause = (2 * pause).min(LOGIN_PAUSE_AFTER_REFUSAL_MAX);
    }
    assert_eq!(pause, LOGIN_PAUSE_AFTER_REFUSAL_MAX);
    assert_eq!(channel.counters().logins_failed, 11);

    // Another secret is another matter: nothing to wait for.
    setup.secrets.get_mut("bot").unwrap().insert("password".into(), Secret::new(PASSWORD).into());
    assert_eq!(get(&setup.build(), &server.url("/read")).await.unwrap().status, 200);
    assert_eq!(crm.logins(), 1);
}

#[tokio::test]
async fn a_login_that_gets_no_answer_is_a_reason_to_retry_not_to_doubt_the_credential() {
    let server = Server::start(|_| status(503, "maintenance")).await;
    let channel = Setup::for_server(&server).with(crm_credential(&server), &["sportello", PASSWORD]).build();
    let text = internal_error(get(&channel, &server.url("/")).await);
    assert!(text.starts_with("limit: retry after 1000 ms: credential bot: log-in at http://127.0.0.1"), "{text}");
    assert!(text.contains("503"), "{text}");
    let text = internal_error(get(&channel, &server.url("/")).await);
    assert!(text.starts_with("limit: retry after ") && server.count("/login") == 1, "{text}");
}
