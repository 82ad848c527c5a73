//! The conversation a post belongs to.

use std::time::Duration;

use serde_json::json;
use sportello_sdk::testing::Host;
use sportello_sdk::{http, webhook};

use crate::bodies::{COMPANY, MARIA, POST, account, account_post, channel, deliver, event, host, maria, only, post};

#[test]
fn the_companys_answer_belongs_to_the_conversation_of_whom_it_answers() {
    let _host = host().start();
    let reply = |author: &str, whom: &str, target: &str| {
        let mut row = post("1900000000000000200", "@maria_b guardiamo subito");
        row["author_id"] = json!(author);
        row["conversation_id"] = json!(POST);
        row["in_reply_to_user_id"] = json!(whom);
        row["referenced_tweets"] = json!([{"type": "replied_to", "id": target}]);
        row["entities"] = json!({});
        row
    };
    let ours = only(&event(1, "post.create", &reply(COMPANY, MARIA, POST), &json!([])));
    assert_eq!((ours.kind.as_str(), ours.own), ("reply", true));
    assert_eq!((ours.conversation.key, ours.in_reply_to.as_deref()), (format!("{POST}/{MARIA}"), Some(POST)));
    let theirs = only(&event(2, "post.reply.create", &reply(MARIA, COMPANY, "1900000000000000150"), &maria()));
    assert_eq!((theirs.kind.as_str(), theirs.own), ("reply", false));
    assert_eq!(theirs.conversation.key, format!("{POST}/{MARIA}"));
    assert!(theirs.attributes.iter().any(|attribute| attribute.name == "addressed"), "who answers the company addresses it");
}

#[test]
fn the_older_shape_does_not_say_which_thread_so_x_is_asked_once_for_all() {
    let host = Host::new()
        .http(|request: &http::Request| {
            assert_eq!(
                (request.path(), request.query_value("ids").as_deref()),
                ("/2/tweets", Some("1900000000000000150,1900000000000000160"))
            );
            http::Response::with_json(
                200,
                &json!({"data": [{"id": "1900000000000000150", "conversation_id": POST}], "errors": [{"detail": "gone"}]}),
            )
            .with_header("x-rate-limit-limit", "900")
            .with_header("x-rate-limit-remaining", "899")
            .with_header("x-rate-limit-reset", "1768479000")
        })
        .start();
    let mut rows = Vec::new();
    for (id, target) in [(1, "1900000000000000150"), (2, "1900000000000000160"), (3, "1900000000000000150")] {
        let mut row = account_post(1_900_000_000_000_000_300 + id, "ancora niente");
        row["in_reply_to_status_id_str"] = json!(target);
        row["in_reply_to_user_id_str"] = json!(COMPANY);
        rows.push(row);
    }
    let told = deliver(&account("tweet_create_events", &json!(rows)));
    let keys: Vec<_> = told.iter().map(|told| told.conversation.key.as_str()).collect();
    let found = format!("{POST}/{MARIA}");
    // What X does not show is filed under what it answers.
    assert_eq!(keys, [found.as_str(), &format!("1900000000000000160/{MARIA}"), &found]);
    assert_eq!(host.requests().len(), 1);
    assert_eq!(host.requests()[0].timeout_value(), Some(Duration::from_secs(3)), "X waits for the delivery's answer");
    let window = &host.headroom()[0];
    assert_eq!(
        (window.name.as_str(), window.allowed, window.remaining, window.resets_at.as_str()),
        ("lookups", Some(900), 899, "2026-01-15T12:10:00Z")
    );
}

#[test]
fn of_a_delivery_that_answers_many_posts_a_hundred_threads_are_asked_for_at_once() {
    let host = Host::new().http(|_: &http::Request| http::Response::with_json(200, &json!({"data": []}))).start();
    let answering = |number: u64| {
        let mut row = account_post(1_900_000_000_000_001_000 + number, "ancora niente");
        row["in_reply_to_status_id_str"] = json!((1_900_000_000_000_000_000 + number).to_string());
        row
    };
    deliver(&account("tweet_create_events", &json!((0..150).map(answering).collect::<Vec<_>>())));
    let asked: Vec<_> = host.requests().iter().map(|request| request.query_value("ids").unwrap().split(',').count()).collect();
    assert_eq!(asked, [100, 50]);
}

#[test]
fn the_threads_that_were_found_are_kept_where_the_next_hundred_are_not_told() {
    let first = "1900000000000000000";
    let host = Host::new()
        .http(move |request: &http::Request| match request.query_value("ids").unwrap().contains(first) {
            true => http::Response::with_json(200, &json!({"data": [{"id": first, "conversation_id": POST}]})),
            false => http::Response::with_json(503, &json!({"title": "Service Unavailable"})),
        })
        .start();
    let answering = |number: u64| {
        let mut row = account_post(1_900_000_000_000_001_000 + number, "ancora niente");
        row["in_reply_to_status_id_str"] = json!((1_900_000_000_000_000_000 + number).to_string());
        row
    };
    let told = deliver(&account("tweet_create_events", &json!((0..150).map(answering).collect::<Vec<_>>())));
    assert_eq!(told[0].conversation.key, format!("{POST}/{MARIA}"));
    assert_eq!(told[149].conversation.key, format!("1900000000000000149/{MARIA}"));
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("threads could not be asked for")));
}

#[test]
fn a_thread_that_cannot_be_asked_for_does_not_cost_the_delivery() {
    let host = host().start();
    let mut row = account_post(1_900_000_000_000_000_301, "ancora niente");
    row["in_reply_to_status_id_str"] = json!("1900000000000000150");
    assert_eq!(only(&account("tweet_create_events", &json!([row]))).conversation.key, format!("1900000000000000150/{MARIA}"));
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("threads could not be asked for")));
}

#[test]
fn of_many_deliveries_of_a_call_one_waits_for_a_platform_that_hangs() {
    let host = Host::new().http(|_: &http::Request| Err::<http::Response, _>(http::Failure::Interrupted("time-out".into()))).start();
    let deliveries: Vec<_> = (0..64)
        .map(|number| {
            let mut row = account_post(1_900_000_000_000_000_301 + number, "ancora niente");
            row["in_reply_to_status_id_str"] = json!("1900000000000000150");
            webhook::Request::post(account("tweet_create_events", &json!([row])).to_string())
        })
        .collect();
    for calls in 1..=2 {
        let taken = channel().deliver_all(&deliveries);
        assert_eq!(taken.iter().map(|outcome| outcome.as_ref().unwrap().interactions.len()).sum::<usize>(), 64);
        assert_eq!(host.requests().len(), calls, "the next call asks anew");
    }
}

#[test]
fn a_refusal_costs_no_other_delivery_of_the_call_its_thread() {
    let host = Host::new()
        .http(|request: &http::Request| match request.query_value("ids").as_deref() {
            Some("1900000000000000150") => http::Response::with_json(400, &json!({"title": "Invalid Request"})),
            _ => http::Response::with_json(200, &json!({"data": [{"id": "1900000000000000160", "conversation_id": POST}]})),
        })
        .start();
    let delivery = |target: &str| {
        let mut row = account_post(1_900_000_000_000_000_301, "ancora niente");
        row["in_reply_to_status_id_str"] = json!(target);
        webhook::Request::post(account("tweet_create_events", &json!([row])).to_string())
    };
    let taken = channel().deliver_all(&[delivery("1900000000000000150"), delivery("1900000000000000160")]);
    let keys: Vec<_> = taken.iter().map(|outcome| outcome.as_ref().unwrap().interactions[0].conversation.key.as_str()).collect();
    assert_eq!(keys, [format!("1900000000000000150/{MARIA}"), format!("{POST}/{MARIA}")]);
    assert_eq!(host.requests().len(), 2);
}
