//! What passed between a connector and its platform, kept as JSON documents beside the tests.

use std::path::Path;

use serde_json::Value;

use crate::http::Response;

/// The exchange `name` of a folder of the connector's crate, where cargo runs its tests: `<folder>/<name>.json`.
///
/// # Panics
/// Where there is none, or it is no JSON.
#[must_use]
pub fn exchange(folder: &str, name: &str) -> Value {
    let path = Path::new(folder).join(name).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the platform answered: `response` of the exchange, with `status`, `body` and, if there are any, `headers`.
///
/// # Panics
/// Where the status is no number, or a header no text.
#[must_use]
pub fn answered(exchange: &Value) -> Response {
    let recorded = &exchange["response"];
    let status = recorded["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
    let headers = recorded["headers"].as_object().into_iter().flatten();
    headers.fold(Response::with_json(status, &recorded["body"]), |response, (name, value)| {
        response.with_header(name, value.as_str().expect("a header's text"))
    })
}
