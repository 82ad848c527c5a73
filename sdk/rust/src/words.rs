//! Builders for the contract's records: what is required is an argument, the rest has the value that claims least, and what is only to be
//! read is cut at the contract's limits (see [`crate::limits`]).

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{self, cut};
use crate::{
    Attribute, ByteRange, Change, Contact, ConversationReference, Effect, Error, Identifier, Interaction, Profile, Raw, Receipt,
    Visibility, crm, poll, webhook,
};

impl Attribute {
    /// A named extra. `name` is lower-case words joined by `-`.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: cut(value, limits::ATTRIBUTE_BYTES_MAX) }
    }
}

impl Identifier {
    /// Something that identifies a person exactly: `email`, `phone`, `<network>.id`, `<network>.handle`, `external`.
    #[must_use]
    pub fn new(scheme: impl Into<String>, value: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), value: value.into() }
    }
}

impl Profile {
    /// A profile with the id that never changes on that network.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), handle: None, display_name: None, url: None, identifiers: Vec::new() }
    }

    /// The name people write behind an `@`, or the wiki's user name.
    #[must_use]
    pub fn handle(mut self, handle: impl Into<String>) -> Self {
        self.handle = Some(handle.into());
        self
    }

    /// The name people read.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(cut(name, limits::ID_BYTES_MAX));
        self
    }

    /// Where the profile can be seen, an absolute URL.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = limits::url(url);
        self
    }

    /// A further identifier the person gave the platform to pass on.
    #[must_use]
    pub fn identifier(mut self, scheme: impl Into<String>, value: impl Into<String>) -> Self {
        self.identifiers.push(Identifier::new(scheme, value));
        self
    }
}

impl ConversationReference {
    /// A thread, by a key of the connector's choice (at most 512 bytes) that is enough for it to answer there later.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), title: None, url: None }
    }
}

impl Interaction {
    /// Something new, seen by everyone, by nobody known. `kind` is a word of the contract (`comment`, `direct-message`, …), `occurred_at`
    /// RFC 3339 in UTC (see [`crate::time`]).
    #[must_use]
    pub fn new(
        native_id: impl Into<String>,
        kind: impl Into<String>,
        occurred_at: impl Into<String>,
        conversation_key: impl Into<String>,
    ) -> Self {
        Self {
            native_id: native_id.into(),
            revision: String::new(),
            change: Change::Created,
            kind: kind.into(),
            occurred_at: occurred_at.into(),
            author: None,
            own: false,
            conversation: ConversationReference::new(conversation_key),
            in_reply_to: None,
            text: None,
            language: None,
            visibility: Visibility::Everyone,
            attributes: Vec::new(),
            raw: None,
        }
    }

    /// The thing's words changed; `revision` tells this version from the others.
    #[must_use]
    pub fn edited(mut self, revision: impl Into<String>) -> Self {
        self.change = Change::Edited;
        self.revision = revision.into();
        self
    }

    /// The thing is gone; `revision` is `deleted` unless the platform can restore and delete again.
    #[must_use]
    pub fn deleted(mut self, revision: impl Into<String>) -> Self {
        self.change = Change::Deleted;
        self.revision = revision.into();
        self
    }

    /// Who did it.
    #[must_use]
    pub fn author(mut self, author: Profile) -> Self {
        self.author = Some(author);
        self
    }

    /// Whether the company's own account did it.
    #[must_use]
    pub fn own(mut self, own: bool) -> Self {
        self.own = own;
        self
    }

    /// The title of the thread.
    #[must_use]
    pub fn conversation_title(mut self, title: impl Into<String>) -> Self {
        self.conversation.title = Some(cut(title, limits::ID_BYTES_MAX));
        self
    }

    /// Where the thread can be seen.
    #[must_use]
    pub fn conversation_url(mut self, url: impl Into<String>) -> Self {
        self.conversation.url = limits::url(url);
        self
    }

    /// The native id of what it answers.
    #[must_use]
    pub fn in_reply_to(mut self, native_id: impl Into<String>) -> Self {
        self.in_reply_to = Some(native_id.into());
        self
    }

    /// What was said. Cut at 64 KiB.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(cut(text, limits::TEXT_BYTES_MAX));
        self
    }

    /// BCP 47, only where the platform says so.
    #[must_use]
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// Only the participants of the thread can see it.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.visibility = Visibility::Participants;
        self
    }

    /// The key of the effect that brought it about, as it stands in the thing itself: evidence that the effect took place. Believed only of what
    /// is own.
    #[must_use]
    pub fn effect_key(self, key: impl Into<String>) -> Self {
        self.attribute("effect-key", key)
    }

    /// A named extra that has no field of its own.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute::new(name, value));
        self
    }

    /// The platform's own words: `part`, which was borrowed from the delivery's `body` (a `RawValue`'s text, mostly). Costs nothing. A part that
    /// was not is left out: the host would refuse the whole answer.
    #[must_use]
    pub fn raw_part(self, body: &[u8], part: &str) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(body.as_ptr().addr());
        let is_inside = start.checked_add(part.len()).is_some_and(|end| end <= body.len());
        if is_inside { self.raw_input(start, part.len()) } else { self }
    }

    /// The platform's own words, as a range of the call's input. A range that does not fit 32 bits is left out: no input is that large.
    #[must_use]
    pub fn raw_input(mut self, start: usize, length: usize) -> Self {
        if let (Ok(start), Ok(length)) = (u32::try_from(start), u32::try_from(length)) {
            self.raw = Some(Raw::Input(ByteRange { start, length }));
        }
        self
    }

    /// The platform's own words, fetched by the connector: at most 64 KiB.
    #[must_use]
    pub fn raw_text(mut self, text: impl Into<String>) -> Self {
        self.raw = Some(Raw::Text(cut(text, limits::RAW_TEXT_BYTES_MAX)));
        self
    }
}

impl Contact {
    /// A record of the CRM; the same `id` and `version` is the same content.
    #[must_use]
    pub fn new(id: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            version: version.into(),
            display_name: None,
            identifiers: Vec::new(),
            deleted: false,
            attributes: Vec::new(),
            raw: None,
        }
    }

    /// The name people read.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(cut(name, limits::ID_BYTES_MAX));
        self
    }

    /// Something in the record that identifies the person.
    #[must_use]
    pub fn identifier(mut self, scheme: impl Into<String>, value: impl Into<String>) -> Self {
        self.identifiers.push(Identifier::new(scheme, value));
        self
    }

    /// Whether the record was deleted or made inactive.
    #[must_use]
    pub fn deleted(mut self, deleted: bool) -> Self {
        self.deleted = deleted;
        self
    }

    /// A named extra that has no field of its own.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute::new(name, value));
        self
    }

    /// The record as the CRM gave it: at most 64 KiB.
    #[must_use]
    pub fn raw_text(mut self, text: impl Into<String>) -> Self {
        self.raw = Some(Raw::Text(cut(text, limits::RAW_TEXT_BYTES_MAX)));
        self
    }
}

impl Effect {
    /// The key of the conversation a `reply` goes to.
    ///
    /// # Errors
    /// [`Error::reject`] where the effect has none.
    pub fn conversation_key(&self) -> Result<&str, Error> {
        match &self.conversation {
            Some(conversation) => Ok(&conversation.key),
            None => Err(Error::reject(format!("effect {} (`{}`) names no conversation", self.key, self.action))),
        }
    }

    /// The CRM's id of the contact an `activity` is about.
    ///
    /// # Errors
    /// [`Error::reject`] where the effect has none.
    pub fn contact_id(&self) -> Result<&str, Error> {
        match &self.contact {
            Some(contact) => Ok(contact),
            None => Err(Error::reject(format!("effect {} (`{}`) names no contact", self.key, self.action))),
        }
    }

    /// The value of the attribute called `name`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
    }

    /// What to answer to an action the connector does not have.
    #[must_use]
    pub fn unknown_action(&self) -> Error {
        Error::reject(format!("effect {}: this connector has no action `{}`", self.key, self.action))
    }
}

impl Receipt {
    /// Proof: the platform's id of what came to be.
    #[must_use]
    pub fn new(native_id: impl Into<String>) -> Self {
        Self { native_id: native_id.into(), url: None, at: None }
    }

    /// Where it can be seen.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = limits::url(url);
        self
    }

    /// When it came to be, RFC 3339 in UTC.
    #[must_use]
    pub fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }
}

impl webhook::Request {
    /// A challenge, for tests.
    #[must_use]
    pub fn get<N: Into<String>, V: Into<String>>(query: impl IntoIterator<Item = (N, V)>) -> Self {
        let query = query.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { method: "GET".into(), query, headers: Vec::new(), body: Vec::new() }
    }

    /// A delivery, for tests.
    #[must_use]
    pub fn post(body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".into(), query: Vec::new(), headers: Vec::new(), body: body.into() }
    }

    /// The first query parameter of this name.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    /// The body as a JSON document of this type.
    ///
    /// # Errors
    /// [`Error::reject`] with the place of the mistake: the delivery is parked and can be replayed.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::reject(format!("the delivery is not the JSON expected: {error}")))
    }
}

impl webhook::Outcome {
    /// These interactions, and the platform is answered 200 with an empty body once they are durable.
    #[must_use]
    pub fn new(interactions: impl IntoIterator<Item = Interaction>) -> Self {
        Self { interactions: interactions.into_iter().collect(), deletion_requests: Vec::new(), response: None }
    }

    /// Nothing happened but an answer: challenges.
    #[must_use]
    pub fn answer(response: webhook::Response) -> Self {
        Self { interactions: Vec::new(), deletion_requests: Vec::new(), response: Some(response) }
    }

    /// Somebody had the platform ask that what is kept of this profile (its id on the network) be deleted. `confirmation` is the code under which
    /// the host tells what became of it: 16 to 64 of `[a-z0-9]`, unguessable, the same for the same person.
    #[must_use]
    pub fn deletion_request(mut self, profile: impl Into<String>, confirmation: impl Into<String>) -> Self {
        self.deletion_requests.push(webhook::DeletionRequest { profile: profile.into(), confirmation: confirmation.into() });
        self
    }
}

impl webhook::Response {
    /// An answer of type `text/plain`.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: "text/plain".into(), body: body.into() }
    }

    /// An answer of type `application/json`.
    ///
    /// # Errors
    /// [`Error::reject`] where `value` can't be written as JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(|error| Error::reject(format!("the answer can't be written as JSON: {error}")))?;
        Ok(Self { status, content_type: "application/json".into(), body })
    }
}

impl poll::Page {
    /// What a poll found, where the next one goes on, and whether there is more right now.
    #[must_use]
    pub fn new(interactions: impl IntoIterator<Item = Interaction>, cursor: Option<String>, more: bool) -> Self {
        Self { interactions: interactions.into_iter().collect(), cursor, more }
    }
}

impl crm::ContactPage {
    /// What changed, where the next look goes on, and whether there is more right now.
    #[must_use]
    pub fn new(contacts: impl IntoIterator<Item = Contact>, cursor: Option<String>, more: bool) -> Self {
        Self { contacts: contacts.into_iter().collect(), cursor, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_was_not_borrowed_from_the_body_is_left_out() {
        let raw = |body: &[u8], part: &str| Interaction::new("1", "comment", "2026-11-26T10:00:00Z", "thread").raw_part(body, part).raw;
        let text = "{\"a\":1}, and more";
        let (body, rest) = text.split_at(7);
        assert!(matches!(raw(body.as_bytes(), &body[5..]), Some(Raw::Input(ByteRange { start: 5, length: 2 }))));
        for part in [rest, &text[5..9], "elsewhere"] {
            assert!(raw(body.as_bytes(), part).is_none(), "{part}");
        }
    }
}
