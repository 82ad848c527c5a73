//! A mapping file as a whole: what a record is, and the source it comes from.

use sportello_sdk::Error;

use crate::contact::ContactMapping;
use crate::csv::{self, Csv};
use crate::problem::{Problem, Problems};
use crate::rest::{self, Rest};
use crate::section::{self, Section};
use crate::yaml;

/// What every mapping has, whatever its source is.
const KEYS: [&str; 3] = ["name", "source", "contact"];

/// A mapping without mistakes.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) contact: ContactMapping,
    pub(crate) source: Source,
}

/// Where records come from: each kind has a module and a word of its own.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Rest(Box<Rest>),
    Csv(Box<Csv>),
}

#[derive(Clone, Copy)]
enum Kind {
    Rest,
    Csv,
}

impl Mapping {
    /// Reads a mapping, or tells everything that is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let problems = Problems::default();
        let mapping = match yaml::read(text, &problems) {
            Ok(root) => read(&root, &problems),
            Err(problem) => {
                problems.add(problem.line, problem.message);
                None
            }
        };
        let problems = problems.into_sorted();
        match mapping {
            Some(mapping) if problems.is_empty() => Ok(mapping),
            _ => Err(problems),
        }
    }

    /// The same for a call, which tells the first problem and how many there are.
    pub(crate) fn of_call(text: &str) -> Result<Self, Error> {
        Self::read(text).map_err(|problems| {
            let first = problems.first().map_or_else(String::new, Problem::to_string);
            let more = match problems.len() {
                0 | 1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            Error::reject(format!("the mapping, {first}{more}"))
        })
    }
}

fn read(root: &yaml::Node, problems: &Problems) -> Option<Mapping> {
    // What belongs to the source is read even where it is not known which one that is: all mistakes are told at once.
    let kind = kind(root, problems).unwrap_or(Kind::Rest);
    let own: &[&str] = match kind {
        Kind::Rest => &rest::KEYS,
        Kind::Csv => &csv::KEYS,
    };
    let keys: Vec<&str> = KEYS.iter().chain(own).copied().collect();
    let section = Section::open(root, "a mapping", &keys, problems)?;
    let name = section.need_text("name").unwrap_or_default();
    section.need("source");
    let contact = section.need("contact").and_then(|node| ContactMapping::read(node, problems));
    let source = match kind {
        Kind::Rest => Rest::read(name, &section, contact.as_ref(), problems).map(|rest| Source::Rest(Box::new(rest))),
        Kind::Csv => Csv::read(name, &section, contact.as_ref(), problems).map(|csv| Source::Csv(Box::new(csv))),
    };
    Some(Mapping { contact: contact?, source: source? })
}

fn kind(root: &yaml::Node, problems: &Problems) -> Option<Kind> {
    let yaml::Value::Map(entries) = &root.value else { return None };
    let (_, node) = entries.iter().find(|(key, _)| key.text == "source")?;
    section::word(node, "`source`", &[("rest-json", Kind::Rest), ("csv", Kind::Csv)], problems)
}
