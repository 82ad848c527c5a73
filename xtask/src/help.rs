//! `cargo xtask help [TASK]`.

use crate::process::Failure;

/// One task as `help` shows it.
struct Task {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    details: &'static str,
}

const TASKS: &[Task] = &[
    Task {
        name: "run",
        usage: "run [--once] [--speed N]",
        about: "the demo: the weekend the network fell",
        details: "\
Adds the wasm targets if they are missing, builds the connectors, the host and the demo, and starts it. Everything binds 127.0.0.1.
Stops with Ctrl-C. Arguments are handed on to the demo:
  --once      play to the end, print the outcome, exit 0 only if it is right
  --speed N   N times faster than the story's own clock
Examples:
  cargo xtask run
  cargo xtask run --once --speed 600",
    },
    Task {
        name: "test",
        usage: "test [--all] [FILTER…]",
        about: "every test, with its set-up",
        details: "\
Builds the connectors, tests them natively, then builds the host and runs its tests, end to end included. A FILTER is a part of a
test's name; with one, documentation examples are left out. Tests whose name begins with `long_` run with --all only.
Under the summary stand the tests for which something is missing here, a real server for instance, and how to get it.
Uses cargo-nextest where it is installed (`cargo install cargo-nextest --locked`), `cargo test` otherwise.
Examples:
  cargo xtask test
  cargo xtask test torn_tail
  cargo xtask test --all",
    },
    Task {
        name: "sabotage",
        usage: "sabotage [--list] [PROMISE…]",
        about: "break one promise at a time and see a test turn red",
        details: "\
Builds the tests with the feature `sabotage`, checks that they are green as long as nothing is broken, then breaks each promise in
turn and shows which tests notice. Fails if a promise can be broken without any of its tests turning red. Needs cargo-nextest.
Examples:
  cargo xtask sabotage --list
  cargo xtask sabotage
  cargo xtask sabotage ack-before-fsync skip-dedupe",
    },
    Task {
        name: "bench",
        usage: "bench [--json] […]",
        about: "measure, in release, against the limit and the peers",
        details: "\
Builds the benchmarks and the binary in release and runs them; arguments are handed on to the benchmarks.
  --json   one object a line: name, value, unit, reference, ratio, floor
Examples:
  cargo xtask bench
  cargo xtask bench --json > bench.jsonl",
    },
    Task {
        name: "guests",
        usage: "guests",
        about: "build the connectors for the sandbox",
        details: "\
For wasm32-unknown-unknown, or wasm32-wasip2 where plugins/Cargo.toml says that a guest needs more of WASI. Leaves all of them in
plugins/target/guests/*.wasm and prints their sizes. Adds the wasm targets if they are missing.",
    },
    Task {
        name: "fmt",
        usage: "fmt [--check]",
        about: "format both workspaces",
        details: "With --check: change nothing, fail where formatting would.",
    },
    Task {
        name: "clippy",
        usage: "clippy",
        about: "lints of both workspaces, warnings are errors",
        details: "Host with and without the feature `sabotage`, connectors natively and for wasm32-unknown-unknown.",
    },
    Task {
        name: "deny",
        usage: "deny [--advisories]",
        about: "licences, duplicates and sources of dependencies",
        details: "\
Checks both lock files against deny.toml. With --advisories also known vulnerabilities, which needs to reach GitHub.
Needs cargo-deny: `cargo install cargo-deny --locked`.",
    },
    Task { name: "check", usage: "check", about: "fmt --check, clippy, deny", details: "The part of `ci` that runs no test." },
    Task {
        name: "ci",
        usage: "ci",
        about: "check, then test: what CI runs",
        details: "CI is `.ci/run`, which installs what these need and then calls them one after the other.",
    },
];

/// Prints all tasks, or one in full.
///
/// # Errors
/// When `task` is none.
pub(crate) fn run(task: Option<&str>) -> Result<(), Failure> {
    let Some(name) = task else {
        println!("cargo xtask TASK\n");
        for task in TASKS {
            println!("  {:<30} {}", task.usage, task.about);
        }
        println!("\n`cargo xtask help TASK` says more. To begin with:\n");
        println!("  cargo xtask run --once     see it work, from the webhook to the CRM");
        println!("  cargo xtask test           see it proven");
        return Ok(());
    };
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        return Err(Failure::new(format!("there is no task `{name}`; `cargo xtask help` lists them")));
    };
    println!("cargo xtask {}\n\n{}.\n\n{}", task.usage, task.about, task.details);
    Ok(())
}
