//! `cargo xtask sabotage`: the tests are tested. One promise is broken at a time, and at least one of the tests that guard it must
//! turn red.
//!
//! Every host crate that makes such a promise has a Cargo feature `sabotage`. With it, `sabotaged("name")` is true when the
//! environment variable `SPORTELLO_SABOTAGE` holds that name; without it, it is a constant `false`, so that no shipped build can be
//! broken this way. A promise is added by one `if sabotaged("name")` beside the line that keeps it, and one row in [`PROMISES`].
//!
//! First all these tests run with nothing broken: a test that is red anyway proves nothing.

use std::collections::BTreeSet;
use std::path::Path;

use crate::guests;
use crate::process::{self, Failure, Workspace};
use crate::stage::stage;
use crate::test::{NEXTEST_RED, build_host, nextest};

/// A promise that can be broken, and who must notice.
struct Promise {
    /// The value of `SPORTELLO_SABOTAGE`.
    name: &'static str,
    /// What the sabotaged code does instead.
    broken: &'static str,
    /// The tests that guard it, as a nextest filter expression. Narrow, so that red comes from them and not from bystanders.
    guards: &'static str,
}

const PROMISES: &[Promise] = &[
    Promise {
        name: "ack-before-fsync",
        broken: "the journal acknowledges a record before it is on disk",
        guards: "package(sportello-journal) and binary(failing_disk)",
    },
    Promise {
        name: "skip-slot-overwrite",
        broken: "erasing a key leaves its bytes in the slot file",
        guards: "(package(sportello-journal) and binary(key_slots)) or (package(sportello-tests) and binary(erasure))",
    },
    Promise {
        name: "cursor-before-rows",
        broken: "the views' cursor is stored before the rows it stands for",
        guards: "package(sportello-views) and (binary(kill) or binary(damage))",
    },
    Promise {
        name: "lift-guest-limit",
        broken: "a guest may use as much memory and time as it likes",
        guards: "package(sportello-runtime) or (package(sportello-tests) and binary(hostile_guests))",
    },
    Promise {
        name: "show-credential",
        broken: "a credential echoed by a server reaches the guest",
        guards: "package(sportello-runtime) or (package(sportello-tests) and binary(hostile_guests))",
    },
    Promise {
        name: "skip-dedupe",
        broken: "an interaction delivered again enters again",
        guards: "package(sportello-tests) and binary(bad_input) and test(a_delivery_sent_again_changes_nothing)",
    },
    Promise {
        name: "skip-lane-order",
        broken: "effects of one conversation do not wait for each other",
        guards: "(package(sportello-core) and test(/^effects::effects_of_one_conversation/)) or \
                 (package(sportello-tests) and binary(effects) and test(a_call_that_hangs_holds_up_its_own_conversation_only_and_keeps_its_order))",
    },
    Promise {
        name: "overlook-echo",
        broken: "what the platform shows of the company's own is no evidence for an effect",
        guards: "(package(sportello-core) and test(/^effects::an_echo_with_its_key/)) or \
                 (package(sportello-tests) and binary(effects) and test(an_effect_whose_answer_was_lost_is_done_when_its_echo_comes_and_nobody_looks_for_it))",
    },
    Promise {
        name: "skip-state-version",
        broken: "a call overwrites what another has changed in the connector's state since it looked",
        guards: "(package(sportello-core) and test(what_another_call_has_changed_since_is_not_overwritten)) or \
                 (package(sportello-tests) and binary(connector_state))",
    },
    Promise {
        name: "share-secrets",
        broken: "a channel may name another tenant's secrets",
        guards: "(package(sportello-server) and test(/^config::/)) or (package(sportello-tests) and binary(api) and test(/secrets::/))",
    },
    Promise {
        name: "share-vault-entries",
        broken: "what came of one token that rotates is taken for what came of another",
        guards: "package(sportello-runtime) and test(/rotation::/)",
    },
    Promise {
        name: "forget-effect-started",
        broken: "an effect is called without `effect.started` being durable",
        guards: "package(sportello-tests) and binary(crash)",
    },
    Promise {
        name: "apply-twice",
        broken: "replay applies a record's events a second time",
        guards: "package(sportello-tests) and (binary(vertical_slice) or binary(erasure))",
    },
];

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if arguments == ["--list"] {
        for promise in PROMISES {
            println!("{:<24} {}", promise.name, promise.broken);
        }
        return Ok(());
    }
    let chosen = choose(arguments)?;
    table_matches_code()?;
    if !process::has_cargo_subcommand("nextest") {
        return Err(Failure::new("sabotage needs cargo-nextest: `cargo install cargo-nextest --locked`"));
    }
    guests::build()?;
    let features = features()?.join(",");
    stage("build the host and its tests, breakable", || process::run(&mut build_host(&["--features", &features]))).0?;

    stage("nothing broken: all guards must be green", || {
        let guards: BTreeSet<String> = chosen.iter().map(|promise| format!("({})", promise.guards)).collect();
        let guards: Vec<String> = guards.into_iter().collect();
        let red = red_tests(&features, None, &guards.join(" or "))?;
        if red.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("red with nothing broken, so they prove nothing:\n   {}", red.join("\n   "))))
    })
    .0?;

    let mut rows = Vec::new();
    for promise in &chosen {
        let title = format!("broken: {} ({})", promise.name, promise.broken);
        let red = stage(&title, || red_tests(&features, Some(promise.name), promise.guards)).0?;
        rows.push((*promise, red));
    }
    println!("\n{:<24} red tests", "promise broken");
    for (promise, red) in &rows {
        if red.is_empty() {
            println!("{:<24} NONE: it can be broken unnoticed", promise.name);
        }
        for (index, test) in red.iter().enumerate() {
            let name = if index == 0 { promise.name } else { "" };
            println!("{name:<24} {test}");
        }
    }
    let unnoticed: Vec<&str> = rows.iter().filter(|(_, red)| red.is_empty()).map(|(promise, _)| promise.name).collect();
    if unnoticed.is_empty() {
        println!("\n{} promises broken one at a time, each noticed", rows.len());
        Ok(())
    } else {
        Err(Failure::new(format!("no test notices when these promises are broken: {}", unnoticed.join(", "))))
    }
}

/// The `--features` that make the host breakable: `PACKAGE/sabotage` for each host crate that has it.
pub(crate) fn features() -> Result<Vec<String>, Failure> {
    let mut features = Vec::new();
    let mut folders = entries(&process::root().join("host"))?;
    folders.push(process::root().join("tests"));
    for folder in folders {
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            continue;
        }
        let text = read(&manifest)?;
        let has_feature = text.lines().any(|line| line.starts_with("sabotage = ["));
        let name = text.lines().find_map(|line| {
            let value = line.strip_prefix("name = \"")?;
            value.strip_suffix('"')
        });
        if let (true, Some(name)) = (has_feature, name) {
            features.push(format!("{name}/sabotage"));
        }
    }
    features.sort();
    if features.is_empty() {
        return Err(Failure::new("no crate under host/ has a feature `sabotage`"));
    }
    Ok(features)
}

fn choose(names: &[String]) -> Result<Vec<&'static Promise>, Failure> {
    if names.is_empty() {
        return Ok(PROMISES.iter().collect());
    }
    names
        .iter()
        .map(|name| {
            PROMISES
                .iter()
                .find(|promise| promise.name == name)
                .ok_or_else(|| Failure::new(format!("there is no promise `{name}`; `cargo xtask sabotage --list` shows them")))
        })
        .collect()
}

/// Runs the guards of one promise and returns the names of those that were red.
fn red_tests(features: &str, broken: Option<&str>, guards: &str) -> Result<Vec<String>, Failure> {
    let report = Workspace::Host.target_folder().join("nextest/sabotage/junit.xml");
    // An old report must not speak for a run that wrote none.
    if report.exists() {
        std::fs::remove_file(&report).map_err(|error| Failure::new(format!("{}: {error}", report.display())))?;
    }
    let mut command = nextest(Workspace::Host, "sabotage");
    command.args(["--features", features, "--no-tests=fail"]);
    command.args(["-E", guards]);
    command.env_remove("SPORTELLO_SABOTAGE");
    if let Some(name) = broken {
        command.env("SPORTELLO_SABOTAGE", name);
    }
    process::announce(&command);
    let status = command.status().map_err(|error| process::could_not_start(&command, &error))?;
    let red = match status.code() {
        Some(0) => Vec::new(),
        Some(NEXTEST_RED) => red_in_report(&read(&report)?),
        _ => {
            return Err(Failure::new(format!("`{}`: {status}", process::display(&command))));
        }
    };
    if status.success() || !red.is_empty() {
        Ok(red)
    } else {
        Err(Failure::new(format!("the runner says that tests are red, but {} names none", report.display())))
    }
}

/// The failed test cases of a JUnit report, as `binary test`.
fn red_in_report(report: &str) -> Vec<String> {
    report
        .split("<testcase ")
        .skip(1)
        .filter(|case| case.contains("<failure") || case.contains("<error"))
        .filter_map(|case| {
            let (tag, _) = case.split_once('>')?;
            let binary = attribute(tag, "classname")?;
            let test = attribute(tag, "name")?;
            Some(format!("{binary} {test}"))
        })
        .collect()
}

/// The value of an attribute. Test names hold nothing that XML would escape, except `<` and `>` of generic tests, which we have none of.
fn attribute<'tag>(tag: &'tag str, name: &str) -> Option<&'tag str> {
    tag.split('"').zip(tag.split('"').skip(1)).find(|(before, _)| before.trim_start() == format!("{name}=")).map(|(_, value)| value)
}

/// Every name the code can be sabotaged by is in the table, and every name in the table is in the code.
fn table_matches_code() -> Result<(), Failure> {
    let mut in_code = BTreeSet::new();
    collect_names(&process::root().join("host"), &mut in_code)?;
    let in_table: BTreeSet<String> = PROMISES.iter().map(|promise| promise.name.to_owned()).collect();
    let only_in_code: Vec<&str> = in_code.difference(&in_table).map(String::as_str).collect();
    let only_in_table: Vec<&str> = in_table.difference(&in_code).map(String::as_str).collect();
    if only_in_code.is_empty() && only_in_table.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the table in xtask/src/sabotage.rs and the calls of `sabotaged(\"…\")` under host/ differ:\n\
         only in the code: [{}]\nonly in the table: [{}]",
        only_in_code.join(", "),
        only_in_table.join(", ")
    )))
}

fn collect_names(folder: &Path, names: &mut BTreeSet<String>) -> Result<(), Failure> {
    for path in entries(folder)? {
        if path.is_dir() {
            collect_names(&path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(names_in(&read(&path)?));
        }
    }
    Ok(())
}

/// The names in calls of `sabotaged("name")`.
fn names_in(source: &str) -> Vec<String> {
    source.split("sabotaged(\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()).collect()
}

fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    std::fs::read_dir(folder).map_err(unreadable)?.map(|entry| entry.map(|entry| entry.path()).map_err(unreadable)).collect()
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="3" failures="1" errors="0" uuid="x" time="0.010">
    <testsuite name="sportello-journal" tests="3" disabled="0" errors="0" failures="1">
        <testcase name="tests::green" classname="sportello-journal" timestamp="t" time="0.004">
        </testcase>
        <testcase name="tests::red" classname="sportello-journal" timestamp="t" time="0.004">
            <failure message="thread panicked" type="test failure with exit code 101">at x.rs</failure>
        </testcase>
        <testcase name="power_cut" classname="sportello-journal::crash" timestamp="t" time="0.004">
        </testcase>
    </testsuite>
</testsuites>"#;

    #[test]
    fn only_failed_tests_count_as_red() {
        assert_eq!(red_in_report(REPORT), ["sportello-journal tests::red"]);
    }

    #[test]
    fn names_are_read_from_the_calls_that_break_a_promise() {
        let source = r#"if !sabotaged("skip-slot-overwrite") { overwrite()?; } fn sabotaged(promise: &str) -> bool"#;
        assert_eq!(names_in(source), ["skip-slot-overwrite"]);
    }

    #[test]
    fn an_unknown_promise_is_refused() {
        assert!(choose(&["ack-after-fsync".to_owned()]).is_err());
        assert_eq!(choose(&["skip-dedupe".to_owned()]).expect("known").len(), 1);
    }
}
