//! Which records carry an identifier.

use sportello_sdk::limits::ITEMS_MAX;
use sportello_sdk::{Contact, Context, Error, Identifier};

use super::Rest;
use super::list::Refused;
use crate::contact::{ContactMapping, is_same, limit_raw};
use crate::pointer::Json;
use crate::settings::Settings;
use crate::template::Values;

/// Pages of one look-up. An identifier that so many records carry identifies nobody.
const PAGES_MAX: usize = 10;
/// Records of one look-up that are fetched one by one: a call has 64 requests.
const DETAILS_MAX: usize = 50;

/// All contacts that carry the identifier exactly, whatever else the system's search gives.
pub(crate) fn contacts(
    rest: &Rest,
    mapping: &ContactMapping,
    context: &Context<Settings>,
    identifier: &Identifier,
) -> Result<Vec<Contact>, Error> {
    let value = identifier.value.trim();
    let Some((_, list)) = rest.look_ups.iter().find(|(scheme, _)| *scheme == identifier.scheme) else { return Ok(Vec::new()) };
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let settings = &context.settings;
    let values = Values::new([("value", value)]);
    let mut found: Vec<Contact> = Vec::new();
    let (mut place, mut details) = (None, 0);
    let too_many = |what: &str| Error::reject(format!("{}: the look-up by `{}` finds more than {what}", rest.name, identifier.scheme));
    for _ in 0..PAGES_MAX {
        let page = match list.page(rest, settings, &values, place.as_ref()) {
            Ok(Some(page)) => page,
            // Nothing is there, or a value that the system's identifiers cannot have.
            Ok(None) | Err(Refused::Unfit(_)) => break,
            Err(Refused::Error(error)) => return Err(error),
        };
        let (records, next) = list.read_page(rest, settings, &page, place.as_ref())?;
        details += records.len();
        if rest.detail.is_some() && details > DETAILS_MAX {
            return Err(too_many(&format!("{DETAILS_MAX} records")));
        }
        for record in records {
            let Some(contact) =
                in_full(rest, settings, record, mapping.id(record).as_deref(), |record, etag| mapping.contact(record, etag))?
            else {
                continue;
            };
            let Some(contact) = contact else {
                return Err(Error::reject(format!("{}: a record found has no id at `{}` (`id`)", rest.name, mapping.id_place())));
            };
            let carries =
                contact.identifiers.iter().any(|held| held.scheme == identifier.scheme && is_same(&held.scheme, &held.value, value));
            if carries && !found.iter().any(|known| known.id == contact.id) {
                found.push(contact);
            }
        }
        place = next;
        if place.is_none() {
            break;
        }
    }
    if place.is_some() || found.len() > ITEMS_MAX {
        return Err(too_many(&format!("{PAGES_MAX} pages or {ITEMS_MAX} contacts")));
    }
    limit_raw(&mut found);
    Ok(found)
}

/// Reads a record of a list in full, where the mapping says that it must be fetched; None where it is gone meanwhile.
pub(crate) fn in_full<T>(
    rest: &Rest,
    settings: &Settings,
    record: &Json,
    id: Option<&str>,
    read: impl FnOnce(&Json, Option<&str>) -> T,
) -> Result<Option<T>, Error> {
    let Some(detail) = &rest.detail else { return Ok(Some(read(record, None))) };
    let Some(full) = detail.fetch(rest, settings, &Values::new(id.map(|id| ("id", id))).record(record))? else { return Ok(None) };
    let record = detail.record(rest, &full)?;
    Ok(Some(read(record, full.etag())))
}
