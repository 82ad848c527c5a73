//! The Graph API: who may call, how often, and what is answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::super::form_fields;
use super::Inside;
use super::access::{Caller, Permission};
use super::problem::{GraphError, into_response};
use super::world::{Object, World, graph_time};
use crate::http_client::with_query;

/// Rows of a list by default, and at most. [graph]
const ROWS_DEFAULT: usize = 25;
const ROWS_MAX: usize = 100;
/// Those that are served in November 2026. <https://developers.facebook.com/docs/graph-api/changelog/versions> An older one is served as the oldest of
/// these; the stand-in refuses it, because that is never what one wants.
const VERSIONS: [&str; 6] = ["v21.0", "v22.0", "v23.0", "v24.0", "v25.0", "v26.0"];
/// The platform's documentation names no limit; who counts for others says 8,000 (<https://typecount.com/blog/facebook-post-character-limit>). What is
/// said of a longer one is not known.
const COMMENT_CHARACTERS_MAX: usize = 8_000;

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
    let answer = called(&mut inside, token.as_deref(), &method, uri.path(), &host, &parameters);
    // [limits] The headers are on every answer once the page has been called often enough; here they are from the first.
    let usage = inside.limits.usage(&inside.world.page().id, inside.world.now());
    drop(inside);
    into_response(answer, usage)
}

fn called(
    inside: &mut Inside,
    token: Option<&str>,
    method: &Method,
    path: &str,
    host: &str,
    parameters: &BTreeMap<String, String>,
) -> Answer {
    let caller = inside.access.caller(token, inside.world.now())?;
    inside.access.check_proof(token, parameters.get("appsecret_proof").map(String::as_str))?;
    let now = inside.world.now();
    // [limits] The window of the page is of calls with its token, that of the app of all.
    let taken = if caller == Caller::Page { inside.limits.take(now) } else { inside.limits.take_of_the_app(now) };
    taken.map_err(|limit| {
        let (code, text) = limit.code_and_text();
        GraphError { transient: true, ..GraphError::new("OAuthException", code, None, text) }
    })?;
    match caller {
        _ if *method == Method::GET && parts(path)?[1..] == ["debug_token"] => described(inside, parameters),
        Caller::App => of_the_app(inside, method, path, parameters),
        Caller::Page => route(inside, method, path, host, parameters),
    }
}

/// What a token is asked about, which any token of the app may be.
/// <https://developers.facebook.com/docs/facebook-login/guides/%20access-tokens/debugging>
fn described(inside: &Inside, parameters: &BTreeMap<String, String>) -> Answer {
    known_only(parameters, &["input_token", "appsecret_proof"])?;
    let missing = || GraphError::new("OAuthException", 100, None, "(#100) The parameter input_token is required");
    let token = parameters.get("input_token").ok_or_else(missing)?;
    let world = &inside.world;
    Ok(json!({"data": inside.access.described(token, &world.page().id, world.now())}))
}

/// What is asked with the app's own token. [matching]
fn of_the_app(inside: &Inside, method: &Method, path: &str, parameters: &BTreeMap<String, String>) -> Answer {
    let world = &inside.world;
    let [_, id, "ids_for_pages"] = parts(path)?[..] else {
        return Err(GraphError::new("OAuthException", 210, None, "(#210) A page access token is required to request this resource."));
    };
    known_only(parameters, &["page", "appsecret_proof"])?;
    // "This requires an app access token and an appsecret_proof".
    if !parameters.contains_key("appsecret_proof") {
        return Err(GraphError::new("GraphMethodException", 100, None, "API calls from the server require an appsecret_proof argument"));
    }
    let person = world.person_in_the_app(id).filter(|_| *method == Method::GET).ok_or_else(|| GraphError::no_object(method, id))?;
    let page = world.page();
    // Who never had to do with the page has no id there.
    let is_listed = world.has_met(person) && parameters.get("page").is_none_or(|wanted| *wanted == page.id);
    let rows = is_listed.then(|| json!({"id": person.id, "page": {"name": page.name, "id": page.id}}));
    Ok(json!({"data": rows.into_iter().collect::<Vec<_>>()}))
}

/// Refuses parameters that are not modelled: the platform passes over what it does not know, and nobody should believe that it had an effect.
fn known_only(parameters: &BTreeMap<String, String>, known: &[&str]) -> Result<(), GraphError> {
    match parameters.keys().find(|name| *name != "access_token" && !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(GraphError::new("OAuthException", 100, None, format!("(#100) The stand-in does not model the parameter {name}"))),
    }
}

/// The parts of a path, the version first. The platform serves a call without a version with the app's oldest one; the stand-in refuses.
fn parts(path: &str) -> Result<Vec<&str>, GraphError> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if VERSIONS.contains(&parts[0]) { Ok(parts) } else { Err(unknown(path)) }
}

fn unknown(path: &str) -> GraphError {
    GraphError::new("OAuthException", 2500, None, format!("Unknown path components: {path}"))
}

fn route(inside: &mut Inside, method: &Method, path: &str, host: &str, parameters: &BTreeMap<String, String>) -> Answer {
    let parts = parts(path)?;
    let (version, rest) = (parts[0], &parts[1..]);
    let Inside { world, access, .. } = inside;
    match (method, rest) {
        (&Method::GET, [id]) if *id == "me" || *id == world.page().id => {
            known_only(parameters, &[])?;
            Ok(json!({"name": world.page().name, "id": world.page().id}))
        }
        (&Method::GET, [id]) => {
            known_only(parameters, &["fields"])?;
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
            known_only(parameters, &["fields", "limit", "after", "before", "filter", "order"])?;
            // With `filter=stream` answers to comments are listed, too. [comments]
            let mut rows = world.answers(id, choice(parameters, "filter", ["toplevel", "stream"])? == "stream");
            if choice(parameters, "order", ["chronological", "reverse_chronological"])? == "reverse_chronological" {
                rows.reverse();
            }
            list(world, &rows, &format!("http://{host}/{version}/{id}/comments"), parameters, &["created_time", "from", "message", "id"])
        }
        (&Method::GET, [id, "published_posts"]) if *id == world.page().id => {
            access.require(&[Permission::ReadEngagement])?;
            known_only(parameters, &["fields", "limit", "after", "before"])?;
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
            known_only(parameters, &["message"])?;
            let Some(message) = parameters.get("message").filter(|message| !message.trim().is_empty()) else {
                world.object(id).ok_or_else(|| GraphError::no_object(method, id))?;
                return Err(GraphError::new("OAuthException", 100, None, "(#100) Missing message or attachment"));
            };
            if message.chars().count() > COMMENT_CHARACTERS_MAX {
                return Err(GraphError::new("OAuthException", 100, None, "(#100) The stand-in takes no comment of so many characters"));
            }
            let made = world.reply(id, message).ok_or_else(|| GraphError::no_object(method, id))?;
            Ok(json!({"id": made}))
        }
        (&Method::GET, [_, "ids_for_pages"]) => {
            Err(GraphError::new("OAuthException", 15, None, "(#15) This method must be called with an app access_token."))
        }
        _ => Err(unknown(path)),
    }
}

/// What a parameter says, which has these two values; the first is meant where it is not there.
fn choice<'a>(parameters: &'a BTreeMap<String, String>, name: &str, values: [&'a str; 2]) -> Result<&'a str, GraphError> {
    let given = parameters.get(name).map_or(values[0], String::as_str);
    if values.contains(&given) {
        return Ok(given);
    }
    let text = format!("(#100) Param {name} must be one of {{{}, {}}}", values[0].to_uppercase(), values[1].to_uppercase());
    Err(GraphError::new("OAuthException", 100, None, text))
}

/// The posts of the page and of its visitors, newest first. [feed] Sources disagree whether `since` and `until` are of when a post was made or of its
/// last change (<https://search.r-project.org/CRAN/refmans/Rfacebook/html/getPage.html>): here it is what shows less.
fn feed(world: &World, url: &str, parameters: &BTreeMap<String, String>) -> Answer {
    known_only(parameters, &["fields", "limit", "after", "before", "since", "until"])?;
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
    known_only(parameters, &["message"])?;
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
