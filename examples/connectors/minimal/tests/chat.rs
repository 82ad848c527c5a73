//! How a connector is tested natively: the host is a double, the calls go the way real ones go.

use minimal::Chat;
use serde_json::json;
use sportello_sdk::testing::{Channel, Host, reply};
use sportello_sdk::{Error, http, webhook};

fn channel() -> Channel<Chat> {
    Channel::new(json!({ "url": "https://chat.example" }))
}

#[test]
fn a_message_becomes_an_interaction() {
    let body = r#"{"id":"m-1","thread":"t/7","user":"anna","text":"Perché non va? 😡","at":1764000000}"#;
    let interactions = channel().deliver(&webhook::Request::post(body)).unwrap().interactions;
    assert_eq!(interactions.len(), 1);
    assert_eq!(interactions[0].text.as_deref(), Some("Perché non va? 😡"));
    assert_eq!(interactions[0].occurred_at, "2025-11-24T16:00:00Z");
    assert_eq!(interactions[0].conversation.key, "t/7");
}

#[test]
fn a_delivery_of_another_shape_is_rejected_and_so_parked() {
    assert!(matches!(channel().deliver(&webhook::Request::post("{}")), Err(Error::Reject(_))));
}

#[test]
fn a_reply_goes_to_its_thread_under_the_hosts_key() {
    let host = Host::new()
        .http(|_: &http::Request| {
            http::Response::with_json(200, &json!({ "id": "m-2", "thread": "t/7", "user": "us", "text": "", "at": 1_764_000_001 }))
        })
        .start();
    assert_eq!(channel().publish(&reply("run-1", "t/7", "Torna alle 14")).unwrap().native_id, "m-2");
    let request = &host.requests()[0];
    assert_eq!((request.method(), request.path()), ("POST", "/threads/t%2F7"));
    assert_eq!(request.form_value("key").as_deref(), Some("run-1"));
    assert_eq!(request.form_value("text").as_deref(), Some("Torna alle 14"));
}

#[test]
fn a_reply_whose_answer_is_lost_is_uncertain() {
    let _host = Host::new().http(|_: &http::Request| Err::<http::Response, _>(http::Failure::Interrupted("time-out".into()))).start();
    assert!(matches!(channel().publish(&reply("run-1", "t", "x")), Err(Error::Uncertain(_))));
}
