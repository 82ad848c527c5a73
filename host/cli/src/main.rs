//! The binary `sportello`. One file a subcommand.
//!
//! | exit code | |
//! |---|---|
//! | 0 | done, and everything is right |
//! | 1 | a problem, said on standard error |
//! | 2 | the command line makes no sense |
//!
//! Standard output carries results only, so that it can be piped; everything else goes to standard error.

mod at_rest;
mod channel;
mod check;
mod connector;
mod diagnostics;
mod events;
mod host_client;
mod output;
mod reach;
mod serve;
mod token;
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
  sportello check                                    Is the configuration right? Changes nothing
  sportello serve                                    Run until Ctrl-C
  sportello token create --name anna --role agent    A token for Anna: the secret is printed once
  sportello channel list                             How the company's own profiles are
  sportello connector inspect wiki.wasm              What a component is, and the lines that would grant it
  sportello events tail                              What becomes durable, as it does
  sportello verify                                   Is the journal whole, and are the views what it says?
  sportello workflow check --test workflows/         Check definitions and run their tests

Exit codes: 0 all right; 1 a problem, said on standard error; 2 the command line makes no sense.
A running host is asked with the token in SPORTELLO_TOKEN, at SPORTELLO_URL or where the configuration says it listens.";

#[derive(Debug, Subcommand)]
enum Task {
    /// Run the host until it is told to stop (Ctrl-C or SIGTERM).
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Serve),
    /// Check the configuration: every table, component, setting, secret and workflow. Nothing is started or written.
    #[command(after_help = check::EXAMPLES)]
    Check,
    /// Prove that the journal is whole and the views equal what it says. The host must not be running.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Verify),
    /// Tokens: who may use the API, and what for.
    #[command(subcommand)]
    Token(token::Token),
    /// Channels: the company's own profiles, how each is, and posting on them.
    #[command(subcommand)]
    Channel(channel::Channel),
    /// Connectors: look at components, install them, make them live, go back.
    #[command(subcommand)]
    Connector(connector::Connector),
    /// Everything that happened, as CloudEvents 1.0, one JSON object a line.
    #[command(subcommand)]
    Events(events::Events),
    /// Work with workflow definitions.
    #[command(subcommand)]
    Workflow(workflow::Workflow),
}

fn main() -> ExitCode {
    // SAFETY: no thread has been started yet.
    unsafe { sportello_memory::set_up() };
    let arguments = Arguments::parse();
    let config = &arguments.config;
    let outcome = match arguments.task {
        Task::Serve(task) => task.run(config),
        Task::Check => check::run(config),
        Task::Verify(task) => task.run(config),
        Task::Token(task) => task.run(config),
        Task::Channel(task) => task.run(config),
        Task::Connector(task) => task.run(config),
        Task::Events(task) => task.run(config),
        Task::Workflow(task) => task.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough: `sportello events export | head`.
        Err(problem) if problem.is::<output::ReaderGone>() => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{} {problem}", output::bad_on_stderr("sportello:"));
            if problem.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// What went wrong, for a person.
type Problem = Box<dyn std::error::Error>;

/// The command line makes no sense, which only showed when it was carried out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// What drives one command: a single thread is enough.
fn tokio_runtime() -> Result<tokio::runtime::Runtime, Problem> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
