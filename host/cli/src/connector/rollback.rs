//! `sportello connector rollback`.

use std::path::Path;

use clap::Args;

use super::{channel, channel_name, short};
use crate::reach::Reach;
use crate::{Problem, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello connector rollback town-page

Asks the running host with an operator's token. What was live becomes an earlier one itself: rolling back twice is where you began.
Further back: sportello connector grant CHANNEL DIGEST.";

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The channel.
    channel: String,
    /// The channel as it is then, as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

impl Rollback {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let name = channel_name(&self.channel)?;
        let client = self.reach.running(path)?;
        tokio_runtime()?.block_on(async {
            let before = channel(&client, &name).await?;
            let Some(earlier) = before.earlier.first() else {
                return Err(format!("channel {name} has no earlier component to go back to").into());
            };
            if let Some(grant) = &before.grant {
                eprintln!("{name}: from {} {} back to {}", before.connector, short(&grant.digest), short(earlier));
            }
            super::grant(&client, &name, earlier, self.json).await
        })
    }
}
