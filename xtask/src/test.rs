//! `cargo xtask test`: every test, with its set-up, whatever the machine already has.

use std::process::Command;

use crate::counts::{self, Runner};
use crate::guests;
use crate::missing;
use crate::process::{self, Failure, Workspace};
use crate::report::{Line, Outcome, Report};
use crate::stage::stage;

/// Nextest's exit code for "it ran, and tests are red".
pub(crate) const NEXTEST_RED: i32 = 100;
/// `cargo test`'s, for the same and for much else.
const LIBTEST_RED: i32 = 101;

/// What was asked for on the command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    /// Also the tests whose names begin with `long_`.
    all: bool,
    /// Parts of test names; none means every test.
    filters: Vec<String>,
}

impl Request {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut request = Self::default();
        for argument in arguments {
            if argument == "--all" {
                request.all = true;
            } else if argument.starts_with('-') {
                return Err(Failure::new(format!(
                    "`test` has no option `{argument}`; for more, call `cargo nextest run` yourself after `cargo xtask guests`"
                )));
            } else {
                request.filters.push(argument.clone());
            }
        }
        Ok(request)
    }
}

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let request = Request::parse(arguments)?;
    let runner = if process::has_cargo_subcommand("nextest") {
        Runner::Nextest
    } else {
        eprintln!(
            "cargo-nextest is not installed: running `cargo test`, which is slower, does not end tests that hang, and leaves out\n\
             every test with `long_` anywhere in its name. `cargo install cargo-nextest --locked` adds it."
        );
        Runner::Libtest
    };
    missing::begin()?;
    let mut report = Report::default();

    // The end-to-end tests load what this builds: without it there is nothing to test.
    let started = std::time::Instant::now();
    guests::build()?;
    report.push(Line { title: "build connectors", took: started.elapsed(), outcome: Outcome::Built });

    test_stage(&mut report, "test connectors, natively", tests(Workspace::Connectors, runner, &request), runner);
    build_stage(&mut report, "build host and its tests", build_host(&[]));
    test_stage(&mut report, "test host, end to end included", tests(Workspace::Host, runner, &request), runner);
    if request.filters.is_empty() {
        test_stage(&mut report, "examples in the SDK's documentation", documentation(Workspace::Connectors), Runner::Libtest);
        test_stage(&mut report, "examples in the host's documentation", documentation(Workspace::Host), Runner::Libtest);
    }

    eprintln!("\n── summary");
    eprintln!("{}", report.text());
    if let Some(missing) = missing::told()? {
        eprintln!("\n{missing}");
    }
    verdict(&report, &request)
}

/// Green means: every stage came to its end, something ran, nothing was red.
fn verdict(report: &Report, request: &Request) -> Result<(), Failure> {
    let counts = report.counts();
    let broken = report.broken();
    if !broken.is_empty() {
        return Err(Failure::new(format!("not everything could be tested: {}", broken.join("; "))));
    }
    if counts.failed > 0 {
        return Err(Failure::new(format!("{} red, named above", counts.failed)));
    }
    if counts.passed == 0 {
        return Err(Failure::new(if request.filters.is_empty() {
            "no test ran".to_owned()
        } else {
            format!("no test's name contains {}", request.filters.join(" or "))
        }));
    }
    Ok(())
}

fn build_stage(report: &mut Report, title: &'static str, mut command: Command) {
    let (built, took) = stage(title, || process::run(&mut command));
    report.push(Line {
        title,
        took,
        outcome: match built {
            Ok(()) => Outcome::Built,
            Err(failure) => Outcome::Broken(failure.to_string()),
        },
    });
}

fn test_stage(report: &mut Report, title: &'static str, mut command: Command, runner: Runner) {
    command.env(missing::FILE_VARIABLE, missing::file());
    let (run, took) = stage(title, || counts::run(&mut command, runner));
    let outcome = match run {
        Err(failure) => Outcome::Broken(failure.to_string()),
        Ok(run) => {
            let red = match runner {
                Runner::Nextest => NEXTEST_RED,
                Runner::Libtest => LIBTEST_RED,
            };
            // A red exit without a red test is not about tests: it did not compile, or the runner gave up.
            let explained = run.status.success() || (run.status.code() == Some(red) && run.counts.failed > 0);
            if explained {
                Outcome::Tested { counts: run.counts, closing: run.closing, red: run.red }
            } else {
                Outcome::Broken(format!("the test runner ended with {}", run.status))
            }
        }
    };
    report.push(Line { title, took, outcome });
}

/// Builds the host's programs and tests in one go: the tests start the program `sportello`, which Cargo would not build for them.
pub(crate) fn build_host(flags: &[&str]) -> Command {
    let mut command = process::cargo(&["build"], Workspace::Host);
    command.args(["--workspace", "--bins", "--tests"]).args(flags);
    command
}

/// `cargo nextest run` on a workspace, told where the built program and connectors lie.
pub(crate) fn nextest(workspace: Workspace, profile: &str) -> Command {
    let mut command = process::cargo(&["nextest", "run"], workspace);
    command.args(["--workspace", "--config-file", ".config/nextest.toml"]);
    command.args(["--profile", profile, "--color", process::colour()]);
    what_was_built(&mut command);
    command
}

fn tests(workspace: Workspace, runner: Runner, request: &Request) -> Command {
    match runner {
        Runner::Nextest => {
            let profile = if request.all { "all" } else { "default" };
            let mut command = nextest(workspace, profile);
            // A filter may match in one workspace only; that nothing ran anywhere is noticed at the end.
            command.arg("--no-tests=pass").args(&request.filters);
            command
        }
        Runner::Libtest => {
            let mut command = process::cargo(&["test"], workspace);
            command.args(["--workspace", "--tests", "--no-fail-fast", "--color"]);
            command.args([process::colour(), "--"]).args(&request.filters);
            if !request.all {
                command.args(["--skip", "long_"]);
            }
            what_was_built(&mut command);
            command
        }
    }
}

fn documentation(workspace: Workspace) -> Command {
    let mut command = process::cargo(&["test", "--doc"], workspace);
    command.args(["--workspace", "--no-fail-fast", "--color", process::colour()]);
    what_was_built(&mut command);
    command
}

fn what_was_built(command: &mut Command) {
    let binary = Workspace::Host.target_folder().join("debug/sportello");
    command.env("SPORTELLO_BINARY", binary).env("SPORTELLO_GUESTS", guests::folder());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::counts::Counts;

    fn report(outcome: Outcome) -> Report {
        let mut report = Report::default();
        report.push(Line { title: "stage", took: Duration::ZERO, outcome });
        report
    }

    fn tested(passed: u64, failed: u64) -> Report {
        report(Outcome::Tested { counts: Counts { passed, failed, skipped: 0 }, closing: None, red: Vec::new() })
    }

    #[test]
    fn only_a_complete_and_green_run_is_a_success() {
        let everything = Request::default();
        assert!(verdict(&tested(1, 0), &everything).is_ok());
        assert!(verdict(&tested(1, 1), &everything).is_err());
        assert!(verdict(&tested(0, 0), &everything).is_err());
        assert!(verdict(&report(Outcome::Broken("no".into())), &everything).is_err());
    }

    #[test]
    fn a_mistyped_option_is_refused_before_anything_is_built() {
        let arguments = ["--al".to_owned()];
        let message = Request::parse(&arguments).expect_err("refused").to_string();
        assert!(message.contains("--al"), "{message}");
    }

    #[test]
    fn options_and_filters_may_stand_in_any_order() {
        let arguments = ["torn_tail".to_owned(), "--all".to_owned()];
        let request = Request::parse(&arguments).expect("accepted");
        assert_eq!(request, Request { all: true, filters: vec!["torn_tail".to_owned()] });
    }
}
