//! Recognising people, taking it back, and forgetting them.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sportello_core::commands::{ContactNews, TakeContacts};
use sportello_core::domain::access::Role;
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::profile::Identified;
use sportello_core::ids::{ChannelName, InteractionId};
use sportello_server::tenant::content::ContactContent;

use super::client::{NAME, Stage, WORDS};

/// A contact of a CRM that no profile shares an identifier with; gives its number.
async fn contact(stage: &Stage) -> u64 {
    let settings = json!({ "connector": "legacy-crm" });
    stage.json(Role::Operator, Method::PUT, "/channels/crm", &[], &settings).await.expect(201);
    let channel = ChannelName::new("crm").unwrap();
    let tenant = &stage.running.desk().tenant;
    let contact = tenant.contact_of(&channel, "C-1").unwrap();
    let content = ContactContent { id: "C-1".to_owned(), display_name: Some("Niccolò Però SRL".to_owned()), ..ContactContent::default() };
    let identifiers = vec![Identified { scheme: "email".to_owned(), identifier: tenant.identifier_of("email", "n@example.org").unwrap() }];
    let sealed = tenant.seal(contact.slot(), &content).unwrap();
    let news = ContactNews { contact, version: [1; 16], sealed, identifiers, deleted: false };
    tenant.submit("test", TakeContacts { channel, contacts: vec![news], cursor: None }).await.unwrap();
    contact.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unlink_restores_exactly() {
    let stage = Stage::new().await;
    stage.comment().await;
    let contact = contact(&stage).await;
    let case = stage.get(Role::Agent, "/cases/1").await.expect(200);
    let profile = case["case"]["profile"].as_u64().unwrap();
    let person = case["person"]["person"].as_u64().unwrap();
    let pending = |desk: &sportello_server::desk::Desk| {
        let row = desk.tenant.get(&sportello_core::domain::profile::PROFILES, &sportello_core::ids::ProfileId(profile)).unwrap();
        row.is_some_and(|row| row.look_up != sportello_core::domain::profile::LookUp::Pending)
    };
    stage.running.until("the look-up was answered", pending).await;

    let paths = [
        format!("/profiles/{profile}"),
        format!("/people/{person}"),
        format!("/people/{person}/history"),
        format!("/contacts/{contact}"),
        "/cases/1".to_owned(),
        "/people".to_owned(),
    ];
    let mut before = Vec::new();
    for path in &paths {
        before.push(stage.get(Role::Agent, path).await.expect(200));
    }
    assert_eq!(before[0]["standing"], "prospect", "{}", before[0]);

    let given = json!({ "contact": contact, "reason": "said so on the phone", "basis": "legitimate-interest" });
    let link = stage.post(Role::Agent, &format!("/profiles/{profile}/link"), &given).await.expect(200);
    assert_eq!(link["evidence"], json!({ "kind": "decision", "by": "anna", "reason": "said so on the phone" }));
    let linked = stage.get(Role::Agent, "/cases/1").await.expect(200);
    assert_eq!(linked["person"]["standing"], "customer", "{linked}");
    assert_ne!(linked["person"]["person"], person, "the case shows the contact's person");
    let history = stage.get(Role::Agent, &format!("/people/{}/history", linked["person"]["person"])).await.expect(200);
    assert!(history.to_string().contains(WORDS), "the contact's person has the profile's history: {history}");

    let unlink = format!("/profiles/{profile}/unlink");
    stage.post(Role::Agent, &unlink, &json!({ "reason": " " })).await.problem(422, "invalid");
    let ended = stage.post(Role::Agent, &unlink, &json!({ "reason": "a namesake" })).await.expect(200);
    assert_eq!(ended["ended_because"], "a namesake");
    for (path, before) in paths.iter().zip(&before) {
        assert_eq!(&stage.get(Role::Agent, path).await.expect(200), before, "{path} is as it was");
    }
    stage.post(Role::Agent, &unlink, &json!({ "reason": "again" })).await.problem(409, "conflict");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasing_a_person_removes_words_from_the_api() {
    let stage = Stage::new().await;
    stage.comment().await;
    let case = stage.get(Role::Agent, "/cases/1").await.expect(200);
    assert!(case.to_string().contains(WORDS) && case.to_string().contains(NAME), "{case}");
    let profile = case["case"]["profile"].as_u64().unwrap();
    let person = case["person"]["person"].as_u64().unwrap();
    let latest = case["interactions"][0]["interaction"].as_u64().unwrap();

    let admin = Some(stage.secret(Role::Admin));
    let path = format!("/people/{person}");
    stage.send(admin, Method::DELETE, &path, &[], Bytes::new()).await.expect(202);
    let gone = |desk: &sportello_server::desk::Desk| {
        desk.tenant.get(&INTERACTIONS, &InteractionId(latest)).unwrap().is_some_and(|row| row.withdrawn && row.sealed.is_empty())
    };
    stage.running.until("the words are given up", gone).await;

    for path in ["/cases/1".to_owned(), path, format!("/people/{person}/history"), format!("/profiles/{profile}")] {
        let told = stage.get(Role::Admin, &path).await;
        assert_eq!(told.status, 200, "{path} still shows structure");
        let text = told.answer.text();
        assert!(!text.contains(WORDS) && !text.contains(NAME), "{path}: {text}");
    }
    let erased = stage.get(Role::Admin, &format!("/profiles/{profile}")).await.expect(200);
    assert_eq!((&erased["erased"], &erased["names"]), (&json!(true), &Value::Null));
    // There is nowhere left to answer to.
    let detail = stage.reply(1, "after", "Ci dispiace").await.problem(409, "conflict");
    assert!(detail.contains("given up"), "{detail}");
    stage.running.stop().await;
}
