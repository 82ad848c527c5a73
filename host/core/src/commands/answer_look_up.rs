//! The CRMs have been asked about a profile and none knew it.

use crate::commands::Accepted;
use crate::domain::profile::{Identified, LookUp, LookUpAnswered, PROFILES};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::ProfileId;
use crate::refusal::Refusal;

/// Records that every CRM was asked about a profile. What they found came as `TakeContacts` before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerLookUp {
    /// The profile.
    pub profile: ProfileId,
    /// What was asked about: with anything else on the profile by now, the question stays open.
    pub asked: Vec<Identified>,
}

impl AnswerLookUp {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let profile = draft.tables().get(&PROFILES, &self.profile).ok_or_else(|| Refusal::not_found("profile", self.profile))?;
        if profile.look_up == LookUp::Pending && !profile.erased && profile.identifiers == self.asked {
            // Linked between the question and the answer: the question is answered all the same.
            let look_up = if profile.link.is_some() { LookUp::Found } else { LookUp::Absent };
            draft.emit(LookUpAnswered { profile: self.profile, look_up });
        }
        Ok(Accepted::Done)
    }
}
