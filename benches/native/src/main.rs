//! The webhooks of connectors, compiled for this machine and called as functions: the same parse without a sandbox.
//!
//! A peer in a process of its own, because guests have their own lock file. It is started with a connector's name. A line
//! `{"settings": …, "bodies": [text, …]}` on its standard input prepares a batch of deliveries, each line `{"calls": n}` has them parsed n times. It
//! answers every line with one: `{"interactions": …, "nanoseconds": …}`, the interactions of one batch and the time of all.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};
use sportello_sdk::testing::{Channel, Host};
use sportello_sdk::{Webhook, webhook};

#[derive(Deserialize)]
struct Question {
    #[serde(default)]
    settings: Value,
    #[serde(default)]
    bodies: Vec<String>,
    #[serde(default)]
    calls: u32,
}

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("facebook") => answer::<facebook::Facebook>(),
        Some("linkedin") => answer::<linkedin::LinkedIn>(),
        Some("twitter") => answer::<twitter::Twitter>(),
        other => Err(format!("no connector {other:?}: facebook, linkedin, twitter").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("bench-native: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn answer<C: Webhook>() -> Result<(), Box<dyn std::error::Error>> {
    // Nothing here calls the platform: the state is all a webhook asks its host for.
    let _host = Host::new().start();
    let (mut channel, mut requests) = (Channel::<C>::new(Value::Null), Vec::new());
    for line in std::io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        if question.calls == 0 {
            channel = Channel::new(question.settings);
            requests = question.bodies.into_iter().map(|body| webhook::Request::post(body.into_bytes())).collect();
        }
        let started = Instant::now();
        let mut interactions = 0;
        for _ in 0..question.calls.max(1) {
            interactions = 0;
            for outcome in channel.deliver_all(&requests) {
                interactions += outcome.map_err(|error| error.reason().to_owned())?.interactions.len();
            }
        }
        let told = json!({ "interactions": interactions, "nanoseconds": u64::try_from(started.elapsed().as_nanos())? });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{told}")?;
        out.flush()?;
    }
    Ok(())
}
