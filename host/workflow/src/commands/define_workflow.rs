//! Defining a workflow, or defining it anew.

use sportello_core::commands::Accepted;
use sportello_core::draft::Draft;
use sportello_core::ids::Digest;
use sportello_core::refusal::Refusal;

use crate::advance::{Composed, emit};
use crate::definition::is_name;
use crate::event::WorkflowDefined;
use crate::limits::{NAME_BYTES_MAX, SOURCE_BYTES_MAX, WORKFLOWS_PER_TRIGGER_MAX};
use crate::plan::Plan;
use crate::workflow::{ACTIVE, WORKFLOWS};

/// Makes a checked definition the one that new runs of this name use. Runs under way keep theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefineWorkflow {
    /// The workflow's name.
    pub name: String,
    /// SHA-256 of the definition's text.
    pub hash: Digest,
    /// The text.
    pub source: String,
    /// What the text comes to, as [`check`](crate::check) gave it.
    pub plan: Plan,
}

impl DefineWorkflow {
    pub(super) fn decide<E: Composed>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        if !is_name(&self.name) {
            return Err(Refusal::Invalid(format!(
                "{:?} is no workflow name: use 1 to {NAME_BYTES_MAX} of a-z, 0-9 and '-', for example \"greet-customers\"",
                self.name
            )));
        }
        if self.source.len() > SOURCE_BYTES_MAX {
            return Err(Refusal::Invalid(format!(
                "workflow {} is {} bytes long; at most {SOURCE_BYTES_MAX} are taken",
                self.name,
                self.source.len()
            )));
        }
        self.plan.verify().map_err(Refusal::Invalid)?;
        if draft.tables().get(&WORKFLOWS, &self.name).is_some_and(|present| present.hash == self.hash && !present.retired) {
            return Ok(Accepted::Done);
        }
        let active = draft.tables().get(&ACTIVE, &self.plan.trigger.code()).unwrap_or_default();
        if active.len() >= WORKFLOWS_PER_TRIGGER_MAX && active.binary_search(&self.name).is_err() {
            return Err(Refusal::Conflict(format!(
                "{WORKFLOWS_PER_TRIGGER_MAX} workflows start on {}, the most there can be; retire one first",
                self.plan.trigger.word()
            )));
        }
        let event = WorkflowDefined { name: self.name.clone(), hash: self.hash, source: self.source.clone(), plan: self.plan.clone() };
        emit(draft, event);
        Ok(Accepted::Done)
    }
}
