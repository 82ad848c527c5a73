//! The organisation's own posts, and who may act for it.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Inside;
use super::access::Refusal;
use super::query::Query;
use super::rest::{Answer, Done, has_type, ok};
use super::world::Post;

/// The longest post, in characters as people see it: <https://www.ayrshare.com/docs/apis/post/social-networks/linkedin>.
const TEXT_CHARS_MAX: usize = 3_000;
/// What means something in a post's text unless a backslash stands before it. [little]
const RESERVED: &str = r"|{}@[]()<>#\*_~";

impl Inside {
    /// [posts]; what every post must say is checked, what it may say is not modelled.
    pub(super) fn write_post(&mut self, headers: &HeaderMap, body: &Bytes) -> Answer {
        if !has_type(headers, "application/json") {
            return Err(Refusal::new(415, None, "UNSUPPORTED_MEDIA_TYPE", "A post is written as JSON"));
        }
        let document: Value = serde_json::from_slice(body).map_err(|why| Refusal::bad_request(format!("The body is no JSON: {why}")))?;
        if self.is_wrong_role || document["author"] != *self.world.organization() {
            return Err(Refusal::denied("posts.CREATE"));
        }
        let required = [("visibility", "PUBLIC"), ("lifecycleState", "PUBLISHED")];
        let wrong = required.into_iter().find(|(name, value)| document[*name] != **value);
        let wrong = wrong.map(|(name, _)| name).or((document["distribution"]["feedDistribution"] != "MAIN_FEED").then_some("distribution"));
        if let Some(name) = wrong {
            return Err(Refusal::bad_request(format!("The field {name} is missing, or says what the stand-in does not model")));
        }
        let text = shown(document["commentary"].as_str().unwrap_or_default());
        if text.trim().is_empty() || text.chars().count() > TEXT_CHARS_MAX {
            return Err(Refusal::bad_request(format!("The post is empty, or longer than {TEXT_CHARS_MAX} characters")));
        }
        // A doubled post is refused; whether one by hand counts, no page tells.
        let double = self.world.own_posts(false).find(|post| post.text == text).map(|post| post.urn.clone());
        if let Some(urn) = double {
            return Err(Refusal::duplicate_post(&urn));
        }
        let urn = self.world.post_by_api(&text);
        Ok(Done { status: StatusCode::CREATED, body: json!({}), made: Some(urn) })
    }

    /// The finder by author, newest first. [posts]
    pub(super) fn list_posts(&self, path: &str, query: &Query) -> Answer {
        if query.bare("q") != Some("author") || query.bare("sortBy") != Some("CREATED") {
            return Err(Refusal::not_modelled("any finder but author, sorted by CREATED"));
        }
        let author = query.text("author")?;
        let is_visible = author.as_deref() == Some(self.world.organization()) && !self.is_wrong_role;
        let visible_until = self.world.now() - self.comments_lag;
        let posts = self.world.own_posts(false).rev().filter(|post| is_visible && post.created <= visible_until);
        let row = |post: &Post| {
            let at = post.created.as_millisecond();
            json!({
                "id": post.urn, "author": self.world.organization(), "commentary": escaped(&post.text), "createdAt": at, "publishedAt": at,
                "lastModifiedAt": at, "lifecycleState": "PUBLISHED", "visibility": "PUBLIC",
            })
        };
        ok(query.page(path, posts.map(row).collect(), true)?)
    }

    /// What the member whose token it is may do. [roles]
    pub(super) fn list_roles(&self, path: &str, query: &Query) -> Answer {
        if query.bare("q") != Some("roleAssignee") {
            return Err(Refusal::not_modelled("any finder but roleAssignee"));
        }
        let role = json!({
            "organization": self.world.organization(), "roleAssignee": self.member_urn(), "role": "ADMINISTRATOR", "state": "APPROVED",
        });
        let is_asked_for = |name: &str| query.bare(name).is_none_or(|value| role[name] == *value);
        let rows = if !self.is_wrong_role && is_asked_for("role") && is_asked_for("state") { vec![role.clone()] } else { Vec::new() };
        ok(query.page(path, rows, false)?)
    }

    fn member_urn(&self) -> String {
        format!("urn:li:person:{}", self.world.member_id())
    }
}

/// What people see of a post's text: it ends where something reserved stands without a backslash, and nobody is told; see
/// <https://github.com/n8n-io/n8n/issues/10179>. Mentions and hashtags are not modelled.
fn shown(commentary: &str) -> String {
    let mut text = String::new();
    let mut letters = commentary.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            reserved if RESERVED.contains(reserved) => break,
            letter => text.push(letter),
        }
    }
    text
}

fn escaped(text: &str) -> String {
    text.chars().flat_map(|letter| RESERVED.contains(letter).then_some('\\').into_iter().chain([letter])).collect()
}
