//! The demo is a promise too: the real binary, a whole weekend, and the platforms' own books.

use std::process::Command;

use serde_json::Value;
use sportello_tests::host::binary;

/// Plays the scenario to its end. Most of the time is one wait of the real thing: whether an answer of unknown fate is on Facebook can be
/// asked only a minute after it was sent.
#[test]
fn the_weekend_ends_with_nothing_lost_and_nothing_doubled() {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).args(["--once", "--json"]).env("SPORTELLO_BINARY", binary()).output().unwrap();
    let (said, played) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{played}");
    let outcome: Value = serde_json::from_str(&said).unwrap_or_else(|why| panic!("no outcome ({why}): {said}\n{played}"));
    let broken: Vec<&Value> = outcome["checks"].as_array().unwrap().iter().filter(|check| check["kept"] != true).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(output.status.success() && outcome["right"] == true, "{}: {outcome:#}", output.status);

    // The trouble that was made was felt: a weekend in which nothing went wrong proves nothing.
    let numbers = &outcome["numbers"];
    assert!(numbers["taken_in"]["people"].as_u64().unwrap() >= 300, "{numbers:#}");
    assert!(numbers["refused"]["duplicates"].as_u64().unwrap() > 0, "deliveries came twice: {numbers:#}");
    assert!(numbers["refused"]["bad_signature"].as_u64().unwrap() > 0, "forged deliveries came: {numbers:#}");
    assert!(numbers["effects"]["tried_again"].as_u64().unwrap() > 0, "calls failed: {numbers:#}");
    assert!(numbers["effects"]["uncertain"].as_u64().unwrap() >= 5, "outcomes were lost: {numbers:#}");
}
