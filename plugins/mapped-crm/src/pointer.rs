//! Values in an answer, by JSON pointer. An answer is read only where a pointer leads, and everything else is kept as it was written, so numbers
//! keep every digit and unknown fields their shape.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// One value as it was written.
pub(crate) type Json = RawValue;

/// A JSON pointer (RFC 6901) in which `*` stands for every item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    written: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    To(String),
    Each,
}

/// What a pointer is, for messages.
pub(crate) const EXPECTED: &str = "a JSON pointer, which begins with `/` (\"\" is the whole)";

impl Pointer {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let steps = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(|step| match step {
                "*" => Step::Each,
                step => Step::To(step.replace("~1", "/").replace("~0", "~")),
            }),
            None if text.is_empty() => return Some(Self { written: String::new(), steps: Vec::new() }),
            None => return None,
        };
        Some(Self { written: text.to_owned(), steps: steps.collect() })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.written
    }

    /// Every value it leads to.
    pub(crate) fn all<'a>(&self, whole: &'a Json) -> Vec<&'a Json> {
        let mut here = vec![whole];
        for step in &self.steps {
            here = here.into_iter().flat_map(|value| step.follow(value)).collect();
        }
        here
    }

    /// The first value it leads to.
    pub(crate) fn first<'a>(&self, whole: &'a Json) -> Option<&'a Json> {
        self.all(whole).into_iter().next()
    }

    /// The first scalar it leads to, as text.
    pub(crate) fn text<'a>(&self, whole: &'a Json) -> Option<Cow<'a, str>> {
        self.all(whole).into_iter().find_map(text)
    }
}

impl Step {
    fn follow<'a>(&self, value: &'a Json) -> Vec<&'a Json> {
        match self {
            Self::Each => items(value).unwrap_or_default(),
            Self::To(name) if is_list(value) => {
                let at: Option<usize> = name.parse().ok();
                at.and_then(|at| items(value)?.get(at).copied()).into_iter().collect()
            }
            Self::To(name) => members(value).and_then(|members| members.get(name).copied()).into_iter().collect(),
        }
    }
}

/// The whole answer.
pub(crate) fn whole(body: &[u8]) -> Result<&Json, serde_json::Error> {
    serde_json::from_slice(body)
}

/// The items of a list.
pub(crate) fn items(value: &Json) -> Option<Vec<&Json>> {
    is_list(value).then(|| serde_json::from_str(value.get()).ok()).flatten()
}

fn members(value: &Json) -> Option<BTreeMap<String, &Json>> {
    is_map(value).then(|| serde_json::from_str(value.get()).ok()).flatten()
}

/// Whether it is an object.
pub(crate) fn is_map(value: &Json) -> bool {
    value.get().starts_with('{')
}

fn is_list(value: &Json) -> bool {
    value.get().starts_with('[')
}

/// A scalar as text: a number with the digits it was written with, nothing for `null`, lists and objects.
pub(crate) fn text(value: &Json) -> Option<Cow<'_, str>> {
    let written = value.get();
    match written.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(written).ok().map(Cow::Owned),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(written)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pointer: &str, body: &str) -> Vec<String> {
        let pointer = Pointer::read(pointer).unwrap();
        pointer.all(whole(body.as_bytes()).unwrap()).into_iter().filter_map(text).map(Cow::into_owned).collect()
    }

    #[test]
    fn a_number_keeps_every_digit() {
        assert_eq!(at("/id", r#"{"id": 12345678901234567890123}"#), ["12345678901234567890123"]);
        assert_eq!(at("/id", r#"{"id": 9007199254740993}"#), ["9007199254740993"]);
        assert_eq!(at("/x", r#"{"x": 1.10}"#), ["1.10"]);
    }

    #[test]
    fn a_star_is_every_item_and_a_number_one_of_them() {
        let body = r#"{"emails": [{"a": "x"}, {"b": 1}, {"a": "\ud83d\ude00"}]}"#;
        assert_eq!(at("/emails/*/a", body), ["x", "😀"]);
        assert_eq!(at("/emails/2/a", body), ["😀"]);
        assert_eq!(at("/emails/7/a", body), [""; 0]);
        assert_eq!(at("/a~1b/~0", r#"{"a/b": {"~": true}}"#), ["true"]);
    }

    #[test]
    fn null_lists_and_objects_are_no_text() {
        assert_eq!(at("/a", r#"{"a": null}"#), [""; 0]);
        assert_eq!(at("", r#"{"a": null}"#), [""; 0]);
    }
}
