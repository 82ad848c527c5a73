//! `sportello verify`.

use std::path::Path;

use clap::Args;
use sportello_server::config::Config;
use sportello_server::serve;

use crate::{Problem, diagnostics, output};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello verify
  sportello verify --json | jq .verified.equal

For each tenant: every record's checksum, the hash chain, and rows rebuilt from the journal alone against the live ones.";

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Print one JSON object a tenant.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        diagnostics::start_quietly();
        let config = Config::read(path)?;
        let mut different = Vec::new();
        for tenant in serve::open_tenants(&config, &mut |_, _, _| {})? {
            let verified = tenant.verify(&mut |applied, last| {
                if !self.json && last > 0 {
                    eprintln!("{}: {applied} of {last} records", tenant.name());
                }
            })?;
            if self.json {
                output::json_line(&serde_json::json!({ "tenant": tenant.name(), "verified": verified }))?;
            } else {
                output::line(format!(
                    "{}: {} records, hash chain whole ({}…), rebuilt views {} the live ones",
                    tenant.name(),
                    verified.records,
                    &verified.chain[..16],
                    if verified.equal { "equal" } else { "DIFFER from" }
                ))?;
            }
            if !verified.equal {
                different.push(tenant.name().to_owned());
            }
            tenant.close()?;
        }
        if different.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "the views of {} differ from the journal; delete their folder views/ and start again: they are rebuilt",
                different.join(", ")
            )
            .into())
        }
    }
}
