//! Whether the stand-in shows what the platform's own description knows. The description is not ours to keep here: who has it names it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Api;

/// The environment variable that names X's OpenAPI document.
const DOCUMENT: &str = "X_OPENAPI";

/// What a schema means, behind `$ref`.
fn resolved<'document>(document: &'document Value, schema: &'document Value) -> &'document Value {
    match schema["$ref"].as_str() {
        Some(name) => resolved(document, &document["components"]["schemas"][name.rsplit('/').next().unwrap_or_default()]),
        None => schema,
    }
}

/// The schemas a value may follow: itself, or what it is one or all of.
fn choices<'document>(document: &'document Value, schema: &'document Value) -> Vec<&'document Value> {
    let schema = resolved(document, schema);
    let mut all = vec![schema];
    for list in ["oneOf", "anyOf", "allOf"] {
        all.extend(schema[list].as_array().into_iter().flatten().flat_map(|choice| choices(document, choice)));
    }
    all
}

/// The description was renamed (`edit_history_post_ids`) before what the platform sends (`edit_history_tweet_ids`).
fn names_of(name: &str) -> [String; 2] {
    [name.to_owned(), name.replace("tweet", "post")]
}

/// Collects the places of properties no schema has.
fn strangers(document: &Value, schemas: &[&Value], value: &Value, place: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(rows) => {
            let items: Vec<&Value> =
                schemas.iter().filter_map(|schema| schema.get("items")).flat_map(|items| choices(document, items)).collect();
            rows.iter().for_each(|row| strangers(document, &items, row, &format!("{place}[]"), found));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let known = |schema: &&Value| names_of(name).iter().find_map(|name| schema["properties"].get(name)).cloned();
                let meant: Vec<Value> = schemas.iter().filter_map(known).collect();
                if meant.is_empty() {
                    found.insert(format!("{place}.{name}"));
                } else {
                    let meant: Vec<&Value> = meant.iter().flat_map(|schema| choices(document, schema)).collect();
                    strangers(document, &meant, value, &format!("{place}.{name}"), found);
                }
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn answers_hold_only_what_the_platforms_description_knows() {
    let Some(path) = std::env::var_os(DOCUMENT) else {
        println!("SKIPPED: {DOCUMENT} does not name X's OpenAPI document; the stand-in's answers were not compared with it");
        return;
    };
    let text = std::fs::read(&path).expect("a file");
    let document: Value = serde_json::from_slice(&text).expect("a JSON document");
    let api = Api::start().await;
    let ada = api.twitter.person("Ada");
    let own = api.twitter.post(&api.twitter.company(), "Notizie");
    let reply = api.twitter.reply(&ada, &own, "Aiuto");
    api.twitter.edit(&own, "Notizie!");
    api.twitter.partial_errors(true);
    let user_fields = "created_at,description,profile_image_url,protected,public_metrics,verified,verified_type,is_identity_verified,url";
    let all = [
        (
            "tweet.fields",
            "author_id,created_at,conversation_id,in_reply_to_user_id,referenced_tweets,entities,display_text_range,lang,possibly_sensitive,\
             reply_settings,paid_partnership,public_metrics,edit_controls",
        ),
        ("expansions", "author_id,referenced_tweets.id,entities.mentions.username,edit_history_tweet_ids"),
        ("user.fields", user_fields),
    ];
    let ids = format!("{own},{reply},999");
    let with_ids: Vec<(&str, &str)> = all.iter().copied().chain([("ids", ids.as_str())]).collect();
    let created = api.reply(&reply, "Eccoci").await;
    assert_eq!(created.status, 201);
    let answers = [
        ("/2/users/me", "get", "200", api.read("/2/users/me", &[("user.fields", user_fields)]).await),
        ("/2/users/{id}/mentions", "get", "200", api.read(&api.mentions_path(), &all).await),
        ("/2/users/{id}/tweets", "get", "200", api.read(&api.timeline_path(), &all).await),
        ("/2/tweets", "get", "200", api.read("/2/tweets", &with_ids).await),
        ("/2/tweets/{id}", "get", "200", api.read(&format!("/2/tweets/{reply}"), &all).await),
        ("/2/tweets", "post", "201", created.json().expect("JSON")),
    ];
    let mut found = BTreeSet::new();
    for (path, method, status, answer) in &answers {
        let schema = &document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"];
        assert_ne!(schema, &Value::Null, "the description has {method} {path}");
        strangers(&document, &choices(&document, schema), answer, &format!("{method} {path}"), &mut found);
    }
    assert!(found.is_empty(), "not known to the platform's description:\n{}", found.into_iter().collect::<Vec<_>>().join("\n"));
    let mut invented = BTreeSet::new();
    let schema = &document["paths"]["/2/users/me"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    strangers(&document, &choices(&document, schema), &json!({"data": {"mood": 1}}), "me", &mut invented);
    assert_eq!(invented, BTreeSet::from(["me.data.mood".to_owned()]), "the comparison itself finds something");
}
