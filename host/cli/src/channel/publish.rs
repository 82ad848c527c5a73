//! `sportello channel publish`.

use std::io::Read as _;
use std::path::Path;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::json_line;
use crate::connector::channel_name;
use crate::reach::Reach;
use crate::{Problem, Usage, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello channel publish town-page --key opening-hours-2026 --text 'From Monday we open at 8.'
  sportello channel publish town-page --key opening-hours-2026 < post.txt

The same key again is the same post, never a second one; so a command that was cut off can be repeated.";

/// Longest text, in bytes.
const TEXT_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The channel; its connector must be able to post.
    channel: String,
    /// What makes a repetition harmless: a name for this post, of your own choice.
    #[arg(long, value_name = "KEY")]
    key: String,
    /// The words; left out: standard input.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// The effect, as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Deserialize)]
struct Effect {
    effect: u64,
    state: String,
}

impl Publish {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        let name = channel_name(&self.channel)?;
        if self.key.is_empty() || self.key.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            return Err(Usage("--key is a name of visible ASCII".to_owned()).into());
        }
        let text = match &self.text {
            Some(text) => text.clone(),
            None => {
                let mut text = String::new();
                std::io::stdin().take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)?;
                text
            }
        };
        let client = self.reach.running(path)?;
        let body = json!({ "text": text });
        let effect: Value = tokio_runtime()?.block_on(client.post_once(&format!("/channels/{name}/posts"), &self.key, &body))?;
        if self.json {
            return json_line(&effect);
        }
        let Effect { effect, state } = serde_json::from_value(effect)?;
        output::line(format!("effect {effect} on channel {name}: {state}"))
    }
}
