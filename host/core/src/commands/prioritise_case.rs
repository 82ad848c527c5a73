//! Saying how urgent a case is.

use crate::commands::Accepted;
use crate::domain::case::{CASES, CasePrioritised};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::CaseId;
use crate::refusal::Refusal;

/// Gives a case a priority, 0 to 100.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrioritiseCase {
    /// The case.
    pub case: CaseId,
    /// 0 = ordinary to 100 = most urgent.
    pub priority: u8,
}

impl PrioritiseCase {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let case = draft.tables().get(&CASES, &self.case).ok_or_else(|| Refusal::not_found("case", self.case))?;
        if self.priority > 100 {
            return Err(Refusal::Invalid(format!("priority {} is not between 0 and 100", self.priority)));
        }
        if case.priority != self.priority {
            draft.emit(CasePrioritised { case: self.case, priority: self.priority });
        }
        Ok(Accepted::Case(self.case))
    }
}
