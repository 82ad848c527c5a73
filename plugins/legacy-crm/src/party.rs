//! A party with its contact mechanisms as a contact.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sportello_sdk::{Contact, Error, diagnostics};

use crate::Settings;
use crate::hash::{FNV_1A_START, fnv_1a};
use crate::rpc::{self, Purpose};
use crate::settings::Rule;
use crate::stamp::Stamp;

/// Parties read in one request.
const PARTIES_PER_REQUEST_MAX: usize = 100;
/// The contract's limit of a contact's identifiers.
const IDENTIFIERS_MAX: usize = 32;
/// The contract's limit of an identifier's value and a name, in bytes.
const VALUE_BYTES_MAX: usize = 512;
/// What is read of a party. A dotted field comes in a list called `contact_mechanisms.`.
const FIELDS: [&str; 12] = [
    "name",
    "code",
    "active",
    "create_date",
    "write_date",
    "contact_mechanisms.type",
    "contact_mechanisms.name",
    "contact_mechanisms.comment",
    "contact_mechanisms.value",
    "contact_mechanisms.active",
    "contact_mechanisms.create_date",
    "contact_mechanisms.write_date",
];

/// These parties as contacts, inactive ones as deleted. A party that is gone meanwhile is left out.
pub(crate) fn contacts(settings: &Settings, ids: &BTreeSet<u64>) -> Result<Vec<Contact>, Error> {
    let ids: Vec<_> = ids.iter().collect();
    let mut contacts = Vec::with_capacity(ids.len());
    for ids in ids.chunks(PARTIES_PER_REQUEST_MAX) {
        let params = json!([[["id", "in", ids]], 0, ids.len(), [["id", "ASC"]], FIELDS, { "active_test": false }]);
        let rows: Vec<Value> = rpc::call(settings, Purpose::Look, "model.party.party.search_read", params)?;
        contacts.extend(rows.iter().filter_map(|row| contact(settings, row)));
    }
    Ok(contacts)
}

fn contact(settings: &Settings, row: &Value) -> Option<Contact> {
    let id = row["id"].as_u64()?.to_string();
    let deleted = !is_active(row);
    let mechanisms = row["contact_mechanisms."].as_array();
    let mut newest = newest(row);
    let mut identifiers: Vec<(&str, &str)> = Vec::new();
    for mechanism in mechanisms.into_iter().flatten() {
        newest = newest.max(self::newest(mechanism));
        let value = text(mechanism, "value").filter(|value| value.len() <= VALUE_BYTES_MAX);
        let Some(value) = value.filter(|_| is_active(mechanism)) else { continue };
        for rule in settings.identifiers.iter().filter(|rule| applies(rule, mechanism)) {
            if !identifiers.contains(&(rule.scheme.as_str(), value)) {
                identifiers.push((rule.scheme.as_str(), value));
            }
        }
    }
    if identifiers.len() > IDENTIFIERS_MAX {
        diagnostics::warning!("party {id} has {} identifiers; the first {IDENTIFIERS_MAX} are used", identifiers.len());
        identifiers.truncate(IDENTIFIERS_MAX);
    }
    let (name, code) = (text(row, "name"), text(row, "code"));
    let version = version(newest, &json!([name, code, deleted, identifiers]).to_string());
    let mut contact = Contact::new(id, version).deleted(deleted);
    if let Some(name) = name {
        contact = contact.display_name(&name[..name.floor_char_boundary(VALUE_BYTES_MAX)]);
    }
    if let Some(code) = code.filter(|code| code.len() <= VALUE_BYTES_MAX) {
        contact = contact.attribute("code", code);
    }
    Some(identifiers.into_iter().fold(contact, |contact, (scheme, value)| contact.identifier(scheme, value)))
}

/// Whether mechanisms like this one carry what the rule says.
fn applies(rule: &Rule, mechanism: &Value) -> bool {
    let label = text(mechanism, "name").or_else(|| text(mechanism, "comment"));
    mechanism["type"] == rule.kind.as_str() && rule.label.as_deref().is_none_or(|wanted| label == Some(wanted))
}

/// A flag comes as 1 and 0, or true and false; one that is not there is not switched off.
fn is_active(row: &Value) -> bool {
    row["active"] != 0 && row["active"] != false
}

fn text<'a>(row: &'a Value, field: &str) -> Option<&'a str> {
    row[field].as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// When it was last written, or made: `write_date` is null until the first change.
fn newest(row: &Value) -> Option<Stamp> {
    Stamp::read(&row["create_date"]).max(Stamp::read(&row["write_date"]))
}

/// The newest moment tells changes in time; the hash tells the ones that leave no moment behind (a mechanism deleted, other settings).
fn version(newest: Option<Stamp>, content: &str) -> String {
    let hash = fnv_1a(FNV_1A_START, content.as_bytes());
    format!("{}-{hash:016x}", newest.map_or(0, Stamp::microseconds))
}
