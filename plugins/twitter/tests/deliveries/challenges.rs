//! Challenges are answered, and nothing else is signed.

use serde_json::{Value, json};
use sportello_sdk::webhook;

use crate::bodies::{channel, host};

#[test]
fn a_challenge_is_answered_with_the_mac_of_its_token() {
    let _host = host().credential("consumer-secret", "the consumer secret").start();
    let outcome = channel().deliver(&webhook::Request::get([("crc_token", "4A9E"), ("nonce", "x")])).unwrap();
    let response = outcome.response.unwrap();
    assert_eq!((response.status, response.content_type.as_str()), (200, "application/json"));
    // printf 4A9E | openssl dgst -sha256 -hmac 'the consumer secret' -binary | base64
    let answer: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(answer, json!({"response_token": "sha256=isPi3PlJ24ncQrIVBmTIX6JWpxUrye9md1HpxrY4+uA="}));
    let without = channel().deliver(&webhook::Request::get([("nonce", "x")])).unwrap();
    assert_eq!(without.response.unwrap().status, 400);
}

#[test]
fn a_challenge_is_no_way_to_have_a_delivery_signed() {
    let _host = host().credential("consumer-secret", "the consumer secret").start();
    let ask = |token: &str| channel().deliver(&webhook::Request::get([("crc_token", token)])).unwrap().response.unwrap();
    for token in [r#"{"data":{}}"#, r#"{"for_user_id":"1"}"#, "[]", "{", " 1", "1\n", "", "\u{e9}", &"a".repeat(129)] {
        let answer = ask(token);
        assert_eq!(answer.status, 400, "{token:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("sha256="), "{token:?}");
    }
    for token in ["YzQ0-_+/8=", &"a".repeat(128)] {
        assert_eq!(ask(token).status, 200, "{token:?}");
    }
}
