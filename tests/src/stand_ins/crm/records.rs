//! The stand-in CRM's records: parties with what hangs on them, and notes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::RpcError;
use crate::servers::Release;

pub(super) const PARTY: &str = "party.party";
pub(super) const MECHANISM: &str = "party.contact_mechanism";
const ADDRESS: &str = "party.address";
const IDENTIFIER: &str = "party.identifier";
const NOTE: &str = "ir.note";

/// The fields a client may set, by model.
const STORED: &[(&str, &[&str])] = &[
    (PARTY, &["name", "code", "active", "lang"]),
    (MECHANISM, &["type", "value", "value_compact", "name", "comment", "party", "active", "sequence"]),
    (ADDRESS, &["party", "street", "postal_code", "city", "active", "sequence"]),
    (IDENTIFIER, &["party", "type", "code", "active", "sequence"]),
    (NOTE, &["resource", "message"]),
];
/// The lists of a party, and what is in them.
const PARTS: &[(&str, &str)] = &[("contact_mechanisms", MECHANISM), ("addresses", ADDRESS), ("identifiers", IDENTIFIER)];
/// What `type` of a contact mechanism may be (`_TYPES` of the module `party`).
const TYPES: &[&str] = &["phone", "mobile", "fax", "email", "website", "skype", "sip", "irc", "jabber", "other"];
/// Only user there is.
const USER: u64 = 1;

/// One record.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: u64,
    values: Map<String, Value>,
    created: Timestamp,
    written: Option<Timestamp>,
}

impl Record {
    fn touched(&self) -> Timestamp {
        self.written.unwrap_or(self.created)
    }
}

/// What a transaction knows besides the values it writes.
#[derive(Clone, Copy)]
pub(super) struct Work<'call> {
    /// When it began.
    pub(super) now: Timestamp,
    /// `model,id` → `_timestamp` as read by whoever writes.
    pub(super) seen: &'call Value,
}

/// All records of all models.
#[derive(Debug, Clone)]
pub(super) struct Records {
    release: Release,
    models: BTreeMap<&'static str, BTreeMap<u64, Record>>,
    last: BTreeMap<&'static str, u64>,
}

impl Records {
    pub(super) fn new(release: Release) -> Self {
        Self { release, models: BTreeMap::new(), last: BTreeMap::new() }
    }

    /// The model's own name for ever, if it is modelled.
    pub(super) fn model(name: &str) -> Option<&'static str> {
        STORED.iter().map(|(model, _)| *model).find(|model| *model == name)
    }

    pub(super) fn all(&self, model: &str) -> impl Iterator<Item = &Record> {
        self.models.get(model).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn find(&self, model: &str, id: u64) -> Option<&Record> {
        self.models.get(model)?.get(&id)
    }

    /// What a relation leads to.
    pub(super) fn related(&self, model: &str, record: &Record, field: &str) -> Result<Vec<(&'static str, u64)>, RpcError> {
        if let Some(part) = part_of(model, field) {
            return Ok(self.parts_of(part, record.id).map(|found| (part, found.id)).collect());
        }
        match (model, field) {
            (MECHANISM | ADDRESS | IDENTIFIER, "party") => {
                Ok(record.values.get("party").and_then(Value::as_u64).map(|id| (PARTY, id)).into_iter().collect())
            }
            (NOTE, "resource") => Ok(self.resource_of(record).map(|id| (PARTY, id)).into_iter().collect()),
            _ => Err(RpcError::plain(format!("'{field}'"))),
        }
    }

    /// One field of a record as JSON-RPC shows it.
    pub(super) fn value(&self, model: &str, record: &Record, field: &str) -> Result<Value, RpcError> {
        let stored = STORED.iter().find(|(name, _)| *name == model).map_or(&[][..], |(_, fields)| fields);
        Ok(match (model, field) {
            (_, "id") => json!(record.id),
            (_, "create_date") => datetime(record.created),
            (_, "write_date") => record.written.map_or(Value::Null, datetime),
            (_, "create_uid") => json!(USER),
            (_, "write_uid") => record.written.map_or(Value::Null, |_| json!(USER)),
            (_, "_timestamp") => json!(self.timestamp(record)),
            (_, "active") if self.is_ever_inactive(model) => json!(i64::from(record.values.get("active") != Some(&json!(false)))),
            (_, "active") => return Err(RpcError::plain("'active'")),
            (PARTY, "rec_name") => record.values.get("name").cloned().unwrap_or_default(),
            _ if part_of(model, field).is_some() => json!(self.related(model, record, field)?.iter().map(|(_, id)| id).collect::<Vec<_>>()),
            // Measured: the first of its type, or an empty text.
            (PARTY, "email" | "phone" | "mobile" | "fax" | "website") => {
                let first = self.parts_of(MECHANISM, record.id).find(|mechanism| mechanism.values.get("type") == Some(&json!(field)));
                first.and_then(|mechanism| mechanism.values.get("value").cloned()).unwrap_or_else(|| json!(""))
            }
            // Measured without the optional Python module `phonenumbers`: both are as entered.
            (MECHANISM, "value_compact") => record.values.get("value").cloned().unwrap_or_default(),
            (MECHANISM, "type") => record.values.get("type").cloned().unwrap_or_else(|| json!("phone")),
            (NOTE, "last_modification") => datetime(Timestamp::new(record.touched().as_second(), 0).unwrap_or_default()),
            (NOTE, "last_user") => json!("Administrator"),
            _ if stored.contains(&field) => record.values.get(field).cloned().unwrap_or_default(),
            _ => return Err(RpcError::plain(format!("'{field}'"))),
        })
    }

    /// The fields asked for; a dotted one comes as an object (or a list of them) under `relation.`, what is inactive among them only where asked for.
    pub(super) fn shown(&self, model: &str, record: &Record, fields: &[&str], with_inactive: bool) -> Result<Value, RpcError> {
        let mut shown = Map::new();
        shown.insert("id".to_owned(), json!(record.id));
        for field in fields {
            let Some((relation, _)) = field.split_once('.') else {
                shown.insert((*field).to_owned(), self.value(model, record, field)?);
                continue;
            };
            let key = format!("{relation}.");
            if shown.contains_key(&key) {
                continue;
            }
            let inner: Vec<&str> = fields
                .iter()
                .filter_map(|field| field.split_once('.').filter(|(first, _)| *first == relation))
                .map(|(_, rest)| rest)
                .collect();
            let mut found = Vec::new();
            for (target, id) in self.related(model, record, relation)? {
                let other = self.find(target, id);
                if let Some(other) = other.filter(|other| with_inactive || relation == "party" || !self.is_inactive(target, other)) {
                    found.push(self.shown(target, other, &inner, with_inactive)?);
                }
            }
            let value = if part_of(model, relation).is_some() { Value::Array(found) } else { found.pop().unwrap_or_default() };
            shown.insert(key, value);
        }
        Ok(Value::Object(shown))
    }

    pub(super) fn create(&mut self, model: &'static str, values: &Value, work: Work<'_>) -> Result<u64, RpcError> {
        let last = self.last.entry(model).or_default();
        *last += 1;
        let id = *last;
        self.models.entry(model).or_default().insert(id, Record { id, values: Map::new(), created: work.now, written: None });
        self.set(model, id, values, work)?;
        if model == PARTY && self.find(model, id).is_some_and(|record| !record.values.contains_key("code")) {
            // Measured: a party without a code gets the next number.
            self.set(model, id, &json!({"code": id.to_string()}), work)?;
        }
        if model == NOTE && self.find(model, id).and_then(|record| self.resource_of(record)).is_none() {
            return Err(RpcError::user("A value is required for field \"Resource\" in \"Note\"."));
        }
        // Measured: creating a contact mechanism also writes it, so its write_date is never null; on 8.2 a party's neither.
        if model == MECHANISM || (self.release == Release::Eight && model == PARTY) {
            self.touch(model, id, work.now);
        }
        Ok(id)
    }

    /// Writes if nobody else did since it was seen.
    pub(super) fn write(&mut self, model: &'static str, ids: &[u64], values: &Value, work: Work<'_>) -> Result<(), RpcError> {
        for id in ids {
            let Some(record) = self.find(model, *id) else {
                return Err(RpcError::user(format!(
                    "You are trying to write to records \"{id}\" of \"{}\" that don't exist anymore.",
                    spoken(model)
                )));
            };
            let seen = work.seen.get(format!("{model},{id}"));
            let seen: Option<f64> = seen.and_then(|seen| seen.as_str().map_or_else(|| seen.as_f64(), |text| text.parse().ok()));
            let is = self.timestamp(record).parse::<f64>().unwrap_or_default();
            if seen.is_some_and(|seen| is > seen) {
                return Err(RpcError { name: "ConcurrencyException".to_owned(), detail: json!("Records were modified in the meanwhile") });
            }
        }
        for id in ids {
            let codes = (values.get("code"), self.find(model, *id).and_then(|record| record.values.get("code")));
            if self.release == Release::Eight && model == PARTY && codes.0.is_some() && codes.0 != codes.1 {
                // Measured, with the sequence for codes that Tryton comes with.
                return Err(RpcError::user("You are not allowed to modify the field \"Code\" in record of \"Party\"."));
            }
            self.set(model, *id, values, work)?;
            self.touch(model, *id, work.now);
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, model: &'static str, ids: &[u64]) {
        for id in ids {
            self.models.entry(model).or_default().remove(id);
            if model == PARTY {
                for (_, part) in PARTS {
                    self.models.entry(part).or_default().retain(|_, found| found.values.get("party") != Some(&json!(id)));
                }
            }
        }
    }

    fn touch(&mut self, model: &'static str, id: u64, now: Timestamp) {
        if let Some(record) = self.models.get_mut(model).and_then(|records| records.get_mut(&id)) {
            record.written = Some(now);
        }
    }

    fn set(&mut self, model: &'static str, id: u64, values: &Value, work: Work<'_>) -> Result<(), RpcError> {
        let stored = STORED.iter().find(|(name, _)| *name == model).map_or(&[][..], |(_, fields)| fields);
        for (field, value) in values.as_object().into_iter().flatten() {
            if let Some(part) = part_of(model, field) {
                self.change_parts(part, id, value, work)?;
                continue;
            }
            match (model, field.as_str()) {
                (PARTY, "code") if self.all(PARTY).any(|other| other.id != id && other.values.get("code") == Some(value)) => {
                    return Err(RpcError::user("The code on party must be unique."));
                }
                (MECHANISM, "type") if !value.as_str().is_some_and(|kind| TYPES.contains(&kind)) => {
                    let kind = value.as_str().unwrap_or_default();
                    return Err(RpcError::user(format!(
                        "The value \"{kind}\" for field \"Type\" in \"Contact Mechanism\" is not one of the allowed options."
                    )));
                }
                (_, field) if stored.contains(&field) => {
                    if let Some(record) = self.models.get_mut(model).and_then(|records| records.get_mut(&id)) {
                        record.values.insert(field.to_owned(), value.clone());
                    }
                }
                (_, unknown) => return Err(RpcError::plain(format!("'{unknown}'"))),
            }
        }
        Ok(())
    }

    /// `[["create",[{…}]],["write",[ids],{…}],["delete",[ids]]]`.
    fn change_parts(&mut self, part: &'static str, party: u64, steps: &Value, work: Work<'_>) -> Result<(), RpcError> {
        for step in steps.as_array().into_iter().flatten() {
            match step[0].as_str() {
                Some("create") => {
                    for values in step[1].as_array().into_iter().flatten() {
                        let mut values = values.clone();
                        values["party"] = json!(party);
                        self.create(part, &values, work)?;
                    }
                }
                Some("write") => self.write(part, &numbers(&step[1]), &step[2], work)?,
                Some("delete") => self.delete(part, &numbers(&step[1])),
                other => return Err(RpcError::plain(format!("the stand-in does not model {other:?} on a party's {part}"))),
            }
        }
        Ok(())
    }

    /// Whether records of this model can be inactive.
    fn is_ever_inactive(&self, model: &str) -> bool {
        matches!(model, PARTY | MECHANISM | ADDRESS) || (self.release == Release::Eight && model == IDENTIFIER)
    }

    /// Whether this one is.
    pub(super) fn is_inactive(&self, model: &str, record: &Record) -> bool {
        self.is_ever_inactive(model) && record.values.get("active") == Some(&json!(false))
    }

    fn parts_of(&self, part: &str, party: u64) -> impl Iterator<Item = &Record> {
        self.all(part).filter(move |found| found.values.get("party") == Some(&json!(party)))
    }

    /// Measured: whole seconds as text; on 8.2 with five digits behind the point.
    fn timestamp(&self, record: &Record) -> String {
        match self.release {
            Release::Six => record.touched().as_second().to_string(),
            Release::Eight => format!("{:.5}", record.touched().as_microsecond() as f64 / 1e6),
        }
    }

    /// The party a note is on, if it exists.
    fn resource_of(&self, note: &Record) -> Option<u64> {
        let (model, id) = note.values.get("resource")?.as_str()?.split_once(',')?;
        let id = id.parse().ok()?;
        (model == PARTY && self.find(PARTY, id).is_some()).then_some(id)
    }
}

/// What is in a list of a party.
fn part_of(model: &str, field: &str) -> Option<&'static str> {
    PARTS.iter().find(|(list, _)| model == PARTY && *list == field).map(|(_, part)| *part)
}

/// The ids in a list.
pub(super) fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// The model's name in messages.
pub(super) fn spoken(model: &str) -> &'static str {
    match model {
        PARTY => "Party",
        MECHANISM => "Contact Mechanism",
        ADDRESS => "Address",
        IDENTIFIER => "Party Identifier",
        _ => "Note",
    }
}

fn datetime(time: Timestamp) -> Value {
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    json!({
        "__class__": "datetime", "year": time.year(), "month": time.month(), "day": time.day(), "hour": time.hour(), "minute": time.minute(),
        "second": time.second(), "microsecond": time.subsec_nanosecond() / 1000,
    })
}
