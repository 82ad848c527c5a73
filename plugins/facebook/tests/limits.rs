//! What the connector promises about the platform's limits.

use facebook::Facebook;
use serde_json::{Value, json};
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::{Channel, Host, reply};
use sportello_sdk::{Error, webhook};

const PAGE: &str = "100200300400500";

fn channel() -> Channel<Facebook> {
    Channel::new(json!({ "page-id": PAGE, "graph-url": "https://graph.facebook.com" }))
}

/// A page's usage in percent, and in how many minutes calls are taken again.
fn page(percent: u64, minutes: u64) -> Value {
    json!({ PAGE: [
        { "type": "messenger", "call_count": 0, "total_cputime": 0, "total_time": 0, "estimated_time_to_regain_access": 0 },
        { "type": "pages", "call_count": 1, "total_cputime": percent, "total_time": 1, "estimated_time_to_regain_access": minutes },
    ] })
}

fn app(percent: u64) -> Value {
    json!({ "call_count": percent, "total_cputime": 1, "total_time": 1 })
}

/// Answers with these headers: the name of a comment, or an empty list.
fn telling(now: &str, headers: &[(&'static str, String)]) -> Host {
    let headers = headers.to_vec();
    Host::new().now(now).http(move |request: &Request| {
        let body = if request.method() == "POST" { json!({ "id": "900_902" }) } else { json!({ "data": [] }) };
        headers.iter().fold(Response::with_json(200, &body), |response, (name, value)| response.with_header(name, value))
    })
}

#[test]
fn what_is_left_is_told_for_the_minute_that_runs_in_the_fewest_calls_it_can_be() {
    for (now, percent, minutes, remaining, until) in [
        ("2026-01-15T12:00:00Z", 1, 0, 98 * 48, "2026-01-15T12:01:00Z"),
        ("2026-01-15T12:00:59Z", 12, 0, 87 * 48, "2026-01-15T12:01:00Z"),
        ("2026-01-15T12:00:00Z", 98, 0, 48, "2026-01-15T12:01:00Z"),
        ("2026-01-15T12:00:00Z", 99, 0, 1, "2026-01-15T12:01:00Z"),
        // Nothing is left: as long as Facebook says, or five minutes.
        ("2026-01-15T12:00:00Z", 100, 19, 0, "2026-01-15T12:19:00Z"),
        ("2026-01-15T12:00:30Z", 100, 1, 0, "2026-01-15T12:02:00Z"),
        ("2026-01-15T12:00:00Z", 250, 0, 0, "2026-01-15T12:05:00Z"),
        ("2026-01-15T12:00:00Z", 95, 7, 0, "2026-01-15T12:07:00Z"),
        ("2026-01-15T12:00:00Z", 100, 1 << 60, 0, "2026-01-16T12:00:00Z"),
    ] {
        let host = telling(now, &[("x-business-use-case-usage", page(percent, minutes).to_string()), ("x-app-usage", app(99).to_string())]);
        let host = host.start();
        channel().publish(&reply("k", "900_901", "Eccoci")).unwrap();
        let told = host.headroom();
        assert_eq!(told.len(), 1, "of the app nothing is told while it has room");
        assert_eq!((told[0].name.as_str(), told[0].remaining, told[0].resets_at.as_str()), ("page", remaining, until), "{percent} %");
        assert_eq!(told[0].allowed, (remaining > 0).then_some(remaining));
    }
}

#[test]
fn an_app_that_has_used_up_its_hour_waits_as_after_any_limit_that_does_not_say_how_long() {
    let host = telling("2026-01-15T12:00:00Z", &[("x-app-usage", app(100).to_string())]).start();
    channel().publish(&reply("k", "900_901", "Eccoci")).unwrap();
    let told = host.headroom();
    assert_eq!((told[0].name.as_str(), told[0].remaining, told[0].resets_at.as_str()), ("app", 0, "2026-01-15T12:05:00Z"));
}

#[test]
fn where_nothing_is_left_nothing_is_asked_whatever_it_is_for() {
    for header in [("x-business-use-case-usage", page(100, 10).to_string()), ("x-app-usage", app(100).to_string())] {
        let host = telling("2026-01-15T12:00:00Z", &[header]).start();
        channel().publish(&reply("k1", "900_901", "Eccoci")).unwrap();
        assert!(matches!(channel().publish(&reply("k2", "900_901", "Di nuovo")), Err(Error::RateLimited(_))));
        assert!(matches!(channel().find(&reply("k2", "900_901", "Di nuovo")), Err(Error::RateLimited(_))));
        assert_eq!(host.requests().len(), 1);
    }
}

/// Somebody asks to be deleted, so that Facebook is asked who that is.
fn asks_to_be_deleted() {
    let body = json!({ "algorithm": "HMAC-SHA256", "issued_at": 1_768_478_400, "user_id": "218471" }).to_string();
    let settings = json!({ "page-id": PAGE, "graph-url": "https://graph.facebook.com", "public-url": "https://sportello.example.org/w" });
    Channel::<Facebook>::new(settings).deliver(&webhook::Request::post(body.into_bytes())).unwrap();
}

#[test]
fn an_app_that_has_used_up_its_hour_asks_nothing_with_its_own_token_either_and_a_page_that_has_its_day_does() {
    let refusing = |code: u64, headers: &[(&'static str, String)]| {
        let headers = headers.to_vec();
        let host = Host::new().now("2026-01-15T12:00:00Z").credential("app-secret", "segreto").http(move |request: &Request| {
            let is_of_the_app = request.path().ends_with("ids_for_pages");
            let refusal = json!({ "error": { "message": "limit", "type": "OAuthException", "code": code } });
            let answer = if is_of_the_app { Response::with_json(200, &json!({ "data": [] })) } else { Response::with_json(400, &refusal) };
            headers.iter().fold(answer, |answer, (name, value)| answer.with_header(name, value))
        });
        host.start()
    };
    let app_usage = [("x-app-usage", app(100).to_string())];
    for (case, code, headers, is_asked) in
        [("refused for the app", 4, &[][..], false), ("told of the app", 17, &app_usage, false), ("refused for the page", 80001, &[], true)]
    {
        let host = refusing(code, headers);
        assert!(matches!(channel().publish(&reply("k", "900_901", "Eccoci")), Err(Error::RateLimited(_))), "{case}");
        asks_to_be_deleted();
        assert_eq!(host.requests().len(), 1 + usize::from(is_asked), "{case}");
        assert!(matches!(channel().publish(&reply("k", "900_901", "Eccoci")), Err(Error::RateLimited(_))), "{case}");
        assert_eq!(host.requests().len(), 1 + usize::from(is_asked), "{case}");
    }
}

#[test]
fn an_answer_that_tells_nothing_or_nonsense_says_nothing() {
    for text in ["", "{", "7", "[]", "{}", r#"{"1": 7}"#, r#"{"1": []}"#] {
        let host = telling("2026-01-15T12:00:00Z", &[("x-business-use-case-usage", text.into()), ("x-app-usage", text.into())]).start();
        channel().publish(&reply("k", "900_901", "Eccoci")).unwrap();
        assert!(host.headroom().is_empty(), "{text}");
    }
}
