//! Which parties changed since a cursor.
//!
//! Tryton has no list of changes, only a moment of creation and of the last change in every record; the latter is null until there is one. And
//! what hangs on a party (contact mechanism, address, identifier) does not touch it when it is written. So eight lists are followed, each in the
//! order of its moment and, for records of the same moment (everything one transaction makes), their number: of each model by creation and by change.
//!
//! # Late records
//! A long transaction's records carry the time of its begin and are seen only after its end. So at the end of a list the connector looks whether
//! the records of its last moments (the overlap) are still those it saw there, by a hash in the cursor; if not, the next look reads them once
//! more. What is read twice has the same version, and the host drops it; where nothing changes nothing is read, and the cursor stays.
//!
//! Only the end of a list is compared. A page read on the way there may have lacked a late record too, if it reached into the overlap of its own
//! time; and by the time of the end (the host may have stood still) that record can lie far before the last moments. So the cursor keeps the
//! earliest such page's last moment, and the next look begins the overlap before it.
//!
//! Where moments are whole seconds, a record can change once more in the second in which it was read, and no moment tells. So the hash also says whether
//! that second was over; once it is, the last moments are read once more.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sportello_sdk::crm::ContactPage;
use sportello_sdk::{Context, Error, cursor, hash, time};

use crate::Settings;
use crate::party;
use crate::rpc::{self, Purpose};
use crate::settings::ChangesFrom;
use crate::stamp::Stamp;

/// How far the CRM's clock may be behind ours where only what comes from now on is wanted.
const CLOCK_SKEW_SECONDS: u32 = 300;
/// Records of the last moments that are compared; of more than these, late ones before them are not noticed.
const LAST_MOMENTS_ROWS_MAX: u32 = 2_000;

/// How long it takes to read a page of a list with its parties and to look at its last moments.
const READING_SECONDS_MAX: u32 = 5;

const PARTY: &str = "party.party";
/// The lists, in the order of the cursor. New ones come at its end: a cursor that ends before them begins them anew.
const LISTS: [(&str, &str); 8] = [
    (PARTY, "create_date"),
    (PARTY, "write_date"),
    ("party.contact_mechanism", "create_date"),
    ("party.contact_mechanism", "write_date"),
    ("party.address", "create_date"),
    ("party.address", "write_date"),
    ("party.identifier", "create_date"),
    ("party.identifier", "write_date"),
];

/// Where one list goes on: behind the record of this moment and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    at: Stamp,
    /// 0: all records of that moment are still to come.
    id: u64,
    /// The hash of the last moments' records when the list was last read to its end.
    last: Option<u64>,
    /// The last moment of the first full page since then that reached into the overlap: it may have lacked a record of the time before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsure: Option<Stamp>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    lists: Vec<Place>,
}

pub(crate) fn page(context: &Context<Settings>, cursor: Option<&str>) -> Result<ContactPage, Error> {
    let settings = &context.settings;
    let cursor = match cursor {
        Some(text) => cursor::read(text)?,
        None => Cursor { lists: Vec::new() },
    };
    let mut lists = cursor.lists;
    if lists.len() < LISTS.len() {
        lists.resize(LISTS.len(), Place { at: first(context)?, id: 0, last: None, unsure: None });
    }
    let now = now(context)?;
    let mut parties = BTreeSet::new();
    let mut more = false;
    for (place, (model, field)) in lists.iter_mut().zip(LISTS) {
        let (rows, answered_at) = changed(settings, model, field, *place)?;
        let owner = if model == PARTY { "id" } else { "party" };
        parties.extend(rows.iter().filter_map(|row| row[owner].as_u64()));
        if let Some((at, id)) = rows.last().and_then(|row| moment_and_number(row, field)) {
            (place.at, place.id) = (at, id);
        }
        if rows.len() >= settings.page_size as usize {
            more = true;
            let overlap = answered_at.unwrap_or(now).minus_seconds(settings.overlap_seconds + READING_SECONDS_MAX);
            place.unsure = place.unsure.or(Some(place.at).filter(|at| *at >= overlap));
        } else if place.id != 0 {
            let last = last_moments(settings, model, field, place.at)?;
            let sure = place.unsure.take().map_or(place.at, |unsure| unsure.min(place.at));
            if place.last != Some(last) || sure < place.at {
                *place = Place { at: sure.minus_seconds(settings.overlap_seconds), id: 0, last: Some(last), unsure: None };
            }
        }
    }
    let cursor = cursor::written(&Cursor { lists })?;
    Ok(ContactPage::new(party::contacts(settings, &parties)?, Some(cursor), more))
}

fn first(context: &Context<Settings>) -> Result<Stamp, Error> {
    match context.settings.changes_from {
        ChangesFrom::Beginning => Ok(Stamp::FIRST),
        ChangesFrom::Now => Ok(now(context)?.minus_seconds(CLOCK_SKEW_SECONDS)),
    }
}

fn now(context: &Context<Settings>) -> Result<Stamp, Error> {
    let now = time::milliseconds(&context.now).ok_or_else(|| Error::reject(format!("the call's time {} is none", context.now)))?;
    Ok(Stamp::from_milliseconds(now))
}

/// The records of a list behind a place, in order, and when the server gave them. Comparing with null is never true, so records never written are
/// left out of their list.
fn changed(settings: &Settings, model: &str, field: &str, place: Place) -> Result<(Vec<Value>, Option<Stamp>), Error> {
    let at = place.at.written();
    let domain = json!(["OR", [[field, ">", at]], [[field, "=", at], ["id", ">", place.id]]]);
    let fields = if model == PARTY { json!([field]) } else { json!([field, "party"]) };
    let params = json!([domain, 0, settings.page_size, [[field, "ASC"], ["id", "ASC"]], fields, { "active_test": false }]);
    rpc::call_at(settings, Purpose::Look, &format!("model.{model}.search_read"), params)
}

/// The hash of the records of a list in the overlap before this moment.
fn last_moments(settings: &Settings, model: &str, field: &str, at: Stamp) -> Result<u64, Error> {
    let domain = json!([[field, ">=", at.minus_seconds(settings.overlap_seconds).written()], [field, "<=", at.written()]]);
    let params = json!([domain, 0, LAST_MOMENTS_ROWS_MAX, [[field, "DESC"], ["id", "DESC"]], [field], { "active_test": false }]);
    let (rows, answered_at): (Vec<Value>, _) = rpc::call_at(settings, Purpose::Look, &format!("model.{model}.search_read"), params)?;
    let rows = rows.iter().filter_map(|row| moment_and_number(row, field));
    let hash = rows.fold(hash::START, |hash, (at, id)| hash::fnv_1a(hash, format!("{id}:{};", at.microseconds()).as_bytes()));
    // As long as what was read before may have been read in the last moment's second.
    let may_change_again = answered_at.is_some_and(|now| at.whole_second() >= now.minus_seconds(READING_SECONDS_MAX));
    Ok(if may_change_again { hash::fnv_1a(hash, b"not over") } else { hash })
}

fn moment_and_number(row: &Value, field: &str) -> Option<(Stamp, u64)> {
    Some((Stamp::read(&row[field])?, row["id"].as_u64()?))
}
