//! `sportello check`.

use std::path::Path;

use sportello_runtime::{Runtime, RuntimeOptions};
use sportello_server::config::Config;

use crate::{Problem, workflow};

/// Reads the configuration, loads every component it names, reads every secret, checks every workflow. Writes nothing.
pub(crate) fn run(path: &Path) -> Result<(), Problem> {
    let config = Config::read(path)?;
    let secrets = config.secrets();
    let runtime = Runtime::new(RuntimeOptions::default())?;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut problems = Vec::new();
    for (tenant, settings) in &config.tenants {
        for (name, channel) in &settings.channels {
            let place = format!("[tenants.{tenant}.channels.{name}]");
            for secret in channel.secrets.values().flat_map(std::collections::BTreeMap::values) {
                if let Err(error) = secrets.read(secret) {
                    problems.push(format!("{place}: {error}"));
                }
            }
            let Some(component) = &channel.component else { continue };
            let file = config.resolve(component);
            match std::fs::read(&file).map_err(Problem::from).and_then(|bytes| Ok(tokio.block_on(runtime.prepare(&bytes))?)) {
                Ok(prepared) => println!("{place}: {} {}", prepared.label(), prepared.digest()),
                Err(error) => problems.push(format!("{place}: {}: {error}", file.display())),
            }
        }
        for path in &settings.workflows {
            if let Err(error) = workflow::check(&[config.resolve(path)]) {
                problems.push(error.to_string());
            }
        }
    }
    if problems.is_empty() {
        println!("{}: right", path.display());
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}
