//! What a test did without, because this machine does not have it.
//!
//! Test runners hide what a green test prints. So it is also written into a file, which `cargo xtask test` shows under its summary.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

/// The environment variable that names the file. `cargo xtask test` sets it.
const FILE_VARIABLE: &str = "SPORTELLO_MISSING";

/// What was done instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// Nothing: the test passed without looking.
    Skipped,
    /// The test ran on a stand-in of our own making.
    StandIn,
}

impl Instead {
    fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::StandIn => "stand-in used",
        }
    }
}

/// Says that the running test does without something; `missing` says without what, and how to get it.
///
/// # Panics
/// When the file that `cargo xtask test` named cannot be written: a test that does without something must not look like one that does not.
pub fn tell(instead: Instead, missing: impl Display) {
    eprintln!("{}: {missing}", instead.word().to_uppercase());
    if let Some(file) = std::env::var_os(FILE_VARIABLE) {
        tell_in(Path::new(&file), instead, &missing.to_string());
    }
}

/// Appends a line: what was done instead, the test, what is missing, with tabs between them.
fn tell_in(file: &Path, instead: Instead, missing: &str) {
    let missing = missing.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = format!("{}\t{}\t{missing}\n", instead.word(), running_test());
    let mut open = std::fs::File::options();
    // One write at the end of the file: the lines of tests that run at the same time do not mix.
    let written = open.append(true).create(true).open(file).and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// The program and the test in it. Nextest says which test it is; otherwise its thread is named after it.
fn running_test() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // Cargo puts a hash behind a test program's name.
    let program = program.rsplit_once('-').map_or(program.as_str(), |(name, _)| name);
    let test = std::env::var("NEXTEST_TEST_NAME").ok();
    let test = test.or_else(|| std::thread::current().name().map(str::to_owned)).unwrap_or_default();
    format!("{program} {test}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_does_without_stands_in_the_file_with_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("missing");
        tell_in(&file, Instead::Skipped, "no wiki;\n install one");
        tell_in(&file, Instead::StandIn, "no CRM");
        let test = "sportello_tests missing::tests::what_a_test_does_without_stands_in_the_file_with_its_name";
        let told = std::fs::read_to_string(&file).expect("it was written");
        assert_eq!(told, format!("skipped\t{test}\tno wiki; install one\nstand-in used\t{test}\tno CRM\n"));
    }

    #[test]
    fn it_is_the_file_that_is_shown_under_the_summary() {
        let shown = include_str!("../../xtask/src/missing.rs");
        assert!(shown.contains(&format!("\"{FILE_VARIABLE}\"")));
    }
}
