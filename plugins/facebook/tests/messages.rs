//! What the connector promises about private messages.

use facebook::Facebook;
use serde_json::{Value, json};
use sportello_sdk::testing::Channel;
use sportello_sdk::{Change, Interaction, Visibility, webhook};

const PAGE: &str = "100200300400500";
const ADA: &str = "7000000000000005";

/// What events of Ada's tell, which stand in the entry under this name.
fn told(list: &str, events: &[Value]) -> Vec<Interaction> {
    let event = |more: &Value| {
        let mut event = json!({ "sender": { "id": ADA }, "recipient": { "id": PAGE }, "timestamp": 1_764_000_900_123_i64 });
        more.as_object().unwrap().iter().for_each(|(name, value)| event[name] = value.clone());
        event
    };
    let events: Vec<Value> = events.iter().map(event).collect();
    let delivery = json!({ "object": "page", "entry": [{ "id": PAGE, "time": 1_764_000_901_000_i64, list: events }] });
    let channel = Channel::<Facebook>::new(json!({ "page-id": PAGE, "graph-url": "https://graph.facebook.com" }));
    channel.deliver(&webhook::Request::post(delivery.to_string())).unwrap().interactions
}

/// <https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/standby>
#[test]
fn a_message_while_another_app_has_the_thread_comes_in_like_any_other() {
    let events = [
        json!({ "message": { "mid": "m_1", "text": "Aiuto" } }),
        json!({ "message": { "mid": "m_2", "text": "Ci siamo", "is_echo": true }, "sender": { "id": PAGE }, "recipient": { "id": ADA } }),
        json!({ "read": { "watermark": 1_764_000_900_000_i64 } }),
    ];
    let standing_by = told("standby", &events);
    let summary: Vec<_> =
        standing_by.iter().map(|one| (one.native_id.as_str(), one.own, one.text.as_deref().unwrap_or_default())).collect();
    assert_eq!(summary, [("m_1", false, "Aiuto"), ("m_2", true, "Ci siamo")]);
    assert!(standing_by.iter().all(|one| one.visibility == Visibility::Participants && one.conversation.key == format!("dm:{ADA}")));
    let without_raw = |mut told: Vec<Interaction>| {
        told.iter_mut().for_each(|one| one.raw = None);
        told
    };
    assert_eq!(without_raw(standing_by), without_raw(told("messaging", &events)), "where it stands makes no difference");
}

/// <https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/message-reactions>
#[test]
fn a_reaction_to_a_message_that_is_taken_back_is_a_deletion_of_the_same() {
    let reaction = |more: Value| json!({ "reaction": more });
    let told = told(
        "messaging",
        &[
            reaction(json!({ "mid": "m_1", "action": "react", "reaction": "love", "emoji": "\u{2764}" })),
            reaction(json!({ "mid": "m_1", "action": "unreact" })),
        ],
    );
    let id = format!("reaction:m_1:{ADA}");
    let summary: Vec<_> =
        told.iter().map(|one| (one.native_id.as_str(), one.kind.as_str(), one.change, one.in_reply_to.as_deref())).collect();
    assert_eq!(summary, [(&*id, "reaction", Change::Created, Some("m_1")), (&*id, "reaction", Change::Deleted, Some("m_1"))]);
    let names_author =
        |one: &Interaction| one.attributes.iter().any(|attribute| attribute.name == "names-author" && attribute.value == "true");
    assert!(told.iter().all(names_author), "the id is made of who reacted: {told:?}");
}
