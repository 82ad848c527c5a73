//! Ending a run by hand.

use sportello_core::commands::Accepted;
use sportello_core::draft::Draft;
use sportello_core::refusal::Refusal;

use super::not_found;
use crate::advance::{Composed, end};
use crate::run::{Ending, RUNS, RunId};

/// Ends a run where it is. An effect it has asked for takes its course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelRun {
    /// The run.
    pub run: RunId,
    /// Who ends it, by token name.
    pub by: String,
}

impl CancelRun {
    pub(super) fn decide<E: Composed>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let run = draft.tables().get(&RUNS, &self.run).ok_or_else(|| not_found("run", self.run))?;
        if !run.is_live() {
            return Err(Refusal::Conflict(format!("run {} has ended already", self.run)));
        }
        end(draft, self.run, Ending::Cancelled { by: self.by.clone() });
        Ok(Accepted::Done)
    }
}
