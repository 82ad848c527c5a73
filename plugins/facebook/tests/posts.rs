//! What the connector promises about posts of the page.

use facebook::Facebook;
use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, effect};
use sportello_sdk::{Effect, Error, Idempotency};

const PAGE: &str = "100200300400500";
const TEXT: &str = "Da lunedì apriamo alle 8: https://sole.example/orari 🙏";

fn channel() -> Channel<Facebook> {
    Channel::new(json!({ "page-id": PAGE, "graph-url": "https://graph.facebook.com" }))
}

fn post() -> Effect {
    effect("run-1-post-1", "post", TEXT)
}

fn row(number: usize, text: &str, created_time: &str) -> Value {
    json!({ "id": format!("{PAGE}_{number}"), "message": text, "created_time": created_time })
}

fn twin(number: usize, created_time: &str) -> Value {
    row(number, &TEXT.replace(' ', "\n"), created_time)
}

/// A minute of the day on which the effect is queued, at noon.
fn at(minute_of_day: usize) -> String {
    format!("2026-01-15T{:02}:{:02}:00+0000", minute_of_day / 60, minute_of_day % 60)
}

const NOON: usize = 12 * 60;

/// Answers with these posts, a hundred on a page, and to a new one with this.
fn listing(rows: Vec<Value>, to_a_new_one: Response) -> Host {
    Host::new().http(move |request: &Request| {
        if request.method() == "POST" {
            return to_a_new_one.clone();
        }
        assert_eq!(request.path(), format!("/v24.0/{PAGE}/published_posts"));
        let start: usize = request.query_value("after").map_or(0, |cursor| cursor.parse().unwrap());
        let mut page = json!({ "data": rows.iter().skip(start).take(100).collect::<Vec<_>>() });
        if start + 100 < rows.len() {
            page["paging"] = json!({ "next": "https://…", "cursors": { "after": (start + 100).to_string() } });
        }
        Response::with_json(200, &page)
    })
}

fn nothing_new() -> Response {
    Response::new(500)
}

fn duplicate() -> Response {
    Response::with_json(400, &json!({ "error": { "message": "Duplicate status message", "type": "OAuthException", "code": 506 } }))
}

#[test]
fn a_post_is_published_on_the_page_with_every_character_in_place() {
    let host = Host::new().http(|_: &Request| Response::with_json(200, &json!({ "id": format!("{PAGE}_77") }))).start();
    let receipt = channel().publish(&post()).unwrap();
    assert_eq!(receipt.native_id, format!("{PAGE}_77"));
    assert_eq!(receipt.url, Some(format!("https://www.facebook.com/{PAGE}_77")));
    let request = &host.requests()[0];
    assert_eq!((request.method(), request.path()), ("POST", format!("/v24.0/{PAGE}/feed").as_str()));
    assert_eq!(request.form_value("message").as_deref(), Some(TEXT));
}

#[test]
fn an_empty_post_is_refused_before_it_is_sent_and_a_success_without_an_id_is_uncertain() {
    let host = Host::new().http(|_: &Request| Response::with_json(200, &json!({}))).start();
    assert!(matches!(channel().publish(&effect("k", "post", " \n")), Err(Error::Reject(_))));
    assert!(host.requests().is_empty());
    assert!(matches!(channel().publish(&post()), Err(Error::Uncertain(_))));
    let actions = channel().manifest().actions;
    let action = actions.iter().find(|action| action.name == "post").unwrap();
    assert!(action.idempotency == Idempotency::Findable && action.settling_seconds > 0);
}

#[test]
fn refusals_mean_for_a_post_what_they_mean_for_a_reply() {
    let refused = |status: u16, error: Value| {
        let _host = Host::new().http(move |_: &Request| Response::with_json(status, &json!({ "error": error }))).start();
        channel().publish(&post()).unwrap_err()
    };
    assert!(matches!(refused(400, json!({ "code": 190, "error_subcode": 463 })), Error::Auth(_)));
    assert!(matches!(refused(400, json!({ "code": 80001 })), Error::RateLimited(_)));
    assert!(matches!(refused(403, json!({ "code": 200, "message": "requires pages_manage_posts" })), Error::Auth(_)));
    assert!(matches!(refused(500, json!({ "code": 2 })), Error::Uncertain(_)));
    let _host = Host::new().http(|_: &Request| Err::<Response, _>(Failure::Interrupted("time-out".into()))).start();
    assert!(matches!(channel().publish(&post()), Err(Error::Uncertain(_))));
}

#[test]
fn a_lost_post_is_found_wherever_it_stands_in_the_list() {
    for (before, after) in [(0, 0), (3, 250), (250, 3)] {
        // Newest first, a minute apart; some were made since.
        let others = |from: usize, to: usize| (from..to).map(|n| row(n, "Altro", &at(NOON + before - n)));
        let rows = others(0, before).chain([twin(9_000, &at(NOON))]).chain(others(before, before + after)).collect();
        let _host = listing(rows, nothing_new()).start();
        let Presence::Present(receipt) = channel().find(&post()).unwrap() else { panic!("{before} before, {after} after") };
        assert_eq!((receipt.native_id, receipt.at.as_deref()), (format!("{PAGE}_9000"), Some("2026-01-15T12:00:00Z")));
    }
}

#[test]
fn absent_is_said_only_of_a_list_that_reaches_behind_the_effect() {
    for (since, requests) in [(0, 1), (120, 2), (250, 3)] {
        let rows = (0..250).map(|n| row(n, "Altro", &at(if n < since { NOON + since - n } else { NOON - 250 - n }))).collect();
        let host = listing(rows, nothing_new()).start();
        assert_eq!(channel().find(&post()).unwrap(), Presence::Absent);
        assert_eq!(host.requests().len(), requests, "{since} of 250 were made since");
    }
    let _host = listing(vec![row(1, "Altro", &at(NOON)), twin(2, &at(NOON - 60))], nothing_new()).start();
    assert_eq!(channel().find(&post()).unwrap(), Presence::Absent, "an hour ago's with the same words is another effect's");
}

#[test]
fn a_list_in_another_order_is_read_whole() {
    let rows = (0..150).map(|n| row(n, "Altro", &at(n))).chain([twin(9_000, &at(NOON))]).collect();
    let host = listing(rows, nothing_new()).start();
    assert!(matches!(channel().find(&post()).unwrap(), Presence::Present(_)));
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn a_look_that_cannot_be_sure_says_so() {
    let without_id = json!({ "message": TEXT, "created_time": at(NOON) });
    for (case, rows) in [("twins", vec![twin(1, &at(NOON + 1)), twin(2, &at(NOON))]), ("ours without an id", vec![without_id])] {
        let _host = listing(rows, nothing_new()).start();
        assert_eq!(channel().find(&post()).unwrap(), Presence::CannotTell, "{case}");
    }
    let shown_twice = listing(vec![twin(1, &at(NOON)), twin(1, &at(NOON))], nothing_new()).start();
    assert!(matches!(channel().find(&post()).unwrap(), Presence::Present(_)), "a list that grew shows a row again");
    drop(shown_twice);
    let refused = |error: Value| Host::new().http(move |_: &Request| Response::with_json(403, &json!({ "error": error }))).start();
    let unseen = refused(json!({ "code": 10, "error_subcode": 33 }));
    assert_eq!(channel().find(&post()).unwrap(), Presence::CannotTell, "what may not be read");
    drop(unseen);
    let _host = refused(json!({ "code": 10 }));
    assert!(matches!(channel().find(&post()), Err(Error::Auth(_))), "who may not read");
}

#[test]
fn a_double_is_ours_perhaps_unless_the_post_before_explains_it() {
    for (case, rows, is_explained) in [
        ("it stands there since", vec![twin(2, &at(NOON)), row(1, "Altro", &at(NOON - 60))], false),
        ("the post before is an older one", vec![twin(2, &at(NOON - 60)), row(1, "Altro", &at(NOON - 90))], true),
        ("an older one, and another after it", vec![row(2, "Altro", &at(NOON - 30)), twin(1, &at(NOON - 60))], false),
        ("nothing is shown yet", vec![], false),
    ] {
        let _host = listing(rows, duplicate()).start();
        let error = channel().publish(&post()).unwrap_err();
        assert_eq!(matches!(error, Error::Reject(_)), is_explained, "{case}: {error:?}");
        assert_eq!(matches!(error, Error::Uncertain(_)), !is_explained, "{case}: {error:?}");
    }
}
