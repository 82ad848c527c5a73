//! What X sends, in both shapes, and the connector that reads it.

use serde_json::{Value, json};
use sportello_sdk::testing::{Channel, Host};
use sportello_sdk::{Interaction, webhook};
use twitter::Twitter;

pub(crate) const COMPANY: &str = "1400000000000000001";
pub(crate) const MARIA: &str = "1700000000000000007";
pub(crate) const POST: &str = "1900000000000000101";

pub(crate) fn channel() -> Channel<Twitter> {
    Channel::new(json!({ "user-id": COMPANY, "handle": "sole", "api-url": "https://api.x.com" }))
}

pub(crate) fn host() -> Host {
    Host::new()
}

pub(crate) fn deliver(body: &Value) -> Vec<Interaction> {
    deliver_raw(body.to_string())
}

pub(crate) fn deliver_raw(body: impl Into<Vec<u8>>) -> Vec<Interaction> {
    channel().deliver(&webhook::Request::post(body.into())).unwrap().interactions
}

pub(crate) fn only(body: &Value) -> Interaction {
    let mut interactions = deliver(body);
    assert_eq!(interactions.len(), 1, "{interactions:?}");
    interactions.remove(0)
}

pub(crate) fn identity(interaction: &Interaction) -> (&str, &str) {
    (&interaction.native_id, &interaction.revision)
}

pub(crate) fn event(uuid: u64, kind: &str, payload: &Value, users: &Value) -> Value {
    json!({"data": {
        "event_uuid": uuid.to_string(), "event_type": kind, "tag": "t", "filter": {"user_id": COMPANY}, "payload": payload,
        "includes": {"users": users},
    }})
}

pub(crate) fn maria() -> Value {
    json!([{"id": MARIA, "name": "Maria Bianchi", "username": "maria_b"}])
}

/// A post of Maria's that names the company.
pub(crate) fn post(id: &str, text: &str) -> Value {
    json!({
        "id": id, "text": text, "author_id": MARIA, "created_at": "2026-01-15T11:59:00.000Z", "conversation_id": id,
        "edit_history_tweet_ids": [id], "lang": "it", "entities": {"mentions": [{"start": 0, "end": 5, "username": "Sole", "id": COMPANY}]},
    })
}

pub(crate) fn account_post(id: u64, text: &str) -> Value {
    json!({
        "id": id, "id_str": id.to_string(), "text": text, "timestamp_ms": "1768478340000", "created_at": "Thu Jan 15 11:59:00 +0000 2026",
        "in_reply_to_status_id": null, "in_reply_to_status_id_str": null, "lang": "it",
        "user": {"id": 1_700_000_000_000_000_007_u64, "id_str": MARIA, "name": "Maria Bianchi", "screen_name": "maria_b"},
        "entities": {"user_mentions": [{"screen_name": "sole", "id": 1_400_000_000_000_000_001_u64, "id_str": COMPANY}]},
    })
}

pub(crate) fn account(list: &str, rows: &Value) -> Value {
    json!({"for_user_id": COMPANY, list: rows})
}
