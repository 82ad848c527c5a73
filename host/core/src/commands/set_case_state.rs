//! Moving a case from one state to another.

use crate::commands::Accepted;
use crate::domain::case::{CASES, CaseState, CaseStateChanged};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::CaseId;
use crate::refusal::Refusal;

/// Moves a case: open → assigned → waiting → resolved, back from waiting, and open again from resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCaseState {
    /// The case.
    pub case: CaseId,
    /// Where to.
    pub to: CaseState,
}

impl SetCaseState {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let case = draft.tables().get(&CASES, &self.case).ok_or_else(|| Refusal::not_found("case", self.case))?;
        if case.state == self.to {
            return Ok(Accepted::Case(self.case));
        }
        match (case.state, self.to) {
            (_, CaseState::Assigned) if case.owner.is_none() => {
                return Err(Refusal::Conflict(format!("case {} has no owner; assign it to somebody", self.case)));
            }
            (_, CaseState::Open) if case.owner.is_some() && case.state != CaseState::Resolved => {
                return Err(Refusal::Conflict(format!("case {} has an owner; take it from them to open it to all", self.case)));
            }
            (CaseState::Resolved, CaseState::Waiting) => {
                return Err(Refusal::Conflict(format!("case {} is resolved; reopen it first (state \"open\")", self.case)));
            }
            _ => {}
        }
        // A reopened case goes back to whoever had it.
        let to = if self.to == CaseState::Open && case.owner.is_some() { CaseState::Assigned } else { self.to };
        draft.emit(CaseStateChanged { case: self.case, from: case.state, to });
        Ok(Accepted::Case(self.case))
    }
}
