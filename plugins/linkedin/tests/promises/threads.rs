//! An answer is filed with its question, and no delivery is lost for it.

use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::Host;
use sportello_sdk::{Error, webhook};

use serde_json::json;

use crate::platform::*;

const ANSWER: u64 = 8_000_000_000_000_000_007;

fn answered() -> Shared {
    let world = world();
    world.borrow_mut().comments.push(row(&comment_urn(ANSWER), Some(&short(QUESTION)), None, "Anche da me", NOW_MS));
    world
}

#[test]
fn an_answer_and_our_own_answer_belong_to_the_comment_above_them() {
    let host = started(&answered());
    for (action, own) in [("COMMENT", false), ("ADMIN_COMMENT", true), ("COMMENT_EDIT", false)] {
        let reply = only(&notification(1, action, &short(&comment_urn(ANSWER)), "Anche da me"));
        assert_eq!((reply.kind.as_str(), reply.own, reply.conversation.key.as_str()), ("reply", own, QUESTION), "{action}");
        assert_eq!((reply.native_id, reply.in_reply_to.as_deref()), (comment_urn(ANSWER), Some(QUESTION)));
    }
    assert_eq!(host.requests().len(), 3, "one look for each");
}

#[test]
fn a_comment_that_names_itself_as_its_parent_answers_none() {
    let world = world();
    world.borrow_mut().comments[0]["parentComment"] = json!(QUESTION);
    let _host = started(&world);
    let told = only(&notification(1, "COMMENT", QUESTION, "Perché?"));
    assert_eq!((told.kind.as_str(), told.conversation.key.as_str(), told.in_reply_to.as_deref()), ("comment", QUESTION, Some(POST)));
}

#[test]
fn a_comment_told_of_twice_in_one_delivery_is_read_once() {
    let host = started(&answered());
    let told = ["COMMENT", "COMMENT_EDIT"].map(|action| notification(1, action, &comment_urn(ANSWER), "x"));
    assert!(delivered(&told).iter().all(|one| one.conversation.key == QUESTION));
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn a_parent_that_the_notification_names_needs_no_network() {
    let host = Host::new().start();
    for name in ["object", "parentComment"] {
        let mut told = notification(1, "COMMENT", &comment_urn(ANSWER), "x");
        told["decoratedGeneratedActivity"]["comment"][name] = json!(short(QUESTION));
        assert_eq!(only(&told).conversation.key, QUESTION, "{name}");
    }
    assert!(host.requests().is_empty());
}

#[test]
fn what_needs_no_thread_needs_no_network() {
    let host = Host::new().start();
    let share = json!({ "action": "SHARE", "generatedActivity": "urn:li:share:9" });
    let like = json!({ "action": "LIKE", "generatedActivity": format!("urn:li:like:(urn:li:person:b,{})", comment_urn(ANSWER)) });
    delivered(&[share, like, notification(1, "COMMENT_DELETE", QUESTION, ""), json!({ "action": "SHIMMER" })]);
    assert!(host.requests().is_empty());
}

#[test]
fn whatever_fails_the_delivery_is_taken_in_and_nobody_waits_twice() {
    let answers: [(&str, Answering); 7] = [
        ("time-out", || Err(Failure::Interrupted("time-out".into()))),
        ("not granted", || Err(Failure::Denied("not granted".into()))),
        ("no token", || Err(Failure::Credential("credential token: refused".into()))),
        ("429", || Ok(refused(429, "TOO_MANY_REQUESTS", Some(101), "APPLICATION DAY limit"))),
        ("401", || Ok(refused(401, "EXPIRED_ACCESS_TOKEN", Some(65602), "expired"))),
        ("403", || Ok(refused(403, "ACCESS_DENIED", Some(100), "no"))),
        ("no JSON", || Ok(Response::with_text(200, "<html>"))),
    ];
    for (case, answer) in answers {
        let host = Host::new().http(move |_: &Request| answer()).start();
        let told = [1, 2, 3].map(|n| notification(n, "COMMENT", &comment_urn(ANSWER + n), "Anche da me"));
        let told = delivered(&told);
        assert_eq!(told.len(), 3, "{case}");
        for one in &told {
            assert_eq!((one.conversation.key.as_str(), attribute(one, "thread")), (one.native_id.as_str(), Some("unknown")), "{case}");
            assert_eq!(one.text.as_deref(), Some("Anche da me"));
        }
        assert_eq!((host.requests().len(), host.diagnostics().len()), (1, 1), "{case}");
    }
}

#[test]
fn a_limit_that_is_over_soon_is_waited_for_and_costs_no_answer_its_question() {
    let told = || body(&[notification(1, "COMMENT", &comment_urn(ANSWER), "Anche da me")]);
    let after = |seconds: &'static str| {
        move |_: &Request| refused(429, "TOO_MANY_REQUESTS", Some(101), "limit").with_header("retry-after", seconds)
    };
    let _host = Host::new().http(after("900")).start();
    let outcome = channel().deliver(&webhook::Request::post(told()));
    assert!(matches!(&outcome, Err(Error::RateLimited(limit)) if limit.until.ends_with("12:15:00Z")), "{outcome:?}");
    drop(_host);
    let _host = Host::new().http(|_: &Request| Err::<Response, _>(Failure::Limit("limit: retry after 1500 ms: too many".into()))).start();
    assert!(matches!(channel().deliver(&webhook::Request::post(told())), Err(Error::RateLimited(_))));
    drop(_host);
    let _host = Host::new().http(after("901")).start();
    let unseen = |told: String| channel().deliver(&webhook::Request::post(told)).unwrap().interactions;
    assert_eq!(attribute(&unseen(told())[0], "thread"), Some("unknown"), "nobody is unseen for longer");
    drop(_host);
    let _host = Host::new().http(after("300")).start();
    let mut earlier = notification(1, "COMMENT", &comment_urn(ANSWER), "Anche da me");
    earlier["lastModifiedAt"] = json!(NOW_MS - 600_001);
    assert_eq!(attribute(&unseen(body(&[earlier]))[0], "thread"), Some("unknown"), "it has waited already");
}

#[test]
fn of_many_deliveries_of_a_call_one_waits_for_a_platform_that_hangs_and_a_refusal_costs_no_other_its_thread() {
    let deliveries = |numbers: std::ops::Range<u64>| {
        let delivery = |n| webhook::Request::post(body(&[notification(n, "COMMENT", &comment_urn(ANSWER + n), "Anche da me")]));
        numbers.map(delivery).collect::<Vec<_>>()
    };
    let host = Host::new().http(|_: &Request| Err::<Response, _>(Failure::Interrupted("time-out".into()))).start();
    for calls in 1..=2 {
        let taken = channel().deliver_all(&deliveries(0..64));
        assert_eq!(taken.iter().map(|outcome| outcome.as_ref().unwrap().interactions.len()).sum::<usize>(), 64);
        assert_eq!(host.requests().len(), calls, "the next call asks anew");
    }
    let host = Host::new().http(|_: &Request| refused(400, "BAD", Some(1), "no")).start();
    assert!(channel().deliver_all(&deliveries(0..3)).iter().all(Result::is_ok));
    assert_eq!(host.requests().len(), 3);
}

#[test]
fn a_comment_deleted_meanwhile_is_taken_in_and_the_others_are_still_read() {
    let host = started(&answered());
    let told = delivered(&[notification(1, "COMMENT", &comment_urn(404), "x"), notification(2, "COMMENT", &comment_urn(ANSWER), "y")]);
    assert_eq!((attribute(&told[0], "thread"), told[1].conversation.key.as_str()), (Some("unknown"), QUESTION));
    assert_eq!((host.requests().len(), host.diagnostics().len()), (2, 0));
}

#[test]
fn a_key_is_the_same_whether_its_place_is_known_or_not_and_fits_the_contract() {
    let known = {
        let _host = started(&world());
        only(&notification(1, "COMMENT", QUESTION, "x")).conversation.key
    };
    let _host = Host::new().start();
    assert_eq!(only(&notification(1, "COMMENT", QUESTION, "x")).conversation.key, known);
    assert!(known.len() <= 512 && known.contains(POST));
}
