//! Templates of the manifest: `${name}` is a field of the credential or a value captured while logging in, `${/pointer}` a string of the
//! channel's settings, anything else stands for itself.
//!
//! A template is compiled once per channel generation: settings are put in then, unknown names are refused then. Filling cannot fail except
//! for a name whose value is not there yet. What a filled text contains is tracked: a text into which something secret went is secret itself.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::Secret;

/// Everything but RFC 3986's unreserved characters.
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// As [`RESERVED`], but a slash stays: for paths the operator wrote.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// One field of a credential as the operator bound it.
#[derive(Debug, Clone)]
pub enum BoundField {
    /// Never shown to anybody, redacted from whatever comes back. At least [`REDACTED_BYTES_MIN`](super::redact::REDACTED_BYTES_MIN) bytes.
    Secret(Secret),
    /// A name that is no secret (a user name, a client id): substituted like a secret, but not redacted. A bot's user name stands on every
    /// page it wrote; redacting it would make those pages unreadable.
    Plain(String),
}

impl BoundField {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Secret(secret) => secret.expose(),
            Self::Plain(text) => text,
        }
    }

    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}

impl From<Secret> for BoundField {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

/// The values a template is filled with.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) fields: &'a BTreeMap<String, BoundField>,
    pub(super) captured: &'a BTreeMap<String, Secret>,
}

impl Values<'_> {
    /// The value and whether it is secret.
    fn get(&self, name: &str) -> Option<(&str, bool)> {
        match self.fields.get(name) {
            Some(field) => Some((field.text(), field.is_secret())),
            None => self.captured.get(name).map(|secret| (secret.expose(), true)),
        }
    }
}

/// How a substituted value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// As it is: the place escapes it, or needs no escaping.
    Plain,
    /// Percent-encoded for a path or a query. In a value of the settings `/` stays, so that `${/script-path}/api.php` can be written.
    Path,
}

/// A filled template.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) text: Zeroizing<String>,
    /// Whether a secret or a captured value is in it.
    pub(super) secret: bool,
}

/// A compiled template. `Debug` shows the template and settings, never a secret.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Setting(String),
    Name(String),
}

impl Template {
    /// Compiles `source`. `names` are the names that may be substituted. The error says what is wrong with which placeholder.
    pub(super) fn compile(source: &str, names: &[&str], settings: &Value) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(start) = rest.find("${") {
            let behind = &rest[start + 2..];
            let Some(inside) = behind.find('}').map(|end| &behind[..end]).filter(|inside| is_placeholder(inside)) else {
                text.push_str(&rest[..start + 2]);
                rest = behind;
                continue;
            };
            text.push_str(&rest[..start]);
            rest = &behind[inside.len() + 1..];
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(if inside.starts_with('/') {
                let value =
                    settings.pointer(inside).ok_or_else(|| format!("${{{inside}}}: the channel's settings have nothing at {inside}"))?;
                let value = value.as_str().ok_or_else(|| format!("${{{inside}}}: the channel's setting {inside} is not a string"))?;
                Piece::Setting(value.to_owned())
            } else if names.contains(&inside) {
                Piece::Name(inside.to_owned())
            } else {
                return Err(format!("${{{inside}}} is not known here; known are: {}", list(names)));
            });
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self { pieces })
    }

    /// Puts the values in. The error names the value that is missing.
    pub(super) fn fill(&self, values: Values<'_>, escape: Escape) -> Result<Filled, String> {
        let mut text = Zeroizing::new(String::new());
        let mut secret = false;
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Setting(value) => push(&mut text, value, escape, RESERVED_IN_PATH),
                Piece::Name(name) => {
                    let (value, is_secret) = values.get(name).ok_or_else(|| format!("${{{name}}} has no value"))?;
                    secret |= is_secret;
                    push(&mut text, value, escape, RESERVED);
                }
            }
        }
        Ok(Filled { text, secret })
    }
}

/// A pointer, or what could be a name. Anything else in the braces is text.
fn is_placeholder(inside: &str) -> bool {
    let name_like = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
    inside.starts_with('/') || (!inside.is_empty() && inside.chars().all(name_like))
}

fn push(text: &mut String, value: &str, escape: Escape, set: &'static AsciiSet) {
    match escape {
        Escape::Plain => text.push_str(value),
        Escape::Path => text.extend(utf8_percent_encode(value, set)),
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A JSON text whose strings are templates. Values are substituted inside strings only, and the text is written by a JSON serializer, so
/// that no value can end its string.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum JsonTemplate {
    Text(Template),
    List(Vec<JsonTemplate>),
    Object(Vec<(String, JsonTemplate)>),
    Other(Value),
}

impl JsonTemplate {
    pub(super) fn compile(source: &str, names: &[&str], settings: &Value) -> Result<Self, String> {
        let value: Value = serde_json::from_str(source)
            .map_err(|error| format!("the body is not JSON (values can be substituted inside strings only): {error}"))?;
        Self::of(value, names, settings)
    }

    fn of(value: Value, names: &[&str], settings: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(source) => Self::Text(Template::compile(&source, names, settings)?),
            Value::Array(items) => Self::List(items.into_iter().map(|item| Self::of(item, names, settings)).collect::<Result<_, _>>()?),
            Value::Object(members) => Self::Object(
                members.into_iter().map(|(name, member)| Ok((name, Self::of(member, names, settings)?))).collect::<Result<_, String>>()?,
            ),
            other => Self::Other(other),
        })
    }

    pub(super) fn fill(&self, values: Values<'_>) -> Result<Value, String> {
        Ok(match self {
            Self::Text(template) => Value::String(template.fill(values, Escape::Plain)?.text.to_string()),
            Self::List(items) => Value::Array(items.iter().map(|item| item.fill(values)).collect::<Result<_, _>>()?),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(name, member)| Ok((name.clone(), member.fill(values)?))).collect::<Result<_, String>>()?)
            }
            Self::Other(value) => value.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> BTreeMap<String, BoundField> {
        BTreeMap::from([
            ("user".to_owned(), BoundField::Plain("bot".to_owned())),
            ("password".to_owned(), BoundField::Secret(Secret::new("p\"w &/\\\n"))),
        ])
    }

    fn fill(source: &str, escape: Escape) -> (String, bool) {
        let fields = fields();
        let captured = BTreeMap::from([("token".to_owned(), Secret::new("+\\"))]);
        let settings = serde_json::json!({"path": "/w iki", "nested": {"list": ["first"]}});
        let template = Template::compile(source, &["user", "password", "token"], &settings).unwrap();
        let filled = template.fill(Values { fields: &fields, captured: &captured }, escape).unwrap();
        (filled.text.to_string(), filled.secret)
    }

    #[test]
    fn only_placeholders_are_substituted() {
        assert_eq!(fill("${user}:${token}", Escape::Plain), ("bot:+\\".to_owned(), true));
        assert_eq!(fill("a {b} $c ${ $$ {}", Escape::Plain), ("a {b} $c ${ $$ {}".to_owned(), false));
        assert_eq!(fill("${ ${user} ${}", Escape::Plain), ("${ bot ${}".to_owned(), false));
        assert_eq!(fill("$${user}", Escape::Plain), ("$bot".to_owned(), false));
        assert_eq!(fill("${/nested/list/0}|${/path}", Escape::Plain), ("first|/w iki".to_owned(), false));
    }

    #[test]
    fn values_in_a_path_are_percent_encoded() {
        assert_eq!(fill("${/path}/x?p=${password}&t=${token}", Escape::Path).0, "/w%20iki/x?p=p%22w%20%26%2F%5C%0A&t=%2B%5C");
    }

    #[test]
    fn a_value_in_json_cannot_end_its_string() {
        let template = JsonTemplate::compile(r#"{"a":["${password}",1],"${user}":null}"#, &["password", "user"], &Value::Null).unwrap();
        let fields = fields();
        let filled = template.fill(Values { fields: &fields, captured: &BTreeMap::new() }).unwrap();
        assert_eq!(filled.to_string(), r#"{"a":["p\"w &/\\\n",1],"${user}":null}"#);
    }

    #[test]
    fn unknown_names_and_settings_are_refused_when_the_channel_is_built() {
        let compile = |source| Template::compile(source, &["user"], &serde_json::json!({"number": 1})).unwrap_err();
        assert!(compile("${pasword}").contains("known are: user"));
        assert!(compile("${/missing}").contains("/missing"));
        assert!(compile("${/number}").contains("not a string"));
        assert!(JsonTemplate::compile("{\"id\": ${user}}", &["user"], &Value::Null).unwrap_err().contains("inside strings"));
    }
}
