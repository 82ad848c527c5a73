//! What the connector promises about following changes by an OData service's delta link.

mod odata;

use std::collections::BTreeMap;

use mapped_crm::MappedCrm;
use odata::{MANNERS, Manner, Service};
use serde_json::{Value, json};
use sportello_sdk::crm::ContactPage;
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::{Channel, Host};
use sportello_sdk::{Contact, Error};

/// Somebody's id, and their name; nothing of who is gone.
type Told = (String, Option<String>);
/// A cursor, and how much was told before it.
type At = (Option<String>, usize);

/// Whom a page tells of.
fn told(page: &ContactPage) -> Vec<Told> {
    // Who is there has a name, if only an empty one.
    let name = |contact: &Contact| (!contact.deleted).then(|| contact.display_name.clone().unwrap_or_default());
    page.contacts.iter().map(|contact| (contact.id.clone(), name(contact))).collect()
}

/// One walk to its end: what was told, and every cursor on the way.
fn walk(channel: &Channel<MappedCrm>, from: Option<&str>) -> (Vec<Told>, Vec<At>) {
    let (mut all, mut cursors) = (Vec::new(), vec![(from.map(str::to_owned), 0)]);
    loop {
        let page = channel.changes(cursors.last().unwrap().0.as_deref()).unwrap();
        all.extend(told(&page));
        cursors.push((page.cursor, all.len()));
        if !page.more {
            return (all, cursors);
        }
        assert!(cursors.len() < 100, "the walk does not end");
    }
}

fn end(cursors: &[At]) -> Option<&str> {
    cursors.last().unwrap().0.as_deref()
}

#[test]
fn everybody_is_read_once_and_from_then_on_what_changed() {
    for manner in MANNERS {
        for count in 0..8 {
            let service = Service::with(count, manner);
            let host = service.start();
            let channel = service.channel(3);
            let (all, cursors) = walk(&channel, None);
            assert_eq!((all.len(), all.into_iter().collect::<BTreeMap<_, _>>()), (count, service.all()), "{manner:?}");
            let before = host.requests().len();
            let (none, cursors) = walk(&channel, end(&cursors));
            assert_eq!((none, host.requests().len() - before), (vec![], 1), "{manner:?}: nothing changed");

            service.put("C'1", "Ada, changed");
            service.put("new", "Bruno");
            service.remove("C'2");
            let (changed, cursors) = walk(&channel, end(&cursors));
            let expected = [("C'1", Some("Ada, changed")), ("C'2", None), ("new", Some("Bruno"))];
            let expected: BTreeMap<_, _> = expected.into_iter().map(|(id, name)| (id.to_owned(), name.map(str::to_owned))).collect();
            assert_eq!(changed.into_iter().collect::<BTreeMap<_, _>>(), expected, "{manner:?}: and nobody of another set");
            service.put("C'2", "again");
            service.remove("C'1");
            let (changed, _) = walk(&channel, end(&cursors));
            let expected = [("C'1".to_owned(), None), ("C'2".to_owned(), Some("again".to_owned()))];
            assert_eq!(changed, expected, "{manner:?}: who was removed may be there again");
        }
    }
}

#[test]
fn a_walk_taken_up_again_at_any_page_tells_the_rest() {
    for manner in MANNERS {
        let service = Service::with(8, manner);
        let _host = service.start();
        let channel = service.channel(3);
        let (all, cursors) = walk(&channel, None);
        assert!(cursors.len() == 4, "{cursors:?}");
        let is_rest_told = |told: &[Told], cursors: &[At]| {
            for (cursor, before) in cursors {
                assert_eq!(walk(&channel, cursor.as_deref()).0, told[*before..], "{manner:?} from {cursor:?}");
            }
        };
        is_rest_told(&all, &cursors);
        (1..=7).for_each(|number| service.put(&format!("C'{number}"), "y"));
        let (changed, cursors) = walk(&channel, end(&cursors));
        assert_eq!((changed.len(), cursors.len()), (7, 4));
        is_rest_told(&changed, &cursors);
    }
}

#[test]
fn an_entitys_etag_tells_its_versions_apart() {
    let service = Service::with(1, MANNERS[0]);
    let _host = service.start();
    let version = |cursor: Option<&str>| {
        let page = service.channel(3).changes(cursor).unwrap();
        (page.contacts[0].version.clone(), page.cursor)
    };
    let (first, cursor) = version(None);
    service.put("C'1", "x");
    let (second, _) = version(cursor.as_deref());
    assert!(first.starts_with("W/\"2\"-") && second.starts_with("W/\"3\"-"), "{first} {second}");
}

#[test]
fn a_link_that_is_gone_begins_everything_anew() {
    for manner in MANNERS {
        let service = Service::with(4, manner);
        let host = service.start();
        let channel = service.channel(3);
        let (_, cursors) = walk(&channel, None);
        service.put("C'4", "changed");
        service.forget();
        let page = channel.changes(end(&cursors)).unwrap();
        assert_eq!((told(&page), page.more), (vec![], false), "at the next poll, not at once");
        assert!(host.diagnostics().iter().any(|(_, message)| message.contains("everything is read anew")), "{:?}", host.diagnostics());
        let (all, cursors) = walk(&channel, page.cursor.as_deref());
        assert_eq!(all.into_iter().collect::<BTreeMap<_, _>>(), service.all());
        assert_eq!(walk(&channel, end(&cursors)).0, []);
    }
}

/// What a channel says to an answer of the service, when it begins.
fn answered(manner: Manner, size: usize, body: Value) -> Result<ContactPage, Error> {
    let _host = Host::new().http(move |_: &Request| Response::with_json(200, &body)).start();
    Service::with(0, manner).channel(size).changes(None)
}

#[track_caller]
fn is_rejected(outcome: Result<ContactPage, Error>, why: &str) {
    assert!(matches!(&outcome, Err(Error::Reject(reason)) if reason.contains(why)), "{outcome:?}");
}

#[test]
fn a_link_is_followed_on_its_own_host_only() {
    for name in ["@odata.nextLink", "@odata.deltaLink", "@nextLink", "@deltaLink"] {
        for link in ["https://elsewhere.example/service/Customers?$deltatoken=1", "//elsewhere.example/x", "https:elsewhere.example/x"] {
            is_rejected(answered(MANNERS[0], 3, json!({ "value": [], name: link })), "leads to another host than base-url");
        }
    }
    let page = answered(
        MANNERS[0],
        3,
        json!({ "@context": "https://elsewhere.example/$metadata#x", "value": [], "@deltaLink": "Customers?$deltatoken=1" }),
    );
    let cursor = page.unwrap().cursor.unwrap();
    assert!(cursor.contains("/service/Customers?$deltatoken=1"), "a context elsewhere is no base: {cursor}");
}

#[test]
fn a_service_that_does_not_keep_its_part_is_told() {
    is_rejected(answered(MANNERS[0], 3, json!({ "value": [] })), "no `@odata.deltaLink`: the service does not follow changes");
    let many: Vec<Value> = (0..51).map(|number| json!({ "CustomerID": number })).collect();
    is_rejected(
        answered(MANNERS[1], 50, json!({ "value": many, "@odata.deltaLink": "/x" })),
        "a page has 51 changes, at most 50 are taken",
    );
    let composite = json!([{ "@removed": {}, "@id": "Customers(A=1,B=2)" }]);
    is_rejected(
        answered(MANNERS[2], 3, json!({ "value": composite, "@deltaLink": "/x" })),
        "no change of the page has its record's id at `/CustomerID`",
    );
    let long = format!("/x?$deltatoken={}", "x".repeat(9000));
    is_rejected(answered(MANNERS[0], 3, json!({ "value": [], "@odata.deltaLink": long })), "at most 8192 are taken");
    let _host = Host::new().http(|_: &Request| Response::new(404)).start();
    is_rejected(Service::with(0, MANNERS[0]).channel(3).changes(None), "there is no list of changes at this `path`");
}

#[test]
fn a_cursor_of_another_way_begins_anew() {
    let service = Service::with(2, MANNERS[0]);
    let _host = service.start();
    for cursor in [r#"{"since":1768474800000,"newest":1768474800000}"#, r#"{"since":0,"newest":9,"place":{"page":3},"seen":[[1,2]]}"#] {
        assert_eq!(walk(&service.channel(3), Some(cursor)).0.len(), 2, "{cursor}");
    }
    assert!(matches!(service.channel(3).changes(Some("{}")), Err(Error::Reject(_))), "a cursor of somebody else's");
}

#[test]
fn a_mapping_by_delta_link_that_could_not_work_is_told() {
    let told = |detail: &str, more: &str, paging: &str| -> Vec<String> {
        let mapping = format!(
            "name: x\nsource: rest-json\nauthentication: none\ncontact: {{id: /id, identifiers: [{{scheme: email, at: /mail}}]}}\n{detail}changes:\n  path: /people\n  \
             records: /value\n{more}  paging: {paging}\n"
        );
        mapped_crm::check(&mapping).iter().map(ToString::to_string).collect()
    };
    let (detail, whole, link) = ("detail: {path: \"/people/{id}\"}\n", "  entries: whole\n", "{kind: delta-link}");
    assert_eq!(told(detail, "", "{kind: delta-link, size: 50}"), [""; 0]);
    assert_eq!(told("", whole, link), [""; 0]);
    assert!(told("", "", link)[0].contains("so it needs `detail`, which fetches it; or `entries: whole`"), "{:?}", told("", "", link));
    assert!(told(detail, "", link)[0].contains("at most 50 records"), "{:?}", told(detail, "", link));
    let is_told = |told: Vec<String>, expected: &str| assert!(told.iter().any(|told| told.starts_with(expected)), "{expected}: {told:?}");
    is_told(told("", "  entries: hole\n", link), "line 8: `entries` cannot be `hole`; did you mean `whole`?");
    is_told(told("", "  entries: whole\n  order: none\n", link), "line 9: `changes` by a delta link has no `order`");
    assert!(told("", whole, "{kind: delta-link, at: /x}")[0].contains("`at` does not belong to paging of the kind `delta-link`"));
    let looked_up = "look-up: {email: {path: /people, query: {q: \"{value}\"}, records: /value, paging: {kind: delta-link}}}\n";
    assert!(told(looked_up, whole, link)[0].contains("`delta-link` belongs to `changes`"), "{:?}", told(looked_up, whole, link));
}
