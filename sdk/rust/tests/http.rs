//! What the HTTP client promises: failures mean what the host must do, and nothing is lost on the way.

use std::time::Duration;

use serde_json::json;
use sportello_sdk::Error;
use sportello_sdk::http::{Failure, Request, Response, decode, encode};
use sportello_sdk::testing::Host;

fn fails(request: Request, failure: Failure) -> Error {
    let _host = Host::new().http(move |_: &Request| Err::<Response, _>(failure.clone())).start();
    request.send().unwrap_err()
}

fn answers(request: Request, response: Response) -> Error {
    let _host = Host::new().http(move |_: &Request| response.clone()).start();
    request.send().and_then(Response::success).unwrap_err()
}

#[test]
fn a_failure_means_what_may_have_happened_on_the_other_side() {
    let get = || Request::get("https://a.example/x");
    let post = || Request::post("https://a.example/x");
    let lost = || Failure::Interrupted("time-out".into());
    assert!(matches!(fails(get(), lost()), Error::Retry(_)));
    assert!(matches!(fails(post(), lost()), Error::Uncertain(_)));
    assert!(matches!(fails(post().repeatable(), lost()), Error::Retry(_)));
    assert!(matches!(fails(post(), Failure::NotSent("refused".into())), Error::Retry(_)));
    assert!(matches!(fails(post(), Failure::Denied("no".into())), Error::Reject(_)));
    assert!(matches!(fails(post(), Failure::Invalid("no".into())), Error::Reject(_)));
    assert!(matches!(fails(post(), Failure::Credential("credential token: not bound".into())), Error::Auth(_)));
    assert!(matches!(fails(get(), Failure::Unusable("too large".into())), Error::Reject(_)));
    assert!(matches!(fails(post(), Failure::Unusable("too large".into())), Error::Uncertain(_)));
}

#[test]
fn the_hosts_limit_says_how_long_to_wait() {
    let failure = Failure::Limit("limit: retry after 1500 ms: 10 requests in 60 s".into());
    let Error::RateLimited(limit) = fails(Request::post("https://a.example/"), failure) else { panic!("rate-limited") };
    assert_eq!(limit.until, "2026-01-15T12:00:01.500Z");
    let silent = Failure::Limit("limit".into());
    let Error::RateLimited(limit) = fails(Request::post("https://a.example/"), silent) else { panic!("rate-limited") };
    assert_eq!(limit.until, "2026-01-15T12:00:05Z", "a host that does not say");
}

#[test]
fn a_status_means_the_usual_and_a_repetition_is_never_offered_for_what_may_have_taken_effect() {
    let get = || Request::get("https://a.example/x");
    let post = || Request::post("https://a.example/x");
    assert!(matches!(answers(get(), Response::new(503)), Error::Retry(_)));
    assert!(matches!(answers(post(), Response::new(503)), Error::Uncertain(_)));
    assert!(matches!((answers(get(), Response::new(520)), answers(post(), Response::new(524))), (Error::Retry(_), Error::Uncertain(_))));
    assert!(matches!(answers(post(), Response::new(401)), Error::Auth(_)));
    assert!(matches!(answers(post(), Response::new(403)), Error::Reject(_)));
    let Error::RateLimited(limit) = answers(post(), Response::new(429).with_header("Retry-After", "90")) else { panic!("rate-limited") };
    assert_eq!(limit.until, "2026-01-15T12:01:30Z");
    let Error::Retry(retry) = answers(get(), Response::new(503).with_header("retry-after", "7")) else { panic!("retry") };
    assert_eq!(retry.after_ms, 7000);
    let own = Request::get("https://a.example/x");
    let _host = Host::new().http(|_: &Request| Response::new(503)).start();
    assert!(matches!(own.send().unwrap().failure("the platform sleeps"), Error::Retry(retry) if retry.reason == "the platform sleeps"));
}

#[test]
fn a_wait_is_a_number_of_seconds_or_a_date() {
    let _host = Host::new().start();
    let wait = |text: &str| Response::new(429).with_header("retry-after", text).retry_after();
    assert_eq!(wait(" 90 "), Some(Duration::from_secs(90)));
    assert_eq!(wait("Thu, 15 Jan 2026 12:01:30 GMT"), Some(Duration::from_secs(90)));
    assert_eq!(wait("Thu, 15 Jan 2026 11:00:00 GMT"), Some(Duration::ZERO), "it has passed");
    for other in ["", "soon", "-1", "1.5", "Thu, 15 Jan 2026 12:01:30 CET"] {
        assert_eq!(wait(other), None, "{other}");
    }
}

#[test]
fn an_answer_that_is_no_json_after_a_post_is_uncertain() {
    let _host = Host::new().http(|_: &Request| Response::with_text(200, "<html>")).start();
    let of = |request: Request| request.send().unwrap().json::<serde_json::Value>().unwrap_err();
    assert!(matches!(of(Request::get("https://a.example/")), Error::Retry(_)));
    assert!(matches!(of(Request::post("https://a.example/")), Error::Uncertain(_)));
}

#[test]
fn an_answer_longer_than_the_limit_is_not_taken() {
    let _host = Host::new().http(|_: &Request| Response::with_text(200, "x".repeat(11))).start();
    assert!(Request::get("https://a.example/").limit(11).send().is_ok());
    assert!(matches!(Request::get("https://a.example/").limit(10).send(), Err(Error::Reject(_))));
}

#[test]
fn queries_and_forms_arrive_as_they_were_given() {
    let odd = "È 😡 & = + % # / ?\n";
    let request = Request::post("https://a.example/p?fixed=1").query("q", odd).form([("f", odd), ("g", "")]);
    assert_eq!(request.query_value("q").as_deref(), Some(odd));
    assert_eq!(request.query_value("fixed").as_deref(), Some("1"));
    assert_eq!(request.form_value("f").as_deref(), Some(odd));
    assert_eq!(request.form_value("g").as_deref(), Some(""));
    assert_eq!(request.header_value("Content-Type"), Some("application/x-www-form-urlencoded"));
    assert!(request.url().starts_with("https://a.example/p?fixed=1&q=%C3%88%20%F0%9F%98%A1"), "{}", request.url());
    assert_eq!(request.path(), "/p");
    assert_eq!(decode(&encode(odd)), odd);
    assert_eq!(decode("a+b%zz%"), "a b%zz%");
    assert_eq!(
        Request::post("https://a.example").json(&json!({ "a": [1] })).body_json::<serde_json::Value>().unwrap(),
        json!({ "a": [1] })
    );
}

#[test]
fn an_error_names_the_request_without_its_query() {
    let request = Request::get("https://a.example/x?secret=1").query("mail", "anna@example.com").timeout(Duration::from_secs(1));
    let Error::Reject(reason) = fails(request, Failure::Denied("not granted".into())) else { panic!("reject") };
    assert!(reason.starts_with("GET https://a.example/x: "), "{reason}");
    assert!(!reason.contains("anna"));
}
