//! Undoing a link, exactly.

use crate::commands::Accepted;
use crate::domain::person::{LINKS, LinkEnded};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::LinkId;
use crate::refusal::Refusal;

/// Ends a link because somebody says so. Evidence does not make it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndLink {
    /// The link.
    pub link: LinkId,
    /// Why, without personal content.
    pub reason: String,
}

impl EndLink {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let link = draft.tables().get(&LINKS, &self.link).ok_or_else(|| Refusal::not_found("link", self.link))?;
        if link.ended.is_none() {
            draft.emit(LinkEnded { link: self.link, reason: self.reason.clone(), refused: true });
        }
        Ok(Accepted::Link(self.link))
    }
}
