//! What tests did without, because this machine does not have it: they write it into a file, since runners hide what a green test prints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::process::{Failure, Workspace};

/// The environment variable that names the file to the tests.
pub(crate) const FILE_VARIABLE: &str = "SPORTELLO_MISSING";

/// The file.
pub(crate) fn file() -> PathBuf {
    Workspace::Host.target_folder().join("missing.tsv")
}

/// Begins the file anew.
///
/// # Errors
/// When it can't be written.
pub(crate) fn begin() -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| Failure::new(format!("{}: {error}", file().display()));
    std::fs::create_dir_all(Workspace::Host.target_folder()).map_err(unwritable)?;
    std::fs::write(file(), "").map_err(unwritable)
}

/// What stands in it, for people; `None`: no test did without anything.
///
/// # Errors
/// When it can't be read.
pub(crate) fn told() -> Result<Option<String>, Failure> {
    let lines = std::fs::read_to_string(file()).map_err(|error| Failure::new(format!("{}: {error}", file().display())))?;
    Ok(text(&lines))
}

/// Each line has three parts with tabs between them: what was done instead, the test, what is missing.
fn text(lines: &str) -> Option<String> {
    let mut by_missing: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    let mut tests = BTreeSet::new();
    for line in lines.lines() {
        let mut parts = line.splitn(3, '\t');
        if let (Some(instead), Some(test), Some(missing)) = (parts.next(), parts.next(), parts.next()) {
            by_missing.entry(missing).or_default().insert((instead, test));
            tests.insert(test);
        }
    }
    if tests.is_empty() {
        return None;
    }
    let mut text =
        format!("{} did not have the real thing:", if tests.len() == 1 { "1 test".to_owned() } else { format!("{} tests", tests.len()) });
    for (missing, tests) in by_missing {
        text.push_str(&format!("\n   {missing}"));
        for (instead, test) in tests {
            text.push_str(&format!("\n      {instead}: {test}"));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_did_without_is_told_once_with_all_of_them() {
        let lines = "skipped\treal a\tno wiki; install one\nskipped\treal b\tno wiki; install one\nskipped\treal a\tno CRM\n\
                     stand-in used\tchannels c\tno wiki; install one\nskipped\treal a\tno CRM\n";
        let told = "3 tests did not have the real thing:\n   no CRM\n      skipped: real a\n   no wiki; install one\n      skipped: real a\n      \
                    skipped: real b\n      stand-in used: channels c";
        assert_eq!(text(lines).as_deref(), Some(told));
        assert_eq!(text(""), None);
    }
}
