//! Recording that key slots have been overwritten. The link of a profile that is given up ends with it: whoever comes back is somebody new.

use crate::commands::Accepted;
use crate::domain::erasure::{Due, ERASURES_DUE, Erased};
use crate::domain::person::LinkEnded;
use crate::domain::profile::PROFILES;
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
                end_link(draft, *what);
                draft.emit(Erased { due_at: *due_at, what: *what });
            }
        }
        Ok(Accepted::Done)
    }
}

fn end_link<E: From<Event>>(draft: &mut Draft<'_, E>, what: Due) {
    let (Due::Profile(profile) | Due::WholeProfile(profile)) = what else { return };
    if let Some(link) = draft.tables().get(&PROFILES, &profile).and_then(|row| row.link) {
        draft.emit(LinkEnded { link, reason: "the profile was given up".to_owned(), refused: false });
    }
}
