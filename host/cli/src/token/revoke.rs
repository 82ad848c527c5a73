//! `sportello token revoke`.

use std::path::Path;

use clap::Args;
use sportello_core::commands::RevokeToken;
use sportello_core::domain::access::TOKENS;
use sportello_core::ids::TokenId;

use super::Shown;
use crate::at_rest::ACTOR;
use crate::reach::{Purpose, Reach, Reached};
use crate::{Problem, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello token list         Which number has it?
  sportello token revoke 3";

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Its number, as `sportello token list` shows it.
    #[arg(value_name = "NUMBER")]
    token: u64,
    #[command(flatten)]
    reach: Reach,
}

impl Revoke {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let id = TokenId(self.token);
        let revoked = match self.reach.open(path, Purpose::ToRead)? {
            Reached::AtRest(at_rest) => at_rest.with(|at_rest| {
                tokio_runtime()?.block_on(at_rest.tenant().submit(ACTOR, RevokeToken { token: id }))?;
                let row = at_rest.tenant().get(&TOKENS, &id)?.ok_or_else(|| format!("there is no token {}", self.token))?;
                Ok(Shown::of(id, row))
            })?,
            Reached::Running(client) => tokio_runtime()?.block_on(client.delete(&format!("/tokens/{}", self.token)))?,
        };
        eprintln!("token {} of {} is revoked", revoked.token, revoked.name);
        Ok(())
    }
}
