//! What OData's control information says, in the names of 4.0 and of 4.01: OData JSON Format 4.01, 4.5 and 15.

use crate::contact::ContactMapping;
use crate::pointer::{self, Json, Pointer};

/// One of the changes.
pub(crate) enum Entry<'a> {
    /// A record that is in the list no more, because it was deleted or because it does not fit any more; its id, if it can be read.
    Removed(Option<String>),
    /// A record that is there, whole or in part, and its id.
    There { id: Option<String>, record: &'a Json },
}

impl<'a> Entry<'a> {
    /// Reads one; None for what is no record of the list's own entity set: links between records, and records of other sets (15.2, 15.4, 15.5).
    pub(crate) fn read(record: &'a Json, set: Option<&str>, mapping: &ContactMapping) -> Option<Self> {
        let context = control(record, "context");
        let fragment = context.as_deref().and_then(fragment);
        let kind = fragment.and_then(|fragment| fragment.rsplit_once('/')).map_or("", |(_, kind)| kind);
        let is_elsewhere = fragment.zip(set).is_some_and(|(fragment, set)| set_of(fragment) != set);
        if is_elsewhere || matches!(kind, "$link" | "$deletedLink") {
            return None;
        }
        let id = || mapping.id(record).or_else(|| key(&control(record, "id")?));
        let is_removed = ["@removed", "@odata.removed"].iter().any(|name| member(record, name).is_some());
        Some(match kind {
            _ if is_removed => Self::Removed(id()),
            // In 4.0 the property `id`, whatever the record's own one is, is the entity's (15.3).
            "$deletedEntity" => Self::Removed(member(record, "id").and_then(pointer::text).and_then(|id| key(&id))),
            _ => Self::There { id: id(), record },
        })
    }
}

/// A control information of this name, with the prefix of 4.0 or without.
pub(crate) fn control(value: &Json, name: &str) -> Option<String> {
    let with = |prefix: &str| member(value, &format!("{prefix}{name}")).and_then(pointer::text).map(std::borrow::Cow::into_owned);
    with("@odata.").or_else(|| with("@"))
}

/// The entity set of an answer's records.
pub(crate) fn set_of_answer(document: &Json) -> Option<String> {
    let context = control(document, "context")?;
    fragment(&context).map(|fragment| set_of(fragment).to_owned())
}

fn member<'a>(value: &'a Json, name: &str) -> Option<&'a Json> {
    Pointer::read(&format!("/{name}"))?.first(value)
}

fn fragment(context: &str) -> Option<&str> {
    context.split_once('#').map(|(_, fragment)| fragment)
}

/// `Customers` of `Customers/$delta` and of `Customers(Name)/$entity`.
fn set_of(fragment: &str) -> &str {
    fragment.split(['/', '(']).next().unwrap_or(fragment)
}

/// The key in an entity's id: `ANTON` of `https://host/service/Customers('ANTON')`, of `Customers(ID='ANTON')`, of `Customers/ANTON` and of `ANTON`. A key
/// of several parts is none.
fn key(id: &str) -> Option<String> {
    let step = id.trim_end_matches('/').rsplit('/').next()?;
    let written = match step.split_once('(') {
        Some((_, rest)) => rest.strip_suffix(')')?,
        None if step.contains(['\'', ')']) => return None,
        None => step,
    };
    let written = decoded(written)?;
    let value = match written.split_once('=') {
        Some((name, value)) if !name.is_empty() && !name.contains('\'') => value,
        _ => &written,
    };
    let key = match value.strip_prefix('\'') {
        Some(quoted) => {
            let inner = quoted.strip_suffix('\'')?.replace("''", "\u{0}");
            (!inner.contains('\'')).then(|| inner.replace('\u{0}', "'"))?
        }
        None if value.contains([',', '\'']) => return None,
        None => value.to_owned(),
    };
    (!key.is_empty()).then_some(key)
}

/// A text without percent-encoding; None where it is none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_out_of_an_entitys_id() {
        for (id, expected) in [
            ("Customers('ANTON')", "ANTON"),
            ("https://host/service/Customers('O''Neil%2F%C3%A8')", "O'Neil/è"),
            ("/service/Customers(ID=7)", "7"),
            ("Customers(ID='a=b,c')", "a=b,c"),
            ("Customers('a(b)')", "a(b)"),
            ("https://host/service/Customers/ANTON/", "ANTON"),
            ("2e451703-c8e5-4b46-9f9e-3b0c4d2d5e8f", "2e451703-c8e5-4b46-9f9e-3b0c4d2d5e8f"),
            ("Customers(2e451703-c8e5-4b46-9f9e-3b0c4d2d5e8f)", "2e451703-c8e5-4b46-9f9e-3b0c4d2d5e8f"),
        ] {
            assert_eq!(key(id).as_deref(), Some(expected), "{id}");
        }
        for none in
            ["Lines(Order=1,Line=2)", "Lines(Order='a',Line='b')", "Customers()", "Customers('')", "B')", "Customers('a'b')", "C(%zz)", ""]
        {
            assert_eq!(key(none), None, "{none}");
        }
    }
}
