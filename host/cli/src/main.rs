//! The binary `sportello`.

mod check;
mod diagnostics;
mod serve;
mod verify;
mod workflow;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One counter for every channel: takes in what customers say on every network, opens cases, runs workflows, answers, records.
#[derive(Debug, Parser)]
#[command(name = "sportello", version, max_term_width = 110, after_help = EXAMPLES)]
struct Arguments {
    /// The configuration file.
    #[arg(long, short, global = true, env = "SPORTELLO_CONFIG", default_value = "sportello.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    task: Task,
}

const EXAMPLES: &str = "Examples:
  sportello check                          Is the configuration right? Loads every component, changes nothing live
  sportello serve                          Run until Ctrl-C
  sportello verify                         Is the journal whole, and are the views what it says? (the host at rest)
  sportello workflow check workflows/      Check definitions, with file and line";

#[derive(Debug, Subcommand)]
enum Task {
    /// Run the host until it is told to stop (Ctrl-C or SIGTERM).
    Serve(serve::Serve),
    /// Check the configuration: every table, component, secret and workflow. Nothing is started.
    Check,
    /// Prove that the journal is whole and the views equal what it says. The host must not be running.
    Verify(verify::Verify),
    /// Work with workflow definitions.
    #[command(subcommand)]
    Workflow(workflow::Workflow),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.task {
        Task::Serve(task) => task.run(&arguments.config),
        Task::Check => check::run(&arguments.config),
        Task::Verify(task) => task.run(&arguments.config),
        Task::Workflow(task) => task.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("sportello: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, for a person.
type Problem = Box<dyn std::error::Error>;
