//! Plays recorded exchanges, written after what MediaWiki 1.39.17 answered on loopback.

use std::collections::VecDeque;

use serde_json::{Value, json};
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::{Channel, Host, answered, exchange};
use wiki::Wiki;

/// A channel with the settings every test has, and more.
pub(crate) fn channel(more: &Value) -> Channel<Wiki> {
    let mut settings = json!({ "base-url": "https://wiki.example.org", "api-path": "/w/api.php", "bot": "ConnectorBot" });
    for (name, value) in more.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    Channel::new(settings)
}

fn recorded(name: &str) -> Value {
    exchange("tests/exchanges", name)
}

/// The recorded answer.
pub(crate) fn response(name: &str) -> Response {
    answered(&recorded(name))
}

/// Plays these exchanges in order; each request must be the one that was recorded, and carry no secret.
pub(crate) fn play(names: &[&'static str]) -> Host {
    let mut names = VecDeque::from(names.to_vec());
    Host::new().now("2026-11-22T11:30:00Z").http(move |request: &Request| {
        let name = names.pop_front().unwrap_or_else(|| panic!("one request too many: {}", request.url()));
        let expected = &recorded(name)["request"];
        assert_eq!(request.path(), "/w/api.php");
        assert_eq!(expected["method"].as_str().unwrap_or(request.method()), request.method(), "{name}");
        for (field, value) in expected["query"].as_object().into_iter().flatten() {
            assert_eq!(request.query_value(field).as_deref(), value.as_str(), "{name}: {field}");
        }
        for (field, value) in expected["form"].as_object().into_iter().flatten() {
            assert_eq!(request.form_value(field).as_deref(), value.as_str(), "{name}: {field}");
        }
        let everywhere = |field: &str| request.query_value(field).or_else(|| request.form_value(field));
        assert_eq!(everywhere("assert").as_deref(), Some("user"), "{name}: without it an edit succeeds anonymously");
        assert_eq!(everywhere("formatversion").as_deref(), Some("2"), "{name}");
        assert_eq!((request.header_value("authorization"), request.header_value("cookie")), (None, None), "the host's to put in");
        response(name)
    })
}
