//! How a long list goes on.

use serde::{Deserialize, Serialize};
use sportello_sdk::Error;
use sportello_sdk::http::{Request, Response};

use super::Rest;
use super::request::with_headers;
use crate::field::read_pointer;
use crate::pointer::{Json, Pointer};
use crate::problem::Problems;
use crate::section::Section;
use crate::settings::Settings;
use crate::yaml::{Node, Value};

/// Bytes of a link or cursor that a cursor of ours can hold.
const PLACE_BYTES_MAX: usize = 3 << 10;

const KEYS: [&str; 8] = ["kind", "parameter", "first", "size", "size-parameter", "total", "at", "header"];

/// Where a list goes on: what is remembered between two pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    Page(u64),
    Offset(u64),
    /// Path and query of the next page, below the origin.
    Link(String),
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
    Cursor,
}

impl Paging {
    /// No pages.
    pub(crate) const WHOLE: Self = Self { kind: Kind::Whole, size: 0, size_parameter: None, total: None };

    pub(crate) fn read(node: &Node, problems: &Problems) -> Option<Self> {
        let section = Section::open(node, "`paging`", &KEYS, problems)?;
        let words = [("page", Word::Page), ("offset", Word::Offset), ("next-link", Word::NextLink), ("cursor", Word::Cursor)];
        let word = crate::section::word(section.need("kind")?, "`kind`", &words, problems)?;
        let counted = matches!(word, Word::Page | Word::Offset);
        let belongs = [
            ("parameter", word != Word::NextLink),
            ("first", word == Word::Page),
            ("total", counted),
            ("at", !counted),
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

    /// The request of the page at this place.
    pub(crate) fn ask(&self, rest: &Rest, settings: &Settings, request: Request, place: Option<&Place>) -> Request {
        if let (Kind::LinkAt(_) | Kind::LinkHeader, Some(Place::Link(link))) = (&self.kind, place) {
            return with_headers(Request::get(format!("{}{link}", settings.origin())), rest);
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
        (response, document, count): (&Response, &Json, usize),
    ) -> Result<Option<Place>, Error> {
        let count = count as u64;
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
            Kind::LinkAt(at) => at.text(document).filter(|link| !link.is_empty()).map(|link| local(settings, &link)).transpose()?,
            Kind::LinkHeader => next_of(&response.headers).map(|link| local(settings, &link)).transpose()?,
            Kind::Cursor { at, .. } => {
                at.text(document).filter(|cursor| !cursor.is_empty()).map(|cursor| Place::Cursor(cursor.into_owned()))
            }
        };
        match &next {
            Some(Place::Link(text) | Place::Cursor(text)) if text.len() > PLACE_BYTES_MAX => Err(Error::reject(format!(
                "{}: where the next page is has {} bytes, at most {PLACE_BYTES_MAX} are taken",
                rest.name,
                text.len()
            ))),
            Some(_) if next.as_ref() == place => Err(Error::reject(format!("{}: the next page is the page itself", rest.name))),
            _ => Ok(next),
        }
    }
}

/// A link as path and query. Only one to base-url's own host is followed: the credential goes nowhere else.
fn local(settings: &Settings, link: &str) -> Result<Place, Error> {
    let host = |url: &str| url.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default().to_lowercase());
    let path = match host(link) {
        // A system behind a proxy may call itself http.
        Some(named) if Some(&named) == host(settings.origin()).as_ref() => {
            link.split_once("://").map_or("", |(_, rest)| &rest[named.len()..])
        }
        None if link.starts_with('/') && !link.starts_with("//") => link,
        _ => return Err(Error::reject("the next page's link leads to another host than base-url, and is not followed")),
    };
    let path = path.split('#').next().unwrap_or_default();
    Ok(Place::Link(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }))
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
        let path = |link: &str| local(&settings, link).ok();
        assert_eq!(path("https://crm.example.org:8443/api/p?x=1#y"), Some(Place::Link("/api/p?x=1".into())));
        assert_eq!(path("http://CRM.example.org:8443/api/p"), Some(Place::Link("/api/p".into())));
        assert_eq!(path("/api/p?x=1"), Some(Place::Link("/api/p?x=1".into())));
        for elsewhere in [
            "https://evil.example/api/p",
            "https://crm.example.org:8443@evil.example/",
            "//evil.example/p",
            "p?x=1",
            "https://crm.example.org/",
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
