//! `sportello events …`: the journal as CloudEvents 1.0, one JSON object a line, without anything sealed.

mod export;
mod follow;
mod sse;
mod tail;

use std::path::Path;

use clap::Subcommand;

use crate::Problem;

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Print what becomes durable, as it does. Goes on where it was when the connection or the host comes back.
    #[command(after_help = tail::EXAMPLES)]
    Tail(tail::Tail),
    /// Print what is durable, from one record to another, and end.
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
}

impl Events {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        match self {
            Self::Tail(task) => task.run(path),
            Self::Export(task) => task.run(path),
        }
    }
}
