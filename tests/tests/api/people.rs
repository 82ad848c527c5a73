//! Recognising people, taking it back, and forgetting them.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sportello_core::domain::access::Role;
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::profile::{LookUp, PROFILES};
use sportello_core::ids::{InteractionId, ProfileId};
use sportello_server::desk::Desk;
use sportello_tests::stand_ins::facebook::DeliveryPlan;

use super::client::{NAME, Stage, WORDS};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unlink_restores_exactly() {
    let stage = Stage::new().await;
    stage.comment().await;
    let contact = stage.contact().await;
    let case = stage.get(Role::Agent, "/cases/1").await.expect(200);
    let profile = case["case"]["profile"].as_u64().unwrap();
    let person = case["person"]["person"].as_u64().unwrap();
    let answered = |desk: &Desk| {
        let row = desk.tenant.get(&PROFILES, &ProfileId(profile)).unwrap();
        row.is_some_and(|row| row.look_up != LookUp::Pending)
    };
    stage.running.until("the look-up was answered", answered).await;

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
async fn what_a_message_leaves_unsaid_of_somebody_is_still_known() {
    let stage = Stage::new().await;
    let customer = stage.facebook.person(NAME);
    let deliver = async || stage.facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    stage.facebook.comment(&customer, &stage.facebook.post(&stage.facebook.page(), "Manutenzione sabato"), WORDS);
    deliver().await;
    let case = stage.get(Role::Agent, "/cases/1").await.expect(200);
    let path = format!("/profiles/{}", case["case"]["profile"]);
    let known = stage.get(Role::Agent, &path).await.expect(200)["names"].take();
    assert_eq!(known["display_name"], NAME);
    // It carries nothing of its sender but the id.
    stage.facebook.direct_message(&customer, "E adesso?");
    deliver().await;
    let history = stage.get(Role::Agent, &format!("{path}/interactions")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 2, "{history}");
    assert_eq!(stage.get(Role::Agent, &path).await.expect(200)["names"], known);
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
    let gone = |desk: &Desk| {
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
