//! The second version of the API: who may call, how often, and what is answered.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::super::form_fields;
use super::length::{LENGTH_MAX, weighted};
use super::limits::{Endpoint, Told};
use super::lists::{self, List, id_of};
use super::oauth1::Signed;
use super::problem::{Answer, Problem};
use super::view::Parameters;
use super::wording::Sent;
use super::world::{Post, World};
use super::{Inside, ReplyRule};

/// For how long the same words are a duplicate. The platform does not say; a day is ours.
const DUPLICATE_TIME: SignedDuration = SignedDuration::from_hours(24);
/// What a post can be made with and the stand-in does not model. [create]
const POST_PARTS_NOT_MODELLED: &[&str] = &[
    "card_uri",
    "community_id",
    "direct_message_deep_link",
    "edit_options",
    "for_super_followers_only",
    "geo",
    "made_with_ai",
    "media",
    "nullcast",
    "paid_partnership",
    "poll",
    "quote_tweet_id",
    "reply_settings",
    "share_with_followers",
];
const REPLY_PARTS_NOT_MODELLED: &[&str] = &["exclude_reply_user_ids", "auto_populate_reply_metadata"];

const UNSUMMONED: &str = "Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged by the author \
                          of the post you are replying to.";

/// Serves every path.
pub(super) async fn serve(
    State(inside): State<Arc<Mutex<Inside>>>,
    method: Method,
    uri: Uri,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    if method == Method::POST && parts == ["2", "oauth2", "token"] {
        let form = form_of(&headers, body).await;
        let mut inside = inside.lock().expect("no panic while the platform is held");
        let now = inside.world.now();
        return into_response(inside.access.refresh(&headers, form.as_ref(), now), &[]);
    }
    let Some(endpoint) = Endpoint::of(&method, &parts) else {
        return into_response(Err(Problem::not_modelled(&format!("{method} {path}"))), &[]);
    };
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    let address = format!("http://{host}{path}");
    let signed = Signed { method: method.as_str(), address: &address, parameters: &pairs };
    let mut inside = inside.lock().expect("no panic while the platform is held");
    let now = inside.world.now();
    let answer = inside
        .access
        .authorize(endpoint, &headers, &signed, now)
        .and_then(|()| inside.limits.take(endpoint, now))
        .and_then(|()| once_each(&pairs))
        .and_then(|parameters| route(&mut inside, endpoint, &parts, &parameters, &headers, &body));
    let limits = inside.limits.told(endpoint, now);
    drop(inside);
    into_response(answer, &limits)
}

async fn form_of(headers: &HeaderMap, body: Bytes) -> Option<Parameters> {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") { form_fields(body).await } else { None }
}

fn once_each(pairs: &[(String, String)]) -> Result<Parameters, Problem> {
    let mut parameters = Parameters::new();
    for (name, value) in pairs {
        if parameters.insert(name.clone(), value.clone()).is_some() {
            return Err(Problem::parameter(name, value, format!("The query parameter [{name}] can only be given once")));
        }
    }
    Ok(parameters)
}

fn route(inside: &mut Inside, endpoint: Endpoint, parts: &[&str], parameters: &Parameters, headers: &HeaderMap, body: &[u8]) -> Answer {
    let is_partial = inside.has_partial_errors;
    let id = parts.get(2).copied().unwrap_or_default();
    match endpoint {
        Endpoint::Me => lists::me(&inside.world, parameters),
        Endpoint::Mentions => lists::list(&inside.world, List::Mentions, id, parameters, is_partial),
        Endpoint::Timeline => lists::list(&inside.world, List::Own, id, parameters, is_partial),
        Endpoint::Lookups if parts.len() == 2 => lists::look_up(&inside.world, parameters, is_partial),
        Endpoint::Lookups => lists::look_up_one(&inside.world, id, parameters, is_partial),
        Endpoint::Posts => create(inside, headers, body),
    }
}

/// `POST /2/tweets`. [create]
fn create(inside: &mut Inside, headers: &HeaderMap, body: &[u8]) -> Answer {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let document = serde_json::from_slice::<Map<String, Value>>(body).ok().filter(|_| kind.starts_with("application/json"));
    let wrong = |name: &str, value: &Value, message: &str| Err(Problem::parameter(name, &value.to_string(), format!("{name}: {message}")));
    let Some(document) = document else {
        return wrong("$", &json!({}), "the body must be a JSON object");
    };
    check_parts(&document, "$", &["text", "reply"], POST_PARTS_NOT_MODELLED)?;
    let text = match document.get("text") {
        // Space at the ends is cut off.
        Some(Value::String(text)) if !text.trim().is_empty() => text.trim(),
        Some(value) => return wrong("$.text", value, "must be a string of at least 1 character"),
        None => return wrong("$.text", &Value::Null, "is missing but it is required"),
    };
    let target = match document.get("reply") {
        None => None,
        Some(Value::Object(reply)) => {
            check_parts(reply, "$.reply", &["in_reply_to_tweet_id"], REPLY_PARTS_NOT_MODELLED)?;
            match reply.get("in_reply_to_tweet_id") {
                Some(Value::String(id)) => Some(id_of("$.reply.in_reply_to_tweet_id", id)?),
                Some(value) => return wrong("$.reply.in_reply_to_tweet_id", value, "must be a string of digits"),
                None => return wrong("$.reply.in_reply_to_tweet_id", &Value::Null, "is missing but it is required"),
            }
        }
        Some(value) => return wrong("$.reply", value, "must be an object"),
    };
    let id = match target {
        Some(target) => reply(inside, target, text)?,
        None => {
            check_words(&inside.world, text, text)?;
            inside.world.announce(text)
        }
    };
    // [create] says that the answer holds the text; that it has whom it answers before it is not said, but that is the post's text.
    let text = inside.world.post_by_id(id).map(|post| Sent::of(&post.text).text);
    Ok((201, json!({"data": {"id": id.to_string(), "text": text, "edit_history_tweet_ids": [id.to_string()]}})))
}

fn reply(inside: &mut Inside, target: u64, text: &str) -> Result<u64, Problem> {
    // Code 385 of <https://developer.x.com/en/support/x-api/error-troubleshooting>: deleted and never having been are the same.
    let gone = || Problem::forbidden("You attempted to reply to a Tweet that is deleted or not visible to you.");
    let post = inside.world.post_by_id(target).ok_or_else(gone)?;
    if inside.reply_rule == ReplyRule::Summoned && !is_summoned(&inside.world, post) {
        inside.unsummoned_refused += 1;
        return Err(Problem::forbidden(UNSUMMONED));
    }
    let prefix = inside.world.reply_prefix(inside.world.company(), post);
    check_words(&inside.world, text, &format!("{prefix}{text}"))?;
    inside.world.answer(target, text).ok_or_else(gone)
}

/// [create] names two ways of summoning: naming the account and quoting it. The refusal says "or otherwise engaged"; a reply to the account
/// is taken for that, and the account may always answer itself.
fn is_summoned(world: &World, target: &Post) -> bool {
    let company = world.company();
    let is_about_company = [&target.quoted, &target.replied_to].into_iter().flatten().any(|about| about.author == company.id);
    target.author == company.id || is_about_company || world.names(target, company, true)
}

/// The length of what was typed, and whether the company said the whole of it lately.
fn check_words(world: &World, typed: &str, whole: &str) -> Result<(), Problem> {
    if weighted(typed) > LENGTH_MAX {
        // Code 186 of the same page.
        return Err(Problem::forbidden("Your Tweet text is too long."));
    }
    let is_same = |post: &Post| post.created + DUPLICATE_TIME > world.now() && post.text.trim() == whole.trim();
    if world.posts_of(world.company()).any(is_same) {
        // As answered in 2026: <https://github.com/akrherz/iembot/issues/163>.
        return Err(Problem::forbidden("You are not allowed to create a Tweet with duplicate content."));
    }
    Ok(())
}

fn check_parts(document: &Map<String, Value>, place: &str, modelled: &[&str], not_modelled: &[&str]) -> Result<(), Problem> {
    for (name, value) in document {
        if not_modelled.contains(&name.as_str()) {
            return Err(Problem::not_modelled(&format!("{place}.{name}")));
        }
        if !modelled.contains(&name.as_str()) {
            let message = format!("{place}.{name}: is not defined in the schema and the schema does not allow additional properties");
            return Err(Problem::parameter(&format!("{place}.{name}"), &value.to_string(), message));
        }
    }
    Ok(())
}

fn into_response(answer: Answer, limits: &[Told]) -> Response {
    let (status, body, kind) = match answer {
        Ok((status, body)) => (status, body, "application/json; charset=utf-8"),
        Err(problem) if problem.body.get("error").is_some() => (problem.status, problem.body, "application/json; charset=utf-8"),
        Err(problem) => (problem.status, problem.body, "application/problem+json; charset=utf-8"),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [("content-type", kind)], body.to_string()).into_response();
    for Told { headers, calls_max, remaining, resets_at_s } in limits {
        let values = [
            ("limit", HeaderValue::from(*calls_max)),
            ("remaining", HeaderValue::from(*remaining)),
            ("reset", HeaderValue::from(*resets_at_s)),
        ];
        for (what, value) in values {
            let name = HeaderName::try_from(format!("{headers}-{what}")).expect("letters and digits");
            response.headers_mut().insert(name, value);
        }
    }
    response
}
