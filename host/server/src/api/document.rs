//! The OpenAPI 3.1 document: made from the handlers, completed with what holds for all of them (path parameters, token, role, problems).

use std::sync::Arc;

use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::access::{needed_role, role_word};
use crate::api::PREFIX;

/// What a path parameter is.
const PARAMETERS: &[(&str, &str, &str)] = &[
    ("tenant", "string", "The tenant's name"),
    ("case", "integer", "A case's number"),
    ("conversation", "integer", "A conversation's number"),
    ("interaction", "integer", "An interaction's number"),
    ("profile", "integer", "A profile's number"),
    ("person", "integer", "A person's number"),
    ("contact", "integer", "A contact's number"),
    ("link", "integer", "A link's number"),
    ("effect", "integer", "An effect's number"),
    ("channel", "string", "A channel's name"),
    ("digest", "string", "A component's SHA-256, 64 hexadecimal digits"),
    ("delivery", "integer", "A parked delivery's number"),
    ("workflow", "string", "A workflow's name"),
    ("run", "integer", "A run's number"),
    ("token", "integer", "A token's number"),
];

/// Problems every operation may answer with.
const PROBLEMS: &[(&str, &str)] = &[
    ("400", "The request cannot be read"),
    ("401", "No token in force was sent"),
    ("403", "The token's role is not enough (`needed_role` says which is), or a rule forbids it"),
    ("404", "There is no such thing"),
    ("409", "The present state does not allow it"),
    ("413", "The body is too large"),
    ("415", "The body is of another media type"),
    ("422", "The request makes no sense"),
    ("500", "The host failed"),
    ("503", "There is no room now; Retry-After says when to come back"),
];

/// Gives the whole document.
pub(super) async fn serve(document: Arc<str>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// Completes what the handlers say.
pub(super) fn complete(made: &OpenApi) -> String {
    // The document is made of texts and maps with text keys: it always encodes.
    let mut document = serde_json::to_value(made).unwrap_or_default();
    document["info"] = json!({
        "title": "Sportello",
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        "description": "Everything a tenant knows: cases, people, conversations, effects, channels, connectors, workflows. Errors are application/problem+json (RFC 9457).",
    });
    document["security"] = json!([{ "token": [] }]);
    document["components"]["securitySchemes"] =
        json!({ "token": { "type": "http", "scheme": "bearer", "description": "spt_… as made by an admin or by `sportello token`" } });
    document["components"]["schemas"]["Problem"] = problem_schema();
    let paths = document["paths"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let completed: Map<String, Value> = paths.into_iter().map(|(path, item)| (path.clone(), complete_item(&path, item))).collect();
    document["paths"] = Value::Object(completed);
    document.to_string()
}

fn complete_item(path: &str, mut item: Value) -> Value {
    for (method, operation) in item.as_object_mut().into_iter().flatten() {
        let Some(operation) = operation.as_object_mut() else { continue };
        let mut parameters: Vec<Value> = path_parameters(path);
        if let Some(Value::Array(own)) = operation.remove("parameters") {
            parameters.extend(own);
        }
        operation.insert("parameters".to_owned(), Value::Array(parameters));
        let role = Method::from_bytes(method.to_uppercase().as_bytes())
            .ok()
            .and_then(|method| needed_role(&method, path.strip_prefix(PREFIX).unwrap_or_default()));
        if let Some(role) = role {
            operation.insert("x-needed-role".to_owned(), role_word(role).into());
        }
        // Bytes are no JSON: OpenAPI 3.1 leaves out what the media type says already.
        if let Some(bytes) = operation.get_mut("requestBody").and_then(|body| body.pointer_mut("/content/application~1wasm")) {
            *bytes = json!({});
        }
        let responses = operation.entry("responses").or_insert_with(|| json!({}));
        for (status, description) in PROBLEMS {
            if responses.get(status).is_none() {
                responses[*status] = json!({
                    "description": description,
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                });
            }
        }
    }
    item
}

fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let known = PARAMETERS.iter().find(|(parameter, _, _)| *parameter == name);
            let (kind, description) = known.map_or(("string", ""), |(_, kind, description)| (kind, description));
            json!({ "name": name, "in": "path", "required": true, "description": description, "schema": { "type": kind } })
        })
        .collect()
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a request brought nothing (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "The kind of problem; programs may compare it", "examples": ["urn:sportello:problem:not-found"] },
            "title": { "type": "string", "description": "The kind in words, the same every time" },
            "status": { "type": "integer", "description": "The HTTP status" },
            "detail": { "type": "string", "description": "What is wrong this time, and what to do" },
            "needed_role": { "type": "string", "description": "With needs-role: the least role that may do this" },
            "problems": {
                "type": "array",
                "description": "With a workflow's definition: everything that is wrong with it",
                "items": { "type": "object", "properties": { "line": { "type": "integer" }, "column": { "type": "integer" }, "message": { "type": "string" } } },
            },
        },
    })
}
