//! What the connector promises about following changes.

mod crm;
mod mappings;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crm::{Crm, FIRST, PAGINGS, SIZE, channel, walk};
use serde_json::{Value, json};
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, Running};
use sportello_sdk::{Error, time};

use mapped_crm::MappedCrm;

#[test]
fn every_record_is_told_once_whatever_their_number_and_the_way_of_paging() {
    for paging in PAGINGS {
        for step in [0, 1, 60] {
            for count in 0..=3 * SIZE + 1 {
                let crm = Crm::with(count, step);
                let _host = crm.start(paging);
                let (told, cursors) = walk(&channel(paging, ""), None);
                assert_eq!(told.len(), count, "{paging}, {count} records {step} s apart: {told:?}");
                assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), crm.all());
                let end = cursors.last().unwrap().0.clone();
                let (again, cursors) = walk(&channel(paging, ""), end.as_deref());
                assert_eq!(
                    (again, cursors.last().unwrap().0.clone()),
                    (vec![], end),
                    "nothing changed: nothing is told, and the cursor stays"
                );
            }
        }
    }
}

#[test]
fn a_walk_taken_up_again_at_any_page_tells_the_rest_and_nothing_twice() {
    for paging in PAGINGS {
        for step in [0, 1, 60] {
            let crm = Crm::with(3 * SIZE + 1, step);
            let _host = crm.start(paging);
            let (told, cursors) = walk(&channel(paging, ""), None);
            for (cursor, before) in cursors {
                let (rest, _) = walk(&channel(paging, ""), cursor.as_deref());
                assert_eq!(rest, told[before..], "{paging}, {step} s apart, from {cursor:?}");
            }
        }
    }
}

#[test]
fn an_edit_at_any_border_of_two_pages_loses_nobody() {
    for paging in ["newest", "page", "offset"] {
        for step in [1, 60] {
            let pages = walk_count(paging, step);
            for border in 0..pages {
                let crm = Crm::with(3 * SIZE + 1, step);
                let _host = crm.start(paging);
                let channel = channel(paging, "");
                let (mut told, mut cursor) = (BTreeSet::new(), None);
                for page in 0.. {
                    if page == border {
                        crm.edit(1, FIRST + 3000);
                    }
                    let found = channel.changes(cursor.as_deref()).unwrap();
                    told.extend(found.contacts.iter().map(crm::identity));
                    cursor = found.cursor;
                    if !found.more && page >= border {
                        break;
                    }
                }
                // Who moved to the beginning of a list that is read from there is seen by the next walk.
                told.extend(walk(&channel, cursor.as_deref()).0);
                assert!(told.is_superset(&crm.all()), "{paging}, {step} s apart, edited before page {border}: {told:?}");
            }
        }
    }
}

fn walk_count(paging: &'static str, step: i64) -> usize {
    let crm = Crm::with(3 * SIZE + 1, step);
    let _host = crm.start(paging);
    walk(&channel(paging, ""), None).1.len()
}

#[test]
fn an_edit_is_a_new_version_and_a_row_that_shows_late_is_told() {
    for paging in PAGINGS {
        let crm = Crm::with(4, 60);
        let _host = crm.start(paging);
        let channel = channel(paging, "");
        let (_, cursors) = walk(&channel, None);
        let end = cursors.last().unwrap().0.clone();
        crm.edit(2, FIRST + 181);
        // Committed late: its stamp is four seconds before the newest one that was read.
        crm.add(77, FIRST + 176);
        let (told, cursors) = walk(&channel, end.as_deref());
        let told: BTreeSet<_> = told.into_iter().collect();
        assert_eq!(told, BTreeSet::from([("2".into(), "v2".into()), ("77".into(), "v1".into())]), "{paging}");
        assert_eq!(walk(&channel, cursors.last().unwrap().0.as_deref()).0, [], "{paging}");
    }
}

#[test]
fn two_edits_within_one_second_are_two_versions() {
    let crm = Crm::with(1, 1);
    let _host = crm.start("page");
    let channel = channel("page", "");
    let (_, cursors) = walk(&channel, None);
    crm.edit(1, FIRST);
    assert_eq!(walk(&channel, cursors.last().unwrap().0.as_deref()).0, [("1".to_owned(), "v2".to_owned())]);
}

#[test]
fn from_now_on_means_not_what_was_there_before() {
    let crm = Crm::with(4, 60);
    let _host = crm.start("page");
    let channel = channel("page", "start: now");
    let (told, cursors) = walk(&channel, None);
    assert_eq!(told, []);
    crm.edit(1, FIRST + 3600);
    assert_eq!(walk(&channel, cursors.last().unwrap().0.as_deref()).0.len(), 1);
}

#[test]
fn a_list_of_the_newest_first_is_read_no_further_than_needed() {
    let crm = Crm::with(30, 60);
    let host = crm.start("newest");
    let channel = channel("newest", "");
    let (told, cursors) = walk(&channel, None);
    assert_eq!((told.len(), told[0].0.as_str()), (30, "30"));
    let before = host.requests().len();
    crm.edit(5, FIRST + 1800);
    let (told, _) = walk(&channel, cursors.last().unwrap().0.as_deref());
    assert_eq!((told, host.requests().len() - before), (vec![("5".to_owned(), "v2".to_owned())], 1));
}

#[test]
fn a_list_without_pages_is_told_in_parts_that_the_host_takes() {
    let crm = Crm::with(2500, 1);
    let _host = crm.start("whole");
    let (told, cursors) = walk(&channel("whole", ""), None);
    assert_eq!((told.len(), cursors.len()), (2500, 4));
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), crm.all());
    let crm = Crm::with(3000, 0);
    let _host = crm.start("whole");
    let cursor = channel("whole", "").changes(None).unwrap().cursor;
    assert!(matches!(channel("whole", "").changes(cursor.as_deref()), Err(Error::Reject(reason)) if reason.contains("needs `paging`")));
}

#[test]
fn a_total_saves_asking_for_a_page_behind_the_last_one() {
    for (paging, requests) in [("page", 3), ("total", 1), ("newest", 2)] {
        let crm = Crm::with(SIZE, 0);
        let host = crm.start(paging);
        walk(&channel(paging, ""), None);
        assert_eq!(host.requests().len(), requests, "{paging}");
    }
}

#[test]
fn a_system_that_does_not_understand_since_is_told() {
    let channel = channel("page", "");
    let rows = || Response::with_json(200, &json!({ "rows": [{ "id": 1, "v": 1, "at": FIRST }] }));
    let host = Host::new().http(move |_: &Request| rows()).start();
    let cursor = channel.changes(None).unwrap().cursor.unwrap();
    let later = cursor.replace(&format!("\"since\":{}", FIRST * 1000 - 5000), "\"since\":1768478400000");
    assert!(later != cursor && host.diagnostics().is_empty());
    channel.changes(Some(&later)).unwrap();
    assert!(host.diagnostics()[0].1.contains("does the system understand `{since}`?"), "{:?}", host.diagnostics());
}

#[test]
fn a_stamp_of_the_future_hides_nobody() {
    let crm = Crm::with(1, 1);
    crm.add(2, FIRST + 100_000_000);
    let _host = crm.start("page");
    let channel = channel("page", "");
    let (told, cursors) = walk(&channel, None);
    assert_eq!(told.len(), 2);
    crm.edit(1, FIRST + 3900);
    assert_eq!(walk(&channel, cursors.last().unwrap().0.as_deref()).0, [("1".to_owned(), "v2".to_owned())]);
}

#[test]
fn many_records_of_one_second_do_not_make_the_cursor_too_long() {
    let crm = Crm::with(1200, 0);
    let _host = crm.start("page");
    let channel = channel("page", "");
    let (mut cursor, mut told) = (None, BTreeSet::new());
    loop {
        let page = channel.changes(cursor.as_deref()).unwrap();
        told.extend(page.contacts.iter().map(crm::identity));
        assert!(page.cursor.as_ref().unwrap().len() <= 16 << 10);
        cursor = page.cursor;
        if !page.more {
            break;
        }
    }
    assert_eq!(told, crm.all());
}

#[test]
fn a_next_page_that_is_gone_begins_the_list_anew_and_loses_nobody() {
    for (paging, gone) in [("link", 404), ("cursor", 400), ("header", 410)] {
        let crm = Crm::with(2 * SIZE, 60);
        let host = crm.start(paging);
        let channel = channel(paging, "");
        let first = channel.changes(None).unwrap();
        assert!(first.more);
        drop(host);
        let host = Host::new().http(move |_: &Request| Response::new(gone)).start();
        let second = channel.changes(first.cursor.as_deref()).unwrap();
        assert_eq!((second.contacts.len(), second.more), (0, false), "{paging}: at the next poll, not at once");
        drop(host);
        let _host = crm.start(paging);
        let (told, _) = walk(&channel, second.cursor.as_deref());
        assert_eq!(told.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ["4", "5", "6"], "{paging}");
    }
}

/// A system whose list ends with `404` where `is_gone` says so of a page.
fn gone(crm: &Crm, paging: &'static str, is_gone: impl Fn(u64, &Response) -> bool + 'static) -> Running {
    let crm = crm.clone();
    let respond = move |request: &Request| {
        let answer = crm.answer(paging, request);
        let page = request.query_value("page").unwrap().parse().unwrap();
        if is_gone(page, &answer) { Response::new(404) } else { answer }
    };
    Host::new().http(respond).start()
}

#[test]
fn a_page_in_the_middle_that_is_gone_for_a_while_hides_nobody() {
    for paging in ["newest", "unordered"] {
        for page in 2..=4 {
            let crm = Crm::with(4 * SIZE, 60);
            let channel = channel(paging, "");
            let _host = gone(&crm, paging, move |asked, _| asked == page);
            let (mut told, cursors) = walk(&channel, None);
            let left = cursors.last().unwrap().0.clone();
            let _host = crm.start(paging);
            let (rest, cursors) = walk(&channel, left.as_deref());
            told.extend(rest);
            assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), crm.all(), "{paging}, page {page}");
            let end = cursors.last().unwrap().0.clone();
            assert_eq!(walk(&channel, end.as_deref()).0, [], "{paging}, page {page}");
        }
    }
}

#[test]
fn a_system_that_answers_404_behind_its_last_page_is_at_its_end_there() {
    for paging in ["newest", "unordered"] {
        let crm = Crm::with(2 * SIZE, 60);
        let channel = channel(paging, "");
        let host = gone(&crm, paging, |page, answer| page > 1 && answer.json::<Value>().unwrap()["rows"] == json!([]));
        let (mut told, cursors) = walk(&channel, None);
        let (rest, cursors) = walk(&channel, cursors.last().unwrap().0.as_deref());
        told.extend(rest);
        assert_eq!((told.len(), told.into_iter().collect::<BTreeSet<_>>()), (2 * SIZE, crm.all()), "{paging}");
        assert_eq!(host.requests().len(), 6, "{paging}: its list is read twice, to be sure");
        let end = cursors.last().unwrap().0.clone();
        let (again, cursors) = walk(&channel, end.as_deref());
        assert_eq!(
            (again, cursors.last().unwrap().0.clone(), host.requests().len()),
            (vec![], end.clone(), 7),
            "{paging}: and then no more"
        );
        crm.edit(1, FIRST + 3000);
        assert_eq!(walk(&channel, end.as_deref()).0, [("1".to_owned(), "v2".to_owned())], "{paging}");
    }
}

#[test]
fn a_page_that_leads_to_itself_or_elsewhere_is_refused() {
    let ask = |next: &'static str, cursor: Option<&str>| {
        let _host = Host::new().http(move |_: &Request| Response::with_json(200, &json!({ "rows": [], "next": next }))).start();
        channel("link", "").changes(cursor)
    };
    let cursor = ask("/rows?after=3", None).unwrap().cursor;
    assert!(matches!(ask("/rows?after=3", cursor.as_deref()), Err(Error::Reject(reason)) if reason.contains("the page itself")));
    assert!(matches!(ask("https://elsewhere.example/rows", None), Err(Error::Reject(reason)) if reason.contains("another host")));
}

#[test]
fn a_failure_leaves_the_cursor_where_it_was() {
    let crm = Crm::with(2 * SIZE, 60);
    let host = crm.start("page");
    let channel = channel("page", "");
    let (told, cursors) = walk(&channel, None);
    drop(host);
    for (status, retry) in [(500, true), (503, true), (429, false), (401, false)] {
        let _host = Host::new().http(move |_: &Request| Response::new(status)).start();
        let error = channel.changes(cursors[1].0.as_deref()).unwrap_err();
        assert_eq!(matches!(error, Error::Retry(_)), retry, "{status}: {error:?}");
    }
    let lost = Host::new().http(|_: &Request| Err::<Response, _>(Failure::Interrupted("timeout".into()))).start();
    assert!(matches!(channel.changes(cursors[1].0.as_deref()), Err(Error::Retry(_))));
    drop(lost);
    let _host = crm.start("page");
    assert_eq!(walk(&channel, cursors[1].0.as_deref()).0, told[cursors[1].1..]);
    assert!(matches!(channel.changes(Some("{}")), Err(Error::Reject(_))), "a cursor of somebody else's");
}

#[test]
fn one_record_without_id_or_date_does_not_stop_the_others_and_a_page_of_them_is_a_mistake() {
    let answer = |body: serde_json::Value| {
        let host = Host::new().http(move |_: &Request| Response::with_json(200, &body)).start();
        (channel("page", "").changes(None), host.diagnostics().len())
    };
    let (page, warnings) = answer(json!({ "rows": [{ "id": 1, "v": 1, "at": FIRST }, { "id": 2, "v": 1, "at": "?" }] }));
    assert_eq!((page.unwrap().contacts.len(), warnings), (1, 1));
    let (page, _) = answer(json!({ "rows": [{ "id": 2, "v": 1 }, { "v": 1, "at": FIRST }] }));
    assert!(matches!(page, Err(Error::Reject(reason)) if reason.contains("`/id` (`id`)") && reason.contains("`/at` (`changed-at`)")));
    let (page, _) = answer(json!({ "items": [] }));
    assert!(matches!(page, Err(Error::Reject(reason)) if reason.contains("no list of records at `/rows`")));
}

#[test]
fn a_row_that_is_told_as_it_was_is_not_fetched_again_once_its_seconds_are_over() {
    let mapping = mappings::REQUEST_TRACKER;
    let channel = Channel::<MappedCrm>::new(json!({ "base-url": "https://rt.example.org", "mapping": mapping }));
    let asked = Rc::new(Cell::new(false));
    let ask = |now: &str, cursor: Option<&str>| {
        let asked = Rc::clone(&asked);
        let host = Host::new()
            .now(now)
            .http(move |request: &Request| {
                if request.path() == "/REST/2.0/users" {
                    assert_eq!(request.query_value("order").as_deref(), Some("DESC"));
                    // Members come in another order each time.
                    asked.set(!asked.get());
                    let row = [r#""id":27"#, r#""LastUpdated":"2026-01-15T11:59:50Z""#];
                    let row = if asked.get() { row.join(",") } else { row.iter().rev().copied().collect::<Vec<_>>().join(", ") };
                    return Response::with_text(200, format!(r#"{{"items":[{{{row}}}],"total":1}}"#));
                }
                Response::with_json(200, &json!({ "id": 27, "Name": "ada", "LastUpdated": "2026-01-15T11:59:50Z", "Disabled": "1" }))
            })
            .start();
        let page = channel.changes(cursor).unwrap();
        (page.contacts.len(), host.requests().len(), page.cursor)
    };
    let (told, requests, cursor) = ask("2026-01-15T12:00:00Z", None);
    assert_eq!((told, requests), (1, 2));
    let (told, requests, cursor) = ask("2026-01-15T12:00:15Z", cursor.as_deref());
    assert_eq!((told, requests), (0, 2), "within its seconds it may have changed twice");
    let (told, requests, cursor) = ask("2026-01-15T12:01:00Z", cursor.as_deref());
    assert_eq!((told, requests), (0, 2), "looked at once more behind them");
    assert_eq!(ask("2026-01-15T12:02:00Z", cursor.as_deref()), (0, 1, cursor.clone()));
}

#[test]
fn who_is_edited_while_a_page_is_fetched_in_full_hides_nobody_who_came_meanwhile() {
    for paging in ["newest", "page", "whole"] {
        let crm = Crm::with(2 * SIZE, 1);
        let (others, is_edited) = (crm.clone(), Cell::new(false));
        let _host = Host::new()
            .http(move |request: &Request| {
                let Some(id) = request.path().strip_prefix("/rows/") else { return others.answer(paging, request) };
                if !is_edited.replace(true) {
                    // Between the list and its records: one came, and later this one was edited.
                    others.add(99, FIRST + 20);
                    others.edit(id.parse().unwrap(), FIRST + 40);
                }
                others.record(id.parse().unwrap())
            })
            .start();
        let channel = channel(paging, "detail: {path: \"/rows/{/id}\"}");
        let (mut told, cursors) = walk(&channel, None);
        told.extend(walk(&channel, cursors.last().unwrap().0.as_deref()).0);
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), crm.all(), "{paging}");
    }
}

#[test]
fn a_mapping_without_changes_has_none() {
    let mapping = mappings::PEOPLE.split("changes:").next().unwrap();
    let host = Host::new().start();
    let page = Channel::<MappedCrm>::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping })).changes(None).unwrap();
    assert_eq!((page.contacts.len(), page.cursor, page.more, host.requests().len()), (0, None, false, 0));
    assert_eq!(time::milliseconds("2026-01-15T11:00:00Z"), Some(FIRST * 1000), "what the other tests count from");
}
