//! A definition's own tests: given facts, expected steps.

use super::node::{Key, Node, Value};
use super::{Problem, Problems, check as check_definition, duration, nearest, read};
use crate::evaluate::{Outcome, evaluate};
use crate::facts::{Facts, NAMES, fields_of};
use crate::plan::{Action, Plan, Until};
use crate::question::Question;

/// What became of a definition's tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrialReport {
    /// The names of those that went as expected.
    pub passed: Vec<String>,
    /// Those that did not: where, and how.
    pub failed: Vec<Problem>,
}

/// The keys of a test.
const KEYS: [&str; 4] = ["name", "given", "happens", "expect"];

/// Runs a definition's `tests:`. Nothing is done outside; waits pass at once, and effects take place.
///
/// # Errors
/// The problems of a definition that cannot be checked.
pub fn run_tests(source: &str, file: &str) -> Result<TrialReport, Vec<Problem>> {
    let checked = check_definition(source, file)?;
    let mut problems = Problems::new(file);
    let mut report = TrialReport::default();
    let Some(root) = read(source, &mut problems) else { return Ok(report) };
    for test in tests_of(&root) {
        let name = name_of(test);
        let facts = test.get("given").map_or_else(Facts::default, |given| serde_json::from_value(given.to_json()).unwrap_or_default());
        let (steps, end) = walk(&checked.plan, facts, &happenings(test));
        let expected: Vec<(String, &Node)> = match test.get("expect").map(|node| &node.value) {
            Some(Value::List(nodes)) => nodes.iter().map(|node| (describe(node), node)).collect(),
            _ => Vec::new(),
        };
        let differs = (0..expected.len().max(steps.len())).find(|index| expected.get(*index).map(|(step, _)| step) != steps.get(*index));
        match differs {
            None => report.passed.push(name),
            Some(index) => {
                let place = expected.get(index).map_or(test.place, |(_, node)| node.place);
                let said = |step: Option<&String>| step.map_or_else(|| end.clone(), |step| format!("{step:?}"));
                let wanted = expected.get(index).map_or_else(|| "nothing more".to_owned(), |(step, _)| format!("{step:?}"));
                let found = said(steps.get(index));
                problems.add(place, format!("test {name:?}, step {}: expected {wanted}, found {found}", index + 1));
            }
        }
    }
    report.failed = problems.into_sorted();
    Ok(report)
}

/// Checks the form of a definition's tests.
pub(super) fn check(root: &Node, problems: &mut Problems) {
    let Some(node) = root.get("tests") else { return };
    let Value::List(tests) = &node.value else {
        return problems.add(node.place, format!("tests are a list, not {}", node.kind()));
    };
    for test in tests {
        let Value::Map(entries) = &test.value else {
            problems.add(test.place, format!("a test is a mapping with name, given and expect, not {}", test.kind()));
            continue;
        };
        known(entries, &KEYS, "a test", problems);
        if !matches!(test.get("name").map(|name| &name.value), Some(Value::Text(_))) {
            problems.add(test.place, "the test has no name");
        }
        if !matches!(test.get("expect").map(|expect| &expect.value), Some(Value::List(_))) {
            problems.add(test.place, "the test expects nothing; add \"expect\" with a list of steps, [] for none");
        }
        if let Some(given) = test.get("given") {
            check_facts(given, problems);
        }
        if let Some(Node { value: Value::List(events), .. }) = test.get("happens") {
            for event in events {
                if !matches!(&event.value, Value::Text(word) if Until::ALL.iter().any(|until| until.word() == word)) {
                    let words = Until::ALL.map(Until::word);
                    problems.add(event.place, format!("what can happen during a wait is: {}", words.join(", ")));
                }
            }
        } else if let Some(other) = test.get("happens") {
            problems.add(other.place, format!("happens is a list, not {}", other.kind()));
        }
    }
}

fn check_facts(given: &Node, problems: &mut Problems) {
    let Value::Map(parts) = &given.value else {
        return problems.add(given.place, format!("given is a mapping of facts, not {}", given.kind()));
    };
    let names = NAMES.map(|(part, _)| part);
    known(parts, &names, "what is given", problems);
    let before = problems.found.len();
    for (part, node) in parts {
        let (Some(fields), Value::Map(entries)) = (fields_of(&part.text), &node.value) else { continue };
        known(entries, fields, &part.text, problems);
    }
    if problems.found.len() == before
        && let Err(error) = serde_json::from_value::<Facts>(given.to_json())
    {
        problems.add(given.place, format!("a fact is of another kind: {error}"));
    }
}

fn known(entries: &[(Key, Node)], keys: &[&str], what: &str, problems: &mut Problems) {
    for (key, _) in entries {
        if !keys.contains(&key.text.as_str()) {
            let hint = nearest(&key.text, keys.iter().copied());
            problems.add(key.place, format!("{what} has no {:?}{hint}; it has: {}", key.text, keys.join(", ")));
        }
    }
}

fn tests_of(root: &Node) -> &[Node] {
    match root.get("tests").map(|node| &node.value) {
        Some(Value::List(tests)) => tests,
        _ => &[],
    }
}

fn name_of(test: &Node) -> String {
    match test.get("name").map(|node| &node.value) {
        Some(Value::Text(name)) => name.clone(),
        _ => String::new(),
    }
}

fn happenings(test: &Node) -> Vec<Until> {
    let Some(Node { value: Value::List(events), .. }) = test.get("happens") else { return Vec::new() };
    events
        .iter()
        .filter_map(|event| match &event.value {
            Value::Text(word) => Until::ALL.into_iter().find(|until| until.word() == word),
            _ => None,
        })
        .collect()
}

/// A step as a test writes it: `assign: second-line`.
fn describe(node: &Node) -> String {
    let words = |node: &Node| match &node.value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        _ => String::new(),
    };
    match &node.value {
        Value::Map(entries) => entries.iter().map(|(key, value)| format!("{}: {}", key.text, words(value))).collect::<Vec<_>>().join(", "),
        _ => words(node),
    }
}

/// What a plan does over the facts, and how it ends.
fn walk(plan: &Plan, mut facts: Facts, happens: &[Until]) -> (Vec<String>, String) {
    let mut done = Vec::new();
    if let Some(when) = &plan.when {
        match evaluate(&Question::Condition(when.clone()), &facts) {
            Ok(Outcome::Condition(true)) => {}
            Ok(_) => return (done, "that \"when\" does not hold".to_owned()),
            Err(error) => return (done, format!("a failure: {error}")),
        }
    }
    let mut next = 0;
    // Jumps go forwards, so this ends.
    while let Some(instruction) = plan.instructions.get(next) {
        next += 1;
        let answered = match &instruction.action {
            Action::If { condition, otherwise } => match evaluate(&Question::Condition(condition.clone()), &facts) {
                Ok(Outcome::Condition(true)) => Ok(None),
                Ok(_) => {
                    next = usize::from(*otherwise);
                    Ok(None)
                }
                Err(error) => Err(error),
            },
            Action::Jump { to } => {
                next = usize::from(*to);
                Ok(None)
            }
            Action::Stop => return (done, "a stop".to_owned()),
            Action::Assign { owner } => {
                facts.case.owner.clone_from(owner);
                Ok(Some(format!("assign: {owner}")))
            }
            Action::State { to } => {
                facts.case.state = to.word().to_owned();
                Ok(Some(format!("state: {}", to.word())))
            }
            Action::Priority { priority } => {
                facts.case.priority = i64::from(*priority);
                Ok(Some(format!("priority: {priority}")))
            }
            Action::Reply { text, .. } => evaluate(&Question::Text(text.clone()), &facts).map(|outcome| {
                facts.case.answered = true;
                Some(format!("reply: {}", words_of(outcome)))
            }),
            Action::Activity { .. } if !facts.person.customer => Ok(None),
            Action::Activity { subject, text, .. } => {
                let question = Question::Activity { subject: subject.clone(), text: text.clone() };
                evaluate(&question, &facts).map(|outcome| Some(format!("activity: {}", words_of(outcome))))
            }
            Action::Wait { ms, unless } => {
                facts.case.answered |= happens.contains(&Until::CaseAnswered);
                if happens.contains(&Until::CaseResolved) {
                    facts.case.state = "resolved".to_owned();
                }
                let early = unless.is_some_and(|until| happens.contains(&until));
                if !early {
                    facts.case.age_minutes += i64::try_from(ms / 60_000).unwrap_or(i64::MAX);
                }
                Ok(Some(format!("wait: {}", duration::write(*ms))))
            }
        };
        match answered {
            Ok(step) => done.extend(step),
            Err(_) if instruction.may_fail => {}
            Err(error) => return (done, format!("a failure: {error}")),
        }
    }
    (done, "the end".to_owned())
}

fn words_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::Condition(holds) => holds.to_string(),
        Outcome::Text(text) => text,
        Outcome::Activity { subject, .. } => subject,
    }
}
