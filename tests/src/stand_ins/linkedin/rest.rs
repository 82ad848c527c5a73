//! The REST API: what is asked, and what is answered.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::form_fields;
use super::access::Refusal;
use super::query::Query;
use super::urn::{self, Target, decoded};
use super::world::{Author, Comment, Notification};
use super::{DuplicateComments, Inside};

/// The longest comment, in characters: <https://glama.ai/mcp/connectors/com.publora/mcp-server/tools/linkedin_create_comment>.
const TEXT_CHARS_MAX: usize = 1_250;
/// How long notifications can be pulled: 60 days. [notifications]
const PULLABLE_TIME: SignedDuration = SignedDuration::from_hours(60 * 24);
/// The actions a pull can ask for. [notifications]
const ACTIONS: [&str; 7] = ["LIKE", "COMMENT", "SHARE", "SHARE_MENTION", "ADMIN_COMMENT", "COMMENT_EDIT", "COMMENT_DELETE"];

/// The scopes for reading and writing below an organisation's posts, and for its notifications; the older and the newer name. [comments]
const READING: &[&str] = &["r_organization_social", "r_organization_social_feed"];
const WRITING: &[&str] = &["w_organization_social", "w_organization_social_feed"];
const ADMINISTRATION: &[&str] = &["rw_organization_admin"];

/// What a call is about, before its keys were read.
enum Call<'a> {
    ListComments(&'a str),
    ReadComment(&'a str, &'a str),
    WriteComment(&'a str),
    PullNotifications,
    ReadPerson(&'a str),
    ReadOrganization(&'a str),
    WritePost,
    ListPosts,
    ListRoles,
}

impl<'a> Call<'a> {
    fn of(method: &Method, parts: &[&'a str]) -> Option<Self> {
        match (method, parts) {
            (&Method::GET, ["rest", "socialActions", urn, "comments"]) => Some(Self::ListComments(urn)),
            (&Method::GET, ["rest", "socialActions", urn, "comments", id]) => Some(Self::ReadComment(urn, id)),
            (&Method::POST, ["rest", "socialActions", urn, "comments"]) => Some(Self::WriteComment(urn)),
            (&Method::GET, ["rest", "organizationalEntityNotifications"]) => Some(Self::PullNotifications),
            (&Method::GET, ["rest", "people", key]) => Some(Self::ReadPerson(key)),
            (&Method::GET, ["rest", "organizations", id]) => Some(Self::ReadOrganization(id)),
            (&Method::POST, ["rest", "posts"]) => Some(Self::WritePost),
            (&Method::GET, ["rest", "posts"]) => Some(Self::ListPosts),
            (&Method::GET, ["rest", "organizationAcls"]) => Some(Self::ListRoles),
            _ => None,
        }
    }

    /// What the call's limit is counted by, and the scopes of which it needs one. People's names come with any token. [people]
    fn resource_and_scopes(&self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::ListComments(_) => ("partnerApiSocialActions.comments.GET_ALL", READING),
            Self::ReadComment(..) => ("partnerApiSocialActions.comments.GET", READING),
            Self::WriteComment(_) => ("partnerApiSocialActions.comments.CREATE", WRITING),
            Self::PullNotifications => ("organizationalEntityNotifications.FINDER-criteria", ADMINISTRATION),
            Self::ReadPerson(_) => ("people.GET", &[]),
            Self::ReadOrganization(_) => ("organizations.GET", ADMINISTRATION),
            Self::WritePost => ("posts.CREATE", WRITING),
            Self::ListPosts => ("posts.FINDER-author", READING),
            Self::ListRoles => ("organizationAcls.FINDER-roleAssignee", ADMINISTRATION),
        }
    }
}

pub(super) struct Done {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    /// What stands in `x-restli-id`.
    pub(super) made: Option<String>,
}

pub(super) type Answer = Result<Done, Refusal>;

/// Serves every path.
pub(super) async fn serve(State(inside): State<Arc<Mutex<Inside>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let parts: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    if method == Method::POST && parts == ["oauth", "v2", "accessToken"] {
        let is_form = has_type(&headers, "application/x-www-form-urlencoded");
        let form = if is_form { form_fields(body).await } else { None };
        let mut inside = inside.lock().expect("no panic while the platform is held");
        let now = inside.world.now();
        let (status, body) = inside.access.refresh(&form.unwrap_or_default(), now);
        return in_json(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &body);
    }
    let answer = match Call::of(&method, &parts) {
        None => Err(Refusal::not_modelled(&format!("{method} {}", uri.path()))),
        Some(call) => {
            let mut inside = inside.lock().expect("no panic while the platform is held");
            let (resource, scopes) = call.resource_and_scopes();
            let now = inside.world.now();
            let checked = inside.access.check(&headers, resource, scopes, now);
            checked.and_then(|()| inside.answer(call, &uri, &headers, &body))
        }
    };
    match answer {
        Ok(Done { status, body, made }) => {
            let mut response = in_json(status, &body);
            if let Some(id) = made.and_then(|id| id.parse().ok()) {
                response.headers_mut().insert("x-restli-id", id);
            }
            response
        }
        Err(refusal) => in_json(StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST), &refusal.body()),
    }
}

pub(super) fn has_type(headers: &HeaderMap, kind: &str) -> bool {
    headers.get("content-type").and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with(kind))
}

fn in_json(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/json"), ("x-restli-protocol-version", "2.0.0")], body.to_string()).into_response()
}

pub(super) fn ok(body: Value) -> Answer {
    Ok(Done { status: StatusCode::OK, body, made: None })
}

/// Reads a URN in a path: percent-encoded to the last colon and parenthesis. [comments]
fn key(text: &str) -> Result<Target, Refusal> {
    decoded(text)
        .as_deref()
        .and_then(urn::parse)
        .ok_or_else(|| Refusal::bad_request(format!("Invalid key {text}: URNs in paths are percent-encoded, once and wholly")))
}

impl Inside {
    fn answer(&mut self, call: Call<'_>, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Answer {
        let query = uri.query().unwrap_or_default();
        let query = |names: &[&str]| Query::parse(query, names);
        match call {
            Call::ListComments(urn) => self.list_comments(&key(urn)?, uri.path(), &query(&["start", "count"])?),
            Call::ReadComment(urn, id) => {
                query(&[])?;
                self.read_comment(&key(urn)?, id)
            }
            Call::WriteComment(urn) => {
                query(&[])?;
                if !has_type(headers, "application/json") {
                    return Err(Refusal::new(415, None, "UNSUPPORTED_MEDIA_TYPE", "A comment is written as JSON"));
                }
                let document = serde_json::from_slice(body).map_err(|why| Refusal::bad_request(format!("The body is no JSON: {why}")))?;
                self.write_comment(&key(urn)?, &document)
            }
            Call::PullNotifications => {
                let names = ["q", "actions", "organizationalEntity", "timeRange", "start", "count"];
                self.pull_notifications(uri.path(), &query(&names)?)
            }
            Call::ReadPerson(key) => self.read_person(key),
            Call::WritePost => {
                query(&[])?;
                self.write_post(headers, body)
            }
            Call::ListPosts => self.list_posts(uri.path(), &query(&["q", "author", "sortBy", "start", "count"])?),
            Call::ListRoles => self.list_roles(uri.path(), &query(&["q", "role", "state", "start", "count"])?),
            Call::ReadOrganization(id) => {
                if self.world.organization().rsplit(':').next() != Some(id) {
                    return Err(Refusal::not_found("The organization"));
                }
                let number: u64 = id.parse().map_err(|_| Refusal::bad_request("Organizations have numbers"))?;
                ok(json!({"id": number, "localizedName": self.organization_name, "$URN": self.world.organization()}))
            }
        }
    }

    fn list_comments(&self, target: &Target, path: &str, query: &Query) -> Answer {
        let (post, comment) = self.world.find(target).ok_or_else(|| Refusal::not_found("The target"))?;
        // Who has no role at the organisation sees nothing, and is not told why. The page says only that the role is needed. [comments]
        if self.is_wrong_role {
            return ok(query.page(path, Vec::new(), true)?);
        }
        let visible_until = self.world.now() - self.comments_lag;
        let mut rows = self.world.answers(&post.activity, comment.map(|comment| comment.id.as_str()));
        rows.retain(|comment| comment.created <= visible_until);
        if self.lists_newest_first {
            rows.reverse();
        }
        ok(query.page(path, rows.into_iter().map(|comment| self.shown(comment)).collect(), true)?)
    }

    fn read_comment(&self, target: &Target, id: &str) -> Answer {
        let not_found = || Refusal::not_found("The comment");
        let (post, above) = self.world.find(target).ok_or_else(not_found)?;
        if self.is_wrong_role {
            return Err(Refusal::denied("partnerApiSocialActions.comments.GET"));
        }
        let comment = self.world.comment_of(&post.urn, id).ok_or_else(not_found)?;
        if above.is_some_and(|above| comment.parent.as_ref() != Some(&above.id)) {
            return Err(not_found());
        }
        ok(self.shown(comment))
    }

    /// [comments]
    fn write_comment(&mut self, target: &Target, document: &Value) -> Answer {
        if self.is_wrong_role || document["actor"] != *self.world.organization() {
            return Err(Refusal::denied("partnerApiSocialActions.comments.CREATE"));
        }
        let (post, above) = self.world.find(target).ok_or_else(|| Refusal::not_found("The target"))?;
        let object = document["object"].as_str().unwrap_or_default();
        if self.world.post_of(object).is_none_or(|named| named.activity != post.activity) {
            return Err(Refusal::bad_request("The object is not the post that the path's URN names or hangs below"));
        }
        let parent = match &document["parentComment"] {
            Value::Null => None,
            parent => Some(parent.as_str().and_then(urn::parse).ok_or_else(|| Refusal::bad_request("parentComment is no comment's URN"))?),
        };
        let parent = match parent.as_ref().map(|parent| self.world.find(parent)) {
            None => None,
            Some(Some((named, Some(comment)))) if named.activity == post.activity => Some(comment),
            Some(_) => return Err(Refusal::not_found("The parent comment")),
        };
        if above.is_some_and(|above| parent.is_none_or(|parent| parent.id != above.id)) {
            return Err(Refusal::bad_request("An answer to a comment names that comment as parentComment"));
        }
        if parent.is_some_and(|parent| parent.parent.is_some()) && !self.takes_answers_to_answers {
            return Err(Refusal::bad_request("An answer to an answer names the comment above both as parentComment"));
        }
        let text = document["message"]["text"].as_str().unwrap_or_default();
        if text.trim().is_empty() {
            return Err(Refusal::bad_request("The comment is empty"));
        }
        if text.chars().count() > TEXT_CHARS_MAX {
            return Err(Refusal::bad_request(format!("The comment is longer than {TEXT_CHARS_MAX} characters")));
        }
        let answers = self.world.answers(&post.activity, parent.map(|parent| parent.id.as_str()));
        let is_double = answers.iter().any(|answer| answer.author == Author::Organization && answer.text == text);
        if is_double && self.duplicate_comments == DuplicateComments::Refused {
            return Err(Refusal::new(409, None, "DUPLICATE_COMMENT", "The same comment stands there already"));
        }
        let target = parent.map_or_else(|| post.urn.clone(), Comment::urn);
        let made = self.world.reply(&target, text).ok_or_else(|| Refusal::not_found("The target"))?;
        Ok(Done { status: StatusCode::CREATED, body: self.shown(&made), made: Some(made.id) })
    }

    /// [notifications]
    fn pull_notifications(&self, path: &str, query: &Query) -> Answer {
        if query.bare("q") != Some("criteria") {
            return Err(Refusal::not_modelled("any finder but criteria"));
        }
        let Some(organization) = query.text("organizationalEntity")? else {
            return Err(Refusal::bad_request("Parameter 'organizationalEntity' is required"));
        };
        let actions = query.list("actions")?;
        if let Some(unknown) = actions.iter().flatten().find(|action| !ACTIONS.contains(&action.as_str())) {
            return Err(Refusal::bad_request(format!("There is no action {unknown}")));
        }
        let range = query.time_range("timeRange")?.unwrap_or((0, i64::MAX));
        let oldest = self.world.now() - PULLABLE_TIME;
        let is_wanted = |notification: &&Notification| {
            let at = notification.at.as_millisecond();
            let is_named = actions.as_ref().is_none_or(|actions| actions.contains(&notification.action));
            is_named && notification.at >= oldest && (range.0..=range.1).contains(&at)
        };
        let is_visible = organization == self.world.organization() && !self.is_wrong_role;
        let is_listed = |notification: &&Notification| is_visible && notification.listed <= self.world.now();
        let shown = self.world.notifications().iter().filter(is_wanted).filter(is_listed);
        let mut rows: Vec<Value> = shown.map(|notification| notification.document.clone()).collect();
        if self.lists_newest_first {
            rows.reverse();
        }
        ok(query.page(path, rows, false)?)
    }

    /// `(id:…)`. [people]
    fn read_person(&self, key: &str) -> Answer {
        let id = key.strip_prefix("(id:").and_then(|rest| rest.strip_suffix(')')).and_then(decoded);
        let id = id.ok_or_else(|| Refusal::bad_request(format!("Invalid key {key}: a person's is (id:…)")))?;
        let person = self.world.member(&id).filter(|person| !person.is_hidden).ok_or_else(|| Refusal::not_found("The person"))?;
        let (first, last) = person.name.split_once(' ').unwrap_or((&person.name, ""));
        ok(json!({"id": person.id, "localizedFirstName": first, "localizedLastName": last}))
    }

    /// A comment as calls show it. [comments]
    fn shown(&self, comment: &Comment) -> Value {
        let urn = comment.urn();
        let mut created = json!({"time": comment.created.as_millisecond()});
        let mut modified = json!({"time": comment.modified.as_millisecond()});
        let likes = self.world.likes(&urn);
        let likes = json!({"selectedLikes": [], "aggregatedTotalLikes": likes, "likedByCurrentUser": false, "totalFirstLevelLikes": likes});
        let mut row = json!({
            "id": comment.id, "commentUrn": urn, "$URN": urn, "object": format!("urn:li:activity:{}", comment.activity),
            "message": {"attributes": [], "text": comment.text},
            "likesSummary": likes,
        });
        if let Some(author) = self.world.urn_of(&comment.author) {
            (row["actor"], created["actor"], modified["actor"]) = (json!(author), json!(author), json!(author));
        }
        match &comment.parent {
            Some(parent) => row["parentComment"] = json!(urn::comment(&comment.activity, parent)),
            None => {
                let answers = self.world.answers(&comment.activity, Some(&comment.id)).len();
                row["commentsSummary"] =
                    json!({"selectedComments": [], "totalFirstLevelComments": answers, "aggregatedTotalComments": answers});
            }
        }
        (row["created"], row["lastModified"]) = (created, modified);
        row
    }
}
