//! The check of the webhook's address.

use serde_json::Value;
use sportello_sdk::testing::Host;
use sportello_sdk::{Mac, credentials, webhook};

use crate::platform::channel;

fn ask(query: &[(&str, &str)]) -> webhook::Response {
    channel().deliver(&webhook::Request::get(query.iter().copied())).unwrap().response.unwrap()
}

#[test]
fn the_challenge_is_answered_with_its_mac_in_lower_case_digits() {
    let _host = Host::new().credential("client-secret", "prezzemolo").start();
    let code = "890e4665-4dfe-4ab1-b689-ed553bceeed0";
    let answer = ask(&[("challengeCode", code), ("applicationId", "214758364")]);
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(document["challengeCode"], code);
    // echo -n 890e4665-… | openssl dgst -sha256 -hmac prezzemolo
    assert_eq!(document["challengeResponse"], "f985fdb1e09217a22b425d85c335bb4cb83e51bbe126094446a23e035cc2a1e0");
}

#[test]
fn a_challenge_is_no_way_to_have_a_delivery_signed() {
    let _host = Host::new().credential("client-secret", "prezzemolo").start();
    let forged = r#"hmacsha256={"notifications":[]}"#;
    let mac = credentials::sign("client-secret", Mac::HmacSha256, forged.as_bytes()).unwrap();
    let digits: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    for code in [forged, "hmacsha256=", "", "{}", &"a".repeat(65)] {
        let answer = ask(&[("challengeCode", code)]);
        assert_eq!(answer.status, 400, "{code:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(&digits));
    }
    assert_eq!(ask(&[]).status, 400);
}

#[test]
fn a_signature_is_taken_with_the_prefix_and_without_it() {
    let manifest = channel().manifest();
    let [signature] = manifest.signatures.as_slice() else { panic!("one way") };
    assert_eq!(
        (signature.prefix.as_str(), signature.prefix_optional, signature.signed_prefix.as_str()),
        ("hmacsha256=", true, "hmacsha256=")
    );
    let secret = manifest.credentials.iter().find(|credential| credential.name == signature.credential).unwrap();
    assert!(secret.origin.is_none() && secret.sign, "it never leaves the host");
}
