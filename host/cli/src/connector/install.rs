//! `sportello connector install`.

use std::path::{Path, PathBuf};

use clap::Args;
use sportello_server::connectors::install_command;

use super::{Installed, read_component};
use crate::at_rest::ACTOR;
use crate::reach::{Purpose, Reach, Reached};
use crate::{Problem, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello connector install wiki.wasm
  sportello connector grant community $(sportello connector install wiki.wasm --json | jq -r .digest)

Works on a running host (SPORTELLO_TOKEN of an operator) and on its files while it is at rest. A file that is no usable component
changes nothing and is told why. Dropping the file into the watched folder of the configuration does the same.";

#[derive(Debug, Args)]
pub(crate) struct Install {
    /// The component.
    file: PathBuf,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

impl Install {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let bytes = read_component(&self.file)?;
        let of_file = |error: Problem| -> Problem { format!("{}: {error}", self.file.display()).into() };
        let installed = match self.reach.open(path, Purpose::ToChange)? {
            Reached::AtRest(at_rest) => at_rest.with(|at_rest| {
                tokio_runtime()?.block_on(async {
                    let prepared = at_rest.connectors()?.install(&bytes).await.map_err(|error| of_file(error.into()))?;
                    at_rest.tenant().submit(ACTOR, install_command(&prepared)).await?;
                    super::list::at_rest(at_rest.tenant())?
                        .into_iter()
                        .map(|(connector, _)| connector)
                        .find(|connector| connector.digest == prepared.digest().to_string())
                        .ok_or_else(|| Problem::from("the component was installed and is not in the list: run sportello verify"))
                })
            })?,
            Reached::Running(client) => {
                let installing = client.post_bytes::<Installed>("/connectors", "application/wasm", bytes.into());
                tokio_runtime()?.block_on(installing).map_err(|error| of_file(error.into()))?
            }
        };
        if self.json {
            return output::json_line(&installed);
        }
        output::line(format!("{} {} {}", installed.name, installed.version, installed.digest))?;
        eprintln!(
            "installed; live on a channel once it is granted there: sportello connector grant CHANNEL {}",
            super::short(&installed.digest)
        );
        Ok(())
    }
}
