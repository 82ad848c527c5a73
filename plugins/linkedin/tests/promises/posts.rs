//! Posts of the organisation.

use std::rc::Rc;

use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Host, effect};
use sportello_sdk::{Effect, Error, Idempotency};

use crate::platform::*;

const TEXT: &str = "Da lunedì (8 gennaio) apriamo alle 8. #orari 🙏";
const WRITTEN: &str = r"Da lunedì \(8 gennaio\) apriamo alle 8. \#orari 🙏";

fn post() -> Effect {
    effect("run-1-post-1", "post", TEXT)
}

fn with(posts: impl IntoIterator<Item = Value>) -> Shared {
    let world = world();
    world.borrow_mut().posts.extend(posts);
    world
}

fn other(number: u64, created_ms: i64) -> Value {
    post_row(&format!("urn:li:share:{}", 100 + number), "Altro", created_ms)
}

fn twin(created_ms: i64) -> Value {
    post_row("urn:li:ugcPost:5", WRITTEN, created_ms)
}

#[test]
fn a_post_is_seen_by_everyone_with_every_character_in_place() {
    let world = world();
    let host = started(&world);
    let receipt = channel().publish(&post()).unwrap();
    let document: Value = host.requests()[0].body_json().unwrap();
    assert_eq!((&document["author"], &document["commentary"]), (&json!(ORGANIZATION), &json!(WRITTEN)));
    assert_eq!((&document["visibility"], &document["lifecycleState"]), (&json!("PUBLIC"), &json!("PUBLISHED")));
    assert_eq!(json!(receipt.native_id), world.borrow().posts[0]["id"]);
    let Presence::Present(found) = channel().find(&post()).unwrap() else { panic!("present") };
    assert_eq!((found.native_id, found.at.as_deref()), (receipt.native_id, Some("2026-01-15T12:00:01Z")));
}

#[test]
fn the_longest_post_is_sent_and_a_longer_or_an_empty_one_is_refused_before() {
    let world = world();
    let host = started(&world);
    for text in ["(".repeat(3001), String::new(), " \n".into()] {
        assert!(matches!(channel().publish(&effect("k", "post", &text)), Err(Error::Reject(_))), "{} characters", text.len());
    }
    assert!(host.requests().is_empty());
    channel().publish(&effect("k", "post", &"(".repeat(3000))).unwrap();
}

#[test]
fn absent_is_said_only_of_a_list_that_reaches_behind_the_effect() {
    for (count, since, requests) in [(1, 0, 1), (250, 0, 1), (250, 120, 2), (250, 250, 3)] {
        // The first `since` were made after the effect was queued, the others long before.
        let rows = (0..count).map(|n| other(n, if n < since { NOW_MS + 5_000 - n as i64 } else { NOW_MS - 86_400_000 - n as i64 }));
        let host = started(&with(rows));
        assert_eq!(channel().find(&post()).unwrap(), Presence::Absent);
        assert_eq!(host.requests().len(), requests, "{count} posts, {since} of them since");
    }
    let _host = started(&with([other(1, NOW_MS), twin(NOW_MS - 86_400_000)]));
    assert_eq!(channel().find(&post()).unwrap(), Presence::Absent, "last year's with the same words is another effect's");
}

#[test]
fn a_list_in_another_order_is_read_whole() {
    let rows: Vec<Value> = (0..150).map(|n| other(n, NOW_MS - 86_400_000 + n as i64)).chain([twin(NOW_MS)]).collect();
    let host = started(&with(rows));
    assert!(matches!(channel().find(&post()).unwrap(), Presence::Present(_)));
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn an_empty_list_is_believed_only_of_an_administrator() {
    let world = world();
    let _host = started(&world);
    assert_eq!(channel().find(&post()).unwrap(), Presence::Absent);
    world.borrow_mut().is_administrator = false;
    assert_eq!(channel().find(&post()).unwrap(), Presence::CannotTell);
}

#[test]
fn a_time_out_after_the_effect_is_found_by_a_look_and_twins_are_not_told_apart() {
    let world = world();
    let shared = Rc::clone(&world);
    let _host = Host::new()
        .http(move |request: &Request| {
            let answer = shared.borrow_mut().answer(request);
            if request.method() == "POST" { Err(Failure::Interrupted("time-out".into())) } else { Ok(answer) }
        })
        .start();
    assert!(matches!(channel().publish(&post()), Err(Error::Uncertain(_))));
    assert!(matches!(channel().find(&post()).unwrap(), Presence::Present(_)));
    world.borrow_mut().posts.push(twin(NOW_MS));
    assert_eq!(channel().find(&post()).unwrap(), Presence::CannotTell);
}

#[test]
fn a_double_is_ours_perhaps_unless_an_older_one_explains_it() {
    let refusal = json!({ "status": 422, "message": "Content is a duplicate of urn:li:share:5",
        "errorDetails": { "inputErrors": [{ "description": "Duplicate post is detected", "input": {}, "code": "DUPLICATE_POST" }] } });
    for (twin_ms, outcome) in [(NOW_MS + 1_000, "uncertain"), (NOW_MS - 365 * 86_400_000, "reject")] {
        // The older one stands behind a page of others.
        let world = with((0..100).map(|n| other(n, NOW_MS - 86_400_000)).chain([twin(twin_ms)]));
        let refusal = refusal.clone();
        let _host = Host::new()
            .http(move |request: &Request| match request.method() {
                "POST" => Response::with_json(422, &refusal),
                _ => world.borrow_mut().answer(request),
            })
            .start();
        assert_eq!(name(&channel().publish(&post()).unwrap_err()), outcome);
    }
}

#[test]
fn a_success_that_names_no_post_is_uncertain_and_the_action_is_declared() {
    let _host = Host::new().http(|_: &Request| Response::new(201)).start();
    assert!(matches!(channel().publish(&post()), Err(Error::Uncertain(_))));
    let actions = channel().manifest().actions;
    let action = actions.iter().find(|action| action.name == "post").unwrap();
    assert!(action.idempotency == Idempotency::Findable && action.settling_seconds > 0);
}
