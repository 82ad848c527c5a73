//! Forgetting somebody because the platform passes on that they ask for it. They are known by a profile only, so that is what goes: a contact it
//! was linked to is the company's own knowledge, and stays until somebody erases the person.

use crate::commands::Accepted;
use crate::commands::erase_person::forget_profile;
use crate::domain::channel::CHANNELS;
use crate::domain::deletion::{DELETION_REQUESTS, DeletionRequested};
use crate::domain::profile::PROFILES;
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{ChannelName, Fingerprint, ProfileId};
use crate::refusal::Refusal;

/// Forgets profiles and notes that it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestDeletions {
    /// The channel the requests came by.
    pub channel: ChannelName,
    /// Whose, and what each is found by.
    pub requests: Vec<RequestedDeletion>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedDeletion {
    /// The keyed hash of channel and code.
    pub confirmation: Fingerprint,
    /// Whose data; None: nobody of that id was ever seen.
    pub profile: Option<ProfileId>,
}

impl RequestDeletions {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        if !draft.tables().contains(&CHANNELS, &self.channel) {
            return Err(Refusal::not_found("channel", &self.channel));
        }
        for request in &self.requests {
            let known = request.profile.and_then(|profile| Some((profile, draft.tables().get(&PROFILES, &profile)?)));
            let is_kept = known.as_ref().is_some_and(|(_, row)| !row.erased);
            // Told again: what the first request began is what is to be seen, also while it lasts.
            if !is_kept && draft.tables().contains(&DELETION_REQUESTS, &request.confirmation) {
                continue;
            }
            draft.emit(DeletionRequested {
                channel: self.channel.clone(),
                confirmation: request.confirmation,
                profile: known.as_ref().map(|(profile, _)| *profile),
            });
            // Somebody who is being erased already, and can still be found, is erased once more: so the request is done when that is.
            if let Some((profile, row)) = known {
                forget_profile(draft, profile, &row, format!("channel:{}", self.channel));
            }
        }
        Ok(Accepted::Done)
    }
}
