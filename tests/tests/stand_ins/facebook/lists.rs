//! Lists of posts and comments: the wall, who may read, cursors of what is gone.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use sportello_tests::stand_ins::facebook::{FacebookSettings, Permission};

use super::{Graph, code_of};

fn rows(page: &Value) -> &Vec<Value> {
    page["data"].as_array().expect("rows")
}

fn ids(page: &Value) -> Vec<&str> {
    rows(page).iter().map(|row| row["id"].as_str().expect("an id")).collect()
}

/// <https://developers.facebook.com/docs/graph-api/reference/page/feed>
#[tokio::test]
async fn the_wall_lists_posts_of_everybody_newest_first_in_pages_by_cursor() {
    let (graph, first) = Graph::start().await;
    let ada = graph.facebook.person("Ada");
    let posts: Vec<String> = (0..4).map(|number| graph.facebook.post(&ada, &number.to_string())).collect();
    graph.facebook.mention(&ada, "Altrove");
    graph.facebook.comment(&ada, &first, "Sotto");
    let path = format!("/v21.0/{}/feed", graph.facebook.page_id());
    let fields = ("fields", "id,message,from,created_time,updated_time");
    let mut page = graph.get(&path, &[("limit", "2"), fields]).await.json().expect("JSON");
    assert_eq!(rows(&page)[0]["from"]["name"], "Ada");
    let mut seen = Vec::new();
    loop {
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["paging"]["next"].as_str() else { break };
        page = graph.http.get(next, &[]).await.expect("an answer").json().expect("JSON");
    }
    let newest_first: Vec<String> = posts.iter().rev().chain([&first]).cloned().collect();
    assert_eq!(seen, newest_first, "the page's and its visitors', not what stands elsewhere, no comments");
    let bare = graph.get(&path, &[]).await.json().expect("JSON");
    let newest = &rows(&bare)[0];
    assert_eq!(*newest, json!({"created_time": newest["created_time"], "message": "3", "id": posts[3]}), "what is shown unasked");
}

/// <https://developers.facebook.com/docs/graph-api/reference/post>: when it was created, last edited, or commented on last.
#[tokio::test]
async fn a_posts_updated_time_moves_with_what_is_written_below_it() {
    let now: Timestamp = "2026-01-15T12:00:00Z".parse().expect("a time");
    let (graph, post) = Graph::start_with(FacebookSettings { now, ..FacebookSettings::default() }).await;
    let ada = graph.facebook.person("Ada");
    let updated =
        async || graph.get(&format!("/v21.0/{post}"), &[("fields", "updated_time")]).await.json().expect("JSON")["updated_time"].clone();
    let mut times = vec![updated().await];
    graph.facebook.advance(Duration::from_secs(60));
    let comment = graph.facebook.comment(&ada, &post, "Aiuto");
    times.push(updated().await);
    graph.facebook.advance(Duration::from_secs(60));
    graph.facebook.comment(&ada, &comment, "Risposta");
    times.push(updated().await);
    graph.facebook.advance(Duration::from_secs(60));
    graph.facebook.edit(&post, "Notizie!");
    times.push(updated().await);
    assert_eq!(times, ["00", "01", "02", "03"].map(|minute| json!(format!("2026-01-15T12:{minute}:00+0000"))));
    let refused = graph.get(&format!("/v21.0/{comment}"), &[("fields", "updated_time")]).await;
    assert_eq!(code_of(&refused), (400, 100, None), "a comment has none");
}

#[tokio::test]
async fn the_wall_is_read_since_a_moment_and_until_one_and_no_more_than_a_hundred_at_once() {
    let now: Timestamp = "2026-01-15T12:00:00Z".parse().expect("a time");
    let (graph, first) = Graph::start_with(FacebookSettings { now, ..FacebookSettings::default() }).await;
    let ada = graph.facebook.person("Ada");
    graph.facebook.advance(Duration::from_secs(60));
    let second = graph.facebook.post(&ada, "Un minuto dopo");
    graph.facebook.comment(&ada, &first, "Sotto");
    let path = format!("/v21.0/{}/feed", graph.facebook.page_id());
    let moment = (now.as_second() + 1).to_string();
    let since = graph.get(&path, &[("since", &moment)]).await.json().expect("JSON");
    assert_eq!(ids(&since), [second.as_str()], "of when they were made: what shows less");
    let until = graph.get(&path, &[("until", &moment)]).await.json().expect("JSON");
    assert_eq!(ids(&until), [first.as_str()]);
    for query in [("limit", "101"), ("since", "yesterday"), ("fields", "mood"), ("after", "nonsense"), ("order", "x")] {
        assert_eq!(code_of(&graph.get(&path, &[query]).await), (400, 100, None), "{query:?}");
    }
    assert_eq!(code_of(&graph.get(&path["/v21.0".len()..], &[]).await), (400, 2500, None), "the version is missing");
}

/// <https://developers.facebook.com/docs/graph-api/reference/page-post>, and what is seen where one is missing:
/// <https://github.com/pdir/social-feed-bundle/issues/184>.
#[tokio::test]
async fn who_may_not_read_what_people_write_is_refused() {
    let (graph, post) = Graph::start().await;
    let lists = [format!("/v21.0/{}/feed", graph.facebook.page_id()), format!("/v21.0/{post}/comments")];
    for missing in [Permission::ReadEngagement, Permission::ReadUserContent] {
        let others: Vec<Permission> = Permission::ALL.into_iter().filter(|permission| *permission != missing).collect();
        for path in &lists {
            graph.facebook.allow(&others);
            assert_eq!(code_of(&graph.get(path, &[]).await), (403, 10, None), "{path} without {missing:?}");
            graph.facebook.allow(&Permission::ALL);
            assert_eq!(graph.get(path, &[]).await.status, 200);
        }
    }
    graph.facebook.allow(&[Permission::ReadUserContent]);
    assert_eq!(code_of(&graph.get(&format!("/v21.0/{post}"), &[]).await), (403, 10, None), "a single post");
    graph.facebook.allow(&Permission::ALL);
    graph.facebook.expire_token();
    for path in &lists {
        assert_eq!(code_of(&graph.get(path, &[]).await), (400, 190, Some(463)));
    }
}

#[tokio::test]
async fn a_cursor_of_what_is_gone_is_refused() {
    let (graph, post) = Graph::start().await;
    let ada = graph.facebook.person("Ada");
    let comments: Vec<String> = (0..3).map(|number| graph.facebook.comment(&ada, &post, &number.to_string())).collect();
    let page = graph.get(&format!("/v21.0/{post}/comments"), &[("limit", "1")]).await.json().expect("JSON");
    graph.facebook.remove(&comments[0]);
    let next = graph.http.get(page["paging"]["next"].as_str().expect("more"), &[]).await.expect("an answer");
    assert_eq!(code_of(&next), (400, 100, None));
}

/// <https://developers.facebook.com/docs/graph-api/reference/page-post/comments>: reading what was just written may be delayed.
#[tokio::test]
async fn lists_may_lag_behind_what_can_be_read_by_its_id() {
    let (graph, post) = Graph::start().await;
    graph.facebook.late_lists(Duration::from_secs(60));
    let comment = graph.facebook.comment(&graph.facebook.person("Ada"), &post, "Aiuto");
    let path = format!("/v21.0/{post}/comments");
    assert!(rows(&graph.get(&path, &[]).await.json().expect("JSON")).is_empty());
    assert_eq!(graph.get(&format!("/v21.0/{comment}"), &[]).await.status, 200);
    graph.facebook.advance(Duration::from_secs(60));
    assert_eq!(ids(&graph.get(&path, &[]).await.json().expect("JSON")), [comment.as_str()]);
}

#[tokio::test]
async fn comments_are_listed_in_pages_by_cursor() {
    let (graph, post) = Graph::start().await;
    let ada = graph.facebook.person("Ada");
    let comments: Vec<String> = (0..7).map(|number| graph.facebook.comment(&ada, &post, &number.to_string())).collect();
    let below = graph.facebook.comment(&ada, &comments[0], "below");
    let mut page = graph
        .get(&format!("/v21.0/{post}/comments"), &[("limit", "3"), ("fields", "id,message,from{id,name}")])
        .await
        .json()
        .expect("JSON");
    let mut seen = Vec::new();
    loop {
        seen.extend(page["data"].as_array().expect("rows").iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        assert!(page["paging"]["cursors"]["after"].is_string());
        let Some(next) = page["paging"]["next"].as_str() else { break };
        page = graph.http.get(next, &[]).await.expect("an answer").json().expect("JSON");
    }
    assert_eq!(seen, comments, "top level only, oldest first, nothing twice");
    let answers = graph.get(&format!("/v21.0/{}/comments", comments[0]), &[]).await.json().expect("JSON");
    assert_eq!((answers["data"][0]["id"].clone(), answers["data"][0]["from"]["name"].clone()), (json!(below), json!("Ada")));
    let none = graph.get(&format!("/v21.0/{below}/comments"), &[]).await.json().expect("JSON");
    assert_eq!(none, json!({"data": []}), "an empty list has no paging");
    let newest =
        graph.get(&format!("/v21.0/{post}/comments"), &[("limit", "1"), ("order", "reverse_chronological")]).await.json().expect("JSON");
    assert_eq!(newest["data"][0]["id"], json!(comments[6]));
    let all = graph.get(&format!("/v21.0/{post}/comments"), &[("filter", "stream")]).await.json().expect("JSON");
    assert_eq!(all["data"].as_array().map(Vec::len), Some(8));
    let one = graph.get(&format!("/v21.0/{below}"), &[("fields", "message,parent")]).await.json().expect("JSON");
    assert_eq!(one, json!({"message": "below", "parent": {"id": comments[0]}, "id": below}));
}

/// The platform passes over what it does not know; who relies on it must not be told by the stand-in that it works.
#[tokio::test]
async fn what_is_not_modelled_is_refused_wherever_it_is_asked_for() {
    let (graph, post) = Graph::start().await;
    let page = graph.facebook.page_id().to_owned();
    let paths =
        [format!("{post}/comments"), format!("{page}/published_posts"), format!("{page}/feed"), post.clone(), page, "me".to_owned()];
    for path in paths {
        assert_eq!(graph.get(&format!("/v24.0/{path}"), &[]).await.status, 200, "{path}");
        assert_eq!(code_of(&graph.get(&format!("/v24.0/{path}"), &[("shimmer", "1")]).await), (400, 100, None), "{path}");
    }
    // <https://developers.facebook.com/docs/graph-api/reference/object/comments>
    for query in [("filter", "all"), ("order", "newest"), ("since", "1"), ("summary", "true")] {
        assert_eq!(code_of(&graph.get(&format!("/v24.0/{post}/comments"), &[query]).await), (400, 100, None), "{query:?}");
    }
    let token = graph.facebook.access_token();
    let url = format!("{}/v24.0/{post}/comments", graph.facebook.graph_url());
    for more in [("attachment_url", "https://example.org"), ("is_hidden", "true")] {
        let refused = graph.http.post_form(&url, &[("message", "Ciao"), ("access_token", &token), more]).await.expect("an answer");
        assert_eq!(code_of(&refused), (400, 100, None), "{more:?}");
    }
    assert!(graph.facebook.replies().is_empty());
}

/// <https://developers.facebook.com/docs/graph-api/changelog/versions>
#[tokio::test]
async fn a_version_that_is_no_longer_or_not_yet_served_is_refused() {
    let (graph, post) = Graph::start().await;
    for (version, status) in [("v20.0", 400), ("v21.0", 200), ("v26.0", 200), ("v99.0", 400), ("v24", 400), ("24.0", 400)] {
        let answer = graph.get(&format!("/{version}/{post}"), &[]).await;
        assert_eq!(answer.status, status, "{version}: {}", answer.text());
        assert!(status == 200 || code_of(&answer) == (400, 2500, None), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_comment_of_more_than_eight_thousand_characters_is_refused() {
    let (graph, post) = Graph::start().await;
    assert_eq!(code_of(&graph.reply(&post, &"è".repeat(8_001)).await), (400, 100, None));
    assert_eq!(graph.reply(&post, &"è".repeat(8_000)).await.status, 200);
    assert_eq!(graph.facebook.replies().len(), 1);
}
