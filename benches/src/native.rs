//! A connector as native functions, in a process of its own (`benches/native`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Problem;

pub(crate) struct Native {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Told {
    found: usize,
    nanoseconds: u64,
}

impl Native {
    /// Starts it for the connector whose file has this name.
    pub(crate) fn start(connector: &str) -> Result<Self, Problem> {
        let program = std::env::var_os("SPORTELLO_BENCH_NATIVE").map(PathBuf::from).ok_or("start me by `cargo xtask bench`")?;
        let mut child = Command::new(&program).arg(connector).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return Err("it has no pipes".into()) };
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// Tells it what a call is, which it makes once: this many interactions or contacts come of it.
    pub(crate) fn prepare(&mut self, question: &Value, expected: usize) -> Result<(), Problem> {
        expect(self.ask(question)?.found, expected)
    }

    /// The mean time of a call.
    pub(crate) fn calls(&mut self, calls: u32, expected: usize) -> Result<Duration, Problem> {
        let told = self.ask(&json!({ "calls": calls }))?;
        expect(told.found, expected)?;
        Ok(Duration::from_nanos(told.nanoseconds) / calls)
    }

    fn ask(&mut self, question: &Value) -> Result<Told, Problem> {
        writeln!(self.input, "{question}")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|error| format!("bench-native answered {line:?}: {error}").into())
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// That a call found what there is.
pub(crate) fn expect(found: usize, expected: usize) -> Result<(), Problem> {
    if found == expected { Ok(()) } else { Err(format!("a call found {found} interactions or contacts, there are {expected}").into()) }
}
