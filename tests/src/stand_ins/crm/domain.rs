//! Search domains of Tryton: nested lists of `[field, operator, value]`, joined by AND unless a list begins with `"OR"`.
//!
//! <https://docs.tryton.org/6.0/server/topics/models/fields_default_value.html> speaks of fields, `topics/domain` of this form; what is not
//! said there was measured on Tryton 6.0.29: comparing with null is never true except `=` and `!=`, and a dotted field looks through
//! relations.

use serde_json::Value;

use super::RpcError;
use super::records::{Record, Records};

/// Whether `record` of `model` satisfies `domain`.
pub(super) fn matches(records: &Records, model: &str, record: &Record, domain: &Value) -> Result<bool, RpcError> {
    let Some(parts) = domain.as_array() else {
        return Err(RpcError::plain("a domain is a list"));
    };
    match parts.first().and_then(Value::as_str) {
        None => all(records, model, record, parts),
        Some("AND") => all(records, model, record, &parts[1..]),
        Some("OR") => {
            for part in &parts[1..] {
                if matches(records, model, record, part)? {
                    return Ok(true);
                }
            }
            Ok(parts.len() == 1)
        }
        Some(field) => {
            let (Some(operator), Some(wanted)) = (parts.get(1).and_then(Value::as_str), parts.get(2)) else {
                return Err(RpcError::plain("not enough values to unpack (expected 3)"));
            };
            clause(records, model, record, field, operator, wanted)
        }
    }
}

/// Whether a domain names the field `active`, in which case inactive records are not left out.
pub(super) fn names_active(domain: &Value) -> bool {
    domain.as_array().is_some_and(|parts| parts.first().is_some_and(|first| first == "active") || parts.iter().any(names_active))
}

/// A datetime as comparable numbers.
pub(super) fn moment(value: &Value) -> Option<[i64; 7]> {
    if value.get("__class__")? != "datetime" {
        return None;
    }
    let mut numbers = [0; 7];
    for (number, name) in numbers.iter_mut().zip(["year", "month", "day", "hour", "minute", "second", "microsecond"]) {
        *number = value.get(name)?.as_i64()?;
    }
    Some(numbers)
}

fn all(records: &Records, model: &str, record: &Record, parts: &[Value]) -> Result<bool, RpcError> {
    for part in parts {
        if !matches(records, model, record, part)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn clause(records: &Records, model: &str, record: &Record, path: &str, operator: &str, wanted: &Value) -> Result<bool, RpcError> {
    if operator == "where" {
        for (target, id) in records.related(model, record, path)? {
            if let Some(other) = records.find(target, id)
                && matches(records, target, other, wanted)?
            {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let Some((first, rest)) = path.split_once('.') else {
        return compare(&records.value(model, record, path)?, operator, wanted);
    };
    for (target, id) in records.related(model, record, first)? {
        if let Some(other) = records.find(target, id)
            && clause(records, target, other, rest, operator, wanted)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn compare(held: &Value, operator: &str, wanted: &Value) -> Result<bool, RpcError> {
    let ordered = |accept: fn(std::cmp::Ordering) -> bool| order(held, wanted).is_some_and(accept);
    Ok(match operator {
        "=" => same(held, wanted),
        "!=" => !same(held, wanted),
        "in" => wanted.as_array().is_some_and(|members| members.iter().any(|member| same(held, member))),
        "not in" => wanted.as_array().is_some_and(|members| !members.iter().any(|member| same(held, member))),
        ">" => ordered(std::cmp::Ordering::is_gt),
        ">=" => ordered(std::cmp::Ordering::is_ge),
        "<" => ordered(std::cmp::Ordering::is_lt),
        "<=" => ordered(std::cmp::Ordering::is_le),
        "like" => pattern(held, wanted, str::to_owned),
        // On SQLite `like` folds ASCII case too; PostgreSQL does not. The stand-in keeps the stricter reading.
        "ilike" => pattern(held, wanted, str::to_lowercase),
        "not like" => !pattern(held, wanted, str::to_owned),
        "not ilike" => !pattern(held, wanted, str::to_lowercase),
        other => return Err(RpcError::plain(format!("'{other}'"))),
    })
}

fn same(held: &Value, wanted: &Value) -> bool {
    match (number(held), number(wanted)) {
        (Some(held), Some(wanted)) => held == wanted,
        _ => held == wanted,
    }
}

/// Numbers, and flags as the 1 and 0 that SQLite keeps.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_bool().map(i64::from))
}

/// Nulls first, as SQLite orders them; `None` where one side is null or they cannot be compared.
fn order(held: &Value, wanted: &Value) -> Option<std::cmp::Ordering> {
    match (moment(held), moment(wanted)) {
        (Some(held), Some(wanted)) => return Some(held.cmp(&wanted)),
        (None, None) => {}
        _ => return None,
    }
    match (number(held), number(wanted)) {
        (Some(held), Some(wanted)) => Some(held.cmp(&wanted)),
        _ => Some(held.as_str()?.cmp(wanted.as_str()?)),
    }
}

/// SQL patterns: `%` any run, `_` any letter, `\` takes the next letter as it is.
fn pattern(held: &Value, wanted: &Value, fold: fn(&str) -> String) -> bool {
    let (Some(held), Some(wanted)) = (held.as_str(), wanted.as_str()) else {
        return false;
    };
    let (held, wanted): (Vec<char>, Vec<char>) = (fold(held).chars().collect(), fold(wanted).chars().collect());
    fits(&held, &wanted)
}

fn fits(held: &[char], wanted: &[char]) -> bool {
    match wanted.split_first() {
        None => held.is_empty(),
        Some(('%', rest)) => (0..=held.len()).any(|skipped| fits(&held[skipped..], rest)),
        Some(('_', rest)) => held.split_first().is_some_and(|(_, held)| fits(held, rest)),
        Some(('\\', rest)) if !rest.is_empty() => held.first() == rest.first() && fits(&held[1..], &rest[1..]),
        Some((letter, rest)) => held.first() == Some(letter) && fits(&held[1..], rest),
    }
}
