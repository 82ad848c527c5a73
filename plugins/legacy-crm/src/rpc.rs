//! JSON-RPC, and what its errors mean.
//!
//! A body is exactly `id`, `method` and `params`, and the last parameter of a model's method is its context. An error of the application comes as
//! HTTP 200 with `error: [name, …]`; 401 is a session that is gone, which the host then gives up, so the same request logs in anew.
//!
//! What the application refuses has changed nothing, with one exception: Tryton touches the session once it has committed (`security.reset` in its
//! dispatcher), and where that ended meanwhile, it answers as if it had refused what it did. So after a refusal the session is looked at.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sportello_sdk::{Error, headroom, http};

use crate::Settings;
use crate::stamp::Stamp;

/// How long to wait before a request that was refused in passing is made again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The host's window of which nothing is left after a refusal, until it says: whatever stands before Tryton counts all requests.
const ALL: &str = "all";
/// What every session may ask for.
const PROBE: &str = "model.res.user.get_preferences";
/// What a message shows of an error's words.
const SHOWN_CHARACTERS_MAX: usize = 500;

/// What a call is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Repeating it changes nothing.
    Look,
    /// It makes something.
    Change,
}

/// Calls a method of a model; the last parameter is its context.
pub(crate) fn call<T: DeserializeOwned>(settings: &Settings, purpose: Purpose, method: &str, params: Value) -> Result<T, Error> {
    call_at(settings, purpose, method, params).map(|(result, _)| result)
}

/// The same, with the second of the server's clock in which it answered, if it says so.
pub(crate) fn call_at<T: DeserializeOwned>(
    settings: &Settings,
    purpose: Purpose,
    method: &str,
    params: Value,
) -> Result<(T, Option<Stamp>), Error> {
    let response = match send(settings, purpose, method, &params)? {
        // Refused before anything was done.
        expired if expired.status == 401 => send(settings, purpose, method, &params)?,
        response => response,
    };
    if response.status == 401 {
        return Err(Error::retry(RETRY_PAUSE, format!("{method}: Tryton has ended the session twice in a row")));
    }
    let response = response.success()?;
    let answered_at = response.header("date").and_then(Stamp::of_http);
    let mut reply: Value = response.json()?;
    if let Some(error) = reply.get("error") {
        return Err(match meaning(method, error) {
            Error::Reject(reason) if has_ended(settings, &reason) => match purpose {
                Purpose::Look => Error::retry(RETRY_PAUSE, reason),
                Purpose::Change => Error::uncertain(format!("{reason}; the session ended meanwhile, so it may have been done")),
            },
            error => error,
        });
    }
    let result = serde_json::from_value(reply["result"].take()).map_err(|error| {
        let reason = format!("{method}: the result is not as expected: {error}");
        if purpose == Purpose::Look { Error::reject(reason) } else { Error::uncertain(reason) }
    })?;
    Ok((result, answered_at))
}

fn send(settings: &Settings, purpose: Purpose, method: &str, params: &Value) -> Result<http::Response, Error> {
    let request = http::Request::post(settings.rpc_url()).json(&json!({ "id": 1, "method": method, "params": params }));
    let request = if purpose == Purpose::Look { request.repeatable() } else { request };
    headroom::take(ALL)?;
    let response = request.send()?;
    if let (429, Error::RateLimited(limit)) = (response.status, response.failure("")) {
        headroom::report_refusal(ALL, &limit.until);
    }
    Ok(response)
}

/// Whether the session of a request that was refused has ended, or nobody can tell. Another call may have a new one by now: then the refusal itself
/// names the session, in the language that most servers speak.
fn has_ended(settings: &Settings, reason: &str) -> bool {
    // As a change: a look would be repeated by the host with a session of its own.
    reason.contains("\"Session\"")
        || !send(settings, Purpose::Change, PROBE, &json!([true, {}])).is_ok_and(|response| response.is_success())
}

fn meaning(method: &str, error: &Value) -> Error {
    let name = error[0].as_str().unwrap_or_default();
    let words = match &error[1] {
        Value::Array(parts) => parts.first().and_then(Value::as_str).unwrap_or_default(),
        other => other.as_str().unwrap_or_default(),
    };
    let words: String = words.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let reason = format!("{method}: Tryton says {name}: {words}");
    match name {
        "ConcurrencyException" => Error::retry(RETRY_PAUSE, reason),
        "LoginException" => Error::auth(reason),
        // The database's own refusals come through as they are.
        _ if ["database is locked", "could not serialize", "deadlock", "canceling statement"].iter().any(|busy| name.contains(busy)) => {
            Error::retry(RETRY_PAUSE, reason)
        }
        _ => Error::reject(reason),
    }
}

/// Takes `%`, `_` and `\` for themselves in a pattern of `like`.
pub(crate) fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            literal.push('\\');
        }
        literal.push(letter);
    }
    literal
}
