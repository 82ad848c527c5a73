//! A note on a contact's record, and looking whether it is there.

use sportello_sdk::find::Presence;
use sportello_sdk::{Context, Effect, Error, Receipt};

use super::Rest;
use super::answer::{self, Purpose, send};
use super::find::Find;
use super::list::Detail;
use super::receipt::ReceiptMapping;
use super::request::{self, Request};
use crate::problem::Problems;
use crate::section::Section;
use crate::settings::Settings;
use crate::template::{Names, Values};
use crate::yaml::Node;

/// What an activity's slots may be.
const SLOTS: [&str; 5] = ["contact", "subject", "text", "key", "queued-at"];

/// How a note is written and found.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    /// Reads the contact's record first: that it is there, and what the note needs of it.
    contact: Option<Detail>,
    request: Request,
    receipt: ReceiptMapping,
    find: Option<Find>,
}

impl Activity {
    pub(crate) fn read(node: &Node, problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = request::KEYS.iter().chain(&["contact", "receipt", "find"]).copied().collect();
        let section = Section::open(node, "`activity`", &keys, problems)?;
        let contact = section.get("contact").map(|node| Detail::of_contact(node, "`contact` of the activity", problems));
        let names = Names { names: &SLOTS, record: contact.is_some() };
        let request = Request::read(&section, &request::WRITING, names, problems);
        if let Some(request) = &request {
            if !request.has("text") {
                problems.add(section.line(), "`activity` has no `{text}`: it would write a note without words");
            }
            if section.get("find").is_some() && !request.has("key") {
                problems.add(section.line(), "`activity` has no `{key}`: `find` could not tell one note from another");
            }
        }
        let receipt = section.need("receipt").and_then(|node| ReceiptMapping::read(node, true, problems));
        let find = super::flat(section.get("find").map(|node| Find::read(node, &["contact", "key", "queued-at"], problems)));
        Some(Self { contact: super::flat(contact)?, request: request?, receipt: receipt?, find: find? })
    }
}

/// Writes the note.
pub(crate) fn write(rest: &Rest, context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    let settings = &context.settings;
    let activity = rest.activity.as_ref().ok_or_else(|| no_activity(rest))?;
    let mut values = values(effect)?;
    let full = match &activity.contact {
        Some(contact) => Some(
            contact
                .fetch(rest, settings, &values)?
                .ok_or_else(|| Error::reject(format!("effect {}: {} has no such contact (any more)", effect.key, rest.name)))?,
        ),
        None => None,
    };
    if let Some((detail, full)) = activity.contact.as_ref().zip(full.as_ref()) {
        values = values.record(detail.record(rest, full)?);
    }
    let request = activity.request.fill(rest, settings, &values).map_err(|unfit| answer::unfit(rest, &unfit))?;
    let response = send(rest, Purpose::Write, request)?;
    let receipt = response.as_ref().and_then(|response| activity.receipt.of_answer(response));
    receipt.ok_or_else(|| {
        Error::uncertain(format!("effect {}: {} took the note and does not say where it is (`receipt`)", effect.key, rest.name))
    })
}

/// Looks for the note.
pub(crate) fn find(rest: &Rest, context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    let activity = rest.activity.as_ref().ok_or_else(|| no_activity(rest))?;
    let Some(find) = &activity.find else { return Ok(Presence::CannotTell) };
    find.look(rest, context, effect, &values(effect)?)
}

fn no_activity(rest: &Rest) -> Error {
    Error::reject(format!("the mapping for {} says nothing of an `activity`", rest.name))
}

fn values(effect: &Effect) -> Result<Values<'_>, Error> {
    Ok(Values::new([
        ("contact", effect.contact_id()?),
        ("subject", effect.subject.as_deref().unwrap_or_default()),
        ("text", &effect.text),
        ("key", &effect.key),
        ("queued-at", &effect.queued_at),
    ]))
}
