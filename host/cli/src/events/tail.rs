//! `sportello events tail`.

use std::path::Path;

use clap::Args;

use super::follow::Follow;
use crate::reach::Reach;
use crate::{Problem, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello events tail
  sportello events tail --from 1 | jq -c 'select(.type == \"case.opened\")'

Needs a running host and SPORTELLO_TOKEN (viewer is enough). An event's id is RECORD.INDEX; nothing comes twice, and nothing is left out,
also across a restart of the host. Ends with Ctrl-C, or when the token is revoked.";

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Begin with this record instead of what becomes durable from now on.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<u64>,
    #[command(flatten)]
    reach: Reach,
}

impl Tail {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let client = self.reach.running(path)?;
        tokio_runtime()?.block_on(async {
            let from = match self.from {
                Some(from) => Some(from),
                // As a number, so that a connection lost before the first event loses none.
                None => client.last_record().await?.map(|last| last + 1),
            };
            let mut follow = Follow::new(&client, from);
            loop {
                output::line(follow.next().await?.data)?;
            }
        })
    }
}
