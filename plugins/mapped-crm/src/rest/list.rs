//! A list of records: the request for it, where it stands in the answer, how it goes on, and records that are fetched one by one.

use sportello_sdk::Error;
use sportello_sdk::http::Response;

use super::Rest;
use super::answer::{self, Purpose, send};
use super::paging::{Answer, Paging, Place};
use super::request::{self, Request};
use crate::field::read_pointer;
use crate::pointer::{Json, Pointer};
use crate::problem::Problems;
use crate::section::Section;
use crate::settings::Settings;
use crate::template::{Names, Unfit, Values};
use crate::yaml::{Node, Value};

/// The keys of a list.
pub(crate) const KEYS: [&str; 6] = ["method", "path", "query", "body", "records", "paging"];

/// A list of records.
#[derive(Debug, Clone)]
pub(crate) struct List {
    request: Request,
    records: Pointer,
    paging: Paging,
}

/// One page as it came.
pub(crate) struct Page {
    /// The path that was asked for.
    path: String,
    response: Response,
}

impl Page {
    /// The answer's document.
    pub(crate) fn document(&self, rest: &Rest) -> Result<&Json, Error> {
        answer::document(rest, &self.response)
    }
}

impl List {
    /// Reads the keys of a list.
    pub(crate) fn read(section: &Section<'_>, names: Names<'_>, problems: &Problems) -> Option<Self> {
        let list = Self::of_changes(section, names, problems)?;
        if list.paging.is_delta() {
            problems.add(section.line(), "`paging` of the kind `delta-link` belongs to `changes`");
        }
        Some(list)
    }

    /// The same for changes, which can be followed by a delta link.
    pub(crate) fn of_changes(section: &Section<'_>, names: Names<'_>, problems: &Problems) -> Option<Self> {
        let paging = section.get("paging").map(|node| Paging::read(node, problems));
        let request = Request::read(section, &request::LOOKING, names, problems);
        let records = whole_or_pointer(section.need("records")?, "`records`", problems);
        Some(Self { request: request?, records: records?, paging: paging.unwrap_or(Some(Paging::WHOLE))? })
    }

    /// Whether a slot of this name is anywhere in its request.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.request.has(name)
    }

    /// How it is cut into pages.
    pub(crate) fn paging(&self) -> &Paging {
        &self.paging
    }

    /// One page. `Ok(None)`: nothing of the kind is there.
    pub(crate) fn page(
        &self,
        rest: &Rest,
        settings: &Settings,
        values: &Values<'_>,
        place: Option<&Place>,
    ) -> Result<Option<Page>, Refused> {
        let request = self.request.fill(rest, settings, values).map_err(Refused::Unfit)?;
        let request = self.paging.ask(rest, settings, request, place);
        let path = request.path().to_owned();
        let response = send(rest, Purpose::Look, request).map_err(Refused::Error)?;
        Ok(response.map(|response| Page { path, response }))
    }

    /// The page's records, and where the list goes on behind it.
    pub(crate) fn read_page<'a>(
        &self,
        rest: &Rest,
        settings: &Settings,
        page: &'a Page,
        place: Option<&Place>,
    ) -> Result<(Vec<&'a Json>, Option<Place>), Error> {
        let document = page.document(rest)?;
        let records = answer::records(rest, document, &self.records)?;
        let next = self.paging.next(
            rest,
            settings,
            place,
            &Answer { path: &page.path, response: &page.response, document, count: records.len() },
        )?;
        Ok((records, next))
    }
}

/// Why a page was not asked for, or not given.
pub(crate) enum Refused {
    /// A value does not fit the request: nothing was sent.
    Unfit(Unfit),
    /// What the host must do.
    Error(Error),
}

impl Refused {
    /// What the host must do.
    pub(crate) fn into_error(self, rest: &Rest) -> Error {
        match self {
            Self::Unfit(unfit) => answer::unfit(rest, &unfit),
            Self::Error(error) => error,
        }
    }
}

/// How a record of a list is fetched in full.
#[derive(Debug, Clone)]
pub(crate) struct Detail {
    request: Request,
    record: Pointer,
}

/// A record fetched in full.
pub(crate) struct Full {
    response: Response,
}

impl Detail {
    pub(crate) fn read(node: &Node, problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = request::KEYS.iter().chain(&["record"]).copied().collect();
        let section = Section::open(node, "`detail`", &keys, problems)?;
        Self::read_section(&section, Names { names: &["id"], record: true }, problems)
    }

    /// How the record of the contact in an effect is fetched.
    pub(crate) fn of_contact(node: &Node, what: &str, problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = request::KEYS.iter().chain(&["record"]).copied().collect();
        let section = Section::open(node, what, &keys, problems)?;
        Self::read_section(&section, Names { names: &["contact"], record: false }, problems)
    }

    fn read_section(section: &Section<'_>, names: Names<'_>, problems: &Problems) -> Option<Self> {
        let request = Request::read(section, &request::LOOKING, names, problems)?;
        let record = match section.get("record") {
            Some(node) => whole_or_pointer(node, "`record`", problems)?,
            None => Pointer::read("")?,
        };
        Some(Self { request, record })
    }

    /// The record in full; None where it is gone meanwhile.
    pub(crate) fn fetch(&self, rest: &Rest, settings: &Settings, values: &Values<'_>) -> Result<Option<Full>, Error> {
        let request = self.request.fill(rest, settings, values).map_err(|unfit| answer::unfit(rest, &unfit))?;
        Ok(send(rest, Purpose::Look, request)?.map(|response| Full { response }))
    }

    /// The record in the answer.
    pub(crate) fn record<'a>(&self, rest: &Rest, full: &'a Full) -> Result<&'a Json, Error> {
        let document = answer::document(rest, &full.response)?;
        let found = self.record.first(document);
        found.ok_or_else(|| Error::reject(format!("{}: the answer has no record at `{}` (`record`)", rest.name, self.record.as_str())))
    }
}

impl Full {
    /// The answer's ETag.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.response.header("etag")
    }
}

/// A pointer that may be the whole document, written `""`.
pub(crate) fn whole_or_pointer(node: &Node, what: &str, problems: &Problems) -> Option<Pointer> {
    match &node.value {
        Value::Scalar { text, .. } => read_pointer(text, what, node.line, problems),
        _ => {
            problems.add(node.line, format!("{what} is a JSON pointer, not {}", node.kind()));
            None
        }
    }
}
