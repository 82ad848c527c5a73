//! Queries as Rest.li 2.0 writes them, and pages of lists.
//!
//! `List(…)` and `(name:value,…)` stand bare, only the values inside are percent-encoded; a query whose parentheses are encoded is refused
//! with 400: <https://github.com/linkedin/rest.li/issues/527>.

use serde_json::{Value, json};

use super::access::Refusal;
use super::urn::decoded;

/// Rows of a page by default. [paging]
const ROWS_DEFAULT: usize = 10;
/// Rows of a page at most. Ours; the page names none for these lists.
const ROWS_MAX: usize = 100;

/// The fields of a query, as they came.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query that has no other fields than these.
    pub(super) fn parse(text: &str, names: &[&str]) -> Result<Self, Refusal> {
        let fields = text.split('&').filter(|field| !field.is_empty());
        let fields: Vec<(String, String)> = fields
            .map(|field| field.split_once('=').unwrap_or((field, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        match fields.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            Some((unknown, _)) => Err(Refusal::not_modelled(&format!("the query's field {unknown}"))),
            None => Ok(Self(fields)),
        }
    }

    /// The value as it came.
    pub(super) fn bare(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A percent-encoded value.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.bare(name).map(|value| decoded(value).ok_or_else(|| invalid(name))).transpose()
    }

    /// `List(a,b)`.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.bare(name) else { return Ok(None) };
        let inner = value.strip_prefix("List(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(|| invalid(name))?;
        let items: Option<Vec<String>> = inner.split(',').map(|item| decoded(item).filter(|item| !item.is_empty())).collect();
        items.map(Some).ok_or_else(|| invalid(name))
    }

    /// `(start:1,end:2)`, the end left out or not.
    pub(super) fn time_range(&self, name: &str) -> Result<Option<(i64, i64)>, Refusal> {
        let Some(value) = self.bare(name) else { return Ok(None) };
        let read = || {
            let inner = value.strip_prefix('(')?.strip_suffix(')')?;
            let mut range = (None, i64::MAX);
            for part in inner.split(',') {
                match part.split_once(':')? {
                    ("start", time) => range.0 = time.parse().ok(),
                    ("end", time) => range.1 = time.parse().ok()?,
                    _ => return None,
                }
            }
            Some((range.0?, range.1))
        };
        read().map(Some).ok_or_else(|| invalid(name))
    }

    /// One page of `rows`, with the links to its neighbours; `path` is the call's own. [paging]
    pub(super) fn page(&self, path: &str, rows: Vec<Value>, with_total: bool) -> Result<Value, Refusal> {
        let start = self.number("start", 0)?;
        let count = self.number("count", ROWS_DEFAULT)?;
        if count == 0 || count > ROWS_MAX {
            return Err(invalid("count"));
        }
        let total = rows.len();
        let link = |relation: &str, start: usize| {
            let kept = self.0.iter().filter(|(name, _)| !["start", "count"].contains(&name.as_str()));
            let mut fields: Vec<String> = kept.map(|(name, value)| format!("{name}={value}")).collect();
            fields.extend([format!("count={count}"), format!("start={start}")]);
            json!({"rel": relation, "href": format!("{path}?{}", fields.join("&")), "type": "application/json"})
        };
        let mut links = Vec::new();
        if start > 0 {
            links.push(link("prev", start.saturating_sub(count)));
        }
        if start.saturating_add(count) < total {
            links.push(link("next", start + count));
        }
        let mut paging = json!({"start": start, "count": count, "links": links});
        if with_total {
            paging["total"] = json!(total);
        }
        let elements: Vec<Value> = rows.into_iter().skip(start).take(count).collect();
        Ok(json!({"elements": elements, "paging": paging}))
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, Refusal> {
        self.bare(name).map_or(Ok(default), |value| value.parse().map_err(|_| invalid(name)))
    }
}

fn invalid(name: &str) -> Refusal {
    Refusal::bad_request(format!("Parameter '{name}' is invalid"))
}
