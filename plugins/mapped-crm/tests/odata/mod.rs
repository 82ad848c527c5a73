//! A small OData service that follows changes, strict where the standard is. What it does is said in OData 4.01 Part 1: Protocol ("Protocol") and OData
//! JSON Format 4.01 ("JSON"), <https://docs.oasis-open.org/odata/>.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mapped_crm::MappedCrm;
use serde_json::{Value, json};
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::{Channel, Host, Running};

const ROOT: &str = "https://crm.example.org/service";
/// The change that made the service, from before which is the list itself.
const FIRST: u64 = 1;

/// What the standard leaves to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// `@odata.context` and deleted entities as 4.0 has them (JSON 4.5, 15.3); otherwise as 4.01.
    pub(crate) is_old: bool,
    /// Links and ids relative to the context (JSON 4.3).
    pub(crate) is_relative: bool,
    /// Only what has changed of an entity (JSON 15.2: unchanged properties may be left out, the key too where there is an id).
    pub(crate) is_partial: bool,
}

pub(crate) const MANNERS: [Manner; 4] = [
    Manner { is_old: true, is_relative: false, is_partial: false },
    Manner { is_old: true, is_relative: true, is_partial: true },
    Manner { is_old: false, is_relative: true, is_partial: false },
    Manner { is_old: false, is_relative: false, is_partial: true },
];

/// A customer as it is, or was until it was removed.
#[derive(Debug, Clone)]
struct Customer {
    name: String,
    /// The number of its last change, which is its ETag.
    changed: u64,
    is_gone: bool,
}

#[derive(Debug, Default)]
struct Inside {
    customers: BTreeMap<String, Customer>,
    /// The number of the last change.
    last: u64,
    /// Delta links from before this change are no longer valid.
    forgotten: u64,
}

/// The service's customers.
#[derive(Clone)]
pub(crate) struct Service {
    inside: Rc<RefCell<Inside>>,
    manner: Manner,
}

impl Service {
    /// With so many customers, `C'1` and on: a key that has to be written with care.
    pub(crate) fn with(count: usize, manner: Manner) -> Self {
        let service = Self { inside: Rc::default(), manner };
        service.inside.borrow_mut().last = FIRST;
        (1..=count).for_each(|number| service.put(&format!("C'{number}"), "x"));
        service
    }

    /// Adds or changes a customer.
    pub(crate) fn put(&self, id: &str, name: &str) {
        self.change(id, name, false);
    }

    pub(crate) fn remove(&self, id: &str) {
        self.change(id, "", true);
    }

    /// Forgets what delta links of before are for.
    pub(crate) fn forget(&self) {
        let mut inside = self.inside.borrow_mut();
        inside.forgotten = inside.last + 1;
    }

    /// Everybody there is, with the name.
    pub(crate) fn all(&self) -> BTreeMap<String, Option<String>> {
        let inside = self.inside.borrow();
        let there = inside.customers.iter().filter(|(_, customer)| !customer.is_gone);
        there.map(|(id, customer)| (id.clone(), Some(customer.name.clone()))).collect()
    }

    pub(crate) fn start(&self) -> Running {
        let service = self.clone();
        Host::new().http(move |request: &Request| service.answer(request)).start()
    }

    /// A channel that follows it, with pages of this size.
    pub(crate) fn channel(&self, size: usize) -> Channel<MappedCrm> {
        let detail = "detail: {path: \"/service/Customers('{id | doubled}')\"}\n";
        let (detail, entries) = if self.manner.is_partial { (detail, "") } else { ("", "  entries: whole\n") };
        let mapping = format!(
            "name: Customers\nsource: rest-json\nauthentication: none\ncontact:\n  id: /CustomerID\n  version: /@odata.etag\n  display-name: /Name\n\
             {detail}changes:\n  path: /service/Customers\n  query: {{$select: \"CustomerID,Name\"}}\n  records: /value\n\
             {entries}  paging: {{kind: delta-link, size: {size}}}\n"
        );
        assert_eq!(mapped_crm::check(&mapping), [], "{mapping}");
        Channel::new(json!({ "base-url": "https://crm.example.org", "mapping": mapping }))
    }

    fn change(&self, id: &str, name: &str, is_gone: bool) {
        let mut inside = self.inside.borrow_mut();
        inside.last += 1;
        let changed = inside.last;
        inside.customers.insert(id.to_owned(), Customer { name: name.to_owned(), changed, is_gone });
    }

    /// A name of control information (JSON 4.5).
    fn control(&self, name: &str) -> String {
        if self.manner.is_old { format!("@odata.{name}") } else { format!("@{name}") }
    }

    /// A URL of the service (JSON 4.3: in an answer it may be relative to the context).
    fn url(&self, rest: &str) -> String {
        if self.manner.is_relative { rest.to_owned() } else { format!("{ROOT}/{rest}") }
    }

    /// The id of an entity: its canonical URL, in which a key's quote is doubled.
    fn id(&self, key: &str) -> String {
        self.url(&format!("Customers('{}')", key.replace('\'', "''")))
    }

    fn answer(&self, request: &Request) -> Response {
        let path = request.path().strip_prefix("/service/Customers").expect("a resource of the service");
        if !path.is_empty() {
            return self.entity(path);
        }
        let query = |name: &str| request.query_value(name);
        let prefers = request.header_value("prefer").unwrap_or_default();
        // Protocol 8.2.8.9: of a walk's first request; a next link ignores it, so it stands in the token.
        let tracks = prefers.contains("odata.track-changes");
        // Protocol 8.2.8.5: on every request.
        let size = prefers.split("odata.maxpagesize=").nth(1).map_or(2, |size| size.trim().parse::<usize>().expect("a page size"));
        match (query("$skiptoken"), query("$deltatoken")) {
            (Some(token), _) => {
                is_as_given(request, "$skiptoken");
                let mut parts = token.splitn(4, '_');
                let mut number = || parts.next().unwrap().parse::<u64>().expect("a number");
                let (since, until, tracks) = (number(), number(), number() == 1);
                self.page(since, until, parts.next(), tracks, size)
            }
            (None, Some(token)) => {
                is_as_given(request, "$deltatoken");
                let since: u64 = token.parse().expect("a token of the service");
                // Protocol 11.3.2: no longer valid; where to read the entire set.
                if since < self.inside.borrow().forgotten {
                    return Response::new(410).with_header("location", format!("{ROOT}/Customers"));
                }
                let last = self.inside.borrow().last;
                self.page(since, last, None, tracks, size)
            }
            (None, None) => {
                let last = self.inside.borrow().last;
                self.page(0, last, None, tracks, size)
            }
        }
    }

    /// What changed after one change up to another (JSON 15.1), from behind this key on; from the beginning it is the list itself (JSON 13).
    fn page(&self, since: u64, until: u64, behind: Option<&str>, tracks: bool, size: usize) -> Response {
        let inside = self.inside.borrow();
        let is_delta = since > 0;
        let changed = |(id, customer): &(&String, &Customer)| {
            customer.changed > since && behind.is_none_or(|behind| id.as_str() > behind) && (is_delta || !customer.is_gone)
        };
        let rows: Vec<_> = inside.customers.iter().filter(changed).collect();
        let mut value: Vec<Value> = rows.iter().take(size).map(|(id, customer)| self.entry(id, customer, is_delta)).collect();
        if is_delta && !value.is_empty() {
            value.extend(self.beside());
        }
        let kind = if is_delta { "/$delta" } else { "" };
        let mut body = json!({ self.control("context"): format!("{ROOT}/$metadata#Customers(CustomerID,Name){kind}"), "value": value });
        // Protocol 8.2.8.9 and JSON 15.1: a delta link stands on the last page only, in place of the next link.
        if rows.len() > size {
            let token = format!("{since}_{until}_{}_{}", u8::from(tracks), rows[size - 1].0).replace('\'', "%27");
            body[self.control("nextLink")] = json!(self.url(&format!("Customers?$skiptoken={token}")));
        } else if tracks {
            body[self.control("deltaLink")] = json!(self.url(&format!("Customers?$deltatoken={until}")));
        }
        Response::with_json(200, &body)
    }

    fn entry(&self, id: &str, customer: &Customer, is_delta: bool) -> Value {
        let reason = if customer.changed.is_multiple_of(2) { "deleted" } else { "changed" };
        match (customer.is_gone, self.manner) {
            // JSON 15.3: `id` is a property here.
            (true, Manner { is_old: true, .. }) => {
                json!({ "@odata.context": "#Customers/$deletedEntity", "reason": reason, "id": self.id(id) })
            }
            // With an id, or with all key fields.
            (true, Manner { is_partial: true, .. }) => json!({ "@removed": { "reason": reason }, "@id": self.id(id) }),
            (true, _) => json!({ "@removed": {}, "CustomerID": id }),
            (false, Manner { is_partial: true, .. }) if is_delta => json!({ self.control("id"): self.id(id), "Name": customer.name }),
            (false, _) => self.whole(id, customer),
        }
    }

    /// What else may stand in a delta (JSON 15.2, 15.3, 15.4, 15.5): links, and entities of other sets.
    fn beside(&self) -> Vec<Value> {
        let context = self.control("context");
        let link = |kind: &str| json!({ &context: format!("#Customers/{kind}"), "source": self.id("C'1"), "relationship": "Orders", "target": "Orders(7)" });
        let gone = if self.manner.is_old {
            json!({ &context: "#Orders/$deletedEntity", "reason": "deleted", "id": "Orders(7)" })
        } else {
            json!({ &context: "#Orders/$deletedEntity", "@removed": {}, "@id": "Orders(7)" })
        };
        vec![link("$link"), link("$deletedLink"), json!({ &context: "#Orders/$entity", "CustomerID": "C'1", "Name": "no customer" }), gone]
    }

    fn whole(&self, id: &str, customer: &Customer) -> Value {
        // The mapping reads the ETag under the name that 4.0 has.
        json!({ "@odata.etag": format!("W/\"{}\"", customer.changed), "CustomerID": id, "Name": customer.name })
    }

    fn entity(&self, path: &str) -> Response {
        let key = path.replace("%27", "'");
        let key = key.strip_prefix("('").and_then(|key| key.strip_suffix("')")).expect("a key").replace("''", "'");
        let inside = self.inside.borrow();
        match inside.customers.get(&key).filter(|customer| !customer.is_gone) {
            Some(customer) => Response::with_json(200, &self.whole(&key, customer)),
            None => Response::new(404),
        }
    }
}

/// Protocol 11.3.1: a delta link is opaque, and nothing is added to it; 11.2.6.7: nor to a next link.
fn is_as_given(request: &Request, name: &str) {
    let url = request.url();
    let query = url.split_once('?').expect("a query").1;
    assert!(query.starts_with(&format!("{name}=")) && !query.contains('&'), "{url}");
}
