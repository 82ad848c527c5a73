//! `sportello token list`.

use std::path::Path;

use clap::Args;
use sportello_core::domain::access::TOKENS;
use sportello_core::ids::TokenId;
use sportello_server::tenant::Tenant;
use sportello_views::Direction;

use super::{Shown, word};
use crate::reach::{Purpose, Reach, Reached};
use crate::{Problem, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello token list
  sportello token list --json    One JSON object a line";

/// Tokens read at once.
const AT_ONCE: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct List {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

impl List {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let tokens = match self.reach.open(path, Purpose::ToRead)? {
            Reached::AtRest(at_rest) => at_rest.with(|at_rest| all(at_rest.tenant()))?,
            Reached::Running(client) => tokio_runtime()?.block_on(client.list("/tokens"))?,
        };
        if self.json {
            return tokens.iter().try_for_each(output::json_line);
        }
        let row = |token: &Shown| {
            let state = if token.revoked { "revoked" } else { "in force" };
            [token.token.to_string(), token.name.clone(), word(token.role).to_owned(), token.created_at.clone(), state.to_owned()]
        };
        output::table(["TOKEN", "NAME", "ROLE", "CREATED", "STATE"], &tokens.iter().map(row).collect::<Vec<_>>())
    }
}

fn all(tenant: &Tenant) -> Result<Vec<Shown>, Problem> {
    let mut tokens = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = tenant.list(&TOKENS, &[], after.as_deref(), Direction::Forward, AT_ONCE)?;
        let Some((last, _)) = rows.last() else { return Ok(tokens) };
        after = Some(last.clone());
        for (key, row) in rows {
            // The key of a number ends with its eight bytes.
            let number = key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            tokens.push(Shown::of(TokenId(number), row));
        }
    }
}
