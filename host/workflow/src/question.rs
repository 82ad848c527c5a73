//! What a run asks of the outside: whoever evaluates lists [`STEPS_ASKED`](crate::run::STEPS_ASKED), looks the question up here, gathers the
//! [`Facts`](crate::Facts) in plaintext, calls [`evaluate`](crate::evaluate()), seals what comes out and answers with
//! [`AnswerStep`](crate::commands::AnswerStep).

use sportello_core::ids::{CaseId, Digest, InteractionId};
use sportello_core::tables::Rows;

use crate::advance::position_of;
use crate::plan::{Action, Template, Text};
use crate::run::{RUNS, RunId, Waiting};
use crate::workflow::PLANS;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether a CEL condition holds.
    Condition(String),
    /// The words of a reply.
    Text(Text),
    /// The words of a CRM activity.
    Activity {
        /// One line.
        subject: Template,
        /// The rest.
        text: Text,
    },
}

/// A question, and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The run that asks.
    pub run: RunId,
    /// At which visit: an answer to another one is refused.
    pub visit: u64,
    /// The step's name.
    pub step: String,
    /// The workflow's name.
    pub workflow: String,
    /// The definition's hash.
    pub hash: Digest,
    /// The case the run is about.
    pub case: CaseId,
    /// The interaction the run is about.
    pub interaction: Option<InteractionId>,
    /// What is asked.
    pub question: Question,
}

/// The question a run asks at a visit; None where it does not, or no longer.
pub fn question_of(rows: &(impl Rows + ?Sized), run: RunId, visit: u64) -> Option<Asked> {
    let row = RUNS.get(rows, &run).filter(|row| row.waiting == Waiting::Answer && row.visit == visit)?;
    let plan = PLANS.get(rows, &row.hash)?;
    let question = match row.instruction {
        None => Question::Condition(plan.when.clone()?),
        Some(index) => match &plan.instructions.get(usize::from(index))?.action {
            Action::If { condition, .. } => Question::Condition(condition.clone()),
            Action::Reply { text, .. } => Question::Text(text.clone()),
            Action::Activity { subject, text, .. } => Question::Activity { subject: subject.clone(), text: text.clone() },
            _ => return None,
        },
    };
    let step = position_of(run, &row, &plan).step;
    Some(Asked { run, visit, step, workflow: row.workflow, hash: row.hash, case: row.case, interaction: row.interaction, question })
}
