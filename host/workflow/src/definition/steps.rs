//! Steps into instructions.

use sportello_core::domain::case::CaseState;

use super::node::{Key, Node, Place, Value};
use super::{Problems, channel, condition, duration, expression_at, is_name, nearest, template, text};
use crate::limits::{
    INSTRUCTIONS_MAX, LANGUAGES_MAX, NAME_BYTES_MAX, NESTING_MAX, RETRY_ATTEMPTS_MAX, RETRY_EVERY_MS_MAX, RETRY_EVERY_MS_MIN,
    TEXT_BYTES_MAX, WAIT_MS_MAX,
};
use crate::plan::{Action, Instruction, Part, Retry, Template, Text, Until};

/// What a step can do.
const ACTIONS: [&str; 8] = ["assign", "state", "priority", "reply", "activity", "wait", "if", "stop"];
/// What else can stand in a step.
const BESIDE: [&str; 5] = ["name", "may-fail", "then", "else", "retry"];

/// Makes the instructions of a definition's steps.
pub(super) fn compile(root: &Node, problems: &mut Problems) -> Vec<Instruction> {
    let mut compiler = Compiler { problems, instructions: Vec::new(), names: Vec::new() };
    match root.get("steps") {
        Some(node) => compiler.steps(node, "", 1),
        None => compiler.problems.add(root.place, "the definition has no steps; add for example \"steps: [{assign: second-line}]\""),
    }
    compiler.instructions
}

struct Compiler<'a> {
    problems: &'a mut Problems,
    instructions: Vec<Instruction>,
    names: Vec<String>,
}

impl Compiler<'_> {
    fn steps(&mut self, node: &Node, inside: &str, depth: usize) {
        let Value::List(steps) = &node.value else {
            self.problems.add(node.place, format!("steps are a list, each on a line of its own after \"- \", not {}", node.kind()));
            return;
        };
        if depth > NESTING_MAX {
            self.problems.add(node.place, format!("steps are nested more than {NESTING_MAX} deep"));
            return;
        }
        for (index, step) in steps.iter().enumerate() {
            // Far past the limit there is nothing more to say.
            if self.instructions.len() > INSTRUCTIONS_MAX * 2 {
                return;
            }
            self.step(step, &format!("{inside}{}", index + 1), depth);
        }
    }

    fn step(&mut self, node: &Node, path: &str, depth: usize) {
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Text(word) if word == "stop" => return self.push(format!("{path}-stop"), false, Action::Stop),
            Value::Text(word) => {
                let hint = nearest(word, ACTIONS);
                return self.problems.add(node.place, format!("{word:?} is no step{hint}; a step is for example \"assign: second-line\""));
            }
            _ => {
                return self.problems.add(node.place, format!("a step is for example \"assign: second-line\", not {}", node.kind()));
            }
        };
        for (key, _) in entries {
            self.known_step_key(key);
        }
        let mut actions = entries.iter().filter(|(key, _)| ACTIONS.contains(&key.text.as_str()));
        let Some((key, value)) = actions.next() else {
            if entries.iter().all(|(key, _)| BESIDE.contains(&key.text.as_str())) {
                self.problems.add(node.place, format!("the step does nothing; add one of: {}", ACTIONS.join(", ")));
            }
            return;
        };
        if let Some((second, _)) = actions.next() {
            self.problems.add(second.place, format!("a step does one thing; {:?} belongs into a step of its own", second.text));
        }
        self.fitting(entries, &key.text);
        let name = self.name(node, format!("{path}-{}", key.text));
        let may_fail = match node.get("may-fail") {
            None => false,
            Some(Node { value: Value::Bool(may_fail), .. }) => *may_fail,
            Some(other) => {
                self.problems.add(other.place, format!("may-fail is true or false, not {}", other.kind()));
                false
            }
        };
        if key.text == "if" {
            return self.branch(node, value, name, path, depth);
        }
        if let Some(action) = self.action(node, key, value) {
            self.push(name, may_fail, action);
        }
    }

    fn known_step_key(&mut self, key: &Key) {
        let known = || ACTIONS.into_iter().chain(BESIDE);
        if !known().any(|name| name == key.text) {
            let list: Vec<&str> = known().collect();
            let message = format!("a step has no {:?}{}; it has: {}", key.text, nearest(&key.text, known()), list.join(", "));
            self.problems.add(key.place, message);
        }
    }

    /// Whether what stands beside the action belongs there.
    fn fitting(&mut self, entries: &[(Key, Node)], action: &str) {
        for (key, _) in entries {
            let belongs = match key.text.as_str() {
                "then" | "else" => action == "if",
                "retry" => matches!(action, "reply" | "activity"),
                "may-fail" => !matches!(action, "if" | "wait" | "stop"),
                _ => true,
            };
            if !belongs {
                self.problems.add(key.place, format!("{:?} does not go with {action:?}", key.text));
            }
        }
    }

    fn name(&mut self, step: &Node, otherwise: String) -> String {
        let Some(node) = step.get("name") else { return otherwise };
        let Some(name) = text(node, "a step's name", self.problems) else { return otherwise };
        if !is_name(&name) {
            self.problems.add(node.place, format!("{name:?} is no step name: use 1 to {NAME_BYTES_MAX} of a-z, 0-9 and '-'"));
        } else if self.names.contains(&name) {
            self.problems.add(node.place, format!("two steps are named {name:?}"));
        }
        self.names.push(name.clone());
        name
    }

    fn branch(&mut self, node: &Node, value: &Node, name: String, path: &str, depth: usize) {
        let condition = condition(value, self.problems).unwrap_or_default();
        let place = self.instructions.len();
        self.push(name, false, Action::If { condition, otherwise: 0 });
        match node.get("then") {
            Some(then) => self.steps(then, &format!("{path}.then."), depth + 1),
            None => self.problems.add(node.place, "an \"if\" needs \"then\" with the steps to take"),
        }
        let jump = node.get("else").map(|otherwise| {
            let jump = self.instructions.len();
            self.push(format!("{path}-end"), false, Action::Jump { to: 0 });
            self.aim(place);
            self.steps(otherwise, &format!("{path}.else."), depth + 1);
            jump
        });
        self.aim(jump.unwrap_or(place));
    }

    /// Lets the jump at `place` go to what comes next.
    fn aim(&mut self, place: usize) {
        let next = u16::try_from(self.instructions.len()).unwrap_or(u16::MAX);
        match self.instructions.get_mut(place).map(|instruction| &mut instruction.action) {
            Some(Action::If { otherwise, .. }) => *otherwise = next,
            Some(Action::Jump { to }) => *to = next,
            _ => {}
        }
    }

    fn action(&mut self, step: &Node, key: &Key, value: &Node) -> Option<Action> {
        match key.text.as_str() {
            "assign" => {
                let owner = text(value, "the name of a person or a team", self.problems)?;
                if owner.trim().is_empty() || owner.len() > NAME_BYTES_MAX {
                    self.problems.add(value.place, format!("the name of a person or a team has 1 to {NAME_BYTES_MAX} bytes"));
                    return None;
                }
                Some(Action::Assign { owner })
            }
            "state" => self.state(value),
            "priority" => match value.value {
                Value::Integer(priority @ 0..=100) => Some(Action::Priority { priority: u8::try_from(priority).unwrap_or(100) }),
                _ => {
                    self.problems.add(value.place, "a priority is a whole number from 0 = ordinary to 100 = most urgent");
                    None
                }
            },
            "reply" => {
                let text = self.text(value, "a reply");
                let retry = self.retry(step);
                Some(Action::Reply { text: text?, retry: retry? })
            }
            "activity" => self.activity(step, value),
            "wait" => self.wait(value),
            "stop" => match value.value {
                Value::Null | Value::Bool(true) => Some(Action::Stop),
                _ => {
                    self.problems.add(value.place, "write just \"- stop\"");
                    None
                }
            },
            _ => None,
        }
    }

    fn state(&mut self, value: &Node) -> Option<Action> {
        const STATES: [(&str, CaseState); 3] =
            [("open", CaseState::Open), ("waiting", CaseState::Waiting), ("resolved", CaseState::Resolved)];
        let word = text(value, "a state", self.problems)?;
        let found = STATES.iter().find(|(name, _)| *name == word).map(|(_, state)| Action::State { to: *state });
        if found.is_none() {
            let names = STATES.map(|(name, _)| name);
            let hint = if word == "assigned" {
                "; assign the case to somebody instead: \"assign: second-line\"".to_owned()
            } else {
                nearest(&word, names)
            };
            self.problems.add(value.place, format!("there is no state {word:?} to move a case to{hint}; there is: {}", names.join(", ")));
        }
        found
    }

    fn activity(&mut self, step: &Node, value: &Node) -> Option<Action> {
        const KEYS: [&str; 3] = ["crm", "subject", "text"];
        let Value::Map(entries) = &value.value else {
            let example = "activity: {subject: \"Case ${case.number}\", text: \"…\"}";
            self.problems.add(value.place, format!("an activity is a mapping, not {}: for example {example}", value.kind()));
            return None;
        };
        self.known(entries, &KEYS, "an activity");
        let crm = match value.get("crm") {
            Some(node) => Some(channel(node, self.problems)?),
            None => None,
        };
        let subject = match value.get("subject") {
            Some(node) => text(node, "a subject", self.problems).and_then(|subject| self.template(&subject, node.place)),
            None => self.missing(value.place, "an activity needs a subject"),
        };
        let text = match value.get("text") {
            Some(node) => self.text(node, "an activity's text"),
            None => self.missing(value.place, "an activity needs a text"),
        };
        let retry = self.retry(step);
        Some(Action::Activity { crm, subject: subject?, text: text?, retry: retry? })
    }

    fn missing<T>(&mut self, place: Place, message: &str) -> Option<T> {
        self.problems.add(place, message);
        None
    }

    fn known(&mut self, entries: &[(Key, Node)], keys: &[&str], what: &str) {
        for (key, _) in entries {
            if !keys.contains(&key.text.as_str()) {
                let hint = nearest(&key.text, keys.iter().copied());
                self.problems.add(key.place, format!("{what} has no {:?}{hint}; it has: {}", key.text, keys.join(", ")));
            }
        }
    }

    fn wait(&mut self, value: &Node) -> Option<Action> {
        let (length, unless) = match &value.value {
            Value::Map(entries) => {
                self.known(entries, &["for", "unless"], "a wait");
                let Some(length) = value.get("for") else {
                    return self.missing(value.place, "a wait needs \"for\", for example \"wait: {for: 10m, unless: case.answered}\"");
                };
                let unless = match value.get("unless") {
                    Some(node) => Some(self.until(node)?),
                    None => None,
                };
                (length, unless)
            }
            _ => (value, None),
        };
        let ms = self.duration(length)?;
        if ms > WAIT_MS_MAX {
            self.problems.add(length.place, format!("a run can wait {} at most", duration::write(WAIT_MS_MAX)));
            return None;
        }
        Some(Action::Wait { ms, unless })
    }

    fn until(&mut self, node: &Node) -> Option<Until> {
        let word = text(node, "what ends a wait", self.problems)?;
        let found = Until::ALL.into_iter().find(|until| until.word() == word);
        if found.is_none() {
            let words = Until::ALL.map(Until::word);
            self.problems.add(node.place, format!("{word:?} ends no wait{}; what does: {}", nearest(&word, words), words.join(", ")));
        }
        found
    }

    fn duration(&mut self, node: &Node) -> Option<u64> {
        let written = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            _ => {
                let message = format!("a length of time is for example \"10m\", not {}", node.kind());
                self.problems.add(node.place, message);
                return None;
            }
        };
        duration::parse(&written).map_err(|problem| self.problems.add(node.place, problem)).ok()
    }

    fn retry(&mut self, step: &Node) -> Option<Retry> {
        let Some(node) = step.get("retry") else { return Some(Retry::default()) };
        let Value::Map(entries) = &node.value else {
            self.problems.add(node.place, format!("a retry is for example \"{{attempts: 3, every: 5m}}\", not {}", node.kind()));
            return None;
        };
        self.known(entries, &["attempts", "every"], "a retry");
        let attempts = match node.get("attempts").map(|node| (node, &node.value)) {
            Some((_, Value::Integer(attempts))) if (1..=i64::from(RETRY_ATTEMPTS_MAX)).contains(attempts) => {
                u32::try_from(*attempts).unwrap_or(1)
            }
            Some((node, _)) => {
                let message = format!("attempts is a whole number from 1 to {RETRY_ATTEMPTS_MAX}, the first one included");
                return self.missing(node.place, &message);
            }
            None => return self.missing(node.place, "a retry needs \"attempts\""),
        };
        let Some(every) = node.get("every") else { return self.missing(node.place, "a retry needs \"every\", for example \"every: 5m\"") };
        let every_ms = self.duration(every)?;
        if !(RETRY_EVERY_MS_MIN..=RETRY_EVERY_MS_MAX).contains(&every_ms) {
            let (least, most) = (duration::write(RETRY_EVERY_MS_MIN), duration::write(RETRY_EVERY_MS_MAX));
            return self.missing(every.place, &format!("a retry follows after {least} at least and {most} at most"));
        }
        Some(Retry { attempts, every_ms })
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<Text> {
        let languages: Vec<(&str, &Node)> = match &node.value {
            Value::Text(_) => vec![("", node)],
            Value::Map(entries) if !entries.is_empty() && entries.len() <= LANGUAGES_MAX => {
                for (key, _) in entries {
                    if !is_language(&key.text) {
                        let message = format!("{:?} is no language; use tags such as \"it\", \"en\" or \"pt-br\"", key.text);
                        self.problems.add(key.place, message);
                    }
                }
                entries.iter().map(|(key, node)| (key.text.as_str(), node)).collect()
            }
            Value::Map(_) => return self.missing(node.place, &format!("{what} is given in 1 to {LANGUAGES_MAX} languages")),
            _ => {
                let message = format!("{what} is a text, or a mapping from language to text, not {}", node.kind());
                return self.missing(node.place, &message);
            }
        };
        let mut made = Vec::new();
        for (language, node) in languages {
            let words = text(node, what, self.problems)?;
            if words.trim().is_empty() {
                return self.missing(node.place, &format!("{what} needs words"));
            }
            made.push((language.to_ascii_lowercase(), self.template(&words, node.place)?));
        }
        Some(Text { languages: made })
    }

    fn template(&mut self, words: &str, place: Place) -> Option<Template> {
        if words.len() > TEXT_BYTES_MAX {
            return self.missing(place, &format!("the text is longer than {TEXT_BYTES_MAX} bytes"));
        }
        match template::parse(words) {
            Ok(template) => {
                for part in &template.0 {
                    if let Part::Value(source) = part {
                        expression_at(source, place, self.problems);
                    }
                }
                Some(template)
            }
            Err(problem) => self.missing(place, &problem),
        }
    }

    fn push(&mut self, step: String, may_fail: bool, action: Action) {
        self.instructions.push(Instruction { step, may_fail, action });
    }
}

/// Whether a text looks like a language tag: two or three letters, perhaps with a region.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split(['-', '_']);
    let primary = parts.next().unwrap_or_default();
    (2..=3).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
