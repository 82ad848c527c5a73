//! Errors of the Graph API, and how they are sent.

use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::random_hex;

/// An error of the Graph API. All but the server's own come as HTTP 400, missing permissions as 403. [errors]
#[derive(Debug)]
pub(super) struct GraphError {
    pub(super) kind: &'static str,
    pub(super) code: u32,
    pub(super) subcode: Option<u32>,
    pub(super) message: String,
    pub(super) transient: bool,
}

impl GraphError {
    pub(super) fn new(kind: &'static str, code: u32, subcode: Option<u32>, message: impl Into<String>) -> Self {
        Self { kind, code, subcode, message: message.into(), transient: false }
    }

    pub(super) fn no_object(method: &Method, id: &str) -> Self {
        let verb = method.as_str().to_lowercase();
        let text = format!(
            "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation"
        );
        Self::new("GraphMethodException", 100, Some(33), text)
    }
}

/// An answer or refusal, with the headers that tell what is used.
pub(super) fn into_response(answer: Result<Value, GraphError>, usage: [(&'static str, Value); 2]) -> Response {
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
