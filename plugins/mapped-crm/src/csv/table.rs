//! A file as a table: its columns, its rows as records, and whether all of it is right.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sportello_sdk::Contact;

use super::fault::Fault;
use super::files::File;
use super::rows::{COLUMNS_MAX, Row, Rows, line_of};
use super::text::Text;
use super::{Csv, is_served};
use crate::contact::ContactMapping;
use crate::hash::checksum;
use crate::pointer::Pointer;
use crate::record::Record;

pub(crate) const KEYS: [&str; 4] = ["separator", "encoding", "columns", "on-bad-row"];

/// Rows of a file.
pub(crate) const ROWS_MAX: usize = 200_000;
/// Bytes of a cell.
pub(crate) const CELL_BYTES_MAX: usize = 16 << 10;
/// Bytes of a row.
pub(crate) const ROW_BYTES_MAX: usize = 64 << 10;

/// A whole file.
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) checksum: u64,
    pub(crate) size: u64,
    text: Text,
    columns: Vec<String>,
    separator: u8,
    /// Where the first row stands, and its line.
    first: (usize, usize),
    /// Where the last one ends: before the trailer.
    end: usize,
}

/// What a row became.
pub(crate) enum Outcome {
    Contact(Box<Contact>),
    /// What is wrong with it, and where.
    Bad(String),
}

/// The ids of a table.
pub(crate) struct Ids {
    pub(crate) ids: Vec<String>,
    /// Whether every row has one that can be read.
    pub(crate) are_all: bool,
}

impl Table {
    /// Reads a file up to its first row.
    pub(crate) fn open(csv: &Csv, mapping: &ContactMapping, file: &File, bytes: Vec<u8>) -> Result<Self, Fault> {
        let (checksum, size) = (checksum(&bytes), bytes.len() as u64);
        let text = Text::read(bytes, csv.encoding, csv.complete.is_marked())?;
        let end = match csv.complete.trailer() {
            Some(trailer) => before_trailer(&text.bytes, trailer)?,
            None => text.bytes.len(),
        };
        if text.bytes[..end].iter().all(u8::is_ascii_whitespace) {
            return Err(Fault::Incomplete("it is empty".into()));
        }
        if text.bytes[..end.min(1024)].contains(&0) {
            return Err(Fault::Broken("it has zero bytes and is no text (UTF-16 needs a byte order mark)".into()));
        }
        let separator = csv.separator.unwrap_or_else(|| guess_separator(&text.bytes[..end]));
        let mut table = Self { name: file.name.clone(), checksum, size, text, columns: Vec::new(), separator, first: (0, 1), end };
        match &csv.columns {
            Some(columns) => table.columns.clone_from(columns),
            None => table.read_header()?,
        }
        let is_there = |name: &str| table.columns.iter().any(|known| known == name);
        if let Some(field) = mapping.fields().find(|field| !is_served(field, is_there)) {
            return Err(Fault::Broken(format!("{}:1:1: the first row names no column `{}`", table.name, field.place())));
        }
        Ok(table)
    }

    fn read_header(&mut self) -> Result<(), Fault> {
        let (mut rows, mut row) = (self.rows(0, 1), Row::default());
        rows.next(&mut row);
        self.first = rows.place();
        if let Some(open) = row.open_quote {
            return Err(Fault::Incomplete(format!("{}: a quote begins here and does not end", self.place(&row, open))));
        }
        if self.first.0 == self.end && row.end == self.end && self.end == self.text.bytes.len() {
            return Err(Fault::Incomplete("its first row is not ended".into()));
        }
        if let Some((at, what)) = row.fault {
            return Err(Fault::Broken(format!("{}: {what}", self.place(&row, at))));
        }
        let columns: Vec<String> = (0..row.cells.len()).map(|number| self.cell(&row, number).trim().to_owned()).collect();
        let twice = columns.iter().enumerate().find(|(at, name)| !name.is_empty() && columns[..*at].contains(name));
        if let Some((at, _)) = twice {
            return Err(Fault::Broken(format!("{}: a column of this name stands here again", self.place(&row, row.cells[at].start))));
        }
        self.columns = columns;
        Ok(())
    }

    /// Where its rows begin, and the line.
    pub(crate) fn first(&self) -> (usize, usize) {
        self.first
    }

    /// The rows from a place on.
    pub(crate) fn rows(&self, at: usize, line: usize) -> Rows<'_> {
        Rows::from(&self.text.bytes[..self.end], self.separator, at, line)
    }

    /// Goes through all of it: that it is whole and within the limits.
    pub(crate) fn examine(&self, csv: &Csv) -> Result<(), Fault> {
        let (mut rows, mut row) = (self.rows(self.first.0, self.first.1), Row::default());
        let mut count = 0;
        let ends = self.text.bytes[..self.end].iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
        let last = ends.map_or(0, |at| at + 1);
        while rows.next(&mut row) {
            count += 1;
            if count > ROWS_MAX {
                return Err(Fault::Broken(format!("{}:{}:1: there are more than {ROWS_MAX} rows", self.name, row.line)));
            }
            if let Some(open) = row.open_quote {
                return Err(Fault::Incomplete(format!("{}: a quote begins here and does not end", self.place(&row, open))));
            }
            let may_be_cut = row.end >= last && csv.complete.trailer().is_none();
            if may_be_cut && row.cells.len() < self.columns.len() && row.fault.is_none() {
                return Err(Fault::Incomplete(format!(
                    "{}: the last row has {} of {} columns",
                    self.place(&row, row.end),
                    row.cells.len(),
                    self.columns.len()
                )));
            }
        }
        if count == 0 && csv.is_full {
            return Err(Fault::Broken("it has no row: of a full export that would say that everybody is deleted".into()));
        }
        Ok(())
    }

    /// What is wrong with a row, and where. As [`Table::outcome`], and quicker where no contact is wanted.
    pub(crate) fn wrong(&self, mapping: &ContactMapping, row: &Row) -> Option<String> {
        let fits =
            |record: TableRow<'_>| mapping.id(&record).is_some() && mapping.fields().all(|field| field.values(&record).expected.is_none());
        if self.record(row).is_some_and(fits) {
            return None;
        }
        match self.outcome(mapping, row) {
            Outcome::Bad(told) => Some(told),
            Outcome::Contact(_) => None,
        }
    }

    /// The contact a row is, or what is wrong with it.
    pub(crate) fn outcome(&self, mapping: &ContactMapping, row: &Row) -> Outcome {
        if let Some((at, what)) = self.fault(row) {
            return Outcome::Bad(format!("{}: {what}", self.place(row, at)));
        }
        let record = TableRow { table: self, row };
        let mut unfit = None;
        let contact = mapping.contact_of(&record, None, &mut |_, field, expected| {
            unfit.get_or_insert_with(|| {
                let cell = field.pointers().iter().filter_map(|pointer| record.cell(pointer)).find(|cell| cell.start < cell.end);
                let at = cell.map_or(row.start, |cell| cell.start);
                format!("{}: {} is not {expected}", self.place(row, at), field.place())
            });
        });
        match (contact, unfit) {
            (Some(contact), None) => Outcome::Contact(Box::new(contact)),
            (_, Some(told)) => Outcome::Bad(told),
            (None, None) => Outcome::Bad(format!("{}: there is no id", self.place(row, row.start))),
        }
    }

    /// A row as a record, if it has the table's shape.
    pub(crate) fn record<'a>(&'a self, row: &'a Row) -> Option<TableRow<'a>> {
        self.fault(row).is_none().then_some(TableRow { table: self, row })
    }

    /// The ids of all its rows, also of those that are bad otherwise.
    pub(crate) fn ids(&self, mapping: &ContactMapping) -> Ids {
        let (mut rows, mut row) = (self.rows(self.first.0, self.first.1), Row::default());
        let mut found = Ids { ids: Vec::new(), are_all: true };
        while rows.next(&mut row) {
            match self.record(&row).and_then(|record| mapping.id(&record)) {
                Some(id) => found.ids.push(id),
                None => found.are_all = false,
            }
        }
        super::ids::sort(&mut found.ids);
        found
    }

    fn fault(&self, row: &Row) -> Option<(usize, String)> {
        if let Some((at, what)) = row.fault {
            return Some((at, what.to_owned()));
        }
        if row.cells.len() != self.columns.len() {
            let at = row.cells.get(self.columns.len()).map_or(row.end, |cell| cell.start);
            return Some((at, format!("the row has {} columns instead of {}", row.cells.len(), self.columns.len())));
        }
        if row.end - row.start > ROW_BYTES_MAX {
            return Some((row.start, format!("the row has {} bytes; at most {ROW_BYTES_MAX} are taken", row.end - row.start)));
        }
        for cell in &row.cells {
            if cell.end - cell.start > CELL_BYTES_MAX {
                return Some((cell.start, format!("the cell has {} bytes; at most {CELL_BYTES_MAX} are taken", cell.end - cell.start)));
            }
            if !self.text.is_valid(cell.start..cell.end) {
                return Some((cell.start, "the cell is not UTF-8".into()));
            }
        }
        None
    }

    fn cell(&self, row: &Row, number: usize) -> Cow<'_, str> {
        let Some(cell) = row.cells.get(number) else { return Cow::Borrowed("") };
        let text = self.text.decode(cell.start..cell.end);
        if cell.is_doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { text }
    }

    /// `file:line:column` of a byte of a row.
    fn place(&self, row: &Row, at: usize) -> String {
        let (lines, begins) = line_of(&self.text.bytes, row.start, at);
        let letters = self.text.decode(begins..at).chars().count();
        format!("{}:{}:{}", self.name, row.line + lines, letters + 1)
    }
}

/// Where a text ends before its last line, which must be this one.
fn before_trailer(text: &[u8], trailer: &str) -> Result<usize, Fault> {
    let missing = || Fault::Incomplete("its last line is not the trailer".into());
    let before = text.trim_ascii_end().strip_suffix(trailer.as_bytes()).ok_or_else(missing)?;
    if before.is_empty() || before.ends_with(b"\n") || before.ends_with(b"\r") { Ok(before.len()) } else { Err(missing()) }
}

/// The usual separator that cuts the first row into the most cells.
fn guess_separator(text: &[u8]) -> u8 {
    let cells = |separator: u8| {
        let mut row = Row::default();
        Rows::from(text, separator, 0, 1).next(&mut row);
        row.cells.len().min(COLUMNS_MAX)
    };
    // Of equals the last counts.
    [b'|', b'\t', b',', b';'].into_iter().max_by_key(|separator| cells(*separator)).unwrap_or(b';')
}

/// A row as a record: `/name` is the cell of the column `name`.
pub(crate) struct TableRow<'a> {
    table: &'a Table,
    row: &'a Row,
}

impl TableRow<'_> {
    fn number(&self, pointer: &Pointer) -> Option<usize> {
        let name = pointer.column()?;
        self.table.columns.iter().position(|known| known == name)
    }

    fn cell(&self, pointer: &Pointer) -> Option<super::rows::Cell> {
        self.row.cells.get(self.number(pointer)?).copied()
    }
}

impl Record for TableRow<'_> {
    fn texts(&self, pointer: &Pointer) -> Vec<Cow<'_, str>> {
        self.number(pointer).map(|number| self.table.cell(self.row, number)).into_iter().collect()
    }

    fn json(&self) -> Cow<'_, str> {
        let cells = self.table.columns.iter().enumerate().map(|(number, name)| (name.as_str(), self.table.cell(self.row, number)));
        // A map of texts can always be written.
        Cow::Owned(serde_json::to_string(&cells.collect::<BTreeMap<_, _>>()).unwrap_or_default())
    }
}
