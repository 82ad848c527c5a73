//! Taking a workflow out of service.

use sportello_core::commands::Accepted;
use sportello_core::draft::Draft;
use sportello_core::refusal::Refusal;

use super::not_found;
use crate::advance::{Composed, emit};
use crate::event::WorkflowRetired;
use crate::workflow::WORKFLOWS;

/// Lets a workflow start no more runs. Those under way go on; defining it again brings it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetireWorkflow {
    /// Its name.
    pub name: String,
}

impl RetireWorkflow {
    pub(super) fn decide<E: Composed>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let workflow = draft.tables().get(&WORKFLOWS, &self.name).ok_or_else(|| not_found("workflow", &self.name))?;
        if !workflow.retired {
            emit(draft, WorkflowRetired { name: self.name.clone() });
        }
        Ok(Accepted::Done)
    }
}
