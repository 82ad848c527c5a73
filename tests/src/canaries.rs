//! Words that must not be found: random ones, looked for in every byte below a folder, in every form a program may have written them.

use std::path::Path;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What is looked for.
pub struct Canaries {
    search: AhoCorasick,
    /// What each pattern is: word and form.
    patterns: Vec<String>,
}

impl Canaries {
    /// Looks for these words. Give words of at least eight characters that nothing else can hold.
    ///
    /// # Panics
    /// If a word is so short that finding it would mean nothing.
    #[must_use]
    pub fn new(words: &[&str]) -> Self {
        let mut patterns: Vec<(String, Vec<u8>)> = Vec::new();
        for word in words {
            assert!(word.len() >= 8, "{word:?} is found by chance");
            for (form, bytes) in forms(word) {
                if !patterns.iter().any(|(_, known)| *known == bytes) {
                    patterns.push((format!("{word:?} as {form}"), bytes));
                }
            }
        }
        let search = AhoCorasickBuilder::new().build(patterns.iter().map(|(_, bytes)| bytes)).expect("the patterns are few");
        Self { search, patterns: patterns.into_iter().map(|(pattern, _)| pattern).collect() }
    }

    /// The first one found in some bytes.
    #[must_use]
    pub fn in_bytes(&self, bytes: &[u8]) -> Option<&str> {
        self.search.find(bytes).map(|found| self.patterns[found.pattern().as_usize()].as_str())
    }

    /// Every file below a folder that holds one, with the first it holds. A file that goes away meanwhile holds none.
    ///
    /// # Panics
    /// If the folder cannot be read, or is empty: nothing was looked at then.
    #[must_use]
    pub fn below(&self, folder: &Path) -> Vec<String> {
        let mut files = 0;
        let mut found = Vec::new();
        self.look(folder, &mut files, &mut found);
        assert!(files > 0, "there is no file below {}", folder.display());
        found
    }

    fn look(&self, folder: &Path, files: &mut usize, found: &mut Vec<String>) {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                self.look(&path, files, found);
            } else if let Ok(bytes) = std::fs::read(&path) {
                *files += 1;
                found.extend(self.in_bytes(&bytes).map(|pattern| format!("{}: {pattern}", path.display())));
            }
        }
    }
}

/// A word nobody has used before, with a letter beyond ASCII so that its forms differ.
#[must_use]
pub fn word(kind: &str) -> String {
    format!("{kind}è{:016x}", fastrand::u64(..))
}

fn forms(word: &str) -> Vec<(&'static str, Vec<u8>)> {
    let escaped = |digits: fn(u16) -> String| {
        let mut units = [0; 2];
        let mut text = String::new();
        for letter in word.chars() {
            if letter.is_ascii() {
                text.push(letter);
            } else {
                text.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{}", digits(*unit))));
            }
        }
        text.into_bytes()
    };
    let units = || word.encode_utf16();
    let mut forms = vec![
        ("UTF-8", word.as_bytes().to_vec()),
        ("escaped JSON", escaped(|unit| format!("{unit:04x}"))),
        ("escaped JSON, capitals", escaped(|unit| format!("{unit:04X}"))),
        ("UTF-16, little endian", units().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16, big endian", units().flat_map(u16::to_be_bytes).collect()),
        ("hexadecimal", hex::encode(word).into_bytes()),
        ("percent-encoded", crate::http_client::encode_pairs(&[("", word)]).as_bytes()[1..].to_vec()),
    ];
    for before in 0..3 {
        forms.push(("base64", in_base64(&STANDARD_NO_PAD, word, before)));
        forms.push(("base64url", in_base64(&URL_SAFE_NO_PAD, word, before)));
    }
    forms
}

/// The digits that stand for the word alone in the base64 of a text in which it follows `before` bytes.
fn in_base64(engine: &impl Engine, word: &str, before: usize) -> Vec<u8> {
    let text: Vec<u8> = std::iter::repeat_n(0, before).chain(word.bytes()).collect();
    let digits = engine.encode(&text).into_bytes();
    // A digit holds 6 bits: the first and the last may hold neighbours' bits too.
    let from = (before * 8).div_ceil(6);
    let to = text.len() * 8 / 6;
    digits[from..to].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_every_form_and_place() {
        let word = word("canary");
        let canaries = Canaries::new(&[&word]);
        let sentence = |before: usize| format!("{}{word}, she said", "x".repeat(before));
        for before in 0..4 {
            let text = sentence(before);
            assert!(canaries.in_bytes(text.as_bytes()).is_some());
            assert!(canaries.in_bytes(base64::engine::general_purpose::STANDARD.encode(&text).as_bytes()).is_some(), "{before}");
            assert!(canaries.in_bytes(hex::encode(&text).as_bytes()).is_some());
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert!(canaries.in_bytes(&utf16).is_some());
        }
        assert!(canaries.in_bytes(word.replace('è', "\\u00e8").as_bytes()).is_some());
        assert_eq!(canaries.in_bytes(b"nothing of the kind"), None);
    }
}
