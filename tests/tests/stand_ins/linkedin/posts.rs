//! The organisation's own posts, and who may act for it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Api, elements, encoded, refusal, refused};

fn document(api: &Api, commentary: &str) -> Value {
    json!({
        "author": api.linkedin.organization_urn(), "commentary": commentary, "visibility": "PUBLIC", "lifecycleState": "PUBLISHED",
        "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
        "isReshareDisabledByAuthor": false,
    })
}

fn list_path(api: &Api) -> String {
    format!("/rest/posts?q=author&author={}&sortBy=CREATED", encoded(&api.linkedin.organization_urn()))
}

#[tokio::test]
async fn a_post_stands_there_and_is_listed_newest_first() {
    let api = Api::start().await;
    api.linkedin.post("Per mano");
    api.linkedin.advance(Duration::from_secs(1));
    let made = api.post("/rest/posts", &document(&api, r"Dalle 8 \(lunedì\) 🙏")).await;
    assert_eq!(made.status, 201);
    let urn = made.header("x-restli-id");
    assert_eq!(api.linkedin.posts_by_api(), [(urn.to_owned(), "Dalle 8 (lunedì) 🙏".to_owned())]);
    let rows = api.all(&list_path(&api)).await;
    assert_eq!(
        rows.iter().map(|row| row["commentary"].as_str().expect("a text")).collect::<Vec<_>>(),
        [r"Dalle 8 \(lunedì\) 🙏", "Per mano"]
    );
    assert_eq!((&rows[0]["id"], rows[0]["createdAt"].as_i64()), (&json!(urn), Some(api.linkedin.now().as_millisecond())));
    assert_eq!(api.linkedin.counts().updates_made, 0, "nobody is told");
    api.linkedin.wrong_role(true);
    assert_eq!(elements(&api.get(&list_path(&api)).await.json().expect("JSON")), Vec::<Value>::new());
}

#[tokio::test]
async fn a_text_ends_at_the_first_reserved_character_without_a_backslash() {
    let api = Api::start().await;
    assert_eq!(api.post("/rest/posts", &document(&api, "Prezzo (nuovo): 5")).await.status, 201, "nobody is told");
    assert_eq!(api.linkedin.posts_by_api()[0].1, "Prezzo ");
}

#[tokio::test]
async fn what_is_no_post_of_the_organisation_is_refused() {
    let api = Api::start().await;
    let bad = refused(400, "ILLEGAL_ARGUMENT");
    for (field, value) in
        [("visibility", json!("SECRET")), ("lifecycleState", Value::Null), ("distribution", json!({})), ("commentary", json!(""))]
    {
        let mut document = document(&api, "x");
        document[field] = value;
        assert_eq!(refusal(&api.post("/rest/posts", &document).await), bad, "{field}");
    }
    assert_eq!(refusal(&api.post("/rest/posts", &document(&api, &"è".repeat(3_001))).await), bad);
    let mut other = document(&api, "x");
    other["author"] = json!("urn:li:person:x");
    assert_eq!(refusal(&api.post("/rest/posts", &other).await), refused(403, "ACCESS_DENIED"));
    assert_eq!(api.post("/rest/posts", &document(&api, "x")).await.status, 201);
    let double = api.post("/rest/posts", &document(&api, "x")).await;
    assert_eq!((double.status, &double.json().expect("JSON")["errorDetails"]["inputErrors"][0]["code"]), (422, &json!("DUPLICATE_POST")));
    assert_eq!(api.linkedin.posts_by_api().len(), 1);
}

#[tokio::test]
async fn the_members_role_is_told_while_it_is_there() {
    let api = Api::start().await;
    let path = "/rest/organizationAcls?q=roleAssignee&role=ADMINISTRATOR&state=APPROVED";
    let rows = api.all(path).await;
    assert_eq!((rows.len(), &rows[0]["organization"]), (1, &json!(api.linkedin.organization_urn())));
    assert_eq!(api.all("/rest/organizationAcls?q=roleAssignee&role=ANALYST").await.len(), 0);
    api.linkedin.wrong_role(true);
    assert_eq!(api.all(path).await.len(), 0);
}
