//! Replies.

use serde_json::json;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Host, reply};
use sportello_sdk::{Effect, Error, Idempotency};

use crate::platform::*;

const MENTION: &str = "urn:li:share:99";

fn effect() -> Effect {
    reply("run-1-reply-1", QUESTION, "Stiamo riparando.")
}

/// What a publish says when every request is answered so.
fn published(effect: &Effect, answer: impl Fn() -> Result<Response, Failure> + 'static) -> Result<String, Error> {
    let _host = Host::new().http(move |_: &Request| answer()).start();
    channel().publish(effect).map(|receipt| receipt.native_id)
}

#[test]
fn a_reply_is_a_comment_below_the_conversation_with_every_character_in_place() {
    let world = world();
    let _host = started(&world);
    let text = "Stiamo riparando: la rete torna alle 14. È colpa nostra 🙏\n\n<b>(x)</b> @[y]";
    let receipt = channel().publish(&reply("run-1-reply-1", QUESTION, text)).unwrap();
    let made = world.borrow().comments.last().unwrap().clone();
    assert_eq!((&made["message"]["text"], &made["parentComment"], &made["actor"]), (&json!(text), &json!(QUESTION), &json!(ORGANIZATION)));
    assert_eq!((receipt.native_id.as_str(), receipt.at.as_deref()), (made["commentUrn"].as_str().unwrap(), Some("2026-01-15T12:00:01Z")));
}

#[test]
fn the_echo_is_known_by_the_receipt_and_filed_with_its_question() {
    let _host = started(&world());
    let receipt = channel().publish(&effect()).unwrap();
    let echo = only(&notification(9, "ADMIN_COMMENT", &short(&receipt.native_id), "Stiamo riparando."));
    assert_eq!((echo.native_id, echo.own, echo.conversation.key.as_str()), (receipt.native_id, true, QUESTION));
}

#[test]
fn the_receipt_is_the_same_text_however_the_platform_names_the_comment() {
    let whole = comment_urn(9_223_372_036_854_775_999_u64);
    let bodies = [
        json!({ "commentUrn": whole }),
        json!({ "commentUrn": short(&whole) }),
        json!({ "$URN": whole }),
        json!({ "id": "9223372036854775999", "object": POST }),
        json!({ "id": 9_223_372_036_854_775_999_u64 }),
        json!({ "created": [] }),
    ];
    for body in bodies {
        let answer = Response::with_json(201, &body).with_header("x-restli-id", "9223372036854775999");
        assert_eq!(published(&effect(), move || Ok(answer.clone())).unwrap(), whole, "{body}");
    }
    for body in [json!({ "commentUrn": short(&whole) }), json!({ "$URN": whole }), json!({ "id": "9223372036854775999", "object": POST })] {
        let case = body.to_string();
        assert_eq!(published(&effect(), move || Ok(Response::with_json(201, &body))).unwrap(), whole, "without the header: {case}");
    }
    let broken = Response::with_text(201, "{\"id\":").with_header("x-restli-id", "9223372036854775999");
    assert_eq!(published(&effect(), move || Ok(broken.clone())).unwrap(), whole, "what is written is written");
    let named = Response::with_text(201, "").with_header("x-restli-id", sportello_sdk::http::encode(&short(&whole)));
    assert_eq!(published(&effect(), move || Ok(named.clone())).unwrap(), whole, "a header that holds the URN");
    let nameless = published(&effect(), || Ok(Response::with_json(201, &json!({}))));
    assert!(matches!(nameless, Err(Error::Uncertain(_))), "a success that names no comment");
}

#[test]
fn the_longest_reply_is_sent_and_a_longer_one_is_refused_before() {
    let world = world();
    let host = started(&world);
    let Err(Error::Reject(reason)) = channel().publish(&reply("k", QUESTION, &"😡".repeat(1251))) else { panic!("rejected") };
    assert!(reason.contains("1251") && reason.contains("1250"), "{reason}");
    assert!(host.requests().is_empty());
    channel().publish(&reply("k", QUESTION, &"😡".repeat(1250))).unwrap();
    assert_eq!(world.borrow().comments.len(), 2);
}

#[test]
fn a_conversation_whose_place_was_unknown_is_answered_below_the_comment_above_it() {
    let world = world();
    let below = comment_urn(8_000_000_000_000_000_007_u64);
    world.borrow_mut().comments.push(row(&below, Some(QUESTION), None, "Anche da me", NOW_MS));
    let _host = started(&world);
    channel().publish(&reply("k", &below, "Stiamo riparando.")).unwrap();
    assert_eq!(world.borrow().comments.last().unwrap()["parentComment"], QUESTION);

    world.borrow_mut().has_two_levels = false;
    channel().publish(&reply("k", &below, "Fatto.")).unwrap();
    assert_eq!(world.borrow().comments.last().unwrap()["parentComment"], json!(below), "where it is taken it is sent once");
}

#[test]
fn a_refusal_that_has_nothing_to_do_with_places_is_told() {
    let outcome = published(&effect(), || Ok(refused(400, "ILLEGAL_ARGUMENT", None, "no")));
    assert!(matches!(outcome, Err(Error::Reject(_))), "{outcome:?}");
    let world = world();
    let shared = std::rc::Rc::clone(&world);
    let _host = Host::new()
        .http(move |request: &Request| match request.method() {
            "POST" => refused(400, "ILLEGAL_ARGUMENT", None, "the words are not allowed"),
            _ => shared.borrow_mut().answer(request),
        })
        .start();
    let Err(Error::Reject(reason)) = channel().publish(&effect()) else { panic!("rejected") };
    assert!(reason.contains("the words are not allowed"), "{reason}");
}

#[test]
fn a_mention_is_answered_below_the_post_and_a_denial_there_does_not_stop_the_channel() {
    let denied =
        |key: &str| published(&reply("k", key, "Grazie!"), || Ok(refused(403, "ACCESS_DENIED", Some(100), "Not enough permissions")));
    assert!(matches!(denied(MENTION), Err(Error::Reject(_))));
    assert!(matches!(denied(QUESTION), Err(Error::Auth(_))), "below our own post it is the role or the scope");

    let host = Host::new().http(|_: &Request| Response::with_json(201, &json!({ "id": 5, "object": "urn:li:activity:3" }))).start();
    assert_eq!(channel().publish(&reply("k", MENTION, "Grazie!")).unwrap().native_id, "urn:li:comment:(urn:li:activity:3,5)");
    let request = &host.requests()[0];
    assert_eq!(request.path(), "/rest/socialActions/urn%3Ali%3Ashare%3A99/comments");
    let document: serde_json::Value = request.body_json().unwrap();
    assert_eq!((&document["object"], document.get("parentComment")), (&json!(MENTION), None));
}

#[test]
fn a_lost_answer_is_uncertain_and_a_connection_never_made_is_not() {
    let outcome = |failure: Failure| published(&effect(), move || Err(failure.clone())).unwrap_err();
    assert_eq!(name(&outcome(Failure::Interrupted("time-out".into()))), "uncertain");
    assert_eq!(name(&outcome(Failure::NotSent("connection refused".into()))), "retry");
    assert_eq!(name(&outcome(Failure::Denied("not granted".into()))), "reject");
    assert_eq!(name(&outcome(Failure::Credential("credential token: not bound".into()))), "auth");
}

#[test]
fn a_time_out_after_the_effect_is_found_by_a_look() {
    let world = world();
    let shared = std::rc::Rc::clone(&world);
    let _host = Host::new()
        .http(move |request: &Request| {
            let answer = shared.borrow_mut().answer(request);
            if request.method() == "POST" { Err(Failure::Interrupted("time-out".into())) } else { Ok(answer) }
        })
        .start();
    assert!(matches!(channel().publish(&effect()), Err(Error::Uncertain(_))));
    let sportello_sdk::find::Presence::Present(receipt) = channel().find(&effect()).unwrap() else { panic!("present") };
    assert_eq!(receipt.native_id, world.borrow().comments.last().unwrap()["commentUrn"]);
}

#[test]
fn a_double_is_ours_perhaps_unless_an_older_one_explains_it() {
    for (status, code) in [(409, "DUPLICATE_COMMENT"), (422, "DUPLICATE_POST")] {
        for (created_ms, outcome) in [(NOW_MS + 1_000, "uncertain"), (NOW_MS - 3_600_000, "reject")] {
            let world = world();
            let twin = row(&comment_urn(5), Some(QUESTION), Some(ORGANIZATION), "Stiamo  riparando.", created_ms);
            world.borrow_mut().comments.push(twin);
            let _host = Host::new()
                .http(move |request: &Request| match request.method() {
                    "POST" => refused(status, code, None, "the same stands there"),
                    _ => world.borrow_mut().answer(request),
                })
                .start();
            assert_eq!(name(&channel().publish(&effect()).unwrap_err()), outcome, "{status}, made at {created_ms}");
        }
    }
    let world = world();
    let _host = Host::new()
        .http(move |request: &Request| match request.method() {
            "POST" => refused(409, "DUPLICATE_COMMENT", None, "the same stands there"),
            _ => world.borrow_mut().answer(request),
        })
        .start();
    assert_eq!(name(&channel().publish(&effect()).unwrap_err()), "uncertain", "where none is shown");
    let unseen = published(&effect(), || Ok(refused(409, "DUPLICATE_COMMENT", None, "the same stands there")));
    assert_eq!(name(&unseen.unwrap_err()), "uncertain", "where the list can't be read");
}

#[test]
fn what_the_connector_cannot_do_is_refused_before_anything_is_sent() {
    let host = Host::new().start();
    let mut other = effect();
    other.action = "activity".into();
    let mut nowhere = effect();
    nowhere.conversation = None;
    for effect in [other, nowhere, reply("k", "urn:li:person:x", "ciao"), reply("k", ORGANIZATION, "ciao"), reply("k", QUESTION, " \n")] {
        assert!(matches!(channel().publish(&effect), Err(Error::Reject(_))), "{effect:?}");
    }
    assert!(host.requests().is_empty());
}

#[test]
fn a_reply_is_declared_findable_with_time_to_settle() {
    let _host = Host::new().start();
    let manifest = channel().manifest();
    let action = &manifest.actions[0];
    assert_eq!((action.name.as_str(), action.idempotency), ("reply", Idempotency::Findable));
    assert!(action.settling_seconds > 0);
}
