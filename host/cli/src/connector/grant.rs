//! `sportello connector grant`.

use std::path::Path;

use clap::Args;

use super::{channel_name, whole_digest};
use crate::reach::Reach;
use crate::{Problem, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello connector grant town-page 3f2a9c41d07b
  SPORTELLO_URL=http://127.0.0.1:8470 sportello connector grant community 3f2a9c41d07b --tenant acme

Asks the running host with an operator's token: settings, origins and secrets are checked first, and if anything is wrong the component
that was live stays so. A channel whose table in the configuration names component = or grant = gets that one again at the next start:
write there what shall stay.";

#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// The channel.
    channel: String,
    /// The component's digest, or its first digits.
    digest: String,
    /// The channel as it is then, as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

impl Grant {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let channel = channel_name(&self.channel)?;
        let client = self.reach.running(path)?;
        tokio_runtime()?.block_on(async {
            let digest = whole_digest(&client, &self.digest).await?;
            super::grant(&client, &channel, &digest, self.json).await
        })
    }
}
