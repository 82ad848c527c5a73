//! Replies and posts through the Graph API.

use serde_json::{Value, json};
use sportello_tests::stand_ins::DeliveryPlan;
use sportello_tests::stand_ins::facebook::{FacebookSettings, Permission};

use super::{Graph, changes, code_of, subscribed};

#[tokio::test]
async fn a_reply_is_counted_each_time_and_echoes_back() {
    let (graph, post) = Graph::start().await;
    let receiver = subscribed(&graph.facebook).await;
    let ada = graph.facebook.person("Ada");
    let comment = graph.facebook.comment(&ada, &post, "Aiuto");
    let first = graph.reply(&comment, "Ci siamo: è un guasto").await;
    assert_eq!(first.status, 200);
    let id = first.json().expect("JSON")["id"].as_str().expect("an id").to_owned();
    assert_eq!(graph.facebook.replies_to(&comment).len(), 1);
    assert!(graph.facebook.doubled_replies().is_empty());
    let bearer = format!("Bearer {}", graph.facebook.access_token());
    let url = format!("{}/v21.0/{comment}/comments", graph.facebook.graph_url());
    let second =
        graph.http.post_json(&url, &[("authorization", &bearer)], &json!({"message": "Ci siamo: è un guasto"})).await.expect("an answer");
    assert_eq!(second.status, 200, "the platform takes the same words twice");
    assert_ne!(second.json().expect("JSON")["id"], json!(id));
    assert_eq!(graph.facebook.doubled_replies().len(), 1, "and the books show it");
    graph.facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let echo = changes(&receiver).into_iter().find(|change| change["value"]["comment_id"] == json!(id)).expect("the reply's echo");
    assert_eq!(echo["value"]["from"]["name"], "Telefonia Sole");
}

#[tokio::test]
async fn a_post_is_published_listed_and_echoed_and_refused_right_after_itself() {
    let (graph, older) = Graph::start().await;
    let receiver = subscribed(&graph.facebook).await;
    let made = graph.publish(&[("message", "Dalle 8 (lunedì) 🙏\n")]).await;
    assert_eq!(made.status, 200);
    let id = made.json().expect("JSON")["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with(&format!("{}_", graph.facebook.page_id())), "{id}");
    assert_eq!(code_of(&graph.publish(&[("message", "Dalle 8 (lunedì) 🙏")]).await), (400, 506, None));
    let other = graph.publish(&[("message", "Altro")]).await.json().expect("JSON")["id"].clone();
    let twin = graph.publish(&[("message", "Dalle 8 (lunedì) 🙏")]).await;
    assert_eq!(twin.status, 200, "with another between them the same words are taken twice");
    let texts: Vec<String> = graph.facebook.posts_by_api().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["Dalle 8 (lunedì) 🙏", "Altro", "Dalle 8 (lunedì) 🙏"], "and the books show it");

    graph.facebook.post(&graph.facebook.person("Ada"), "Un saluto");
    let path = format!("/v21.0/{}/published_posts", graph.facebook.page_id());
    let first = graph.get(&path, &[("limit", "2"), ("fields", "id,message,created_time")]).await.json().expect("JSON");
    let ids = |page: &Value| -> Vec<Value> { page["data"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect() };
    assert_eq!(ids(&first), [twin.json().expect("JSON")["id"].clone(), other]);
    let next = graph.http.get(first["paging"]["next"].as_str().expect("there is more"), &[]).await.expect("an answer");
    assert_eq!(ids(&next.json().expect("JSON")), [json!(id), json!(older)], "newest first, the page's own alone");

    graph.facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let echo = changes(&receiver).into_iter().find(|change| change["value"]["post_id"] == json!(id)).expect("the post's echo");
    assert_eq!((&echo["value"]["item"], &echo["value"]["from"]["name"]), (&json!("status"), &json!("Telefonia Sole")));
}

#[tokio::test]
async fn who_is_not_allowed_to_post_or_to_read_is_refused() {
    let permissions = vec![Permission::ReadEngagement];
    let (graph, post) = Graph::start_with(FacebookSettings { permissions, ..FacebookSettings::default() }).await;
    let path = format!("/v21.0/{}/published_posts", graph.facebook.page_id());
    assert_eq!(code_of(&graph.publish(&[("message", "x")]).await), (403, 200, None));
    assert_eq!(code_of(&graph.reply(&post, "x").await), (403, 200, None));
    assert_eq!(graph.get(&path, &[]).await.status, 200);
    let permissions = vec![Permission::ManagePosts, Permission::ManageEngagement];
    let (graph, post) = Graph::start_with(FacebookSettings { permissions, ..FacebookSettings::default() }).await;
    assert_eq!(code_of(&graph.publish(&[("message", "x")]).await), (403, 200, None), "posting needs reading, too");
    assert_eq!(code_of(&graph.get(&path, &[]).await), (403, 10, None));
    assert_eq!(graph.reply(&post, "x").await.status, 200);
    assert!(graph.facebook.posts_by_api().is_empty());
}

#[tokio::test]
async fn a_post_without_words_or_with_what_is_not_modelled_is_refused() {
    let (graph, _) = Graph::start().await;
    for fields in [&[][..], &[("message", " \n")], &[("message", "x"), ("published", "false")]] {
        assert_eq!(code_of(&graph.publish(fields).await), (400, 100, None), "{fields:?}");
    }
    graph.facebook.expire_token();
    assert_eq!(code_of(&graph.publish(&[("message", "x")]).await), (400, 190, Some(463)));
    assert!(graph.facebook.posts_by_api().is_empty(), "nothing refused was done");
}
