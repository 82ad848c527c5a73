//! X's stand-in: webhooks with their challenges in both shapes, the API's lists, posts, tokens and limits.

#[path = "twitter/access.rs"]
mod access;
#[path = "twitter/description.rs"]
mod description;
#[path = "twitter/lists.rs"]
mod lists;
#[path = "twitter/openapi.rs"]
mod openapi;
#[path = "twitter/posts.rs"]
mod posts;
#[path = "twitter/tap.rs"]
mod tap;
#[path = "twitter/webhooks.rs"]
mod webhooks;

use serde_json::{Value, json};
use sportello_tests::http_client::{Answer, HttpClient};
use sportello_tests::stand_ins::twitter::{Twitter, TwitterSettings};

/// A caller of the API with the newest access token.
struct Api {
    twitter: Twitter,
    http: HttpClient,
}

impl Api {
    async fn start() -> Self {
        Self::start_with(TwitterSettings::default()).await
    }

    async fn start_with(settings: TwitterSettings) -> Self {
        let twitter = Twitter::start_with(settings).await.expect("a loopback port");
        Self { twitter, http: HttpClient::default() }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Answer {
        let url = sportello_tests::http_client::with_query(&format!("{}{path}", self.twitter.api_url()), query);
        let bearer = format!("Bearer {}", self.twitter.access_token());
        self.http.send(http::Method::GET, &url, &[("authorization", &bearer)], bytes::Bytes::new()).await.expect("an answer")
    }

    async fn read(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let answer = self.get(path, query).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json().expect("JSON")
    }

    async fn create(&self, document: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.twitter.access_token());
        let url = format!("{}/2/tweets", self.twitter.api_url());
        self.http.post_json(&url, &[("authorization", &bearer)], document).await.expect("an answer")
    }

    async fn reply(&self, target: &str, text: &str) -> Answer {
        self.create(&json!({"text": text, "reply": {"in_reply_to_tweet_id": target}})).await
    }

    fn mentions_path(&self) -> String {
        format!("/2/users/{}/mentions", self.twitter.user_id())
    }

    fn timeline_path(&self) -> String {
        format!("/2/users/{}/tweets", self.twitter.user_id())
    }
}

/// The status and the detail of a problem.
fn problem(answer: &Answer) -> (u16, String) {
    assert!(answer.header("content-type").starts_with("application/problem+json"), "{}", answer.header("content-type"));
    (answer.status, answer.json().expect("JSON")["detail"].as_str().unwrap_or_default().to_owned())
}

/// The ids of `data`.
fn ids(document: &Value) -> Vec<String> {
    let rows = document["data"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}
