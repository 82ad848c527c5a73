//! A system of record that never was, with every way of paging, for tests of following changes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use mapped_crm::MappedCrm;
use serde_json::{Value, json};
use sportello_sdk::Contact;
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::{Channel, Host, Running};

/// Records of one page.
pub(crate) const SIZE: usize = 3;
/// 2026-01-15T11:00:00Z, an hour before the time of a test's call.
pub(crate) const FIRST: i64 = 1_768_474_800;

/// A contact's id and version.
type Identity = (String, String);

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) version: u64,
    /// Whole seconds since 1970.
    pub(crate) changed: i64,
}

/// The system's records, and a clock.
#[derive(Clone, Default)]
pub(crate) struct Crm {
    rows: Rc<RefCell<Vec<Row>>>,
}

impl Crm {
    /// Records of which each was changed one step after the one before it.
    pub(crate) fn with(count: usize, step_seconds: i64) -> Self {
        let row = |number: usize| {
            let number = u64::try_from(number).unwrap();
            Row { id: number + 1, version: 1, changed: FIRST + i64::try_from(number).unwrap() * step_seconds }
        };
        Self { rows: Rc::new(RefCell::new((0..count).map(row).collect())) }
    }

    pub(crate) fn add(&self, id: u64, changed: i64) {
        self.rows.borrow_mut().push(Row { id, version: 1, changed });
    }

    /// A change of one record.
    pub(crate) fn edit(&self, id: u64, changed: i64) {
        let mut rows = self.rows.borrow_mut();
        let row = rows.iter_mut().find(|row| row.id == id).unwrap();
        row.version += 1;
        row.changed = changed;
    }

    /// Every record as it is now.
    pub(crate) fn all(&self) -> BTreeSet<(String, String)> {
        self.rows.borrow().iter().map(|row| (row.id.to_string(), format!("v{}", row.version))).collect()
    }

    /// Answers as a system with this way of paging does.
    pub(crate) fn start(&self, paging: &'static str) -> Running {
        let crm = self.clone();
        Host::new().http(move |request: &Request| crm.answer(paging, request)).start()
    }

    /// Answers with one record.
    pub(crate) fn record(&self, id: u64) -> Response {
        let rows = self.rows.borrow();
        let row = rows.iter().find(|row| row.id == id);
        row.map_or_else(|| Response::new(404), |row| Response::with_json(200, &shown(row)))
    }

    pub(crate) fn answer(&self, paging: &str, request: &Request) -> Response {
        let number = |name: &str| request.query_value(name).and_then(|text| text.parse::<i64>().ok());
        // One of them cannot be asked for a moment.
        let since = if paging == "newest" { 0 } else { number("since").expect("the cursor's moment") };
        let mut rows: Vec<Row> = self.rows.borrow().iter().filter(|row| row.changed >= since).cloned().collect();
        rows.sort_by_key(|row| (row.changed, row.id));
        if matches!(paging, "newest" | "unordered") {
            rows.reverse();
        }
        let at = match paging {
            "page" | "total" | "newest" | "unordered" => (usize::try_from(number("page").unwrap()).unwrap() - 1) * SIZE,
            "offset" => usize::try_from(number("offset").unwrap()).unwrap(),
            _ => number("after").map_or(0, |after| usize::try_from(after).unwrap()),
        };
        let size = if paging == "whole" { rows.len() } else { SIZE };
        let page: Vec<Value> = rows.iter().skip(at).take(size).map(shown).collect();
        let next = (at + size < rows.len()).then_some(at + size);
        let mut body = json!({ "rows": page, "total": rows.len() });
        match (paging, next) {
            ("link", Some(next)) => body["next"] = json!(format!("https://crm.example.org/rows?since={since}&after={next}")),
            ("cursor", Some(next)) => body["next"] = json!(next.to_string()),
            ("header", Some(next)) => {
                return Response::with_json(200, &body).with_header("link", format!("</rows?since={since}&after={next}>; rel=\"next\""));
            }
            _ => {}
        }
        Response::with_json(200, &body)
    }
}

fn shown(row: &Row) -> Value {
    json!({ "id": row.id, "v": format!("v{}", row.version), "at": row.changed, "name": "x" })
}

/// Every way of paging.
pub(crate) const PAGINGS: [&str; 8] = ["whole", "newest", "total", "page", "offset", "link", "header", "cursor"];

/// A channel whose mapping follows changes in this way.
pub(crate) fn channel(paging: &str, more: &str) -> Channel<MappedCrm> {
    let how = match paging {
        "page" | "newest" | "unordered" => "{kind: page, parameter: page, size: 3}",
        // Without a kind: everything at once.
        "whole" => "",
        "total" => "{kind: page, parameter: page, size: 3, total: /total}",
        "offset" => "{kind: offset, parameter: offset, size: 3}",
        "link" => "{kind: next-link, at: /next}",
        "header" => "{kind: next-link, header: link}",
        "cursor" => "{kind: cursor, parameter: after, at: /next}",
        other => panic!("{other}"),
    };
    let order = match paging {
        "newest" => "newest-first",
        "unordered" => "none",
        _ => "oldest-first",
    };
    let query = if paging == "newest" { "order: newest" } else { "since: \"{since}\"" };
    let start = if more.contains("start: now") { ", start: now" } else { "" };
    let more = more.replace("start: now", "");
    let mapping = format!(
        "name: Rows\nsource: rest-json\nauthentication: none\ncontact: {{id: /id, version: /v, display-name: /name}}\n{more}\nchanges:\n  path: /rows\n  \
         query: {{{query}}}\n  records: /rows\n  changed-at: {{at: /at, cast: date, format: unix-seconds}}\n  order: {order}\n  \
         since: {{format: unix-seconds, overlap-seconds: 5{start}}}\n  paging: {how}\n"
    );
    assert_eq!(mapped_crm::check(&mapping), [], "{mapping}");
    Channel::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }))
}

/// A contact's id, and its version without the hash.
pub(crate) fn identity(contact: &Contact) -> Identity {
    (contact.id.clone(), contact.version.rsplit_once('-').unwrap().0.to_owned())
}

/// One walk to its end: what was told, and every cursor on the way with how much was told before it.
pub(crate) fn walk(channel: &Channel<MappedCrm>, from: Option<&str>) -> (Vec<Identity>, Vec<(Option<String>, usize)>) {
    let (mut told, mut cursors) = (Vec::new(), vec![(from.map(str::to_owned), 0)]);
    for _ in 0..200 {
        let (cursor, _) = cursors.last().unwrap();
        let page = channel.changes(cursor.as_deref()).unwrap();
        told.extend(page.contacts.iter().map(identity));
        cursors.push((page.cursor, told.len()));
        if !page.more {
            return (told, cursors);
        }
    }
    panic!("the walk does not end");
}
