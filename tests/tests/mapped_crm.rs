//! The connector for CRMs by mapping, as built for WebAssembly and run by our runtime, with its mapping for Request Tracker against the real one.
//! Where that is missing a test says so and passes; in CI it fails (see `servers::require`).

#[allow(dead_code, reason = "the driver is shared with the tests of other connectors")]
#[path = "connectors/driver.rs"]
mod driver;

use std::collections::BTreeMap;

use driver::{Driver, activity};
use serde_json::json;
use sportello_runtime::contract::{ConnectorError, Contact, Presence};
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
    let all = tracker.get("/tickets", &[("query", "id > 0")]).await.expect("all tickets");
    assert_eq!(all["total"], 1, "{all}");

    let found = driver.find(&effect).await;
    assert!(matches!(&found, Ok(Presence::Present(found)) if found.native_id == receipt.native_id && found.at.is_some()), "{found:?}");
    assert_eq!(driver.find(&activity("run-1-11", ada, "x")).await, Ok(Presence::Absent), "a key is found as a whole");
    assert_eq!(driver.find(&activity("run-1", ada, "x")).await, Ok(Presence::Absent), "and not by its beginning");
    let nobody = driver.publish(&activity("run-1-2", 999_999, "x")).await;
    assert!(matches!(&nobody, Err(ConnectorError::Reject(reason)) if reason.contains("no such contact")), "{nobody:?}");
}
