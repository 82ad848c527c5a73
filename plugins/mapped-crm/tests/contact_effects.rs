//! What the connector promises about making and changing contacts: what the system is sent, and when it is sent nothing.

mod mappings;

use std::cell::RefCell;
use std::rc::Rc;

use mapped_crm::MappedCrm;
use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, Running, effect};
use sportello_sdk::{Attribute, Contact, Effect, Error};

const ADA: [(&str, &str); 4] =
    [("display-name", "Ada \"L\""), ("email", "ada@example.org"), ("phone", "+39021234567"), ("wiki.handle", "Ada L")];

fn with(mapping: &str) -> Channel<MappedCrm> {
    assert_eq!(mapped_crm::check(mapping), []);
    Channel::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }))
}

fn people() -> Channel<MappedCrm> {
    with(mappings::PEOPLE)
}

fn tracker() -> Channel<MappedCrm> {
    with(mappings::REQUEST_TRACKER)
}

fn contact(about: Option<&str>, attributes: &[(&str, &str)]) -> Effect {
    let attributes = attributes.iter().map(|(name, value)| Attribute::new(*name, *value)).collect();
    Effect { contact: about.map(str::to_owned), attributes, ..effect("api-1-a", "contact", "") }
}

/// The people of the system, of which each has a version that is its lock.
#[derive(Clone, Default)]
struct People(Rc<RefCell<Vec<Value>>>);

impl People {
    fn add(&self, attributes: Value) -> String {
        let mut people = self.0.borrow_mut();
        let id = (people.len() + 7).to_string();
        people.push(json!({ "id": id, "meta": { "version": 1, "etag": "W/\"1\"" }, "attributes": attributes }));
        id
    }

    fn edit(&self, id: &str, attributes: &Value) {
        let mut people = self.0.borrow_mut();
        let person = people.iter_mut().find(|person| person["id"] == id).unwrap();
        for (name, value) in attributes.as_object().unwrap() {
            person["attributes"][name] = value.clone();
        }
        let version = person["meta"]["version"].as_u64().unwrap() + 1;
        person["meta"] = json!({ "version": version, "etag": format!("W/\"{version}\"") });
    }

    fn get(&self, id: &str) -> Option<Value> {
        self.0.borrow().iter().find(|person| person["id"] == id).cloned()
    }

    /// Every search gives everybody: the connector judges.
    fn answer(&self, request: &Request) -> Response {
        let id = request.path().strip_prefix("/people/").unwrap_or_default();
        let attributes = || request.body_json::<Value>().unwrap()["data"]["attributes"].take();
        match (request.method(), self.get(id)) {
            ("POST", _) if request.path() == "/people" => {
                let id = self.add(attributes());
                Response::new(201).with_header("location", format!("https://crm.example.org/people/{id}"))
            }
            ("GET", Some(person)) => Response::with_json(200, &json!({ "data": person })),
            ("PATCH", Some(person)) if request.header_value("if-match") == person["meta"]["etag"].as_str() => {
                self.edit(id, &attributes());
                Response::new(204)
            }
            ("PATCH", Some(_)) => Response::new(412),
            ("GET" | "POST", None) if !id.starts_with(|letter: char| letter.is_ascii_digit()) => {
                Response::with_json(200, &json!({ "data": *self.0.borrow() }))
            }
            _ => Response::new(404),
        }
    }

    fn start(&self) -> Running {
        let people = self.clone();
        Host::new().http(move |request: &Request| people.answer(request)).start()
    }

    /// Where the answers to writes are lost.
    fn start_losing_answers(&self) -> Running {
        let people = self.clone();
        let answer = move |request: &Request| {
            let answer = people.answer(request);
            let is_write = request.method() == "PATCH" || request.path() == "/people" && request.method() == "POST";
            if is_write { Err(Failure::Interrupted("timeout".into())) } else { Ok(answer) }
        };
        Host::new().http(answer).start()
    }

    fn seen(&self, email: &str) -> Contact {
        let _host = self.start();
        people().look_up("email", email).unwrap().remove(0)
    }
}

fn writes(host: &Running) -> Vec<Request> {
    let is_write =
        |request: &Request| matches!(request.method(), "PATCH" | "PUT") || request.method() == "POST" && request.path() == "/people";
    host.requests().into_iter().filter(is_write).collect()
}

#[track_caller]
fn is_rejected(outcome: Result<sportello_sdk::Receipt, Error>, why: &str) {
    assert!(matches!(&outcome, Err(Error::Reject(reason)) if reason.contains(why)), "{outcome:?}");
}

#[test]
fn a_contact_is_made_with_what_the_effect_says_and_nothing_else() {
    let crm = People::default();
    let host = crm.start();
    let receipt = people().publish(&contact(None, &ADA)).unwrap();
    assert_eq!(receipt.native_id, "7");
    let requests = host.requests();
    assert_eq!(requests.len(), 4, "each identifier was looked up first: {requests:?}");
    let body: Value = requests[3].body_json().unwrap();
    let attributes = json!({
        "name": "Ada \"L\"", "mail": "ada@example.org", "numbers": "+39021234567", "profiles": [{ "wiki": "Ada L", "kind": "user" }],
        "source": "sportello api-1-a",
    });
    assert_eq!(body, json!({ "data": { "type": "people", "attributes": attributes } }), "no customer number");

    people().publish(&contact(None, &[("external", "12"), ("twitter.id", "7")])).unwrap();
    let body: Value = writes(&host)[1].body_json().unwrap();
    let attributes = json!({ "name": "12", "customer": "12", "source": "sportello api-1-a" });
    assert_eq!(body["data"]["attributes"], attributes, "without a name something people can read, and no list of nothing");
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("twitter.id: left out")), "{:?}", host.diagnostics());
    people().publish(&contact(None, &[("email", "b@example.org"), ("email", "c@example.org")])).unwrap();
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("no place for one more email")), "{:?}", host.diagnostics());
}

#[test]
fn nobody_is_made_twice() {
    let crm = People::default();
    crm.add(json!({ "name": "Ada", "mail": "ADA@example.org", "state": "here" }));
    let host = crm.start();
    is_rejected(people().publish(&contact(None, &ADA)), "contact 7 has this `email` already");
    assert_eq!(writes(&host).len(), 0);
    drop(host);
    crm.edit("7", &json!({ "state": "gone" }));
    let host = crm.start();
    people().publish(&contact(None, &ADA)).unwrap();
    assert_eq!(writes(&host).len(), 1, "who was deleted is not there");
    drop(host);
    let _host = Host::new()
        .http(|request: &Request| match (request.method(), request.path()) {
            ("POST", "/people") => Response::new(409),
            _ => Response::with_json(200, &json!({ "data": [] })),
        })
        .start();
    is_rejected(people().publish(&contact(None, &ADA)), "there is such a record already");
}

#[test]
fn a_contact_whose_answer_was_lost_is_found_by_the_effects_key() {
    let crm = People::default();
    let host = crm.start_losing_answers();
    let effect = contact(None, &ADA);
    assert!(matches!(people().find(&effect), Ok(Presence::Absent)));
    assert!(matches!(people().publish(&effect), Err(Error::Uncertain(_))));
    assert!(matches!(people().find(&effect), Ok(Presence::Present(receipt)) if receipt.native_id == "7"));
    assert!(matches!(people().find(&Effect { key: "api-1".into(), ..effect.clone() }), Ok(Presence::Absent)), "by the whole key");
    assert_eq!(writes(&host).len(), 1);
    drop(host);

    let create = mappings::PEOPLE.split("\ncreate:").nth(1).unwrap();
    let find = &create[create.find("  find:").unwrap()..create.find("\nupdate:").unwrap()];
    let blind = with(&mappings::PEOPLE.replace(find, ""));
    let host = crm.start();
    assert!(matches!(blind.find(&effect), Ok(Presence::CannotTell)) && host.requests().is_empty(), "a person decides");
    drop(host);
    let _host = Host::new()
        .http(|request: &Request| match (request.method(), request.path()) {
            ("POST", "/people") => Response::new(201),
            _ => Response::with_json(200, &json!({ "data": [] })),
        })
        .start();
    assert!(
        matches!(people().publish(&effect), Err(Error::Uncertain(reason)) if reason.contains("`receipt`")),
        "taken, and not said where"
    );
}

#[test]
fn a_change_is_sent_under_the_lock_and_says_what_differs() {
    let crm = People::default();
    let id = crm.add(json!({ "name": "Ada", "mail": "ada@example.org", "customer": 12 }));
    let seen = crm.seen("ada@example.org");
    let host = crm.start();
    let said = [("expects-version", &*seen.version), ("display-name", "Ada King"), ("email", "ADA@example.org"), ("external", "13")];
    let change = contact(Some(&id), &said);
    assert!(matches!(people().find(&change), Ok(Presence::Absent)));
    assert_eq!(people().publish(&change).unwrap().native_id, id);
    let [write] = &writes(&host)[..] else { panic!("{:?}", host.requests()) };
    assert_eq!((write.method(), write.path(), write.header_value("if-match")), ("PATCH", "/people/7", Some("W/\"1\"")));
    let body: Value = write.body_json().unwrap();
    let attributes = json!({ "name": "Ada King", "customer": "13" });
    assert_eq!(body, json!({ "data": { "type": "people", "id": "7", "attributes": attributes } }), "what it says already is not written");
    assert!(matches!(people().find(&change), Ok(Presence::Present(receipt)) if receipt.native_id == id));
    let changed = crm.get(&id).unwrap();
    drop(host);

    let seen = crm.seen("ada@example.org");
    let host = crm.start();
    people().publish(&contact(Some(&id), &[("expects-version", &*seen.version), ("display-name", "Ada King")])).unwrap();
    assert_eq!((writes(&host).len(), crm.get(&id).unwrap()), (0, changed), "nothing to do");
}

#[test]
fn a_contact_that_was_changed_meanwhile_is_left_as_it_is() {
    let crm = People::default();
    let id = crm.add(json!({ "name": "Ada", "mail": "ada@example.org" }));
    let seen = crm.seen("ada@example.org");
    let change = contact(Some(&id), &[("expects-version", &*seen.version), ("display-name", "Ada King")]);

    // Between our look and our write.
    let meddled = crm.clone();
    let host = Host::new()
        .http(move |request: &Request| {
            if request.method() == "PATCH" && meddled.get("7").unwrap()["meta"]["version"] == 1 {
                meddled.edit("7", &json!({ "name": "Ada Byron" }));
            }
            meddled.answer(request)
        })
        .start();
    let refused = people().publish(&change);
    assert!(matches!(&refused, Err(Error::Retry(retry)) if retry.reason.contains("HTTP 412")), "nothing took effect: {refused:?}");
    is_rejected(people().publish(&change), "nothing was written");
    assert_eq!(writes(&host).len(), 1, "it was the lock, then the look, that refused");
    assert_eq!(crm.get(&id).unwrap()["attributes"]["name"], "Ada Byron");
    assert!(matches!(people().find(&change), Ok(Presence::Absent)));
    let gone = contact(Some("99"), &[("display-name", "x")]);
    is_rejected(people().publish(&gone), "no contact 99 any more");
    assert!(matches!(people().find(&gone), Ok(Presence::Absent)));
}

#[test]
fn a_change_whose_answer_was_lost_is_found_by_what_the_record_says() {
    let crm = People::default();
    let id = crm.add(json!({ "name": "Ada", "mail": "ada@example.org" }));
    let seen = crm.seen("ada@example.org");
    let _host = crm.start_losing_answers();
    let change = contact(Some(&id), &[("expects-version", &*seen.version), ("display-name", "Ada King")]);
    assert!(matches!(people().publish(&change), Err(Error::Uncertain(_))));
    assert!(matches!(people().find(&change), Ok(Presence::Present(_))));
}

#[test]
fn a_record_without_its_lock_is_not_written() {
    for (lock, missing) in [("lock: etag", "without ETag"), ("lock: /meta/tag", "without /meta/tag")] {
        let crm = People::default();
        let id = crm.add(json!({ "name": "Ada" }));
        let host = crm.start();
        let channel = with(&mappings::PEOPLE.replace("lock: /meta/etag", lock));
        is_rejected(channel.publish(&contact(Some(&id), &[("display-name", "Ada King")])), missing);
        assert_eq!(writes(&host).len(), 0);
    }
    for (lock, sent) in [("lock: none", None), ("lock: /meta/version", Some("\"1\""))] {
        let crm = People::default();
        let id = crm.add(json!({ "name": "Ada" }));
        let people = crm.clone();
        let host = Host::new()
            .http(move |request: &Request| if request.method() == "PATCH" { Response::new(204) } else { people.answer(request) })
            .start();
        with(&mappings::PEOPLE.replace("lock: /meta/etag", lock)).publish(&contact(Some(&id), &[("display-name", "Ada King")])).unwrap();
        assert_eq!(writes(&host)[0].header_value("if-match"), sent, "an entity tag is quoted");
    }
}

/// Request Tracker with one user, which answers every change with 200 and does what it likes.
fn users(user: Value, does: impl Fn(&mut Value, &Value) + 'static) -> Running {
    let user = RefCell::new(user);
    Host::new()
        .http(move |request: &Request| {
            if request.method() == "PUT" {
                does(&mut user.borrow_mut(), &request.body_json().unwrap());
                return Response::with_json(200, &json!([]));
            }
            Response::with_json(200, &*user.borrow()).with_header("etag", "\"33\"")
        })
        .start()
}

fn obeys(user: &mut Value, change: &Value) {
    for (name, value) in change.as_object().unwrap() {
        user[name] = value.clone();
    }
}

#[test]
fn an_identifier_fills_a_free_place_and_takes_nobody_elses() {
    let user = json!({ "id": 31, "Name": "ada", "RealName": "Ada", "MobilePhone": "+39 02 1", "HomePhone": "" });
    let host = users(user.clone(), obeys);
    let said = [("phone", "+39021"), ("phone", "+39022"), ("phone", "+39023"), ("email", "ada@example.org"), ("external", "king")];
    tracker().publish(&contact(Some("31"), &said)).unwrap();
    let [write] = &writes(&host)[..] else { panic!("{:?}", host.requests()) };
    assert_eq!((write.path(), write.header_value("if-match")), ("/REST/2.0/user/31", Some("\"33\"")));
    let body: Value = write.body_json().unwrap();
    let expected = json!({ "WorkPhone": "+39022", "HomePhone": "+39023", "EmailAddress": "ada@example.org", "Name": "king" });
    assert_eq!(body, expected, "there is one customer number: it is set");
    is_rejected(tracker().publish(&contact(Some("31"), &[("phone", "+39029")])), "has another `phone` and no place for one more");
    is_rejected(tracker().publish(&contact(Some("31"), &[("email", "b@example.org"), ("display-name", "B")])), "has another `email`");
    is_rejected(tracker().publish(&contact(Some("31"), &[("phone", "call me")])), "its `phone` is not a telephone number");
    assert_eq!(writes(&host).len(), 1);
}

#[test]
fn a_system_that_answers_with_another_record_is_sent_nothing() {
    let host = users(json!({ "id": 32, "Name": "ada", "RealName": "Ada" }), obeys);
    is_rejected(tracker().publish(&contact(Some("31"), &[("display-name", "Ada King")])), "answers with another record than 31");
    assert!(writes(&host).is_empty());
}

#[test]
fn what_a_system_says_it_did_and_did_not_is_told() {
    let user = json!({ "id": 31, "Name": "ada", "RealName": "Ada" });
    // As RT does with an address that somebody else has.
    let host = users(user.clone(), |user, change| user["RealName"] = change["RealName"].clone());
    let change = contact(Some("31"), &[("display-name", "Ada King"), ("email", "taken@example.org")]);
    is_rejected(tracker().publish(&change), "did not make `email` what was asked");
    assert!(matches!(tracker().find(&change), Ok(Presence::Absent)));
    drop(host);
    let asked = RefCell::new(0);
    let _host = Host::new()
        .http(move |_: &Request| {
            *asked.borrow_mut() += 1;
            let lost = *asked.borrow() == 3;
            if lost { Err(Failure::NotSent("refused".into())) } else { Ok(Response::with_json(200, &user).with_header("etag", "\"33\"")) }
        })
        .start();
    let unsure = tracker().publish(&change);
    assert!(matches!(&unsure, Err(Error::Uncertain(reason)) if reason.contains("could not be asked")), "it was written: {unsure:?}");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_sent() {
    let host = Host::new().start();
    is_rejected(people().publish(&contact(None, &[("display-name", "Ada"), ("twitter.id", "7")])), "(it has: twitter.id)");
    is_rejected(people().publish(&contact(Some("7"), &[("expects-version", "1")])), "nothing in it identifies anybody");
    is_rejected(people().publish(&contact(Some(".."), &[("display-name", "Ada")])), "a path has no steps");
    let silent = with(mappings::PEOPLE.split("\ncreate:").next().unwrap());
    is_rejected(silent.publish(&contact(None, &ADA)), "says nothing of `create`: no contact is made there");
    is_rejected(silent.publish(&contact(Some("7"), &ADA)), "says nothing of `update`: no contact is changed there");
    let drop = Channel::<MappedCrm>::new(json!({ "folder": "/srv/drop", "mapping": mappings::CSV_DROP }));
    is_rejected(drop.publish(&contact(None, &ADA)), "is only read: no contact is made or changed there");
    is_rejected(tracker().publish(&contact(None, &[("phone", "+39021")])), "looks nobody up by any of what it says");
    assert!(host.requests().is_empty());
}

#[test]
fn each_status_of_a_write_becomes_what_the_host_must_do() {
    let answered = |status: u16| {
        let crm = People::default();
        let id = crm.add(json!({ "name": "Ada" }));
        let people = crm.clone();
        let _host = Host::new()
            .http(move |request: &Request| if request.method() == "PATCH" { Response::new(status) } else { people.answer(request) })
            .start();
        self::people().publish(&contact(Some(&id), &[("display-name", "x")])).unwrap_err()
    };
    assert!(matches!(
        [400, 403, 404, 410, 428].map(answered),
        [Error::Reject(_), Error::Reject(_), Error::Reject(_), Error::Reject(_), Error::Reject(_)]
    ));
    assert!(matches!([409, 412].map(answered), [Error::Retry(_), Error::Retry(_)]), "nothing took effect");
    assert!(matches!((answered(401), answered(429)), (Error::Auth(_), Error::RateLimited(_))));
    assert!(matches!([500, 503, 504].map(answered), [Error::Uncertain(_), Error::Uncertain(_), Error::Uncertain(_)]));
}

#[test]
fn request_tracker_is_asked_for_nobody_by_phone() {
    let host = Host::new().start();
    assert_eq!(tracker().look_up("phone", "+39021234567").unwrap(), [], "RT would leave the condition out and give everybody");
    assert!(host.requests().is_empty());
}
