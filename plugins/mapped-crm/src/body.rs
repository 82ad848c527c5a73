//! A JSON document with slots in its strings.

use crate::problem::Problems;
use crate::template::{Names, Template, Unfit, Values};
use crate::yaml::{Node, Value};

/// A JSON document, written in the mapping as YAML. What fills a slot stays within its string; what has a slot of which nothing was said is left out:
/// the member of an object, the whole item of a list, a list with nothing left.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A number, a yes or no, or nothing, as JSON writes it.
    Literal(String),
    Text(Template),
    List(Vec<Body>),
    Map(Vec<(String, Body)>),
}

impl Body {
    /// Reads a document.
    pub(crate) fn read(node: &Node, allowed: Names<'_>, problems: &Problems) -> Self {
        match &node.value {
            Value::Nothing => Self::Literal("null".into()),
            Value::Scalar { text, plain: true } if is_literal(text) => Self::Literal(text.clone()),
            Value::Scalar { text, .. } => Self::Text(Template::read(text, node.line, allowed, problems)),
            Value::List(items) => Self::List(items.iter().map(|item| Self::read(item, allowed, problems)).collect()),
            Value::Map(entries) => {
                Self::Map(entries.iter().map(|(key, node)| (key.text.clone(), Self::read(node, allowed, problems))).collect())
            }
        }
    }

    /// Whether one of its texts has a slot of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Text(template) => template.has(name),
            Self::List(items) => items.iter().any(|item| item.has(name)),
            Self::Map(entries) => entries.iter().any(|(_, item)| item.has(name)),
        }
    }

    /// The document as JSON.
    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<String, Unfit> {
        let mut written = String::new();
        self.write(values, &mut written)?;
        Ok(written)
    }

    /// Whether a member of an object is left out: a text that says nothing, a list with nothing left.
    fn is_left_out(&self, values: &Values<'_>) -> bool {
        match self {
            Self::Literal(_) | Self::Map(_) => false,
            Self::Text(template) => template.is_unsaid(values),
            Self::List(items) => !items.is_empty() && items.iter().all(|item| item.is_unsaid(values)),
        }
    }

    /// Whether an item of a list is left out: half an item is none.
    fn is_unsaid(&self, values: &Values<'_>) -> bool {
        match self {
            Self::Map(entries) => entries.iter().any(|(_, item)| item.is_unsaid(values)),
            _ => self.is_left_out(values),
        }
    }

    fn write(&self, values: &Values<'_>, out: &mut String) -> Result<(), Unfit> {
        match self {
            Self::Literal(literal) => out.push_str(literal),
            Self::Text(template) => out.push_str(&quoted(&template.fill(values)?)),
            Self::List(items) => {
                out.push('[');
                for (position, item) in items.iter().filter(|item| !item.is_unsaid(values)).enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    item.write(values, out)?;
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (position, (name, item)) in entries.iter().filter(|(_, item)| !item.is_left_out(values)).enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(name));
                    out.push(':');
                    item.write(values, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether a text without quotes is a number, `true` or `false` in JSON.
fn is_literal(text: &str) -> bool {
    matches!(text, "true" | "false")
        || (text.starts_with(|letter: char| letter == '-' || letter.is_ascii_digit())
            && serde_json::from_str::<serde_json::Number>(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn fill(source: &str, value: &str) -> String {
        let problems = Problems::default();
        let node = yaml::read(source, &problems).unwrap();
        let body = Body::read(&node, Names { names: &["value"], record: false }, &problems);
        assert_eq!(problems.into_sorted(), []);
        body.fill(&Values::new([("value", value)])).unwrap()
    }

    #[test]
    fn a_document_keeps_its_shape_whatever_fills_it() {
        let source = "data:\n  - {n: 1, big: 12345678901234567890123, t: true, none: null, code: '007', x: 'v {value}'}\n  - {}\n";
        let hostile = "\"}], \"admin\": true, \"x\": [{\"";
        let filled = fill(source, hostile);
        assert!(filled.contains(r#""big":12345678901234567890123"#) && filled.contains(r#""code":"007""#), "{filled}");
        let read: serde_json::Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(read["data"][0]["x"], format!("v {hostile}"));
        assert_eq!((read.get("admin"), read["data"].as_array().map(Vec::len)), (None, Some(2)));
        assert_eq!(fill("a: '{value}'", "𝒳\u{0}\n"), "{\"a\":\"𝒳\\u0000\\n\"}");
    }
}
