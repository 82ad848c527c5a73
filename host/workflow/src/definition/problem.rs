//! What is wrong with a definition, and where.

use std::fmt;

/// Something wrong at a place of a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file's name, as it was given.
    pub file: String,
    /// Its line, from 1; 0: the whole file.
    pub line: u64,
    /// Its column in characters, from 1.
    pub column: u64,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// `; did you mean "…"?` for the nearest of the valid names, or nothing where none is near.
pub(crate) fn nearest<'name>(wrong: &str, names: impl IntoIterator<Item = &'name str>) -> String {
    /// How alike two names must be, 0 to 1.
    const ALIKE: f64 = 0.7;
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map_or_else(String::new, |(_, name)| format!("; did you mean {name:?}?"))
}
