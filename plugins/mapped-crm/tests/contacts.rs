//! What the connector promises about looking contacts up.

mod mappings;

use mapped_crm::MappedCrm;
use serde_json::{Value, json};
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, Running};
use sportello_sdk::{Contact, Error, Raw};

fn people() -> Channel<MappedCrm> {
    Channel::new(json!({ "base-url": "https://crm.example.org/api/", "mapping": mappings::PEOPLE }))
}

fn answers(body: Value) -> Running {
    Host::new().http(move |_: &Request| Response::with_json(200, &body)).start()
}

fn ada() -> Value {
    json!({
        "id": "9007199254740993", "type": "people", "meta": { "version": 3, "updated": 1_768_474_800_000_i64 },
        "attributes": {
            "name": "Ada Lövelace 𝒳", "mail": " Ada_L@example.org ", "numbers": "02 1234567; 0044 20 7946 0000;02/1234567", "customer": 12,
            "state": "here", "balance": "1.234,50", "born": "10/12/1815", "tags": ["vip", "math"],
            "profiles": [{ "wiki": "Ada L" }, { "other": "x" }, { "wiki": "Ada K" }], "favourite": { "colour": "green" },
        },
    })
}

fn identifiers(contact: &Contact) -> Vec<(&str, &str)> {
    contact.identifiers.iter().map(|identifier| (identifier.scheme.as_str(), identifier.value.as_str())).collect()
}

fn attributes(contact: &Contact) -> Vec<(&str, &str)> {
    contact.attributes.iter().map(|attribute| (attribute.name.as_str(), attribute.value.as_str())).collect()
}

#[test]
fn a_record_becomes_a_contact_by_the_mapping() {
    let host = answers(json!({ "data": [ada()] }));
    let found = people().look_up("email", "ada_l@EXAMPLE.org").unwrap();
    let [contact] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (contact.id.as_str(), contact.display_name.as_deref(), contact.deleted),
        ("9007199254740993", Some("Ada Lövelace 𝒳"), false)
    );
    assert!(contact.version.starts_with("3-"), "{}", contact.version);
    let expected = [
        ("email", "Ada_L@example.org"),
        ("phone", "+39021234567"),
        ("phone", "+442079460000"),
        ("external", "12"),
        ("wiki.handle", "Ada L"),
        ("wiki.handle", "Ada K"),
    ];
    assert_eq!(identifiers(contact), expected, "the same number written twice is one");
    assert_eq!(attributes(contact), [("balance", "1234.50"), ("born", "1815-12-10T00:00:00Z"), ("tags", "vip, math")]);
    let Some(Raw::Text(raw)) = &contact.raw else { panic!("no raw") };
    assert!(raw.contains(r#""favourite":{"colour":"green"}"#), "unknown fields are kept: {raw}");
    let request = &host.requests()[0];
    assert_eq!(request.url(), "https://crm.example.org/api/people?filter%5Bmail%5D=ada_l%40EXAMPLE.org");
    assert_eq!((request.header_value("accept"), request.header_value("authorization")), (Some("application/vnd.api+json"), None));
}

#[test]
fn a_number_keeps_every_digit_as_an_id() {
    let body = r#"{"data": [{"id": 12345678901234567890123, "attributes": {"customer": 9007199254740993}}]}"#;
    let _host = Host::new().http(move |_: &Request| Response::with_text(200, body)).start();
    let found = people().look_up("external", "9007199254740993").unwrap();
    assert_eq!((found[0].id.as_str(), identifiers(&found[0])), ("12345678901234567890123", vec![("external", "9007199254740993")]));
    assert_eq!(found[0].display_name.as_deref(), Some("(nobody)"), "the default");
}

#[test]
fn a_value_that_does_not_cast_is_left_out_and_told_without_its_words() {
    let mut bad = ada();
    bad["attributes"]["numbers"] = json!("02 1234567;call me");
    bad["attributes"]["born"] = json!("1815");
    bad["attributes"]["balance"] = json!("1,2,3");
    let host = answers(json!({ "data": [bad] }));
    let found = people().look_up("email", "ada_l@example.org").unwrap();
    assert!(identifiers(&found[0]).contains(&("phone", "+39021234567")));
    assert_eq!(attributes(&found[0]), [("tags", "vip, math")]);
    let told: Vec<String> = host.diagnostics().into_iter().map(|(_, told)| told).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|told| !told.contains("call") && !told.contains("1815") && told.contains("9007199254740993")), "{told:?}");
}

#[test]
fn a_record_that_is_gone_is_a_deleted_contact_of_another_version() {
    let look = |state: &str| {
        let mut record = ada();
        record["attributes"]["state"] = json!(state);
        let _host = answers(json!({ "data": record }));
        people().look_up("email", "ada_l@example.org").unwrap().remove(0)
    };
    let (here, gone) = (look("here"), look("GONE"));
    assert_eq!((here.deleted, gone.deleted), (false, true), "one record that stands alone is a list of it");
    assert_ne!(here.version, gone.version, "though the counter is the same");
}

#[test]
fn only_who_carries_the_value_is_found_whatever_the_search_gives() {
    let mut other = ada();
    other["id"] = json!("2");
    other["attributes"]["mail"] = json!("AdaXL@example.org");
    let _host = answers(json!({ "data": [ada(), other, ada()] }));
    let found = people().look_up("email", "ada_l@example.org").unwrap();
    assert_eq!(found.iter().map(|contact| contact.id.as_str()).collect::<Vec<_>>(), ["9007199254740993"], "and once");
    assert_eq!(people().look_up("phone", "+39 02 1234567").unwrap().len(), 2, "numbers are compared by their digits");
}

#[test]
fn a_scheme_the_mapping_does_not_have_finds_nobody_and_asks_nothing() {
    let host = answers(json!({}));
    assert_eq!(people().look_up("facebook.id", "10001").unwrap(), []);
    assert_eq!(people().look_up("email", "  ").unwrap(), []);
    assert!(host.requests().is_empty());
}

#[test]
fn a_long_list_is_followed_to_its_end_and_an_endless_one_is_refused() {
    let pages = |count: usize| {
        let mut asked = 0;
        Host::new()
            .http(move |request: &Request| {
                assert!(asked == 0 || request.url().starts_with("https://crm.example.org/next?page="), "{}", request.url());
                asked += 1;
                let mut record = ada();
                record["id"] = json!(asked.to_string());
                let next = (asked < count).then(|| format!("https://crm.example.org/next?page={asked}"));
                Response::with_json(200, &json!({ "data": [record], "links": { "next": next } }))
            })
            .start()
    };
    let host = pages(10);
    assert_eq!(people().look_up("email", "ada_l@example.org").unwrap().len(), 10);
    drop(host);
    let host = pages(11);
    assert!(matches!(people().look_up("email", "ada_l@example.org"), Err(Error::Reject(_))));
    assert_eq!(host.requests().len(), 10);
}

#[test]
fn nothing_breaks_out_of_a_slot() {
    let hostile = [
        "x' OR '1'='1",
        "\"}],\"admin\":true,\"x\":[{\"a\":\"",
        "a&filter[mail]=*",
        "a/../../admin",
        "..",
        ".",
        "a?b#c",
        "%2e%2e",
        "a\r\nx-admin: 1",
        "\u{0}",
        "𝒳\u{202e}",
        "id:1 OR id:2",
    ];
    for value in hostile {
        let host = answers(json!({ "data": [] }));
        for scheme in ["email", "external", "phone", "wiki.handle"] {
            assert_eq!(people().look_up(scheme, value).unwrap(), [], "{scheme} {value:?}");
        }
        for request in host.requests() {
            let url = request.url();
            assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
            let (path, query) = url.split_once('?').unwrap_or((&url, ""));
            let steps: Vec<&str> = path.trim_start_matches("https://crm.example.org/api/").split('/').collect();
            match (request.method(), steps.as_slice()) {
                ("GET", ["people"]) => {
                    let name = query.split('=').next().unwrap();
                    assert_eq!(query.matches(['&', '=']).count(), 1, "{url}");
                    let sent = request.query_value(&sportello_sdk::http::decode(name)).unwrap();
                    assert!(sent == value.trim() || sent == format!("id:{value}") && !sent.contains(' '), "{url}");
                }
                ("GET", ["people", "by-wiki", step]) => {
                    assert!(sportello_sdk::http::decode(step) == value && !matches!(*step, "." | ".."), "{url}");
                }
                ("POST", ["people", "search"]) => {
                    let body: Value = request.body_json().unwrap();
                    let digits = body["where"][0]["numbers"].as_str().unwrap();
                    assert!(digits.chars().all(|letter| letter.is_ascii_digit() || letter == '+'), "{body}");
                    assert_eq!((body.as_object().unwrap().len(), body["where"][0].as_object().unwrap().len()), (1, 1), "{body}");
                }
                other => panic!("{other:?} for {value:?}"),
            }
        }
    }
}

#[test]
fn a_json_search_of_request_tracker_holds_whatever_is_looked_up() {
    let host = answers(json!({ "items": [], "total": 0 }));
    let channel = Channel::<MappedCrm>::new(json!({ "base-url": "https://rt.example.org", "mapping": mappings::REQUEST_TRACKER }));
    let hostile = "x\",\"operator\":\"LIKE\"},{\"field\":\"Name\",\"value\":\"%𝒳\\";
    assert_eq!(channel.look_up("email", hostile).unwrap(), []);
    let query: Value = serde_json::from_str(&host.requests()[0].query_value("query").unwrap()).unwrap();
    assert_eq!(query, json!([{ "field": "EmailAddress", "operator": "=", "value": hostile }]));
}

#[test]
fn who_is_told_to_come_again_later_does_not_come_before() {
    let host = Host::new().http(move |_: &Request| Response::new(429).with_header("retry-after", "300")).start();
    let Err(Error::RateLimited(limit)) = people().look_up("email", "ada@example.org") else { panic!("it is told to wait") };
    assert!(matches!(people().look_up("phone", "+39021234567"), Err(Error::RateLimited(other)) if other.until == limit.until));
    assert_eq!(host.requests().len(), 1, "whatever it is for");
    host.passes_until(&limit.until);
    people().look_up("email", "ada@example.org").unwrap_err();
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn each_status_becomes_what_the_host_must_do() {
    let answered = |status: u16| {
        let _host = Host::new().http(move |_: &Request| Response::with_text(status, "<html>").with_header("retry-after", "7")).start();
        people().look_up("email", "ada@example.org")
    };
    assert_eq!((answered(404).unwrap(), answered(410).unwrap()), (vec![], vec![]), "nobody");
    assert!(matches!(answered(401), Err(Error::Auth(reason)) if reason.contains("`bearer`")));
    assert!(matches!((answered(403), answered(400), answered(302)), (Err(Error::Reject(_)), Err(Error::Reject(_)), Err(Error::Reject(_)))));
    assert!(matches!(answered(503), Err(Error::Retry(retry)) if retry.after_ms == 7000));
    assert!(matches!((answered(500), answered(409)), (Err(Error::Retry(_)), Err(Error::Retry(_)))));
    assert!(matches!(answered(429), Err(Error::RateLimited(limit)) if limit.until == "2026-01-15T12:00:07Z"));
    assert!(matches!(answered(200), Err(Error::Retry(_))), "an error page with the status 200");
    let date = || Response::new(429).with_header("retry-after", "Thu, 15 Jan 2026 12:01:00 GMT");
    let _host = Host::new().http(move |_: &Request| date()).start();
    assert!(matches!(people().look_up("email", "a@b"), Err(Error::RateLimited(limit)) if limit.until == "2026-01-15T12:01:00Z"));
    let _host = Host::new().http(|_: &Request| Err::<Response, _>(Failure::Interrupted("timeout".into()))).start();
    assert!(matches!(people().look_up("phone", "+39021234567"), Err(Error::Retry(_))), "a POST that only looks may be repeated");
}

#[test]
fn a_token_that_has_ended_costs_one_more_request() {
    let mapping = mappings::PEOPLE.replace("authentication: bearer", "authentication: oauth2-client");
    let channel = Channel::<MappedCrm>::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }));
    let mut answers = [Response::new(401), Response::with_json(200, &json!({ "data": [ada()] }))].into_iter();
    let _host = Host::new().http(move |_: &Request| answers.next().unwrap()).start();
    assert_eq!(channel.look_up("email", "ada_l@example.org").unwrap().len(), 1);
    let host = Host::new().http(|_: &Request| Response::new(401)).start();
    assert!(matches!(channel.look_up("email", "ada_l@example.org"), Err(Error::Auth(_))) && host.requests().len() == 2);
}

#[test]
fn a_record_is_fetched_in_full_where_the_mapping_says_so_and_one_that_is_gone_is_left_out() {
    let mapping =
        mappings::PEOPLE.replace("version: /meta/version", "version: etag").replace("at: /links/next}", "at: /links/next, size: 20}")
            + "\ndetail: {path: \"/people/{/id}\", record: /data}\n";
    let channel = Channel::<MappedCrm>::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }));
    let host = Host::new()
        .http(|request: &Request| match request.path() {
            "/people" => Response::with_json(200, &json!({ "data": [{ "id": "1" }, { "id": "a/b" }] })),
            "/people/1" => Response::with_json(200, &json!({ "data": ada() })).with_header("etag", "W/\"7\""),
            path => {
                assert_eq!(path, "/people/a%2Fb");
                Response::new(404)
            }
        })
        .start();
    let found = channel.look_up("email", "ada_l@example.org").unwrap();
    assert_eq!((found.len(), host.requests().len()), (1, 3));
    assert!(found[0].version.starts_with("W/\"7\"-"), "{}", found[0].version);
}

#[test]
fn a_record_that_is_too_long_is_kept_without_its_own_words_and_so_are_those_over_all() {
    let long = |bytes: usize| {
        let mut record = ada();
        record["attributes"]["essay"] = json!("x".repeat(bytes));
        record
    };
    let _host = answers(json!({ "data": [long(70_000)] }));
    let found = people().look_up("email", "ada_l@example.org").unwrap();
    assert_eq!((found.len(), found[0].raw.is_some()), (1, false), "half a record is no JSON");
    let many: Vec<Value> = (0..60)
        .map(|id: u32| {
            let mut record = long(60_000);
            record["id"] = json!(id);
            record
        })
        .collect();
    let _host = answers(json!({ "data": many }));
    let found = people().look_up("email", "ada_l@example.org").unwrap();
    assert_eq!((found.len(), found.iter().filter(|contact| contact.raw.is_some()).count()), (60, 34), "two MiB of them");
}

#[test]
fn a_look_up_that_would_fetch_too_many_records_is_refused_before_it_does() {
    // Not that of the changes, which may not be so large.
    let mapping = mappings::REQUEST_TRACKER.replacen("size: 10,", "size: 100,", 1);
    let look = |count: usize| {
        let host = Host::new()
            .http(move |request: &Request| match request.path() {
                "/REST/2.0/users" => {
                    let items: Vec<Value> = (0..count).map(|id| json!({ "id": id })).collect();
                    Response::with_json(200, &json!({ "items": items, "total": count }))
                }
                _ => Response::with_json(200, &json!({ "id": 1, "EmailAddress": "ada@example.org" })),
            })
            .start();
        let channel = Channel::<MappedCrm>::new(json!({ "base-url": "https://rt.example.org", "mapping": mapping }));
        (channel.look_up("email", "ada@example.org").is_ok(), host.requests().len())
    };
    assert_eq!((look(50), look(51)), ((true, 51), (false, 1)));
}

#[test]
fn a_mapping_with_a_mistake_refuses_every_call_with_its_line() {
    let mapping = mappings::PEOPLE.replace("  id: /id\n", "  di: /id\n");
    let channel = Channel::<MappedCrm>::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }));
    assert!(
        matches!(channel.look_up("email", "a@b"), Err(Error::Reject(reason)) if reason.starts_with("the mapping, line ") && reason.ends_with("(and 1 more)"))
    );
}
