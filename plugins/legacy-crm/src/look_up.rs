//! Which parties carry an identifier.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use sportello_sdk::{Contact, Error, Identifier};

use crate::Settings;
use crate::party;
use crate::rpc::{self, Purpose, literal};

/// Mechanisms with the same value; more than this is a value that identifies nobody.
const MECHANISMS_MAX: u32 = 100;

#[derive(Deserialize)]
struct Mechanism {
    party: Option<u64>,
    value: Option<String>,
}

/// The contacts with this identifier; none where no mechanism can carry its scheme.
pub(crate) fn contacts(settings: &Settings, identifier: &Identifier) -> Result<Vec<Contact>, Error> {
    let value = identifier.value.trim();
    let rules: Vec<_> = settings.identifiers.iter().filter(|rule| rule.scheme == identifier.scheme).collect();
    if rules.is_empty() || value.is_empty() {
        return Ok(Vec::new());
    }
    let mut domain = vec![json!("OR")];
    for rule in rules {
        let mut clauses = vec![json!(["type", "=", rule.kind]), equals(&identifier.scheme, value)];
        if let Some(label) = &rule.label {
            clauses.push(json!(["OR", ["name", "=", label], ["comment", "=", label]]));
        }
        domain.push(Value::Array(clauses));
    }
    let params = json!([domain, 0, MECHANISMS_MAX, [["id", "ASC"]], ["party", "value"], {}]);
    let found: Vec<Mechanism> = rpc::call(settings, Purpose::Look, "model.party.contact_mechanism.search_read", params)?;
    let carries = |mechanism: &Mechanism| mechanism.value.as_deref().is_some_and(|held| same(&identifier.scheme, held, value));
    let ids: BTreeSet<_> = found.iter().filter(|mechanism| carries(mechanism)).filter_map(|mechanism| mechanism.party).collect();
    // What the settings make of the whole party decides: a label in the comment counts only where there is no name.
    let is_carried = |contact: &Contact| {
        contact.identifiers.iter().any(|held| held.scheme == identifier.scheme && same(&identifier.scheme, &held.value, value))
    };
    Ok(party::contacts(settings, &ids)?.into_iter().filter(is_carried).collect())
}

/// The condition on the value. Tryton keeps a phone number as it was written, and where its module for them is installed also without blanks.
fn equals(scheme: &str, value: &str) -> Value {
    match scheme {
        "email" => json!(["value", "ilike", literal(value)]),
        "phone" => json!(["OR", ["value", "in", [value, digits(value)]], ["value_compact", "in", [value, digits(value)]]]),
        _ => json!(["value", "=", value]),
    }
}

fn same(scheme: &str, one: &str, other: &str) -> bool {
    match scheme {
        "email" => one.trim().to_lowercase() == other.to_lowercase(),
        "phone" => digits(one) == digits(other),
        _ => one.trim() == other,
    }
}

fn digits(number: &str) -> String {
    number.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect()
}
