//! `sportello token create`.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use sportello_core::domain::access::Role;
use sportello_server::access::create_token;

use super::{Shown, word};
use crate::at_rest::ACTOR;
use crate::reach::{Purpose, Reach, Reached};
use crate::{Problem, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello token create --name anna --role agent
  sportello token create --name console --role admin > console.token    Only the secret goes into the file
  SPORTELLO_TOKEN=$(cat admin.token) sportello token create --name bob --role viewer    While the host runs

The first token of a tenant is made while the host is at rest. Roles, each with what those before it may:
  viewer     read numbers and states, no words of customers
  agent      work on cases, read and answer
  operator   channels, connectors, workflows
  admin      tokens, erasure of a person";

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Whose it is, 1 to 64 characters; stands in the record of what is done with it.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it may do.
    #[arg(long, value_enum)]
    role: RoleWord,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleWord {
    Viewer,
    Agent,
    Operator,
    Admin,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Viewer => Self::Viewer,
            RoleWord::Agent => Self::Agent,
            RoleWord::Operator => Self::Operator,
            RoleWord::Admin => Self::Admin,
        }
    }
}

/// A token that has just been made, as the API answers.
#[derive(Deserialize)]
struct Made {
    token: Shown,
    secret: String,
}

impl Create {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let role = Role::from(self.role);
        let (number, secret) = match self.reach.open(path, Purpose::ToChange)? {
            Reached::AtRest(at_rest) => at_rest.with(|at_rest| {
                let made = tokio_runtime()?.block_on(create_token(at_rest.tenant(), ACTOR, &self.name, role))?;
                Ok((made.token.0, made.secret))
            })?,
            Reached::Running(client) => {
                let asked = serde_json::json!({ "name": self.name, "role": word(role) });
                let made: Made = tokio_runtime()?.block_on(client.post("/tokens", &asked))?;
                (made.token.token, made.secret)
            }
        };
        eprintln!(
            "token {number} for {}, {}. The secret is shown this once; revoke it with: sportello token revoke {number}",
            self.name,
            word(role)
        );
        output::line(secret)
    }
}
