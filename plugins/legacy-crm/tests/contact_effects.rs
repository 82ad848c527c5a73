//! What the connector promises about making and changing contacts: what Tryton is sent, and when it is sent nothing.

mod recorded;

use recorded::{channel, response};
use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::{Host, Running, effect};
use sportello_sdk::{Attribute, Effect, Error};

/// The second in which the recorded party was made.
const SAME_SECOND: &str = "Sun, 22 Nov 2026 11:26:34 GMT";
/// Reading may have begun in the second before.
const NEXT_SECOND: &str = "Sun, 22 Nov 2026 11:26:35 GMT";
const LATER: &str = "Sun, 22 Nov 2026 11:26:36 GMT";

fn contact(about: Option<&str>, attributes: &[(&str, &str)]) -> Effect {
    let attributes = attributes.iter().map(|(name, value)| Attribute::new(*name, *value)).collect();
    Effect { contact: about.map(str::to_owned), attributes, ..effect("api-1-a", "contact", "") }
}

fn method(request: &Request) -> String {
    request.body_json::<Value>().unwrap()["method"].as_str().unwrap().to_owned()
}

/// A Tryton without anybody, which makes party 7.
fn empty() -> Running {
    Host::new()
        .http(|request: &Request| match method(request).as_str() {
            "model.party.party.create" => Response::with_json(200, &json!({ "id": 1, "result": [7] })),
            _ => response("nothing_found"),
        })
        .start()
}

/// A Tryton with the recorded party, of this `_timestamp`, that answers at this second of its clock.
fn with_ada(timestamp: &'static str, date: Option<&'static str>) -> Running {
    Host::new()
        .http(move |request: &Request| {
            if method(request) == "model.party.party.write" {
                return Response::with_json(200, &json!({ "id": 1, "result": null }));
            }
            let mut body: Value = response("parties").json().unwrap();
            body["result"][0]["_timestamp"] = timestamp.into();
            let answer = Response::with_json(200, &body);
            match date {
                Some(date) => answer.with_header("date", date),
                None => answer,
            }
        })
        .start()
}

fn sent(host: &Running, to: &str) -> Vec<Value> {
    let requests = host.requests();
    requests.iter().filter(|request| method(request) == to).map(|request| request.body_json::<Value>().unwrap()["params"].take()).collect()
}

#[test]
fn a_party_is_made_by_the_rules_with_its_key() {
    let host = empty();
    let said = [("display-name", "Ada"), ("email", "ada@example.org"), ("wiki.handle", "Ada L"), ("twitter.id", "9"), ("external", "K-1")];
    assert_eq!(channel(&json!({})).publish(&contact(None, &said)).unwrap().native_id, "party.party,7");
    let party = json!({
        "name": "Ada",
        "code": "K-1",
        "contact_mechanisms": [["create", [
            { "type": "email", "value": "ada@example.org" },
            { "type": "other", "name": "wiki", "value": "Ada L" },
        ]]],
        "identifiers": [["create", [{ "code": "sportello api-1-a" }]]],
    });
    assert_eq!(sent(&host, "model.party.party.create"), [json!([[party], {}])]);
}

#[test]
fn what_identifies_nobody_here_is_refused_before_anything_is_sent() {
    let host = empty();
    for said in [&[("display-name", "Ada")][..], &[("display-name", "Ada"), ("twitter.id", "9")], &[("email", " ")], &[]] {
        let refused = channel(&json!({})).publish(&contact(None, said));
        assert!(matches!(&refused, Err(Error::Reject(_))), "{said:?}: {refused:?}");
    }
    let refused = channel(&json!({})).publish(&contact(Some("1,2"), &[("display-name", "Ada")]));
    assert!(matches!(refused, Err(Error::Reject(_))));
    assert!(host.requests().is_empty());
}

/// A Tryton that refuses to make a party so many times.
fn refusing(times: usize) -> Running {
    let left = std::cell::Cell::new(times);
    Host::new()
        .http(move |request: &Request| match method(request).as_str() {
            "model.party.party.create" if left.get() > 0 => {
                left.set(left.get() - 1);
                let refusal = json!(["UserError", ["The code on party must be unique.", "", null]]);
                Response::with_json(200, &json!({ "id": 1, "error": refusal }))
            }
            "model.party.party.create" => Response::with_json(200, &json!({ "id": 1, "result": [7] })),
            _ => response("nothing_found"),
        })
        .start()
}

#[test]
fn a_number_that_tryton_gave_to_two_at_once_is_asked_for_again() {
    let made = contact(None, &[("email", "ada@example.org")]);
    let host = refusing(2);
    assert_eq!(channel(&json!({})).publish(&made).unwrap().native_id, "party.party,7");
    assert_eq!(sent(&host, "model.party.party.create").len(), 3);
    drop(host);
    let host = refusing(100);
    assert!(matches!(channel(&json!({})).publish(&made), Err(Error::Reject(_))));
    assert_eq!(sent(&host, "model.party.party.create").len(), 5, "what is always refused is refused");
    drop(host);
    let host = refusing(2);
    let numbered = contact(None, &[("external", "K-1")]);
    assert!(matches!(channel(&json!({})).publish(&numbered), Err(Error::Reject(_))));
    assert_eq!(sent(&host, "model.party.party.create").len(), 1, "a number of ours is not another one the next time");
}

#[test]
fn a_party_that_did_not_come_back_is_uncertain() {
    let host = Host::new().http(|request: &Request| match method(request).as_str() {
        "model.party.party.create" => Response::new(502),
        _ => response("nothing_found"),
    });
    let host = host.start();
    let unsure = channel(&json!({})).publish(&contact(None, &[("email", "ada@example.org")]));
    assert!(matches!(unsure, Err(Error::Uncertain(_))), "{unsure:?}");
    assert_eq!(sent(&host, "model.party.party.create").len(), 1, "it may have been made, so it is not asked for again");
}

#[test]
fn somebody_who_was_put_away_is_no_reason_not_to_make_a_party() {
    let made = |is_put_away: bool| {
        let host = Host::new().http(move |request: &Request| match method(request).as_str() {
            "model.party.party.create" => Response::with_json(200, &json!({ "id": 1, "result": [7] })),
            "model.party.contact_mechanism.search_read" => response("mechanism_found"),
            _ => {
                let mut body: Value = response("parties").json().unwrap();
                body["result"][0]["active"] = (!is_put_away).into();
                Response::with_json(200, &body)
            }
        });
        let _host = host.start();
        channel(&json!({})).publish(&contact(None, &[("wiki.handle", "Ada L")]))
    };
    assert_eq!(made(true).unwrap().native_id, "party.party,7");
    assert!(matches!(made(false), Err(Error::Reject(reason)) if reason.contains("party 1 has this `wiki.handle`")));
}

/// The recorded party with these identifiers: number, type, code.
fn with_identifiers(identifiers: &'static [(u64, Option<&str>, &str)]) -> Running {
    let host = Host::new().http(move |request: &Request| {
        if method(request) == "model.party.party.write" {
            return Response::with_json(200, &json!({ "id": 1, "result": null }));
        }
        let mut body: Value = response("parties").json().unwrap();
        body["result"][0]["_timestamp"] = "1795346794".into();
        let held = identifiers.iter().map(|(id, kind, code)| json!({ "id": id, "type": kind, "code": code, "_timestamp": "1795346790" }));
        body["result"][0]["identifiers."] = held.collect();
        Response::with_json(200, &body).with_header("date", LATER)
    });
    host.start()
}

#[test]
fn the_key_takes_the_place_of_the_last_one_and_never_that_of_a_customer_number_under_the_lock_of_all_of_them() {
    let host = with_identifiers(&[(4, Some("it_vat"), "sportello 4"), (5, None, "sportello old-1"), (6, None, "K-1")]);
    let settings = json!({ "external": { "from": "identifier" } });
    channel(&settings).publish(&contact(Some("1"), &[("external", "K-2")])).unwrap();
    let values = json!({ "identifiers": [["write", [5], { "code": "sportello api-1-a" }], ["write", [6], { "code": "K-2" }]] });
    let lock = json!({
        "party.party,1": "1795346794",
        "party.identifier,4": "1795346790",
        "party.identifier,5": "1795346790",
        "party.identifier,6": "1795346790",
    });
    assert_eq!(sent(&host, "model.party.party.write"), [json!([[1], values, { "_timestamp": lock }])]);
}

#[test]
fn a_look_finds_the_key_on_the_party_that_was_to_be_changed_only() {
    let found = |parties: &'static [u64]| {
        let rows: Vec<Value> = parties.iter().map(|party| json!({ "id": 9, "party": party })).collect();
        let _host = Host::new().http(move |_: &Request| Response::with_json(200, &json!({ "id": 1, "result": rows }))).start();
        channel(&json!({})).find(&contact(Some("1"), &[("display-name", "Ada")])).unwrap()
    };
    assert!(matches!(found(&[2, 1]), Presence::Present(receipt) if receipt.native_id == "party.party,1"));
    assert_eq!(found(&[2]), Presence::Absent, "somebody copied it");
}

#[test]
fn a_party_is_changed_under_tryton_s_lock() {
    let host = with_ada("1795346794", Some(LATER));
    let change = contact(Some("1"), &[("display-name", "Ada King"), ("email", "ADA@example.org"), ("phone", "0039 02-1234567")]);
    assert_eq!(channel(&json!({})).publish(&change).unwrap().native_id, "party.party,1");
    let values = json!({ "name": "Ada King", "identifiers": [["create", [{ "code": "sportello api-1-a" }]]] });
    let context = json!({ "_timestamp": { "party.party,1": "1795346794" } });
    assert_eq!(sent(&host, "model.party.party.write"), [json!([[1], values, context])], "what it says already is not sent");
}

#[test]
fn where_nothing_would_change_nothing_is_written() {
    let host = with_ada("1795346794", Some(LATER));
    channel(&json!({})).publish(&contact(Some("1"), &[("display-name", "Ada Lovelace"), ("wiki.handle", "Ada L")])).unwrap();
    assert!(sent(&host, "model.party.party.write").is_empty());
}

#[test]
fn another_version_is_refused_and_nothing_written() {
    let host = with_ada("1795346794", Some(LATER));
    let refused = channel(&json!({})).publish(&contact(Some("1"), &[("display-name", "x"), ("expects-version", "1-00")]));
    assert!(matches!(&refused, Err(Error::Reject(reason)) if reason.contains("since version 1-00 was seen")), "{refused:?}");
    assert!(sent(&host, "model.party.party.write").is_empty());
}

/// A Tryton that refuses to change the recorded party, which somebody else puts away meanwhile, or nobody.
fn refusing_a_change(is_put_away: bool) -> Running {
    let is_asked = std::cell::Cell::new(false);
    Host::new()
        .http(move |request: &Request| {
            if method(request) == "model.party.party.write" {
                is_asked.set(true);
                let refusal = json!(["UserError", ["You are not allowed to modify the field \"Name\".", "", null]]);
                return Response::with_json(200, &json!({ "id": 1, "error": refusal }));
            }
            let mut body: Value = response("parties").json().unwrap();
            if is_put_away && is_asked.get() {
                body["result"][0]["active"] = false.into();
            }
            Response::with_json(200, &body).with_header("date", LATER)
        })
        .start()
}

#[test]
fn a_change_refused_because_the_party_changed_meanwhile_is_looked_at_again_and_any_other_refusal_stands() {
    let change = contact(Some("1"), &[("display-name", "Ada King")]);
    let host = refusing_a_change(true);
    let again = channel(&json!({})).publish(&change);
    assert!(matches!(&again, Err(Error::Retry(_))), "{again:?}");
    drop(host);
    let _host = refusing_a_change(false);
    let refused = channel(&json!({})).publish(&change);
    assert!(matches!(&refused, Err(Error::Reject(reason)) if reason.contains("not allowed to modify")), "{refused:?}");
}

#[test]
fn the_second_in_which_tryton_cannot_tell_changes_apart_is_waited_for() {
    let change = contact(Some("1"), &[("display-name", "Ada King")]);
    for date in [SAME_SECOND, NEXT_SECOND] {
        let host = with_ada("1795346794", Some(date));
        assert!(matches!(channel(&json!({})).publish(&change), Err(Error::Retry(_))), "{date}");
        assert!(sent(&host, "model.party.party.write").is_empty());
    }
    for (timestamp, date) in [("1795346794.37525", Some(SAME_SECOND)), ("1795346794", None)] {
        let host = with_ada(timestamp, date);
        channel(&json!({})).publish(&change).unwrap();
        assert_eq!(sent(&host, "model.party.party.write").len(), 1, "{timestamp} {date:?}");
    }
}
