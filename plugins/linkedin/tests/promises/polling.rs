//! Pulling what a delivery may have missed.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use serde_json::{Value, json};
use sportello_sdk::diagnostics::Level;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host};
use sportello_sdk::{Error, Interaction, Raw};

use crate::platform::*;

const HOUR_MS: i64 = 3_600_000;

/// A channel that reads from long ago, `rows` at a time.
fn reader(rows: usize) -> Channel<linkedin::LinkedIn> {
    channel_with(json!({ "since": "2025-12-01T00:00:00Z", "page-rows": rows }))
}

/// `count` comments, an hour apart, the last one now; each answers the question.
fn filled(count: i64, newest_first: bool) -> Shared {
    let world = world();
    {
        let mut world = world.borrow_mut();
        for n in 0..count {
            let (urn, at_ms) = (comment_urn(1000 + n), NOW_MS - (count - 1 - n) * HOUR_MS);
            world.comments.push(row(&urn, Some(QUESTION), None, "x", at_ms));
            let mut told = notification(n, "COMMENT", &short(&urn), "x");
            told["lastModifiedAt"] = json!(at_ms);
            world.notifications.push(told);
        }
        if newest_first {
            world.notifications.reverse();
        }
    }
    world
}

/// Polls until there is no more, starting anew with the cursor's text each time, as after a restart.
fn sweep(channel: &Channel<linkedin::LinkedIn>, cursor: &mut Option<String>) -> Vec<Interaction> {
    let mut all = Vec::new();
    for _ in 0..1000 {
        let page = channel.poll(cursor.as_deref()).unwrap();
        *cursor = page.cursor;
        all.extend(page.interactions);
        if !page.more {
            return all;
        }
    }
    panic!("the sweep never ends");
}

fn ids(interactions: &[Interaction]) -> BTreeSet<String> {
    interactions.iter().map(|one| one.native_id.clone()).collect()
}

#[test]
fn a_poll_gives_the_same_as_the_delivery() {
    let world = world();
    let told: Vec<Value> = ["COMMENT", "COMMENT_EDIT", "ADMIN_COMMENT", "COMMENT_DELETE"]
        .iter()
        .zip(1..)
        .map(|(action, n)| notification(n, action, &short(QUESTION), "Perché? 😡"))
        .chain([json!({ "notificationId": 9, "action": "LIKE", "organizationalEntity": ORGANIZATION, "lastModifiedAt": NOW_MS,
            "generatedActivity": format!("urn:li:like:(urn:li:person:b,{POST})") })])
        .chain([share("SHARE", "urn:li:share:98", "Leggete"), share("SHARE_MENTION", "urn:li:share:99", "Leggete")])
        .chain([notification(10, "COMMENT", "urn:li:poem:3", "not understood")])
        .collect();
    world.borrow_mut().notifications.clone_from(&told);
    let _host = started(&world);
    let polled = sweep(&reader(20), &mut None);
    let mut delivered = delivered(&told);
    for (polled, delivered) in polled.iter().zip(&mut delivered) {
        assert!(matches!(&polled.raw, Some(Raw::Text(text)) if serde_json::from_str::<Value>(text).is_ok()));
        delivered.raw.clone_from(&polled.raw);
        assert_eq!(polled, delivered);
    }
    assert_eq!(polled.len(), 8);
}

#[test]
fn who_names_the_organisation_in_a_post_is_pulled() {
    let world = world();
    world.borrow_mut().notifications.push(share("SHARE_MENTION", "urn:li:share:99", "Leggete"));
    let _host = started(&world);
    let polled = sweep(&reader(20), &mut None);
    assert_eq!(polled.iter().map(|one| (one.kind.as_str(), one.native_id.as_str())).collect::<Vec<_>>(), [("mention", "urn:li:share:99")]);
}

#[test]
fn all_come_at_every_page_boundary_in_either_order_and_restarted_at_every_page() {
    for newest_first in [false, true] {
        for rows in [1, 2, 6, 7, 8, 50] {
            let _host = started(&filled(7, newest_first));
            let found = sweep(&reader(rows), &mut None);
            assert_eq!((found.len(), ids(&found).len()), (7, 7), "{rows} rows, newest first: {newest_first}");
            assert!(found.iter().all(|one| one.conversation.key == QUESTION));
        }
    }
}

#[test]
fn a_page_that_is_read_again_after_a_crash_gives_the_same() {
    let _host = started(&filled(7, true));
    let mut cursor = None;
    for _ in 0..100 {
        let (first, again) = (reader(2).poll(cursor.as_deref()).unwrap(), reader(2).poll(cursor.as_deref()).unwrap());
        assert_eq!(first, again);
        cursor = first.cursor;
        if !first.more {
            break;
        }
    }
}

#[test]
fn the_next_poll_reads_what_is_new_and_an_empty_one_leaves_the_cursor() {
    for newest_first in [false, true] {
        let world = filled(7, newest_first);
        let host = started(&world);
        let mut cursor = None;
        sweep(&reader(3), &mut cursor);
        let before = (cursor.clone(), host.requests().len());
        assert_eq!(sweep(&reader(3), &mut cursor), []);
        assert_eq!((cursor.clone(), host.requests().len()), (before.0, before.1 + 1), "no comment is read again");

        let late = {
            let mut late = notification(77, "COMMENT", QUESTION, "in ritardo");
            late["lastModifiedAt"] = json!(NOW_MS - HOUR_MS / 2);
            late
        };
        world.borrow_mut().notifications.insert(3, late);
        world.borrow_mut().notifications.push(notification(78, "COMMENT_EDIT", QUESTION, "nuovo"));
        let found = sweep(&reader(3), &mut cursor);
        assert_eq!(
            found.iter().map(|one| one.text.as_deref()).collect::<Vec<_>>(),
            [Some("in ritardo"), Some("nuovo")],
            "the late one too"
        );
    }
}

#[test]
fn what_comes_during_a_sweep_is_not_lost() {
    for newest_first in [false, true] {
        let world = filled(7, newest_first);
        let _host = started(&world);
        let (mut cursor, mut found, mut n) = (None, Vec::new(), 500);
        while n < 520 {
            let page = reader(2).poll(cursor.as_deref()).unwrap();
            cursor = page.cursor;
            found.extend(page.interactions);
            if n < 505 {
                let mut told = notification(n, "COMMENT_DELETE", &comment_urn(n), "");
                told["lastModifiedAt"] = json!(NOW_MS + n - 500);
                let place = if newest_first { 0 } else { world.borrow().notifications.len() };
                world.borrow_mut().notifications.insert(place, told);
            }
            n += 1;
        }
        assert_eq!(ids(&found).len(), 12, "newest first: {newest_first}");
    }
}

#[test]
fn the_first_poll_begins_now_or_where_the_settings_say_and_never_before_sixty_days() {
    let start = |settings: Value| {
        let host = started(&world());
        channel_with(settings).poll(None).unwrap();
        let range = host.requests()[0].query_value("timeRange").unwrap();
        range.trim_start_matches("(start:").split(',').next().unwrap().parse::<i64>().unwrap()
    };
    assert_eq!(start(json!({})), NOW_MS);
    assert_eq!(start(json!({ "since": "2026-01-15T11:00:00Z" })), NOW_MS - HOUR_MS);
    let earliest = start(json!({ "since": "2020-01-01T00:00:00Z" }));
    assert!((59 * 24..60 * 24).contains(&((NOW_MS - earliest) / HOUR_MS)), "{earliest}");
}

#[test]
fn a_page_is_told_oldest_first() {
    let _host = started(&filled(7, true));
    let found = sweep(&reader(50), &mut None);
    assert!(found.is_sorted_by_key(|one| one.occurred_at.clone()), "{found:?}");
}

#[test]
fn any_failure_leaves_the_cursor_and_the_poll_goes_on_from_there() {
    let failures: [(&str, Answering); 5] = [
        ("rate-limited", || Ok(refused(429, "TOO_MANY_REQUESTS", Some(101), "MEMBER DAY limit"))),
        ("retry", || Ok(refused(401, "EXPIRED_ACCESS_TOKEN", Some(65602), "expired"))),
        ("auth", || Ok(refused(401, "REVOKED_ACCESS_TOKEN", Some(65601), "revoked"))),
        ("retry", || Ok(Response::with_text(503, "<html>"))),
        ("retry", || Err(Failure::Interrupted("time-out".into()))),
    ];
    let requests = {
        let host = started(&filled(5, true));
        sweep(&reader(2), &mut None);
        host.requests().len()
    };
    for (outcome, failure) in failures {
        for failing in 0..requests {
            let world = filled(5, true);
            let mut number = 0;
            let host = Host::new()
                .http(move |request: &Request| {
                    number += 1;
                    if number == failing + 1 { failure() } else { Ok(world.borrow_mut().answer(request)) }
                })
                .start();
            let (mut cursor, mut found, mut failed) = (None, Vec::new(), 0);
            for _ in 0..100 {
                match reader(2).poll(cursor.as_deref()) {
                    Ok(page) => {
                        cursor = page.cursor;
                        found.extend(page.interactions);
                        if !page.more {
                            break;
                        }
                    }
                    Err(error) => {
                        assert_eq!(name(&error), outcome, "request {failing}");
                        failed += 1;
                        if let Error::RateLimited(limit) = error {
                            host.passes_until(&limit.until);
                        }
                    }
                }
            }
            assert_eq!((failed, found.len(), ids(&found).len()), (1, 5, 5), "{outcome} at request {failing}");
            assert!(found.iter().all(|one| one.conversation.key == QUESTION), "no thread is lost for it");
        }
    }
}

#[test]
fn a_comment_that_can_never_be_read_does_not_stop_the_poll() {
    let world = filled(3, false);
    world.borrow_mut().comments.retain(|row| row["id"] != "1001");
    let shared = Rc::clone(&world);
    let _host = Host::new()
        .http(move |request: &Request| match request.path().ends_with("/1000") {
            true => refused(400, "ILLEGAL_ARGUMENT", None, "no"),
            false => shared.borrow_mut().answer(request),
        })
        .start();
    let found = sweep(&reader(20), &mut None);
    assert_eq!(found.len(), 3);
    let places: Vec<_> = found.iter().map(|one| attribute(one, "thread")).collect();
    assert_eq!(places, [Some("unknown"), Some("unknown"), None], "a comment that is refused costs no other its place");
}

#[test]
fn an_empty_list_without_the_role_is_no_answer_and_says_which_role_is_missing() {
    let world = world();
    let _host = started(&world);
    assert!(reader(20).poll(None).is_ok(), "nothing has happened yet");
    world.borrow_mut().is_administrator = false;
    let refused = reader(20).poll(None);
    assert!(matches!(&refused, Err(Error::Auth(text)) if text.contains(ORGANIZATION) && text.contains("ADMINISTRATOR")), "{refused:?}");
    world.borrow_mut().is_administrator = true;
    assert!(reader(20).poll(None).is_ok());
}

#[test]
fn only_the_approved_role_of_an_administrator_of_this_organisation_is_one() {
    let other = "urn:li:organization:1";
    let polled = |roles: Vec<Value>, total: usize| {
        let world = world();
        let host = Host::new().http(move |request: &Request| match request.path().ends_with("/organizationAcls") {
            true => Response::with_json(200, &json!({ "elements": roles, "paging": { "total": total } })),
            false => world.borrow_mut().answer(request),
        });
        let _host = host.start();
        reader(20).poll(None)
    };
    for role in [
        json!({ "organization": ORGANIZATION, "role": "ADMINISTRATOR", "state": "APPROVED" }),
        json!({ "organizationalTarget": ORGANIZATION, "role": "ADMINISTRATOR" }),
    ] {
        assert!(polled(vec![role.clone()], 1).is_ok(), "{role}");
    }
    for role in [
        json!({ "organization": other, "role": "ADMINISTRATOR", "state": "APPROVED" }),
        json!({ "organization": ORGANIZATION, "role": "ANALYST", "state": "APPROVED" }),
        json!({ "organization": ORGANIZATION, "role": "ADMINISTRATOR", "state": "REQUESTED" }),
    ] {
        assert!(matches!(polled(vec![role.clone()], 1), Err(Error::Auth(_))), "{role}");
    }
    let others = vec![json!({ "organization": other, "role": "ADMINISTRATOR", "state": "APPROVED" }); 100];
    assert!(polled(others.clone(), 101).is_ok(), "it may be among those that are not shown");
    assert!(matches!(polled(others, 100), Err(Error::Auth(_))));
}

#[test]
fn a_role_that_is_taken_away_during_a_sweep_ends_it_nowhere() {
    let world = filled(7, true);
    let _host = started(&world);
    let first = reader(2).poll(None).unwrap();
    let told = std::mem::take(&mut world.borrow_mut().notifications);
    world.borrow_mut().is_administrator = false;
    let error = reader(2).poll(first.cursor.as_deref()).unwrap_err();
    assert!(matches!(&error, Error::Auth(reason) if reason.contains("ADMINISTRATOR")), "{error:?}");

    world.borrow_mut().notifications = told;
    world.borrow_mut().is_administrator = true;
    let mut cursor = first.cursor;
    let rest = sweep(&reader(2), &mut cursor);
    let all: BTreeSet<String> = ids(&first.interactions).union(&ids(&rest)).cloned().collect();
    assert_eq!(all, ids(&sweep(&reader(50), &mut None)), "it goes on where it was");
}

#[test]
fn an_empty_list_is_not_believed_silently_where_the_role_cannot_be_told() {
    let world = world();
    let host = Host::new()
        .http(move |request: &Request| match request.path().ends_with("/organizationAcls") {
            true => refused(403, "ACCESS_DENIED", Some(100), "Not enough permissions"),
            false => world.borrow_mut().answer(request),
        })
        .start();
    assert_eq!(reader(20).poll(None).unwrap().interactions, []);
    let told = host.diagnostics();
    let is_told = |text: &str| [ORGANIZATION, "ADMINISTRATOR", "Not enough permissions"].iter().all(|part| text.contains(part));
    assert!(told.iter().any(|(level, text)| *level == Level::Warning && is_told(text)), "{told:?}");
}

#[test]
fn a_thousand_notifications_are_pulled_without_loss_and_cursors_stay_small() {
    let world = world();
    world.borrow_mut().notifications =
        (0..1000).map(|n| notification(9_007_199_254_740_993_u64 + n, "COMMENT_DELETE", &comment_urn(n), "")).collect();
    let _host = started(&world);
    let (mut cursor, mut found) = (None, Vec::new());
    for _ in 0..100 {
        let page = reader(50).poll(cursor.as_deref()).unwrap();
        assert!(page.cursor.as_ref().is_some_and(|cursor| cursor.len() < 16 << 10));
        cursor = page.cursor;
        found.extend(page.interactions);
        if !page.more {
            break;
        }
    }
    assert_eq!(found.iter().map(identity).collect::<HashSet<_>>().len(), 1000);
}

#[test]
fn a_cursor_of_another_connector_is_refused() {
    let _host = started(&world());
    assert!(matches!(reader(20).poll(Some("QUJD")), Err(Error::Reject(_))));
}
