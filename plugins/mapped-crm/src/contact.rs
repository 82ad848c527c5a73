//! Which fields of a record make a contact of it.

use sportello_sdk::limits::{ATTRIBUTES_MAX, ID_BYTES_MAX, RAW_TEXT_BYTES_MAX};
use sportello_sdk::{Contact, diagnostics};

use crate::cast::Cast;
use crate::field::{Field, keys};
use crate::hash::hash;
use crate::problem::{Problems, nearest};
use crate::record::Record;
use crate::section::Section;
use crate::yaml::{Node, Value};

/// The contract's limit of a contact's identifiers.
const IDENTIFIERS_MAX: usize = 32;
/// Bytes of a version that are kept beside its hash.
const VERSION_BYTES_MAX: usize = 200;
/// Bytes of all records' own words in one answer; the host takes 4 MiB of everything.
const RAW_BYTES_MAX: usize = 2 << 20;

const KEYS: [&str; 6] = ["id", "version", "display-name", "deleted", "identifiers", "attributes"];

/// How a record becomes a contact.
#[derive(Debug, Clone)]
pub(crate) struct ContactMapping {
    id: Field,
    version: Version,
    display_name: Option<Field>,
    deleted: Option<Field>,
    identifiers: Vec<(String, Field)>,
    attributes: Vec<(String, Field)>,
}

/// What tells a record's states apart, beside its words.
#[derive(Debug, Clone)]
enum Version {
    Words,
    Field(Field),
    Etag,
}

impl ContactMapping {
    pub(crate) fn read(node: &Node, problems: &Problems) -> Option<Self> {
        let section = Section::open(node, "`contact`", &KEYS, problems)?;
        let field = |key: &str, usual: Cast| section.get(key).and_then(|node| Field::read(node, &format!("`{key}`"), usual, problems));
        let version = match section.get("version") {
            None => Version::Words,
            Some(Node { value: Value::Scalar { text, .. }, .. }) if text == "etag" => Version::Etag,
            Some(node) => Version::Field(Field::read(node, "`version` (or the word `etag`)", Cast::Text, problems)?),
        };
        let identifiers = section.get("identifiers").map_or_else(Vec::new, |node| identifiers(node, problems));
        let attributes = section.get("attributes").map_or_else(Vec::new, |node| attributes(node, problems));
        let (display_name, deleted) = (field("display-name", Cast::Text), field("deleted", Cast::usual_boolean()));
        let id = Field::read(section.need("id")?, "`id`", Cast::Text, problems)?;
        Some(Self { id, version, display_name, deleted, identifiers, attributes })
    }

    /// Whether the version is the ETag of the record's own answer.
    pub(crate) fn wants_etag(&self) -> bool {
        matches!(self.version, Version::Etag)
    }

    /// Whether a contact can carry an identifier of this scheme.
    pub(crate) fn has_scheme(&self, scheme: &str) -> bool {
        self.identifiers.iter().any(|(known, _)| known == scheme)
    }

    /// Where a record may have identifiers, with their schemes.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.identifiers.iter().map(|(scheme, field)| (scheme.as_str(), field))
    }

    /// Where a record's id stands, for messages.
    pub(crate) fn id_place(&self) -> &str {
        self.id.place()
    }

    /// Every field of it.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        let version = match &self.version {
            Version::Field(field) => Some(field),
            Version::Words | Version::Etag => None,
        };
        let named = self.identifiers.iter().chain(&self.attributes).map(|(_, field)| field);
        [&self.id].into_iter().chain(version).chain(&self.display_name).chain(&self.deleted).chain(named)
    }

    /// A record's id alone.
    pub(crate) fn id(&self, record: &(impl Record + ?Sized)) -> Option<String> {
        self.id.values(record).first().filter(|id| id.len() <= ID_BYTES_MAX)
    }

    /// Whether a record carries an identifier; nothing else of it is read.
    pub(crate) fn carries(&self, record: &(impl Record + ?Sized), scheme: &str, value: &str) -> bool {
        self.identifiers.iter().filter(|(known, _)| known == scheme).any(|(_, field)| {
            // However it is spelled: with the field's country or without.
            let read = field.reads(value).ok();
            let is_it = |held: &String| is_same(scheme, held, value) || read.as_ref().is_some_and(|read| is_same(scheme, held, read));
            field.values(record).values.iter().any(is_it)
        })
    }

    /// The contact a record is; None where it has no id. What cannot be used of it is left out, and told without a person's words.
    pub(crate) fn contact(&self, record: &(impl Record + ?Sized), etag: Option<&str>) -> Option<Contact> {
        self.contact_of(record, etag, &mut |id, field, expected| {
            diagnostics::warning!("record {id}: {} is not {expected}, and is left out", field.place());
        })
    }

    /// The same; `unfit` is told the record's id, the field, and what was expected in it.
    pub(crate) fn contact_of(
        &self,
        record: &(impl Record + ?Sized),
        etag: Option<&str>,
        unfit: &mut dyn FnMut(&str, &Field, &'static str),
    ) -> Option<Contact> {
        let id = self.id(record)?;
        let mut values = |field: &Field| {
            let read = field.values(record);
            if let Some(expected) = read.expected {
                unfit(&id, field, expected);
            }
            read.values
        };
        let mut identifiers: Vec<(&str, String)> = Vec::new();
        for (scheme, field) in &self.identifiers {
            for value in values(field).into_iter().filter(|value| value.len() <= ID_BYTES_MAX) {
                if !identifiers.iter().any(|(known, held)| known == scheme && *held == value) {
                    identifiers.push((scheme, value));
                }
            }
        }
        if identifiers.len() > IDENTIFIERS_MAX {
            diagnostics::warning!("record {id} has {} identifiers; the first {IDENTIFIERS_MAX} are used", identifiers.len());
            identifiers.truncate(IDENTIFIERS_MAX);
        }
        let attributes: Vec<(&str, String)> = self
            .attributes
            .iter()
            .map(|(name, field)| (name.as_str(), values(field).join(", ")))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let mut first = |field: &Option<Field>| field.as_ref().and_then(|field| values(field).into_iter().next());
        let (name, deleted) = (first(&self.display_name), first(&self.deleted).as_deref() == Some("true"));

        let pairs = identifiers.iter().chain(&attributes).flat_map(|(name, value)| [*name, value.as_str()]);
        let words = [name.as_deref().unwrap_or_default(), if deleted { "deleted" } else { "" }].into_iter().chain(pairs);
        let hash = hash(words);
        let version = match &self.version {
            Version::Words => None,
            Version::Field(field) => values(field).into_iter().next(),
            Version::Etag => etag.map(str::to_owned),
        };
        let version = version.filter(|version| version.len() <= VERSION_BYTES_MAX);
        let version = version.map_or_else(|| format!("{hash:016x}"), |version| format!("{version}-{hash:016x}"));

        let mut contact = Contact::new(id, version).deleted(deleted);
        if let Some(name) = name {
            contact = contact.display_name(name);
        }
        for (scheme, value) in identifiers {
            contact = contact.identifier(scheme, value);
        }
        for (name, value) in attributes {
            contact = contact.attribute(name, value);
        }
        // Half a record is no JSON any more: a long one is left out.
        let json = record.json();
        Some(if json.len() <= RAW_TEXT_BYTES_MAX { contact.raw_text(json) } else { contact })
    }
}

/// Leaves records' own words out where all of them together are more than the host takes.
pub(crate) fn limit_raw(contacts: &mut [Contact]) {
    let mut bytes = 0;
    for contact in contacts {
        bytes += match &contact.raw {
            Some(sportello_sdk::Raw::Text(text)) => text.len(),
            _ => 0,
        };
        if bytes > RAW_BYTES_MAX {
            contact.raw = None;
        }
    }
}

/// Whether two values of a scheme are the same identifier.
pub(crate) fn is_same(scheme: &str, one: &str, other: &str) -> bool {
    let digits = |number: &str| number.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect::<String>();
    match scheme {
        "email" => one.trim().to_lowercase() == other.trim().to_lowercase(),
        "phone" => digits(one) == digits(other),
        _ => one.trim() == other.trim(),
    }
}

/// Whether a scheme is one of the contract's; otherwise a problem.
pub(crate) fn check_scheme(scheme: &str, line: usize, problems: &Problems) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let known = match scheme.split_once('.') {
        Some((network, what)) => is_word(network) && matches!(what, "id" | "handle") && scheme.len() <= 64,
        None => matches!(scheme, "email" | "phone" | "external"),
    };
    if !known {
        let hint = nearest(scheme, ["email", "phone", "external"]);
        problems.add(line, format!("`{scheme}` is no scheme{hint}; there are email, phone, external, <network>.id and <network>.handle"));
    }
    known
}

fn identifiers(node: &Node, problems: &Problems) -> Vec<(String, Field)> {
    let Value::List(items) = &node.value else {
        problems.add(node.line, format!("`identifiers` is a list of mappings with `scheme` and `at`, not {}", node.kind()));
        return Vec::new();
    };
    let read = |item: &Node| {
        let keys = keys(&["scheme"]);
        let section = Section::open(item, "an identifier", &keys, problems)?;
        let scheme = section.need_text("scheme")?;
        check_scheme(scheme, item.line, problems);
        let usual = match scheme {
            "email" => Cast::Email,
            "phone" => Cast::usual_phone(),
            _ => Cast::Text,
        };
        Some((scheme.to_owned(), Field::read_section(&section, usual, problems)?))
    };
    items.iter().filter_map(read).collect()
}

fn attributes(node: &Node, problems: &Problems) -> Vec<(String, Field)> {
    let Value::Map(entries) = &node.value else {
        problems.add(node.line, format!("`attributes` is a mapping of names to fields, not {}", node.kind()));
        return Vec::new();
    };
    if entries.len() > ATTRIBUTES_MAX {
        problems.add(node.line, format!("a contact has at most {ATTRIBUTES_MAX} attributes, and here are {}", entries.len()));
    }
    let read = |(key, node): &(crate::yaml::Key, Node)| {
        let is_name = !key.text.is_empty()
            && key.text.len() <= 64
            && key.text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_name {
            problems.add(key.line, format!("an attribute's name is lower-case words joined by `-`, not `{}`", key.text));
        }
        Some((key.text.clone(), Field::read(node, &format!("`{}`", key.text), Cast::Text, problems)?))
    };
    entries.iter().filter_map(read).collect()
}
