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

    /// The column of a table it names, if it is that simple.
    pub(crate) fn column(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [Step::To(name)] => Some(name),
            _ => None,
        }
    }

    /// Whether it leads to every item of a list.
    pub(crate) fn is_of_many(&self) -> bool {
        self.steps.contains(&Step::Each)
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

/// The value with the members of every object in order: some systems write them in another one each time.
pub(crate) fn in_order(value: &Json) -> String {
    let mut written = String::new();
    write_in_order(value, DEPTH_MAX, &mut written);
    written
}

/// Lists and objects within each other that are put in order; what is deeper stays as it is.
const DEPTH_MAX: usize = 32;

fn write_in_order(value: &Json, depth: usize, out: &mut String) {
    let deeper = depth.checked_sub(1);
    if let Some((members, depth)) = members(value).zip(deeper) {
        for (name, member) in members {
            out.push_str(&format!("{{{name:?}:"));
            write_in_order(member, depth, out);
        }
        out.push('}');
    } else if let Some((items, depth)) = items(value).zip(deeper) {
        for item in items {
            out.push('[');
            write_in_order(item, depth, out);
        }
        out.push(']');
    } else {
        out.push_str(value.get());
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
    fn the_order_of_members_and_blanks_between_them_do_not_count() {
        let ordered = |body: &str| in_order(whole(body.as_bytes()).unwrap());
        assert_eq!(ordered(r#"{"a": [1, {"b": 2, "c": "x y"}], "d": null}"#), ordered(r#"{"d":null,"a":[1,{"c":"x y","b":2}]}"#));
        for other in
            ["{}", "[]", r#"{"a":[1],"d":null}"#, r#"{"a":[1,{"b":2,"c":"xy"}],"d":null}"#, r#"{"a":[{"b":2,"c":"x y"},1],"d":null}"#]
        {
            assert_ne!(ordered(r#"{"a": [1, {"b": 2, "c": "x y"}], "d": null}"#), ordered(other), "{other}");
        }
    }

    #[test]
    fn null_lists_and_objects_are_no_text() {
        assert_eq!(at("/a", r#"{"a": null}"#), [""; 0]);
        assert_eq!(at("", r#"{"a": null}"#), [""; 0]);
    }
}
