//! The effect's key on the party it made or changed: an identifier of no type, `sportello <key>`, written in the same transaction.
//!
//! A party has one at most, that of the last effect: the host asks for one effect of a contact after the other.

use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::{Effect, Error, Receipt};

use crate::Settings;
use crate::party;
use crate::rpc::{self, Purpose};

const BEGINNING: &str = "sportello ";
/// Parties with one key: more than one means that somebody copied it.
const PARTIES_MAX: u32 = 10;

/// Whether this code of an identifier is a marker.
pub(crate) fn is_one(code: &str) -> bool {
    code.starts_with(BEGINNING)
}

/// What is to be written into the list of a party's identifiers; `row` is the party, if there is one yet.
pub(crate) fn step(effect: &Effect, row: Option<&Value>) -> Value {
    let code = json!({ "code": code(effect) });
    let held = row.into_iter().flat_map(|row| party::part(row, "identifiers.")).find(|identifier| holds(identifier));
    match held {
        Some(held) => json!(["write", [held["id"]], code]),
        None => json!(["create", [code]]),
    }
}

/// Looks for the party with the effect's key; one that somebody put away tells as much.
pub(crate) fn find(settings: &Settings, effect: &Effect) -> Result<Presence, Error> {
    let params = json!([[["code", "=", code(effect)]], 0, PARTIES_MAX, [["id", "ASC"]], ["party"], { "active_test": false }]);
    let rows: Vec<Value> = rpc::call(settings, Purpose::Look, "model.party.identifier.search_read", params)?;
    let parties = rows.iter().filter_map(|row| row["party"].as_u64());
    let ours = parties.map(|id| id.to_string()).find(|id| effect.contact.as_ref().is_none_or(|contact| contact == id));
    Ok(ours.map_or(Presence::Absent, |id| Presence::Present(receipt(&id))))
}

/// Proof that this party was made or changed.
pub(crate) fn receipt(party: &str) -> Receipt {
    Receipt::new(format!("party.party,{party}"))
}

fn code(effect: &Effect) -> String {
    format!("{BEGINNING}{}", effect.key)
}

fn holds(identifier: &Value) -> bool {
    identifier["type"].is_null() && party::text(identifier, "code").is_some_and(is_one)
}
