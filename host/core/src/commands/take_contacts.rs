//! Taking in contacts a CRM told of, and recognising people by them.

use crate::commands::Accepted;
use crate::domain::channel::{CHANNELS, CURSORS, CursorMoved, Source};
use crate::domain::contact::{CONTACTS, ContactSeen};
use crate::domain::person::{Origin, PersonAppeared};
use crate::domain::profile::{Identified, PROFILES_OF_IDENTIFIER};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{ChannelName, ContactId, PersonId};
use crate::matching;
use crate::numbers::Counter;
use crate::refusal::Refusal;

/// Takes in the answer of a look-up or a page of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeContacts {
    /// The crm channel.
    pub channel: ChannelName,
    /// The contacts.
    pub contacts: Vec<ContactNews>,
    /// Where `changes` goes on; None: it was a look-up.
    pub cursor: Option<Option<String>>,
}

/// A contact as the CRM has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactNews {
    /// The contact.
    pub contact: ContactId,
    /// Hash of the record's version and of the mapping that read it.
    pub version: [u8; 16],
    /// The record, sealed under the contact's slot.
    pub sealed: Vec<u8>,
    /// Its identifiers.
    pub identifiers: Vec<Identified>,
    /// Whether the CRM has deleted it.
    pub deleted: bool,
}

impl TakeContacts {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        if !draft.tables().contains(&CHANNELS, &self.channel) {
            return Err(Refusal::not_found("channel", &self.channel));
        }
        let mut new = 0;
        let mut duplicates = 0;
        for news in &self.contacts {
            let known = draft.tables().get(&CONTACTS, &news.contact);
            if known.as_ref().is_some_and(|contact| contact.erased) {
                // Resolved before its slot was overwritten: nobody could read what would be kept, and it would be found again.
                duplicates += 1;
                continue;
            }
            if known.as_ref().is_some_and(|contact| contact.version == news.version && contact.deleted == news.deleted) {
                duplicates += 1;
                continue;
            }
            new += 1;
            let person = known.as_ref().map_or_else(|| PersonId(draft.next(Counter::Person)), |contact| contact.person);
            if known.is_none() {
                draft.emit(PersonAppeared { person, origin: Origin::Contact(news.contact) });
            }
            draft.emit(ContactSeen {
                contact: news.contact,
                channel: self.channel.clone(),
                version: news.version,
                sealed: news.sealed.clone(),
                identifiers: news.identifiers.clone(),
                person,
                deleted: news.deleted,
            });
            matching::end_stale_links(draft, news.contact);
            for identified in &news.identifiers {
                for profile in draft.tables().get(&PROFILES_OF_IDENTIFIER, &identified.identifier).unwrap_or_default() {
                    matching::link_by_evidence(draft, profile);
                }
            }
        }
        if let Some(cursor) = &self.cursor {
            let stored = draft.tables().get(&CURSORS, &(self.channel.clone(), Source::Changes.code()));
            if stored != *cursor {
                draft.emit(CursorMoved { channel: self.channel.clone(), source: Source::Changes, cursor: cursor.clone() });
            }
        }
        Ok(Accepted::Ingested { new, duplicates })
    }
}
