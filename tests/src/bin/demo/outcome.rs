//! The outcome: what the platforms count, what Sportello holds, and whether the two agree.

mod networks;
mod numbers;
mod work;

use std::fmt::Write as _;

use serde_json::{Value, json};
use sportello_core::domain::case::CaseState;
use sportello_core::domain::effect::EffectState;
use sportello_core::domain::person::Standing;

use crate::Problem;
use crate::cast::Actor;
use crate::evidence::Evidence;
use crate::host_process::Metrics;
use crate::ledger::{FACEBOOK, LINKEDIN, Ledger, TWITTER, WIKI};
use crate::platforms::Platforms;
use crate::scenario::Scenario;
use crate::screen::{Look, paint};

/// How many examples of what is wrong are shown.
const EXAMPLES_MAX: usize = 5;
/// Where people speak.
const CHANNELS: [(&str, &str); 4] = [(FACEBOOK, "Facebook"), (TWITTER, "X"), (LINKEDIN, "LinkedIn"), (WIKI, "the wiki")];

/// One thing that must be so.
struct Check {
    promise: String,
    counted: String,
    wrong: Vec<String>,
}

/// What came of it.
pub(crate) struct Outcome {
    lines: Vec<(String, String)>,
    checks: Vec<Check>,
    numbers: serde_json::Map<String, Value>,
}

/// Everything the outcome is made of.
pub(crate) struct Sources<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) actors: &'a [Actor],
    pub(crate) ledger: &'a Ledger,
    pub(crate) platforms: &'a Platforms,
    pub(crate) evidence: &'a Evidence,
    pub(crate) metrics: &'a Metrics,
    /// What the API says of the whole.
    pub(crate) summary: &'a Value,
    /// What the API says of LinkedIn's channel.
    pub(crate) linkedin_channel: &'a Value,
    /// `sportello verify`: whether it is satisfied, and what it says. `None`: the host still runs.
    pub(crate) verified: Option<(bool, Value)>,
}

impl Outcome {
    pub(crate) fn judge(sources: &Sources<'_>) -> Result<Self, Problem> {
        let mut outcome = Self { lines: Vec::new(), checks: Vec::new(), numbers: serde_json::Map::new() };
        outcome.numbers(sources);
        outcome.nothing_lost_nothing_doubled(sources);
        outcome.replies(sources);
        outcome.activities(sources);
        outcome.cases(sources)?;
        outcome.people(sources);
        outcome.terms(sources);
        outcome.forgotten(sources);
        outcome.calls(sources);
        outcome.api_and_files(sources);
        Ok(outcome)
    }

    /// Whether all is as it must be.
    pub(crate) fn is_right(&self) -> bool {
        self.checks.iter().all(|check| check.wrong.is_empty())
    }

    fn number(&mut self, key: &str, title: &str, shown: impl Into<String>, value: Value) {
        self.lines.push((title.to_owned(), shown.into()));
        self.numbers.insert(key.to_owned(), value);
    }

    fn check(&mut self, promise: impl Into<String>, counted: impl Into<String>, wrong: Vec<String>) {
        self.checks.push(Check { promise: promise.into(), counted: counted.into(), wrong });
    }

    fn api_and_files(&mut self, sources: &Sources<'_>) {
        let Sources { evidence, .. } = sources;
        let says = |pointer: &str| sources.summary.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        let cases = |state: CaseState| evidence.cases.iter().filter(|case| case.state == state).count() as u64;
        let mut wrong = Vec::new();
        for (what, told, held) in [
            ("interactions", says("/interactions"), evidence.interactions.len() as u64),
            (
                "effects done",
                says("/effects/done"),
                evidence.effects.iter().filter(|effect| effect.state == EffectState::Done).count() as u64,
            ),
            ("prospects", says("/people/prospect"), evidence.standing(Standing::Prospect) as u64),
            ("open cases", says("/cases/open"), cases(CaseState::Open)),
            ("assigned cases", says("/cases/assigned"), cases(CaseState::Assigned)),
            ("waiting cases", says("/cases/waiting"), cases(CaseState::Waiting)),
            ("resolved cases", says("/cases/resolved"), cases(CaseState::Resolved)),
        ] {
            if told != held {
                wrong.push(format!("{told} {what} by the API, {held} in the journal"));
            }
        }
        self.check("the API says what the journal holds", format!("{} interactions", says("/interactions")), wrong);
        if let Some((satisfied, said)) = &sources.verified {
            let wrong = if *satisfied { Vec::new() } else { vec![said.to_string()] };
            let records = said.pointer("/verified/records").and_then(Value::as_u64).unwrap_or_default();
            self.check("rebuilt views equal the live ones, and the chain is whole", format!("{records} records"), wrong);
        }
    }

    /// For people.
    pub(crate) fn table(&self, title: &str, colours: bool) -> String {
        let mut text = format!("\n{}\n", paint(colours, title, Look::Bold));
        let width = self.lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, shown) in &self.lines {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "  {name:<width$}  {shown}");
        }
        let _ = writeln!(text, "\n{}", paint(colours, "As counted by the platforms, not by us", Look::Bold));
        let width = self.checks.iter().map(|check| check.promise.len()).max().unwrap_or_default();
        for check in &self.checks {
            let mark = if check.wrong.is_empty() { paint(colours, "yes", Look::Good) } else { paint(colours, "NO ", Look::Bad) };
            let _ = writeln!(text, "  {mark}  {:<width$}  {}", check.promise, check.counted);
            for wrong in check.wrong.iter().take(EXAMPLES_MAX) {
                let _ = writeln!(text, "         {wrong}");
            }
            if check.wrong.len() > EXAMPLES_MAX {
                let _ = writeln!(text, "         … and {} more", check.wrong.len() - EXAMPLES_MAX);
            }
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(|check| json!({"promise": check.promise, "kept": check.wrong.is_empty(), "counted": check.counted, "wrong": check.wrong}))
            .collect();
        json!({"right": self.is_right(), "numbers": self.numbers, "checks": checks})
    }
}
