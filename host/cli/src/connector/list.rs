//! `sportello connector list`.

use std::path::Path;

use clap::Args;
use sportello_core::domain::channel::CHANNELS;
use sportello_core::domain::connector::CONNECTORS;
use sportello_server::channels::CHANNELS_MAX;
use sportello_server::tenant::Tenant;
use sportello_views::Direction;

use super::{ChannelShown, Installed, short};
use crate::host_client::HostClient;
use crate::reach::{Purpose, Reach, Reached};
use crate::{Problem, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello connector list
  sportello connector list --json    One JSON object a line, with whole digests";

/// Components read at once.
const AT_ONCE: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct List {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// A component with the channels it is granted to.
type Row = (Installed, Vec<String>);

impl List {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let rows = match self.reach.open(path, Purpose::ToRead)? {
            Reached::AtRest(files) => files.with(|files| at_rest(files.tenant()))?,
            Reached::Running(client) => tokio_runtime()?.block_on(running(&client))?,
        };
        if self.json {
            return rows.iter().try_for_each(|(connector, channels)| {
                let mut value = serde_json::to_value(connector)?;
                value["channels"] = channels.clone().into();
                output::json_line(&value)
            });
        }
        let row = |(connector, channels): &Row| {
            let channels = if channels.is_empty() { "-".to_owned() } else { channels.join(", ") };
            let state = if connector.retired { "retired" } else { "installed" };
            let name = format!("{} {}", connector.name, connector.version);
            [short(&connector.digest).to_owned(), name, state.to_owned(), connector.installed_at.clone(), channels]
        };
        output::table(["DIGEST", "CONNECTOR", "STATE", "SINCE", "GRANTED TO"], &rows.iter().map(row).collect::<Vec<_>>())
    }
}

async fn running(client: &HostClient) -> Result<Vec<Row>, Problem> {
    /// All channels come in one page.
    #[derive(serde::Deserialize)]
    struct Channels {
        items: Vec<ChannelShown>,
    }
    let installed: Vec<Installed> = client.list("/connectors").await?;
    let channels: Channels = client.get("/channels").await?;
    let granted: Vec<(String, String)> =
        channels.items.into_iter().filter_map(|channel| Some((channel.grant?.digest, channel.channel))).collect();
    Ok(with_channels(installed, &granted))
}

/// What is installed, read from the tenant's own files.
pub(super) fn at_rest(tenant: &Tenant) -> Result<Vec<Row>, Problem> {
    let mut installed = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = tenant.list(&CONNECTORS, &[], after.as_deref(), Direction::Forward, AT_ONCE)?;
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
        installed.extend(rows.into_iter().map(|(digest, row)| Installed {
            digest: hex::encode(digest),
            name: row.name,
            version: row.version,
            installed_at: jiff::Timestamp::from_millisecond(row.installed_at.0).unwrap_or_default().to_string(),
            retired: row.retired,
        }));
    }
    let channels = tenant.list(&CHANNELS, &[], None, Direction::Forward, CHANNELS_MAX)?;
    let granted: Vec<(String, String)> = channels
        .into_iter()
        .filter_map(|(key, row)| {
            // A text's key ends with a zero byte.
            let name = String::from_utf8(key.strip_suffix(&[0])?.to_vec()).ok()?;
            Some((hex::encode(row.grant?.digest.0), name))
        })
        .collect();
    Ok(with_channels(installed, &granted))
}

fn with_channels(installed: Vec<Installed>, granted: &[(String, String)]) -> Vec<Row> {
    let channels = |digest: &str| granted.iter().filter(|(granted, _)| granted == digest).map(|(_, channel)| channel.clone()).collect();
    installed.into_iter().map(|connector| (connector.clone(), channels(&connector.digest))).collect()
}
