//! The stand-in CRM's records: parties, contact mechanisms, notes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::RpcError;

pub(super) const PARTY: &str = "party.party";
pub(super) const MECHANISM: &str = "party.contact_mechanism";
pub(super) const NOTE: &str = "ir.note";

/// The fields a client may set, by model.
const STORED: &[(&str, &[&str])] = &[
    (PARTY, &["name", "code", "active", "lang"]),
    (MECHANISM, &["type", "value", "value_compact", "name", "comment", "party", "active", "sequence"]),
    (NOTE, &["resource", "message"]),
];
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

/// All records of all models.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    models: BTreeMap<&'static str, BTreeMap<u64, Record>>,
    last: BTreeMap<&'static str, u64>,
}

impl Records {
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
        match (model, field) {
            (PARTY, "contact_mechanisms") => Ok(self.mechanisms_of(record.id).map(|mechanism| (MECHANISM, mechanism.id)).collect()),
            (MECHANISM, "party") => Ok(record.values.get("party").and_then(Value::as_u64).map(|id| (PARTY, id)).into_iter().collect()),
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
            // Measured: whole seconds, as text.
            (_, "_timestamp") => json!(record.touched().as_second().to_string()),
            (PARTY | MECHANISM, "active") => json!(i64::from(record.values.get("active") != Some(&json!(false)))),
            (PARTY, "rec_name") => record.values.get("name").cloned().unwrap_or_default(),
            (PARTY, "contact_mechanisms") => json!(self.mechanisms_of(record.id).map(|mechanism| mechanism.id).collect::<Vec<_>>()),
            // Measured: the first of its type, or an empty text.
            (PARTY, "email" | "phone" | "mobile" | "fax" | "website") => {
                let first = self.mechanisms_of(record.id).find(|mechanism| mechanism.values.get("type") == Some(&json!(field)));
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

    /// The fields asked for; a dotted one comes as an object (or a list of them) under `relation.`.
    pub(super) fn shown(&self, model: &str, record: &Record, fields: &[&str]) -> Result<Value, RpcError> {
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
                if let Some(other) = self.find(target, id) {
                    found.push(self.shown(target, other, &inner)?);
                }
            }
            let value = if relation == "contact_mechanisms" { Value::Array(found) } else { found.pop().unwrap_or_default() };
            shown.insert(key, value);
        }
        Ok(Value::Object(shown))
    }

    pub(super) fn create(&mut self, model: &'static str, values: &Value, now: Timestamp) -> Result<u64, RpcError> {
        let last = self.last.entry(model).or_default();
        *last += 1;
        let id = *last;
        self.models.entry(model).or_default().insert(id, Record { id, values: Map::new(), created: now, written: None });
        self.set(model, id, values, now)?;
        if model == PARTY && self.find(model, id).is_some_and(|record| !record.values.contains_key("code")) {
            // Measured: a party without a code gets the next number.
            self.set(model, id, &json!({"code": id.to_string()}), now)?;
        }
        if model == NOTE && self.find(model, id).and_then(|record| self.resource_of(record)).is_none() {
            return Err(RpcError::user("A value is required for field \"Resource\" in \"Note\"."));
        }
        if model == MECHANISM {
            // Measured: creating a contact mechanism also writes it, so its write_date is never null.
            self.touch(model, id, now);
        }
        Ok(id)
    }

    /// Writes if nobody else did since `timestamps` (`model,id` → `_timestamp` as read) were taken.
    pub(super) fn write(
        &mut self,
        model: &'static str,
        ids: &[u64],
        values: &Value,
        timestamps: &Value,
        now: Timestamp,
    ) -> Result<(), RpcError> {
        for id in ids {
            let Some(record) = self.find(model, *id) else {
                return Err(RpcError::user(format!(
                    "You are trying to write to records \"{id}\" of \"{}\" that don't exist anymore.",
                    spoken(model)
                )));
            };
            let seen = timestamps.get(format!("{model},{id}"));
            let seen = seen.and_then(|seen| seen.as_str().map_or_else(|| seen.as_f64(), |text| text.parse().ok()));
            if seen.is_some_and(|seen| record.touched().as_second() as f64 > seen) {
                return Err(RpcError { name: "ConcurrencyException".to_owned(), detail: json!("Records were modified in the meanwhile") });
            }
        }
        for id in ids {
            self.set(model, *id, values, now)?;
            self.touch(model, *id, now);
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, model: &'static str, ids: &[u64]) {
        for id in ids {
            self.models.entry(model).or_default().remove(id);
            if model == PARTY {
                self.models.entry(MECHANISM).or_default().retain(|_, mechanism| mechanism.values.get("party") != Some(&json!(id)));
            }
        }
    }

    fn touch(&mut self, model: &'static str, id: u64, now: Timestamp) {
        if let Some(record) = self.models.get_mut(model).and_then(|records| records.get_mut(&id)) {
            record.written = Some(now);
        }
    }

    fn set(&mut self, model: &'static str, id: u64, values: &Value, now: Timestamp) -> Result<(), RpcError> {
        let stored = STORED.iter().find(|(name, _)| *name == model).map_or(&[][..], |(_, fields)| fields);
        for (field, value) in values.as_object().into_iter().flatten() {
            match (model, field.as_str()) {
                (PARTY, "contact_mechanisms") => self.change_mechanisms(id, value, now)?,
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
    fn change_mechanisms(&mut self, party: u64, steps: &Value, now: Timestamp) -> Result<(), RpcError> {
        for step in steps.as_array().into_iter().flatten() {
            match step[0].as_str() {
                Some("create") => {
                    for values in step[1].as_array().into_iter().flatten() {
                        let mut values = values.clone();
                        values["party"] = json!(party);
                        self.create(MECHANISM, &values, now)?;
                    }
                }
                Some("write") => self.write(MECHANISM, &numbers(&step[1]), &step[2], &Value::Null, now)?,
                Some("delete") => self.delete(MECHANISM, &numbers(&step[1])),
                other => return Err(RpcError::plain(format!("the stand-in does not model {other:?} on contact_mechanisms"))),
            }
        }
        Ok(())
    }

    fn mechanisms_of(&self, party: u64) -> impl Iterator<Item = &Record> {
        self.all(MECHANISM).filter(move |mechanism| mechanism.values.get("party") == Some(&json!(party)))
    }

    /// The party a note is on, if it exists.
    fn resource_of(&self, note: &Record) -> Option<u64> {
        let (model, id) = note.values.get("resource")?.as_str()?.split_once(',')?;
        let id = id.parse().ok()?;
        (model == PARTY && self.find(PARTY, id).is_some()).then_some(id)
    }
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
