//! `sportello token …`: on the tenant's files while the host is at rest, through its API while it runs.

mod create;
mod list;
mod revoke;

use std::path::Path;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use sportello_core::domain::access::{Role, Token as Row};
use sportello_core::ids::TokenId;

use crate::Problem;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token. Its secret is printed once, alone on standard output, and kept nowhere.
    #[command(after_help = create::EXAMPLES)]
    Create(create::Create),
    /// Show all tokens, revoked ones too; never their secrets.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Revoke a token, at once and for ever.
    #[command(after_help = revoke::EXAMPLES)]
    Revoke(revoke::Revoke),
}

impl Token {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        match self {
            Self::Create(task) => task.run(path),
            Self::List(task) => task.run(path),
            Self::Revoke(task) => task.run(path),
        }
    }
}

/// A token without its secret, as the API shows it.
#[derive(Debug, Serialize, Deserialize)]
struct Shown {
    token: u64,
    name: String,
    role: Role,
    created_at: String,
    revoked: bool,
}

impl Shown {
    fn of(token: TokenId, row: Row) -> Self {
        let created_at = jiff::Timestamp::from_millisecond(row.created_at.0).unwrap_or_default().to_string();
        Self { token: token.0, name: row.name, role: row.role, created_at, revoked: row.revoked }
    }
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Agent => "agent",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}
