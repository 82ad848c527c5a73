//! Which records changed, as an OData service tells it: the whole list once, and from then on what its delta link gives.
//!
//! OData 4.01 Part 1: Protocol, 11.3, and JSON Format, 15. The service keeps count, so nothing is asked for by its moment: behind the last page stands a
//! link to all later changes, and among those are records that were deleted. Where the service has forgotten the link (410), everything is read anew.

use sportello_sdk::crm::ContactPage;
use sportello_sdk::limits::ITEMS_MAX;
use sportello_sdk::{Contact, Context, Error, diagnostics};

use super::Rest;
use super::changes::DETAILS_PER_PAGE_MAX;
use super::cursor::Cursor;
use super::list::{self, List, Page};
use super::look_up::in_full;
use super::odata::{self, Entry};
use super::paging::Place;
use crate::contact::{ContactMapping, limit_raw};
use crate::problem::Problems;
use crate::section::Section;
use crate::settings::Settings;
use crate::template::{Names, Values};
use crate::yaml::{Node, Value};

/// The version of a record that was removed, until it is there again.
const REMOVED: &str = "removed";

/// How a service is asked for changes.
#[derive(Debug, Clone)]
pub(crate) struct Delta {
    list: List,
}

impl Delta {
    /// Whether these changes are followed by a delta link.
    pub(crate) fn is_meant(changes: &Node) -> bool {
        let get = |node: &Node, key: &str| match &node.value {
            Value::Map(entries) => entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node.clone()),
            _ => None,
        };
        let kind = get(changes, "paging").and_then(|paging| get(&paging, "kind"));
        kind.is_some_and(|kind| matches!(kind.value, Value::Scalar { text, .. } if text == "delta-link"))
    }

    pub(crate) fn read(node: &Node, has_detail: bool, problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = list::KEYS.iter().chain(&["entries"]).copied().collect();
        let section = Section::open(node, "`changes` by a delta link", &keys, problems)?;
        let list = List::of_changes(&section, Names { names: &[], record: false }, problems);
        if has_detail && list.as_ref().is_some_and(|list| list.paging().size() > DETAILS_PER_PAGE_MAX) {
            problems.add(
                section.line(),
                format!("with `detail` a page of changes has at most {DETAILS_PER_PAGE_MAX} records; say so with `size` under `paging`"),
            );
        }
        let is_whole = section.word("entries", &[("whole", true), ("partial", false)], false);
        if !is_whole && !has_detail {
            problems.add(
                section.line(),
                "a delta may have only what has changed of a record, so it needs `detail`, which fetches it; or `entries: whole`, if the service always \
                 gives whole ones",
            );
        }
        Some(Self { list: list? })
    }
}

/// One page of changes.
pub(crate) fn page(
    delta: &Delta,
    rest: &Rest,
    mapping: &ContactMapping,
    context: &Context<Settings>,
    cursor: Option<&str>,
) -> Result<ContactPage, Error> {
    let settings = &context.settings;
    let place = cursor.map(Cursor::read).transpose()?.and_then(|cursor| cursor.place);
    // A cursor of pages counted otherwise is from before the mapping said `delta-link`.
    let place = place.filter(|place| matches!(place, Place::Link(_) | Place::Delta(_)));
    let page = match delta.list.page(rest, settings, &Values::default(), place.as_ref()) {
        Ok(Some(page)) => page,
        Ok(None) if place.is_none() => {
            return Err(Error::reject(format!("{}: HTTP 404: there is no list of changes at this `path`", rest.name)));
        }
        Ok(None) => {
            diagnostics::warning!(
                "{}: the link to its changes is gone; everything is read anew, and who was deleted meanwhile stays unknown",
                rest.name
            );
            return Ok(ContactPage::new([], Some(Cursor::new(0).write()?), false));
        }
        Err(refused) => return Err(refused.into_error(rest)),
    };
    let (records, next) = delta.list.read_page(rest, settings, &page, place.as_ref())?;
    let mut contacts = contacts(rest, mapping, settings, &page, &records)?;
    limit_raw(&mut contacts);
    let more = matches!(next, Some(Place::Link(_)));
    let mut cursor = Cursor::new(0);
    cursor.place = next;
    Ok(ContactPage::new(contacts, Some(cursor.write()?), more))
}

fn contacts(
    rest: &Rest,
    mapping: &ContactMapping,
    settings: &Settings,
    page: &Page,
    records: &[&crate::pointer::Json],
) -> Result<Vec<Contact>, Error> {
    let set = odata::set_of_answer(page.document(rest)?);
    let entries: Vec<Entry<'_>> = records.iter().filter_map(|record| Entry::read(record, set.as_deref(), mapping)).collect();
    let max = if rest.detail.is_some() { usize::try_from(DETAILS_PER_PAGE_MAX).unwrap_or(ITEMS_MAX) } else { ITEMS_MAX };
    if entries.len() > max {
        let count = entries.len();
        return Err(Error::reject(format!(
            "{}: a page has {count} changes, at most {max} are taken: it does not do as `Prefer: odata.maxpagesize` says",
            rest.name
        )));
    }
    let (count, mut contacts, mut unusable) = (entries.len(), Vec::new(), 0);
    for entry in entries {
        let found = match entry {
            Entry::Removed(id) => Some(id.map(|id| Contact::new(id, REMOVED).deleted(true))),
            Entry::There { id, record } => in_full(rest, settings, record, id.as_deref(), |record, etag| mapping.contact(record, etag))?,
        };
        match found {
            Some(Some(contact)) => contacts.push(contact),
            Some(None) => {
                unusable += 1;
                diagnostics::warning!("{}: a change without the record's id is left out", rest.name);
            }
            // Gone meanwhile: a later change says so.
            None => {}
        }
    }
    if count > 0 && unusable == count {
        return Err(Error::reject(format!("{}: no change of the page has its record's id at `{}` (`id`)", rest.name, mapping.id_place())));
    }
    Ok(contacts)
}
