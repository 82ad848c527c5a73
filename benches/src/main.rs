//! `cargo xtask bench`: the project's budgets, each measured beside its limit or its peer in the same run.
//!
//! | file | what is measured |
//! |---|---|
//! | `append.rs` | a durable append against a raw file with fdatasync, commit by commit |
//! | `fresh_call.rs`, `bare.rs` | a call on a fresh instance against bare wasmtime |
//! | `connectors.rs`, `native.rs` | each connector's webhook against the same code as a native function |
//! | `looks/` | the same of those that ask: a page of changes, a look-up |
//! | `extism.rs` | the same call against Extism, in a process of its own |
//! | `whole_path/` | signed deliveries to the real binary, against Node-RED |
//! | `without_wasi.rs` | a guest built without WASI against the same one built for `wasm32-wasip2` |
//! | `replay.rs` | applying the journal against appending it; rebuilding with views |
//!
//! Absolute times drift with the machine while ratios hold, so what is compared takes turns. Figures are medians; the noise is the same ratio in
//! each tenth of the run. A peer that is not there is reported missing, never guessed.

mod append;
mod bare;
mod connectors;
mod extism;
mod fresh_call;
mod looks;
mod measured;
mod native;
mod replay;
mod samples;
mod whole_path;
mod without_wasi;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::measured::Measured;

/// What went wrong, for a person.
type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Measures the budgets: each figure beside its limit or its peer, in the same run.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", max_term_width = 110)]
struct Arguments {
    /// Print one JSON object a line: name, value, unit, reference, ratio, floor, noise.
    #[arg(long)]
    json: bool,
    /// Short runs: for trying out, not for figures to quote.
    #[arg(long)]
    quick: bool,
    /// Only these; can be given several times.
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Group>,
    /// Fail when a ratio is below its floor.
    #[arg(long)]
    enforce: bool,
    /// Where files are written, on the disk that is to be measured. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Seconds under load, for the whole path. Default: 60, with --quick 5.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// The host's binary.
    #[arg(long, env = "SPORTELLO_BINARY", value_name = "FILE")]
    binary: Option<PathBuf>,
    /// The folder of built connectors.
    #[arg(long, env = "SPORTELLO_GUESTS", value_name = "FOLDER")]
    guests: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    Append,
    FreshCall,
    Extism,
    Connectors,
    WithoutWasi,
    WholePath,
    Replay,
}

/// What every benchmark is told.
struct Plan {
    quick: bool,
    folder: PathBuf,
    seconds: u64,
    binary: PathBuf,
    guests: PathBuf,
}

impl Plan {
    /// The bytes of a built connector.
    fn guest(&self, name: &str) -> Result<Vec<u8>, Problem> {
        let path = self.guests.join(format!("{name}.wasm"));
        std::fs::read(&path)
            .map_err(|error| format!("{}: {error}; start me by `cargo xtask bench`, which builds it", path.display()).into())
    }
}

fn main() -> ExitCode {
    // As in the product. SAFETY: no thread has been started yet.
    unsafe { sportello_memory::set_up() };
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(all_passed) if all_passed || !arguments.enforce => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("bench: a ratio is below its floor");
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("bench: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all floors were passed.
fn run(arguments: &Arguments) -> Result<bool, Problem> {
    let program = std::env::current_exe()?;
    let beside = program.parent().ok_or("this program lies in no folder")?;
    let plan = Plan {
        quick: arguments.quick,
        folder: arguments.folder.clone().unwrap_or_else(|| beside.to_path_buf()),
        seconds: arguments.seconds.unwrap_or(if arguments.quick { 5 } else { 60 }),
        binary: arguments.binary.clone().unwrap_or_else(|| beside.join("sportello")),
        guests: arguments.guests.clone().unwrap_or_else(|| beside.join("../../plugins/target/guests")),
    };
    let wanted = |group| arguments.only.is_empty() || arguments.only.contains(&group);
    let mut passed = true;
    let mut show = |rows: Vec<Measured>| {
        for row in rows {
            passed &= row.passes();
            if arguments.json {
                println!("{}", row.json());
            } else {
                println!("{row}");
            }
        }
    };
    if !arguments.json {
        println!("{}", Measured::heading());
    }
    if wanted(Group::Append) {
        show(append::run(&plan)?);
    }
    if wanted(Group::FreshCall) || wanted(Group::Extism) {
        let contestants = fresh_call::Contestants { bare: wanted(Group::FreshCall), extism: wanted(Group::Extism) };
        show(runtime()?.block_on(fresh_call::run(&plan, contestants))?);
    }
    if wanted(Group::Connectors) {
        show(runtime()?.block_on(connectors::run(&plan))?);
    }
    if wanted(Group::WithoutWasi) {
        show(runtime()?.block_on(without_wasi::run(&plan))?);
    }
    if wanted(Group::Replay) {
        show(runtime()?.block_on(replay::run(&plan))?);
    }
    if wanted(Group::WholePath) {
        show(runtime()?.block_on(whole_path::run(&plan))?);
    }
    Ok(passed)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
