//! What the connector promises about activities, and what Tryton's errors mean.

mod recorded;

use recorded::{channel, play, response};
use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Host, activity};
use sportello_sdk::{Effect, Error};

fn effect() -> Effect {
    activity("run-1-activity-1", "1", "Answered on the wiki", "è 100 %")
}

#[test]
fn an_activity_is_a_note_with_its_key_in_the_last_line() {
    let host = play(&["note_created"]).start();
    assert_eq!(channel(&json!({})).publish(&effect()).unwrap().native_id, "ir.note,7");
    let body: Value = host.requests()[0].body_json().unwrap();
    let message = "Answered on the wiki\n\nè 100 %\n\n(sportello run-1-activity-1)";
    assert_eq!(body["params"], json!([[{ "resource": "party.party,1", "message": message }], {}]));
}

#[test]
fn an_activity_is_found_by_its_whole_key() {
    let host = play(&["note_found"]).start();
    let found = channel(&json!({})).find(&effect()).unwrap();
    let domain = &host.requests()[0].body_json::<Value>().unwrap()["params"][0];
    assert_eq!(domain, &json!([["resource", "=", "party.party,1"], ["message", "like", "%(sportello run-1-activity-1)%"]]));
    drop(host);
    assert!(
        matches!(found, Presence::Present(receipt) if receipt.native_id == "ir.note,7" && receipt.at.as_deref() == Some("2026-11-22T11:26:34.375Z"))
    );
    let _host = play(&["note_found"]).start();
    let other = activity("run-1-activity", "1", "Answered on the wiki", "è");
    assert!(matches!(channel(&json!({})).find(&other).unwrap(), Presence::Absent));
    let _host = play(&["nothing_found"]).start();
    assert!(matches!(channel(&json!({})).find(&effect()).unwrap(), Presence::Absent));
}

#[test]
fn a_contact_that_is_no_party_is_refused_before_anything_is_sent() {
    let host = play(&[]).start();
    let refused = channel(&json!({})).publish(&activity("k", "1,2", "s", "t"));
    assert!(matches!(refused, Err(Error::Reject(_))) && host.requests().is_empty());
}

#[test]
fn each_error_of_tryton_becomes_what_the_host_must_do() {
    let outcome = |name: &'static str| {
        let _host = Host::new().http(move |_: &Request| response(name)).start();
        channel(&json!({})).publish(&effect()).unwrap_err()
    };
    assert!(matches!(outcome("user_error"), Error::Reject(reason) if reason.contains("A value is required")));
    assert!(matches!(outcome("concurrency_exception"), Error::Retry(_)), "the transaction was rolled back: nothing took effect");
    assert!(matches!(outcome("login_exception"), Error::Auth(_)));
    assert!(matches!(outcome("wrong_database"), Error::Reject(_)));
    assert!(matches!(outcome("nothing_found"), Error::Uncertain(_)), "an answer that names no note");
}

#[test]
fn what_the_database_refuses_in_passing_is_tried_again() {
    for words in [
        "database is locked",
        "could not serialize access due to concurrent update",
        "deadlock detected",
        "canceling statement due to lock timeout",
    ] {
        let _host = Host::new().http(move |_: &Request| Response::with_json(200, &json!({ "id": 1, "error": [words, ""] }))).start();
        let outcome = channel(&json!({})).publish(&effect());
        assert!(matches!(outcome, Err(Error::Retry(_))), "{words}: {outcome:?}");
    }
}

#[test]
fn a_result_that_is_not_understood_may_be_of_something_that_was_done() {
    let _host = Host::new().http(|_: &Request| Response::with_json(200, &json!({ "id": 1, "result": "7" }))).start();
    assert!(matches!(channel(&json!({})).publish(&effect()), Err(Error::Uncertain(_))));
    assert!(matches!(channel(&json!({})).find(&effect()), Err(Error::Reject(_))), "a look has done nothing");
}

/// Recorded: a session that was deleted while its request was carried out. The request had been committed by then.
const ENDED: &str = "You are trying to read records \"7\" of \"Session\" that don't exist anymore.";

#[test]
fn a_refusal_behind_which_the_session_has_ended_may_have_been_done() {
    let outcomes = |words: &'static str, probe: u16| {
        let respond = move |request: &Request| {
            let body: Value = request.body_json().unwrap();
            match body["method"].as_str().unwrap() {
                "model.res.user.get_preferences" => Response::with_json(probe, &json!({"id": 1, "result": {}})),
                _ => Response::with_json(200, &json!({"id": 1, "error": ["UserError", [words, "", null]]})),
            }
        };
        let host = Host::new().http(respond).start();
        let outcomes = (channel(&json!({})).publish(&effect()).unwrap_err(), channel(&json!({})).find(&effect()).unwrap_err());
        (outcomes, host.requests().len())
    };
    let (outcome, _) = outcomes("Ein Wert ist nötig.", 200);
    assert!(matches!(outcome, (Error::Reject(_), Error::Reject(_))), "{outcome:?}");
    for probe in [401, 503] {
        let (outcome, _) = outcomes("Sie versuchen, \"7\" aus \"Sitzung\" zu lesen.", probe);
        assert!(matches!(outcome, (Error::Uncertain(_), Error::Retry(_))), "{probe}: {outcome:?}");
    }
    // Another call has logged in meanwhile.
    let (outcome, requests) = outcomes(ENDED, 200);
    assert!(matches!(outcome, (Error::Uncertain(_), Error::Retry(_))), "{outcome:?}");
    assert_eq!(requests, 2, "what the refusal says need not be asked");
}

#[test]
fn each_status_of_http_becomes_what_the_host_must_do() {
    let answered = |status: u16| {
        let _host = Host::new().http(move |_: &Request| Response::with_text(status, "<html>")).start();
        let channel = channel(&json!({}));
        (channel.publish(&effect()).unwrap_err(), channel.look_up("wiki.handle", "Ada L").unwrap_err())
    };
    assert!(matches!(answered(403), (Error::Reject(_), Error::Reject(_))), "an unknown method");
    assert!(matches!(answered(401), (Error::Retry(_), Error::Retry(_))), "the host has given the session up");
    assert!(matches!(answered(429), (Error::RateLimited(_), Error::RateLimited(_))));
    assert!(matches!(answered(502), (Error::Uncertain(_), Error::Retry(_))));
}

#[test]
fn who_is_told_to_come_again_later_does_not_come_before() {
    let host = Host::new().http(move |_: &Request| Response::with_text(429, "<html>").with_header("retry-after", "300")).start();
    let channel = channel(&json!({}));
    let Error::RateLimited(limit) = channel.publish(&effect()).unwrap_err() else { panic!("it is told to wait") };
    let others = [channel.look_up("wiki.handle", "Ada L").unwrap_err(), channel.changes(None).unwrap_err()];
    assert!(others.iter().all(|error| matches!(error, Error::RateLimited(other) if other.until == limit.until)), "{others:?}");
    assert_eq!(host.requests().len(), 1, "whatever it is for");
    host.passes_until(&limit.until);
    channel.look_up("wiki.handle", "Ada L").unwrap_err();
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn an_expired_session_costs_one_more_request() {
    let mut answers = [Response::new(401), response("note_created")].into_iter();
    let _host = Host::new().http(move |_: &Request| answers.next().unwrap()).start();
    assert_eq!(channel(&json!({})).publish(&effect()).unwrap().native_id, "ir.note,7");
}

#[test]
fn a_note_that_was_not_answered_is_uncertain_and_a_look_is_tried_again() {
    let lost = || Host::new().http(|_: &Request| Err::<Response, _>(Failure::Interrupted("timeout".into()))).start();
    let _host = lost();
    assert!(matches!(channel(&json!({})).publish(&effect()), Err(Error::Uncertain(_))));
    let _host = lost();
    assert!(matches!(channel(&json!({})).find(&effect()), Err(Error::Retry(_))));
    let _host = lost();
    assert!(matches!(channel(&json!({})).look_up("email", "ada@example.org"), Err(Error::Retry(_))));
}
