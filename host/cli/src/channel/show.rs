//! `sportello channel show`.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::{Calls, Credential, Shown, json_line, or_dash};
use crate::connector::channel_name;
use crate::reach::Reach;
use crate::{Problem, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello channel show town-page
  sportello channel show town-page --json | jq .live.headroom";

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The channel.
    channel: String,
    /// One JSON object, as the API shows it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

impl Show {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let name = channel_name(&self.channel)?;
        let client = self.reach.running(path)?;
        let item: Value = tokio_runtime()?.block_on(client.get(&format!("/channels/{name}")))?;
        if self.json {
            return json_line(&item);
        }
        lines(&serde_json::from_value(item)?).iter().try_for_each(output::line)
    }
}

fn lines(shown: &Shown) -> Vec<String> {
    let version = shown.grant.as_ref().map_or("-", |grant| grant.version.as_str());
    let mut lines = vec![
        format!("channel     {}", shown.channel),
        format!("connector   {} {version}", shown.connector),
        format!("state       {}", shown.state()),
        format!("can         {}", shown.actions()),
    ];
    if let Some(policy) = &shown.policy {
        let kept = |hours: Option<u64>| hours.map_or_else(|| "as long as you like".to_owned(), |hours| format!("{hours} h"));
        lines.push(format!(
            "policy      link {}; profiles kept {}, content {}, parked deliveries {} h",
            policy.link,
            kept(policy.profile_hours),
            kept(policy.content_hours),
            policy.raw_hours
        ));
        if let Some(hours) = policy.recheck_hours {
            lines.push(format!("looks again every {hours} h at the latest: what is gone there is forgotten here"));
        }
        lines.push(format!("answers     {}", if policy.reply_only_summoned { "only where one was addressed" } else { "always" }));
    }
    let Some(live) = &shown.live else { return lines };
    lines.push(format!("heard of    {}", or_dash(live.heard_at.as_ref())));
    for credential in &live.credentials {
        lines.extend(credential_lines(credential));
    }
    lines.extend(live.headroom.iter().map(|window| format!("headroom    {} ({})", window.line(), window.used_by.join(", "))));
    lines.extend(live.calls.iter().flat_map(calls_lines));
    lines
}

fn credential_lines(credential: &Credential) -> Vec<String> {
    let standing = credential.standing().unwrap_or_else(|| format!("{}: not used", credential.credential));
    let mut lines = vec![format!("credential  {standing} ({})", credential.purpose)];
    if let Some(reason) = credential.session.as_ref().and_then(|session| session.reason.as_ref()) {
        let retry_at = or_dash(credential.session.as_ref().and_then(|session| session.retry_at.as_ref()));
        lines.push(format!("            {reason}; tried again at {retry_at}"));
    }
    if let Some(authorised_until) = &credential.authorised_until {
        let what_to_do = if credential.authorisation_ends_soon { ": authorise the application anew before" } else { "" };
        lines.push(format!("            authorised until {authorised_until}{what_to_do}"));
    }
    lines
}

fn calls_lines(calls: &Calls) -> Vec<String> {
    let failed = match (&calls.failed_at, &calls.problem) {
        (Some(at), Some(problem)) => format!(", last failed {at}: {problem}"),
        _ => String::new(),
    };
    let line = format!("{:<11} last good {}{failed}", calls.purpose, or_dash(calls.succeeded_at.as_ref()));
    // Once it goes well again, there is nothing to be done.
    let reason = calls.reason.as_ref().filter(|_| calls.fails_now());
    std::iter::once(line).chain(reason.map(|reason| format!("            {reason}"))).collect()
}
