//! What the connector promises about contacts.

mod recorded;

use recorded::{channel, play};
use serde_json::{Value, json};
use sportello_sdk::{Contact, Error};

fn identifiers(contact: &Contact) -> Vec<(&str, &str)> {
    contact.identifiers.iter().map(|identifier| (identifier.scheme.as_str(), identifier.value.as_str())).collect()
}

#[test]
fn a_contact_has_all_its_identifiers_by_the_mapping() {
    let _host = play(&["mechanism_found", "parties"]).start();
    let found = channel(&json!({})).look_up("wiki.handle", "Ada L").unwrap();
    let [ada] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((ada.id.as_str(), ada.display_name.as_deref(), ada.deleted), ("1", Some("Ada Lovelace"), false));
    let all = [("email", "Ada@example.org"), ("phone", "+39 02 1234567"), ("wiki.handle", "Ada L"), ("facebook.id", "10001")];
    assert_eq!(identifiers(ada), all, "a label may stand in the comment; what is inactive identifies nobody");

    let _host = play(&["mechanism_found", "parties"]).start();
    let mapping = json!({ "identifiers": [{ "type": "other", "label": "wiki", "scheme": "wiki.handle" }, { "type": "website", "scheme": "web.id" }] });
    let found = channel(&mapping).look_up("wiki.handle", "Ada L").unwrap();
    assert_eq!(identifiers(&found[0]), [("wiki.handle", "Ada L"), ("web.id", "https://example.org/ada")]);
}

#[test]
fn a_scheme_no_mechanism_carries_finds_nobody_and_asks_nothing() {
    let host = play(&[]).start();
    assert_eq!(channel(&json!({})).look_up("twitter.id", "10001").unwrap(), []);
    assert!(host.requests().is_empty());
}

#[test]
fn only_the_exact_value_counts_whatever_the_search_gives() {
    let host = play(&["mechanism_alike"]).start();
    assert_eq!(channel(&json!({})).look_up("email", "ada_example.org").unwrap(), []);
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!(body["params"][0], json!(["OR", [["type", "=", "email"], ["value", "ilike", "ada\\_example.org"]]]));
}

#[test]
fn a_null_write_date_does_not_hide_a_party() {
    let host = play(&["parties_created", "parties_created", "nothing_found", "nothing_found", "nothing_found", "parties"]).start();
    let page = channel(&json!({})).changes(None).unwrap();
    assert_eq!((page.contacts.len(), page.more), (1, false));
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!(body["params"][3], json!([["create_date", "ASC"], ["id", "ASC"]]));
    assert_eq!(body["params"][5], json!({ "active_test": false }), "who became inactive changed too");
}

/// What is asked where only the last list has a record, and its party is read.
const MECHANISM_ALONE: [&str; 6] =
    ["nothing_found", "nothing_found", "nothing_found", "mechanisms_written", "mechanisms_written", "parties"];

#[test]
fn a_mechanism_written_alone_reports_its_party_and_its_last_moments_once_more() {
    let channel = channel(&json!({ "overlap-seconds": 10 }));
    let host = play(&MECHANISM_ALONE).start();
    let first = channel.changes(None).unwrap();
    assert_eq!((first.contacts[0].id.as_str(), first.more), ("1", false));
    drop(host);

    let host = play(&MECHANISM_ALONE).start();
    let second = channel.changes(first.cursor.as_deref()).unwrap();
    assert_eq!(second.contacts, first.contacts, "the same record has the same version");
    let body: Value = host.requests()[3].body_json().unwrap();
    assert_eq!(body["params"][0][1][0][2]["second"], 30, "ten seconds before the newest one");
    drop(host);

    let _host = play(&["nothing_found", "nothing_found", "nothing_found", "nothing_found", "mechanisms_written"]).start();
    let third = channel.changes(second.cursor.as_deref()).unwrap();
    assert_eq!((third.contacts.len(), third.cursor), (0, second.cursor), "nothing new: nothing is read, and the cursor stays");
}

#[test]
fn a_record_that_is_seen_late_is_read() {
    let channel = channel(&json!({ "overlap-seconds": 10 }));
    let _host = play(&MECHANISM_ALONE).start();
    let first = channel.changes(None).unwrap();
    let _host = play(&MECHANISM_ALONE).start();
    let second = channel.changes(first.cursor.as_deref()).unwrap();
    let _host = play(&["nothing_found", "nothing_found", "nothing_found", "nothing_found", "mechanisms_written_late"]).start();
    let third = channel.changes(second.cursor.as_deref()).unwrap();
    assert_ne!(third.cursor, second.cursor);
    let host =
        play(&["nothing_found", "nothing_found", "nothing_found", "mechanisms_written_late", "mechanisms_written_late", "parties"]).start();
    assert_eq!(channel.changes(third.cursor.as_deref()).unwrap().contacts.len(), 1);
    let body: Value = host.requests()[3].body_json().unwrap();
    assert_eq!(body["params"][0][1][0][2]["second"], 30, "from before it on");
}

#[test]
fn a_full_page_goes_on_behind_its_last_record() {
    let host = play(&["parties_created", "nothing_found", "nothing_found", "nothing_found", "parties"]).start();
    let channel = channel(&json!({ "page-size": 1 }));
    let first = channel.changes(None).unwrap();
    assert!(first.more);
    drop(host);
    let host = play(&["nothing_found", "parties_created", "nothing_found", "nothing_found", "nothing_found"]).start();
    let second = channel.changes(first.cursor.as_deref()).unwrap();
    assert_eq!((second.contacts.len(), second.more), (0, false));
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!(body["params"][0][2][1], json!(["id", ">", 1]));
    assert_eq!(body["params"][0][2][0][2]["microsecond"], 375_245, "not a microsecond is lost");
}

#[test]
fn an_inactive_party_is_a_deleted_contact_of_another_version() {
    let look = |party| {
        let _host = play(&["mechanism_found", party]).start();
        channel(&json!({})).look_up("wiki.handle", "Ada L").unwrap().remove(0)
    };
    let (active, inactive) = (look("parties"), look("party_inactive"));
    assert!(inactive.deleted && !active.deleted && inactive.version != active.version);
}

#[test]
fn from_now_on_starts_a_little_before_the_call() {
    let host = play(&["nothing_found"].repeat(4)).start();
    let page = channel(&json!({ "changes-from": "now" })).changes(None).unwrap();
    assert_eq!(page.contacts, []);
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!((&body["params"][0][1][0][2]["hour"], &body["params"][0][1][0][2]["minute"]), (&json!(11), &json!(25)));
}

#[test]
fn a_foreign_cursor_is_refused() {
    let _host = play(&[]).start();
    assert!(matches!(channel(&json!({})).changes(Some("20261122|4")), Err(Error::Reject(_))));
}
