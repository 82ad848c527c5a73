//! A party, with what hangs on it, as a contact.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sportello_sdk::{Contact, Effect, Error, diagnostics, lenient};

use crate::Settings;
use crate::marker;
use crate::rpc::{self, Purpose};
use crate::settings::{External, Rule};
use crate::stamp::Stamp;

/// Parties read in one request.
const PARTIES_PER_REQUEST_MAX: usize = 100;
/// The contract's limit of a contact's identifiers.
const IDENTIFIERS_MAX: usize = 32;
/// The contract's limit of an identifier's value, in bytes.
const VALUE_BYTES_MAX: usize = 512;
/// The scheme of the company's own customer numbers.
pub(crate) const EXTERNAL: &str = "external";
/// The lists of a party whose records have moments of their own.
const PARTS: [&str; 3] = ["contact_mechanisms.", "addresses.", "identifiers."];
/// What is read of a party. A dotted field comes in a list called `contact_mechanisms.`.
const FIELDS: [&str; 20] = [
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
    "addresses.create_date",
    "addresses.write_date",
    "identifiers.type",
    "identifiers.code",
    "identifiers.create_date",
    "identifiers.write_date",
    "identifiers._timestamp",
    "_timestamp",
];

/// These parties as contacts, inactive ones as deleted. A party that is gone meanwhile is left out.
pub(crate) fn contacts(settings: &Settings, ids: &BTreeSet<u64>) -> Result<Vec<Contact>, Error> {
    let ids: Vec<_> = ids.iter().copied().collect();
    let mut contacts = Vec::with_capacity(ids.len());
    for ids in ids.chunks(PARTIES_PER_REQUEST_MAX) {
        let (rows, _) = read(settings, ids)?;
        contacts.extend(rows.iter().filter_map(|row| contact(settings, row)));
    }
    Ok(contacts)
}

/// The rows of these parties, and the second in which the server gave them. Parties that were put away are among them, as the domain names the field;
/// what hangs on a party and was put away is not, as the context is silent. The field itself cannot be asked for: on 6.0 identifiers have none.
pub(crate) fn read(settings: &Settings, ids: &[u64]) -> Result<(Vec<Value>, Option<Stamp>), Error> {
    let domain = json!([["id", "in", ids], ["active", "in", [true, false]]]);
    let params = json!([domain, 0, ids.len(), [["id", "ASC"]], FIELDS, {}]);
    rpc::call_at(settings, Purpose::Look, "model.party.party.search_read", params)
}

/// A party's row as a contact.
pub(crate) fn contact(settings: &Settings, row: &Value) -> Option<Contact> {
    let id = row["id"].as_u64()?.to_string();
    let deleted = !is_active(row);
    let mut identifiers: Vec<(&str, &str)> = Vec::new();
    for mechanism in part(row, "contact_mechanisms.").filter(|mechanism| is_active(mechanism)) {
        for rule in settings.identifiers.iter().filter(|rule| applies(rule, mechanism)) {
            add(&mut identifiers, &rule.scheme, text(mechanism, "value"));
        }
    }
    match &settings.external {
        External::Code => add(&mut identifiers, EXTERNAL, text(row, "code")),
        External::Identifier { kind } => {
            for identifier in part(row, "identifiers.").filter(|identifier| identifier["type"].as_str() == kind.as_deref()) {
                add(&mut identifiers, EXTERNAL, text(identifier, "code").filter(|code| !marker::is_one(code)));
            }
        }
        External::Nothing => {}
    }
    if identifiers.len() > IDENTIFIERS_MAX {
        diagnostics::warning!("party {id} has {} identifiers; the first {IDENTIFIERS_MAX} are used", identifiers.len());
        identifiers.truncate(IDENTIFIERS_MAX);
    }
    let newest = PARTS.iter().flat_map(|list| part(row, list)).chain([row]).filter_map(newest).max();
    let (name, code) = (text(row, "name"), text(row, "code"));
    let version = version(newest, &json!([name, code, deleted, identifiers]).to_string());
    let mut contact = Contact::new(id, version).deleted(deleted);
    if let Some(name) = name {
        contact = contact.display_name(name);
    }
    if let Some(code) = code.filter(|code| code.len() <= VALUE_BYTES_MAX) {
        contact = contact.attribute("code", code);
    }
    Some(identifiers.into_iter().fold(contact, |contact, (scheme, value)| contact.identifier(scheme, value)))
}

/// The records in one of a party's lists.
pub(crate) fn part<'a>(row: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    row[list].as_array().into_iter().flatten()
}

fn add<'a>(identifiers: &mut Vec<(&'a str, &'a str)>, scheme: &'a str, value: Option<&'a str>) {
    let Some(value) = value.filter(|value| value.len() <= VALUE_BYTES_MAX) else { return };
    if !identifiers.contains(&(scheme, value)) {
        identifiers.push((scheme, value));
    }
}

/// The number of the party an effect names.
pub(crate) fn number(effect: &Effect, id: &str) -> Result<u64, Error> {
    id.parse().map_err(|_| Error::reject(format!("effect {}: contact `{id}` is no party of Tryton's", effect.key)))
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

pub(crate) fn text<'a>(row: &'a Value, field: &str) -> Option<&'a str> {
    row[field].as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// When it was last written, or made: `write_date` is null until the first change.
pub(crate) fn newest(row: &Value) -> Option<Stamp> {
    Stamp::read(&row["create_date"]).max(Stamp::read(&row["write_date"]))
}

/// The newest moment tells changes in time; the hash tells the ones that leave no moment behind (a mechanism deleted, other settings).
fn version(newest: Option<Stamp>, content: &str) -> String {
    format!("{}-{}", newest.map_or(0, Stamp::microseconds), lenient::checksum(content))
}
