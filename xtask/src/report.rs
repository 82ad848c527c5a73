//! What `cargo xtask test` says at its end: each stage with its time and the runner's own counts, then the sum.

use std::time::Duration;

use crate::counts::Counts;
use crate::stage::Took;

/// One stage of a test run.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) title: &'static str,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

/// How a stage ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A stage without tests of its own.
    Built,
    /// Tests ran; `closing` are the runner's own words, where it has one line of them.
    Tested {
        counts: Counts,
        closing: Option<String>,
        /// The runner's lines for tests that were red.
        red: Vec<String>,
    },
    /// It did not come to an end: did not compile, could not be started.
    Broken(String),
}

/// The stages so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// All tests of all stages.
    pub(crate) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for line in &self.lines {
            if let Outcome::Tested { counts, .. } = &line.outcome {
                sum += *counts;
            }
        }
        sum
    }

    /// Titles of the stages that did not come to an end.
    pub(crate) fn broken(&self) -> Vec<&'static str> {
        self.lines.iter().filter(|line| matches!(line.outcome, Outcome::Broken(_))).map(|line| line.title).collect()
    }

    /// The table, with the sum as its last line.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut total = Duration::ZERO;
        for line in &self.lines {
            total += line.took;
            let outcome = match &line.outcome {
                Outcome::Built => "built".to_owned(),
                Outcome::Tested { closing: Some(closing), .. } => closing.clone(),
                Outcome::Tested { counts, .. } => sentence(*counts),
                Outcome::Broken(reason) => {
                    format!("BROKEN: {}", reason.lines().next().unwrap_or_default())
                }
            };
            text.push_str(&format!("   {:<37} {:>12}   {outcome}\n", line.title, Took(line.took)));
            if let Outcome::Tested { red, .. } = &line.outcome {
                for test in red {
                    text.push_str(&format!("      {test}\n"));
                }
            }
        }
        text.push_str(&format!("{} in {}", sentence(self.counts()), Took(total)));
        text
    }
}

fn sentence(counts: Counts) -> String {
    format!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_sum_of_all_stages_and_a_broken_stage_is_named() {
        let mut report = Report::default();
        let tested = |passed, failed| Outcome::Tested {
            counts: Counts { passed, failed, skipped: 1 },
            closing: None,
            red: (0..failed).map(|number| format!("FAIL {number}")).collect(),
        };
        for (title, outcome) in
            [("connectors", tested(2, 0)), ("host", tested(3, 1)), ("documentation", Outcome::Broken("did not compile".into()))]
        {
            report.push(Line { title, took: Duration::from_secs(1), outcome });
        }
        let text = report.text();
        assert_eq!(text.lines().last(), Some("5 passed, 1 failed, 2 skipped in 3.0 s"));
        assert!(text.contains("      FAIL 0\n"), "{text}");
        assert!(text.contains("BROKEN: did not compile"), "{text}");
        assert_eq!(report.broken(), ["documentation"]);
    }
}
