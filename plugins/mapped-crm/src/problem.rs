//! What is wrong with a mapping, and where.

use std::cell::RefCell;

/// How many problems are told at once: more are not read by anybody.
const PROBLEMS_MAX: usize = 50;

/// Something in a mapping that cannot be used, and what is expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what is expected.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

/// All problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Adds one. The same one counts once.
    pub(crate) fn add(&self, line: usize, message: impl Into<String>) {
        let problem = Problem { line, message: message.into() };
        let mut found = self.0.borrow_mut();
        if found.len() < PROBLEMS_MAX && !found.contains(&problem) {
            found.push(problem);
        }
    }

    /// In the order of the file.
    pub(crate) fn into_sorted(self) -> Vec<Problem> {
        let mut found = self.0.into_inner();
        found.sort_by_key(|problem| problem.line);
        found
    }
}

/// `; did you mean "x"?` where one of the names is near.
pub(crate) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let wrong = wrong.to_lowercase();
    let near = names.into_iter().map(|name| (distance(&wrong, name), name)).min();
    match near {
        // A third of the letters may be wrong, two of four: letters are swapped easily.
        Some((distance, name)) if distance <= name.len().max(wrong.len()).div_ceil(3) => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}

/// Letters to add, leave out or change (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, against) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *against);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_told_and_a_far_one_is_not() {
        assert_eq!(nearest("pagin", ["path", "paging", "query"]), "; did you mean `paging`?");
        assert_eq!(nearest("display_name", ["id", "display-name"]), "; did you mean `display-name`?");
        assert_eq!(nearest("zebra", ["path", "paging"]), "");
    }
}
