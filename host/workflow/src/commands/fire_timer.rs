//! A timer's moment has come.

use sportello_core::commands::Accepted;
use sportello_core::draft::Draft;
use sportello_core::refusal::Refusal;

use super::not_found;
use crate::advance::{Composed, advance, emit, position_of};
use crate::event::TimerFired;
use crate::run::{RUNS, RunId, Waiting};
use crate::workflow::PLANS;

/// Moves a run on whose timer is due. Refused before its moment, and when the timer has fired or ended already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FireTimer {
    /// The run.
    pub run: RunId,
    /// The visit that set the timer.
    pub visit: u64,
}

impl FireTimer {
    pub(super) fn decide<E: Composed>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let run = draft.tables().get(&RUNS, &self.run).ok_or_else(|| not_found("run", self.run))?;
        let (due_at, again) = match run.waiting {
            Waiting::Timer { due_at, .. } if run.visit == self.visit => (due_at, false),
            Waiting::Retry { due_at } if run.visit == self.visit => (due_at, true),
            _ => return Err(Refusal::Conflict(format!("run {} no longer waits for the timer of visit {}", self.run, self.visit))),
        };
        if draft.now() < due_at {
            return Err(Refusal::Conflict(format!("the timer of run {} is due in {} ms, not now", self.run, due_at.ms_since(draft.now()))));
        }
        let plan = draft.tables().get(&PLANS, &run.hash).ok_or_else(|| not_found("definition of run", self.run))?;
        emit(draft, TimerFired { position: position_of(self.run, &run, &plan) });
        // Only instructions set timers.
        let index = run.instruction.unwrap_or(0);
        if again {
            advance(draft, self.run, index, run.attempt + 1);
        } else {
            advance(draft, self.run, index + 1, 1);
        }
        Ok(Accepted::Done)
    }
}
