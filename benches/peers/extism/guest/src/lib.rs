//! The same parse as `benches/guest`, as a plug-in of Extism: 2 KB of JSON in, three comments out.

#[path = "../../../../guest/src/document.rs"]
mod document;

use document::Document;
use extism_pdk::{FnResult, plugin_fn};
use serde::Serialize;

/// What is answered of a comment: what the connector's interaction holds.
#[derive(Serialize)]
struct Interaction {
    native_id: String,
    conversation: String,
    author: String,
    display_name: String,
    text: String,
    occurred_at_seconds: i64,
}

/// Parses a delivery.
#[plugin_fn]
pub fn handle(body: Vec<u8>) -> FnResult<Vec<u8>> {
    let document: Document = serde_json::from_slice(&body)?;
    let interactions: Vec<Interaction> = document
        .comments()
        .map(|comment| Interaction {
            native_id: comment.comment_id,
            conversation: comment.post_id,
            author: comment.from.id,
            display_name: comment.from.name,
            text: comment.message,
            occurred_at_seconds: comment.created_time,
        })
        .collect();
    Ok(serde_json::to_vec(&interactions)?)
}
