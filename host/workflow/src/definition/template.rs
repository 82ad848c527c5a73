//! Texts with `${…}` in them.

use crate::plan::{Part, Template};

/// Splits a text into words and expressions. `$${` stands for `${` itself.
///
/// # Errors
/// A sentence saying which `${` is not closed.
pub(crate) fn parse(text: &str) -> Result<Template, String> {
    let mut parts = Vec::new();
    let mut words = String::new();
    let mut rest = text;
    while let Some(found) = rest.find("${") {
        if rest[..found].ends_with('$') {
            words.push_str(&rest[..found]);
            words.push('{');
            rest = &rest[found + 2..];
            continue;
        }
        words.push_str(&rest[..found]);
        let inside = &rest[found + 2..];
        let end = closing(inside).ok_or_else(|| format!("a \"${{\" is not closed by \"}}\": {:?}", beginning(inside)))?;
        if !words.is_empty() {
            parts.push(Part::Words(std::mem::take(&mut words)));
        }
        parts.push(Part::Value(inside[..end].trim().to_owned()));
        rest = &inside[end + 1..];
    }
    words.push_str(rest);
    if !words.is_empty() {
        parts.push(Part::Words(words));
    }
    Ok(Template(parts))
}

/// Where the expression ends: at the first `}` that is neither in quotes nor closes a `{` of its own.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut quote = None;
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(index),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn beginning(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Part {
        Part::Words(text.to_owned())
    }

    fn value(text: &str) -> Part {
        Part::Value(text.to_owned())
    }

    #[test]
    fn words_and_expressions_are_told_apart() {
        assert_eq!(parse("Ciao ${profile.display_name}!"), Ok(Template(vec![words("Ciao "), value("profile.display_name"), words("!")])));
        assert_eq!(parse("no parts"), Ok(Template(vec![words("no parts")])));
        assert_eq!(parse("a ${ x ? '}' : \"{\" } b"), Ok(Template(vec![words("a "), value("x ? '}' : \"{\""), words(" b")])));
        assert_eq!(parse("${ {'a': 1}['a'] }"), Ok(Template(vec![value("{'a': 1}['a']")])));
        assert_eq!(parse("it costs $${5}"), Ok(Template(vec![words("it costs ${5}")])));
        assert!(parse("open ${case.number").is_err());
    }
}
