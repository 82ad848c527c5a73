//! Which parties carry an identifier.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use sportello_sdk::{Contact, Error, Identifier};

use crate::Settings;
use crate::party;
use crate::party::EXTERNAL;
use crate::rpc::{self, Purpose, literal};
use crate::settings::External;

/// Parties looked at; more than this share only what identifies nobody.
const PARTIES_MAX: u32 = 200;
/// Requests for mechanisms in one look-up: the pattern of a short phone number fits many others, and the one meant may be behind them.
const MECHANISM_REQUESTS_MAX: usize = 20;
/// Shorter ones are looked up as they are written: their digits stand in many numbers.
const PHONE_DIGITS_MIN: usize = 5;

#[derive(Deserialize)]
struct Mechanism {
    id: u64,
    party: Option<u64>,
    value: Option<String>,
}

/// The contacts with this identifier; none where nothing can carry its scheme.
pub(crate) fn contacts(settings: &Settings, identifier: &Identifier) -> Result<Vec<Contact>, Error> {
    let (scheme, value) = (identifier.scheme.as_str(), identifier.value.trim());
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let ids = if scheme == EXTERNAL { numbered(settings, value)? } else { with_mechanism(settings, scheme, value)? };
    // What the settings make of the whole party decides: a label in the comment counts only where there is no name.
    let is_carried = |contact: &Contact| contact.identifiers.iter().any(|held| held.scheme == scheme && same(scheme, &held.value, value));
    Ok(party::contacts(settings, &ids)?.into_iter().filter(is_carried).collect())
}

/// The parties with this customer number.
fn numbered(settings: &Settings, value: &str) -> Result<BTreeSet<u64>, Error> {
    let search = |model: &str, domain: Value, field: &str, context: Value| -> Result<Vec<Value>, Error> {
        let params = json!([domain, 0, PARTIES_MAX, [["id", "ASC"]], [field], context]);
        rpc::call(settings, Purpose::Look, &format!("model.{model}.search_read"), params)
    };
    let rows = match &settings.external {
        External::Code => search("party.party", json!([["code", "=", value]]), "id", json!({ "active_test": false }))?,
        // One that was put away identifies nobody.
        External::Identifier { kind } => {
            search("party.identifier", json!([["type", "=", kind], ["code", "=", value]]), "party", json!({}))?
        }
        External::Nothing => Vec::new(),
    };
    let owner = if settings.external == External::Code { "id" } else { "party" };
    Ok(rows.iter().filter_map(|row| row[owner].as_u64()).collect())
}

/// The parties with a mechanism of this value.
fn with_mechanism(settings: &Settings, scheme: &str, value: &str) -> Result<BTreeSet<u64>, Error> {
    let mut domain = vec![json!("OR")];
    for rule in settings.identifiers.iter().filter(|rule| rule.scheme == scheme) {
        let mut clauses = vec![json!(["type", "=", rule.kind]), equals(scheme, value)];
        if let Some(label) = &rule.label {
            clauses.push(json!(["OR", ["name", "=", label], ["comment", "=", label]]));
        }
        domain.push(Value::Array(clauses));
    }
    if domain.len() == 1 {
        return Ok(BTreeSet::new());
    }
    let mut parties = BTreeSet::new();
    let mut clauses = Value::Array(domain.clone());
    for _ in 0..MECHANISM_REQUESTS_MAX {
        let params = json!([clauses, 0, PARTIES_MAX, [["id", "ASC"]], ["party", "value"], {}]);
        let found: Vec<Mechanism> = rpc::call(settings, Purpose::Look, "model.party.contact_mechanism.search_read", params)?;
        let carries = |mechanism: &&Mechanism| mechanism.value.as_deref().is_some_and(|held| same(scheme, held, value));
        parties.extend(found.iter().filter(carries).filter_map(|mechanism| mechanism.party));
        let last = found.last().filter(|_| found.len() >= PARTIES_MAX as usize && parties.len() < PARTIES_MAX as usize);
        let Some(last) = last else { return Ok(parties) };
        clauses = json!([["id", ">", last.id], domain]);
    }
    Err(Error::reject(format!("more contact mechanisms are like this `{scheme}` than a look-up reads, so nobody can tell whose it is")))
}

/// The condition on the value. Tryton keeps a phone number as somebody typed it: between any two of its digits anything may stand.
fn equals(scheme: &str, value: &str) -> Value {
    match scheme {
        "email" => json!(["value", "ilike", literal(value)]),
        "phone" => {
            let digits = number(value).replace('+', "");
            if digits.len() < PHONE_DIGITS_MIN {
                return json!(["value", "=", value]);
            }
            let spaced: String = digits.chars().flat_map(|digit| ['%', digit]).collect();
            json!(["value", "like", format!("{spaced}%")])
        }
        _ => json!(["value", "=", value]),
    }
}

/// Whether two spellings are of one identifier, as the host compares them.
pub(crate) fn same(scheme: &str, one: &str, other: &str) -> bool {
    match scheme {
        "email" => one.trim().to_lowercase() == other.trim().to_lowercase(),
        "phone" => number(one) == number(other),
        _ => one.trim() == other.trim(),
    }
}

/// A phone number as its digits, with a `+` where it begins with one or with `00`.
fn number(text: &str) -> String {
    let digits: String = text.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect();
    digits.strip_prefix("00").map_or_else(|| digits.clone(), |rest| format!("+{rest}"))
}
