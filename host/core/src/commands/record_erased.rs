//! Recording that key slots have been overwritten.

use crate::commands::Accepted;
use crate::domain::erasure::{Due, ERASURES_DUE, Erased};
use crate::draft::Draft;
use crate::event::Event;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Takes entries off the list of what must be forgotten: their slots are overwritten and fsynced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordErased {
    /// What was erased: the list's entry it answers, or None for what was found along the way.
    pub erased: Vec<(Option<Timestamp>, Due)>,
}

impl RecordErased {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        for (due_at, what) in &self.erased {
            if due_at.is_none_or(|due_at| draft.tables().contains(&ERASURES_DUE, &(due_at, *what))) {
                draft.emit(Erased { due_at: *due_at, what: *what });
            }
        }
        Ok(Accepted::Done)
    }
}
