//! A field of a record: where it stands, and what is made of it.

use std::borrow::Cow;

use crate::cast::{self, Cast};
use crate::pointer::{self, Pointer};
use crate::problem::Problems;
use crate::record::Record;
use crate::section::{self, Section};
use crate::yaml::{Node, Value};

/// Where a value stands in a record, and what is made of it.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    line: usize,
    /// The first that leads to something counts, unless they are joined.
    pointers: Vec<Pointer>,
    /// What stands between the values of all pointers, where they make one value.
    join: Option<String>,
    cast: Cast,
    default: Option<String>,
    separator: Option<String>,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) values: Vec<String>,
    /// What was expected where something else stood.
    pub(crate) expected: Option<&'static str>,
}

impl Read {
    /// The first value.
    pub(crate) fn first(self) -> Option<String> {
        self.values.into_iter().next()
    }
}

/// The keys of a field, those of its cast included, and more that its place gives it.
pub(crate) fn keys(more: &[&'static str]) -> Vec<&'static str> {
    more.iter().chain(&["at", "join", "default", "separator"]).chain(&cast::KEYS).copied().collect()
}

impl Field {
    /// A pointer, or a section with `at` and more.
    pub(crate) fn read(node: &Node, what: &str, usual: Cast, problems: &Problems) -> Option<Self> {
        if matches!(node.value, Value::Map(_)) {
            return Self::read_section(&Section::open(node, what, &keys(&[]), problems)?, usual, problems);
        }
        let pointers = pointers(node, what, problems)?;
        Some(Self { line: node.line, pointers, join: None, cast: usual, default: None, separator: None })
    }

    /// The same of a section whose keys were looked at already.
    pub(crate) fn read_section(section: &Section<'_>, usual: Cast, problems: &Problems) -> Option<Self> {
        let cast = Cast::read(section, usual, problems);
        let default = section.text("default").map(str::to_owned);
        let separator = section.text("separator").map(str::to_owned);
        let join = section.text("join").map(str::to_owned);
        let at = section.need("at")?;
        let pointers = pointers(at, "`at`", problems)?;
        if join.is_some() && pointers.len() < 2 {
            problems.add(at.line, "`join` makes one value of several: `at` is a list of pointers");
        }
        Some(Self { line: at.line, pointers, join, cast, default, separator })
    }

    /// Where it stands, for messages.
    pub(crate) fn place(&self) -> &str {
        self.pointers.first().map_or("", Pointer::as_str)
    }

    /// The line it stands in.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// Where it may stand.
    pub(crate) fn pointers(&self) -> &[Pointer] {
        &self.pointers
    }

    /// Whether every one of its pointers must lead to something.
    pub(crate) fn needs_all(&self) -> bool {
        self.join.is_some()
    }

    /// The cast that makes a moment of it, if that is what it makes.
    pub(crate) fn moment(&self, record: &(impl Record + ?Sized)) -> Option<i64> {
        let Cast::Date(format) = &self.cast else { return None };
        self.texts(record).iter().find_map(|text| format.parse(text.trim()))
    }

    /// Whether its values are moments.
    pub(crate) fn is_date(&self) -> bool {
        matches!(self.cast, Cast::Date(_))
    }

    /// What is made of a text that stands there, or what was expected.
    pub(crate) fn reads(&self, text: &str) -> Result<String, &'static str> {
        self.cast.apply(text)
    }

    /// Whether a record has something there.
    pub(crate) fn is_there(&self, record: &(impl Record + ?Sized)) -> bool {
        !self.texts(record).is_empty()
    }

    /// Whether several values may stand there.
    pub(crate) fn holds_many(&self) -> bool {
        self.separator.is_some() || self.pointers.iter().any(Pointer::is_of_many)
    }

    /// All values in a record.
    pub(crate) fn values(&self, record: &(impl Record + ?Sized)) -> Read {
        let mut read = Read::default();
        for text in self.texts(record) {
            let parts: Vec<&str> = match &self.separator {
                Some(separator) => text.split(separator.as_str()).collect(),
                None => vec![&text],
            };
            for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
                match self.cast.apply(part) {
                    Ok(value) => read.values.push(value),
                    Err(expected) => read.expected = Some(expected),
                }
            }
        }
        if read.values.is_empty() {
            read.values.extend(self.default.clone());
        }
        read
    }

    fn texts<'a>(&self, record: &'a (impl Record + ?Sized)) -> Vec<Cow<'a, str>> {
        let at = |pointer: &Pointer| -> Vec<Cow<'a, str>> {
            let mut texts = record.texts(pointer);
            texts.retain(|text| !text.trim().is_empty());
            texts
        };
        let Some(join) = &self.join else {
            return self.pointers.iter().map(at).find(|texts| !texts.is_empty()).unwrap_or_default();
        };
        // A key of which a part is missing is another key.
        let parts: Option<Vec<_>> = self.pointers.iter().map(|pointer| at(pointer).into_iter().next()).collect();
        let joined = parts.map(|parts| parts.iter().map(|part| part.trim()).collect::<Vec<_>>().join(join));
        joined.map(Cow::Owned).into_iter().collect()
    }
}

fn pointers(node: &Node, what: &str, problems: &Problems) -> Option<Vec<Pointer>> {
    let written = section::texts(node, what, problems);
    let read: Vec<Pointer> = written.iter().filter_map(|(text, line)| read_pointer(text, what, *line, problems)).collect();
    (!read.is_empty() && read.len() == written.len()).then_some(read)
}

/// A pointer, or a problem.
pub(crate) fn read_pointer(text: &str, what: &str, line: usize, problems: &Problems) -> Option<Pointer> {
    let pointer = Pointer::read(text);
    if pointer.is_none() {
        problems.add(line, format!("{what} is {}, not `{text}`", pointer::EXPECTED));
    }
    pointer
}
