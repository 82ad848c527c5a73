//! Calls a plug-in of Extism on fresh instances, as the benchmarks ask. The plug-in is compiled once; each call instantiates it anew.
//!
//! One line of JSON in, one out:
//!
//! | in | out |
//! |---|---|
//! | `{"body": "…"}`, first | `{"name": "extism 1.30.0"}` |
//! | `{"calls": 200}` | `{"nanoseconds": 123, "output": […]}`: all calls together, and what the last one answered |

use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use serde_json::{Value, json};

type Problem = Box<dyn std::error::Error>;

fn main() -> Result<(), Problem> {
    let guest = std::env::args().nth(1).ok_or("usage: sportello-peer-extism GUEST.wasm")?;
    let manifest = Manifest::new([Wasm::data(std::fs::read(guest)?)]);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest))?;
    let mut lines = std::io::stdin().lock().lines();
    let first: Value = serde_json::from_str(&lines.next().ok_or("nothing was asked")??)?;
    let body = first["body"].as_str().ok_or("the first line has no body")?.to_owned();
    answer(&json!({ "name": "extism 1.30.0" }))?;
    for line in lines {
        let asked: Value = serde_json::from_str(&line?)?;
        let calls = asked["calls"].as_u64().ok_or("a line has no number of calls")?;
        let mut output = Vec::new();
        let started = Instant::now();
        for _ in 0..calls {
            let mut plugin = Plugin::new_from_compiled(&compiled)?;
            output = plugin.call::<&str, Vec<u8>>("handle", &body)?;
        }
        let nanoseconds = u64::try_from(started.elapsed().as_nanos())?;
        answer(&json!({ "nanoseconds": nanoseconds, "output": serde_json::from_slice::<Value>(&output)? }))?;
    }
    Ok(())
}

fn answer(line: &Value) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
