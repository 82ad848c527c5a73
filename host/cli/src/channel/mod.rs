//! `sportello channel …`: the company's own profiles in one place. All of it is the running host's knowledge, so it is asked.

mod list;
mod publish;
mod show;

use std::path::Path;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;

use crate::Problem;

#[derive(Debug, Subcommand)]
pub(crate) enum Channel {
    /// All channels: what each may do, whether its tokens work, what is left under its limits, when it was heard of last.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Everything about one channel.
    #[command(after_help = show::EXAMPLES)]
    Show(show::Show),
    /// Post as the company.
    #[command(after_help = publish::EXAMPLES)]
    Publish(publish::Publish),
}

impl Channel {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        match self {
            Self::List(task) => task.run(path),
            Self::Show(task) => task.run(path),
            Self::Publish(task) => task.run(path),
        }
    }
}

/// What of a channel matters here, as the API shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    channel: String,
    connector: String,
    enabled: bool,
    grant: Option<Grant>,
    live: Option<Live>,
    policy: Option<Policy>,
}

#[derive(Debug, Deserialize)]
struct Grant {
    version: String,
    actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct Action {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Live {
    quarantine: Quarantine,
    credentials: Vec<Credential>,
    calls: Vec<Calls>,
    headroom: Vec<Window>,
    heard_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Quarantine {
    state: String,
}

#[derive(Debug, Deserialize)]
struct Credential {
    credential: String,
    purpose: String,
    bound: bool,
    optional: bool,
    session: Option<Session>,
    authorised_until: Option<String>,
    authorisation_ends_soon: bool,
}

#[derive(Debug, Deserialize)]
struct Session {
    state: String,
    expires_at: Option<String>,
    refused: Option<bool>,
    reason: Option<String>,
    retry_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Calls {
    purpose: String,
    succeeded_at: Option<String>,
    failed_at: Option<String>,
    problem: Option<String>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Window {
    used_by: Vec<String>,
    name: String,
    allowed: Option<u32>,
    remaining: u32,
    resets_at: String,
}

#[derive(Debug, Deserialize)]
struct Policy {
    link: String,
    reply_only_summoned: bool,
    profile_hours: Option<u64>,
    content_hours: Option<u64>,
    raw_hours: u64,
    recheck_hours: Option<u64>,
}

impl Shown {
    /// One word for how it is.
    fn state(&self) -> &str {
        match &self.live {
            _ if !self.enabled => "disabled",
            None => "not live",
            Some(live) if live.quarantine.state != "serving" => "quarantined",
            Some(live) if live.calls.iter().any(Calls::fails_now) => "failing",
            Some(live) if live.credentials.iter().any(|credential| credential.authorisation_ends_soon) => "ending",
            Some(_) => "live",
        }
    }

    fn actions(&self) -> String {
        let actions = self.grant.iter().flat_map(|grant| &grant.actions).map(|action| action.name.as_str());
        listed(actions.collect())
    }
}

impl Calls {
    /// Whether the last one failed.
    fn fails_now(&self) -> bool {
        // RFC 3339 in UTC, always written the same way: the order of the texts is that of the moments.
        self.failed_at.is_some() && self.failed_at > self.succeeded_at
    }
}

impl Credential {
    /// Until when a person must have authorised the application anew; None: nothing says that soon.
    fn authorise_before(&self) -> Option<&str> {
        self.authorised_until.as_deref().filter(|_| self.authorisation_ends_soon)
    }

    /// What to say of it in a few words; None: there is nothing to say.
    fn standing(&self) -> Option<String> {
        let name = &self.credential;
        match &self.session {
            _ if !self.bound && self.optional => None,
            _ if !self.bound => Some(format!("{name}: not bound")),
            None => Some(format!("{name}: bound")),
            Some(session) => Some(match (session.state.as_str(), &session.expires_at) {
                ("live", Some(expires_at)) => format!("{name}: until {expires_at}"),
                ("live", None) => format!("{name}: logged in"),
                ("failed", _) if session.refused == Some(true) => format!("{name}: refused"),
                ("failed", _) => format!("{name}: unreachable"),
                _ => format!("{name}: idle"),
            }),
        }
    }
}

impl Window {
    fn line(&self) -> String {
        let allowed = self.allowed.map_or_else(String::new, |allowed| format!("/{allowed}"));
        format!("{} {}{allowed} until {}", self.name, self.remaining, self.resets_at)
    }
}

fn listed(items: Vec<&str>) -> String {
    if items.is_empty() { "-".to_owned() } else { items.join(", ") }
}

fn or_dash(text: Option<&String>) -> &str {
    text.map_or("-", String::as_str)
}

/// Prints the API's own object, for programs.
fn json_line(value: &Value) -> Result<(), Problem> {
    crate::output::json_line(value)
}
