//! Cases, answers, channels, connectors, deliveries and workflows.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sportello_core::domain::access::Role;
use sportello_core::domain::delivery::{DELIVERIES, DeliveryState};
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::ids::{DeliveryId, EffectId};
use sportello_server::access::create_token;
use sportello_server::desk::Desk;
use sportello_tests::guests::guest;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::http_client::HttpClient;
use sportello_tests::stand_ins::facebook::DeliveryPlan;
use sportello_tests::stand_ins::linkedin::LinkedIn;
use sportello_tests::stand_ins::twitter::Twitter;

use super::client::{Stage, WORDS};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_idempotency_key_queues_one_effect() {
    let stage = Stage::new().await;
    stage.comment().await;
    stage.json(Role::Agent, Method::POST, "/cases/1/replies", &[], &json!({ "text": "Ciao" })).await.problem(400, "malformed");

    let together = futures_util::future::join_all((0..8).map(|_| stage.reply(1, "key-1", "Controlliamo subito"))).await;
    let statuses: Vec<u16> = together.iter().map(|told| told.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "one of them queued it: {statuses:?}");
    assert!(together.iter().all(|told| told.json["effect"] == 1), "all of them mean the same effect");
    let again = stage.reply(1, "key-1", "Controlliamo subito").await.expect(200);
    assert_eq!(again["effect"], 1);
    let detail = stage.reply(1, "key-1", "Qualcosa di diverso").await.problem(422, "invalid");
    assert!(detail.contains("effect 1"), "{detail}");

    let done = |desk: &Desk| desk.tenant.get(&EFFECTS, &EffectId(1)).unwrap().is_some_and(|effect| effect.state == EffectState::Done);
    stage.running.until("the answer is on the page", done).await;
    assert_eq!(stage.facebook.replies().len(), 1, "as counted by the platform");
    let effect = stage.get(Role::Agent, "/effects/1").await.expect(200);
    assert_eq!((effect["state"].as_str(), effect["asked_by"]["name"].as_str()), (Some("done"), Some("anna")));
    assert!(effect["receipt"]["native_id"].is_string(), "{effect}");

    // Another token's keys are its own.
    let path = "/cases/1/replies";
    let other = stage.json(Role::Operator, Method::POST, path, &[("idempotency-key", "key-1")], &json!({ "text": "Tutto a posto?" })).await;
    assert_eq!(other.expect(201)["effect"], 2);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_is_made_once_for_each_key_and_the_key_means_one_channel() {
    let folder = tempfile::tempdir().unwrap();
    let (twitter, linkedin) = (Twitter::start().await.unwrap(), LinkedIn::start().await.unwrap());
    let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 0").linkedin(&linkedin, "poll-seconds = 0");
    let running = RunningHost::start(folder.path(), &plan).await;
    let token = create_token(&running.desk().tenant, "test", "anna", Role::Agent).await.unwrap().secret;
    let (http, bearer) = (HttpClient::default(), format!("Bearer {token}"));
    let post = async |channel: &str, text: &str| {
        let url = running.url(&format!("/api/v1/demo/channels/{channel}/posts"));
        let headers = [("authorization", &*bearer), ("idempotency-key", "hours")];
        let answer = http.post_json(&url, &headers, &json!({ "text": text })).await.unwrap();
        (answer.status, answer.json().unwrap())
    };
    let words = "Da lunedì apriamo alle 8";
    let queued = post("twitter", words).await;
    assert_eq!((queued.0, &queued.1["effect"]), (201, &1.into()), "{queued:?}");
    assert_eq!(post("twitter", words).await.0, 200);
    let elsewhere = post("linkedin", words).await;
    assert_eq!(elsewhere.0, 422, "the other channel's post was taken for this one: {elsewhere:?}");
    assert_eq!(post("nowhere", words).await.0, 422);
    let done = |desk: &Desk| desk.tenant.get(&EFFECTS, &EffectId(1)).unwrap().is_some_and(|effect| effect.state == EffectState::Done);
    running.until("the post is made", done).await;
    running.stop().await;
    assert_eq!((twitter.counts().updates_made, linkedin.posts_by_api().len()), (1, 0), "as the platforms count");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_delivery_is_taken_in_once_the_channel_is_mended() {
    let stage = Stage::with_page_id(Some("42")).await;
    stage.comment().await;
    let parked = stage.get(Role::Viewer, "/deliveries?channel=facebook-page").await.expect(200);
    assert_eq!(parked["items"].as_array().unwrap().len(), 1, "{parked}");
    assert!(!parked["items"][0]["problem"].to_string().contains("42"), "the connector's words may quote the delivery: {parked}");
    let seen = stage.get(Role::Agent, "/deliveries/1").await.expect(200);
    assert!(seen.get("content").is_none(), "many people's words are not for agents");
    let seen = stage.get(Role::Operator, "/deliveries/1").await.expect(200);
    assert!(seen["content"]["body"].is_string());
    assert!(seen["content"]["problem"].as_str().unwrap().contains("42"), "the connector says why: {seen}");

    let replay = "/deliveries/1/replay";
    let detail = stage.post(Role::Operator, replay, &Value::Null).await.problem(422, "invalid");
    assert!(detail.contains("stays parked"), "{detail}");

    let mut settings = stage.get(Role::Operator, "/channels/facebook-page").await.expect(200)["settings"].take();
    settings["settings"]["page-id"] = stage.facebook.page_id().into();
    stage.json(Role::Operator, Method::PUT, "/channels/facebook-page", &[], &settings).await.expect(200);
    // Nobody has to ask for it: another generation of the connector is tried at once.
    let taken_in = |desk: &Desk| {
        let row = desk.tenant.get(&DELIVERIES, &DeliveryId(1)).unwrap();
        row.is_some_and(|row| row.state == DeliveryState::Replayed)
    };
    stage.running.until("the delivery is taken in", taken_in).await;
    let case = stage.get(Role::Agent, "/cases/1").await.expect(200);
    assert!(case.to_string().contains(WORDS), "{case}");
    stage.post(Role::Operator, replay, &Value::Null).await.problem(409, "conflict");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_goes_its_way_and_lists_page_without_gaps() {
    let stage = Stage::new().await;
    let post = stage.facebook.post(&stage.facebook.page(), "Manutenzione sabato");
    for number in 0..7 {
        let customer = stage.facebook.person(&format!("Cliente {number}"));
        stage.facebook.direct_message(&customer, &format!("Messaggio {number}"));
        stage.facebook.comment(&customer, &post, &format!("Commento {number}"));
    }
    stage.facebook.deliver(&DeliveryPlan::default()).await.unwrap();

    let all = stage.get(Role::Viewer, "/cases?limit=200&order=oldest").await.expect(200);
    let count = all["items"].as_array().unwrap().len();
    assert!(count >= 7, "{all}");
    let mut seen = Vec::new();
    let mut path = "/cases?state=open&limit=2&order=oldest".to_owned();
    loop {
        let page = stage.get(Role::Viewer, &path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|case| case["case"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/cases?state=open&limit=2&order=oldest&after={next}");
    }
    let expected: Vec<u64> = all["items"].as_array().unwrap().iter().map(|case| case["case"].as_u64().unwrap()).collect();
    assert_eq!(seen, expected, "pages hold every case once, in order");

    let assigned = stage.post(Role::Agent, "/cases/1/assign", &json!({ "owner": "anna" })).await.expect(200);
    assert_eq!((assigned["state"].as_str(), assigned["owner"].as_str()), (Some("assigned"), Some("anna")));
    stage.post(Role::Agent, "/cases/1/priority", &json!({ "priority": 80 })).await.expect(200);
    stage.post(Role::Agent, "/cases/1/priority", &json!({ "priority": 101 })).await.problem(422, "invalid");
    let resolved = stage.post(Role::Agent, "/cases/1/state", &json!({ "state": "resolved" })).await.expect(200);
    assert_eq!((resolved["state"].as_str(), resolved["priority"].as_u64()), (Some("resolved"), Some(80)));
    assert!(resolved["resolved_at"].as_str().unwrap().ends_with('Z'));

    let summary = stage.get(Role::Viewer, "/summary").await.expect(200);
    assert_eq!(summary["cases"]["resolved"], 1, "{summary}");
    assert_eq!(summary["cases"]["open"].as_u64().unwrap() as usize, count - 1, "{summary}");
    assert_eq!(summary["capped"], false);
    let people: u64 = summary["people"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(people, 7, "the page itself is nobody: {summary}");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_installed_granted_disabled_and_retired_over_the_api() {
    let stage = Stage::new().await;
    let operator = Some(stage.secret(Role::Operator));
    let wasm = [("content-type", "application/wasm")];
    let detail = stage.send(operator, Method::POST, "/connectors", &wasm, Bytes::from_static(b"no component")).await;
    assert!(detail.problem(422, "invalid").contains("not a WebAssembly file"));
    let installed = stage.send(operator, Method::POST, "/connectors", &wasm, guest("minimal").into()).await.expect(201);
    let digest = installed["digest"].as_str().unwrap().to_owned();
    let name = installed["name"].as_str().unwrap().to_owned();
    let listed = stage.get(Role::Viewer, "/connectors").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");

    let unknown = json!({ "digest": "00".repeat(32) });
    stage.post(Role::Operator, "/channels/facebook-page/grant", &unknown).await.problem(404, "not-found");
    let wrong = stage.post(Role::Operator, "/channels/facebook-page/grant", &json!({ "digest": digest })).await;
    assert!(matches!(wrong.status, 409 | 422), "a page is no channel of {name}: {}", wrong.json);
    let still = stage.get(Role::Viewer, "/channels/facebook-page").await.expect(200);
    assert_eq!(still["live"]["quarantine"]["state"], "serving", "{still}");
    assert_eq!(still["settings"], Value::Null, "settings are for operators");

    let off = stage.post(Role::Operator, "/channels/facebook-page/disable", &Value::Null).await.expect(200);
    assert_eq!((&off["enabled"], &off["live"]), (&json!(false), &Value::Null));
    let on = stage.post(Role::Operator, "/channels/facebook-page/enable", &Value::Null).await.expect(200);
    assert_eq!(on["live"]["capabilities"], json!(["webhook", "poll", "publish", "find"]), "{on}");

    let retired = stage.post(Role::Operator, &format!("/connectors/{digest}/retire"), &Value::Null).await.expect(200);
    assert_eq!(retired["retired"], true);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_with_problems_is_refused_with_all_of_them_and_a_good_one_runs() {
    let stage = Stage::new().await;
    let yaml = [("content-type", "application/yaml")];
    let operator = Some(stage.secret(Role::Operator));
    let wrong = "name: second-line\non: case.opend\nsteps:\n  - asign: second-line\n";
    let told = stage.send(operator, Method::PUT, "/workflows/second-line", &yaml, wrong.into()).await;
    let problems = told.json["problems"].as_array().unwrap().clone();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!((problems[0]["line"].as_u64(), problems[1]["line"].as_u64()), (Some(2), Some(4)));
    told.problem(422, "invalid");
    stage.get(Role::Viewer, "/workflows/second-line").await.problem(404, "not-found");

    let right = "name: second-line\non: case.opened\nsteps:\n  - assign: second-line\n  - wait: {for: 2h}\n";
    let defined = stage.send(operator, Method::PUT, "/workflows/second-line", &yaml, right.into()).await.expect(200);
    assert_eq!((defined["on"].as_str(), defined["source"].as_str()), (Some("case.opened"), Some(right)));
    stage.send(operator, Method::PUT, "/workflows/other", &yaml, right.into()).await.problem(422, "invalid");

    stage.comment().await;
    let runs = stage.get(Role::Viewer, "/cases/1/runs").await.expect(200);
    assert_eq!(runs["items"][0]["waiting"]["for"], "timer", "{runs}");
    let cancelled = stage.post(Role::Operator, "/runs/1/cancel", &Value::Null).await.expect(200);
    assert_eq!(cancelled["waiting"]["ending"], json!({ "how": "cancelled", "by": "otto" }));
    let retired = stage.post(Role::Operator, "/workflows/second-line/retire", &Value::Null).await.expect(200);
    assert_eq!(retired["retired"], true);
    stage.running.stop().await;
}
