//! Checking how a delivery is signed, before any guest runs.
//!
//! The MAC covers the raw bytes as they came: what the platform signed is the bytes it sent, and a JSON document read and written again is not
//! those bytes (some platforms sign escaped Unicode). Digests are compared in constant time by `ring`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::hmac;

use crate::contract::{DigestText, Mac, Signature};
use crate::secret::Secret;

/// Why a delivery is not believed. None of these says anything about the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefusal {
    /// The connector's manifest declares no signature: its channels take no deliveries.
    #[error("the connector declares no signature, so no delivery can be believed")]
    NotDeclared,
    /// The operator bound no secret to the credential that signs.
    #[error("no secret is bound to the credential {0} that signs the channel's deliveries")]
    NotBound(String),
    /// The header is missing.
    #[error("the delivery has no header {0}: it is not signed")]
    Missing(String),
    /// The header stands there more than once, so that two readers could disagree about which counts.
    #[error("the delivery has the header {0} more than once")]
    Repeated(String),
    /// The header's text is not what the manifest describes.
    #[error("the header {header} is not {expected}")]
    Malformed {
        /// The header.
        header: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The digest is another one.
    #[error("the signature in {0} is not that of this body under the channel's secret")]
    Wrong(String),
}

/// The MAC of `data` under `secret`.
pub(crate) fn mac(algorithm: Mac, secret: &Secret, data: &[&[u8]]) -> Vec<u8> {
    let key = hmac::Key::new(ring_algorithm(algorithm), secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    for part in data {
        context.update(part);
    }
    context.sign().as_ref().to_vec()
}

/// Whether the delivery with these headers and this raw body was signed under `secret`, by the scheme the manifest describes.
pub fn verify_signature(scheme: &Signature, secret: &Secret, headers: &http::HeaderMap, body: &[u8]) -> Result<(), SignatureRefusal> {
    let mut values = headers.get_all(scheme.header.as_str()).iter();
    let value = values.next().ok_or_else(|| SignatureRefusal::Missing(scheme.header.clone()))?;
    if values.next().is_some() {
        return Err(SignatureRefusal::Repeated(scheme.header.clone()));
    }
    let malformed = |expected| SignatureRefusal::Malformed { header: scheme.header.clone(), expected };
    let text = value.to_str().map_err(|_| malformed("visible ASCII"))?;
    let digest = match text.strip_prefix(scheme.prefix.as_str()) {
        Some(rest) => rest,
        None if scheme.prefix_optional => text,
        None => return Err(malformed("introduced by the prefix the manifest names")),
    };
    let digest = match scheme.digest_text {
        DigestText::Hex => hex::decode(digest).map_err(|_| malformed("a digest in hexadecimal"))?,
        DigestText::Base64 => {
            STANDARD.decode(digest).or_else(|_| STANDARD_NO_PAD.decode(digest)).map_err(|_| malformed("a digest in base64"))?
        }
    };
    let algorithm = ring_algorithm(scheme.mac);
    if digest.len() != algorithm.digest_algorithm().output_len() {
        return Err(malformed("a digest of the right length"));
    }
    let key = hmac::Key::new(algorithm, secret.expose().as_bytes());
    let verified = if scheme.signed_prefix.is_empty() {
        hmac::verify(&key, body, &digest)
    } else {
        let mut signed = Vec::with_capacity(scheme.signed_prefix.len() + body.len());
        signed.extend_from_slice(scheme.signed_prefix.as_bytes());
        signed.extend_from_slice(body);
        hmac::verify(&key, &signed, &digest)
    };
    verified.map_err(|_| SignatureRefusal::Wrong(scheme.header.clone()))
}

/// Whether two texts are the same, in a time that tells nothing about where they differ or how long the secret one is: both are put through
/// a MAC under a key of this process, and the MACs are compared in constant time.
pub(crate) fn same_text(key: &hmac::Key, secret: &Secret, candidate: &str) -> bool {
    let tag = hmac::sign(key, secret.expose().as_bytes());
    hmac::verify(key, candidate.as_bytes(), tag.as_ref()).is_ok()
}

fn ring_algorithm(algorithm: Mac) -> hmac::Algorithm {
    match algorithm {
        Mac::HmacSha256 => hmac::HMAC_SHA256,
        Mac::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme() -> Signature {
        Signature {
            header: "x-hub-signature-256".into(),
            prefix: "sha256=".into(),
            prefix_optional: false,
            mac: Mac::HmacSha256,
            digest_text: DigestText::Hex,
            signed_prefix: String::new(),
            credential: "app-secret".into(),
        }
    }

    fn headers(value: &str) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-hub-signature-256", value.parse().unwrap());
        headers
    }

    // RFC 4231, test cases 1 and 2; RFC 2202, test cases 1 and 2, for SHA-1.
    #[test]
    fn macs_are_those_of_the_published_vectors() {
        let cases: [(Mac, String, &[u8], &str); 4] = [
            (Mac::HmacSha256, "\u{b}".repeat(20), b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                Mac::HmacSha256,
                "Jefe".into(),
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (Mac::HmacSha1, "Jefe".into(), b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Mac::HmacSha1, "\u{b}".repeat(20), b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
        ];
        for (algorithm, key, data, expected) in cases {
            assert_eq!(hex::encode(mac(algorithm, &Secret::new(key), &[data])), expected);
        }
    }

    #[test]
    fn a_rightly_signed_body_passes_and_any_changed_byte_does_not() {
        let secret = Secret::new("Jefe");
        let body = b"what do ya want for nothing?";
        let signature = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(verify_signature(&scheme(), &secret, &headers(signature), body), Ok(()));
        for position in 0..body.len() {
            let mut changed = body.to_vec();
            changed[position] ^= 1;
            assert_eq!(
                verify_signature(&scheme(), &secret, &headers(signature), &changed),
                Err(SignatureRefusal::Wrong("x-hub-signature-256".into())),
                "byte {position}"
            );
        }
        assert!(verify_signature(&scheme(), &Secret::new("Jeff"), &headers(signature), body).is_err());
    }

    #[test]
    fn the_bytes_as_sent_are_signed_not_the_text_they_mean() {
        let secret = Secret::new("s");
        let escaped = br#"{"name":"Andr\u00e9","url":"http:\/\/x"}"#;
        let plain = r#"{"name":"André","url":"http://x"}"#.as_bytes();
        let signature = format!("sha256={}", hex::encode(mac(Mac::HmacSha256, &secret, &[escaped])));
        assert_eq!(verify_signature(&scheme(), &secret, &headers(&signature), escaped), Ok(()));
        assert!(verify_signature(&scheme(), &secret, &headers(&signature), plain).is_err());
    }

    #[test]
    fn a_missing_repeated_or_malformed_header_is_refused_by_name() {
        let secret = Secret::new("s");
        let none = http::HeaderMap::new();
        assert!(matches!(verify_signature(&scheme(), &secret, &none, b""), Err(SignatureRefusal::Missing(_))));
        let mut twice = headers("sha256=00");
        twice.append("x-hub-signature-256", "sha256=01".parse().unwrap());
        assert!(matches!(verify_signature(&scheme(), &secret, &twice, b""), Err(SignatureRefusal::Repeated(_))));
        for text in ["", "sha256=", "sha256=zz", "sha256=00", "sha1=00", "sha256"] {
            assert!(
                matches!(verify_signature(&scheme(), &secret, &headers(text), b""), Err(SignatureRefusal::Malformed { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn prefix_base64_and_signed_prefix_follow_the_manifest() {
        let secret = Secret::new("s");
        let mut scheme = scheme();
        scheme.digest_text = DigestText::Base64;
        scheme.prefix_optional = true;
        scheme.signed_prefix = "POST\n".into();
        let digest = STANDARD.encode(mac(Mac::HmacSha256, &secret, &[b"POST\n", b"body"]));
        assert_eq!(verify_signature(&scheme, &secret, &headers(&digest), b"body"), Ok(()));
        assert_eq!(verify_signature(&scheme, &secret, &headers(&format!("sha256={digest}")), b"body"), Ok(()));
        let without_prefix = STANDARD.encode(mac(Mac::HmacSha256, &secret, &[b"body"]));
        assert!(verify_signature(&scheme, &secret, &headers(&without_prefix), b"body").is_err());
    }

    #[test]
    fn same_text_tells_equal_from_different_also_in_length() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key of the process");
        let secret = Secret::new("token");
        assert!(same_text(&key, &secret, "token"));
        for other in ["", "toke", "tokem", "token ", "tokentoken"] {
            assert!(!same_text(&key, &secret, other), "{other:?}");
        }
    }
}
