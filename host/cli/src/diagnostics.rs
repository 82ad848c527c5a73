//! Diagnostics on standard error: readable on a terminal, JSON on request.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts writing the diagnostics of a running host. `SPORTELLO_LOG` chooses what, for example `info,connector=debug`.
pub(crate) fn start(format: Format) {
    start_at(format, "info");
}

/// Starts writing the diagnostics of a command on files at rest: what an operator must know, a torn end for example.
pub(crate) fn start_quietly() {
    start_at(Format::Text, "warn");
}

fn start_at(format: Format, least: &str) {
    let filter = EnvFilter::try_from_env("SPORTELLO_LOG").unwrap_or_else(|_| EnvFilter::new(least));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        Format::Text => builder.with_ansi(std::io::stderr().is_terminal()).compact().init(),
        Format::Json => builder.json().init(),
    }
}
