//! `sportello connector …`: from a file to a live channel, and back.

mod grant;
mod grant_lines;
mod inspect;
mod install;
mod list;
mod rollback;

use std::path::Path;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use sportello_core::ids::ChannelName;

use crate::host_client::{ClientError, HostClient};
use crate::{Problem, Usage, output};

#[derive(Debug, Subcommand)]
pub(crate) enum Connector {
    /// Look at a component: what it is, can do and asks for, and the lines of the configuration that would grant it. Changes nothing.
    #[command(after_help = inspect::EXAMPLES)]
    Inspect(inspect::Inspect),
    /// Check, compile and keep a component. Makes nothing live.
    #[command(after_help = install::EXAMPLES)]
    Install(install::Install),
    /// Show installed components, and the channels each is granted to.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Make an installed component live on a channel of the running host. Calls under way finish on the one before.
    #[command(after_help = grant::EXAMPLES)]
    Grant(grant::Grant),
    /// Go back to the component that was live on a channel before.
    #[command(after_help = rollback::EXAMPLES)]
    Rollback(rollback::Rollback),
}

impl Connector {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        match self {
            Self::Inspect(task) => task.run(),
            Self::Install(task) => task.run(path),
            Self::List(task) => task.run(path),
            Self::Grant(task) => task.run(path),
            Self::Rollback(task) => task.run(path),
        }
    }
}

/// An installed component, as the API shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Installed {
    digest: String,
    name: String,
    version: String,
    installed_at: String,
    retired: bool,
}

/// What of a channel matters here, as the API shows it.
#[derive(Debug, Deserialize)]
struct ChannelShown {
    channel: String,
    connector: String,
    enabled: bool,
    grant: Option<GrantShown>,
    earlier: Vec<String>,
    live: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct GrantShown {
    digest: String,
    version: String,
}

/// Digits of a digest that people are shown.
const DIGITS_SHOWN: usize = 12;

fn short(digest: &str) -> &str {
    digest.get(..DIGITS_SHOWN).unwrap_or(digest)
}

/// A channel's name from the command line: it becomes a part of paths.
pub(crate) fn channel_name(text: &str) -> Result<ChannelName, Usage> {
    ChannelName::new(text).map_err(|problem| Usage(format!("{text:?} is no channel: {problem}")))
}

/// Makes a component live, and says what became of it.
async fn grant(client: &HostClient, channel: &ChannelName, digest: &str, json: bool) -> Result<(), Problem> {
    let asked = serde_json::json!({ "digest": digest });
    let answer: serde_json::Value = client.post(&format!("/channels/{channel}/grant"), &asked).await?;
    if json {
        return output::json_line(&answer);
    }
    let shown: ChannelShown = serde_json::from_value(answer)?;
    let version = shown.grant.as_ref().map_or("", |grant| grant.version.as_str());
    let state = match (&shown.live, shown.enabled) {
        (Some(_), _) => output::good("live"),
        (None, false) => "granted; the channel is disabled".to_owned(),
        (None, true) => "granted, not live: the host's diagnostics say why".to_owned(),
    };
    output::line(format!("{}: {} {version} {}: {state}", shown.channel, shown.connector, short(digest)))
}

/// The whole digest of an installed component, from its first digits.
async fn whole_digest(client: &HostClient, digits: &str) -> Result<String, Problem> {
    /// Fewest digits that name a component.
    const DIGITS_MIN: usize = 6;
    let digits = digits.to_ascii_lowercase();
    if digits.len() < DIGITS_MIN || digits.len() > 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let problem =
            format!("a digest is named by its first {DIGITS_MIN} to 64 hexadecimal digits, as `sportello connector list` shows them");
        return Err(Usage(problem).into());
    }
    if digits.len() == 64 {
        return Ok(digits);
    }
    let installed: Vec<Installed> = client.list("/connectors").await?;
    let named: Vec<&Installed> = installed.iter().filter(|connector| connector.digest.starts_with(&digits)).collect();
    match named.as_slice() {
        [only] => Ok(only.digest.clone()),
        [] => Err(format!("no installed component begins with {digits}; sportello connector install FILE").into()),
        several => {
            let listed: Vec<String> = several.iter().map(|one| format!("{} ({} {})", one.digest, one.name, one.version)).collect();
            Err(format!("{digits} is the beginning of several: {}", listed.join(", ")).into())
        }
    }
}

/// One channel.
async fn channel(client: &HostClient, name: &ChannelName) -> Result<ChannelShown, ClientError> {
    client.get(&format!("/channels/{name}")).await
}

/// Reads a component's file, at most as large as a host takes.
fn read_component(file: &Path) -> Result<Vec<u8>, Problem> {
    let limit = sportello_runtime::limits::EngineLimits::default().component_bytes_max;
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let length = std::fs::metadata(file).map_err(failed)?.len();
    if length > limit as u64 {
        return Err(format!("{} has {length} bytes; a component has at most {limit}", file.display()).into());
    }
    Ok(std::fs::read(file).map_err(failed)?)
}
