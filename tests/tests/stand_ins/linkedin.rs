//! LinkedIn's stand-in: webhooks with their challenges, the Community Management API, tokens and limits.

#[path = "linkedin/access.rs"]
mod access;
#[path = "linkedin/comments.rs"]
mod comments;
#[path = "linkedin/posts.rs"]
mod posts;
#[path = "linkedin/pulling.rs"]
mod pulling;
#[path = "linkedin/webhooks.rs"]
mod webhooks;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sportello_tests::http_client::{Answer, HttpClient};
use sportello_tests::stand_ins::linkedin::{LinkedIn, LinkedInSettings};

/// A caller of the API that writes its calls as the platform wants them.
struct Api {
    linkedin: LinkedIn,
    http: HttpClient,
}

impl Api {
    async fn start() -> Self {
        Self::start_with(LinkedInSettings::default()).await
    }

    async fn start_with(settings: LinkedInSettings) -> Self {
        let linkedin = LinkedIn::start_with(settings).await.expect("a loopback port");
        Self { linkedin, http: HttpClient::default() }
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("authorization", format!("Bearer {}", self.linkedin.access_token())),
            ("linkedin-version", self.linkedin.newest_version()),
            ("x-restli-protocol-version", "2.0.0".to_owned()),
        ]
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&'static str, String)], body: &str) -> Answer {
        let url = format!("{}{path}", self.linkedin.api_url());
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.http.send(method, &url, &headers, Bytes::from(body.to_owned())).await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &self.headers(), "").await
    }

    async fn post(&self, path: &str, document: &Value) -> Answer {
        let mut headers = self.headers();
        headers.push(("content-type", "application/json".to_owned()));
        self.send(Method::POST, path, &headers, &document.to_string()).await
    }

    /// Comments on a post as the organisation.
    async fn reply(&self, post: &str, text: &str) -> Answer {
        let document = json!({"actor": self.linkedin.organization_urn(), "object": post, "message": {"text": text}});
        self.post(&comments_of(post), &document).await
    }

    /// Answers a comment as the organisation.
    async fn answer(&self, post: &str, comment: &str, text: &str) -> Answer {
        let actor = self.linkedin.organization_urn();
        let document = json!({"actor": actor, "object": post, "message": {"text": text}, "parentComment": comment});
        self.post(&comments_of(comment), &document).await
    }

    /// All rows of a list, page by page, as the links lead.
    async fn all(&self, path: &str) -> Vec<Value> {
        let (mut rows, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.get(&path).await.json().expect("JSON");
            assert!(rows.is_empty() || !elements(&page).is_empty(), "no link leads to an empty page");
            rows.extend(elements(&page));
            let links = page["paging"]["links"].as_array().cloned().expect("links");
            next = links.iter().find(|link| link["rel"] == "next").map(|link| link["href"].as_str().expect("a link").to_owned());
        }
        rows
    }
}

fn elements(page: &Value) -> Vec<Value> {
    page["elements"].as_array().cloned().expect("elements")
}

/// The path of the comments below a post or comment.
fn comments_of(urn: &str) -> String {
    format!("/rest/socialActions/{}/comments", encoded(urn))
}

fn encoded(urn: &str) -> String {
    urn.replace(':', "%3A").replace('(', "%28").replace(')', "%29").replace(',', "%2C")
}

/// The digits at the end of a comment's URN.
fn id_of(comment: &str) -> &str {
    comment.rsplit(',').next().expect("a part").trim_end_matches(')')
}

/// Status and code of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    let document = answer.json().expect("JSON");
    assert_eq!(document["status"], json!(answer.status), "the status stands in the body too");
    assert!(document["message"].is_string(), "a refusal says why");
    (answer.status, document["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
