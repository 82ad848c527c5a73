//! `sportello serve`.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use sportello_server::config::Config;
use sportello_server::serve;
use tokio::signal::unix::{SignalKind, signal};

use crate::Problem;
use crate::diagnostics::{self, Format};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello serve
  SPORTELLO_LOG=info,connector=debug sportello --config /etc/sportello/sportello.toml serve --diagnostics json

Prints `listening on http://…` on standard output once it takes requests. SIGTERM or Ctrl-C: requests under way finish, files are closed.";

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// How diagnostics are written to standard error. SPORTELLO_LOG chooses which, for example "info,connector=debug".
    #[arg(long, value_enum, default_value = "text")]
    diagnostics: Format,
}

impl Serve {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        diagnostics::start(self.diagnostics);
        let config = Config::read(path)?;
        let tenants = serve::open_tenants(&config, &mut |tenant, applied, last| {
            if last > 0 {
                tracing::info!(tenant, applied, last, "views are brought up to the journal");
            }
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let host = serve::build(&config, tenants).await?;
            let stopping = host.stopping();
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::spawn(async move {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                tracing::info!("stopping: requests under way finish, then the files are closed");
                stopping.cancel();
            });
            serve::serve(&config, Arc::clone(&host), |address| {
                // On standard output, for people and for programs that wait for it.
                println!("listening on http://{address}");
            })
            .await?;
            tracing::info!("stopped");
            Ok(())
        })
    }
}
