//! Calls signed with OAuth 1.0a: HMAC-SHA1 over the method, the address and all parameters. RFC 5849, section 3.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;

/// How far a call's time may be from the platform's, in seconds. The platform says no more than that it must not be far; 300 is ours.
const TIME_DISTANCE_MAX_S: i64 = 300;

/// The two secrets and their public halves.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) consumer_key: String,
    pub(super) consumer_secret: String,
    pub(super) token: String,
    pub(super) token_secret: String,
}

/// What of a request is signed.
pub(super) struct Signed<'request> {
    pub(super) method: &'request str,
    /// Scheme, host and path, without the query.
    pub(super) address: &'request str,
    /// The parameters of the query and of a form body.
    pub(super) parameters: &'request [(String, String)],
}

/// Who was seen before.
#[derive(Debug, Default)]
pub(super) struct Nonces(BTreeSet<String>);

/// Whether an `Authorization: OAuth …` header is right, fresh, and was never used.
pub(super) fn verify(keys: &Keys, nonces: &mut Nonces, header: &str, request: &Signed<'_>, now: Timestamp) -> bool {
    let Some(fields) = header_fields(header) else { return false };
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let is_fresh = field("oauth_timestamp")
        .parse::<i64>()
        .is_ok_and(|seconds| seconds.abs_diff(now.as_second()) <= TIME_DISTANCE_MAX_S.unsigned_abs());
    let is_ours = field("oauth_consumer_key") == keys.consumer_key
        && field("oauth_token") == keys.token
        && field("oauth_signature_method") == "HMAC-SHA1"
        && matches!(field("oauth_version"), "" | "1.0");
    let signature = STANDARD.decode(field("oauth_signature")).unwrap_or_default();
    let is_signed = hmac::verify(&key(keys), base_string(&fields, request).as_bytes(), &signature).is_ok();
    is_fresh && is_ours && is_signed && !field("oauth_nonce").is_empty() && nonces.0.insert(field("oauth_nonce").to_owned())
}

fn key(keys: &Keys) -> hmac::Key {
    let text = format!("{}&{}", encode(&keys.consumer_secret), encode(&keys.token_secret));
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes())
}

/// Section 3.4.1.
fn base_string(fields: &BTreeMap<String, String>, request: &Signed<'_>) -> String {
    let of_header = fields.iter().filter(|(name, _)| !matches!(name.as_str(), "oauth_signature" | "realm"));
    let all = of_header.chain(request.parameters.iter().map(|(name, value)| (name, value)));
    let mut pairs: Vec<(String, String)> = all.map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort();
    let parameters = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    format!("{}&{}&{}", request.method, encode(request.address), encode(&parameters))
}

/// Section 3.5.1.
fn header_fields(header: &str) -> Option<BTreeMap<String, String>> {
    let pair = |text: &str| {
        let (name, value) = text.trim().split_once('=')?;
        Some((decode(name)?, decode(value.trim().strip_prefix('"')?.strip_suffix('"')?)?))
    };
    header.strip_prefix("OAuth ")?.split(',').map(pair).collect()
}

/// Section 3.6: everything but the unreserved characters, with capital digits.
fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(others.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = others.get(2..)?;
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signed call of RFC 5849, section 1.2.
    #[test]
    fn the_rfcs_own_example_is_verified_once() {
        let keys = Keys {
            consumer_key: "dpf43f3p2l4k3l03".to_owned(),
            consumer_secret: "kd94hf93k423kf44".to_owned(),
            token: "nnch734d00sl2jdk".to_owned(),
            token_secret: "pfkkdhi9sl3r4s00".to_owned(),
        };
        let header = "OAuth realm=\"Photos\", oauth_consumer_key=\"dpf43f3p2l4k3l03\", oauth_token=\"nnch734d00sl2jdk\", \
                      oauth_signature_method=\"HMAC-SHA1\", oauth_timestamp=\"137131202\", oauth_nonce=\"chapoH\", \
                      oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\"";
        let parameters = [("file".to_owned(), "vacation.jpg".to_owned()), ("size".to_owned(), "original".to_owned())];
        let request = Signed { method: "GET", address: "http://photos.example.net/photos", parameters: &parameters };
        let now = Timestamp::from_second(137_131_202 + 300).unwrap();
        let mut nonces = Nonces::default();
        assert!(!verify(&keys, &mut nonces, header, &Signed { method: "POST", ..request }, now));
        assert!(!verify(&keys, &mut nonces, header, &request, now + jiff::SignedDuration::from_secs(1)), "old");
        assert!(verify(&keys, &mut nonces, header, &request, now));
        assert!(!verify(&keys, &mut nonces, header, &request, now), "a nonce serves once");
    }
}
