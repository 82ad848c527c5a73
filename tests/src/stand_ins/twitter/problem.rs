//! Refusals as the platform words them. [errors]

use serde_json::{Value, json};

/// Where the types of problems are described. Answers seen in 2025 still said `api.twitter.com`; the documentation says `api.x.com`.
const TYPES: &str = "https://api.x.com/2/problems";

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// What a call is answered with: the status and the document.
pub(super) type Answer = Result<(u16, Value), Problem>;

impl Problem {
    fn plain(status: u16, title: &str, detail: &str) -> Self {
        Self { status, body: json!({"title": title, "type": "about:blank", "status": status, "detail": detail}) }
    }

    pub(super) fn unauthorized() -> Self {
        Self::plain(401, "Unauthorized", "Unauthorized")
    }

    pub(super) fn forbidden(detail: &str) -> Self {
        Self::plain(403, "Forbidden", detail)
    }

    /// [limits] shows an older shape (`errors[].code` 88); the API's second version answers like its other problems.
    pub(super) fn too_many_requests() -> Self {
        Self::plain(429, "Too Many Requests", "Too Many Requests")
    }

    /// What the platform has and the stand-in has not.
    pub(super) fn not_modelled(what: &str) -> Self {
        Self::plain(501, "Not Implemented", &format!("the stand-in does not model {what}"))
    }

    /// One parameter, as it came, and what is wrong with it. [errors]
    pub(super) fn parameter(name: &str, value: &str, message: impl Into<String>) -> Self {
        let body = json!({
            "errors": [{"parameters": {name: [value]}, "message": message.into()}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": format!("{TYPES}/invalid-request"),
        });
        Self { status: 400, body }
    }

    /// OAuth's own shape of errors, which only the token endpoint uses (RFC 6749, section 5.2).
    pub(super) fn oauth(status: u16, error: &str, description: &str) -> Self {
        Self { status, body: json!({"error": error, "error_description": description}) }
    }
}

/// A row of `errors` beside `data`: something named was not found. [errors]
pub(super) fn not_found(kind: &str, parameter: &str, value: &str) -> Value {
    json!({
        "value": value, "detail": format!("Could not find {kind} with {parameter}: [{value}]."), "title": "Not Found Error",
        "resource_type": kind, "parameter": parameter, "resource_id": value, "type": format!("{TYPES}/resource-not-found"),
    })
}

/// A row of `errors` beside `data`: something is there and is not shown, because its author is suspended or lets nobody see it. As answered with HTTP
/// 200: <https://github.com/HunterLarco/twitter-v2/issues/26>.
pub(super) fn not_shown(kind: &str, parameter: &str, value: &str) -> Value {
    let shown = if kind == "tweet" { "Tweet" } else { kind };
    json!({
        "value": value, "detail": format!("Sorry, you are not authorized to see the {shown} with {parameter}: [{value}]."),
        "title": "Authorization Error", "resource_type": kind, "parameter": parameter, "resource_id": value, "section": "data",
        "type": format!("{TYPES}/not-authorized-for-resource"),
    })
}
