//! Checking how a delivery is signed, before any guest runs.
//!
//! The MAC covers the raw bytes as they came: what the platform signed is the bytes it sent, and a JSON document read and written again is not
//! those bytes (some platforms sign escaped Unicode). Digests are compared in constant time by `ring`. Where a field of the body is signed
//! instead of all of it, the guest gets what that field holds and nothing else.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD};
use ring::hmac;

use crate::contract::{Carrier, DigestText, Mac, Signature};
use crate::form::is_form;
use crate::limits::SIGNED_FIELD_BYTES_MAX;
use crate::secret::Secret;

/// Platforms write base64url with and without padding.
const URL_SAFE_ANY_PADDING: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// What was signed of a delivery: its raw body, or the document in the signed field.
pub type Signed<'body> = Cow<'body, [u8]>;

/// Why a delivery is not believed. None of these says anything about the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefusal {
    /// The connector's manifest declares no signature: its channels take no deliveries.
    #[error("the connector declares no signature, so no delivery can be believed")]
    NotDeclared,
    /// The operator bound no secret to the credential that signs.
    #[error("no secret is bound to the credential {0} that signs the channel's deliveries")]
    NotBound(String),
    /// No declared place has a signature.
    #[error("the delivery has no {0}: it is not signed")]
    Missing(String),
    /// The header stands there more than once, so that two readers could disagree about which counts.
    #[error("the delivery has the header {0} more than once")]
    Repeated(String),
    /// The place's text is not what the manifest describes.
    #[error("the {place} is not {expected}")]
    Malformed {
        /// The header or the field.
        place: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A delivery signed in a field of its body is small.
    #[error("a delivery signed in a field of its body has at most {SIGNED_FIELD_BYTES_MAX} bytes")]
    TooLarge,
    /// The digest is another one.
    #[error("the signature in the {0} is not that of this body under the channel's secret")]
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

/// The scheme by which a delivery with these headers says it is signed. A header counts before a field, which shows only in the body.
pub(crate) fn claimed<'a>(schemes: &'a [Signature], headers: &http::HeaderMap) -> Result<&'a Signature, SignatureRefusal> {
    let of_header = |scheme: &&Signature| matches!(&scheme.carrier, Carrier::Header(name) if headers.contains_key(name));
    let of_field = |scheme: &&Signature| matches!(&scheme.carrier, Carrier::SignedField(_)) && is_form(headers);
    let found = schemes.iter().find(of_header).or_else(|| schemes.iter().find(of_field));
    found.ok_or_else(|| match schemes.first() {
        None => SignatureRefusal::NotDeclared,
        Some(_) => SignatureRefusal::Missing(schemes.iter().map(|scheme| place(&scheme.carrier)).collect::<Vec<_>>().join(" and no ")),
    })
}

fn place(carrier: &Carrier) -> String {
    match carrier {
        Carrier::Header(name) => format!("header {name}"),
        Carrier::SignedField(name) => format!("form field {name}"),
    }
}

/// Whether the delivery with these headers and this raw body was signed under `secret`, by the scheme the manifest describes, and what of it
/// was.
pub fn verify_signature<'body>(
    scheme: &Signature,
    secret: &Secret,
    headers: &http::HeaderMap,
    body: &'body [u8],
) -> Result<Signed<'body>, SignatureRefusal> {
    match &scheme.carrier {
        Carrier::Header(name) => {
            let digest = digest_of_header(scheme, name, headers)?;
            verify_mac(scheme, secret, body, &digest)?;
            Ok(Cow::Borrowed(body))
        }
        Carrier::SignedField(name) => {
            if body.len() > SIGNED_FIELD_BYTES_MAX {
                return Err(SignatureRefusal::TooLarge);
            }
            let mut values = form_urlencoded::parse(body).filter(|(field, _)| field == name).map(|(_, value)| value);
            let value = values.next().ok_or_else(|| SignatureRefusal::Missing(place(&scheme.carrier)))?;
            if values.next().is_some() {
                return Err(SignatureRefusal::Repeated(place(&scheme.carrier)));
            }
            let malformed = |expected| SignatureRefusal::Malformed { place: place(&scheme.carrier), expected };
            let (digest, document) = value.split_once('.').ok_or_else(|| malformed("two texts joined by a full stop"))?;
            let digest = URL_SAFE_ANY_PADDING.decode(digest).map_err(|_| malformed("introduced by a digest in base64url"))?;
            verify_mac(scheme, secret, document.as_bytes(), &digest)?;
            Ok(Cow::Owned(URL_SAFE_ANY_PADDING.decode(document).map_err(|_| malformed("a document in base64url"))?))
        }
    }
}

fn digest_of_header(scheme: &Signature, name: &str, headers: &http::HeaderMap) -> Result<Vec<u8>, SignatureRefusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| SignatureRefusal::Missing(place(&scheme.carrier)))?;
    if values.next().is_some() {
        return Err(SignatureRefusal::Repeated(place(&scheme.carrier)));
    }
    let malformed = |expected| SignatureRefusal::Malformed { place: place(&scheme.carrier), expected };
    let text = value.to_str().map_err(|_| malformed("visible ASCII"))?;
    let digest = match text.strip_prefix(scheme.prefix.as_str()) {
        Some(rest) => rest,
        None if scheme.prefix_optional => text,
        None => return Err(malformed("introduced by the prefix the manifest names")),
    };
    match scheme.digest_text {
        DigestText::Hex => hex::decode(digest).map_err(|_| malformed("a digest in hexadecimal")),
        DigestText::Base64 => {
            STANDARD.decode(digest).or_else(|_| STANDARD_NO_PAD.decode(digest)).map_err(|_| malformed("a digest in base64"))
        }
    }
}

fn verify_mac(scheme: &Signature, secret: &Secret, signed: &[u8], digest: &[u8]) -> Result<(), SignatureRefusal> {
    let algorithm = ring_algorithm(scheme.mac);
    if digest.len() != algorithm.digest_algorithm().output_len() {
        return Err(SignatureRefusal::Malformed { place: place(&scheme.carrier), expected: "a digest of the right length" });
    }
    let key = hmac::Key::new(algorithm, secret.expose().as_bytes());
    let verified = if scheme.signed_prefix.is_empty() {
        hmac::verify(&key, signed, digest)
    } else {
        hmac::verify(&key, &[scheme.signed_prefix.as_bytes(), signed].concat(), digest)
    };
    verified.map_err(|_| SignatureRefusal::Wrong(place(&scheme.carrier)))
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
            carrier: Carrier::Header("x-hub-signature-256".into()),
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
        assert_eq!(verify_signature(&scheme(), &secret, &headers(signature), body), Ok(Cow::Borrowed(&body[..])));
        for position in 0..body.len() {
            let mut changed = body.to_vec();
            changed[position] ^= 1;
            assert_eq!(
                verify_signature(&scheme(), &secret, &headers(signature), &changed),
                Err(SignatureRefusal::Wrong("header x-hub-signature-256".into())),
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
        assert!(verify_signature(&scheme(), &secret, &headers(&signature), escaped).is_ok());
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
        assert!(verify_signature(&scheme, &secret, &headers(&digest), b"body").is_ok());
        assert!(verify_signature(&scheme, &secret, &headers(&format!("sha256={digest}")), b"body").is_ok());
        let without_prefix = STANDARD.encode(mac(Mac::HmacSha256, &secret, &[b"body"]));
        assert!(verify_signature(&scheme, &secret, &headers(&without_prefix), b"body").is_err());
    }

    /// The body of a delivery signed in its field `signed_request`.
    fn signed_request(secret: &Secret, document: &str) -> String {
        let document = URL_SAFE_ANY_PADDING.encode(document);
        let digest = URL_SAFE_ANY_PADDING.encode(mac(Mac::HmacSha256, secret, &[document.as_bytes()]));
        form_urlencoded::Serializer::new(String::new()).append_pair("signed_request", &format!("{digest}.{document}")).finish()
    }

    #[test]
    fn of_a_signed_field_the_document_and_nothing_else_is_believed() {
        let secret = Secret::new("app secret");
        let schemes = [scheme(), Signature { carrier: Carrier::SignedField("signed_request".into()), prefix: String::new(), ..scheme() }];
        let mut form = http::HeaderMap::new();
        form.insert("content-type", "application/x-www-form-urlencoded; charset=utf-8".parse().unwrap());
        let scheme = claimed(&schemes, &form).unwrap();
        let document = r#"{"user_id":"218471","algorithm":"HMAC-SHA256"}"#;
        let body = signed_request(&secret, document);
        assert_eq!(verify_signature(scheme, &secret, &form, body.as_bytes()).unwrap(), document.as_bytes());
        let more = format!("user_id=1&{body}&entry=x");
        assert_eq!(verify_signature(scheme, &secret, &form, more.as_bytes()).unwrap(), document.as_bytes());

        type Expected = fn(&SignatureRefusal) -> bool;
        let refusals: [(String, Expected); 6] = [
            (signed_request(&Secret::new("another"), document), |refusal| matches!(refusal, SignatureRefusal::Wrong(_))),
            (body.replace("signed_request", "signed"), |refusal| matches!(refusal, SignatureRefusal::Missing(_))),
            (format!("{body}&{body}"), |refusal| matches!(refusal, SignatureRefusal::Repeated(_))),
            (body.replace('.', ""), |refusal| matches!(refusal, SignatureRefusal::Malformed { .. })),
            (format!("{body}A"), |refusal| matches!(refusal, SignatureRefusal::Wrong(_))),
            (format!("{body}&x={}", "x".repeat(SIGNED_FIELD_BYTES_MAX)), |refusal| *refusal == SignatureRefusal::TooLarge),
        ];
        for (body, expected) in refusals {
            let refusal = verify_signature(scheme, &secret, &form, body.as_bytes()).unwrap_err();
            assert!(expected(&refusal), "{refusal}");
        }
        // Without the content type nothing claims to be signed, and the message names both places.
        let refusal = claimed(&schemes, &http::HeaderMap::new()).unwrap_err().to_string();
        assert!(refusal.contains("header x-hub-signature-256 and no form field signed_request"), "{refusal}");
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
