//! The outcome: what the platforms count, what Sportello holds, and whether the two agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use sportello_core::domain::case::CaseState;
use sportello_core::domain::effect::EffectState;
use sportello_core::domain::person::Standing;

use crate::Problem;
use crate::cast::Actor;
use crate::evidence::Evidence;
use crate::host_process::Metrics;
use crate::ledger::{FACEBOOK, Ledger, Thread, WIKI};
use crate::platforms::Platforms;
use crate::scenario::Scenario;
use crate::screen::{Look, paint};

/// How many examples of what is wrong are shown.
const EXAMPLES_MAX: usize = 5;
/// People's interactions that make a weekend.
const INTERACTIONS_MIN: usize = 300;

/// One thing that must be so.
struct Check {
    promise: &'static str,
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
        outcome.rest(sources);
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

    fn check(&mut self, promise: &'static str, counted: impl Into<String>, wrong: Vec<String>) {
        self.checks.push(Check { promise, counted: counted.into(), wrong });
    }

    fn numbers(&mut self, sources: &Sources<'_>) {
        let Sources { ledger, evidence, metrics, platforms, .. } = sources;
        let people = ledger.done.len() - ledger.own_posts;
        let (facebook, wiki) = (evidence.taken_on(FACEBOOK), evidence.taken_on(WIKI));
        let own = evidence.interactions.iter().filter(|row| row.own).count();
        self.number(
            "taken_in",
            "taken in",
            format!("{} ({facebook} on Facebook, {wiki} on the wiki; {own} of them our own, seen again)", facebook + wiki),
            json!({FACEBOOK: facebook, WIKI: wiki, "own": own, "people": people}),
        );
        let duplicates = metrics.sum("sportello_interaction_duplicates_total", &[&format!("channel=\"{FACEBOOK}\"")]);
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

        for (channel, title) in [(FACEBOOK, "first answer, Facebook"), (WIKI, "first answer, wiki")] {
            let mut times: Vec<Duration> = platforms.first_answers(ledger, channel);
            times.sort();
            let shown = match (percentile(&times, 50), percentile(&times, 95)) {
                (Some(median), Some(p95)) => {
                    format!("median {:.1} s, 95 of 100 within {:.1} s ({} threads)", median.as_secs_f64(), p95.as_secs_f64(), times.len())
                }
                _ => "none".to_owned(),
            };
            let value = |rank| percentile(&times, rank).map(|time| time.as_secs_f64());
            let key = if channel == FACEBOOK { "first_answer_facebook" } else { "first_answer_wiki" };
            self.number(key, title, shown, json!({"median_s": value(50), "p95_s": value(95), "threads": times.len()}));
        }

        let with = |state: EffectState| evidence.effects.iter().filter(|effect| effect.state == state).count();
        let tried_again = evidence.effects.iter().filter(|effect| effect.attempts > 1).count();
        let uncertain = metrics.sum("sportello_effect_attempts_total", &["outcome=\"uncertain\""]);
        let open = with(EffectState::Queued) + with(EffectState::Started) + with(EffectState::Unknown);
        self.number(
            "effects",
            "effects",
            format!(
                "{} done, {} failed because what they answered was gone, {} undecided; {tried_again} needed more than one call, {uncertain} had to be looked for",
                with(EffectState::Done),
                with(EffectState::Failed),
                with(EffectState::Undecided),
            ),
            json!({"done": with(EffectState::Done), "failed": with(EffectState::Failed), "undecided": with(EffectState::Undecided), "open": open,
                "tried_again": tried_again, "uncertain": uncertain}),
        );
        let undecided = if open == 0 { Vec::new() } else { vec![format!("{open} effects have no outcome")] };
        self.check("every effect has come to an end", format!("{} effects", evidence.effects.len()), undecided);
        let few = if people >= INTERACTIONS_MIN { Vec::new() } else { vec![format!("{people} are fewer than {INTERACTIONS_MIN}")] };
        self.check("it was a weekend", format!("{people} things done by {} people", sources.actors.len()), few);
    }

    /// Every single thing the platforms hold is here once, and nothing else is.
    fn nothing_lost_nothing_doubled(&mut self, sources: &Sources<'_>) {
        let Sources { ledger, evidence, platforms, .. } = sources;
        let counts = &platforms.facebook_counts;
        let mut wrong = Vec::new();
        if counts.updates_acknowledged != counts.updates_made || counts.updates_given_up > 0 {
            wrong.push(format!("Facebook made {} updates, {} were acknowledged", counts.updates_made, counts.updates_acknowledged));
        }
        self.check(
            "Facebook got an acknowledgement for every update",
            format!("{} updates in {} deliveries", counts.updates_made, counts.posts.posted),
            wrong,
        );
        for (channel, promise) in
            [(FACEBOOK, "what Facebook delivered is here exactly once"), (WIKI, "what stands on the wiki is here exactly once")]
        {
            let held = if channel == FACEBOOK { platforms.facebook_holds(ledger) } else { platforms.wiki_holds.clone() };
            let mut wrong: Vec<String> = Vec::new();
            for done in held.iter().collect::<BTreeSet<_>>() {
                let Some(native_id) = &done.native_id else { continue };
                let wanted = held.iter().filter(|other| *other == done).count();
                let times = evidence.times_taken(channel, native_id, done.deed);
                if times != wanted {
                    wrong.push(format!("{native_id} {:?}: {wanted} there, {times} here", done.deed));
                }
            }
            let taken = evidence.taken_on(channel);
            let total = if channel == FACEBOOK { usize::try_from(platforms.facebook_counts.updates_made).unwrap_or(0) } else { held.len() };
            if taken != total || held.len() != total {
                wrong.push(format!("the platform counts {total}, its list has {}, {taken} are here", held.len()));
            }
            self.check(promise, format!("{total} there, {taken} here"), wrong);
        }
        let parked = if evidence.parked == 0 { Vec::new() } else { vec![format!("{} deliveries are parked", evidence.parked)] };
        self.check("no delivery had to be set aside", format!("{} parked", evidence.parked), parked);
    }

    fn replies(&mut self, sources: &Sources<'_>) {
        let Sources { scenario, actors, ledger, platforms, .. } = sources;
        for (channel, promise) in [
            (FACEBOOK, "every answer stands on Facebook once, in the right words"),
            (WIKI, "every answer stands on the wiki once, in the right words"),
        ] {
            let threads: Vec<&Thread> = ledger.threads.iter().filter(|thread| thread.channel == channel).collect();
            let mut wrong = Vec::new();
            let mut answered = 0;
            for thread in &threads {
                let replies = platforms.replies(thread);
                answered += replies.len();
                let expected = thread.expected(actors).reply;
                let least = usize::from(expected.is_some() && !thread.removed);
                if replies.len() < least || replies.len() > usize::from(expected.is_some()) {
                    wrong.push(format!("{} has {} answers: {:?}", thread.key, replies.len(), thread.text));
                }
                let Some(answer) = expected else { continue };
                let name = &actors[thread.actor].name;
                let greeting = scenario.greetings[&thread.language].replace("{name}", name);
                let words = &scenario.answers[&answer][&thread.language];
                for reply in replies.iter().filter(|reply| !reply.starts_with(&greeting) || !reply.contains(words.as_str())) {
                    wrong.push(format!("{:?} by {name} was answered {reply:?}; {answer:?} was to be", thread.text));
                }
            }
            let all = platforms.reply_count(channel);
            if all != answered {
                wrong.push(format!("{all} answers were posted, {answered} of them in threads of the scenario"));
            }
            self.check(promise, format!("{answered} answers in {} threads", threads.len()), wrong);
        }
        let doubled: Vec<String> = platforms.doubled_replies.clone();
        self.check("nobody got the same answer twice", format!("{} doubled", doubled.len()), doubled);
    }

    fn activities(&mut self, sources: &Sources<'_>) {
        let Sources { actors, ledger, platforms, .. } = sources;
        let mut wrong = Vec::new();
        let mut found = 0;
        for (position, actor) in actors.iter().enumerate() {
            let Some(party) = actor.party else { continue };
            let own = || ledger.threads.iter().filter(|thread| thread.actor == position && thread.expected(actors).activity);
            let (least, most) = (own().filter(|thread| !thread.removed).count(), own().count());
            let notes = platforms.notes.get(&party).map(Vec::as_slice).unwrap_or_default();
            found += notes.len();
            if notes.len() < least || notes.len() > most {
                wrong.push(format!("{} has {} activities; {least} to {most} were to be", actor.name, notes.len()));
            }
            let different: BTreeSet<&String> = notes.iter().collect();
            if different.len() != notes.len() {
                wrong.push(format!("{} has the same activity twice", actor.name));
            }
        }
        let parties = actors.iter().filter(|actor| actor.party.is_some()).count();
        self.check("every activity stands in the CRM once", format!("{found} activities of {parties} parties"), wrong);
    }

    fn cases(&mut self, sources: &Sources<'_>) -> Result<(), Problem> {
        let Sources { actors, ledger, evidence, platforms, .. } = sources;
        let mut wrong = Vec::new();
        let mut seen = 0;
        for thread in &ledger.threads {
            let case = evidence.case_of(thread.channel, &platforms.conversation_key(thread))?;
            seen += usize::from(case.is_some());
            let expected = thread.expected(actors);
            match case {
                None if thread.removed => {}
                None => wrong.push(format!("{} has no case: {:?}", thread.key, thread.text)),
                Some(_) if thread.removed => {}
                Some(case) => {
                    if case.owner.as_deref() != expected.owner {
                        wrong.push(format!("{:?} belongs to {:?} instead of {:?}", thread.text, case.owner, expected.owner));
                    }
                    if expected.resolved.is_some_and(|resolved| resolved != (case.state == CaseState::Resolved)) {
                        wrong.push(format!("{:?} is {}", thread.text, case.state.word()));
                    }
                }
            }
        }
        if seen != evidence.cases.len() {
            wrong.push(format!("{} cases are there, {seen} of them for threads of the scenario", evidence.cases.len()));
        }
        self.check("every thread is one case, with the right owner and in the right state", format!("{seen} cases"), wrong);
        Ok(())
    }

    fn rest(&mut self, sources: &Sources<'_>) {
        let Sources { actors, ledger, evidence, metrics, .. } = sources;
        for (promise, standing) in [
            ("every customer who was seen is recognised", Standing::Customer),
            ("nobody else is taken for one, nobody is left over", Standing::Prospect),
        ] {
            let were = |position: &usize| actors[*position].is_recognisable() == (standing == Standing::Customer);
            let there = ledger.speakers.iter().filter(|(_, position)| were(position)).count();
            let here = evidence.standing(standing);
            let wrong = if here == there { Vec::new() } else { vec![format!("{there} were to be")] };
            self.check(promise, format!("{here} of {there} profiles"), wrong);
        }
        let not_refused =
            ledger.forgeries.iter().filter(|status| **status != 401).map(|status| format!("one was answered {status}")).collect();
        let unsigned = metrics.sum("sportello_webhook_deliveries_total", &["Unsigned"]);
        self.check(
            "every forged delivery got 401 and was counted",
            format!("{} forged, {unsigned} counted", ledger.forgeries.len()),
            not_refused,
        );
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

fn percentile(sorted: &[Duration], rank: usize) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((sorted.len() * rank).div_ceil(100).saturating_sub(1).min(last)).copied()
}
