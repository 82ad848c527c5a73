//! Texts with slots: `{value | doubled}`, `{/id}`.
//!
//! A `{` that is followed by a letter or a `/` begins a slot; every other brace stands for itself, and `{{` is one brace. A slot is a name that
//! its place knows, or a pointer into the record at hand. What is filled in cannot end what it stands in: in a path it is percent-encoded and
//! never a step upwards, in JSON it stays within its string, in a query language it needs the filter of the quotes around it.

use std::borrow::Cow;
use std::cell::Cell;

use sportello_sdk::http::encode;

use crate::filter::{FILTERS, Filter, Quote, is_safe};
use crate::pointer::{self, Json, Pointer};
use crate::problem::{Problems, nearest};

/// A text with slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Slot(Source, Vec<Filter>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Name(String),
    Pointer(Pointer),
}

/// What may stand in a template's slots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    /// The names its place knows.
    pub(crate) names: &'a [&'a str],
    /// Whether there is a record to point into.
    pub(crate) record: bool,
}

/// Names whose values the connector or the host makes, of letters no query language reads as anything else.
const HARMLESS: [&str; 3] = ["since", "key", "queued-at"];

/// What fills the slots.
#[derive(Debug, Default, Clone)]
pub(crate) struct Values<'a> {
    named: Vec<(&'a str, Cow<'a, str>)>,
    record: Option<&'a Json>,
}

/// Why a slot cannot be filled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The record has nothing there.
    Missing(String),
    /// Nothing was said under this name.
    Unsaid(String),
    /// The value is of a kind that this place cannot hold.
    Value(&'static str),
}

impl<'a> Values<'a> {
    /// These names.
    pub(crate) fn new(named: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { named: named.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect(), record: None }
    }

    /// And this record.
    pub(crate) fn record(mut self, record: &'a Json) -> Self {
        self.record = Some(record);
        self
    }
}

impl Template {
    /// Reads a text. Mistakes are told, and the slots that have one are left out.
    pub(crate) fn read(text: &str, line: usize, allowed: Names<'_>, problems: &Problems) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix('{') {
                literal.push('{');
                rest = behind;
            } else if !rest.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/') {
                literal.push('{');
            } else if let Some((slot, behind)) = rest.split_once('}') {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
                parts.extend(read_slot(slot, line, allowed, problems));
                rest = behind;
            } else {
                problems.add(line, "a slot begins with `{` here and does not end; write `{{` for a brace");
                rest = "";
            }
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal));
        parts.retain(|part| *part != Part::Literal(String::new()));
        Self { parts }
    }

    /// Tells slots whose value could be read as more than a value. A slot that is the whole text is the whole value of its parameter.
    pub(crate) fn check_quotes(&self, line: usize, problems: &Problems) {
        let [_, _, ..] = self.parts.as_slice() else { return };
        let mut quote = Quote::None;
        for part in &self.parts {
            match part {
                Part::Literal(text) => quote = quote.after(text),
                Part::Slot(Source::Name(name), _) if HARMLESS.contains(&name.as_str()) => {}
                Part::Slot(source, filters) => {
                    if let Err(wanted) = is_safe(filters, quote) {
                        problems.add(line, format!("`{{{}}}` could be read as more than a value: {wanted}", source.written()));
                    }
                }
            }
        }
    }

    /// Whether it has a slot of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Slot(Source::Name(found), _) if found == name))
    }

    /// Whether one of its names has no value.
    pub(crate) fn is_unsaid(&self, values: &Values<'_>) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Slot(source, _) if matches!(source.value(values), Err(Unfit::Unsaid(_)))))
    }

    /// The text before the first slot.
    pub(crate) fn beginning(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    /// Filled in as it is.
    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<String, Unfit> {
        self.fill_each(values, |value| value)
    }

    /// Filled in with every value percent-encoded. No step of the path is `.`, `..` or empty by a value.
    pub(crate) fn fill_path(&self, values: &Values<'_>) -> Result<String, Unfit> {
        let empty = Cell::new(false);
        let path = self.fill_each(values, |value| {
            empty.set(empty.get() || value.is_empty());
            encode(&value)
        })?;
        if path.split('/').any(|step| matches!(step, "." | "..")) {
            return Err(Unfit::Value("a path has no steps `.` and `..`"));
        }
        if empty.get() {
            return Err(Unfit::Value("a step of a path is not empty"));
        }
        Ok(path)
    }

    fn fill_each(&self, values: &Values<'_>, encoded: impl Fn(String) -> String) -> Result<String, Unfit> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => filled.push_str(text),
                Part::Slot(source, filters) => {
                    let value = source.value(values)?.into_owned();
                    let filtered = filters.iter().try_fold(value, |value, filter| filter.apply(&value));
                    filled.push_str(&encoded(filtered.ok_or(Unfit::Value("the filter `word` takes letters, digits and .@_+- only"))?));
                }
            }
        }
        Ok(filled)
    }
}

impl Source {
    fn written(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Pointer(pointer) => pointer.as_str(),
        }
    }

    fn value<'a>(&self, values: &'a Values<'_>) -> Result<Cow<'a, str>, Unfit> {
        match self {
            Self::Name(name) => {
                let found = values.named.iter().find(|(known, _)| known == name).map(|(_, value)| Cow::Borrowed(value.as_ref()));
                found.ok_or_else(|| Unfit::Unsaid(name.clone()))
            }
            Self::Pointer(pointer) => {
                let found = values.record.and_then(|record| pointer.text(record));
                found.ok_or_else(|| Unfit::Missing(pointer.as_str().to_owned()))
            }
        }
    }
}

fn read_slot(slot: &str, line: usize, allowed: Names<'_>, problems: &Problems) -> Option<Part> {
    let mut words = slot.split('|').map(str::trim);
    let name = words.next().unwrap_or_default();
    let mut filters = Vec::new();
    for word in words {
        match FILTERS.iter().find(|(known, _)| *known == word) {
            Some((_, filter)) => filters.push(*filter),
            None => {
                let known = FILTERS.map(|(name, _)| name);
                problems.add(line, format!("there is no filter `{word}`{}; there are {}", nearest(word, known), known.join(", ")));
            }
        }
    }
    if name.starts_with('/') {
        if !allowed.record {
            problems.add(line, format!("`{{{name}}}` points into a record, and there is none here; there are {}", slots(allowed)));
            return None;
        }
        return Pointer::read(name).map(|pointer| Part::Slot(Source::Pointer(pointer), filters)).or_else(|| {
            problems.add(line, format!("`{name}` is not {}", pointer::EXPECTED));
            None
        });
    }
    let known = allowed.names.iter().find(|known| **known == name);
    if known.is_none() {
        let hint = nearest(name, allowed.names.iter().copied());
        problems.add(line, format!("there is nothing called `{name}` here{hint}; there are {}", slots(allowed)));
    }
    known.map(|name| Part::Slot(Source::Name((*name).to_owned()), filters))
}

fn slots(allowed: Names<'_>) -> String {
    let mut all: Vec<String> = allowed.names.iter().map(|name| format!("{{{name}}}")).collect();
    if allowed.record {
        all.push("{/pointer/into/the/record}".into());
    }
    if all.is_empty() { "no slots".into() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: Names<'_> = Names { names: &["value"], record: true };

    fn read(text: &str) -> Template {
        let problems = Problems::default();
        let template = Template::read(text, 1, VALUE, &problems);
        assert_eq!(problems.into_sorted(), []);
        template
    }

    fn mistake(text: &str) -> String {
        let problems = Problems::default();
        Template::read(text, 3, VALUE, &problems).check_quotes(3, &problems);
        problems.into_sorted().into_iter().map(|problem| problem.to_string()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn braces_that_begin_no_slot_stand_for_themselves() {
        let json = read(r#"[{"value":"{value | json}"}] {} {{value}"#);
        assert_eq!(json.fill(&Values::new([("value", "a\"b")])).unwrap(), r#"[{"value":"a\"b"}] {} {value}"#);
    }

    #[test]
    fn a_value_in_a_path_is_one_step_of_it_and_never_a_step_upwards() {
        let path = read("/people/{value}");
        assert_eq!(path.fill_path(&Values::new([("value", "a/b?c#d%2e 𝒳")])).unwrap(), "/people/a%2Fb%3Fc%23d%252e%20%F0%9D%92%B3");
        for wrong in [".", "..", ""] {
            assert!(matches!(path.fill_path(&Values::new([("value", wrong)])), Err(Unfit::Value(_))), "{wrong:?}");
        }
        assert_eq!(
            read("/p/{value}/notes").fill_path(&Values::new([("value", "..")])),
            Err(Unfit::Value("a path has no steps `.` and `..`"))
        );
    }

    #[test]
    fn a_field_of_the_record_is_filled_in_or_missed() {
        let record = pointer::whole(br#"{"id": 9007199254740993, "name": null}"#).unwrap();
        assert_eq!(read("/p/{/id}").fill_path(&Values::default().record(record)).unwrap(), "/p/9007199254740993");
        assert_eq!(read("{/name}").fill(&Values::default().record(record)), Err(Unfit::Missing("/name".into())));
    }

    #[test]
    fn mistakes_are_told_with_what_there_is() {
        assert_eq!(
            mistake("{valeu}"),
            "line 3: there is nothing called `valeu` here; did you mean `value`?; there are {value}, {/pointer/into/the/record}"
        );
        assert!(mistake("{value | doubledd}").contains("did you mean `doubled`?"));
        assert!(mistake("a {value").contains("does not end"));
    }

    #[test]
    fn a_value_among_other_words_needs_the_filter_of_its_quotes() {
        for safe in [
            "{value}",
            "{value | lower}",
            "a = '{value | doubled}'",
            r#"{"a":"{value | json}"}"#,
            "id:{value | word}",
            "p:'{value|like|doubled}'",
        ] {
            assert_eq!(mistake(safe), "", "{safe}");
        }
        for open in ["a = '{value}'", "a:{value}", "a = '{value | json}'", "a = {value | doubled}", "{value}{value}", "a='{/id}'"] {
            assert!(mistake(open).contains("could be read as more than a value"), "{open}: {}", mistake(open));
        }
    }
}
