//! A note on a contact's record, and looking whether it is there.

use sportello_sdk::find::Presence;
use sportello_sdk::http::Response;
use sportello_sdk::{Context, Effect, Error, Receipt};

use super::Rest;
use super::answer::{self, Purpose, send};
use super::list::{self, Detail, List};
use super::request::{self, Request};
use crate::cast::Cast;
use crate::field::{Field, read_pointer};
use crate::moment::Format;
use crate::pointer::{self, Json, Pointer};
use crate::problem::Problems;
use crate::section::{Section, texts};
use crate::settings::Settings;
use crate::template::{Names, Values};
use crate::yaml::{Node, Value};

/// Pages a look for a note goes through before it says that it cannot tell.
const FIND_PAGES_MAX: usize = 10;
/// Records a look fetches one by one before it says so.
const FIND_DETAILS_MAX: usize = 40;

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

/// Where the proof of a note stands.
#[derive(Debug, Clone)]
struct ReceiptMapping {
    id: Id,
    url: Option<Pointer>,
    at: Option<Field>,
}

#[derive(Debug, Clone)]
enum Id {
    At(Pointer),
    /// The last step of the `Location` header.
    Location,
}

/// How a note is looked for.
#[derive(Debug, Clone)]
struct Find {
    list: List,
    /// Where the key may stand.
    text: Vec<Pointer>,
    receipt: ReceiptMapping,
    detail: Option<Detail>,
}

impl Activity {
    pub(crate) fn read(node: &Node, problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = request::KEYS.iter().chain(&["contact", "receipt", "find"]).copied().collect();
        let section = Section::open(node, "`activity`", &keys, problems)?;
        let contact = section.get("contact").map(|node| {
            let keys: Vec<&str> = request::KEYS.iter().chain(&["record"]).copied().collect();
            let section = Section::open(node, "`contact` of the activity", &keys, problems)?;
            Detail::read_section(&section, Names { names: &["contact"], record: false }, problems)
        });
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
        let find = super::flat(section.get("find").map(|node| Find::read(node, problems)));
        Some(Self { contact: super::flat(contact)?, request: request?, receipt: receipt?, find: find? })
    }
}

impl ReceiptMapping {
    fn read(node: &Node, of_answer: bool, problems: &Problems) -> Option<Self> {
        let section = Section::open(node, "`receipt`", &["id", "url", "at"], problems)?;
        let url = section.get("url").map(|node| list::whole_or_pointer(node, "`url`", problems));
        let at = section.get("at").map(|node| Field::read(node, "`at`", Cast::Date(Format::Rfc3339), problems));
        if let Some((Some(field), node)) = at.as_ref().zip(section.get("at"))
            && !field.is_date()
        {
            problems.add(node.line, "`at` of a receipt is a `cast: date`");
        }
        let node = section.need("id")?;
        let id = match &node.value {
            Value::Scalar { text, .. } if text == "location" && of_answer => Id::Location,
            _ => Id::At(list::whole_or_pointer(node, "`id` of a receipt", problems)?),
        };
        Some(Self { id, url: super::flat(url)?, at: super::flat(at)? })
    }

    fn receipt(&self, record: Option<&Json>, location: Option<&str>) -> Option<Receipt> {
        let id = match &self.id {
            Id::At(pointer) => pointer.text(record?)?.into_owned(),
            Id::Location => location?.trim_end_matches('/').rsplit('/').next()?.to_owned(),
        };
        let url = record.and_then(|record| self.url.as_ref()?.text(record));
        let at = record.and_then(|record| self.at.as_ref()?.values(record).first());
        let receipt = (!id.is_empty()).then(|| Receipt::new(id))?;
        let receipt = url.into_iter().fold(receipt, |receipt, url| receipt.url(url));
        Some(at.into_iter().fold(receipt, Receipt::at))
    }
}

impl Find {
    fn read(node: &Node, problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = list::KEYS.iter().chain(&["text", "receipt", "detail"]).copied().collect();
        let section = Section::open(node, "`find`", &keys, problems)?;
        let list = List::read(&section, Names { names: &["contact", "key", "queued-at"], record: false }, problems);
        let text = section.need("text").map_or_else(Vec::new, |node| texts(node, "`text`", problems));
        let text = text.into_iter().filter_map(|(text, line)| read_pointer(text, "`text`", line, problems)).collect();
        let detail = super::flat(section.get("detail").map(|node| Detail::read(node, problems)));
        let receipt = section.need("receipt").and_then(|node| ReceiptMapping::read(node, false, problems));
        Some(Self { list: list?, text, receipt: receipt?, detail: detail? })
    }

    fn has_key(&self, record: &Json, key: &str) -> bool {
        self.text.iter().flat_map(|pointer| pointer.all(record)).filter_map(pointer::text).any(|text| has_whole(&text, key))
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
    let receipt = response.as_ref().and_then(|response| receipt_of(&activity.receipt, response));
    receipt.ok_or_else(|| {
        Error::uncertain(format!("effect {}: {} took the note and does not say where it is (`receipt`)", effect.key, rest.name))
    })
}

fn receipt_of(mapping: &ReceiptMapping, response: &Response) -> Option<Receipt> {
    mapping.receipt(pointer::whole(&response.body).ok(), response.header("location"))
}

/// Looks for the note.
pub(crate) fn find(rest: &Rest, context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    let settings = &context.settings;
    let activity = rest.activity.as_ref().ok_or_else(|| no_activity(rest))?;
    let Some(find) = &activity.find else { return Ok(Presence::CannotTell) };
    let values = values(effect)?;
    let (mut place, mut details) = (None, 0);
    for _ in 0..FIND_PAGES_MAX {
        let page = find.list.page(rest, settings, &values, place.as_ref()).map_err(|refused| refused.into_error(rest))?;
        // No list: there is no note. But a later page that is gone may have had it.
        let Some(page) = page else { return Ok(if place.is_some() { Presence::CannotTell } else { Presence::Absent }) };
        let (records, next) = find.list.read_page(rest, settings, &page, place.as_ref())?;
        for record in records {
            let present = |record: &Json| find.has_key(record, &effect.key);
            let mut found = present(record);
            if let Some(detail) = find.detail.as_ref().filter(|_| !found) {
                details += 1;
                if details > FIND_DETAILS_MAX {
                    return Ok(Presence::CannotTell);
                }
                let full = detail.fetch(rest, settings, &Values::default().record(record))?;
                found = full.as_ref().map(|full| detail.record(rest, full).map(present)).transpose()?.unwrap_or(false);
            }
            if found {
                let receipt = find.receipt.receipt(Some(record), None);
                return receipt
                    .map(Presence::Present)
                    .ok_or_else(|| Error::reject(format!("effect {}: the note is there, and has no id where `receipt` says", effect.key)));
            }
        }
        place = next;
        if place.is_none() {
            return Ok(Presence::Absent);
        }
    }
    Ok(Presence::CannotTell)
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

/// Whether a text has the key as a whole word: a key may be the beginning of another one.
fn has_whole(text: &str, key: &str) -> bool {
    let is_of_a_key = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    text.match_indices(key)
        .any(|(at, _)| !text[..at].ends_with(is_of_a_key) && !text[at + key.len()..].starts_with(is_of_a_key) && !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_as_a_whole_word_only() {
        assert!(
            has_whole("x (sportello run-1-1)", "run-1-1") && has_whole("run-1-1", "run-1-1") && has_whole("run-1-12 run-1-1.", "run-1-1")
        );
        for other in ["run-1-12", "a-run-1-1", "run-1-1-2", "xrun-1-1", ""] {
            assert!(!has_whole(other, "run-1-1"), "{other}");
        }
    }
}
