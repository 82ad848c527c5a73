//! Facebook's stand-in: webhooks, the Graph API, and the faults every stand-in shares.

#[path = "facebook/access.rs"]
mod access;
#[path = "facebook/faults.rs"]
mod faults;
#[path = "facebook/limits.rs"]
mod limits;
#[path = "facebook/lists.rs"]
mod lists;
#[path = "facebook/posts.rs"]
mod posts;
#[path = "facebook/updates.rs"]
mod updates;
#[path = "facebook/webhooks.rs"]
mod webhooks;

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use serde_json::Value;
use sportello_tests::http_client::{Answer, HttpClient};
use sportello_tests::stand_ins::facebook::{Facebook, FacebookSettings};

use crate::receiver::{Proof, Receiver, is_signed};

struct FacebookProof {
    secret: String,
    verify_token: String,
}

impl Proof for FacebookProof {
    fn answer(&self, query: &BTreeMap<String, String>) -> Option<String> {
        let is_right =
            query.get("hub.mode").is_some_and(|mode| mode == "subscribe") && query.get("hub.verify_token") == Some(&self.verify_token);
        is_right.then(|| query.get("hub.challenge").cloned()).flatten()
    }

    fn is_genuine(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        is_signed(headers, ("x-hub-signature-256", "sha256="), |text| hex::decode(text).ok(), &self.secret, body)
    }
}

async fn receiver_of(facebook: &Facebook) -> Receiver {
    Receiver::start(FacebookProof { secret: facebook.app_secret().to_owned(), verify_token: facebook.verify_token().to_owned() }).await
}

async fn subscribed(facebook: &Facebook) -> Receiver {
    let receiver = receiver_of(facebook).await;
    facebook.subscribe(&receiver.url).await.expect("the receiver proves itself");
    receiver
}

/// All changes of all bodies, in the order they came.
fn changes(receiver: &Receiver) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    receiver.documents().iter().flat_map(|document| list(&document["entry"])).flat_map(|entry| list(&entry["changes"])).collect()
}

struct Graph {
    facebook: Facebook,
    http: HttpClient,
}

impl Graph {
    async fn start() -> (Self, String) {
        Self::start_with(FacebookSettings::default()).await
    }

    async fn start_with(settings: FacebookSettings) -> (Self, String) {
        let facebook = Facebook::start_with(settings).await.expect("a loopback port");
        let post = facebook.post(&facebook.page(), "Notizie");
        (Self { facebook, http: HttpClient::default() }, post)
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Answer {
        let token = self.facebook.access_token();
        let all: Vec<(&str, &str)> = query.iter().copied().chain([("access_token", token.as_str())]).collect();
        self.http.get(&format!("{}{path}", self.facebook.graph_url()), &all).await.expect("an answer")
    }

    async fn reply(&self, target: &str, message: &str) -> Answer {
        let token = self.facebook.access_token();
        let url = format!("{}/v21.0/{target}/comments", self.facebook.graph_url());
        self.http.post_form(&url, &[("message", message), ("access_token", &token)]).await.expect("an answer")
    }

    async fn publish(&self, fields: &[(&str, &str)]) -> Answer {
        let token = self.facebook.access_token();
        let url = format!("{}/v21.0/{}/feed", self.facebook.graph_url(), self.facebook.page_id());
        let all: Vec<(&str, &str)> = fields.iter().copied().chain([("access_token", token.as_str())]).collect();
        self.http.post_form(&url, &all).await.expect("an answer")
    }
}

fn code_of(answer: &Answer) -> (u16, u64, Option<u64>) {
    let error = &answer.json().expect("JSON")["error"];
    assert!(error["fbtrace_id"].is_string() && error["message"].is_string() && error["type"].is_string(), "{error}");
    (answer.status, error["code"].as_u64().expect("a code"), error["error_subcode"].as_u64())
}
