//! Who may do what, and what a request must look like.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sportello_core::domain::access::Role;
use sportello_server::access::ROLES;

use super::client::{NAME, Stage, WORDS};

const ALL: [Role; 4] = [Role::Viewer, Role::Agent, Role::Operator, Role::Admin];

fn word(role: Role) -> &'static str {
    ["viewer", "agent", "operator", "admin"][ALL.iter().position(|known| *known == role).unwrap()]
}

/// A path of a route, with something where its parameters stand.
fn filled(pattern: &str) -> String {
    let parts = pattern.split('/').map(|part| match part {
        "{channel}" => "facebook-page",
        "{workflow}" => "greet",
        "{digest}" => "0000000000000000000000000000000000000000000000000000000000000000",
        part if part.starts_with('{') => "1",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_lesser_role_is_refused_with_the_role_it_lacks() {
    let stage = Stage::new().await;
    stage.comment().await;
    for (method, pattern, needed) in ROLES {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for role in ALL.into_iter().filter(|role| role < needed) {
            let told = stage.send(Some(stage.secret(role)), method.clone(), &filled(pattern), &[], Bytes::new()).await;
            assert_eq!(told.json["needed_role"], word(*needed), "{method} {pattern} as {}", word(role));
            let detail = told.problem(403, "needs-role");
            assert!(detail.contains(word(*needed)) && detail.contains(word(role)), "{detail}");
        }
        let told = stage.send(None, method.clone(), &filled(pattern), &[], Bytes::new()).await;
        assert_eq!(told.answer.header("www-authenticate"), "Bearer realm=\"sportello\"", "{method} {pattern}");
        told.problem(401, "unauthorized");
    }
    for record in stage.running.desk().tenant.records(1).unwrap() {
        let actor = record.unwrap().1.actor;
        assert!(!["vera", "anna", "otto"].contains(&actor.as_str()), "something was recorded for {actor}, who may not");
    }
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_only_its_own_tenant_and_says_nothing_of_others() {
    let stage = Stage::new().await;
    let bearer = format!("Bearer {}", stage.secret(Role::Admin));
    let url = stage.running.url("/api/v1/another/cases");
    let answer = stage.http.send(Method::GET, &url, &[("authorization", &bearer)], Bytes::new()).await.unwrap();
    assert_eq!(answer.status, 401);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_stops_at_once() {
    let stage = Stage::new().await;
    let made = stage.post(Role::Admin, "/tokens", &json!({ "name": "bruno", "role": "agent" })).await.expect(201);
    let (id, secret) = (made["token"]["token"].as_u64().unwrap(), made["secret"].as_str().unwrap().to_owned());
    let me = stage.send(Some(&secret), Method::GET, "/me", &[], Bytes::new()).await.expect(200);
    assert_eq!((me["name"].as_str(), me["role"].as_str()), (Some("bruno"), Some("agent")));

    let path = format!("/tokens/{id}");
    let revoked = stage.send(Some(stage.secret(Role::Admin)), Method::DELETE, &path, &[], Bytes::new()).await.expect(200);
    assert_eq!(revoked["revoked"], true);
    stage.send(Some(&secret), Method::GET, "/me", &[], Bytes::new()).await.problem(401, "unauthorized");

    let listed = stage.get(Role::Admin, "/tokens").await;
    assert!(!listed.answer.text().contains(&secret), "a secret is shown once");
    let detail = stage.post(Role::Admin, "/tokens", &json!({ "name": "channel:x", "role": "agent" })).await.problem(422, "invalid");
    assert!(detail.contains("':'"), "{detail}");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_sees_no_words() {
    let stage = Stage::new().await;
    stage.comment().await;
    stage.reply(1, "first", "Controlliamo subito la linea").await.expect(201);
    let contact = stage.contact().await;
    let case = stage.get(Role::Agent, "/cases/1").await.expect(200);
    let link = json!({ "contact": contact, "reason": "said so", "basis": "legitimate-interest" });
    stage.post(Role::Agent, &format!("/profiles/{}/link", case["case"]["profile"]), &link).await.expect(200);
    let mut shown = 0;
    for (method, pattern, needed) in ROLES {
        if *method != "GET" || *needed > Role::Viewer || *pattern == "/events" {
            continue;
        }
        let path = pattern
            .replace("{conversation}", &case["case"]["conversation"].to_string())
            .replace("{interaction}", &case["interactions"][0]["interaction"].to_string())
            .replace("{profile}", &case["case"]["profile"].to_string())
            .replace("{person}", &case["person"]["person"].to_string())
            .replace("{contact}", &contact.to_string());
        let told = stage.get(Role::Viewer, &filled(&path)).await;
        let has_none = ["/deliveries/{delivery}", "/workflows/{workflow}", "/runs/{run}"].contains(pattern);
        assert_eq!(told.status, if has_none { 404 } else { 200 }, "{path}: {}", told.json);
        shown += u32::from(!has_none);
        let text = told.answer.text();
        for words in [WORDS, NAME, "Controlliamo"] {
            assert!(!text.contains(words), "{path} shows {words:?} to a viewer: {text}");
        }
    }
    assert!(shown >= 20, "{shown} routes were looked at");
    let case = stage.get(Role::Viewer, "/cases/1").await.expect(200);
    assert_eq!(case["case"]["state"], "open", "a viewer sees structure");
    assert_eq!((&case["profile"]["names"], &case["interactions"][0]["words"]), (&Value::Null, &Value::Null));

    let seen = stage.get(Role::Agent, "/cases/1").await.expect(200);
    assert_eq!(seen["profile"]["names"]["display_name"], NAME, "{seen}");
    let effects = stage.get(Role::Agent, "/cases/1/effects").await.expect(200);
    assert_eq!(effects["items"][0]["words"]["text"], "Controlliamo subito la linea");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_is_in_the_openapi_document() {
    let stage = Stage::new().await;
    let answer = stage.http.get(&stage.running.url("/api/openapi.json"), &[]).await.unwrap();
    let document = answer.json().unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let short = path.strip_prefix("/api/v1/{tenant}").unwrap_or_else(|| panic!("{path} is outside of the API"));
        for (method, operation) in item.as_object().unwrap() {
            described.insert((method.to_uppercase(), short.to_owned()));
            assert!(operation["x-needed-role"].is_string(), "{method} {path} needs no role");
            assert!(operation["summary"].is_string(), "{method} {path} says nothing of itself");
            let named = path.matches('{').count();
            let given = operation["parameters"].as_array().unwrap().iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(given, named, "{method} {path}: every path parameter is described");
        }
    }
    let known: BTreeSet<_> = ROLES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, known, "the table of roles and the document list the same routes");
    for (method, pattern, _) in ROLES {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let told = stage.send(None, method.clone(), &filled(pattern), &[], Bytes::new()).await;
        assert_eq!(told.status, 401, "{method} {pattern} is served");
    }
    check_references(&document, &document);
    stage.running.stop().await;
}

/// Every `$ref` leads somewhere.
fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
            }
            fields.values().for_each(|value| check_references(document, value));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(document, item)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_request_is_told_what_is_wrong_with_it() {
    let stage = Stage::new().await;
    stage.comment().await;
    let detail = stage.post(Role::Agent, "/cases/1/state", &json!({ "state": "waiting", "colour": 1 })).await.problem(422, "invalid");
    assert!(detail.contains("colour"), "{detail}");
    let detail = stage.get(Role::Viewer, "/cases?colour=red").await.problem(400, "malformed");
    assert!(detail.contains("colour"), "{detail}");
    let detail = stage.post(Role::Agent, "/cases/1/assign", &json!({})).await.problem(422, "invalid");
    assert!(detail.contains("owner"), "{detail}");
    stage.post(Role::Agent, "/cases/7/state", &json!({ "state": "waiting" })).await.problem(404, "not-found");
    stage.get(Role::Viewer, "/cases/seven").await.problem(404, "not-found");
    stage.get(Role::Viewer, "/nowhere").await.problem(404, "no-route");
    stage.get(Role::Viewer, "/cases/1/assign").await.problem(405, "method");
    stage.post(Role::Agent, "/cases/1/state", &json!({ "state": "assigned" })).await.problem(409, "conflict");
    stage.get(Role::Viewer, "/cases?after=!").await.problem(422, "invalid");
    stage.get(Role::Viewer, "/cases?limit=0").await.problem(422, "invalid");
    let headers = [("content-type", "application/json")];
    let agent = Some(stage.secret(Role::Agent));
    stage.send(agent, Method::POST, "/cases/1/state", &headers, Bytes::from_static(b"{")).await.problem(400, "malformed");
    let large = Bytes::from(vec![b' '; 300 * 1024]);
    stage.send(agent, Method::POST, "/cases/1/state", &headers, large).await.problem(413, "too-large");
    stage.send(agent, Method::POST, "/cases/1/state", &[], Bytes::new()).await.problem(415, "media-type");
    stage.running.stop().await;
}
