//! What the connector promises about replies; what holds for posts as well is tested for both. The exchanges stand in `exchanges/graph`, written after Facebook's public documentation.

use facebook::Facebook;
use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, answered, exchange, reply};
use sportello_sdk::{Effect, Error, Idempotency};

fn channel() -> Channel<Facebook> {
    Channel::new(json!({ "page-id": "100200300400500", "graph-url": "https://graph.facebook.com" }))
}

fn recorded(name: &str) -> Value {
    exchange("exchanges/graph", name)
}

/// Plays recorded exchanges in order; each request must be the one that was recorded.
fn play(names: &'static [&'static str]) -> Host {
    let mut exchanges = names.iter().map(|name| recorded(name));
    Host::new().http(move |request: &Request| {
        let exchange = exchanges.next().unwrap_or_else(|| panic!("one request too many: {}", request.url()));
        let expected = &exchange["request"];
        assert_eq!((request.method(), request.path()), (expected["method"].as_str().unwrap(), expected["path"].as_str().unwrap()));
        assert_eq!(request.query_value("after").as_deref(), expected["after"].as_str());
        assert_eq!(request.header_value("authorization"), None, "the token is the host's to put in");
        for (name, value) in expected["form"].as_object().into_iter().flatten() {
            assert_eq!(request.form_value(name).as_deref(), value.as_str());
        }
        answered(&exchange)
    })
}

fn effect() -> Effect {
    reply("run-1-reply-1", "900_901", "Stiamo riparando.")
}

#[test]
fn a_reply_is_a_comment_below_the_conversation_with_every_character_in_place() {
    let _host = play(&["comment_created"]).start();
    let effect = reply("run-1-reply-1", "900_901", "Stiamo riparando: la rete torna alle 14. È colpa nostra 🙏");
    assert_eq!(channel().publish(&effect).unwrap().native_id, "900_902");
}

#[test]
fn a_rate_limit_lasts_as_long_as_the_platform_says() {
    let _host = play(&["rate_limited"]).start();
    let Err(Error::RateLimited(limit)) = channel().publish(&effect()) else { panic!("rate-limited") };
    assert_eq!(limit.until, "2026-01-15T12:19:00Z");
}

#[test]
fn each_error_code_becomes_what_the_host_must_do() {
    // status, error object, outcome of a reply, outcome of a look
    let mut table = vec![
        (400, json!({ "code": 190, "error_subcode": 463 }), "auth", "auth"),
        (400, json!({ "code": 100, "error_subcode": 33 }), "reject", "cannot tell"),
        (400, json!({ "code": 1, "is_transient": true }), "uncertain", "retry"),
        (400, json!({ "code": 368 }), "reject", "cannot tell"),
        (400, json!({ "code": 506 }), "uncertain", "cannot tell"),
        (403, json!({ "code": 200 }), "auth", "auth"),
        (400, json!({ "code": 10 }), "auth", "auth"),
        (403, json!({ "code": 299 }), "auth", "auth"),
        (403, json!({ "code": 200, "error_subcode": 1_705 }), "reject", "cannot tell"),
        (400, json!({ "code": 10, "error_subcode": 2_018_278 }), "reject", "cannot tell"),
        (500, json!({ "code": 2 }), "uncertain", "retry"),
        (503, Value::Null, "uncertain", "retry"),
        (502, Value::Null, "uncertain", "retry"),
        (429, Value::Null, "rate-limited", "rate-limited"),
        (401, Value::Null, "auth", "auth"),
    ];
    for code in [4, 17, 32, 341, 613, 80001, 80004, 80008] {
        table.push((400, json!({ "code": code, "message": "too many calls" }), "rate-limited", "rate-limited"));
    }
    for (status, error, of_reply, of_look) in table {
        let answer =
            if error.is_null() { Response::with_text(status, "<html>") } else { Response::with_json(status, &json!({ "error": error })) };
        let _host = Host::new().http(move |_: &Request| answer.clone()).start();
        assert_eq!(channel().publish(&effect()).unwrap_err().name(), of_reply, "reply: HTTP {status} {error}");
        let look = match channel().find(&effect()) {
            Ok(Presence::CannotTell) => "cannot tell",
            Ok(other) => panic!("HTTP {status} {error}: {other:?}"),
            Err(error) => error.name(),
        };
        assert_eq!(look, of_look, "look: HTTP {status} {error}");
    }
    for (file, of_reply) in [("token_expired", "auth"), ("object_gone", "reject")] {
        let answer = answered(&recorded(file));
        let _host = Host::new().http(move |_: &Request| answer.clone()).start();
        assert_eq!(channel().publish(&effect()).unwrap_err().name(), of_reply, "{file}");
    }
}

#[test]
fn a_lost_answer_is_uncertain_and_a_connection_never_made_is_not() {
    let outcome = |failure: Failure| {
        let _host = Host::new().http(move |_: &Request| Err(failure.clone())).start();
        channel().publish(&effect()).unwrap_err()
    };
    assert!(matches!(outcome(Failure::Interrupted("time-out".into())), Error::Uncertain(_)));
    assert!(matches!(outcome(Failure::NotSent("connection refused".into())), Error::Retry(_)));
    assert!(matches!(outcome(Failure::Denied("not granted".into())), Error::Reject(_)));
    assert!(matches!(outcome(Failure::Credential("credential page-token: not bound".into())), Error::Auth(_)));

    let _host = Host::new().http(|_: &Request| Response::with_json(200, &json!({}))).start();
    assert!(matches!(channel().publish(&effect()).unwrap_err(), Error::Uncertain(_)), "a success that names no comment");
}

#[test]
fn a_look_finds_our_comment_on_a_later_page_and_nobody_elses() {
    let host = play(&["comments_page_1", "comments_page_2_with_ours"]).start();
    let Presence::Present(receipt) = channel().find(&effect()).unwrap() else { panic!("present") };
    assert_eq!((receipt.native_id.as_str(), receipt.at.as_deref()), ("900_902", Some("2026-01-15T12:00:05Z")));
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn absent_is_said_only_after_the_whole_list_and_settling_is_declared() {
    let host = play(&["comments_page_1", "comments_page_2_without_ours"]).start();
    assert_eq!(channel().find(&effect()).unwrap(), Presence::Absent, "yesterday's comment with the same words is another effect's");
    assert_eq!(host.requests().len(), 2);

    let manifest = channel().manifest();
    let action = &manifest.actions[0];
    assert_eq!((action.name.as_str(), action.idempotency), ("reply", Idempotency::Findable));
    assert!(action.settling_seconds > 0);
}

#[test]
fn a_look_that_cannot_be_sure_says_so() {
    let ours = |id: &str| json!({ "id": id, "message": "Stiamo riparando.", "from": { "id": "100200300400500" }, "created_time": "2026-01-15T12:00:05+0000" });
    let without_author = json!({ "id": "3", "message": "Stiamo riparando.", "created_time": "2026-01-15T12:00:05+0000" });
    let more = json!({ "next": "https://…", "cursors": { "after": "same" } });
    let more_without_cursor = json!({ "next": "https://…" });
    for (case, page) in [
        ("no list", json!({})),
        ("twice the same words", json!({ "data": [ours("1"), ours("2")] })),
        ("an author that is not shown", json!({ "data": [without_author] })),
        ("a cursor that does not move", json!({ "data": [], "paging": more })),
        ("a next page without a cursor", json!({ "data": [], "paging": more_without_cursor })),
    ] {
        let _host = Host::new().http(move |_: &Request| Response::with_json(200, &page)).start();
        assert_eq!(channel().find(&effect()).unwrap(), Presence::CannotTell, "{case}");
    }
}

#[test]
fn what_the_connector_cannot_do_is_refused_before_anything_is_sent() {
    let host = Host::new().start();
    let mut other = effect();
    other.action = "activity".into();
    let mut nowhere = effect();
    nowhere.conversation = None;
    for effect in [other, nowhere, reply("k", "dm:7000000000000005", "ciao"), reply("k", "900_901", " \n")] {
        assert!(matches!(channel().publish(&effect), Err(Error::Reject(_))), "{effect:?}");
    }
    assert!(host.requests().is_empty());
}
