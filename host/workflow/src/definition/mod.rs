//! Definitions: YAML in, a checked plan out; or every problem found, each with its line and column.
//!
//! ```yaml
//! name: greet-customers
//! description: Customers get a first answer at once.
//! on: case.opened                       # what starts a run
//! channels: [town-page]             # optional: only there
//! when: person.customer                 # optional, CEL
//! steps:
//!   - assign: second-line
//!   - reply: {it: "Buongiorno ${profile.display_name}, ce ne occupiamo.", en: "Hello ${profile.display_name}, we are on it."}
//!   - wait: {for: 30m, unless: case.answered}
//!   - if: "!case.answered"
//!     then: [{priority: 90}]
//! ```
//!
//! `docs/workflows.md` explains all of it to operators.

pub(crate) mod duration;
mod node;
mod problem;
mod steps;
mod template;
mod trial;

pub use problem::Problem;
pub(crate) use problem::nearest;
pub use trial::{TrialReport, run_tests};

use ring::digest::{SHA256, digest};
use sportello_core::ids::{ChannelName, Digest};

use crate::expression;
use crate::facts::{Facts, InteractionFacts, ProfileFacts};
use crate::limits::{CHANNELS_MAX, INSTRUCTIONS_MAX, NAME_BYTES_MAX, NESTING_MAX, PROBLEMS_MAX, SOURCE_BYTES_MAX};
use crate::plan::{Plan, Trigger};
use node::{Node, Place, Value};

/// A definition that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The workflow's name.
    pub name: String,
    /// What it is for, in the author's words; may be empty.
    pub description: String,
    /// What it comes to.
    pub plan: Plan,
    /// SHA-256 of the text.
    pub hash: Digest,
}

/// Checks a definition. `file` is only named in messages.
///
/// # Errors
/// All problems that were found, in the order of the text, at most [`PROBLEMS_MAX`].
pub fn check(source: &str, file: &str) -> Result<Checked, Vec<Problem>> {
    let mut problems = Problems::new(file);
    let checked = read(source, &mut problems).and_then(|root| definition(source, &root, &mut problems));
    match checked {
        Some(checked) if problems.found.is_empty() => Ok(checked),
        _ => Err(problems.into_sorted()),
    }
}

/// Whether a text can be the name of a workflow or of a step.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The problems found so far.
pub(crate) struct Problems {
    file: String,
    found: Vec<Problem>,
}

impl Problems {
    fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    fn add(&mut self, place: Place, message: impl Into<String>) {
        let problem = Problem { file: self.file.clone(), line: place.line, column: place.column, message: message.into() };
        if self.found.len() < PROBLEMS_MAX && !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found
    }
}

fn read(source: &str, problems: &mut Problems) -> Option<Node> {
    if source.len() > SOURCE_BYTES_MAX {
        problems.add(Place::default(), format!("the definition is {} bytes long; at most {SOURCE_BYTES_MAX} are taken", source.len()));
        return None;
    }
    // Reading takes stack with depth, so that is limited before there is a tree to look at.
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: YAML_DEPTH_MAX } };
    match serde_saphyr::from_str_with_options::<Node>(source, options) {
        Ok(root) => Some(root),
        Err(error) => {
            let place = error.location().map_or(Place::default(), |found| Place { line: found.line(), column: found.column() });
            let message = error.without_snippet().to_string();
            problems.add(place, format!("this cannot be read as YAML: {}", plain(&message)));
            None
        }
    }
}

/// The reader's words without the place, which is said already, and without what is only of use to programmers.
fn plain(message: &str) -> &str {
    let message = message.lines().next().unwrap_or_default();
    let message = message.split(", set DuplicateKeyPolicy").next().unwrap_or(message);
    message.rsplit_once(" at line ").map_or(message, |(words, _)| words)
}

/// Lists and mappings within each other in the text: two for every step within a step, and some to spare.
const YAML_DEPTH_MAX: usize = 2 * NESTING_MAX + 8;

/// The keys of a definition.
const KEYS: [&str; 7] = ["name", "description", "on", "channels", "when", "steps", "tests"];

fn definition(source: &str, root: &Node, problems: &mut Problems) -> Option<Checked> {
    let Value::Map(entries) = &root.value else {
        problems.add(root.place, format!("a definition is a mapping with name, on and steps, not {}", root.kind()));
        return None;
    };
    for (key, _) in entries {
        if !KEYS.contains(&key.text.as_str()) {
            let hint = nearest(&key.text, KEYS);
            problems.add(key.place, format!("a definition has no {:?}{hint}; it has: {}", key.text, KEYS.join(", ")));
        }
    }
    let name = name(root, problems);
    let description = match root.get("description") {
        Some(node) => text(node, "a description", problems).unwrap_or_default(),
        None => String::new(),
    };
    let trigger = trigger(root, problems);
    let channels = root.get("channels").map_or_else(Vec::new, |node| channels(node, problems));
    let when = root.get("when").and_then(|node| condition(node, problems));
    let instructions = steps::compile(root, problems);
    if instructions.len() > INSTRUCTIONS_MAX {
        let place = root.get("steps").map_or(root.place, |node| node.place);
        problems.add(
            place,
            format!(
                "the steps come to {} instructions; at most {INSTRUCTIONS_MAX} are carried out: make two workflows",
                instructions.len()
            ),
        );
    }
    trial::check(root, problems);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, source.as_bytes()).as_ref());
    Some(Checked { name: name?, description, plan: Plan { trigger: trigger?, channels, when, instructions }, hash: Digest(hash) })
}

fn name(root: &Node, problems: &mut Problems) -> Option<String> {
    let Some(node) = root.get("name") else {
        problems.add(root.place, "the definition has no name; add for example \"name: greet-customers\"");
        return None;
    };
    let name = text(node, "a name", problems)?;
    if !is_name(&name) {
        let form = format!("use 1 to {NAME_BYTES_MAX} of a-z, 0-9 and '-', for example \"greet-customers\"");
        problems.add(node.place, format!("{name:?} is no workflow name: {form}"));
        return None;
    }
    Some(name)
}

fn trigger(root: &Node, problems: &mut Problems) -> Option<Trigger> {
    let Some(node) = root.get("on") else {
        problems.add(root.place, "the definition does not say what starts it; add for example \"on: case.opened\"");
        return None;
    };
    let word = text(node, "a trigger", problems)?;
    let found = Trigger::ALL.into_iter().find(|trigger| trigger.word() == word);
    if found.is_none() {
        let words = Trigger::ALL.map(Trigger::word);
        problems.add(node.place, format!("there is no trigger {word:?}{}; there is: {}", nearest(&word, words), words.join(", ")));
    }
    found
}

fn channels(node: &Node, problems: &mut Problems) -> Vec<String> {
    let Value::List(items) = &node.value else {
        problems.add(node.place, format!("channels is a list of channel names, not {}", node.kind()));
        return Vec::new();
    };
    if items.len() > CHANNELS_MAX {
        problems.add(node.place, format!("{} channels are named; at most {CHANNELS_MAX} can be", items.len()));
    }
    if items.is_empty() {
        problems.add(node.place, "no channel is named, so nothing would start it; leave channels out for all of them");
    }
    items.iter().filter_map(|item| channel(item, problems)).collect()
}

/// A channel's name.
fn channel(node: &Node, problems: &mut Problems) -> Option<String> {
    let name = text(node, "a channel's name", problems)?;
    match ChannelName::new(name) {
        Ok(name) => Some(name.as_str().to_owned()),
        Err(problem) => {
            problems.add(node.place, problem);
            None
        }
    }
}

/// A text, or the problem that it is none.
fn text(node: &Node, what: &str, problems: &mut Problems) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        _ => {
            problems.add(node.place, format!("{what} is a text, not {}", node.kind()));
            None
        }
    }
}

/// A condition.
fn condition(node: &Node, problems: &mut Problems) -> Option<String> {
    match &node.value {
        Value::Text(source) => {
            expression_at(source, node.place, problems);
            Some(source.clone())
        }
        Value::Bool(holds) => Some(holds.to_string()),
        // `if: !case.answered` is a YAML tag with nothing behind it.
        Value::Null => {
            problems.add(node.place, "there is no condition; one that begins with \"!\" must stand in quotes: \"!case.answered\"");
            None
        }
        _ => {
            problems.add(node.place, format!("a condition is a CEL expression, for example \"person.customer\", not {}", node.kind()));
            None
        }
    }
}

/// Checks an expression and that it stays within the budget over ordinary facts.
fn expression_at(source: &str, place: Place, problems: &mut Problems) {
    match expression::parse(source) {
        Err(found) => found.into_iter().for_each(|problem| problems.add(place, format!("in {source:?}: {problem}"))),
        Ok(parsed) => {
            let ordinary = Facts {
                interaction: InteractionFacts { text: "x".repeat(1_000), ..InteractionFacts::default() },
                profile: ProfileFacts { display_name: "x".repeat(50), handle: "x".repeat(50), ..ProfileFacts::default() },
                ..Facts::default()
            };
            if !crate::evaluate::is_affordable(&parsed, &ordinary) {
                problems.add(
                    place,
                    format!("in {source:?}: it could cost more than one evaluation may, even on a short text; make it simpler"),
                );
            }
        }
    }
}
