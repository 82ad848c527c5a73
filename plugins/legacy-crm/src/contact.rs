//! Making a party, or changing one under Tryton's optimistic lock.
//!
//! A change sets what there is one of (name, customer number) and adds what there may be many of (mechanisms); it removes nothing. It is refused
//! unless the party is still as the writer saw it (`expects-version`); between our look and our write, Tryton itself refuses.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sportello_sdk::{Contact, Effect, Error, Identifier, Receipt, diagnostics};

use crate::Settings;
use crate::look_up::{self, same};
use crate::marker;
use crate::party::{self, EXTERNAL};
use crate::rpc::{self, Purpose};
use crate::settings::External;
use crate::stamp::Stamp;

/// Attributes of the effect that are no identifiers.
const DISPLAY_NAME: &str = "display-name";
/// See [`DISPLAY_NAME`].
const EXPECTS_VERSION: &str = "expects-version";
/// How often a party is asked for at most.
const CREATIONS_MAX: u32 = 5;
/// How long a second lasts.
const SECOND: Duration = Duration::from_secs(1);

/// What the effect says of a person, as far as this CRM can keep it.
struct Said<'effect> {
    name: Option<&'effect str>,
    /// (scheme, value).
    identifiers: Vec<(&'effect str, &'effect str)>,
}

/// Makes a party, or changes the one the effect names.
pub(crate) fn write(settings: &Settings, effect: &Effect) -> Result<Receipt, Error> {
    let said = said(settings, effect)?;
    match &effect.contact {
        None => create(settings, effect, &said),
        Some(id) => update(settings, effect, &said, party::number(effect, id)?),
    }
}

fn said<'effect>(settings: &Settings, effect: &'effect Effect) -> Result<Said<'effect>, Error> {
    let mut said = Said { name: None, identifiers: Vec::new() };
    let mut left_out = Vec::new();
    for attribute in &effect.attributes {
        let value = attribute.value.trim();
        match attribute.name.as_str() {
            EXPECTS_VERSION => {}
            _ if value.is_empty() => {}
            DISPLAY_NAME => said.name = Some(value),
            scheme if can_keep(settings, scheme) => said.identifiers.push((scheme, value)),
            scheme => left_out.push(scheme),
        }
    }
    if said.identifiers.is_empty() && (said.name.is_none() || effect.contact.is_none()) {
        let reason = format!(
            "effect {}: nothing in it identifies anybody here (it has: {}); say in the channel's settings which contact mechanisms do",
            effect.key,
            left_out.join(", ")
        );
        return Err(Error::reject(reason));
    }
    if !left_out.is_empty() {
        diagnostics::warning!("no contact mechanism carries {}: left out", left_out.join(", "));
    }
    Ok(said)
}

fn can_keep(settings: &Settings, scheme: &str) -> bool {
    match scheme {
        EXTERNAL => settings.external != External::Nothing,
        _ => settings.identifiers.iter().any(|rule| rule.scheme == scheme),
    }
}

fn create(settings: &Settings, effect: &Effect, said: &Said<'_>) -> Result<Receipt, Error> {
    for (scheme, value) in &said.identifiers {
        let held = look_up::contacts(settings, &Identifier::new(*scheme, *value))?;
        if let Some(party) = held.iter().find(|contact| !contact.deleted) {
            let reason =
                format!("effect {}: party {} has this `{scheme}` already; link the profile to it, or change it", effect.key, party.id);
            return Err(Error::reject(reason));
        }
    }
    let mut values = changes(settings, effect, said, None);
    let first = said.identifiers.first().map(|(_, value)| *value);
    values.insert("name".into(), json!(said.name.or(first)));
    let made = made(settings, &values)?;
    match made.as_slice() {
        [id] => Ok(marker::receipt(&id.to_string())),
        _ => Err(Error::uncertain(format!("effect {}: Tryton was asked for one party and speaks of {}", effect.key, made.len()))),
    }
}

/// Where two parties are made at once, Tryton may give both the same number (on a database without sequences of its own) and refuse the later one,
/// in words of the user's language. A refusal has changed nothing, so it is asked again for a party whose number is Tryton's to give.
fn made(settings: &Settings, values: &Map<String, Value>) -> Result<Vec<u64>, Error> {
    let attempts = if values.contains_key("code") { 1 } else { CREATIONS_MAX };
    let create = || rpc::call(settings, Purpose::Change, "model.party.party.create", json!([[values], {}]));
    let mut outcome = create();
    for _ in 1..attempts {
        if !matches!(outcome, Err(Error::Reject(_))) {
            break;
        }
        outcome = create();
    }
    outcome
}

fn update(settings: &Settings, effect: &Effect, said: &Said<'_>, id: u64) -> Result<Receipt, Error> {
    let (rows, read_at) = party::read(settings, &[id])?;
    let seen = rows.first().and_then(|row| Some((row, party::contact(settings, row)?)));
    let (row, contact) = seen.ok_or_else(|| Error::reject(format!("effect {}: there is no party {id} any more", effect.key)))?;
    if let Some(expected) = effect.attribute(EXPECTS_VERSION)
        && expected != contact.version
    {
        let reason = format!(
            "effect {}: party {id} has been changed since version {expected} was seen, it is {} now; nothing was written, look at it again",
            effect.key, contact.version
        );
        return Err(Error::reject(reason));
    }
    if !differs(&contact, said) {
        return Ok(marker::receipt(&contact.id));
    }
    let context = json!({ "_timestamp": lock(row, read_at)? });
    let values = changes(settings, effect, said, Some((row, &contact)));
    let params = json!([[id], values, context]);
    let written = rpc::call::<Value>(settings, Purpose::Change, "model.party.party.write", params);
    if matches!(written, Err(Error::Reject(_))) && !is_still(settings, id, &contact)? {
        return Err(Error::retry(SECOND, format!("effect {}: party {id} was changed meanwhile; it is looked at again", effect.key)));
    }
    written.map(|_| marker::receipt(&contact.id))
}

/// Whether a party is as it was seen. Tryton judges a change by the party as it is (one put away has no field that can be changed) before it compares
/// what the lock names, so that its refusal may be of what nobody asked for.
fn is_still(settings: &Settings, id: u64, seen: &Contact) -> Result<bool, Error> {
    let contacts = party::contacts(settings, &[id].into())?;
    Ok(contacts.first().is_some_and(|contact| contact.version == seen.version))
}

fn differs(contact: &Contact, said: &Said<'_>) -> bool {
    let has_name = said.name.is_none_or(|name| contact.display_name.as_deref() == Some(name));
    !has_name || said.identifiers.iter().any(|(scheme, value)| !carries(contact, scheme, value))
}

fn carries(contact: &Contact, scheme: &str, value: &str) -> bool {
    contact.identifiers.iter().any(|held| held.scheme == scheme && same(scheme, &held.value, value))
}

/// The values to write: to a new party, or to the one as it was seen.
fn changes(settings: &Settings, effect: &Effect, said: &Said<'_>, seen: Option<(&Value, &Contact)>) -> Map<String, Value> {
    let mut values = Map::new();
    if let Some(name) = said.name {
        values.insert("name".into(), json!(name));
    }
    let mut mechanisms = Vec::new();
    let mut identifiers = vec![marker::step(effect, seen.map(|(row, _)| row))];
    for (scheme, value) in &said.identifiers {
        if seen.is_some_and(|(_, contact)| carries(contact, scheme, value)) {
            continue;
        }
        match &settings.external {
            External::Code if *scheme == EXTERNAL => {
                values.insert("code".into(), json!(value));
            }
            External::Identifier { kind } if *scheme == EXTERNAL => identifiers.push(external(kind.as_deref(), value, seen)),
            _ => mechanisms.extend(mechanism(settings, scheme, value)),
        }
    }
    if !mechanisms.is_empty() {
        values.insert("contact_mechanisms".into(), json!([["create", mechanisms]]));
    }
    values.insert("identifiers".into(), json!(identifiers));
    values
}

/// A mechanism as the first rule for its scheme reads it.
fn mechanism(settings: &Settings, scheme: &str, value: &str) -> Option<Value> {
    let rule = settings.identifiers.iter().find(|rule| rule.scheme == scheme)?;
    Some(match &rule.label {
        Some(label) => json!({ "type": rule.kind, "name": label, "value": value }),
        None => json!({ "type": rule.kind, "value": value }),
    })
}

/// The customer number in a party's identifiers: in place of the one it has.
fn external(kind: Option<&str>, value: &str, seen: Option<(&Value, &Contact)>) -> Value {
    let identifiers = seen.into_iter().flat_map(|(row, _)| party::part(row, "identifiers."));
    let mut held = identifiers.filter(|held| held["type"].as_str() == kind && !party::text(held, "code").is_some_and(marker::is_one));
    match held.next() {
        Some(held) => json!(["write", [held["id"]], { "code": value }]),
        None => json!(["create", [{ "type": kind, "code": value }]]),
    }
}

/// What Tryton compares before it writes: `model,id` → `_timestamp` as it was read.
fn lock(row: &Value, read_at: Option<Stamp>) -> Result<Value, Error> {
    let mut lock = Map::new();
    let parts = party::part(row, "identifiers.").map(|identifier| ("party.identifier", identifier));
    for (model, record) in parts.chain([("party.party", row)]) {
        let timestamp = record["_timestamp"].as_str().unwrap_or_default();
        let newest = party::newest(record).map(Stamp::whole_second);
        // The clock shows when it had been read; reading takes less than a second.
        let may_change_again = newest.zip(read_at).is_some_and(|(newest, read_at)| newest >= read_at.minus_seconds(1));
        if may_change_again && !timestamp.contains('.') {
            let reason =
                "the party was changed in this very second or the one before, in which Tryton cannot tell one change from the next";
            return Err(Error::retry(SECOND, reason));
        }
        lock.insert(format!("{model},{}", record["id"]), json!(timestamp));
    }
    Ok(Value::Object(lock))
}
