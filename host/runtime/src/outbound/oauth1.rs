//! Signing requests by OAuth 1.0a with HMAC-SHA1: RFC 5849, section 3.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::utf8_percent_encode;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::template::{BoundField, RESERVED};

/// The fields of a credential that signs so, in this order.
pub const FIELDS: [&str; 4] = ["consumer-key", "consumer-secret", "token", "token-secret"];

/// Who signs: an application (the consumer) for an account.
pub(super) struct Keys<'a> {
    consumer_key: &'a str,
    consumer_secret: &'a str,
    token: &'a str,
    token_secret: &'a str,
}

/// What is signed.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Scheme, host and, if not the scheme's own, port, in lower case.
    pub(super) origin: &'a str,
    /// Path and query as they go out.
    pub(super) target: &'a str,
    /// The body, if it is a form: only then it is signed.
    pub(super) form: Option<&'a [u8]>,
}

impl<'a> Keys<'a> {
    /// None: a field is not bound.
    pub(super) fn of(fields: &'a BTreeMap<String, BoundField>) -> Option<Self> {
        let [consumer_key, consumer_secret, token, token_secret] = FIELDS.map(|name| fields.get(name).map(BoundField::text));
        Some(Self { consumer_key: consumer_key?, consumer_secret: consumer_secret?, token: token?, token_secret: token_secret? })
    }

    /// The value of the `Authorization` header. `seconds` since 1970; a nonce is never used twice with the same second.
    pub(super) fn authorization(&self, signed: &Signed<'_>, seconds: i64, nonce: &str) -> String {
        let seconds = seconds.to_string();
        let own = [
            ("oauth_consumer_key", self.consumer_key),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", seconds.as_str()),
            ("oauth_token", self.token),
            ("oauth_version", "1.0"),
        ];
        let signature = self.signature(&base_string(signed, &own));
        let parameters: Vec<_> = own
            .into_iter()
            .chain([("oauth_signature", signature.as_str())])
            .map(|(name, value)| format!("{name}=\"{}\"", encoded(value)))
            .collect();
        format!("OAuth {}", parameters.join(", "))
    }
}

impl Keys<'_> {
    fn signature(&self, base: &str) -> String {
        let key = format!("{}&{}", encoded(self.consumer_secret), encoded(self.token_secret));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
        STANDARD.encode(hmac::sign(&key, base.as_bytes()))
    }
}

/// Thirty-two random digits, or None where the system has no randomness.
pub(super) fn nonce() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(hex::encode(bytes))
}

/// Method, URL and parameters: section 3.4.1.
fn base_string(signed: &Signed<'_>, own: &[(&str, &str)]) -> String {
    let (path, query) = signed.target.split_once('?').unwrap_or((signed.target, ""));
    let of_request = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(signed.form.unwrap_or_default()));
    let mut parameters: Vec<(String, String)> = of_request.map(|(name, value)| (encoded(&name), encoded(&value))).collect();
    parameters.extend(own.iter().map(|(name, value)| (encoded(name), encoded(value))));
    parameters.sort();
    let joined: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}&{}&{}", signed.method, encoded(&format!("{}{path}", signed.origin)), encoded(&joined.join("&")))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The base string of RFC 5849, section 3.4.1.1: parameters of query, header and body together, some doubled, some empty, some escaped.
    #[test]
    fn the_base_string_is_that_of_the_rfc() {
        let signed = Signed {
            method: "POST",
            origin: "http://example.com",
            target: "/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b",
            form: Some(b"c2&a3=2+q"),
        };
        let own = [
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
        ];
        assert_eq!(
            base_string(&signed, &own),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26\
             oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26\
             oauth_token%3Dkkk9d7dh3k39sjv7"
        );
    }

    /// The worked example of RFC 5849, section 1.2, which leaves the version out.
    #[test]
    fn the_signature_is_that_of_the_rfc() {
        let signed =
            Signed { method: "GET", origin: "http://photos.example.net", target: "/photos?file=vacation.jpg&size=original", form: None };
        let own = [
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_token", "nnch734d00sl2jdk"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131202"),
            ("oauth_nonce", "chapoH"),
        ];
        let keys = Keys {
            consumer_key: "dpf43f3p2l4k3l03",
            consumer_secret: "kd94hf93k423kf44",
            token: "nnch734d00sl2jdk",
            token_secret: "pfkkdhi9sl3r4s00",
        };
        assert_eq!(encoded(&keys.signature(&base_string(&signed, &own))), "MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D");
        let header = keys.authorization(&signed, 137_131_202, "chapoH");
        assert!(header.contains("oauth_version=\"1.0\"") && header.contains("oauth_signature=\""), "{header}");
        assert!(!header.contains("pfkkdhi9sl3r4s00") && !header.contains("kd94hf93k423kf44"), "{header}");
    }
}
