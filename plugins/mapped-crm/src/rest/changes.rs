//! Which records changed since a cursor.
//!
//! A list is asked for what changed at a moment or later, and walked page by page, one page a call. Behind its end the next walk begins the
//! overlap before the newest record: stamps are whole seconds, and rows of a long transaction show late. What was read in the overlap is known by
//! id and version, and not told again.
//!
//! Where the list is in order of time and its pages are counted, a walk does not count on through a list that changes under it: whoever is edited
//! moves to the end, and everybody behind moves one place forward, over the border of a page. It begins a new list behind the newest record
//! instead, and turns pages only among records of one second.
//!
//! A system that cannot be asked for a moment may still list the newest first: then a walk ends at the first record it knows to be read. Who is
//! edited meanwhile moves to the beginning, and is seen by the next walk.
//!
//! A record that is *removed* during a walk by counted pages moves those behind it forward, over the border of a page: where the list is not in order
//! of time, the one that moves over it is not seen before its next change.
//!
//! A page by number that answers 404 may be the end, as some systems say it behind a full last page, or a system in trouble. In order of time nothing
//! is lost by taking it for the end: what was not read is newer. In any other order it is believed where it is met twice. The first time the list is
//! begun anew with the next poll, from where it was begun before; if all pages are there but the same one, it is the end. So the list of a system that
//! answers so for ever is read twice, and what was not read while one is in trouble is read once the trouble is over: it has to hit the same page of
//! two walks, and no other, to hide anybody.
//!
//! Where records are fetched in full, each may have been changed again since the list was made, behind others that the list does not have: so the newest
//! moment is that of the list, where it tells moments. Where it does not, who is changed in those seconds while somebody else is must wait for the next change.
//!
//! An OData service that follows its changes itself is asked otherwise: `delta.rs`.

use sportello_sdk::crm::ContactPage;
use sportello_sdk::limits::ITEMS_MAX;
use sportello_sdk::{Context, Error, diagnostics, time};

use super::Rest;
use super::cursor::Cursor;
use super::delta;
use super::list::{self, List, Refused};
use super::look_up::in_full;
use super::paging::Place;
use crate::cast::{Cast, format};
use crate::contact::{ContactMapping, limit_raw};
use crate::field::Field;
use crate::hash::hash;
use crate::moment::Format;
use crate::pointer::in_order;
use crate::problem::Problems;
use crate::section::{Section, word};
use crate::settings::Settings;
use crate::template::{Names, Values};
use crate::yaml::Node;

/// How far a system's clock may be from ours. A stamp further in the future would hide everything before it.
const CLOCK_SKEW_MS: i64 = 300_000;
/// The finest step back: stamps may be whole seconds, and a system may understand `since` as `later than`.
const STEP_BACK_MS: i64 = 1000;
/// Records of a page that are fetched one by one: a call has 64 requests.
pub(crate) const DETAILS_PER_PAGE_MAX: u64 = 50;

/// How changes are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    list: List,
    changed_at: Field,
    since: Format,
    overlap_ms: i64,
    from_now: bool,
    order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
    Unknown,
}

const ORDERS: [(&str, Order); 3] = [("oldest-first", Order::OldestFirst), ("newest-first", Order::NewestFirst), ("none", Order::Unknown)];

impl Changes {
    pub(crate) fn read(node: &Node, has_detail: bool, problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = list::KEYS.iter().chain(&["changed-at", "since", "order"]).copied().collect();
        let section = Section::open(node, "`changes`", &keys, problems)?;
        let list = List::read(&section, Names { names: &["since"], record: false }, problems);
        if has_detail && list.as_ref().is_some_and(|list| list.paging().size() > DETAILS_PER_PAGE_MAX) {
            problems.add(
                section.line(),
                format!("with `detail` a page of changes has at most {DETAILS_PER_PAGE_MAX} records; say so with `size` under `paging`"),
            );
        }
        let changed_at =
            section.need("changed-at").and_then(|node| Field::read(node, "`changed-at`", Cast::Date(Format::Rfc3339), problems));
        if changed_at.as_ref().is_some_and(|field| !field.is_date()) {
            problems.add(section.line(), "`changed-at` is a `cast: date`");
        }
        let order = section.need("order").and_then(|node| word(node, "`order`", &ORDERS, problems));
        if list.as_ref().is_some_and(|list| !list.has("since")) && order.is_some_and(|order| order != Order::NewestFirst) {
            problems
                .add(section.line(), "`changes` has no `{since}`: it would read everybody each time, unless its `order` is newest-first");
        }
        let since = section.need("since");
        let since = since.and_then(|node| Section::open(node, "`since`", &["format", "offset", "overlap-seconds", "start"], problems))?;
        Some(Self {
            list: list?,
            changed_at: changed_at?,
            since: format(&since, problems),
            overlap_ms: i64::from(since.number("overlap-seconds", 1, 86_400, 60)) * 1000,
            from_now: since.word("start", &[("beginning", false), ("now", true)], false),
            order: order?,
        })
    }

    fn first(&self, now: i64) -> Cursor {
        if self.from_now { Cursor::new(now - CLOCK_SKEW_MS) } else { Cursor::new(0) }
    }
}

/// One page of changes.
pub(crate) fn page(
    rest: &Rest,
    mapping: &ContactMapping,
    context: &Context<Settings>,
    cursor: Option<String>,
) -> Result<ContactPage, Error> {
    if let Some(delta) = &rest.delta {
        return delta::page(delta, rest, mapping, context, cursor.as_deref());
    }
    let Some(changes) = &rest.changes else { return Ok(ContactPage::new([], cursor, false)) };
    let now = time::milliseconds(&context.now).ok_or_else(|| Error::reject(format!("the call's time {} is none", context.now)))?;
    let mut cursor = match &cursor {
        Some(text) => Cursor::read(text)?,
        None => changes.first(now),
    };
    let since = changes.since.write(cursor.since);
    let values = Values::new([("since", since.as_str())]);
    let page = match changes.list.page(rest, &context.settings, &values, cursor.place.as_ref()) {
        Ok(Some(page)) => page,
        Ok(None) if cursor.place.is_none() => {
            return Err(Error::reject(format!("{}: HTTP 404: there is no list of changes at this `path`", rest.name)));
        }
        // A link or cursor of the system's own has its time; ours goes on without it.
        Ok(None) | Err(Refused::Error(Error::Reject(_))) if is_of_the_system(cursor.place.as_ref()) => {
            diagnostics::warning!("{}: the next page is gone; the list is begun anew", rest.name);
            cursor.place = None;
            return Ok(ContactPage::new([], Some(cursor.write()?), false));
        }
        Ok(None) if changes.order != Order::OldestFirst && cursor.gone != cursor.place => {
            diagnostics::warning!("{}: HTTP 404 for the next page; the list is begun anew to see whether it ends there", rest.name);
            cursor.gone = cursor.place.take();
            return Ok(ContactPage::new([], Some(cursor.write()?), false));
        }
        Ok(None) => return end(changes, cursor, Vec::new()),
        Err(refused) => return Err(refused.into_error(rest)),
    };
    let (records, next) = changes.list.read_page(rest, &context.settings, &page, cursor.place.as_ref())?;
    let mut reader = Reader {
        rest,
        mapping,
        changes,
        settings: &context.settings,
        now,
        // As the system understood it: it may write days only.
        asked_for: changes.since.parse(&since).unwrap_or(cursor.since),
        cursor: &mut cursor,
        contacts: Vec::new(),
        older: 0,
        unusable: 0,
    };
    for record in &records {
        if reader.contacts.len() == ITEMS_MAX {
            break;
        }
        reader.record(record)?;
    }
    let is_cut = reader.contacts.len() == ITEMS_MAX;
    let Reader { mut contacts, older, unusable, .. } = reader;
    if unusable > 0 && unusable == records.len() {
        let (id, at) = (mapping.id_place(), changes.changed_at.place());
        return Err(Error::reject(format!(
            "{}: no record of the page has both `{id}` (`id`) and a date at `{at}` (`changed-at`)",
            rest.name
        )));
    }
    limit_raw(&mut contacts);
    let is_read = changes.order == Order::NewestFirst && older > 0;
    if older > 0 && older == records.len() && !is_read {
        diagnostics::warning!("{}: all records of the page are older than asked for: does the system understand `{{since}}`?", rest.name);
    }
    let step = cursor.newest.saturating_sub(STEP_BACK_MS);
    if is_cut {
        // A list in order of time goes on behind what fits; any other would begin with the same records again.
        if changes.order != Order::OldestFirst || step <= cursor.since {
            return Err(Error::reject(format!("{}: a page has {ITEMS_MAX} changes or more; the list needs `paging`", rest.name)));
        }
        (cursor.since, cursor.place) = (step, None);
        cursor.forget(changes.overlap_ms);
        return Ok(ContactPage::new(contacts, Some(cursor.write()?), true));
    }
    let Some(next) = next.filter(|_| !is_read) else { return end(changes, cursor, contacts) };
    if changes.order == Order::OldestFirst && changes.list.paging().is_counted() && step > cursor.since {
        (cursor.since, cursor.place) = (step, None);
    } else {
        cursor.place = Some(next);
    }
    cursor.forget(changes.overlap_ms);
    Ok(ContactPage::new(contacts, Some(cursor.write()?), true))
}

/// Behind the last page: the next walk begins the overlap before the newest record.
fn end(changes: &Changes, mut cursor: Cursor, contacts: Vec<sportello_sdk::Contact>) -> Result<ContactPage, Error> {
    if !cursor.is_untouched() {
        cursor.since = (cursor.newest - changes.overlap_ms).max(0);
    }
    (cursor.place, cursor.gone) = (None, None);
    cursor.forget(changes.overlap_ms);
    Ok(ContactPage::new(contacts, Some(cursor.write()?), false))
}

fn is_of_the_system(place: Option<&Place>) -> bool {
    matches!(place, Some(Place::Link(_) | Place::Cursor(_)))
}

struct Reader<'a> {
    rest: &'a Rest,
    mapping: &'a ContactMapping,
    changes: &'a Changes,
    settings: &'a Settings,
    now: i64,
    cursor: &'a mut Cursor,
    /// The moment that was asked for.
    asked_for: i64,
    contacts: Vec<sportello_sdk::Contact>,
    /// Records changed before it.
    older: usize,
    /// Records without an id or a moment.
    unusable: usize,
}

impl Reader<'_> {
    fn record(&mut self, record: &crate::pointer::Json) -> Result<(), Error> {
        let field = &self.changes.changed_at;
        let listed_at = field.moment(record);
        if listed_at.is_some_and(|listed| self.is_older(listed)) {
            return Ok(());
        }
        let row = hash(["row", &in_order(record)]);
        if listed_at.is_some() && self.cursor.has_seen(row) {
            return Ok(());
        }
        let read = |record: &crate::pointer::Json, etag: Option<&str>| (self.mapping.contact(record, etag), field.moment(record));
        let Some((contact, moment)) = in_full(self.rest, self.settings, record, self.mapping.id(record).as_deref(), read)? else {
            return Ok(());
        };
        let Some((contact, moment)) = contact.zip(moment.or(listed_at)) else {
            self.unusable += 1;
            diagnostics::warning!("{}: a record without id or date of change is left out", self.rest.name);
            return Ok(());
        };
        if listed_at.is_none() && self.is_older(moment) {
            return Ok(());
        }
        let believed = |moment: i64| moment.min(self.now.saturating_add(CLOCK_SKEW_MS));
        let moment = believed(moment);
        self.cursor.newest = self.cursor.newest.max(listed_at.map_or(moment, believed));
        // A row that is told as it was need not be fetched again, once its second and those of late rows are over: until then it may have
        // changed twice at one moment.
        if listed_at.is_some_and(|listed| self.rest.detail.is_some() && listed.saturating_add(self.changes.overlap_ms) < self.now) {
            self.cursor.remember(moment, row);
        }
        let version = hash(["version", &contact.id, &contact.version]);
        if !self.cursor.has_seen(version) {
            self.cursor.remember(moment, version);
            self.contacts.push(contact);
        }
        Ok(())
    }

    /// Counts a record changed before the moment asked for; whether it was read by an earlier walk.
    fn is_older(&mut self, moment: i64) -> bool {
        let older = moment < self.asked_for;
        self.older += usize::from(older);
        older && self.changes.order == Order::NewestFirst
    }
}
