//! How a long list goes on.

use serde::{Deserialize, Serialize};
use sportello_sdk::Error;
use sportello_sdk::http::{Request, Response};

use super::Rest;
use super::odata;
use super::request::with_headers;
use crate::field::read_pointer;
use crate::pointer::{Json, Pointer};
use crate::problem::Problems;
use crate::section::Section;
use crate::settings::Settings;
use crate::yaml::{Node, Value};

/// Bytes of a link or cursor that a cursor of ours can hold.
const PLACE_BYTES_MAX: usize = 3 << 10;
/// The same of a cursor that holds nothing but a delta link.
const DELTA_BYTES_MAX: usize = 8 << 10;

const KEYS: [&str; 8] = ["kind", "parameter", "first", "size", "size-parameter", "total", "at", "header"];

/// Where a list goes on: what is remembered between two pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    Page(u64),
    Offset(u64),
    /// Path and query of the next page, below the origin.
    Link(String),
    /// The same of all later changes.
    Delta(String),
    Cursor(String),
}

/// How a list is cut into pages.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    kind: Kind,
    size: u64,
    size_parameter: Option<String>,
    total: Option<Pointer>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Everything comes at once.
    Whole,
    Page {
        parameter: String,
        first: u64,
    },
    Offset {
        parameter: String,
    },
    LinkAt(Pointer),
    LinkHeader,
    DeltaLink,
    Cursor {
        parameter: String,
        at: Pointer,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Page,
    Offset,
    NextLink,
    DeltaLink,
    Cursor,
}

/// A page as it was answered.
pub(crate) struct Answer<'a> {
    /// The path that was asked for.
    pub(crate) path: &'a str,
    pub(crate) response: &'a Response,
    pub(crate) document: &'a Json,
    /// Records on it.
    pub(crate) count: usize,
}

impl Paging {
    /// No pages.
    pub(crate) const WHOLE: Self = Self { kind: Kind::Whole, size: 0, size_parameter: None, total: None };

    pub(crate) fn read(node: &Node, problems: &Problems) -> Option<Self> {
        let section = Section::open(node, "`paging`", &KEYS, problems)?;
        let words = [
            ("page", Word::Page),
            ("offset", Word::Offset),
            ("next-link", Word::NextLink),
            ("delta-link", Word::DeltaLink),
            ("cursor", Word::Cursor),
        ];
        let word = crate::section::word(section.need("kind")?, "`kind`", &words, problems)?;
        let counted = matches!(word, Word::Page | Word::Offset);
        let belongs = [
            ("parameter", counted || word == Word::Cursor),
            ("first", word == Word::Page),
            ("total", counted),
            ("size-parameter", word != Word::DeltaLink),
            ("at", matches!(word, Word::NextLink | Word::Cursor)),
            ("header", word == Word::NextLink),
        ];
        for (key, _) in belongs.iter().filter(|(key, belongs)| !belongs && section.get(key).is_some()) {
            let name = words.iter().find(|(_, known)| *known == word).map_or("", |(name, _)| name);
            problems.add(section.line(), format!("`{key}` does not belong to paging of the kind `{name}`"));
        }
        if counted {
            section.need("size");
        }
        let pointer = |key: &str| match &section.get(key)?.value {
            Value::Scalar { text, .. } => read_pointer(text, &format!("`{key}`"), section.line(), problems),
            _ => None,
        };
        let parameter = || section.need_text("parameter").map(str::to_owned);
        let kind = match word {
            Word::Page => Kind::Page { parameter: parameter()?, first: section.number("first", 0, 1, 1).into() },
            Word::Offset => Kind::Offset { parameter: parameter()? },
            Word::Cursor => {
                section.need("at")?;
                Kind::Cursor { parameter: parameter()?, at: pointer("at")? }
            }
            Word::DeltaLink => Kind::DeltaLink,
            Word::NextLink if section.get("header").is_some() => {
                section.word("header", &[("link", ())], ());
                Kind::LinkHeader
            }
            Word::NextLink => {
                if section.get("at").is_none() {
                    problems.add(section.line(), "`paging` of the kind `next-link` needs `at` (a pointer) or `header: link`");
                }
                Kind::LinkAt(pointer("at")?)
            }
        };
        Some(Self {
            kind,
            size: section.number("size", 1, 1000, 100).into(),
            size_parameter: section.text("size-parameter").map(str::to_owned),
            total: pointer("total"),
        })
    }

    /// Records of a page, where the mapping says how many.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether any page can be asked for by its number: then a list in order of time can go on behind the newest record instead.
    pub(crate) fn is_counted(&self) -> bool {
        matches!(self.kind, Kind::Page { .. } | Kind::Offset { .. })
    }

    /// Whether the system itself follows what changes.
    pub(crate) fn is_delta(&self) -> bool {
        matches!(self.kind, Kind::DeltaLink)
    }

    /// The request of the page at this place.
    pub(crate) fn ask(&self, rest: &Rest, settings: &Settings, request: Request, place: Option<&Place>) -> Request {
        if let (Kind::LinkAt(_) | Kind::LinkHeader, Some(Place::Link(link))) = (&self.kind, place) {
            return with_headers(Request::get(format!("{}{link}", settings.origin())), rest);
        }
        if let Kind::DeltaLink = self.kind {
            let request = match place {
                Some(Place::Link(link) | Place::Delta(link)) => with_headers(Request::get(format!("{}{link}", settings.origin())), rest),
                _ => request,
            };
            // OData 4.01 Part 1: Protocol, 8.2.8.9: on the first request of a walk; a next link ignores it. By the names that 4.0 knows.
            let track = if let Some(Place::Link(_)) = place { "" } else { "odata.track-changes, " };
            return request.header("prefer", format!("{track}odata.maxpagesize={}", self.size));
        }
        let sized = match &self.size_parameter {
            Some(parameter) => request.query(parameter, self.size.to_string()),
            None => request,
        };
        match (&self.kind, place) {
            (Kind::Page { parameter, first }, place) => {
                let number = if let Some(Place::Page(number)) = place { *number } else { *first };
                sized.query(parameter, number.to_string())
            }
            (Kind::Offset { parameter }, place) => {
                let offset = if let Some(Place::Offset(offset)) = place { *offset } else { 0 };
                sized.query(parameter, offset.to_string())
            }
            (Kind::Cursor { parameter, .. }, Some(Place::Cursor(cursor))) => sized.query(parameter, cursor),
            _ => sized,
        }
    }

    /// Where the list goes on behind a page of so many records; None at its end.
    pub(crate) fn next(
        &self,
        rest: &Rest,
        settings: &Settings,
        place: Option<&Place>,
        answer: &Answer<'_>,
    ) -> Result<Option<Place>, Error> {
        let (document, count) = (answer.document, answer.count as u64);
        let follow = |link: &str| local(settings, link, &base(settings, answer));
        // A full page may be the last one; without a total only the next one can tell.
        let more = |before: u64| match self.total.as_ref().and_then(|total| total.text(document)?.parse::<u64>().ok()) {
            Some(total) => count > 0 && before + count < total,
            None => count >= self.size,
        };
        let next = match &self.kind {
            Kind::Whole => None,
            Kind::Page { first, .. } => {
                let number = if let Some(Place::Page(number)) = place { *number } else { *first };
                more(number.saturating_sub(*first) * self.size).then_some(Place::Page(number + 1))
            }
            Kind::Offset { .. } => {
                let offset = if let Some(Place::Offset(offset)) = place { *offset } else { 0 };
                more(offset).then_some(Place::Offset(offset + count))
            }
            Kind::LinkAt(at) => at.text(document).filter(|link| !link.is_empty()).map(|link| follow(&link)).transpose()?.map(Place::Link),
            Kind::LinkHeader => {
                next_of(&answer.response.headers).map(|link| local(settings, &link, answer.path)).transpose()?.map(Place::Link)
            }
            Kind::DeltaLink => Some(match (odata::control(document, "nextLink"), odata::control(document, "deltaLink")) {
                (Some(next), _) => Place::Link(follow(&next)?),
                (None, Some(delta)) => Place::Delta(follow(&delta)?),
                (None, None) => {
                    let reason =
                        format!("{}: the last page has no `@odata.deltaLink`: the service does not follow changes of this list", rest.name);
                    return Err(Error::reject(reason));
                }
            }),
            Kind::Cursor { at, .. } => {
                at.text(document).filter(|cursor| !cursor.is_empty()).map(|cursor| Place::Cursor(cursor.into_owned()))
            }
        };
        // A cursor of delta links holds nothing else.
        let max = if self.is_delta() { DELTA_BYTES_MAX } else { PLACE_BYTES_MAX };
        match &next {
            Some(Place::Link(text) | Place::Delta(text) | Place::Cursor(text)) if text.len() > max => {
                Err(Error::reject(format!("{}: where the next page is has {} bytes, at most {max} are taken", rest.name, text.len())))
            }
            // Where nothing has changed, the link to later changes may be the same.
            Some(Place::Delta(_)) => Ok(next),
            Some(_) if next.as_ref() == place => Err(Error::reject(format!("{}: the next page is the page itself", rest.name))),
            _ => Ok(next),
        }
    }
}

/// A link as path and query. Only one to base-url's own host is followed: the credential goes nowhere else.
fn local(settings: &Settings, link: &str, base: &str) -> Result<String, Error> {
    let host = |url: &str| url.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default().to_lowercase());
    let link = link.split('#').next().unwrap_or_default();
    // What stands before the first `/`, `?` or `:` of a relative link has no `:`.
    let is_relative = !link.split(['/', '?']).next().unwrap_or_default().contains(':') && !link.starts_with("//");
    let path = match host(link).filter(|_| !is_relative) {
        // A system behind a proxy may call itself http.
        Some(named) if Some(&named) == host(settings.origin()).as_ref() => {
            link.split_once("://").map_or("", |(_, rest)| &rest[named.len()..]).to_owned()
        }
        None if is_relative && link.starts_with('/') => link.to_owned(),
        None if is_relative && link.starts_with('?') => format!("{base}{link}"),
        None if is_relative => format!("{}{link}", base.rfind('/').map_or("/", |at| &base[..=at])),
        _ => return Err(Error::reject("the next page's link leads to another host than base-url, and is not followed")),
    };
    Ok(if path.starts_with('/') { path } else { format!("/{path}") })
}

/// The path to which a relative link is relative: the context's, where the answer has one (OData JSON Format 4.01, 4.3), or that which was asked for.
fn base(settings: &Settings, answer: &Answer<'_>) -> String {
    let context = odata::control(answer.document, "context").and_then(|context| local(settings, &context, answer.path).ok());
    context.map_or_else(|| answer.path.to_owned(), |context| context.split('?').next().unwrap_or_default().to_owned())
}

/// The link of the relation `next` in `Link` headers (RFC 8288).
fn next_of(headers: &[(String, String)]) -> Option<String> {
    for (_, header) in headers.iter().filter(|(name, _)| name == "link") {
        for part in header.split('<').skip(1) {
            let (link, parameters) = part.split_once('>')?;
            let is_next = parameters.split(';').any(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                let value = value.trim_matches(|letter: char| letter.is_whitespace() || matches!(letter, '"' | ','));
                name.trim().eq_ignore_ascii_case("rel")
                    && value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
            });
            if is_next {
                return Some(link.to_owned());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base: &str) -> Settings {
        serde_json::from_value(serde_json::json!({ "base-url": base, "mapping": "" })).unwrap()
    }

    #[test]
    fn a_link_is_followed_on_its_own_host_only() {
        let settings = settings("https://crm.example.org:8443/api/");
        let path = |link: &str| local(&settings, link, "/api/v4/people").ok();
        for (link, expected) in [
            ("https://crm.example.org:8443/api/p?x=1#y", "/api/p?x=1"),
            ("http://CRM.example.org:8443/api/p", "/api/p"),
            ("https://crm.example.org:8443?x=1", "/?x=1"),
            ("/api/p?x=1", "/api/p?x=1"),
            ("p?x=https://elsewhere.example/", "/api/v4/p?x=https://elsewhere.example/"),
            ("?x=1", "/api/v4/people?x=1"),
        ] {
            assert_eq!(path(link).as_deref(), Some(expected), "{link}");
        }
        for elsewhere in [
            "https://evil.example/api/p",
            "https://crm.example.org:8443@evil.example/",
            "//evil.example/p",
            "https://crm.example.org/",
            "mailto:ada@example.org",
            "https:evil.example/p",
        ] {
            assert_eq!(path(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn the_next_link_of_a_header_is_found_among_others() {
        let header = |text: &str| next_of(&[("link".to_owned(), text.to_owned())]);
        assert_eq!(header("</p?page=1,2>; rel=\"prev\", </p?page=3>; title=\"x\"; rel=\"last next\"").as_deref(), Some("/p?page=3"));
        assert_eq!(header("</p?page=3>; rel=next, </p?page=9>; rel=last").as_deref(), Some("/p?page=3"));
        assert_eq!(header("</p?page=3>; rel=\"prev\""), None);
        assert_eq!(next_of(&[]), None);
    }
}
