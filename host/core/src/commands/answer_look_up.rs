//! The CRMs have been asked about a profile and none knew it.

use crate::commands::Accepted;
use crate::domain::profile::{LookUp, LookUpAnswered, PROFILES};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::ProfileId;
use crate::refusal::Refusal;

/// Records that every CRM was asked and none knows the profile. Contacts that were found come as `TakeContacts` instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerLookUp {
    /// The profile.
    pub profile: ProfileId,
}

impl AnswerLookUp {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let profile = draft.tables().get(&PROFILES, &self.profile).ok_or_else(|| Refusal::not_found("profile", self.profile))?;
        // Found, or linked, between the question and the answer: the answer is out of date.
        if profile.look_up == LookUp::Pending && profile.link.is_none() && !profile.erased {
            draft.emit(LookUpAnswered { profile: self.profile, look_up: LookUp::Absent });
        }
        Ok(Accepted::Done)
    }
}
