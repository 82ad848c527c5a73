//! Keeping secrets out of everything a guest or a message gets.
//!
//! A [`Redactor`] searches all forms in which a server may echo a secret in one pass and replaces each by `[redacted]`: as it is, in base64
//! (both alphabets, also in the middle of a longer encoded text), percent-encoded, form-encoded, JSON-escaped, HTML-escaped, in
//! hexadecimal. It works on whole bodies, never on chunks, so that a secret cannot slip through on a boundary; for the same reason encoded
//! (compressed) bodies and ranges are refused where a credential is in play. What it can't see is a secret the server itself transformed
//! (reversed, split, enciphered): a credential is only ever sent to its own origin, and that server knows it anyway.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use percent_encoding::utf8_percent_encode;

use super::template::RESERVED;
use crate::sabotage::sabotaged;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";
/// Shorter texts are not searched for: they would be found in innocent places. A secret shorter than this is refused where it would be
/// sent, a captured value (a user's number) is simply not secret.
pub const REDACTED_BYTES_MIN: usize = 6;
/// Parts of a base64 text shorter than this are not searched for.
const BASE64_BYTES_MIN: usize = 7;

/// Bytes of all forms together up to which they are compiled into a table, which searches half as fast again. Compiling that takes time with the
/// square of a secret that repeats itself: milliseconds up to here, minutes for the longest token a platform may give.
const TABLE_BYTES_MAX: usize = 4 << 10;

/// Finds secrets in all their forms.
#[derive(Clone)]
pub(super) struct Redactor {
    /// None: there is nothing to find.
    search: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor for these secrets; the ones that are too short are left out.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            if secret.len() >= REDACTED_BYTES_MIN {
                add_forms(secret, &mut forms);
            }
        }
        if forms.is_empty() {
            return Self { search: None };
        }
        // Building fails only beyond 2^31 states; the forms of a credential's few values of at most some kilobytes are far from it. Should
        // it happen nevertheless, nothing may pass unseen: an empty pattern matches everywhere.
        let bytes: usize = forms.iter().map(Vec::len).sum();
        let kind = if bytes <= TABLE_BYTES_MAX { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).kind(Some(kind)).build(&forms);
        let search = built.or_else(|_| AhoCorasick::new([""])).ok();
        Self { search }
    }

    /// `bytes` without secrets; the same memory if there were none.
    pub(super) fn bytes(&self, bytes: Bytes) -> Bytes {
        match self.active() {
            Some(search) if search.is_match(&bytes[..]) => {
                let replacements = vec![REDACTED.as_bytes(); search.patterns_len()];
                search.replace_all_bytes(&bytes, &replacements).into()
            }
            _ => bytes,
        }
    }

    /// `text` without secrets.
    pub(super) fn text(&self, text: &str) -> String {
        match self.active() {
            Some(search) => search.replace_all(text, &vec![REDACTED; search.patterns_len()]),
            None => text.to_owned(),
        }
    }

    fn active(&self) -> Option<&AhoCorasick> {
        // Sabotage: the tests that promise redaction must turn red.
        if sabotaged("show-credential") { None } else { self.search.as_ref() }
    }
}

fn add_forms(secret: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let mut add = |text: String| {
        forms.insert(text.into_bytes());
    };
    add(secret.to_owned());
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        add(engine.encode(secret));
        // Inside a longer text the secret starts at one of three offsets of base64's groups; the characters it shares with its neighbours
        // are unknown and left out.
        for offset in 0..3 {
            let shifted = [&[0; 2][..offset], secret.as_bytes()].concat();
            let encoded = engine.encode(&shifted);
            let shared_before = [0, 2, 3][offset];
            let shared_after = usize::from(shifted.len() % 3 != 0);
            let inner = &encoded[shared_before..encoded.len() - shared_after];
            if inner.len() >= BASE64_BYTES_MIN {
                add(inner.to_owned());
            }
        }
    }
    let percent = utf8_percent_encode(secret, RESERVED).to_string();
    add(lower_case_escapes(&percent));
    add(percent);
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    add(lower_case_escapes(&form));
    add(form);
    let json = serde_json::Value::from(secret).to_string();
    let json = &json[1..json.len() - 1];
    add(json.to_owned());
    add(json.replace('/', "\\/"));
    add(ascii_json(json));
    add(ascii_json(&json.replace('/', "\\/")));
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    add(html.replace('\'', "&#39;"));
    add(html.replace('\'', "&#039;"));
    add(html);
    add(hex::encode(secret));
    add(hex::encode_upper(secret));
}

/// `%2F` as `%2f`.
fn lower_case_escapes(text: &str) -> String {
    let mut after_percent = 0;
    text.chars()
        .map(|character| {
            if character == '%' {
                after_percent = 2;
                character
            } else if after_percent > 0 {
                after_percent -= 1;
                character.to_ascii_lowercase()
            } else {
                character
            }
        })
        .collect()
}

/// JSON text with everything beyond ASCII written as `\uXXXX`.
fn ascii_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    const SECRET: &str = "s3cr/t \"è&'+";

    #[test]
    fn the_longest_secret_is_ready_to_be_found_in_a_moment_whatever_it_is_made_of() {
        let secret = "t".repeat(16 << 10);
        let started = std::time::Instant::now();
        let redactor = Redactor::new([secret.as_str()]);
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
        assert_eq!(redactor.text(&format!("a {secret} b {} c", STANDARD.encode(&secret))).matches("ttttttt").count(), 0);
        assert!(redactor.text(&format!("a {secret} b")).contains(REDACTED));
    }

    #[test]
    fn a_secret_is_found_in_every_form_a_server_echoes() {
        let redactor = Redactor::new([SECRET]);
        for form in [
            SECRET.to_owned(),
            STANDARD.encode(SECRET),
            URL_SAFE_NO_PAD.encode(SECRET),
            "s3cr%2Ft%20%22%C3%A8%26%27%2B".to_owned(),
            "s3cr%2ft%20%22%c3%a8%26%27%2b".to_owned(),
            "s3cr%2Ft+%22%C3%A8%26%27%2B".to_owned(),
            serde_json::to_string(SECRET).unwrap(),
            "s3cr\\/t \\\"\\u00e8&'+".to_owned(),
            "s3cr/t &quot;è&amp;&#039;+".to_owned(),
            hex::encode(SECRET),
        ] {
            let found = redactor.text(&format!("before {form} after"));
            assert!(found.contains(REDACTED) && found.starts_with("before ") && found.ends_with(" after"), "{form} became {found}");
            assert!(!found.contains("3cr"), "{form} became {found}");
        }
    }

    #[test]
    fn a_secret_is_found_in_the_base64_of_a_longer_text() {
        let redactor = Redactor::new([SECRET]);
        for before in ["", "u", "us", "use", "user", "user:12:"] {
            for after in ["", "x", "xy", "xyz"] {
                let encoded = STANDARD.encode(format!("{before}{SECRET}{after}"));
                let shown = redactor.text(&encoded);
                assert!(shown.contains(REDACTED), "{before:?} {after:?}: {shown}");
                // What is left decodes to nothing of the secret but the bits it shares with its neighbours.
                assert!(shown.len() - REDACTED.len() <= encoded.len() - BASE64_BYTES_MIN, "{shown}");
            }
        }
    }

    #[test]
    fn innocent_text_is_left_as_it_is() {
        let redactor = Redactor::new([SECRET, "short", ""]);
        let innocent = Bytes::from_static(b"short s3cr/t x");
        assert_eq!(redactor.bytes(innocent.clone()).as_ptr(), innocent.as_ptr());
        assert_eq!(Redactor::new([]).text("anything"), "anything");
    }
}
