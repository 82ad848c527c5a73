//! Which records carry an identifier: the complete files are scanned. What a later row says of a record counts.

use std::collections::BTreeMap;

use sportello_sdk::limits::ITEMS_MAX;
use sportello_sdk::{Contact, Context, Error, Identifier, time};

use super::Csv;
use super::complete::is_finished;
use super::fault::Fault;
use super::files::{self, File};
use super::rows::Row;
use super::table::{Outcome, Table};
use crate::contact::{ContactMapping, limit_raw};
use crate::settings::Settings;

/// All contacts that carry the identifier exactly.
pub(crate) fn contacts(
    csv: &Csv,
    mapping: &ContactMapping,
    context: &Context<Settings>,
    identifier: &Identifier,
) -> Result<Vec<Contact>, Error> {
    let (scheme, value) = (identifier.scheme.as_str(), identifier.value.trim());
    if value.is_empty() || !mapping.has_scheme(scheme) {
        return Ok(Vec::new());
    }
    let mut files = files::list(csv, csv.folder(&context.settings)?)?;
    let now = time::milliseconds(&context.now).unwrap_or_default();
    let mut found = BTreeMap::new();
    if csv.is_full {
        // The newest that can be read has everybody.
        files.reverse();
    }
    let mut bytes = 0;
    for file in &files {
        bytes += file.size;
        if bytes > csv.look_up_bytes {
            return Err(Error::reject(format!(
                "{}: a look-up reads at most {} MiB (`look-up-mebibytes`), and the files in the folder have more; move away what is old",
                csv.name,
                csv.look_up_bytes >> 20
            )));
        }
        let Ok(table) = whole(csv, mapping, file, now) else { continue };
        scan(mapping, &table, scheme, value, &mut found);
        if csv.is_full {
            break;
        }
    }
    if found.len() > ITEMS_MAX {
        return Err(Error::reject(format!("{}: the look-up by `{scheme}` finds more than {ITEMS_MAX} contacts", csv.name)));
    }
    let mut found: Vec<Contact> = found.into_values().collect();
    limit_raw(&mut found);
    Ok(found)
}

/// The table of a file that would be read now.
fn whole(csv: &Csv, mapping: &ContactMapping, file: &File, now: i64) -> Result<Table, Fault> {
    // A time in the future says nothing, and since when it was seen so only the changes know. As far as it is from now must do: half an upload that is
    // read so is whole at one of the next look-ups.
    is_finished(csv, file, (now - file.modified).abs())?;
    let table = Table::open(csv, mapping, file, file.bytes()?)?;
    table.examine(csv)?;
    if csv.refuses_bad_rows {
        let (mut rows, mut row) = (table.rows(table.first().0, table.first().1), Row::default());
        while rows.next(&mut row) {
            if let Some(told) = table.wrong(mapping, &row) {
                return Err(Fault::Broken(told));
            }
        }
    }
    Ok(table)
}

fn scan(mapping: &ContactMapping, table: &Table, scheme: &str, value: &str, found: &mut BTreeMap<String, Contact>) {
    let (mut rows, mut row) = (table.rows(table.first().0, table.first().1), Row::default());
    while rows.next(&mut row) {
        let Some(record) = table.record(&row) else { continue };
        let carries = mapping.carries(&record, scheme, value);
        // Most rows are somebody else's: their ids count only while somebody is found whom they could be.
        if !carries && found.is_empty() {
            continue;
        }
        let Some(id) = mapping.id(&record) else { continue };
        match table.outcome(mapping, &row) {
            Outcome::Contact(contact) if carries => {
                found.insert(id, *contact);
            }
            Outcome::Contact(_) => {
                found.remove(&id);
            }
            Outcome::Bad(_) => {}
        }
    }
}
