//! `sportello check`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sportello_runtime::limits::{CallLimits, QuarantineLimits};
use sportello_runtime::{BoundField, ChannelOptions, NoVault, Prepared, Runtime, RuntimeOptions};
use sportello_server::channels::told;
use sportello_server::config::{ChannelConfig, Config};
use sportello_server::secrets::Secrets;

use crate::{Problem, output, tokio_runtime, workflow};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello check
  sportello --config /etc/sportello/sportello.toml check && systemctl restart sportello

Every problem is said, with its table or its file and line. A channel that names a component is checked as it would be when made live:
its settings against the connector's schema, its origins and secrets against what the connector asks for.";

/// Reads the configuration, its extra roots and every secret, loads every component it names, checks every channel and workflow. Writes
/// nothing.
pub(crate) fn run(path: &Path) -> Result<(), Problem> {
    let config = Config::read(path)?;
    let runtime = Runtime::new(RuntimeOptions { outbound: config.outbound(), ..RuntimeOptions::default() })?;
    let tokio = tokio_runtime()?;
    let mut problems = Vec::new();
    for (tenant, settings) in &config.tenants {
        for (name, channel) in &settings.channels {
            let place = format!("[tenants.{tenant}.channels.{name}]");
            let (secrets, unreadable) = read_secrets(&config.secrets(tenant), channel);
            let all_read = unreadable.is_empty();
            problems.extend(unreadable.into_iter().map(|problem| format!("{place}: {problem}")));
            let Some(component) = &channel.component else { continue };
            let file = config.resolve(component);
            let prepared = match std::fs::read(&file).map_err(Problem::from).and_then(|bytes| Ok(tokio.block_on(runtime.prepare(&bytes))?))
            {
                Ok(prepared) => prepared,
                Err(error) => {
                    problems.push(format!("{place}: {}: {error}", file.display()));
                    continue;
                }
            };
            // With a secret missing, what follows from that would only hide it.
            if !all_read {
                continue;
            }
            match tokio.block_on(check_channel(&runtime, &prepared, tenant, name, channel, secrets)) {
                Ok(()) => output::line(format!("{place}: {} {}", prepared.label(), prepared.digest()))?,
                Err(problem) => problems.push(format!("{place}: {problem}")),
            }
        }
        for path in &settings.workflows {
            if let Err(error) = workflow::check(&[config.resolve(path)], false, false) {
                problems.push(error.to_string());
            }
        }
    }
    if problems.is_empty() {
        output::line(format!("{}: {}", path.display(), output::good("right")))
    } else {
        Err(problems.join("\n").into())
    }
}

/// Credential → field → what stands there.
type BoundSecrets = BTreeMap<String, BTreeMap<String, BoundField>>;

/// The secrets of a channel, and those that cannot be read.
fn read_secrets(places: &Secrets, channel: &ChannelConfig) -> (BoundSecrets, Vec<String>) {
    let mut secrets = BoundSecrets::new();
    let mut problems = Vec::new();
    for (credential, fields) in &channel.secrets {
        let bound = secrets.entry(credential.clone()).or_default();
        for (field, secret) in fields {
            match places.read(secret) {
                Ok(value) => {
                    bound.insert(field.clone(), value);
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
    }
    (secrets, problems)
}

/// Does all that making the channel live would, and drops it.
async fn check_channel(
    runtime: &Runtime,
    prepared: &Prepared,
    tenant: &str,
    name: &str,
    channel: &ChannelConfig,
    secrets: BoundSecrets,
) -> Result<(), Problem> {
    let asked = &prepared.manifest().name;
    if *asked != channel.connector {
        return Err(format!("connector = {:?}, and the component is {asked}; write connector = {asked:?}", channel.connector).into());
    }
    let options = ChannelOptions {
        tenant: tenant.to_owned(),
        name: name.to_owned(),
        settings: serde_json::to_value(&channel.settings)?,
        granted_origins: channel.origins.clone(),
        granted_folders: channel.folders.clone(),
        secrets,
        allow_private_network: channel.private_network,
        // Nothing is called here, so nothing is traded.
        vault: Arc::new(NoVault),
        limits: CallLimits::default(),
        quarantine: QuarantineLimits::default(),
    };
    let channel = runtime.channel(prepared, options)?;
    let problems = channel.check_settings(jiff::Timestamp::now()).await?;
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!("channel {name}: its settings are wrong:\n{}", told(&problems)).into())
}
