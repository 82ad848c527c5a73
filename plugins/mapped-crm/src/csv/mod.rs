//! The source `csv`: a folder into which a legacy system drops files.
//!
//! | file | what it knows |
//! |---|---|
//! | `files.rs` | which files lie in the folder, in which order |
//! | `complete.rs` | when an upload is finished, and when nobody waits any more |
//! | `text.rs` | encodings |
//! | `rows.rs` | RFC 4180 |
//! | `table.rs` | a file as a table, its columns, a row as a record, and whether all of it is right |
//! | `changes.rs`, `cursor.rs`, `ids.rs` | what was read, and where it goes on |
//! | `look_up.rs` | scanning for an identifier |

pub(crate) mod changes;
mod complete;
mod cursor;
mod fault;
mod files;
mod ids;
pub(crate) mod look_up;
mod rows;
mod table;
mod text;

use sportello_sdk::Error;

use crate::contact::ContactMapping;
use crate::field::Field;
use crate::problem::{Problems, nearest};
use crate::section::{Section, texts};
use crate::settings::Settings;
use crate::yaml::Node;

use complete::Complete;
use files::{Order, Pattern};
use text::{ENCODINGS, Encoding};

/// The keys of a mapping that belong to this source.
pub(crate) const KEYS: [&str; 2] = ["files", "table"];

/// Contacts of one page of changes.
const PAGE_CONTACTS_MAX: u32 = 500;
/// MiB that one look-up reads, and those where a bad row refuses its file: then every row is judged.
const LOOK_UP_MEBIBYTES: u32 = 32;
const JUDGED_MEBIBYTES: u32 = 4;

/// How files become records.
#[derive(Debug, Clone)]
pub(crate) struct Csv {
    /// The system's name, for messages.
    name: String,
    names: Vec<Pattern>,
    order: Order,
    /// Whether each file has every record, so that who is not in it is deleted.
    is_full: bool,
    complete: Complete,
    give_up_ms: i64,
    page_contacts: usize,
    look_up_bytes: u64,
    /// None: the one that cuts the first row into the most cells.
    separator: Option<u8>,
    encoding: Encoding,
    /// None: the first row names them.
    columns: Option<Vec<String>>,
    refuses_bad_rows: bool,
}

impl Csv {
    pub(crate) fn read(name: &str, section: &Section<'_>, contact: Option<&ContactMapping>, problems: &Problems) -> Option<Self> {
        let files = section.need("files").and_then(|node| Section::open(node, "`files`", &files::KEYS, problems));
        let table = section.get("table").map(|node| Section::open(node, "`table`", &table::KEYS, problems));
        let columns = table.flatten().and_then(|table| table.get("columns")).map(|node| columns(node, problems));
        if let Some(contact) = contact {
            check_fields(contact, columns.as_deref(), section, problems);
        }
        let files = files?;
        let names = files.need("names").map_or_else(Vec::new, |node| texts(node, "`names`", problems));
        let names: Vec<Pattern> = names.into_iter().filter_map(|(text, line)| Pattern::read(text, line, problems)).collect();
        let is_full = files.word("kind", &[("delta", false), ("full", true)], false);
        if is_full && files.get("complete").is_none() {
            problems.add(files.line(), "`kind: full` needs `complete`: half an export would say that the rest of the records are deleted");
        }
        let complete = Complete::read(files.get("complete"), problems)?;
        let table = table.flatten();
        let refuses_bad_rows = table.is_some_and(|table| table.word("on-bad-row", &[("skip", false), ("refuse", true)], false));
        let look_up_max = if refuses_bad_rows { JUDGED_MEBIBYTES } else { LOOK_UP_MEBIBYTES };
        Some(Self {
            name: name.to_owned(),
            names,
            order: files.word("order", &files::ORDERS, Order::Name),
            is_full,
            complete,
            give_up_ms: i64::from(files.number("give-up-after-seconds", 60, 604_800, 3600)) * 1000,
            page_contacts: usize::try_from(files.number("page-size", 1, PAGE_CONTACTS_MAX, PAGE_CONTACTS_MAX)).unwrap_or(1),
            look_up_bytes: u64::from(files.number("look-up-mebibytes", 1, look_up_max, look_up_max)) << 20,
            separator: table.and_then(|table| separator(&table, problems)),
            encoding: table.map_or(Encoding::Auto, |table| table.word("encoding", &ENCODINGS, Encoding::Auto)),
            columns,
            refuses_bad_rows,
        })
    }

    /// The folder of a channel's settings.
    fn folder<'a>(&self, settings: &'a Settings) -> Result<&'a std::path::Path, Error> {
        settings.folder().ok_or_else(|| Error::reject(format!("{}: the setting `folder` is missing", self.name)))
    }
}

fn columns(node: &Node, problems: &Problems) -> Vec<String> {
    let named = texts(node, "`columns`", problems);
    for (at, (name, line)) in named.iter().enumerate() {
        if named[..at].iter().any(|(earlier, _)| earlier == name) {
            problems.add(*line, format!("the column `{name}` stands twice"));
        }
    }
    if named.len() > rows::COLUMNS_MAX {
        problems.add(node.line, format!("a table has at most {} columns", rows::COLUMNS_MAX));
    }
    named.into_iter().map(|(name, _)| name.to_owned()).collect()
}

fn separator(table: &Section<'_>, problems: &Problems) -> Option<u8> {
    let node = table.get("separator")?;
    match table.text("separator")? {
        "auto" => None,
        "tab" => Some(b'\t'),
        text => match text.as_bytes() {
            [byte] if byte.is_ascii_punctuation() && *byte != b'"' || matches!(byte, b'\t') => Some(*byte),
            _ => {
                problems.add(node.line, "`separator` is one sign in quotes like \";\", or tab, or auto");
                None
            }
        },
    }
}

/// A row has columns and nothing within them.
fn check_fields(contact: &ContactMapping, columns: Option<&[String]>, section: &Section<'_>, problems: &Problems) {
    if contact.wants_etag() {
        problems.add(section.line(), "`version: etag` belongs to `source: rest-json`: a row has no ETag");
    }
    for (field, pointer) in contact.fields().flat_map(|field| field.pointers().iter().map(move |pointer| (field, pointer))) {
        let written = pointer.as_str();
        match (pointer.column(), columns) {
            (None, _) => problems.add(field.line(), format!("`{written}` leads to no column; write `/` and a column's name")),
            (Some(name), Some(columns)) if !columns.iter().any(|known| known == name) => {
                let hint = nearest(name, columns.iter().map(String::as_str));
                problems.add(field.line(), format!("`columns` has no `{name}`{hint}; it has {}", columns.join(", ")));
            }
            _ => {}
        }
    }
}

/// Whether a table has what a field reads.
fn is_served(field: &Field, has: impl Fn(&str) -> bool) -> bool {
    let mut served = field.pointers().iter().map(|pointer| pointer.column().is_some_and(&has));
    if field.needs_all() { served.all(|there| there) } else { served.any(|there| there) }
}
