//! Reading a mapping's words: which keys a section has, and what stands behind them.

use crate::problem::{Problems, nearest};
use crate::yaml::{Key, Node, Value};

/// A mapping in the file whose keys are known.
#[derive(Clone, Copy)]
pub(crate) struct Section<'a> {
    line: usize,
    what: &'a str,
    entries: &'a [(Key, Node)],
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The section, if it is a mapping. Keys it does not have are told.
    pub(crate) fn open(node: &'a Node, what: &'a str, keys: &[&str], problems: &'a Problems) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            problems.add(node.line, format!("{what} is a mapping with {}, not {}", keys.join(", "), node.kind()));
            return None;
        };
        for (key, _) in entries {
            if !keys.contains(&key.text.as_str()) {
                let hint = nearest(&key.text, keys.iter().copied());
                problems.add(key.line, format!("{what} has no `{}`{hint}; it has {}", key.text, keys.join(", ")));
            }
        }
        Some(Self { line: node.line, what, entries, problems })
    }

    /// The line it begins in.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// What stands behind a key. A key with nothing behind it counts as not there.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        let found = self.entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)?;
        (!matches!(found.value, Value::Nothing)).then_some(found)
    }

    /// What stands behind a key that must be there.
    pub(crate) fn need(&self, key: &str) -> Option<&'a Node> {
        let found = self.get(key);
        if found.is_none() {
            self.problems.add(self.line, format!("{} needs `{key}`", self.what));
        }
        found
    }

    /// The text behind a key that must be there.
    pub(crate) fn need_text(&self, key: &str) -> Option<&'a str> {
        text(self.need(key)?, &format!("`{key}`"), self.problems)
    }

    /// The text behind a key, if it is there.
    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        text(self.get(key)?, &format!("`{key}`"), self.problems)
    }

    /// The whole number behind a key, or this one where it is not there.
    pub(crate) fn number(&self, key: &str, from: u32, to: u32, otherwise: u32) -> u32 {
        let Some(node) = self.get(key) else { return otherwise };
        let number = match &node.value {
            Value::Scalar { text, plain: true } => text.parse().ok().filter(|number| (from..=to).contains(number)),
            _ => None,
        };
        number.unwrap_or_else(|| {
            self.problems.add(node.line, format!("`{key}` is a whole number from {from} to {to}"));
            otherwise
        })
    }

    /// One of these words behind a key, or this meaning where it is not there.
    pub(crate) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], otherwise: T) -> T {
        self.get(key).and_then(|node| word(node, &format!("`{key}`"), words, self.problems)).unwrap_or(otherwise)
    }
}

/// A text that is not empty.
pub(crate) fn text<'a>(node: &'a Node, what: &str, problems: &Problems) -> Option<&'a str> {
    match &node.value {
        Value::Scalar { text, .. } if !text.is_empty() => Some(text),
        Value::Scalar { .. } => {
            problems.add(node.line, format!("{what} is empty"));
            None
        }
        _ => {
            problems.add(node.line, format!("{what} is a text, not {}", node.kind()));
            None
        }
    }
}

/// One of these words.
pub(crate) fn word<T: Copy>(node: &Node, what: &str, words: &[(&str, T)], problems: &Problems) -> Option<T> {
    let written = text(node, what, problems)?;
    let found = words.iter().find(|(word, _)| *word == written);
    if found.is_none() {
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let hint = nearest(written, all.iter().copied());
        problems.add(node.line, format!("{what} cannot be `{written}`{hint}; it can be {}", all.join(", ")));
    }
    found.map(|(_, meaning)| *meaning)
}

/// The texts of a list, or the one text where there is no list.
pub(crate) fn texts<'a>(node: &'a Node, what: &str, problems: &Problems) -> Vec<(&'a str, usize)> {
    match &node.value {
        Value::List(items) => items.iter().filter_map(|item| Some((text(item, what, problems)?, item.line))).collect(),
        _ => text(node, what, problems).map(|text| (text, node.line)).into_iter().collect(),
    }
}
