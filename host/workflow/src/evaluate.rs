//! Evaluating what a step asks, outside the writer, with plaintext, under a budget.
//!
//! No message made here quotes a value: problems go into the journal in clear, and values are people's words.

use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::extractors::This;
use cel::{Context, Env, ExecutionError, Value};
use thiserror::Error;

use crate::cost::estimate;
use crate::expression;
use crate::facts::Facts;
use crate::limits::{EVALUATION_COST_MAX, TEXT_BYTES_MAX};
use crate::plan::{Part, Template, Text};
use crate::question::Question;

/// What an evaluation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Whether the condition holds.
    Condition(bool),
    /// The words of a reply.
    Text(String),
    /// The words of a CRM activity.
    Activity {
        /// One line.
        subject: String,
        /// The rest.
        text: String,
    },
}

/// Why an evaluation came to nothing. The messages quote expressions, never values.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EvaluationError {
    /// The expression is none. Definitions are checked, so this says that another program's rules were different.
    #[error("the expression {expression} cannot be used: {reason}")]
    Unusable {
        /// Its text, cut.
        expression: String,
        /// Why.
        reason: String,
    },
    /// It could run away.
    #[error("the expression {expression} could cost more than one evaluation may; make it simpler")]
    TooCostly {
        /// Its text, cut.
        expression: String,
    },
    /// It came to something of another kind.
    #[error("the expression {expression} comes to a {found}; a {wanted} is needed")]
    WrongKind {
        /// Its text, cut.
        expression: String,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// It failed.
    #[error("the expression {expression} fails: {reason}")]
    Failed {
        /// Its text, cut.
        expression: String,
        /// Why.
        reason: String,
    },
    /// The text is too long.
    #[error("the text comes to more than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// The text is empty.
    #[error("the text comes to nothing; a reply needs words")]
    Empty,
}

/// The standard functions; made once, as that takes longer than most evaluations.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Answers a question.
///
/// # Errors
/// [`EvaluationError`], with messages fit for [`Answer::Failed`](crate::commands::Answer::Failed).
pub fn evaluate(question: &Question, facts: &Facts) -> Result<Outcome, EvaluationError> {
    let mut evaluation = Evaluation::new(facts);
    match question {
        Question::Condition(condition) => evaluation.condition(condition).map(Outcome::Condition),
        Question::Text(text) => evaluation.text(text, &facts.interaction.language).map(Outcome::Text),
        Question::Activity { subject, text } => {
            let subject = evaluation.template(subject)?.replace(['\r', '\n'], " ");
            Ok(Outcome::Activity { subject, text: evaluation.text(text, &facts.interaction.language)? })
        }
    }
}

/// Whether an expression stays within the budget over the given facts.
pub(crate) fn is_affordable(expression: &IdedExpr, facts: &Facts) -> bool {
    estimate(expression, &values_of(facts)).is_ok()
}

struct Evaluation {
    facts: Vec<(&'static str, Value)>,
    /// What the question may still cost.
    budget: u64,
}

impl Evaluation {
    fn new(facts: &Facts) -> Self {
        Self { facts: values_of(facts), budget: EVALUATION_COST_MAX }
    }

    fn condition(&mut self, source: &str) -> Result<bool, EvaluationError> {
        match self.value(source)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(EvaluationError::WrongKind { expression: excerpt(source), found: kind(&other), wanted: "yes or no" }),
        }
    }

    fn text(&mut self, text: &Text, language: &str) -> Result<String, EvaluationError> {
        let rendered = match fitting(text, language) {
            Some(template) => self.template(template)?,
            None => String::new(),
        };
        if rendered.trim().is_empty() { Err(EvaluationError::Empty) } else { Ok(rendered) }
    }

    fn template(&mut self, template: &Template) -> Result<String, EvaluationError> {
        let mut rendered = String::new();
        for part in &template.0 {
            match part {
                Part::Words(words) => rendered.push_str(words),
                Part::Value(source) => match self.value(source)? {
                    Value::String(text) => rendered.push_str(&text),
                    Value::Int(number) => rendered.push_str(&number.to_string()),
                    Value::UInt(number) => rendered.push_str(&number.to_string()),
                    Value::Float(number) => rendered.push_str(&number.to_string()),
                    Value::Bool(holds) => rendered.push_str(if holds { "true" } else { "false" }),
                    other => {
                        return Err(EvaluationError::WrongKind { expression: excerpt(source), found: kind(&other), wanted: "text" });
                    }
                },
            }
            if rendered.len() > TEXT_BYTES_MAX {
                return Err(EvaluationError::TooLong);
            }
        }
        Ok(rendered)
    }

    fn value(&mut self, source: &str) -> Result<Value, EvaluationError> {
        let expression = expression::parse(source)
            .map_err(|problems| EvaluationError::Unusable { expression: excerpt(source), reason: problems.join("; ") })?;
        let cost = estimate(&expression, &self.facts).map_err(|_| EvaluationError::TooCostly { expression: excerpt(source) })?;
        let Some(left) = self.budget.checked_sub(cost) else {
            return Err(EvaluationError::TooCostly { expression: excerpt(source) });
        };
        self.budget = left;
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        for (name, value) in &self.facts {
            context.add_variable_from_value(*name, value.clone());
        }
        // Known not to clash with the standard's names.
        let declared = context.add_function("lower", |This(text): This<Arc<String>>| text.to_lowercase());
        let failed = |reason: String| EvaluationError::Failed { expression: excerpt(source), reason };
        declared.map_err(|_| failed("lower() is declared twice".to_owned()))?;
        Value::resolve(&expression, &context).map_err(|error| failed(reason(&error)))
    }
}

fn values_of(facts: &Facts) -> Vec<(&'static str, Value)> {
    // Plain structs of texts, numbers and booleans: turning them into values cannot fail.
    vec![
        ("case", cel::to_value(&facts.case).unwrap_or(Value::Null)),
        ("interaction", cel::to_value(&facts.interaction).unwrap_or(Value::Null)),
        ("profile", cel::to_value(&facts.profile).unwrap_or(Value::Null)),
        ("person", cel::to_value(&facts.person).unwrap_or(Value::Null)),
        ("channel", cel::to_value(&facts.channel).unwrap_or(Value::Null)),
        ("now", cel::to_value(&facts.now).unwrap_or(Value::Null)),
    ]
}

/// The text in the language, or in one that differs from it only by region, or the first.
fn fitting<'text>(text: &'text Text, language: &str) -> Option<&'text Template> {
    let language = language.to_ascii_lowercase();
    let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let same = text.languages.iter().find(|(tag, _)| tag.to_ascii_lowercase() == language);
    let near = || text.languages.iter().find(|(tag, _)| !language.is_empty() && primary(tag) == primary(&language));
    same.or_else(near).or_else(|| text.languages.first()).map(|(_, template)| template)
}

/// Why an evaluation failed, without the values it failed on.
fn reason(error: &ExecutionError) -> String {
    match error {
        // Kinds and names only.
        ExecutionError::NoSuchOverload(_) | ExecutionError::UndeclaredReference(_) => error.to_string(),
        ExecutionError::NoSuchKey(_) => "there is no such key".to_owned(),
        ExecutionError::ValuesNotComparable(left, right) => format!("a {} and a {} cannot be compared", kind(left), kind(right)),
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            format!("{operator} is not for a {} and a {}", kind(left), kind(right))
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number becomes too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "a list is not that long".to_owned(),
        ExecutionError::DuplicateKey(_) => "a key is given twice".to_owned(),
        ExecutionError::FunctionError { function, .. } => format!("{function}() cannot use what it is given"),
        ExecutionError::InvalidArgumentCount { expected, actual } => format!("{expected} arguments are needed, not {actual}"),
        _ => "its parts do not fit together".to_owned(),
    }
}

fn kind(value: &Value) -> String {
    value.type_of().to_string()
}

/// An expression's beginning, for messages.
fn excerpt(source: &str) -> String {
    const CHARACTERS_MAX: usize = 80;
    if source.chars().count() <= CHARACTERS_MAX {
        return format!("{source:?}");
    }
    let beginning: String = source.chars().take(CHARACTERS_MAX).collect();
    format!("{:?}", beginning + "…")
}
