//! What the connector promises about contacts.

mod recorded;

use recorded::{channel, play, response};
use serde_json::{Value, json};
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::Host;
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
    let all = [
        ("email", "Ada@example.org"),
        ("phone", "+39 02 1234567"),
        ("wiki.handle", "Ada L"),
        ("facebook.id", "10001"),
        ("external", "EXT-1"),
    ];
    assert_eq!(identifiers(ada), all, "a label may stand in the comment; what is inactive identifies nobody");

    let _host = play(&["mechanism_found", "parties"]).start();
    let mapping = json!({ "identifiers": [{ "type": "other", "label": "wiki", "scheme": "wiki.handle" }, { "type": "website", "scheme": "web.id" }], "external": { "from": "nothing" } });
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

/// The recorded party, changed so, as a look-up by its wiki handle gives it.
fn looked_up(settings: &Value, change: impl Fn(&mut Value) + 'static) -> Vec<Contact> {
    let respond = move |request: &Request| {
        let asked: Value = request.body_json().unwrap();
        if asked["method"] == "model.party.contact_mechanism.search_read" {
            return response("mechanism_found");
        }
        let mut body: Value = response("parties").json().unwrap();
        change(&mut body["result"][0]);
        Response::with_json(200, &body)
    };
    let _host = Host::new().http(respond).start();
    channel(settings).look_up("wiki.handle", "Ada L").unwrap()
}

#[test]
fn a_label_in_the_comment_counts_only_where_there_is_no_name() {
    let named = |name: Value| {
        looked_up(&json!({}), move |party| {
            party["contact_mechanisms."][2]["name"] = name.clone();
            party["contact_mechanisms."][2]["comment"] = "wiki".into();
        })
    };
    assert_eq!(named(Value::Null).len(), 1);
    assert_eq!(named("sito".into()), [], "it is called something else");
    let host = play(&["nothing_found"]).start();
    channel(&json!({})).look_up("wiki.handle", "Ada L").unwrap();
    let labelled = json!(["OR", ["name", "=", "wiki"], ["comment", "=", "wiki"]]);
    let domain = json!(["OR", [["type", "=", "other"], ["value", "=", "Ada L"], labelled]]);
    assert_eq!(host.requests()[0].body_json::<Value>().unwrap()["params"][0], domain);
}

#[test]
fn a_customer_number_is_looked_for_among_those_put_away_too() {
    let host = play(&["nothing_found"]).start();
    channel(&json!({})).look_up("external", "EXT-1").unwrap();
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!((&body["params"][0], &body["params"][5]), (&json!([["code", "=", "EXT-1"]]), &json!({ "active_test": false })));
}

#[test]
fn the_key_of_an_effect_is_no_customer_number() {
    let settings = json!({ "external": { "from": "identifier" } });
    let found = looked_up(&settings, |party| {
        party["identifiers."] = json!([{ "id": 5, "type": null, "code": "sportello api-1-a" }, { "id": 6, "type": null, "code": "K-1" }]);
    });
    let external: Vec<_> = identifiers(&found[0]).into_iter().filter(|(scheme, _)| *scheme == "external").collect();
    assert_eq!(external, [("external", "K-1")]);
}

#[test]
fn a_version_changes_with_whatever_hangs_on_a_party_and_with_what_leaves_no_moment() {
    let written = |list: &'static str| {
        move |party: &mut Value| {
            let mut moment = party["create_date"].clone();
            moment["minute"] = 50.into();
            party[list] = json!([{ "id": 9, "create_date": moment, "write_date": null }]);
        }
    };
    let version = |change: fn(&mut Value)| looked_up(&json!({}), change)[0].version.clone();
    let hanging = |list| looked_up(&json!({}), written(list))[0].version.clone();
    let as_it_was = version(|_| {});
    assert_eq!(version(|_| {}), as_it_was);
    for other in [
        hanging("addresses."),
        hanging("identifiers."),
        version(|party| party["contact_mechanisms."][0]["write_date"]["minute"] = 50.into()),
        // A mechanism was deleted.
        version(|party| drop(party["contact_mechanisms."].as_array_mut().unwrap().remove(3))),
    ] {
        assert_ne!(other, as_it_was);
    }
}

/// What is asked for a look at changes: these lists (in the order of the cursor) have something to tell, all others nothing.
fn lists(told: &[(usize, &[&'static str])], then: &[&'static str]) -> Vec<&'static str> {
    let of = |list: usize| told.iter().find(|(number, _)| *number == list).map_or(&["nothing_found"][..], |(_, exchanges)| exchanges);
    (0..8).flat_map(of).copied().chain(then.iter().copied()).collect()
}

/// The place of a list in the cursor.
const PARTIES_MADE: usize = 0;
/// See [`PARTIES_MADE`].
const MECHANISMS_WRITTEN: usize = 3;
/// See [`PARTIES_MADE`].
const ADDRESSES_WRITTEN: usize = 5;

#[test]
fn a_null_write_date_does_not_hide_a_party() {
    let host = play(&lists(&[(PARTIES_MADE, &["parties_created", "parties_created"])], &["parties"])).start();
    let page = channel(&json!({})).changes(None).unwrap();
    assert_eq!((page.contacts.len(), page.more), (1, false));
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!(body["params"][3], json!([["create_date", "ASC"], ["id", "ASC"]]));
    assert_eq!(body["params"][5], json!({ "active_test": false }), "who became inactive changed too");
}

#[test]
fn parties_and_all_that_hangs_on_them_are_followed_by_their_making_and_by_their_changes() {
    let host = play(&["nothing_found"; 8]).start();
    channel(&json!({})).changes(None).unwrap();
    let asked = |request: &Request| {
        let body: Value = request.body_json().unwrap();
        let model = body["method"].as_str().unwrap().trim_start_matches("model.").trim_end_matches(".search_read").to_owned();
        (model, body["params"][3][0][0].as_str().unwrap().to_owned())
    };
    let followed: Vec<_> = host.requests().iter().map(asked).collect();
    let models = ["party.party", "party.contact_mechanism", "party.address", "party.identifier"];
    let expected: Vec<_> =
        models.iter().flat_map(|model| ["create_date", "write_date"].map(|field| ((*model).to_owned(), field.to_owned()))).collect();
    assert_eq!(followed, expected);
}

#[test]
fn a_hundred_parties_are_read_at_once() {
    let respond = |request: &Request| {
        let body: Value = request.body_json().unwrap();
        let is_parties_made = body["method"] == "model.party.party.search_read" && body["params"][4] == json!(["create_date"]);
        let moment: Value = response("parties").json::<Value>().unwrap()["result"][0]["create_date"].clone();
        let is_behind = body["params"][0][0] == "OR";
        let rows: Vec<Value> =
            (1..=150).filter(|_| is_parties_made && is_behind).map(|id| json!({ "id": id, "create_date": moment })).collect();
        Response::with_json(200, &json!({ "id": 1, "result": rows }))
    };
    let host = Host::new().now("2026-11-22T11:30:00Z").http(respond).start();
    channel(&json!({ "page-size": 200 })).changes(None).unwrap();
    let bodies = host.requests().into_iter().map(|request| request.body_json::<Value>().unwrap());
    let read: Vec<usize> =
        bodies.filter(|body| body["params"][0][0][1] == "in").map(|body| body["params"][0][0][2].as_array().unwrap().len()).collect();
    assert_eq!(read, [100, 50]);
}

/// What is asked where only mechanisms were written, and their party is read.
fn mechanism_alone(written: &'static str) -> Vec<&'static str> {
    lists(&[(MECHANISMS_WRITTEN, &[written, written])], &["parties"])
}

/// The same where nothing is new: these are the last ones.
fn nothing_new(last: &'static str) -> Vec<&'static str> {
    lists(&[(MECHANISMS_WRITTEN, &["nothing_found", last])], &[])
}

#[test]
fn a_mechanism_written_alone_reports_its_party_and_its_last_moments_once_more() {
    let channel = channel(&json!({ "overlap-seconds": 10 }));
    let host = play(&mechanism_alone("mechanisms_written")).start();
    let first = channel.changes(None).unwrap();
    assert_eq!((first.contacts[0].id.as_str(), first.more), ("1", false));
    drop(host);

    let host = play(&mechanism_alone("mechanisms_written")).start();
    let second = channel.changes(first.cursor.as_deref()).unwrap();
    assert_eq!(second.contacts, first.contacts, "the same record has the same version");
    let body: Value = host.requests()[3].body_json().unwrap();
    assert_eq!(body["params"][0][1][0][2]["second"], 30, "ten seconds before the newest one");
    drop(host);

    let _host = play(&nothing_new("mechanisms_written")).start();
    let third = channel.changes(second.cursor.as_deref()).unwrap();
    assert_eq!((third.contacts.len(), third.cursor), (0, second.cursor), "nothing new: nothing is read, and the cursor stays");
}

/// One look at changes where one mechanism was written in the second :40, alone, and its party has this name; the CRM's clock shows the date.
/// Gives the names that are read, and the cursor.
fn look_in_a_second(cursor: Option<&str>, name: &'static str, date: &'static str) -> (Vec<String>, Option<String>) {
    let respond = move |request: &Request| {
        let body: Value = request.body_json().unwrap();
        let is_behind = body["params"][0][0] == "OR";
        let list = match (body["method"].as_str().unwrap(), body["params"][4][0].as_str()) {
            ("model.party.contact_mechanism.search_read", Some("write_date")) => "mechanisms_written",
            ("model.party.party.search_read", Some("create_date" | "write_date")) => "nothing_found",
            ("model.party.party.search_read", _) => "parties",
            _ => "nothing_found",
        };
        // Behind the last of them there is nothing.
        let id_behind = body["params"][0][2][1][2].as_u64().unwrap_or_default();
        let mut answer: Value = response(if is_behind && id_behind == 3 { "nothing_found" } else { list }).json().unwrap();
        if list == "parties" {
            answer["result"][0]["name"] = name.into();
        }
        Response::with_json(200, &answer).with_header("date", date)
    };
    let _host = Host::new().now("2026-11-22T11:30:00Z").http(respond).start();
    let page = channel(&json!({ "overlap-seconds": 10 })).changes(cursor).unwrap();
    (page.contacts.into_iter().filter_map(|contact| contact.display_name).collect(), page.cursor)
}

/// Some looks one after the other.
fn look_often(mut cursor: Option<String>, name: &'static str, date: &'static str) -> (Vec<String>, Option<String>) {
    let mut read = Vec::new();
    for _ in 0..4 {
        let (names, next) = look_in_a_second(cursor.as_deref(), name, date);
        read.extend(names);
        cursor = next;
    }
    (read, cursor)
}

const MUCH_LATER: &str = "Sun, 22 Nov 2026 11:27:40 GMT";

/// Where moments are whole seconds, nothing tells that a record was changed again in the second in which it was read. What was read in it may be
/// looked at five seconds later.
#[test]
fn what_changes_again_in_the_second_in_which_it_was_read_is_read_once_that_second_is_over() {
    for date in ["Sun, 22 Nov 2026 11:26:40 GMT", "Sun, 22 Nov 2026 11:26:45 GMT"] {
        let (read, cursor) = look_often(None, "Ada", date);
        assert!(!read.is_empty() && read.iter().all(|name| name == "Ada"), "{date}: {read:?}");
        let (since, cursor) = look_often(cursor, "Ada King", MUCH_LATER);
        assert!(since.contains(&"Ada King".to_owned()), "{date}: {read:?}, {since:?}");
        let settled = look_in_a_second(cursor.as_deref(), "Ada King", MUCH_LATER);
        assert_eq!(settled, (Vec::new(), cursor), "{date}: then nothing is read any more");
    }
}

#[test]
fn what_was_read_when_its_second_was_over_is_not_read_once_more() {
    let (read, cursor) = look_often(None, "Ada", "Sun, 22 Nov 2026 11:26:46 GMT");
    assert_eq!(read, ["Ada", "Ada"], "with its last moments");
    assert_eq!(look_often(cursor.clone(), "Ada", MUCH_LATER), (Vec::new(), cursor));
}

#[test]
fn a_record_that_is_seen_late_is_read() {
    let channel = channel(&json!({ "overlap-seconds": 10 }));
    let _host = play(&mechanism_alone("mechanisms_written")).start();
    let first = channel.changes(None).unwrap();
    let _host = play(&mechanism_alone("mechanisms_written")).start();
    let second = channel.changes(first.cursor.as_deref()).unwrap();
    let _host = play(&nothing_new("mechanisms_written_late")).start();
    let third = channel.changes(second.cursor.as_deref()).unwrap();
    assert_ne!(third.cursor, second.cursor);
    let host = play(&mechanism_alone("mechanisms_written_late")).start();
    assert_eq!(channel.changes(third.cursor.as_deref()).unwrap().contacts.len(), 1);
    let body: Value = host.requests()[3].body_json().unwrap();
    assert_eq!(body["params"][0][1][0][2]["second"], 30, "from before it on");
}

/// Minutes and seconds since 11:00.
type Moment = (u64, u64);

/// One look at changes of a Tryton in which parties of these numbers were made at these moments, at a moment of its clock; gives the parties that
/// are read, and the cursor. A page has one record, and late ones are looked for over ten seconds.
fn look_at_parties(made: &[(u64, Moment)], now: Moment, cursor: Option<&str>) -> (Vec<String>, Option<String>, bool) {
    let made = made.to_vec();
    let respond = move |request: &Request| {
        let body: Value = request.body_json().unwrap();
        let (domain, fields) = (&body["params"][0], &body["params"][4]);
        let at = |moment: &Value| (moment["minute"].as_u64().unwrap(), moment["second"].as_u64().unwrap());
        let is_asked = |(id, moment): &(u64, Moment)| match &domain[0] {
            _ if body["method"] != "model.party.party.search_read" => false,
            first if first[1] == "in" => first[2].as_array().unwrap().contains(&json!(id)),
            _ if fields[0] != "create_date" => false,
            first if first == "OR" && domain[1][0][2]["year"] == 1970 => true,
            first if first == "OR" => (*moment, *id) > (at(&domain[1][0][2]), domain[2][1][2].as_u64().unwrap()),
            first => (at(&first[2])..=at(&domain[1][2])).contains(moment),
        };
        let mut found: Vec<_> = made.iter().filter(|row| is_asked(row)).collect();
        found.sort_by_key(|(id, moment)| (*moment, *id));
        let date = |(minute, second): Moment| json!({ "__class__": "datetime", "year": 2026, "month": 11, "day": 22, "hour": 11, "minute": minute, "second": second, "microsecond": 0 });
        let rows =
            found.into_iter().map(|(id, moment)| json!({ "id": id, "name": "Ada", "create_date": date(*moment), "write_date": null }));
        let rows: Vec<_> = rows.take(usize::try_from(body["params"][2].as_u64().unwrap()).unwrap()).collect();
        let clock = format!("Sun, 22 Nov 2026 11:{:02}:{:02} GMT", now.0, now.1);
        Response::with_json(200, &json!({ "id": 1, "result": rows })).with_header("date", clock)
    };
    let _host = Host::new().now("2026-11-22T11:59:00Z").http(respond).start();
    let page = channel(&json!({ "overlap-seconds": 10, "page-size": 1 })).changes(cursor).unwrap();
    (page.contacts.into_iter().map(|contact| contact.id).collect(), page.cursor, page.more)
}

#[test]
fn a_record_that_was_late_behind_a_full_page_is_read_however_long_the_host_stood_still() {
    let (read, mut cursor, more) = look_at_parties(&[(2, (26, 40))], (26, 41), None);
    assert_eq!((read.as_slice(), more), (&["2".to_owned()][..], true));
    // Party 1 was made in a transaction that ended later.
    let made = [(1, (26, 35)), (2, (26, 40)), (3, (40, 0)), (4, (50, 0))];
    let mut told: std::collections::BTreeSet<_> = read.into_iter().collect();
    let mut look = |cursor: &mut Option<String>| {
        let (read, next, _) = look_at_parties(&made, (55, 0), cursor.as_deref());
        let is_settled = read.is_empty() && next == *cursor;
        told.extend(read);
        *cursor = next;
        is_settled
    };
    assert!((0..20).any(|_| look(&mut cursor)), "once all is read the cursor stays");
    assert_eq!(told.into_iter().collect::<Vec<_>>(), ["1", "2", "3", "4"]);
}

#[test]
fn an_address_written_alone_reports_its_party() {
    let host = play(&lists(&[(ADDRESSES_WRITTEN, &["addresses_written", "addresses_written"])], &["parties"])).start();
    assert_eq!(channel(&json!({})).changes(None).unwrap().contacts[0].id, "1");
    let body: Value = host.requests()[5].body_json().unwrap();
    assert_eq!((&body["method"], &body["params"][4]), (&json!("model.party.address.search_read"), &json!(["write_date", "party"])));
}

#[test]
fn a_cursor_of_fewer_lists_goes_on_and_begins_the_others() {
    let settings = channel(&json!({ "page-size": 1 }));
    let _host = play(&lists(&[(PARTIES_MADE, &["parties_created"])], &["parties"])).start();
    let cursor = settings.changes(None).unwrap().cursor.unwrap();
    let mut document: Value = serde_json::from_str(&cursor).unwrap();
    document["lists"].as_array_mut().unwrap().truncate(4);
    let host = play(&lists(&[(PARTIES_MADE, &["nothing_found", "parties_created"])], &[])).start();
    settings.changes(Some(&document.to_string())).unwrap();
    let at = |request: usize| host.requests()[request].body_json::<Value>().unwrap()["params"][0][1][0][2]["year"].clone();
    assert_eq!((at(0), at(6)), (json!(2026), json!(1970)));
}

#[test]
fn a_full_page_goes_on_behind_its_last_record() {
    let host = play(&lists(&[(PARTIES_MADE, &["parties_created"])], &["parties"])).start();
    let channel = channel(&json!({ "page-size": 1 }));
    let first = channel.changes(None).unwrap();
    assert!(first.more);
    drop(host);
    let host = play(&lists(&[(PARTIES_MADE, &["nothing_found", "parties_created"])], &[])).start();
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
    let host = play(&lists(&[], &[])).start();
    let page = channel(&json!({ "changes-from": "now" })).changes(None).unwrap();
    assert_eq!(page.contacts, []);
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!((&body["params"][0][1][0][2]["hour"], &body["params"][0][1][0][2]["minute"]), (&json!(11), &json!(25)));
}

#[test]
fn a_phone_number_is_looked_for_with_anything_between_its_digits() {
    let host = play(&["nothing_found"]).start();
    assert_eq!(channel(&json!({})).look_up("phone", "0039 02-1234567").unwrap(), []);
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!(body["params"][0][1], json!([["type", "=", "phone"], ["value", "like", "%3%9%0%2%1%2%3%4%5%6%7%"]]));
    let host = play(&["nothing_found"]).start();
    assert_eq!(channel(&json!({})).look_up("phone", "11 2").unwrap(), []);
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!(body["params"][0][1][1], json!(["value", "=", "11 2"]), "so few digits stand in many numbers");
}

/// A Tryton in which so many numbers have the digits of `12 345` in this order before somebody has that number itself.
fn alike(count: u64) -> Host {
    let party = json!([{ "id": 7, "name": "Ada", "code": "A-7", "active": true,
        "contact_mechanisms.": [{ "type": "phone", "value": "12 345", "active": true }] }]);
    let mechanism = |id: u64| json!({ "id": id, "party": id, "value": format!("1{}2345", 100_000 + id) });
    let mechanisms: Vec<Value> = (1..=count).map(mechanism).chain([json!({ "id": count + 1, "party": 7, "value": "12345" })]).collect();
    Host::new().http(move |request: &Request| {
        let body: Value = request.body_json().unwrap();
        let result = match body["method"].as_str().unwrap() {
            "model.party.contact_mechanism.search_read" => {
                let behind = body["params"][0][0][2].as_u64().unwrap_or(0);
                let rows = mechanisms.iter().filter(|row| row["id"].as_u64() > Some(behind));
                json!(rows.take(usize::try_from(body["params"][2].as_u64().unwrap()).unwrap()).collect::<Vec<_>>())
            }
            _ => party.clone(),
        };
        Response::with_json(200, &json!({ "id": 1, "result": result }))
    })
}

#[test]
fn a_short_number_is_found_behind_all_that_are_like_it_or_nobody_says_that_it_is_nobodys() {
    for count in [0, 199, 200, 201, 1_000] {
        let _host = alike(count).start();
        let found = channel(&json!({})).look_up("phone", "12-345").unwrap();
        assert_eq!(found.iter().map(|contact| contact.id.as_str()).collect::<Vec<_>>(), ["7"], "{count}");
    }
    let host = alike(10_000).start();
    let refused = channel(&json!({})).look_up("phone", "12-345").unwrap_err();
    assert!(matches!(&refused, Error::Reject(reason) if !reason.contains("345")), "{refused:?}");
    assert!(host.requests().len() <= 20);
}

#[test]
fn a_customer_number_is_looked_up_where_the_settings_say() {
    let host = play(&["nothing_found"]).start();
    assert_eq!(channel(&json!({ "external": { "from": "identifier", "type": "it_vat" } })).look_up("external", "K-1").unwrap(), []);
    let body: Value = host.requests()[0].body_json().unwrap();
    assert_eq!(body["method"], "model.party.identifier.search_read");
    assert_eq!(body["params"][0], json!([["type", "=", "it_vat"], ["code", "=", "K-1"]]));
    let host = play(&[]).start();
    assert_eq!(channel(&json!({ "external": { "from": "nothing" } })).look_up("external", "K-1").unwrap(), []);
    assert!(host.requests().is_empty());
}

#[test]
fn a_foreign_cursor_is_refused() {
    let _host = play(&[]).start();
    assert!(matches!(channel(&json!({})).changes(Some("20261122|4")), Err(Error::Reject(_))));
}
