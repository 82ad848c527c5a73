//! What the files say that was not told yet.
//!
//! One page is of one file. Files are read in their order, and one that is not complete holds up those behind it: what they say is newer. A call
//! reads a file as a whole before it uses anything of it, so nobody can change it in between; by its checksum a later call knows whether it is the
//! same file still.

use sportello_sdk::crm::ContactPage;
use sportello_sdk::{Contact, Context, Error, diagnostics, time};

use super::Csv;
use super::complete::{given_up_stamp, is_finished};
use super::cursor::{Cursor, Reading};
use super::fault::Fault;
use super::files::{self, File};
use super::ids::PACKED_BYTES_MAX;
use super::rows::Row;
use super::table::{Outcome, Table};
use crate::contact::{ContactMapping, limit_raw};
use crate::hash::checksum;
use crate::settings::Settings;

/// Bytes of rows on a page; an answer has 4 MiB, in which a row stands twice.
const PAGE_BYTES_MAX: usize = 512 << 10;
/// Rows that one call reads: those left out make no contact, but take time.
const PAGE_ROWS_MAX: usize = 5_000;
/// Bytes of a file from which on the call that finds it to be whole does no more than that.
const LARGE_BYTES: u64 = 4 << 20;
/// Rows and bytes that one call looks through for bad rows.
const CHECKED_ROWS_MAX: usize = 20_000;
const CHECKED_BYTES_MAX: usize = 4 << 20;
/// Bad rows of a page that are told one by one: a call has 64 messages.
const TOLD_MAX: usize = 20;
/// Bad rows that are told in the one message which refuses a file.
const TOLD_OF_REFUSED_MAX: usize = 5;

/// Where a look at one file ended.
enum Found {
    /// It can be read, from its beginning.
    Table(Table),
    /// Its content was read already.
    Same(u64),
}

/// What one call does.
struct Walk<'a> {
    csv: &'a Csv,
    mapping: &'a ContactMapping,
    files: Vec<File>,
    now: i64,
    cursor: Cursor,
}

/// One page of changes.
pub(crate) fn page(csv: &Csv, mapping: &ContactMapping, context: &Context<Settings>, cursor: Option<String>) -> Result<ContactPage, Error> {
    let files = files::list(csv, csv.folder(&context.settings)?)?;
    let now = time::milliseconds(&context.now).ok_or_else(|| Error::reject(format!("the call's time {} is none", context.now)))?;
    let cursor = cursor.as_deref().map(Cursor::read).transpose()?.unwrap_or_default();
    Walk { csv, mapping, files, now, cursor }.page()
}

impl Walk<'_> {
    fn page(mut self) -> Result<ContactPage, Error> {
        if let Some(reading) = self.cursor.reading.take()
            && let Some((file, table)) = self.same_as_before(&reading)
        {
            return self.read(&file, &table, reading);
        }
        let Some(file) = self.files.iter().find(|file| !self.cursor.knows(file.stamp) && !self.is_given_up(file)).cloned() else {
            self.cursor.waiting = None;
            return self.end(Vec::new(), false);
        };
        let age = self.age(&file);
        match self.look_at(&file, age) {
            Ok(Found::Table(table)) => {
                let reading = self.begin(&table);
                if table.size > LARGE_BYTES {
                    self.cursor.reading = Some(reading);
                    return self.end(Vec::new(), true);
                }
                self.read(&file, &table, reading)
            }
            Ok(Found::Same(checksum)) => {
                diagnostics::info!("{}: nothing is new in it", file.name);
                self.cursor.touched(&file, checksum, &self.files);
                let more = self.has_more();
                self.end(Vec::new(), more)
            }
            Err(Fault::Incomplete(why)) if age < self.csv.give_up_ms => {
                diagnostics::info!("{} is not complete yet, and waited for: {why}", file.name);
                self.end(Vec::new(), false)
            }
            Err(fault) => self.give_up(&file, fault.told()),
        }
    }

    fn end(&mut self, mut contacts: Vec<Contact>, more: bool) -> Result<ContactPage, Error> {
        limit_raw(&mut contacts);
        Ok(ContactPage::new(contacts, Some(self.cursor.write()?), more))
    }

    fn begin(&self, table: &Table) -> Reading {
        let (at, line) = table.first();
        let (name, size, checksum) = (table.name.clone(), table.size, table.checksum);
        Reading { name, size, checksum, at, line, rows: 0, bad: 0, checking: self.csv.refuses_bad_rows, gone: None }
    }

    fn is_given_up(&self, file: &File) -> bool {
        self.cursor.knows(given_up_stamp(self.csv, file))
    }

    fn has_more(&self) -> bool {
        self.files.iter().any(|file| !self.cursor.knows(file.stamp) && !self.is_given_up(file))
    }

    /// How long a file has been as it is. A time in the future says nothing; then what counts is since when it was seen so.
    fn age(&mut self, file: &File) -> i64 {
        if file.modified <= self.now {
            self.cursor.waiting = None;
            return self.now - file.modified;
        }
        let since = self.cursor.waiting.filter(|(stamp, _)| *stamp == file.stamp).map_or(self.now, |(_, since)| since);
        self.cursor.waiting = Some((file.stamp, since));
        diagnostics::warning!("{} was modified in the future, if the clocks are right", file.name);
        self.now.saturating_sub(since).max(0)
    }

    /// Looks whether a file can be read from its beginning.
    fn look_at(&self, file: &File, age: i64) -> Result<Found, Fault> {
        is_finished(self.csv, file, age)?;
        let bytes = file.bytes()?;
        let checksum = checksum(&bytes);
        if self.cursor.has_content(&file.name, checksum) {
            return Ok(Found::Same(checksum));
        }
        let table = Table::open(self.csv, self.mapping, file, bytes)?;
        table.examine(self.csv)?;
        Ok(Found::Table(table))
    }

    /// The file of which a part was read, if it is still the same.
    fn same_as_before(&self, reading: &Reading) -> Option<(File, Table)> {
        let Some(file) = self.files.iter().find(|file| file.name == reading.name) else {
            diagnostics::warning!("{} is gone; {} rows of it were read", reading.name, reading.rows);
            return None;
        };
        let bytes = if file.size == reading.size { file.bytes().ok() } else { None };
        let bytes = bytes.filter(|bytes| checksum(bytes) == reading.checksum);
        let table = bytes.and_then(|bytes| Table::open(self.csv, self.mapping, file, bytes).ok());
        if table.is_none() {
            diagnostics::warning!("{} was replaced after {} rows of it were read, and is begun anew", reading.name, reading.rows);
        }
        Some((file.clone(), table?))
    }

    /// One page of a file.
    fn read(&mut self, file: &File, table: &Table, mut reading: Reading) -> Result<ContactPage, Error> {
        if reading.checking {
            return self.check(file, table, reading);
        }
        if reading.rows == 0 {
            self.check_ids(table)?;
        }
        let mut contacts: Vec<Contact> = Vec::new();
        let (mut rows, mut row) = (table.rows(reading.at, reading.line), Row::default());
        let (mut told, mut read) = (0, 0);
        let mut at_end = reading.gone.is_some();
        while !at_end && contacts.len() < self.csv.page_contacts && rows.place().0 - reading.at < PAGE_BYTES_MAX && read < PAGE_ROWS_MAX {
            if !rows.next(&mut row) {
                at_end = true;
                break;
            }
            read += 1;
            reading.rows += 1;
            match table.outcome(self.mapping, &row) {
                Outcome::Contact(contact) => {
                    // Of several rows of one record the last counts.
                    contacts.retain(|earlier| earlier.id != contact.id);
                    contacts.push(*contact);
                }
                Outcome::Bad(wrong) => {
                    reading.bad += 1;
                    told += 1;
                    if told <= TOLD_MAX {
                        diagnostics::warning!("{wrong}; the row is left out");
                    }
                }
            }
        }
        if told > TOLD_MAX {
            diagnostics::warning!("{}: and {} more rows are left out", table.name, told - TOLD_MAX);
        }
        (reading.at, reading.line) = rows.place();
        let gone = if at_end { self.tell_gone(table, &mut reading, &mut contacts)? } else { false };
        if !at_end || gone {
            self.cursor.reading = Some(reading);
            return self.end(contacts, true);
        }
        diagnostics::info!("{}: read to its end, {} rows, {} of them left out", table.name, reading.rows, reading.bad);
        self.cursor.read_to_end(file, table.checksum, &self.files);
        let more = self.has_more();
        self.end(contacts, more)
    }

    /// Looks through a part of a file for bad rows. Nothing of it is told before all of it was looked through.
    fn check(&mut self, file: &File, table: &Table, mut reading: Reading) -> Result<ContactPage, Error> {
        let (mut rows, mut row) = (table.rows(reading.at, reading.line), Row::default());
        let mut bad = Vec::new();
        let mut read = 0;
        while read < CHECKED_ROWS_MAX && rows.place().0 - reading.at < CHECKED_BYTES_MAX {
            if !rows.next(&mut row) {
                (reading.at, reading.line) = table.first();
                reading.checking = false;
                break;
            }
            read += 1;
            bad.extend(table.wrong(self.mapping, &row));
        }
        if !bad.is_empty() {
            let more = bad.len().saturating_sub(TOLD_OF_REFUSED_MAX);
            let more = if more == 0 { String::new() } else { format!("; and {more} more") };
            bad.truncate(TOLD_OF_REFUSED_MAX);
            return self.give_up(file, &format!("{}{more}", bad.join("; ")));
        }
        if !reading.checking {
            return self.read(file, table, reading);
        }
        (reading.at, reading.line) = rows.place();
        self.cursor.reading = Some(reading);
        self.end(Vec::new(), true)
    }

    fn give_up(&mut self, file: &File, why: &str) -> Result<ContactPage, Error> {
        diagnostics::error!("{} is broken, and not read: {why}", file.name);
        let stamp = given_up_stamp(self.csv, file);
        self.cursor.given_up(file, stamp, &self.files);
        let more = self.has_more();
        self.end(Vec::new(), more)
    }

    /// The ids a full export leaves behind: its own, and with rows whose id cannot be read those before it too. Beside them, who is absent.
    fn present_and_absent(&self, table: &Table) -> Result<(Vec<String>, Vec<String>), Error> {
        let found = table.ids(self.mapping);
        let before = self.cursor.ids()?.unwrap_or_default();
        let absent: Vec<String> = before.into_iter().filter(|id| !super::ids::contain(&found.ids, id)).collect();
        if found.are_all {
            return Ok((found.ids, absent));
        }
        let mut ids = found.ids;
        ids.extend(absent);
        super::ids::sort(&mut ids);
        Ok((ids, Vec::new()))
    }

    /// Refuses a full export whose ids could not be kept, before anything of it is told.
    fn check_ids(&self, table: &Table) -> Result<(), Error> {
        if !self.csv.is_full || super::ids::pack(&self.present_and_absent(table)?.0).is_some() {
            return Ok(());
        }
        Err(Error::reject(format!(
            "{}: {}: `kind: full` keeps the ids of the last export, packed to at most {PACKED_BYTES_MAX} bytes, and these are more; use `kind: delta` and a \
             column for `deleted`",
            self.csv.name, table.name
        )))
    }

    /// Tells who is absent of a full export as deleted; true if there are more than the page holds.
    fn tell_gone(&mut self, table: &Table, reading: &mut Reading, contacts: &mut Vec<Contact>) -> Result<bool, Error> {
        if !self.csv.is_full {
            return Ok(false);
        }
        let (present, absent) = self.present_and_absent(table)?;
        let from = reading.gone.unwrap_or(0).min(absent.len());
        let room = self.csv.page_contacts.saturating_sub(contacts.len());
        let to = (from + room).min(absent.len());
        let version = format!("absent-{:016x}", table.checksum);
        contacts.extend(absent[from..to].iter().map(|id| Contact::new(id, &version).deleted(true)));
        if to < absent.len() {
            reading.gone = Some(to);
            return Ok(true);
        }
        // They fit: that was checked before the first row.
        self.cursor.set_ids(&present);
        Ok(false)
    }
}
