//! What a test runner says it ran: its output goes through to the terminal, its closing line is kept and read.

use std::io::{BufRead, BufReader, Read, Write};
use std::ops::AddAssign;
use std::process::{Command, ExitStatus, Stdio};

use crate::process::{self, Failure};

/// Who runs the tests, and so how its closing line reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `cargo nextest run`: one closing line.
    Nextest,
    /// `cargo test`: one closing line per test binary, to be added up.
    Libtest,
}

/// Tests by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    /// Failed, timed out, or could not be started.
    pub(crate) failed: u64,
    /// Ignored or left out by a filter.
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// A runner's end: its exit status, what it counted, and its own closing words (nextest's only; `cargo test` has one per binary).
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) counts: Counts,
    pub(crate) closing: Option<String>,
    /// The runner's own lines for tests that were red.
    pub(crate) red: Vec<String>,
}

/// Runs a test runner, shows its output as it comes, and reads its counts.
///
/// # Errors
/// When it can't be started or its output can't be read. Red tests are no error here.
pub(crate) fn run(command: &mut Command, runner: Runner) -> Result<Run, Failure> {
    process::announce(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| process::could_not_start(command, &error))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Failure::new("the test runner was started without its output"));
    };
    // Two threads, because a runner that fills one pipe while we read the other would wait for ever.
    let (from_stdout, from_stderr) = std::thread::scope(|scope| {
        let stdout = scope.spawn(move || pass_through(stdout, std::io::stdout(), runner));
        let stderr = pass_through(stderr, std::io::stderr(), runner);
        (stdout.join(), stderr)
    });
    let unreadable = |error: std::io::Error| Failure::new(format!("the test runner's output: {error}"));
    let from_stdout = from_stdout.map_err(|_| Failure::new("the thread that reads the test runner panicked"))?.map_err(unreadable)?;
    let mut seen = from_stderr.map_err(unreadable)?;
    let status = child.wait().map_err(unreadable)?;
    seen.counts += from_stdout.counts;
    seen.red.extend(from_stdout.red);
    Ok(Run { status, counts: seen.counts, red: seen.red, closing: seen.closing.or(from_stdout.closing) })
}

#[derive(Debug, Default)]
struct Seen {
    counts: Counts,
    closing: Option<String>,
    red: Vec<String>,
}

impl Seen {
    fn line(&mut self, line: &str, runner: Runner) {
        let line = without_colour(line);
        match runner {
            // The last one counts: a failing test's output may quote another.
            Runner::Nextest => {
                if let Some(counts) = nextest_closing(&line) {
                    self.counts = counts;
                    self.closing = Some(line.trim().to_owned());
                    self.red.clear();
                } else if self.closing.is_some() && is_nextest_red(&line) {
                    self.red.push(line.trim().to_owned());
                }
            }
            Runner::Libtest => {
                if let Some(counts) = libtest_closing(&line) {
                    self.counts += counts;
                } else if line.starts_with("test ") && line.trim_end().ends_with("... FAILED") {
                    self.red.push(line.trim().to_owned());
                }
            }
        }
    }
}

fn pass_through(from: impl Read, mut to: impl Write, runner: Runner) -> std::io::Result<Seen> {
    let mut from = BufReader::new(from);
    let mut seen = Seen::default();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        seen.line(&String::from_utf8_lossy(&line), runner);
        line.clear();
    }
    Ok(seen)
}

/// `Summary [   1.2s] 10 tests run: 8 passed (1 slow), 1 failed, 1 timed out, 2 skipped`
fn nextest_closing(line: &str) -> Option<Counts> {
    let rest = line.trim_start().strip_prefix("Summary [")?;
    let (_, outcomes) = rest.split_once(" run: ")?;
    Some(outcomes_of(&without_brackets(outcomes), ','))
}

/// After its closing line nextest lists what was not green: `    FAIL [   0.1s] (3/10) journal tests::name`, `TIMEOUT`, `SIGSEGV`, ….
fn is_nextest_red(line: &str) -> bool {
    line.trim_start().split_once(" [").is_some_and(|(word, _)| {
        !word.is_empty() && word != "PASS" && word != "SLOW" && word.chars().all(|letter| letter.is_ascii_uppercase())
    })
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s`
fn libtest_closing(line: &str) -> Option<Counts> {
    let rest = line.trim_start().strip_prefix("test result: ")?;
    let (_, outcomes) = rest.split_once(". ")?;
    Some(outcomes_of(outcomes, ';'))
}

fn outcomes_of(outcomes: &str, separator: char) -> Counts {
    let mut counts = Counts::default();
    for outcome in outcomes.split(separator) {
        let Some((number, word)) = outcome.trim().split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match word.trim() {
            "passed" => counts.passed += number,
            "failed" | "timed out" | "exec failed" => counts.failed += number,
            "skipped" | "ignored" | "filtered out" => counts.skipped += number,
            _ => {}
        }
    }
    counts
}

/// Without `(…)`, which says how many of the passed were slow or leaked.
fn without_brackets(text: &str) -> String {
    let mut depth = 0_u32;
    text.chars()
        .filter(|character| match character {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

/// Without terminal colour sequences (`ESC [ … m`).
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // To the letter that ends the sequence.
            for character in characters.by_ref() {
                if character.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str, runner: Runner) -> Seen {
        pass_through(text.as_bytes(), std::io::sink(), runner).expect("reads from memory")
    }

    #[test]
    fn nextest_counts_every_kind_of_red_as_failed() {
        let seen = seen(
            "        PASS [   0.0s] core tests::a\n\
             \u{1b}[31;1m     Summary\u{1b}[0m [   1.234s] \u{1b}[1m10\u{1b}[0m tests run: 6 passed (1 slow, 1 leaky), 2 failed, 1 timed out, 1 exec failed, 4 skipped\n",
            Runner::Nextest,
        );
        assert_eq!(seen.counts, Counts { passed: 6, failed: 4, skipped: 4 });
        assert!(seen.closing.expect("kept").starts_with("Summary ["));
    }

    #[test]
    fn red_tests_are_named_once_by_either_runner() {
        let nextest = seen(
            "        FAIL [   0.1s] (1/2) core tests::a\n     Summary [   0.1s] 2 tests run: 0 passed, 2 failed, 0 skipped\n        FAIL [   0.1s] (1/2) core tests::a\n     SIGSEGV [   0.1s] (2/2) core tests::b\nerror: test run failed\n",
            Runner::Nextest,
        );
        assert_eq!(nextest.red, ["FAIL [   0.1s] (1/2) core tests::a", "SIGSEGV [   0.1s] (2/2) core tests::b"]);
        let libtest = seen("test tests::a ... ok\ntest tests::b ... FAILED\n", Runner::Libtest);
        assert_eq!(libtest.red, ["test tests::b ... FAILED"]);
    }

    #[test]
    fn a_closing_line_quoted_by_a_test_does_not_count() {
        let seen = seen(
            "    Summary [   9.0s] 99 tests run: 99 passed, 0 skipped\n     Summary [   0.1s] 1 test run: 1 passed, 0 skipped\n",
            Runner::Nextest,
        );
        assert_eq!(seen.counts, Counts { passed: 1, failed: 0, skipped: 0 });
    }

    #[test]
    fn libtest_adds_up_its_binaries() {
        let seen = seen(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s\n",
            Runner::Libtest,
        );
        assert_eq!(seen.counts, Counts { passed: 4, failed: 2, skipped: 3 });
    }

    #[test]
    fn output_that_is_no_closing_line_counts_nothing() {
        let seen = seen("running 3 tests\nSummary of the week\ntest result\n", Runner::Nextest);
        assert_eq!(seen.counts, Counts::default());
        assert!(seen.closing.is_none());
    }
}
