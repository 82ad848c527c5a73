//! What the connector promises about activities.

mod mappings;

use mapped_crm::MappedCrm;
use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, activity};
use sportello_sdk::{Effect, Error};

fn people() -> Channel<MappedCrm> {
    Channel::new(json!({ "base-url": "https://crm.example.org", "mapping": mappings::PEOPLE }))
}

fn tracker() -> Channel<MappedCrm> {
    Channel::new(json!({ "base-url": "https://rt.example.org", "mapping": mappings::REQUEST_TRACKER }))
}

fn effect() -> Effect {
    activity("run-1-1", "9007199254740993", "Answered on the \"wiki\"", "è 100 % {text} 𝒳\nsecond line")
}

fn note(id: &str, text: &str) -> Value {
    json!({ "id": id, "attributes": { "text": text }, "links": { "self": format!("https://crm.example.org/notes/{id}") } })
}

#[test]
fn an_activity_is_a_note_with_its_key() {
    let made = json!({ "data": { "id": 12345678901234567_u64, "meta": { "created": 1_768_474_800_000_i64 }, "links": { "self": "https://crm.example.org/notes/7" } } });
    let host = Host::new().http(move |_: &Request| Response::with_json(201, &made)).start();
    let receipt = people().publish(&effect()).unwrap();
    assert_eq!(
        (receipt.native_id.as_str(), receipt.url.as_deref(), receipt.at.as_deref()),
        ("12345678901234567", Some("https://crm.example.org/notes/7"), Some("2026-01-15T11:00:00Z"))
    );
    let requests = host.requests();
    assert_eq!(
        (requests.len(), requests[0].method(), requests[0].url().as_str()),
        (1, "POST", "https://crm.example.org/people/9007199254740993/notes")
    );
    assert_eq!(requests[0].header_value("content-type"), Some("application/vnd.api+json"));
    let body: Value = requests[0].body_json().unwrap();
    let expected = json!({ "data": { "type": "note", "attributes": {
        "title": "Answered on the \"wiki\"", "text": "è 100 % {text} 𝒳\nsecond line\n\n(run-1-1)", "pinned": false, "weight": 1,
    } } });
    assert_eq!(body, expected, "what looks like a slot in the words is none");
}

#[test]
fn an_activity_is_found_by_its_whole_key_on_any_page() {
    let look = |texts: &'static [&'static str]| {
        let mut page = 0;
        let _host = Host::new()
            .http(move |_: &Request| {
                page += 1;
                let next = (page < texts.len()).then_some("/people/9/notes?page=2");
                Response::with_json(200, &json!({ "data": [note(&page.to_string(), texts[page - 1])], "links": { "next": next } }))
            })
            .start();
        people().find(&effect()).unwrap()
    };
    assert!(matches!(look(&["x", "y (run-1-1)"]), Presence::Present(receipt) if receipt.native_id == "2" && receipt.url.is_some()));
    assert!(matches!(look(&["x (run-1-12)", "x-run-1-1"]), Presence::Absent));
}

#[test]
fn where_one_cannot_look_one_cannot_tell() {
    let mapping = mappings::PEOPLE.split("  find:").next().unwrap();
    let channel = Channel::<MappedCrm>::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }));
    let host = Host::new().start();
    assert!(matches!(channel.find(&effect()).unwrap(), Presence::CannotTell) && host.requests().is_empty());
    let mut page = 0;
    let endless = move |_: &Request| {
        page += 1;
        Response::with_json(200, &json!({ "data": [], "links": { "next": format!("/notes?page={page}") } }))
    };
    let host = Host::new().http(endless).start();
    assert!(matches!(people().find(&effect()).unwrap(), Presence::CannotTell) && host.requests().len() == 10);
    drop(host);
    let _host = Host::new().http(|_: &Request| Response::new(404)).start();
    assert!(matches!(people().find(&effect()).unwrap(), Presence::Absent), "no such person has no notes");
    drop(_host);
    let _host = Host::new()
        .http(|request: &Request| match request.query_value("page") {
            None => Response::with_json(200, &json!({ "data": [], "links": { "next": "/notes?page=2" } })),
            Some(_) => Response::new(404),
        })
        .start();
    assert!(matches!(people().find(&effect()).unwrap(), Presence::CannotTell), "the page that is gone may have had it");
}

#[test]
fn a_look_fetches_no_more_than_forty_records_one_by_one_on_all_pages_and_then_cannot_tell() {
    let receipt = "    receipt: {id: /id, url: /links/self}\n";
    let detailed = format!("{receipt}    detail: {{path: \"/notes/{{/id}}\", record: /data}}\n");
    let mapping = mappings::PEOPLE.replacen(receipt, &detailed, 1);
    // So many notes on two pages, of which the last one has the key, or none.
    let look = |count: usize, has_key: bool| {
        let host = Host::new()
            .http(move |request: &Request| {
                if let Some(id) = request.path().strip_prefix("/notes/") {
                    let text = if has_key && id == count.to_string() { "y (run-1-1)" } else { "x" };
                    return Response::with_json(200, &json!({ "data": note(id, text) }));
                }
                let (ids, next) = match request.query_value("page") {
                    None => (1..=30, Some("/people/9/notes?page=2")),
                    Some(_) => (31..=count, None),
                };
                let cut = ids.map(|id| note(&id.to_string(), "x…")).collect::<Vec<_>>();
                Response::with_json(200, &json!({ "data": cut, "links": { "next": next } }))
            })
            .start();
        let channel = Channel::<MappedCrm>::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }));
        let found = channel.find(&effect()).unwrap();
        (found, host.requests().iter().filter(|request| request.path().starts_with("/notes/")).count())
    };
    let (found, fetched) = look(40, true);
    assert!(matches!(&found, Presence::Present(receipt) if receipt.native_id == "40") && fetched == 40, "{found:?}, {fetched}");
    assert_eq!(look(40, false), (Presence::Absent, 40));
    assert_eq!(look(41, true), (Presence::CannotTell, 40));
}

#[test]
fn each_status_of_a_write_becomes_what_the_host_must_do() {
    let answered = |status: u16| {
        let _host = Host::new().http(move |_: &Request| Response::with_text(status, "<html>")).start();
        people().publish(&effect()).unwrap_err()
    };
    assert!(matches!(
        (answered(404), answered(410), answered(403), answered(422)),
        (Error::Reject(_), Error::Reject(_), Error::Reject(_), Error::Reject(_))
    ));
    assert!(matches!((answered(409), answered(412)), (Error::Retry(_), Error::Retry(_))), "an optimistic lock: nothing took effect");
    assert!(matches!(answered(401), Error::Auth(_)));
    assert!(matches!(answered(429), Error::RateLimited(limit) if limit.until == "2026-01-15T12:01:00Z"));
    assert!(
        matches!([500, 504, 524].map(answered), [Error::Uncertain(_), Error::Uncertain(_), Error::Uncertain(_)]),
        "it may have taken effect"
    );
    assert!(matches!(answered(200), Error::Uncertain(_)), "taken, and no word of where it is");
}

#[test]
fn a_note_that_was_not_answered_is_uncertain_and_a_look_is_tried_again() {
    let _host = Host::new().http(|_: &Request| Err::<Response, _>(Failure::Interrupted("timeout".into()))).start();
    assert!(matches!(people().publish(&effect()), Err(Error::Uncertain(_))));
    assert!(matches!(people().find(&effect()), Err(Error::Retry(_))));
    let _host = Host::new().http(|_: &Request| Err::<Response, _>(Failure::NotSent("refused".into()))).start();
    assert!(matches!(people().publish(&effect()), Err(Error::Retry(_))), "nothing was sent");
}

#[test]
fn a_receipt_may_stand_in_the_location_header() {
    let mapping =
        mappings::PEOPLE.replace("receipt: {id: /data/id, url: /data/links/self", "receipt: {id: location, url: /data/links/self");
    let channel = Channel::<MappedCrm>::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }));
    let _host = Host::new().http(|_: &Request| Response::new(201).with_header("location", "/people/9/notes/77/")).start();
    assert_eq!(channel.publish(&effect()).unwrap().native_id, "77");
    let _host = Host::new().http(|_: &Request| Response::new(201)).start();
    assert!(matches!(channel.publish(&effect()), Err(Error::Uncertain(_))));
}

#[test]
fn an_activity_in_request_tracker_is_a_ticket_of_somebody_who_is_there() {
    let host = Host::new()
        .http(|request: &Request| match request.method() {
            "GET" => Response::with_json(200, &json!({ "id": 27, "EmailAddress": "ada@example.org" })),
            _ => Response::with_json(201, &json!({ "id": "3", "_url": "https://rt.example.org/REST/2.0/ticket/3" })),
        })
        .start();
    assert_eq!(tracker().publish(&activity("run-1-1", "27", "Answered", "Hello")).unwrap().native_id, "3");
    let requests = host.requests();
    assert_eq!(requests[0].path(), "/REST/2.0/user/27");
    let body: Value = requests[1].body_json().unwrap();
    assert_eq!((&body["Requestor"], &body["Subject"]), (&json!("27"), &json!("Answered (sportello run-1-1)")));
    drop(host);
    let host = Host::new().http(|_: &Request| Response::new(404)).start();
    assert!(matches!(tracker().publish(&effect()), Err(Error::Reject(reason)) if reason.contains("no such contact")));
    assert_eq!(host.requests().len(), 1, "nothing is written on nobody");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_sent() {
    let host = Host::new().start();
    let elsewhere = activity("k", "..", "s", "t");
    assert!(matches!(people().publish(&elsewhere), Err(Error::Reject(_))), "a contact's id is one step of the path");
    assert!(matches!(people().publish(&Effect { contact: None, ..effect() }), Err(Error::Reject(_))));
    assert!(matches!(people().publish(&Effect { action: "reply".into(), ..effect() }), Err(Error::Reject(_))));
    let mapping = mappings::PEOPLE.split("activity:").next().unwrap();
    let silent = Channel::<MappedCrm>::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }));
    assert!(matches!(silent.publish(&effect()), Err(Error::Reject(reason)) if reason.contains("says nothing of an `activity`")));
    assert!(host.requests().is_empty());
}
