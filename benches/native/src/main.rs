//! The connectors, compiled for this machine and called as functions: the same parse without a sandbox.
//!
//! A peer in a process of its own, because guests have their own lock file. It is started with the name of a connector's file. A line on its standard
//! input prepares what is to be done and does it once, each line `{"calls": n}` has it done n times. It answers every line with one:
//! `{"found": …, "nanoseconds": …}`, the interactions or contacts of one call and the time of all.
//!
//! | file | what a line prepares |
//! |---|---|
//! | `webhooks.rs` | `{"settings": …, "bodies": [text, …]}`: a batch of deliveries |
//! | `looks.rs` | `{"settings": …, "now": …, "call": {"poll": cursor}, "exchanges": […]}`: a look at a platform, with what it answers |

mod looks;
mod webhooks;

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

/// What went wrong, for a person.
type Problem = Box<dyn std::error::Error>;
/// One call, which can be repeated; gives how many interactions or contacts came of it.
type Work = Box<dyn Fn() -> Result<usize, Problem>>;
/// Makes a line's text into what is to be done.
type Prepare = fn(&str) -> Result<Work, Problem>;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("facebook") => answer(webhooks::prepare::<facebook::Facebook>),
        Some("linkedin") => answer(webhooks::prepare::<linkedin::LinkedIn>),
        Some("twitter") => answer(webhooks::prepare::<twitter::Twitter>),
        Some("wiki") => answer(looks::of_source::<wiki::Wiki>),
        Some("legacy_crm") => answer(looks::of_crm::<legacy_crm::LegacyCrm>),
        Some("mapped_crm") => answer(looks::of_crm::<mapped_crm::MappedCrm>),
        other => Err(format!("no connector {other:?}: facebook, legacy_crm, linkedin, mapped_crm, twitter, wiki").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("bench-native: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn answer(prepare: Prepare) -> Result<(), Problem> {
    #[derive(Deserialize)]
    struct Again {
        calls: u32,
    }
    let mut work: Work = Box::new(|| Err("the first line prepares what is to be done".into()));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let calls = match serde_json::from_str(&line) {
            Ok(Again { calls }) => calls,
            Err(_) => {
                work = prepare(&line)?;
                1
            }
        };
        let started = Instant::now();
        let mut found = 0;
        for _ in 0..calls {
            found = work()?;
        }
        let told = json!({ "found": found, "nanoseconds": u64::try_from(started.elapsed().as_nanos())? });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{told}")?;
        out.flush()?;
    }
    Ok(())
}
