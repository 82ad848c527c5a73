//! Plays recorded exchanges, written after what Tryton 6.0.29 answered on loopback.

use std::collections::VecDeque;

use legacy_crm::LegacyCrm;
use serde_json::{Value, json};
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::{Channel, Host, answered, exchange};

/// A channel with the settings every test has, and more.
pub(crate) fn channel(more: &Value) -> Channel<LegacyCrm> {
    let mut settings = json!({ "base-url": "https://tryton.example.org", "rpc-path": "/crm/" });
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

/// Plays these exchanges in order; each request must be what Tryton understands, and carry no secret.
#[allow(dead_code, reason = "not every test file plays exchanges in order")]
pub(crate) fn play(names: &[&'static str]) -> Host {
    let mut names = VecDeque::from(names.to_vec());
    Host::new().now("2026-11-22T11:30:00Z").http(move |request: &Request| {
        let name = names.pop_front().unwrap_or_else(|| panic!("one request too many: {}", String::from_utf8_lossy(request.body_bytes())));
        assert_eq!((request.method(), request.url().as_str()), ("POST", "https://tryton.example.org/crm/"));
        assert_eq!(request.header_value("authorization"), None, "the host's to put in");
        let body: Value = request.body_json().unwrap();
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "method", "params"], "exactly these, or the answer is not wrapped");
        assert!(body["params"].as_array().unwrap().last().unwrap().is_object(), "{name}: the last parameter is the context");
        let expected = &recorded(name)["request"]["method"];
        assert!(expected.is_null() || *expected == body["method"], "{name}: {}", body["method"]);
        response(name)
    })
}
