//! The demo is a promise too: the real binary, a whole weekend, and the platforms' own books.

use std::process::Command;

use serde_json::Value;
use sportello_tests::host::binary;
use sportello_tests::servers::{MediaWiki, Tryton, require};

/// Plays the scenario to its end. Most of the time is one wait of the real thing: whether an answer of unknown fate is on its network can be
/// asked only a minute after it was sent.
#[test]
fn the_weekend_ends_with_nothing_lost_and_nothing_doubled() {
    judge(&["--once", "--json"]);
}

/// The same, counted by the real MediaWiki and the real Tryton.
#[test]
fn the_weekend_ends_the_same_by_the_books_of_the_real_wiki_and_the_real_crm() {
    let both = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let wiki = require(MediaWiki::start().await);
        let crm = require(Tryton::start().await);
        wiki.is_some() && crm.is_some()
    });
    if both {
        judge(&["--once", "--json", "--real"]);
    }
}

fn judge(arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).args(arguments).env("SPORTELLO_BINARY", binary()).output().unwrap();
    let (said, played) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{played}");
    let outcome: Value = serde_json::from_str(&said).unwrap_or_else(|why| panic!("no outcome ({why}): {said}\n{played}"));
    let broken: Vec<&Value> = outcome["checks"].as_array().unwrap().iter().filter(|check| check["kept"] != true).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(output.status.success() && outcome["right"] == true, "{}: {outcome:#}", output.status);

    // The trouble that was made was felt: a weekend in which nothing went wrong proves nothing.
    let numbers = &outcome["numbers"];
    let number = |pointer: &str| numbers.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer}: {numbers:#}"));
    assert!(number("/taken_in/people") >= 500, "{numbers:#}");
    for channel in ["facebook-page", "twitter", "linkedin", "wiki"] {
        assert!(number(&format!("/on_{channel}/done")) >= 20, "people were on {channel}: {numbers:#}");
        assert!(number(&format!("/on_{channel}/answers")) >= 20, "they were answered on {channel}: {numbers:#}");
    }
    assert!(number("/on_crm/activities") >= 50, "{numbers:#}");
    assert!(number("/refused/duplicates") > 0, "deliveries came twice: {numbers:#}");
    assert!(number("/refused/bad_signature") > 0, "forged deliveries came: {numbers:#}");
    assert!(number("/effects/tried_again") > 0, "calls failed: {numbers:#}");
    assert!(number("/effects/uncertain") >= 9, "outcomes were lost on each network: {numbers:#}");
    assert!(number("/effects/undecided") > 0, "some answers are a person's to give: {numbers:#}");
}
