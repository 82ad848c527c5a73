//! Errors as RFC 9457 says: `application/problem+json` with `type`, `title`, `status`, `detail`, and members of their own.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use sportello_core::domain::access::Role;
use sportello_core::refusal::Refusal;
use sportello_journal::JournalError;
use sportello_runtime::RuntimeError;
use sportello_views::ViewsError;

use crate::access::{AccessError, role_word};
use crate::channels::ChannelError;
use crate::connectors::ConnectorError;
use crate::tenant::SubmitError;

/// What every problem's `type` begins with.
const TYPE_PREFIX: &str = "urn:sportello:problem:";
/// Seconds after which an overloaded tenant may be asked again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Why a request brought nothing (RFC 9457).
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    /// The kind of problem, a URN that programs may compare: `urn:sportello:problem:` and a word.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words, the same every time.
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    status: StatusCode,
    /// What is wrong this time, and what to do.
    detail: String,
    /// Members of their own: `needed_role`, `problems`.
    #[serde(flatten)]
    members: Box<Map<String, Value>>,
}

fn status_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { kind: format!("{TYPE_PREFIX}{kind}"), title, status, detail: detail.into(), members: Box::default() }
    }

    /// 404.
    pub(crate) fn not_found(what: &str, name: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", format!("there is no {what} {name}"))
    }

    /// 404 for a path.
    pub(crate) fn no_route(path: &str) -> Self {
        let detail = format!("there is nothing at {path}; /api/openapi.json lists what there is");
        Self::new(StatusCode::NOT_FOUND, "no-route", "There is nothing at this path", detail)
    }

    /// 400: the request cannot be read.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }

    /// 405.
    pub(crate) fn method(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "This path does not take this method", detail)
    }

    /// 409: what is so now does not allow it.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "The present state does not allow it", detail)
    }

    /// 413.
    pub(crate) fn too_large(limit_bytes: usize) -> Self {
        let detail = format!("the body has more than the {limit_bytes} bytes this route takes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }

    /// 415.
    pub(crate) fn media_type(expected: &str) -> Self {
        let detail = format!("send the body as {expected}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "The body is of another type", detail)
    }

    /// 422: it can be read and makes no sense.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request makes no sense", detail)
    }

    /// 401: no token in force.
    pub(crate) fn unauthorized() -> Self {
        let detail = "send a token in force for this tenant: Authorization: Bearer spt_…; an admin makes one";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed", detail)
    }

    /// 403: the token's role is not enough.
    pub(crate) fn needs_role(name: &str, has: Role, needed: Role) -> Self {
        let (has, needed) = (role_word(has), role_word(needed));
        let detail = format!("this needs the role {needed}; the token {name:?} has the role {has}");
        Self::new(StatusCode::FORBIDDEN, "needs-role", "The token's role is not enough", detail).with("needed_role", needed)
    }

    /// 503: no room now; nothing happened.
    pub(crate) fn overloaded(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "There is no room now", detail)
    }

    /// 500: the host's own fault. What it is goes to the operator, not to the caller.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request of the API failed");
        let detail = "the host could not carry this out; its diagnostics say why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The host failed", detail)
    }

    /// With a member of its own.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Plain texts and numbers always encode.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sportello\""));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail),
            Refusal::Conflict(_) | Refusal::ProfileErased(_) | Refusal::ProfileChanged(_) | Refusal::StateChanged { .. } => {
                Self::conflict(detail)
            }
            Refusal::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, "forbidden", "A rule forbids it", detail),
            Refusal::Invalid(_) => Self::invalid(detail),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => refusal.into(),
            SubmitError::Overloaded(_) => Self::overloaded(error.to_string()),
            SubmitError::Stopped(_) => {
                let detail = format!("{error}; whether this took place shows when it is back: ask again then");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopped", "The tenant has stopped", detail)
            }
        }
    }
}

impl From<ViewsError> for Problem {
    fn from(error: ViewsError) -> Self {
        Self::internal(&error)
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::SlotErased { .. } => Self::conflict("somebody in it has been erased meanwhile"),
            error => Self::internal(&error),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Submit(error) => error.into(),
            AccessError::Random => Self::internal(&error),
        }
    }
}

impl From<ConnectorError> for Problem {
    fn from(error: ConnectorError) -> Self {
        match error {
            ConnectorError::Runtime(error) => (*error).into(),
            ConnectorError::NotInstalled(digest) => Self::not_found("installed connector", digest),
            error => Self::internal(&error),
        }
    }
}

impl From<RuntimeError> for Problem {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Engine(_) | RuntimeError::CacheFolder { .. } => Self::internal(&error),
            error => Self::invalid(error.to_string()),
        }
    }
}

impl From<ChannelError> for Problem {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::Connector { source, .. } => source.into(),
            // Nothing is wrong with the settings: there was no guest free to judge them.
            ChannelError::Unchecked { ref source, .. } if source.retry_after().is_some() => Self::overloaded(error.to_string()),
            ChannelError::Runtime { .. }
            | ChannelError::Secret { .. }
            | ChannelError::Settings { .. }
            | ChannelError::Configuration { .. }
            | ChannelError::Unchecked { .. } => Self::invalid(error.to_string()),
            ChannelError::Unknown(name) => Self::not_found("channel", name),
            ChannelError::Submit(error) => error.into(),
            ChannelError::Views(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sportello_core::ids::ChannelName;
    use sportello_runtime::{CallFailure, Slots};

    use super::*;

    #[test]
    fn settings_that_no_guest_was_free_to_check_are_to_be_sent_again_and_are_not_called_wrong() {
        let problem = |failure| -> Problem {
            ChannelError::Unchecked { channel: ChannelName::new("town-page").unwrap(), source: Box::new(failure) }.into()
        };
        let busy = problem(CallFailure::Busy { slots: Slots::Pool(64), waited: Duration::from_secs(5) });
        assert!(busy.detail.contains("try again later"), "{}", busy.detail);
        let response = busy.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));

        let trapped = CallFailure::Trap { connector: "mapped".into(), call: "configuration.check", reason: "unreachable".into() };
        assert_eq!(problem(trapped).status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}
