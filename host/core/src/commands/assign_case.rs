//! Giving a case to somebody, or taking it from them.

use crate::commands::Accepted;
use crate::domain::case::{CASES, CaseAssigned, CaseState, CaseStateChanged};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::CaseId;
use crate::refusal::Refusal;

/// Makes somebody the case's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignCase {
    /// The case.
    pub case: CaseId,
    /// The new owner; None: nobody, and an assigned case is open again.
    pub owner: Option<String>,
}

impl AssignCase {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let case = draft.tables().get(&CASES, &self.case).ok_or_else(|| Refusal::not_found("case", self.case))?;
        if self.owner.as_ref().is_some_and(|owner| owner.trim().is_empty() || owner.len() > 64) {
            return Err(Refusal::Invalid("an owner's name has 1 to 64 characters".to_owned()));
        }
        if case.state == CaseState::Resolved {
            return Err(Refusal::Conflict(format!("case {} is resolved; reopen it first (state \"open\")", self.case)));
        }
        if case.owner == self.owner {
            return Ok(Accepted::Case(self.case));
        }
        draft.emit(CaseAssigned { case: self.case, owner: self.owner.clone() });
        let to = match (&self.owner, case.state) {
            (Some(_), CaseState::Open) => CaseState::Assigned,
            (None, CaseState::Assigned) => CaseState::Open,
            (_, state) => state,
        };
        if to != case.state {
            draft.emit(CaseStateChanged { case: self.case, from: case.state, to });
        }
        Ok(Accepted::Case(self.case))
    }
}
