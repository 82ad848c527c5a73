//! Which parties changed since a cursor.
//!
//! Tryton has no list of changes, only a moment of creation and of the last change in every record; the latter is null until there is one. And a
//! contact mechanism that is written does not touch its party. So four lists are followed, each in the order of its moment and, for records of
//! the same moment (everything one transaction makes), their number: parties and mechanisms, by creation and by change.
//!
//! A list that was read to its end is read again from a little before its newest moment: a long transaction's records carry the time of its
//! begin and are seen only after its end. What is read twice has the same version, and the host drops it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sportello_sdk::crm::ContactPage;
use sportello_sdk::{Context, Error, time};

use crate::Settings;
use crate::party;
use crate::rpc::{self, Purpose};
use crate::settings::ChangesFrom;
use crate::stamp::Stamp;

/// How far the CRM's clock may be behind ours where only what comes from now on is wanted.
const CLOCK_SKEW_SECONDS: u32 = 300;

/// The lists, in the order of the cursor.
const LISTS: [(&str, &str); 4] = [
    ("party.party", "create_date"),
    ("party.party", "write_date"),
    ("party.contact_mechanism", "create_date"),
    ("party.contact_mechanism", "write_date"),
];

/// Where one list goes on: behind the record of this moment and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    at: Stamp,
    /// 0: all records of that moment are still to come.
    id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    lists: [Place; 4],
}

pub(crate) fn page(context: &Context<Settings>, cursor: Option<&str>) -> Result<ContactPage, Error> {
    let settings = &context.settings;
    let cursor = match cursor {
        Some(text) => serde_json::from_str(text).map_err(|error| Error::reject(format!("the cursor is not this connector's: {error}")))?,
        None => Cursor { lists: [Place { at: first(context)?, id: 0 }; 4] },
    };
    let mut lists = cursor.lists;
    let mut parties = BTreeSet::new();
    let mut more = false;
    for (place, (model, field)) in lists.iter_mut().zip(LISTS) {
        let rows = changed(settings, model, field, *place)?;
        let newest = rows.last().and_then(|row| Some(Place { at: Stamp::read(&row[field])?, id: row["id"].as_u64()? }));
        let owner = if model == "party.party" { "id" } else { "party" };
        parties.extend(rows.iter().filter_map(|row| row[owner].as_u64()));
        let is_full = rows.len() >= settings.page_size as usize;
        more |= is_full;
        *place = match newest {
            Some(newest) if is_full => newest,
            Some(newest) => stepped_back(settings, newest.at),
            // Nothing behind a full page: back to before its last record.
            None if place.id != 0 => stepped_back(settings, place.at),
            None => *place,
        };
    }
    let cursor =
        serde_json::to_string(&Cursor { lists }).map_err(|error| Error::reject(format!("the cursor can't be written: {error}")))?;
    Ok(ContactPage::new(party::contacts(settings, &parties)?, Some(cursor), more))
}

fn stepped_back(settings: &Settings, newest: Stamp) -> Place {
    Place { at: newest.minus_seconds(settings.overlap_seconds), id: 0 }
}

fn first(context: &Context<Settings>) -> Result<Stamp, Error> {
    match context.settings.changes_from {
        ChangesFrom::Beginning => Ok(Stamp::FIRST),
        ChangesFrom::Now => {
            let now = time::milliseconds(&context.now).ok_or_else(|| Error::reject(format!("the call's time {} is none", context.now)))?;
            Ok(Stamp::from_milliseconds(now).minus_seconds(CLOCK_SKEW_SECONDS))
        }
    }
}

/// The records of a list behind a place, in order. Comparing with null is never true, so records never written are left out of their list.
fn changed(settings: &Settings, model: &str, field: &str, place: Place) -> Result<Vec<Value>, Error> {
    let at = place.at.written();
    let domain = json!(["OR", [[field, ">", at]], [[field, "=", at], ["id", ">", place.id]]]);
    let fields = if model == "party.party" { json!([field]) } else { json!([field, "party"]) };
    let params = json!([domain, 0, settings.page_size, [[field, "ASC"], ["id", "ASC"]], fields, { "active_test": false }]);
    rpc::call(settings, Purpose::Look, &format!("model.{model}.search_read"), params)
}
