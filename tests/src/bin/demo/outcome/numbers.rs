//! The numbers: what was done, what was taken in, what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use sportello_core::domain::case::CaseState;
use sportello_core::domain::effect::EffectState;
use sportello_core::domain::person::Standing;

use super::{CHANNELS, Outcome, Sources};

/// People's interactions that make a weekend.
const INTERACTIONS_MIN: usize = 500;

impl Outcome {
    pub(super) fn numbers(&mut self, sources: &Sources<'_>) {
        let Sources { ledger, evidence, metrics, .. } = sources;
        let people = ledger.done.len() - ledger.own_posts;
        let own = evidence.interactions.iter().filter(|row| row.own).count();
        let taken = CHANNELS.map(|(channel, _)| evidence.taken_on(channel));
        let mut by_channel: serde_json::Map<String, serde_json::Value> =
            CHANNELS.iter().zip(taken).map(|((channel, _), taken)| ((*channel).to_owned(), json!(taken))).collect();
        by_channel.insert("own".to_owned(), json!(own));
        by_channel.insert("people".to_owned(), json!(people));
        let all: usize = taken.iter().sum();
        self.number("taken_in", "taken in", format!("{all}, of them {own} our own, seen again"), by_channel.into());
        for (channel, name) in CHANNELS {
            self.channel(sources, channel, name);
        }
        self.crm(sources);

        let duplicates = metrics.sum("sportello_interaction_duplicates_total", &[]);
        let unsigned = metrics.sum("sportello_webhook_deliveries_total", &["Unsigned"]);
        self.number(
            "refused",
            "refused",
            format!("{duplicates} interactions that had come before, {unsigned} deliveries with a bad signature"),
            json!({"duplicates": duplicates, "bad_signature": unsigned}),
        );
        let [customers, prospects, unknown] = [Standing::Customer, Standing::Prospect, Standing::Unknown].map(|it| evidence.standing(it));
        self.number("identified", "identified", format!("{customers} profiles are customers of the CRM"), json!(customers));
        self.number(
            "prospects",
            "prospects",
            format!("{prospects}, and {unknown} unknown"),
            json!({"prospects": prospects, "unknown": unknown}),
        );

        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for state in [CaseState::Open, CaseState::Assigned, CaseState::Waiting, CaseState::Resolved] {
            states.insert(state.word(), evidence.cases.iter().filter(|case| case.state == state).count());
        }
        let shown: Vec<String> =
            ["open", "assigned", "waiting", "resolved"].iter().map(|word| format!("{} {word}", states[word])).collect();
        self.number("cases", "cases", format!("{}: {}", evidence.cases.len(), shown.join(", ")), json!(states));
        self.effects(sources);
        let few = if people >= INTERACTIONS_MIN { Vec::new() } else { vec![format!("{people} are fewer than {INTERACTIONS_MIN}")] };
        self.check("it was a weekend", format!("{people} things done by {} people", sources.actors.len()), few);
    }

    /// One line of a channel.
    fn channel(&mut self, sources: &Sources<'_>, channel: &'static str, name: &str) {
        let Sources { ledger, evidence, platforms, .. } = sources;
        let done = ledger.done.iter().filter(|done| done.channel == channel).count();
        let (taken, answers) = (evidence.taken_on(channel), platforms.reply_count(channel));
        let mut times = platforms.first_answers(ledger, channel);
        times.sort();
        let shown = match (percentile(&times, 50), percentile(&times, 95)) {
            (Some(median), Some(p95)) => {
                format!("the first after {:.1} s (median), 95 of 100 within {:.1} s", median.as_secs_f64(), p95.as_secs_f64())
            }
            _ => "none in a thread".to_owned(),
        };
        let value = |rank| percentile(&times, rank).map(|time| time.as_secs_f64());
        self.number(
            &format!("on_{channel}"),
            &format!("  {name}"),
            format!("{done:>3} done there, {taken:>3} taken in, {answers:>3} answers, {shown}"),
            json!({"done": done, "taken_in": taken, "answers": answers, "first_answer_median_s": value(50), "first_answer_p95_s": value(95)}),
        );
    }

    fn crm(&mut self, sources: &Sources<'_>) {
        let parties = sources.actors.iter().filter(|actor| actor.party.is_some()).count();
        let notes = sources.platforms.note_count();
        self.number("on_crm", "  CRM", format!("{parties} parties, {notes} activities"), json!({"parties": parties, "activities": notes}));
    }

    fn effects(&mut self, sources: &Sources<'_>) {
        let Sources { evidence, metrics, .. } = sources;
        let with = |state: EffectState| evidence.effects.iter().filter(|effect| effect.state == state).count();
        let tried_again = evidence.effects.iter().filter(|effect| effect.attempts > 1).count();
        let uncertain = metrics.sum("sportello_effect_attempts_total", &["outcome=\"uncertain\""]);
        let open = with(EffectState::Queued) + with(EffectState::Started) + with(EffectState::Unknown);
        self.number(
            "effects",
            "effects",
            format!(
                "{} done, {} failed because what they answered was gone, {} for a person to decide; {tried_again} needed more than one \
                 call, {uncertain} had to be looked for",
                with(EffectState::Done),
                with(EffectState::Failed),
                with(EffectState::Undecided),
            ),
            json!({"done": with(EffectState::Done), "failed": with(EffectState::Failed), "undecided": with(EffectState::Undecided), "open": open,
                "tried_again": tried_again, "uncertain": uncertain}),
        );
        let undecided = if open == 0 { Vec::new() } else { vec![format!("{open} effects have no outcome")] };
        self.check("every effect has come to an end", format!("{} effects", evidence.effects.len()), undecided);
    }
}

fn percentile(sorted: &[Duration], rank: usize) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((sorted.len() * rank).div_ceil(100).saturating_sub(1).min(last)).copied()
}
