//! The Graph API: who may call, how often, and what is answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::super::{form_fields, random_hex};
use super::Inside;
use super::world::{Object, World, graph_time};
use crate::http_client::with_query;

/// Rows of a list by default, and at most. [graph]
const ROWS_DEFAULT: usize = 25;
const ROWS_MAX: usize = 100;

/// What a page token may be allowed. [posts]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// `pages_manage_posts`: to publish posts.
    ManagePosts,
    /// `pages_manage_engagement`: to write comments.
    ManageEngagement,
    /// `pages_read_engagement`: to read what the page publishes.
    ReadEngagement,
    /// `pages_read_user_content`: to read what others write on the page.
    ReadUserContent,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ManagePosts, Self::ManageEngagement, Self::ReadEngagement, Self::ReadUserContent];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenState {
    Valid,
    Expired,
}

/// Who may call now.
#[derive(Debug)]
pub(super) struct Access {
    token: String,
    permissions: Vec<Permission>,
    retired: Vec<String>,
    state: TokenState,
}

impl Access {
    pub(super) fn new(token: &str, permissions: &[Permission]) -> Self {
        Self { token: token.to_owned(), permissions: permissions.to_vec(), retired: Vec::new(), state: TokenState::Valid }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn expire(&mut self) {
        self.state = TokenState::Expired;
    }

    pub(super) fn renew(&mut self, token: &str) {
        self.retired.push(std::mem::replace(&mut self.token, token.to_owned()));
        self.state = TokenState::Valid;
    }

    pub(super) fn allow(&mut self, permissions: &[Permission]) {
        self.permissions = permissions.to_vec();
    }

    /// Whether the token is allowed all of this; otherwise the refusal. Its words are those that are seen where posts are published.
    /// <https://github.com/Codeinwp/tweet-old-post/issues/649>, and for reading <https://github.com/sns-sdks/python-facebook/issues/102>; the same are
    /// seen where `pages_read_user_content` alone is missing. <https://github.com/pdir/social-feed-bundle/issues/184>
    fn require(&self, permissions: &[Permission]) -> Result<(), GraphError> {
        if permissions.iter().all(|permission| self.permissions.contains(permission)) {
            return Ok(());
        }
        Err(match permissions {
            [Permission::ReadEngagement, ..] => GraphError::new(
                "OAuthException",
                10,
                None,
                "(#10) This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content Access' feature.",
            ),
            _ => GraphError::new(
                "OAuthException",
                200,
                None,
                "(#200) If posting to a page, requires both pages_read_engagement and pages_manage_posts as an admin with sufficient administrative permission",
            ),
        })
    }
}

/// An error of the Graph API. All but the server's own come as HTTP 400, missing permissions as 403. [errors]
#[derive(Debug)]
struct GraphError {
    kind: &'static str,
    code: u32,
    subcode: Option<u32>,
    message: String,
    transient: bool,
}

impl GraphError {
    fn new(kind: &'static str, code: u32, subcode: Option<u32>, message: impl Into<String>) -> Self {
        Self { kind, code, subcode, message: message.into(), transient: false }
    }

    fn no_object(method: &Method, id: &str) -> Self {
        let verb = method.as_str().to_lowercase();
        let text = format!(
            "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation"
        );
        Self::new("GraphMethodException", 100, Some(33), text)
    }
}

type Answer = Result<Value, GraphError>;

/// Serves every path.
pub(super) async fn serve(
    State(inside): State<Arc<Mutex<Inside>>>,
    method: Method,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut parameters = query;
    let kind = headers.get("content-type").map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned()).unwrap_or_default();
    if kind.starts_with("application/json") {
        let document: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
        parameters
            .extend(document.into_iter().map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))));
    } else if !body.is_empty() {
        parameters.extend(form_fields(body).await.unwrap_or_default());
    }
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1").to_owned();
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    let token = parameters.get("access_token").cloned().or_else(|| bearer.map(str::to_owned));
    let mut inside = inside.lock().expect("no panic while the platform is held");
    let answer = check(&mut inside, token.as_deref()).and_then(|()| route(&mut inside, &method, uri.path(), &host, &parameters));
    // [limits] The headers are on every answer once the page has been called often enough; here they are from the first.
    let usage = inside.limits.usage(&inside.world.page().id, inside.world.now());
    drop(inside);
    into_response(answer, usage)
}

fn check(inside: &mut Inside, token: Option<&str>) -> Result<(), GraphError> {
    let access = &inside.access;
    let bad_token = |subcode, text: &str| Err(GraphError::new("OAuthException", 190, subcode, text));
    match token {
        None => return Err(GraphError::new("OAuthException", 104, None, "An access token is required to request this resource.")),
        Some(token) if access.retired.iter().any(|old| old == token) => {
            return bad_token(
                Some(460),
                "Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.",
            );
        }
        Some(token) if token != access.token => return bad_token(None, "Invalid OAuth access token - Cannot parse access token"),
        Some(_) if access.state == TokenState::Expired => {
            return bad_token(Some(463), "Error validating access token: Session has expired.");
        }
        Some(_) => {}
    }
    inside.limits.take(inside.world.now()).map_err(|limit| {
        let (code, text) = limit.code_and_text();
        GraphError { transient: true, ..GraphError::new("OAuthException", code, None, text) }
    })
}

fn route(inside: &mut Inside, method: &Method, path: &str, host: &str, parameters: &BTreeMap<String, String>) -> Answer {
    let Inside { world, access, .. } = inside;
    let unknown = || GraphError::new("OAuthException", 2500, None, format!("Unknown path components: {path}"));
    let mut parts = path.trim_matches('/').split('/');
    // The platform serves a call without a version with the app's oldest one; the stand-in refuses, because that is never what one wants.
    let version = parts.next().filter(|version| is_version(version)).ok_or_else(unknown)?;
    let rest: Vec<&str> = parts.collect();
    match (method, rest.as_slice()) {
        (&Method::GET, ["me"]) => Ok(json!({"name": world.page().name, "id": world.page().id})),
        (&Method::GET, [id]) if *id == world.page().id => Ok(json!({"name": world.page().name, "id": world.page().id})),
        (&Method::GET, [id]) => {
            // <https://developers.facebook.com/docs/graph-api/reference/page-post>
            access.require(&[Permission::ReadEngagement])?;
            let object = world.object(id).ok_or_else(|| GraphError::no_object(method, id))?;
            shown(world, object, parameters, &["created_time", "message", "id"])
        }
        (&Method::GET, [id, "comments"]) => {
            // [comments] What is needed to see the post is needed to see what stands below it. Of posts:
            // <https://developers.facebook.com/docs/graph-api/reference/page-post>.
            access.require(&[Permission::ReadEngagement, Permission::ReadUserContent])?;
            world.object(id).ok_or_else(|| GraphError::no_object(method, id))?;
            // [graph] With `filter=stream` answers to comments are listed, too.
            let mut rows = world.answers(id, parameters.get("filter").is_some_and(|filter| filter == "stream"));
            if parameters.get("order").is_some_and(|order| order == "reverse_chronological") {
                rows.reverse();
            }
            list(world, &rows, &format!("http://{host}/{version}/{id}/comments"), parameters, &["created_time", "from", "message", "id"])
        }
        (&Method::GET, [id, "published_posts"]) if *id == world.page().id => {
            access.require(&[Permission::ReadEngagement])?;
            let url = format!("http://{host}/{version}/{id}/published_posts");
            list(world, &world.own_posts(), &url, parameters, &["created_time", "message", "id"])
        }
        (&Method::GET, [id, "feed"]) if *id == world.page().id => {
            access.require(&[Permission::ReadEngagement, Permission::ReadUserContent])?;
            feed(world, &format!("http://{host}/{version}/{id}/feed"), parameters)
        }
        (&Method::POST, [id, "feed"]) if *id == world.page().id => {
            access.require(&[Permission::ManagePosts, Permission::ReadEngagement])?;
            publish(world, parameters)
        }
        (&Method::POST, [id, "comments"]) => {
            access.require(&[Permission::ManageEngagement])?;
            let Some(message) = parameters.get("message").filter(|message| !message.trim().is_empty()) else {
                world.object(id).ok_or_else(|| GraphError::no_object(method, id))?;
                return Err(GraphError::new("OAuthException", 100, None, "(#100) Missing message or attachment"));
            };
            let made = world.reply(id, message).ok_or_else(|| GraphError::no_object(method, id))?;
            Ok(json!({"id": made}))
        }
        _ => Err(unknown()),
    }
}

/// `v21.0`.
fn is_version(text: &str) -> bool {
    let numbers = text.strip_prefix('v').and_then(|numbers| numbers.split_once('.'));
    numbers
        .is_some_and(|(major, minor)| [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())))
}

/// The posts of the page and of its visitors, newest first. [feed] Sources disagree whether `since` and `until` are of when a post was made or of its
/// last change (<https://search.r-project.org/CRAN/refmans/Rfacebook/html/getPage.html>): here it is what shows less.
fn feed(world: &World, url: &str, parameters: &BTreeMap<String, String>) -> Answer {
    let known = ["fields", "limit", "after", "before", "since", "until", "access_token"];
    if let Some(name) = parameters.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(GraphError::new("OAuthException", 100, None, format!("(#100) The stand-in does not model the parameter {name}")));
    }
    // [feed] "The maximum number of posts is 100."
    if parameters.get("limit").is_some_and(|limit| limit.parse::<usize>().is_ok_and(|limit| limit > ROWS_MAX)) {
        return Err(GraphError::new("OAuthException", 100, None, "(#100) The 'limit' parameter should not exceed 100"));
    }
    let moment = |name: &str| -> Result<Option<i64>, GraphError> {
        let seconds = parameters.get(name).map(|text| text.parse());
        seconds.transpose().map_err(|_| GraphError::new("OAuthException", 100, None, format!("(#100) {name} should be a unix timestamp")))
    };
    let (since, until) = (moment("since")?.unwrap_or(i64::MIN), moment("until")?.unwrap_or(i64::MAX));
    let rows: Vec<&Object> = world.wall().into_iter().filter(|post| (since..=until).contains(&post.created.as_second())).collect();
    list(world, &rows, url, parameters, &["created_time", "message", "id"])
}

/// A post of the page. [posts]
fn publish(world: &mut World, parameters: &BTreeMap<String, String>) -> Answer {
    if let Some(name) = parameters.keys().find(|name| !["message", "access_token"].contains(&name.as_str())) {
        return Err(GraphError::new("OAuthException", 100, None, format!("(#100) The stand-in does not model the parameter {name}")));
    }
    let Some(message) = parameters.get("message").map(|message| message.trim()).filter(|message| !message.is_empty()) else {
        return Err(GraphError::new("OAuthException", 100, None, "(#100) Missing message or attachment"));
    };
    // [errors] "Duplicate posts cannot be published consecutively." What the refusal looks like:
    // <https://github.com/facebook-csharp-sdk/facebook-csharp-sdk/issues/119>.
    if world.own_posts().first().is_some_and(|before| before.message == message) {
        return Err(GraphError::new("OAuthException", 506, None, "(#506) Duplicate status message"));
    }
    Ok(json!({"id": world.publish(message)}))
}

/// One page of a list with its cursors; the last page has no `next`, an empty one no `paging`. [graph]
fn list(world: &World, rows: &[&Object], url: &str, parameters: &BTreeMap<String, String>, default: &[&str]) -> Answer {
    let cursor = |object: &Object| URL_SAFE_NO_PAD.encode(&object.id);
    let position = |name: &str| -> Result<Option<usize>, GraphError> {
        let Some(wanted) = parameters.get(name) else { return Ok(None) };
        let found = rows.iter().position(|object| cursor(object) == *wanted);
        found.map(Some).ok_or_else(|| {
            GraphError::new(
                "OAuthException",
                100,
                None,
                format!("(#100) The {name} Cursor specified exceeds the max limit supported by this endpoint"),
            )
        })
    };
    let limit = parameters.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX);
    let from = match (position("after")?, position("before")?) {
        (Some(after), _) => after + 1,
        (None, Some(before)) => before.saturating_sub(limit),
        (None, None) => 0,
    };
    let page: Vec<&Object> = rows.iter().skip(from).take(limit).copied().collect();
    let (Some(first), Some(last)) = (page.first(), page.last()) else {
        return Ok(json!({"data": []}));
    };
    let data = page.iter().map(|object| shown(world, object, parameters, default)).collect::<Result<Vec<Value>, _>>()?;
    let mut paging = json!({"cursors": {"before": cursor(first), "after": cursor(last)}});
    if from + page.len() < rows.len() {
        let (limit, after) = (limit.to_string(), cursor(last));
        let kept = parameters.iter().filter(|(name, _)| !["after", "before", "limit"].contains(&name.as_str()));
        let mut query: Vec<(&str, &str)> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        query.extend([("limit", limit.as_str()), ("after", after.as_str())]);
        paging["next"] = json!(with_query(url, &query));
    }
    Ok(json!({"data": data, "paging": paging}))
}

/// The fields asked for; sub-fields in braces are taken for granted.
fn shown(world: &World, object: &Object, parameters: &BTreeMap<String, String>, default: &[&str]) -> Answer {
    let asked =
        parameters.get("fields").map(|fields| names(fields)).unwrap_or_else(|| default.iter().map(|name| (*name).to_owned()).collect());
    let mut row = Map::new();
    for name in asked {
        let value = match name.as_str() {
            "id" => json!(object.id),
            "message" => json!(object.message),
            "created_time" => json!(graph_time(object.created)),
            // [feed] "The time when the post was created, last edited or the time of the last comment that was left on the post." Comments have none.
            "updated_time" if object.parent.is_none() => json!(graph_time(object.updated)),
            "from" => json!({"name": object.from.name, "id": object.from.id}),
            "permalink_url" => json!(format!("https://www.facebook.com/{}", object.id)),
            "comment_count" => json!(world.answers(&object.id, false).len()),
            "can_comment" => json!(true),
            // Only answers to comments have a parent.
            "parent" => match &object.parent {
                Some(parent) if *parent != object.post => json!({"id": parent}),
                _ => continue,
            },
            unknown => {
                let node = if object.parent.is_some() { "Comment" } else { "Post" };
                return Err(GraphError::new(
                    "OAuthException",
                    100,
                    None,
                    format!("(#100) Tried accessing nonexisting field ({unknown}) on node type ({node})"),
                ));
            }
        };
        row.insert(name, value);
    }
    row.entry("id").or_insert_with(|| json!(object.id));
    Ok(Value::Object(row))
}

/// `a,b{c,d},e` → a, b, e.
fn names(fields: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let outer: String = fields
        .chars()
        .filter(|letter| {
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => return depth == 0,
            }
            false
        })
        .collect();
    outer.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn into_response(answer: Answer, usage: [(&'static str, Value); 2]) -> Response {
    let is_token_error = matches!(&answer, Err(error) if error.code == 190);
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            let mut body = json!({"error": {"message": error.message, "type": error.kind, "code": error.code}});
            if let Some(subcode) = error.subcode {
                body["error"]["error_subcode"] = json!(subcode);
            }
            if error.transient {
                body["error"]["is_transient"] = json!(true);
            }
            body["error"]["fbtrace_id"] = json!(random_hex(8));
            (if matches!(error.code, 10 | 200) { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST }, body)
        }
    };
    let mut response = (status, [("content-type", "application/json; charset=UTF-8"), ("facebook-api-version", "v21.0")], body.to_string())
        .into_response();
    for (name, share) in usage {
        if let Ok(share) = HeaderValue::try_from(share.to_string()) {
            response.headers_mut().insert(name, share);
        }
    }
    if is_token_error {
        let challenge = HeaderValue::from_static("OAuth \"Facebook Platform\" \"invalid_token\" \"Error validating access token\"");
        response.headers_mut().insert("www-authenticate", challenge);
    }
    response
}
