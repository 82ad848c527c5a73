//! Extism as a peer: its own process, since its wasmtime must not enter our lock file.
//!
//! It is built by `cargo build --release --manifest-path benches/peers/extism/Cargo.toml`, which takes long, and its guest as its README says.
//! It is started with the guest's file; a line `{"body": …}` on its standard input prepares it, each line `{"calls": n}` makes it call n fresh
//! instances one after the other. It answers every line with one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::Problem;

/// The running peer.
pub(crate) struct Extism {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    name: String,
}

#[derive(Deserialize)]
struct Ready {
    name: String,
}

#[derive(Deserialize)]
struct Called {
    nanoseconds: u64,
    /// What the last call answered: the comments it found.
    output: Vec<serde_json::Value>,
}

impl Extism {
    /// Starts it with the document to parse. An error says why it is missing.
    pub(crate) fn start(body: &str) -> Result<Self, Problem> {
        let folder = std::env::var_os("SPORTELLO_PEER_EXTISM")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/extism/target"), PathBuf::from);
        let program = folder.join("release/sportello-peer-extism");
        let guest = folder.join("wasm32-unknown-unknown/release/sportello_peer_extism_guest.wasm");
        for file in [&program, &guest] {
            if !file.is_file() {
                return Err("not built; benches/peers/README.md says how".into());
            }
        }
        let mut child = Command::new(&program).arg(&guest).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return Err("it has no pipes".into()) };
        let mut peer = Self { child, input, output: BufReader::new(output), name: String::new() };
        let ready: Ready = peer.ask(&serde_json::json!({ "body": body }))?;
        peer.name = ready.name;
        Ok(peer)
    }

    /// Its name and version.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The mean time of a call, and how many comments the last one found.
    pub(crate) fn calls(&mut self, calls: u32) -> Result<(Duration, usize), Problem> {
        let called: Called = self.ask(&serde_json::json!({ "calls": calls }))?;
        Ok((Duration::from_nanos(called.nanoseconds) / calls, called.output.len()))
    }

    fn ask<A: serde::de::DeserializeOwned>(&mut self, question: &serde_json::Value) -> Result<A, Problem> {
        writeln!(self.input, "{question}")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|error| format!("Extism's process answered {line:?}: {error}").into())
    }
}

impl Drop for Extism {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
