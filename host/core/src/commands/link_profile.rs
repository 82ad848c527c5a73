//! A person's decision that a profile is a contact's.

use crate::commands::Accepted;
use crate::domain::channel::LinkPermission;
use crate::domain::contact::CONTACTS;
use crate::domain::person::{Evidence, LINKS, LawfulBasis, LinkEnded, LinkMade, PROFILES_PER_PERSON_MAX};
use crate::domain::profile::{PROFILES, link_permission};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{ContactId, LinkId, ProfileId};
use crate::matching;
use crate::numbers::Counter;
use crate::refusal::Refusal;

/// Links a profile to a contact because somebody says so. A link to another contact, or on another basis, is ended first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkProfile {
    /// The profile.
    pub profile: ProfileId,
    /// The contact.
    pub contact: ContactId,
    /// Who decides, by token name.
    pub by: String,
    /// Why, without personal content.
    pub reason: String,
    /// Why it is lawful.
    pub basis: LawfulBasis,
}

impl LinkProfile {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let profile = draft.tables().get(&PROFILES, &self.profile).ok_or_else(|| Refusal::not_found("profile", self.profile))?;
        let contact = draft.tables().get(&CONTACTS, &self.contact).ok_or_else(|| Refusal::not_found("contact", self.contact))?;
        if profile.erased || contact.deleted {
            return Err(Refusal::Conflict(format!("profile {} or contact {} no longer exists", self.profile, self.contact)));
        }
        if profile.own {
            return Err(Refusal::Conflict(format!("profile {} is the company's own account; it stands for no contact", self.profile)));
        }
        match link_permission(draft.tables(), &profile.channel) {
            LinkPermission::Evidence => {}
            LinkPermission::Consent if self.basis == LawfulBasis::Consent => {}
            LinkPermission::Consent => {
                return Err(Refusal::Forbidden(format!(
                    "the terms of {} allow linking profile {} only with the person's consent on record (basis \"consent\")",
                    profile.network, self.profile
                )));
            }
            LinkPermission::Forbidden => {
                return Err(Refusal::Forbidden(format!(
                    "the policy of channel {} forbids linking profiles of {} to contacts",
                    profile.channel, profile.network
                )));
            }
        }
        if let Some(present) = profile.link {
            let row = draft.tables().get(&LINKS, &present).filter(|link| link.contact == self.contact);
            if row.as_ref().is_some_and(|link| link.basis == self.basis) {
                return Ok(Accepted::Link(present));
            }
            // Another basis is no word against the contact.
            draft.emit(LinkEnded { link: present, reason: "replaced by a person's decision".to_owned(), refused: row.is_none() });
        }
        if matching::is_full(draft, self.contact) {
            return Err(Refusal::Conflict(format!(
                "contact {} has {PROFILES_PER_PERSON_MAX} profiles already, the most there can be",
                self.contact
            )));
        }
        let link = LinkId(draft.next(Counter::Link));
        draft.emit(LinkMade {
            link,
            profile: self.profile,
            contact: self.contact,
            evidence: Evidence::Decision { by: self.by.clone(), reason: self.reason.clone() },
            probability_thousandths: 1_000,
            basis: self.basis,
        });
        Ok(Accepted::Link(link))
    }
}
