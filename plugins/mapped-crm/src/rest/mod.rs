//! The source `rest-json`: which requests a system of record answers, and where in its answers things stand.

pub(crate) mod activity;
mod answer;
pub(crate) mod changes;
pub(crate) mod contact;
mod cursor;
mod delta;
mod find;
mod list;
pub(crate) mod look_up;
mod odata;
mod paging;
mod receipt;
mod request;

use crate::contact::{ContactMapping, check_scheme};
use crate::problem::Problems;
use crate::section::{self, Section};
use crate::template::Names;
use crate::yaml::{Node, Value};

use activity::Activity;
use changes::Changes;
use contact::{Create, Update};
use delta::Delta;
use list::{Detail, List};

/// The keys of a mapping that belong to this source.
pub(crate) const KEYS: [&str; 8] = ["authentication", "headers", "detail", "look-up", "changes", "activity", "create", "update"];

/// Headers that are not a mapping's to set.
const HEADERS_OF_THE_HOST: [&str; 8] =
    ["authorization", "proxy-authorization", "x-api-key", "cookie", "host", "content-length", "connection", "transfer-encoding"];

/// How a system of record is asked.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    /// The system's name, for messages.
    name: String,
    authentication: Authentication,
    headers: Vec<(String, String)>,
    detail: Option<Detail>,
    look_ups: Vec<(String, List)>,
    /// Changes are followed by their moments, or by the system's own link to them.
    changes: Option<Changes>,
    delta: Option<Delta>,
    activity: Option<Activity>,
    create: Option<Create>,
    update: Option<Update>,
}

/// Which of the connector's credentials the system wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Authentication {
    Nothing,
    Basic,
    Bearer,
    Oauth2Client,
    ApiKey,
}

const AUTHENTICATIONS: [(&str, Authentication); 5] = [
    ("none", Authentication::Nothing),
    ("basic", Authentication::Basic),
    ("bearer", Authentication::Bearer),
    ("oauth2-client", Authentication::Oauth2Client),
    ("api-key", Authentication::ApiKey),
];

impl Authentication {
    fn word(self) -> &'static str {
        AUTHENTICATIONS.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }
}

impl Rest {
    pub(crate) fn read(name: &str, section: &Section<'_>, contact: Option<&ContactMapping>, problems: &Problems) -> Option<Self> {
        let authentication = section.need("authentication");
        let authentication = authentication.and_then(|node| section::word(node, "`authentication`", &AUTHENTICATIONS, problems));
        let headers = section.get("headers").map_or_else(Vec::new, |node| headers(node, problems));
        let detail = section.get("detail").map(|node| Detail::read(node, problems));
        let look_ups = section.get("look-up").map_or_else(Vec::new, |node| look_ups(node, contact, problems));
        let (by_link, by_time): (Vec<&Node>, Vec<&Node>) = section.get("changes").into_iter().partition(|node| Delta::is_meant(node));
        let changes = by_time.first().map(|node| Changes::read(node, detail.is_some(), problems));
        let delta = by_link.first().map(|node| Delta::read(node, detail.is_some(), problems));
        let activity = section.get("activity").map(|node| Activity::read(node, problems));
        let create = writing(section, "create", contact, |node, contact| Create::read(node, contact, &look_ups, problems));
        let update = writing(section, "update", contact, |node, contact| Update::read(node, contact, problems));
        if contact.is_some_and(ContactMapping::wants_etag) && detail.is_none() {
            problems.add(section.line(), "`version: etag` needs `detail`: the ETag stands in a record's own answer");
        }
        Some(Self {
            name: name.to_owned(),
            authentication: authentication?,
            headers,
            detail: flat(detail)?,
            look_ups,
            changes: flat(changes)?,
            delta: flat(delta)?,
            activity: flat(activity)?,
            create: flat(create)?,
            update: flat(update)?,
        })
    }
}

/// What was not there is fine; what was there and could not be read is not.
fn flat<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
    }
}

/// A section that writes contacts. Where it is not known what a contact is, there is nothing to say of it.
fn writing<T>(
    section: &Section<'_>,
    key: &str,
    contact: Option<&ContactMapping>,
    read: impl FnOnce(&Node, &ContactMapping) -> Option<T>,
) -> Option<Option<T>> {
    section.get(key).map(|node| read(node, contact?))
}

fn headers(node: &Node, problems: &Problems) -> Vec<(String, String)> {
    let Value::Map(entries) = &node.value else {
        problems.add(node.line, format!("`headers` is a mapping of names to texts, not {}", node.kind()));
        return Vec::new();
    };
    let mut headers = Vec::new();
    for (key, node) in entries {
        let name = key.text.to_ascii_lowercase();
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !is_name {
            problems.add(key.line, format!("`{}` is no header's name", key.text));
        } else if HEADERS_OF_THE_HOST.contains(&name.as_str()) {
            problems.add(key.line, format!("the header `{name}` is the host's to write; `authentication` says which secret is sent"));
        } else if name == "if-match" {
            problems.add(key.line, "the header `if-match` is sent with what `lock` of `update` says");
        }
        if let Some(text) = section::text(node, &format!("`{}`", key.text), problems) {
            if text.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
                problems.add(node.line, format!("the header `{name}` has characters that no header has"));
            }
            headers.push((name, text.to_owned()));
        }
    }
    headers
}

fn look_ups(node: &Node, contact: Option<&ContactMapping>, problems: &Problems) -> Vec<(String, List)> {
    let Value::Map(entries) = &node.value else {
        problems.add(node.line, format!("`look-up` is a mapping of schemes to requests, not {}", node.kind()));
        return Vec::new();
    };
    let mut look_ups = Vec::new();
    for (key, node) in entries {
        let known = check_scheme(&key.text, key.line, problems);
        if known && contact.is_some_and(|contact| !contact.has_scheme(&key.text)) {
            let scheme = &key.text;
            problems.add(
                key.line,
                format!("`contact` has no identifier of the scheme `{scheme}`, so it could not be seen whether a record found carries it"),
            );
        }
        let what = format!("the look-up by `{}`", key.text);
        let names = Names { names: &["value"], record: false };
        let Some(section) = Section::open(node, &what, &list::KEYS, problems) else { continue };
        if let Some(list) = List::read(&section, names, problems) {
            if !list.has("value") {
                problems.add(key.line, format!("{what} has no `{{value}}`: it would ask for everybody"));
            }
            look_ups.push((key.text.clone(), list));
        }
    }
    look_ups
}
