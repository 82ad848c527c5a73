//! What can be asked for.

use std::time::Duration;

use clap::{Parser, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  stand-in twitter
      Serve X's API and print where it is and what it expects, until Ctrl-C.
  stand-in facebook --port 9001 --secret s3cret --verify-token v3rify --webhook http://127.0.0.1:8470/hooks/acme/facebook-page
      The same address, secrets and tokens every time; register the webhook, and play people until Ctrl-C.
  stand-in linkedin --webhook http://127.0.0.1:8470/hooks/acme/linkedin --acts 200 --every 100ms --shuffle --duplicates 20 --fault-share 10
      200 acts, delivered in disorder and some of them twice; one call in ten meets trouble. Ends with 1 if the network counts a loss.

Ctrl-C ends it and prints the books. An exit code of 1 says that the network gave something up, or that an answer stands there twice.";

/// Stands in for a network: serves its API, plays people on it, delivers to your webhook, and counts what came of it.
#[derive(Debug, Parser)]
#[command(name = "stand-in", max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Which network.
    pub(crate) network: Kind,
    /// Register this webhook (it has to answer the network's challenge) and deliver to it. Without it nobody speaks.
    #[arg(long, value_name = "URL")]
    pub(crate) webhook: Option<String>,
    /// How long to try to register it, once a second: time to enter what is printed into your receiver's configuration.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub(crate) register_within: Duration,
    /// The loopback port of the API [default: a free one].
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,
    /// What deliveries are signed with: Facebook's app secret, X's consumer secret, LinkedIn's client secret. All other secrets and tokens are
    /// made of it too, so that the same is expected every time [default: all of them random].
    #[arg(long, value_name = "TEXT")]
    pub(crate) secret: Option<String>,
    /// What Facebook sends as hub.verify_token [default: random].
    #[arg(long, value_name = "TEXT")]
    pub(crate) verify_token: Option<String>,
    /// How many people there are.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) people: usize,
    /// How often one of them does something: asks, answers, edits, removes, likes.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(crate) every: Duration,
    /// Stop after so many acts [default: go on until Ctrl-C].
    #[arg(long, value_name = "N")]
    pub(crate) acts: Option<u64>,
    /// The same seed is the same people with the same ideas.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Let updates leave in another order than they were made.
    #[arg(long)]
    pub(crate) shuffle: bool,
    /// Deliveries in a hundred that come twice though they were acknowledged, and as many that come once more when the network repeats.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) duplicates: u8,
    /// Calls in a hundred that meet trouble: 5xx, 429, a slow answer, an answer that is lost.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) fault_share: u8,
    /// How long to go on delivering after the last act, for answers that are still to come.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    pub(crate) linger: Duration,
    /// Which shapes X delivers in.
    #[arg(long, value_enum, default_value_t = Shape::Both)]
    pub(crate) shape: Shape,
    /// Print one JSON object a line: what is expected at first, the books at the end.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A Facebook page.
    Facebook,
    /// An account on X.
    Twitter,
    /// An organisation's page on LinkedIn.
    #[value(name = "linkedin")]
    LinkedIn,
}

/// X's shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// The X Activity API's.
    Activity,
    /// The older account activity's.
    AccountActivity,
    /// In turns.
    Both,
}

/// `250ms`, `3s`, `2m`.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return Err("write a whole number with ms, s or m: 250ms".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write a whole number with ms, s or m: 250ms".to_owned())?;
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(|| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory as _;

    use super::{Arguments, time};

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert!(time("3").is_err() && time("s").is_err() && time("1.5s").is_err() && time("99999999999999999999s").is_err());
    }
}
