//! Words and values that several resources show, and how the OpenAPI document describes them.

use serde::Serialize;
use sportello_core::domain::person::Standing;
use sportello_core::time::Timestamp;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A moment in RFC 3339, UTC, for example `2026-03-14T09:26:53.589Z`.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = DateTime)]
pub(crate) struct Moment(jiff::Timestamp);

impl From<Timestamp> for Moment {
    fn from(moment: Timestamp) -> Self {
        Self(jiff::Timestamp::from_millisecond(moment.0).unwrap_or_default())
    }
}

/// A scheme and a value, for example `email`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IdentifierView {
    /// `email`, `phone`, `<network>.id`, `<network>.handle`, `external`.
    scheme: String,
    /// As the source gave it.
    value: String,
}

/// Something with a name and a value.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttributeView {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

pub(crate) fn identifiers(pairs: Vec<(String, String)>) -> Vec<IdentifierView> {
    pairs.into_iter().map(|(scheme, value)| IdentifierView { scheme, value }).collect()
}

pub(crate) fn attributes(pairs: Vec<(String, String)>) -> Vec<AttributeView> {
    pairs.into_iter().map(|(name, value)| AttributeView { name, value }).collect()
}

pub(crate) const fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Customer => "customer",
        Standing::Prospect => "prospect",
        Standing::Unknown => "unknown",
    }
}

fn one_of(words: &[&str]) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied())).build()
}

pub(crate) fn case_state() -> Object {
    one_of(&["open", "assigned", "waiting", "resolved"])
}

pub(crate) fn change() -> Object {
    one_of(&["created", "edited", "deleted"])
}

pub(crate) fn channel_kind() -> Object {
    one_of(&["channel", "crm", "enricher"])
}

pub(crate) fn delivery_state() -> Object {
    one_of(&["parked", "replayed", "expired"])
}

pub(crate) fn effect_state() -> Object {
    one_of(&["queued", "started", "done", "failed", "unknown", "undecided"])
}

pub(crate) fn idempotency() -> Object {
    one_of(&["idempotent", "keyed", "findable", "unsafe"])
}

pub(crate) fn lawful_basis() -> Object {
    one_of(&["consent", "legitimate-interest"])
}

pub(crate) fn link_permission() -> Object {
    one_of(&["evidence", "consent", "forbidden"])
}

pub(crate) fn look_up() -> Object {
    one_of(&["pending", "absent", "found"])
}

pub(crate) fn role() -> Object {
    one_of(&["viewer", "agent", "operator", "admin"])
}

pub(crate) fn standing() -> Object {
    one_of(&["customer", "prospect", "unknown"])
}
