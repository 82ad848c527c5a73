//! Looking whether a reply is there.

use std::rc::Rc;

use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::{Host, reply};
use sportello_sdk::{Effect, Error};

use crate::platform::*;

const TEXT: &str = "Stiamo riparando. 🙏";

fn effect() -> Effect {
    reply("run-1-reply-1", QUESTION, TEXT)
}

fn ours(id: u64, text: &str, created_ms: i64) -> Value {
    row(&comment_urn(id), Some(QUESTION), Some(ORGANIZATION), text, created_ms)
}

fn theirs(id: u64) -> Value {
    row(&comment_urn(id), Some(QUESTION), Some("urn:li:person:b"), TEXT, NOW_MS + 1_000)
}

fn with(rows: impl IntoIterator<Item = Value>) -> Shared {
    let world = world();
    world.borrow_mut().comments.extend(rows);
    world
}

#[test]
fn our_comment_is_found_wherever_it_stands_and_nobody_elses() {
    for position in [0, 99, 100, 199, 200, 249] {
        let mut rows: Vec<Value> = (0..249).map(|n| theirs(1000 + n)).collect();
        rows.insert(position, ours(5, "Stiamo\nriparando.  🙏 ", NOW_MS + 1_000));
        let host = started(&with(rows));
        let Presence::Present(receipt) = channel().find(&effect()).unwrap() else { panic!("present at {position}") };
        assert_eq!((receipt.native_id, receipt.at.as_deref()), (comment_urn(5), Some("2026-01-15T12:00:01Z")));
        assert_eq!(host.requests().len(), 3, "the whole list is read");
    }
}

#[test]
fn absent_is_said_only_after_the_whole_list() {
    for count in [1, 99, 100, 101, 200, 201] {
        let host = started(&with((0..count).map(|n| theirs(1000 + n))));
        assert_eq!(channel().find(&effect()).unwrap(), Presence::Absent, "{count}");
        assert_eq!(host.requests().len() as u64, count.div_ceil(100), "{count}");
    }
    let _host = started(&with([ours(5, TEXT, NOW_MS - 86_400_000), ours(6, "Altro", NOW_MS + 1), theirs(7)]));
    assert_eq!(channel().find(&effect()).unwrap(), Presence::Absent, "yesterday's with the same words is another effect's");
}

#[test]
fn a_list_without_links_and_total_is_read_until_it_ends() {
    let world = with((0..100).map(|n| theirs(1000 + n)).chain([ours(5, TEXT, NOW_MS)]));
    let host = Host::new()
        .http(move |request: &Request| {
            let response = world.borrow_mut().answer(request);
            let mut document: Value = response.json().unwrap();
            document.as_object_mut().unwrap().remove("paging");
            Response::with_json(200, &document)
        })
        .start();
    assert!(matches!(channel().find(&effect()).unwrap(), Presence::Present(_)));
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn pages_shorter_than_was_asked_for_are_read_on_where_a_link_leads_on() {
    let world = with((0..30).map(|n| theirs(1000 + n)).chain([ours(5, TEXT, NOW_MS)]));
    let host = Host::new()
        .http(move |request: &Request| {
            let rows: Vec<Value> = world.borrow().comments.iter().filter(|row| row["parentComment"].is_string()).cloned().collect();
            let start = request.query_value("start").unwrap().parse::<usize>().unwrap();
            let links = if start + 10 < rows.len() { vec![json!({ "rel": "next" })] } else { vec![] };
            let rows: Vec<_> = rows.iter().skip(start).take(10).collect();
            Response::with_json(200, &json!({ "elements": rows, "paging": { "links": links } }))
        })
        .start();
    assert!(matches!(channel().find(&effect()).unwrap(), Presence::Present(_)));
    assert_eq!(host.requests().len(), 4);
}

#[test]
fn twins_cannot_be_told_apart_and_a_row_shown_twice_is_no_twin() {
    let _host = started(&with([ours(5, TEXT, NOW_MS), ours(6, TEXT, NOW_MS + 1)]));
    assert_eq!(channel().find(&effect()).unwrap(), Presence::CannotTell);
    let _host = started(&with([ours(5, TEXT, NOW_MS), ours(5, TEXT, NOW_MS)]));
    assert!(matches!(channel().find(&effect()).unwrap(), Presence::Present(_)));
}

#[test]
fn the_same_words_of_nobody_known_may_be_ours() {
    let hidden = row(&comment_urn(5), Some(QUESTION), None, TEXT, NOW_MS);
    let _host = started(&with([hidden, theirs(6)]));
    assert_eq!(channel().find(&effect()).unwrap(), Presence::CannotTell);
    let from_before = row(&comment_urn(5), Some(QUESTION), None, TEXT, NOW_MS - 86_400_000);
    let _host = started(&with([from_before]));
    assert_eq!(channel().find(&effect()).unwrap(), Presence::Absent, "what was written before the effect is not it");
}

#[test]
fn an_empty_list_is_believed_only_of_a_comment_that_is_seen_to_have_no_answers() {
    let world = with([]);
    let _host = started(&world);
    assert_eq!(channel().find(&effect()).unwrap(), Presence::Absent);
    world.borrow_mut().comments[0]["commentsSummary"] = json!({ "aggregatedTotalComments": 1 });
    assert_eq!(channel().find(&effect()).unwrap(), Presence::CannotTell, "it has answers that are not shown");

    let denied = Host::new().http(|request: &Request| match request.path().ends_with("/comments") {
        true => Response::with_json(200, &json!({ "elements": [], "paging": { "total": 0 } })),
        false => refused(403, "ACCESS_DENIED", Some(100), "Not enough permissions"),
    });
    let _host = denied.start();
    assert!(matches!(channel().find(&effect()), Err(Error::Auth(_))), "without the role the list is empty too");
}

#[test]
fn an_empty_list_below_a_post_is_believed_only_of_an_administrator() {
    let effect = reply("k", POST, TEXT);
    let world = world();
    world.borrow_mut().comments.clear();
    let _host = started(&world);
    assert_eq!(channel().find(&effect).unwrap(), Presence::Absent);
    world.borrow_mut().is_administrator = false;
    assert_eq!(channel().find(&effect).unwrap(), Presence::CannotTell);
}

#[test]
fn an_answer_to_an_answer_is_looked_for_where_the_platform_puts_it() {
    let below = comment_urn(8_000_000_000_000_000_007_u64);
    let world = with([row(&below, Some(QUESTION), None, "Anche da me", NOW_MS)]);
    let _host = started(&world);
    let effect = reply("k", &below, TEXT);
    assert_eq!(channel().find(&effect).unwrap(), Presence::Absent);
    channel().publish(&effect).unwrap();
    assert!(matches!(channel().find(&effect).unwrap(), Presence::Present(_)));
}

#[test]
fn what_is_gone_took_its_answers_along_and_nobody_can_tell() {
    let _host = Host::new().http(|_: &Request| gone()).start();
    assert_eq!(channel().find(&effect()).unwrap(), Presence::CannotTell);
}

#[test]
fn a_list_that_says_it_is_longer_than_it_shows_does_not_say_that_something_is_absent() {
    let look = |rows: Vec<Value>| {
        let world = with(rows);
        let _host = Host::new()
            .http(move |request: &Request| {
                let mut document: Value = world.borrow_mut().answer(request).json().unwrap();
                document["paging"]["total"] = json!(3);
                Response::with_json(200, &document)
            })
            .start();
        channel().find(&effect()).unwrap()
    };
    assert_eq!(look(vec![]), Presence::CannotTell);
    assert_eq!(look(vec![theirs(7)]), Presence::CannotTell);
    assert!(matches!(look(vec![theirs(7), ours(5, TEXT, NOW_MS)]), Presence::Present(_)), "what is seen is there");
    assert_eq!(look(vec![theirs(7), theirs(8), theirs(9)]), Presence::Absent);
}

#[test]
fn a_list_that_became_shorter_while_it_was_read_is_read_again_later() {
    let world = with((0..150).map(|n| theirs(1000 + n)));
    let shared = Rc::clone(&world);
    let _host = Host::new()
        .http(move |request: &Request| {
            let answer = shared.borrow_mut().answer(request);
            shared.borrow_mut().comments.remove(1);
            answer
        })
        .start();
    assert!(matches!(channel().find(&effect()), Err(Error::Retry(_))));
}

#[test]
fn a_list_that_never_ends_is_given_up() {
    let rows: Vec<Value> = (0..100).map(theirs).collect();
    let page = json!({ "elements": rows, "paging": { "links": [{ "rel": "next" }] } });
    let host = Host::new().http(move |_: &Request| Response::with_json(200, &page)).start();
    assert_eq!(channel().find(&effect()).unwrap(), Presence::CannotTell);
    assert_eq!(host.requests().len(), 50);
}
