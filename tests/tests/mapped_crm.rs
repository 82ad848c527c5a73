//! The connector for CRMs by mapping, as built for WebAssembly and run by our runtime: with its mapping for Request Tracker against the real one, and
//! with files dropped into a folder. Where a server is missing a test says so and passes; in CI it fails (see `servers::require`).

#[allow(dead_code, reason = "the driver is shared with the tests of other connectors")]
#[path = "connectors/driver.rs"]
mod driver;

#[allow(dead_code, reason = "as above")]
#[path = "connectors/between.rs"]
mod between;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::http::{HeaderMap, Uri};
use between::Between;
use driver::{Driver, Opening, activity, contact};
use serde_json::json;
use sportello_core::domain::channel::CURSORS;
use sportello_core::domain::contact::CONTACTS;
use sportello_runtime::contract::{Attribute, ConnectorError, Contact, Effect, Presence};
use sportello_runtime::{BoundField, NoVault, Secret};
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::servers::gateway::Gateway;
use sportello_tests::servers::{Account, RequestTracker, require};
use sportello_views::Direction;

const MAPPING: &str = include_str!("../../plugins/mapped-crm/mappings/request-tracker.yaml");

async fn connector(tracker: &RequestTracker, mapping: &str, account: &Account) -> Driver {
    connector_at(tracker.base_url(), mapping, account).await
}

async fn connector_at(base_url: &str, mapping: &str, account: &Account) -> Driver {
    let settings = json!({ "base-url": base_url, "mapping": mapping });
    Driver::new("mapped-crm", settings, base_url, "basic", account).await
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
    let by_name = driver.look_up("external", "ada").await;
    let version = |contacts: &[Contact]| contacts.iter().map(|contact| (contact.id.clone(), contact.version.clone())).collect::<Vec<_>>();
    assert_eq!(version(&by_name), version(&found), "one record, one version, however it is found");
    let nobodys = json!([{ "field": "MobilePhone", "operator": "=", "value": "0" }]).to_string();
    let everybody = tracker.get("/users", &[("query", &nobodys)]).await.expect("users");
    assert_eq!(everybody["total"], 5, "RT searches nobody by phone, and does not say so; so the mapping does not ask");
    assert_eq!(driver.look_up("phone", "+39 02 1234567").await, []);
    for (scheme, value) in [("email", "nobody@example.org"), ("email", "%@example.org"), ("email", "\"}]"), ("wiki.handle", "ada")] {
        assert_eq!(driver.look_up(scheme, value).await, [], "{scheme} {value}");
    }

    let mut stranger = connector(&tracker, MAPPING, &Account::new("root", "another-password")).await;
    let refused = stranger.changes().await;
    assert!(matches!(&refused, Err(ConnectorError::Auth(reason)) if reason.contains("`basic`")), "{refused:?}");
}

#[tokio::test]
async fn whoever_is_there_is_found_whatever_the_trouble_at_any_request() {
    let Some(tracker) = require(RequestTracker::start().await) else { return };
    let ada = tracker.create_user("ada", "Ada", "ada@example.org").await.expect("a user").to_string();
    let gateway = Gateway::start(tracker.base_url()).await.expect("the gateway starts");
    let driver = connector_at(&gateway.base_url(), MAPPING, &tracker.account()).await;
    let found = driver.look_up_in_trouble(gateway.faults(), "email", "ada@example.org").await;
    assert!(found.len() > 8 && found.iter().all(|found| matches!(found.as_slice(), [contact] if contact.id == ada)), "{found:?}");
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

/// The effect of this key; `about` is the user, None: one that is to be made.
fn about(key: &str, user: Option<&str>, attributes: &[(&str, &str)]) -> Effect {
    let attributes = attributes.iter().map(|(name, value)| Attribute { name: (*name).to_owned(), value: (*value).to_owned() });
    Effect { attributes: attributes.collect(), ..contact(key, user) }
}

async fn the_only(driver: &Driver, email: &str) -> Contact {
    let mut found = driver.look_up("email", email).await;
    assert_eq!(found.len(), 1, "{email}: {found:?}");
    found.remove(0)
}

#[tokio::test]
async fn a_contact_is_made_once_and_found_though_the_answer_was_lost() {
    let Some(tracker) = require(RequestTracker::start().await) else { return };
    let between = Between::start(tracker.base_url()).await;
    let driver = connector_at(between.base_url(), MAPPING, &tracker.account()).await;
    let ada =
        [("display-name", "Ada \"L\" 𝒳"), ("email", "ada@example.org"), ("phone", "+39021"), ("phone", "+39022"), ("wiki.handle", "x")];
    let effect = about("api-1-a", None, &ada);
    assert_eq!(driver.find(&effect).await, Ok(Presence::Absent));
    between.lose_answer("EmailAddress\":\"ada@example.org");
    let unsure = driver.publish(&effect).await;
    assert!(matches!(unsure, Err(ConnectorError::Uncertain(_))), "{unsure:?}");
    let found = driver.find(&effect).await;
    let Ok(Presence::Present(receipt)) = &found else { panic!("{found:?}\n{}", tracker.output()) };
    let made = the_only(&driver, "ada@example.org").await;
    assert_eq!((&made.id, made.display_name.as_deref()), (&receipt.native_id, Some("Ada \"L\" 𝒳")));
    let said = [("email", "ada@example.org"), ("phone", "+39021"), ("phone", "+39022"), ("external", "ada@example.org")];
    assert_eq!(identifiers(&made), said);
    for other in ["api-1", "api-1-ab", "api-1-b"] {
        assert_eq!(driver.find(&about(other, None, &ada)).await, Ok(Presence::Absent), "{other}");
    }

    let refused = driver.publish(&about("api-1-b", None, &ada)).await;
    let there = format!("contact {} has this `email` already", made.id);
    assert!(matches!(&refused, Err(ConnectorError::Reject(reason)) if reason.contains(&there)), "{refused:?}");
    let nameless = driver.publish(&about("api-1-c", None, &[("phone", "+39029")])).await;
    assert!(matches!(nameless, Err(ConnectorError::Reject(_))), "{nameless:?}");
    let bruno = driver.publish(&about("api-1-d", None, &[("external", "bruno")])).await.expect("a user");
    assert_eq!(driver.look_up("external", "bruno").await[0].id, bruno.native_id);
    assert_eq!(between.count("RealName\":"), 2, "two users were made");
}

#[tokio::test]
async fn a_contact_is_changed_under_its_lock() {
    let Some(tracker) = require(RequestTracker::start().await) else { return };
    let ada = tracker.create_user("ada", "Ada", "ada@example.org").await.expect("a user");
    tracker.create_user("bruno", "Bruno", "bruno@example.org").await.expect("a user");
    let between = Between::start(tracker.base_url()).await;
    let driver = connector_at(between.base_url(), MAPPING, &tracker.account()).await;
    let id = ada.to_string();
    let seen = the_only(&driver, "ada@example.org").await;
    let change = about("api-1-a", Some(&id), &[("expects-version", &seen.version), ("display-name", "Ada King"), ("phone", "+39021")]);
    assert_eq!(driver.find(&change).await, Ok(Presence::Absent));
    assert_eq!(driver.publish(&change).await.expect("a change").native_id, id);
    let changed = the_only(&driver, "ada@example.org").await;
    assert_eq!(changed.display_name.as_deref(), Some("Ada King"));
    assert_eq!(identifiers(&changed), [("email", "ada@example.org"), ("phone", "+39021"), ("external", "ada")], "nothing is taken away");
    assert!(matches!(driver.find(&change).await, Ok(Presence::Present(found)) if found.native_id == id));

    let late = driver.publish(&about("api-1-b", Some(&id), &[("expects-version", &seen.version), ("display-name", "Late")])).await;
    assert!(matches!(&late, Err(ConnectorError::Reject(reason)) if reason.contains("nothing was written")), "{late:?}");

    // Somebody is quicker, between our look and our write.
    let somebody = Arc::new(tracker);
    let tracker = Arc::clone(&somebody);
    between.before("\"Ada Lovelace\"", 1, move || {
        let tracker = Arc::clone(&somebody);
        Box::pin(async move { tracker.change_user(ada, &json!({ "RealName": "Ada Byron" })).await.expect("a change") })
    });
    let change = about("api-1-c", Some(&id), &[("expects-version", &changed.version), ("display-name", "Ada Lovelace")]);
    let lost = driver.publish(&change).await;
    assert!(matches!(&lost, Err(ConnectorError::Retry(retry)) if retry.reason.contains("HTTP 412")), "RT keeps its lock: {lost:?}");
    let refused = driver.publish(&change).await;
    assert!(matches!(&refused, Err(ConnectorError::Reject(reason)) if reason.contains("nothing was written")), "{refused:?}");
    let is = the_only(&driver, "ada@example.org").await;
    assert_eq!(is.display_name.as_deref(), Some("Ada Byron"));

    // RT answers 200 to what it refuses.
    let taken = driver.publish(&about("api-1-d", Some(&id), &[("expects-version", &is.version), ("external", "bruno")])).await;
    assert!(matches!(&taken, Err(ConnectorError::Reject(reason)) if reason.contains("did not make `external`")), "{taken:?}");
    assert_eq!(tracker.get("/user/ada", &[]).await.expect("the user")["RealName"], "Ada Byron");
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

/// A service that follows its one customer: there at first, then removed. Its links are relative to its root, as OData allows.
async fn following() -> String {
    let answer = |uri: Uri, headers: HeaderMap| {
        let prefer = headers.get("prefer").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let document = match (uri.path(), uri.query()) {
            _ if !prefer.contains("odata.track-changes") => json!({ "value": [] }),
            ("/service/Customers", None) => json!({ "value": [{ "ID": 7, "Name": "Ada" }], "@odata.deltaLink": "Customers?$deltatoken=1" }),
            ("/service/Customers", Some("$deltatoken=1")) => {
                let gone = json!({ "@odata.context": "#Customers/$deletedEntity", "id": "Customers(7)", "reason": "deleted" });
                json!({ "value": [gone], "@odata.deltaLink": "Customers?$deltatoken=2" })
            }
            _ => json!({ "value": [], "@odata.deltaLink": "Customers?$deltatoken=2" }),
        };
        async move { axum::Json(document) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let base_url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    base_url
}

#[tokio::test]
async fn a_delta_link_is_followed_to_who_was_removed() {
    let base_url = following().await;
    let mapping = "name: Customers
source: rest-json
authentication: none
contact: {id: /ID, display-name: /Name}
changes: {path: /service/Customers, records: /value, entries: whole, paging: {kind: delta-link, size: 50}}
";
    let settings = json!({ "base-url": base_url, "mapping": mapping });
    let opening =
        Opening { connector: "mapped-crm", settings, origins: vec![base_url], secrets: BTreeMap::new(), vault: Arc::new(NoVault) };
    let mut driver = Driver::open(opening).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(driver.all_changes().await.into_iter().map(|contact| (contact.id, contact.deleted)).collect::<Vec<_>>());
    }
    assert_eq!(told, [vec![("7".to_owned(), false)], vec![("7".to_owned(), true)], vec![]]);
}

/// The contacts of a host as `id name identifiers…`, those deleted with a `-` before them.
async fn kept(host: &RunningHost) -> Vec<String> {
    let page = host.ask(axum::http::Method::GET, "/contacts", "application/json", "").await;
    let page: serde_json::Value = serde_json::from_slice(&page.body).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let contact = |contact: &serde_json::Value| {
        let record = &contact["record"];
        let identifiers = record["identifiers"].as_array().into_iter().flatten().map(|identifier| text(&identifier["value"]));
        let words: Vec<String> = [text(&record["id"]), text(&record["display_name"])].into_iter().chain(identifiers).collect();
        format!("{}{}", if contact["deleted"] == true { "-" } else { "" }, words.join(" ").trim())
    };
    let mut all: Vec<String> = page["items"].as_array().expect("a page").iter().map(contact).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_dropped_into_a_folder_become_contacts_once_they_are_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    let drop = folder.path().join("drop");
    std::fs::create_dir(&drop).expect("a folder");
    let mapping = include_str!("../../plugins/mapped-crm/mappings/csv-drop.yaml");
    std::fs::write(folder.path().join("crm.yaml"), mapping).expect("the mapping is written");
    let toml = format!(
        "connector = \"mapped-crm\"\ncomponent = \"{{component:mapped-crm}}\"\nsettings = {{ folder = {drop:?} }}\nfolders = [{drop:?}]\n\
         settings-files.mapping = \"crm.yaml\"\npoll-seconds = 0.1\n"
    );
    let host = RunningHost::start(folder.path(), &HostPlan::default().channel("branch", &toml)).await;
    let count = |wanted: usize| {
        move |desk: &sportello_server::desk::Desk| {
            desk.tenant.list(&CONTACTS, &[], None, Direction::Forward, 10).expect("the views can be read").len() == wanted
        }
    };

    let head = "Nr;Name;E-Mail;Tel;Saldo;Geändert;Gelöscht\r\n";
    let first = "7;\"Ada \"\"K\"\"; Countess\";ada@example.org;02 1234567;1.234,50;22/11/2026 10:15;N\r\n";
    let whole = format!("{head}{first}8;Bruno Müller;bruno@example.org;;0,00;22/11/2026 10:15;N\r\n#ENDE\r\n");
    let latin: Vec<u8> = whole.chars().map(|letter| u8::try_from(u32::from(letter)).expect("Latin-1")).collect();
    // As long as the first row is, and a bit: the second half comes when the first was looked at.
    let half = head.chars().count() + first.chars().count() + 9;
    std::fs::write(drop.join("contacts-1.csv"), &latin[..half]).expect("the first half is written");
    // A file of the future is noted in the cursor once it was looked at.
    let file = std::fs::File::options().append(true).open(drop.join("contacts-1.csv")).expect("the first half is there");
    file.set_modified(SystemTime::now() + Duration::from_secs(3600)).expect("its time is set");
    host.until("the first half was looked at", |desk| {
        let cursors = desk.tenant.list(&CURSORS, &[], None, Direction::Forward, 10).expect("the views can be read");
        cursors.iter().any(|row| format!("{row:?}").contains("waiting"))
    })
    .await;
    assert_eq!(kept(&host).await, [""; 0], "half an upload is nothing");
    std::fs::write(drop.join("contacts-1.csv"), &latin).expect("the whole file is written");
    host.until("both contacts are there", count(2)).await;
    assert_eq!(kept(&host).await, ["7 Ada \"K\"; Countess ada@example.org +39021234567 7", "8 Bruno Müller bruno@example.org 8"]);

    let update =
        format!("{head}8;Bruno Müller;;;0,00;23/11/2026 10:15;J\r\n9;Carla;carla@example.org;;-1,5;23/11/2026 10:15;N\r\n#ENDE\r\n");
    std::fs::write(drop.join("contacts-2.csv"), update).expect("an update is written");
    host.until("the third contact is there", count(3)).await;
    let expected = ["-8 Bruno Müller 8", "7 Ada \"K\"; Countess ada@example.org +39021234567 7", "9 Carla carla@example.org 9"];
    assert_eq!(kept(&host).await, expected);
    host.stop().await;
}

#[tokio::test]
async fn the_largest_files_are_read_within_the_limits_of_a_call() {
    let drop = tempfile::tempdir().expect("a folder");
    let mut text = String::from("id;name;mail;phone;city;since;balance;words\n");
    for number in 0..200_000 {
        let words = "x".repeat(68);
        let _ = writeln!(
            text,
            "{number};\"Name {number}, \"\"x\"\"\";name-{number}@example.org;02 {number:07};Città {number};22/11/2026;1.234,50;{words}"
        );
    }
    assert!((31 << 20..=32 << 20).contains(&text.len()), "nearly as large as a file may be: {}", text.len());
    std::fs::write(drop.path().join("all.csv"), text).expect("the file is written");
    let mapping = "name: Drop
source: csv
files: {names: all.csv, kind: full, complete: {quiet-seconds: 0}}
contact:
  id: /id
  display-name: /name
  identifiers: [{scheme: email, at: /mail}, {scheme: phone, at: /phone, country: \"+39\"}]
  attributes:
    city: /city
    since: {at: /since, cast: date, format: \"%d/%m/%Y\"}
    balance: {at: /balance, cast: decimal, decimal-mark: \",\", group-mark: \".\"}
table: {on-bad-row: skip}
";
    for (on_bad_row, empty_pages) in [("skip", 1), ("refuse", 8)] {
        let settings = json!({ "folder": drop.path(), "mapping": mapping.replace("skip", on_bad_row) });
        let opening = Opening { connector: "mapped-crm", settings, origins: vec![], secrets: BTreeMap::new(), vault: Arc::new(NoVault) };
        let mut driver = Driver::open(opening).await;
        for _ in 0..empty_pages {
            let page = driver.changes().await.expect("a look at the file");
            assert_eq!((page.contacts.len(), page.more), (0, true));
        }
        let begun = std::time::Instant::now();
        let page = loop {
            let page = driver.changes().await.expect("a page");
            if !page.contacts.is_empty() {
                break page;
            }
        };
        println!("{on_bad_row}: the first contacts after {:?}", begun.elapsed());
        assert_eq!((page.contacts.len(), page.more), (500, true));
        if on_bad_row == "skip" {
            let begun = std::time::Instant::now();
            let found = driver.look_up("email", "name-199999@example.org").await;
            println!("a look-up: {:?}", begun.elapsed());
            assert_eq!(found.iter().map(|contact| contact.id.as_str()).collect::<Vec<_>>(), ["199999"]);
        }
    }
}
