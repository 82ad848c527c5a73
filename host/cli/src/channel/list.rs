//! `sportello channel list`.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::{Credential, Shown, json_line, listed, or_dash};
use crate::reach::Reach;
use crate::{Problem, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello channel list
  sportello channel list --json | jq 'select(.live == null) | .channel'

Asks the running host. HEADROOM is the tightest of the limits the platform told of. STATE is `ending` while fewer than 30 days
are left until a person must have authorised the application anew.";

#[derive(Debug, Args)]
pub(crate) struct List {
    /// One JSON object a line, as the API shows it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// All channels come in one page.
#[derive(serde::Deserialize)]
struct Page {
    items: Vec<Value>,
}

impl List {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let client = self.reach.running(path)?;
        let page: Page = tokio_runtime()?.block_on(client.get("/channels"))?;
        if self.json {
            return page.items.iter().try_for_each(json_line);
        }
        let rows = page.items.into_iter().map(|item| Ok(row(&serde_json::from_value(item)?))).collect::<Result<Vec<_>, Problem>>()?;
        output::table(["CHANNEL", "CONNECTOR", "STATE", "CAN", "CREDENTIALS", "HEADROOM", "HEARD OF"], &rows)
    }
}

fn credential_words(credential: &Credential) -> Option<String> {
    let standing = credential.standing()?;
    Some(match credential.authorise_before() {
        Some(moment) => format!("{standing}; authorise anew before {moment}"),
        None => standing,
    })
}

fn row(shown: &Shown) -> [String; 7] {
    let live = shown.live.as_ref();
    let credentials: Vec<String> = live.iter().flat_map(|live| &live.credentials).filter_map(credential_words).collect();
    let tightest = live.and_then(|live| live.headroom.iter().min_by_key(|window| window.remaining));
    let version = shown.grant.as_ref().map_or_else(String::new, |grant| format!(" {}", grant.version));
    [
        shown.channel.clone(),
        format!("{}{version}", shown.connector),
        shown.state().to_owned(),
        shown.actions(),
        listed(credentials.iter().map(String::as_str).collect()),
        tightest.map_or_else(|| "-".to_owned(), super::Window::line),
        or_dash(live.and_then(|live| live.heard_at.as_ref())).to_owned(),
    ]
}
