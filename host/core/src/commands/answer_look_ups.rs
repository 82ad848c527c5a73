//! The CRMs have been asked about profiles.

use crate::commands::Accepted;
use crate::domain::profile::{Identified, LookUp, LookUpAnswered, PROFILES};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::ProfileId;
use crate::refusal::Refusal;

/// Records that every CRM was asked about these profiles. What they found came as `TakeContacts` before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerLookUps {
    /// By profile, what was asked about: with anything else on the profile by now, the question stays open.
    pub asked: Vec<(ProfileId, Vec<Identified>)>,
}

impl AnswerLookUps {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        for (id, asked) in &self.asked {
            let profile = draft.tables().get(&PROFILES, id).ok_or_else(|| Refusal::not_found("profile", *id))?;
            if profile.look_up == LookUp::Pending && !profile.erased && profile.identifiers == *asked {
                // Linked between the question and the answer: the question is answered all the same.
                let look_up = if profile.link.is_some() { LookUp::Found } else { LookUp::Absent };
                draft.emit(LookUpAnswered { profile: *id, look_up });
            }
        }
        Ok(Accepted::Done)
    }
}
