//! The connector for CRMs by mapping, as built for WebAssembly and run by our runtime, with its mapping for Request Tracker against the real one.
//! Where that is missing a test says so and passes; in CI it fails (see `servers::require`).

#[allow(dead_code, reason = "the driver is shared with the tests of other connectors")]
#[path = "connectors/driver.rs"]
mod driver;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, Uri};
use driver::{Driver, Opening, activity};
use serde_json::json;
use sportello_runtime::contract::{ConnectorError, Contact, Presence};
use sportello_runtime::{BoundField, NoVault, Secret};
use sportello_tests::servers::{Account, RequestTracker, require};

const MAPPING: &str = include_str!("../../plugins/mapped-crm/mappings/request-tracker.yaml");

async fn connector(tracker: &RequestTracker, mapping: &str, account: &Account) -> Driver {
    let settings = json!({ "base-url": tracker.base_url(), "mapping": mapping });
    Driver::new("mapped-crm", settings, tracker.base_url(), "basic", account).await
}

fn identifiers(contact: &Contact) -> Vec<(&str, &str)> {
    contact.identifiers.iter().map(|identifier| (identifier.scheme.as_str(), identifier.value.as_str())).collect()
}

#[tokio::test]
async fn a_requestor_is_found_by_what_identifies_them_and_nobody_else_is() {
    let Some(tracker) = require(RequestTracker::start().await) else { return };
    let ada = tracker.create_user("ada", "Ada Lövelace 𝒳", "Ada_L@example.org").await.expect("a user");
    tracker.change_user(ada, &json!({ "MobilePhone": "+39 02 1234567", "Organization": "Engine" })).await.expect("a change");
    tracker.create_user("adam", "Adam", "AdaXL@example.org").await.expect("a user");
    let driver = connector(&tracker, MAPPING, &tracker.account()).await;

    let found = driver.look_up("email", "ada_l@EXAMPLE.org").await;
    let [contact] = found.as_slice() else { panic!("{found:?}\n{}", tracker.output()) };
    assert_eq!((contact.id.clone(), contact.display_name.as_deref(), contact.deleted), (ada.to_string(), Some("Ada Lövelace 𝒳"), false));
    assert_eq!(identifiers(contact), [("email", "Ada_L@example.org"), ("phone", "+39021234567"), ("external", "ada")]);
    let by_phone = driver.look_up("phone", "+39 02 1234567").await;
    let version = |contacts: &[Contact]| contacts.iter().map(|contact| (contact.id.clone(), contact.version.clone())).collect::<Vec<_>>();
    assert_eq!(version(&by_phone), version(&found), "one record, one version, however it is found");
    for (scheme, value) in [("email", "nobody@example.org"), ("email", "%@example.org"), ("email", "\"}]"), ("wiki.handle", "ada")] {
        assert_eq!(driver.look_up(scheme, value).await, [], "{scheme} {value}");
    }

    let mut stranger = connector(&tracker, MAPPING, &Account::new("root", "another-password")).await;
    let refused = stranger.changes().await;
    assert!(matches!(&refused, Err(ConnectorError::Auth(reason)) if reason.contains("`basic`")), "{refused:?}");
}

#[tokio::test]
async fn changes_are_followed_over_pages_restarts_and_edits() {
    let Some(tracker) = require(RequestTracker::start().await) else { return };
    for name in ["ada", "bruno", "carla", "dario"] {
        tracker.create_user(name, name, &format!("{name}@example.org")).await.expect("a user");
    }
    // RT's own three users, these four, and pages of three.
    let mapping = MAPPING.replace("size: 10,", "size: 3,");
    let mut driver = connector(&tracker, &mapping, &tracker.account()).await;
    let mut versions = BTreeMap::new();
    let mut pages = 0;
    loop {
        let page = driver.changes().await.expect("a page");
        pages += 1;
        for contact in page.contacts {
            let name = contact.display_name.clone().unwrap_or_default();
            assert_eq!(versions.insert(contact.id.clone(), (name, contact.version.clone())), None, "nobody is told twice: {contact:?}");
        }
        if !page.more {
            break;
        }
        // As after a restart: nothing but the cursor is left.
        let cursor = driver.cursor().map(str::to_owned);
        driver = connector(&tracker, &mapping, &tracker.account()).await;
        driver.resume(cursor.as_deref());
    }
    let names: Vec<&str> = versions.values().map(|(name, _)| name.as_str()).collect();
    assert!(pages >= 3 && versions.len() == 7, "{pages} pages: {versions:?}");
    assert!(["ada", "bruno", "carla", "dario"].iter().all(|name| names.contains(name)), "{names:?}");

    assert_eq!(driver.all_changes().await, [], "nothing changed");
    let id = |wanted: &str| versions.iter().find(|(_, (name, _))| name == wanted).map(|(id, _)| id.clone()).expect("a user");
    let (ada, bruno) = (id("ada"), id("bruno"));
    tracker.change_user(ada.parse().expect("a number"), &json!({ "RealName": "Ada King" })).await.expect("a change");
    tracker.change_user(bruno.parse().expect("a number"), &json!({ "Disabled": 1 })).await.expect("a change");
    let changed = driver.all_changes().await;
    let of = |id: &str| changed.iter().find(|contact| contact.id == id).unwrap_or_else(|| panic!("{changed:?}"));
    assert_eq!((changed.len(), of(&ada).display_name.as_deref(), of(&ada).deleted), (2, Some("Ada King"), false));
    assert!(of(&bruno).deleted, "who is disabled is deleted");
    assert!(of(&ada).version != versions[&ada].1 && of(&bruno).version != versions[&bruno].1);
}

#[tokio::test]
async fn an_activity_is_written_once_and_found() {
    let Some(tracker) = require(RequestTracker::start().await) else { return };
    let ada = tracker.create_user("ada", "Ada", "ada@example.org").await.expect("a user");
    let driver = connector(&tracker, MAPPING, &tracker.account()).await;
    let effect = activity("run-1-1", ada, "Risposto: \"sì\" 𝒳\nseconda riga");
    assert_eq!(driver.find(&effect).await, Ok(Presence::Absent));
    let receipt = driver.publish(&effect).await.expect("a note");

    let ticket = tracker.get(&format!("/ticket/{}", receipt.native_id), &[]).await.expect("the ticket");
    assert_eq!((&ticket["Subject"], &ticket["Status"]), (&json!("Answered on the wiki (sportello run-1-1)"), &json!("resolved")));
    assert_eq!(ticket["Requestor"][0]["id"], "ada");
    let history = tracker.get(&format!("/ticket/{}/attachments", receipt.native_id), &[("fields", "Content")]).await.expect("its words");
    assert!(history.to_string().contains(r#"Risposto: \"sì\" 𝒳\nseconda riga"#), "{history}");
    let deeds = tracker.get(&format!("/ticket/{}/history", receipt.native_id), &[("fields", "Type")]).await.expect("its history");
    assert!(!deeds.to_string().contains("EmailRecord"), "the queue's empty template keeps RT from writing to the requestor: {deeds}");
    let all = tracker.get("/tickets", &[("query", "id > 0")]).await.expect("all tickets");
    assert_eq!(all["total"], 1, "{all}");

    let found = driver.find(&effect).await;
    assert!(matches!(&found, Ok(Presence::Present(found)) if found.native_id == receipt.native_id && found.at.is_some()), "{found:?}");
    assert_eq!(driver.find(&activity("run-1-11", ada, "x")).await, Ok(Presence::Absent), "a key is found as a whole");
    assert_eq!(driver.find(&activity("run-1", ada, "x")).await, Ok(Presence::Absent), "and not by its beginning");
    let nobody = driver.publish(&activity("run-1-2", 999_999, "x")).await;
    assert!(matches!(&nobody, Err(ConnectorError::Reject(reason)) if reason.contains("no such contact")), "{nobody:?}");
}

/// A server that gives tokens and nobody's records, and remembers which secrets it was sent.
async fn somebody() -> (String, Arc<Mutex<Vec<String>>>) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let remembered = Arc::clone(&seen);
    let answer = move |uri: Uri, headers: HeaderMap, body: String| {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let secrets = [uri.path(), header("authorization"), header("x-api-key"), &body].join(" ");
        remembered.lock().expect("nobody panicked").push(secrets.trim().to_owned());
        let document = if uri.path().starts_with("/oauth2") {
            json!({ "access_token": "token-of-an-hour", "expires_in": 3600 })
        } else {
            json!({ "data": [] })
        };
        async move { axum::Json(document) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (base_url, seen)
}

#[tokio::test]
async fn each_credential_is_sent_as_the_mapping_says() {
    let secret = |text: &str| BoundField::from(Secret::new(text.to_owned()));
    let plain = |text: &str| BoundField::Plain(text.to_owned());
    let (base_url, seen) = somebody().await;
    let (token_url, asked) = somebody().await;
    let credentials = [
        ("basic", vec![("user", plain("ada")), ("password", secret("password"))], "/people Basic YWRhOnBhc3N3b3Jk"),
        ("bearer", vec![("token", secret("token-for-ever"))], "/people Bearer token-for-ever"),
        ("api-key", vec![("key", secret("key-for-ever"))], "/people  key-for-ever"),
        (
            "oauth2-client",
            vec![("client-id", plain("us")), ("client-secret", secret("client-secret")), ("scope", plain("people.read notes.write"))],
            "/people Bearer token-of-an-hour",
        ),
        ("none", vec![], "/people"),
    ];
    for (credential, fields, expected) in credentials {
        let mapping = include_str!("../../plugins/mapped-crm/tests/mappings/people.yaml");
        let mapping = mapping.replace("authentication: bearer", &format!("authentication: {credential}"));
        let fields: BTreeMap<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let driver = Driver::open(Opening {
            connector: "mapped-crm",
            settings: json!({ "base-url": base_url, "mapping": mapping, "token-url": token_url, "token-path": "/oauth2/token" }),
            origins: vec![base_url.clone(), token_url.clone()],
            secrets: if fields.is_empty() { BTreeMap::new() } else { BTreeMap::from([(credential.to_owned(), fields)]) },
            vault: Arc::new(NoVault),
        })
        .await;
        for _ in 0..2 {
            assert_eq!(driver.look_up("email", "ada@example.org").await, []);
        }
        assert_eq!(std::mem::take(&mut *seen.lock().expect("nobody panicked")), [expected, expected], "{credential}");
    }
    let asked = asked.lock().expect("nobody panicked").clone();
    let basic = "/oauth2/token Basic dXM6Y2xpZW50LXNlY3JldA==";
    assert_eq!(asked, [format!("{basic}  grant_type=client_credentials&scope=people.read+notes.write")], "one token for both");
}
