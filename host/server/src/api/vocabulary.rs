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
        Standing::Own => "own",
    }
}

fn one_of(description: &str, words: &[&str]) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).enum_values(Some(words.iter().copied())).build()
}

pub(crate) fn case_state() -> Object {
    one_of("Where a case stands.", &["open", "assigned", "waiting", "resolved"])
}

pub(crate) fn change() -> Object {
    one_of("What happened to the thing.", &["created", "edited", "deleted"])
}

pub(crate) fn channel_kind() -> Object {
    one_of("A touchpoint, a system of record, or what annotates interactions.", &["channel", "crm", "enricher"])
}

pub(crate) fn delivery_state() -> Object {
    one_of("Where a parked delivery stands.", &["parked", "replayed", "expired"])
}

pub(crate) fn effect_state() -> Object {
    one_of("Where an effect stands.", &["queued", "started", "done", "failed", "unknown", "undecided"])
}

pub(crate) fn idempotency() -> Object {
    one_of(
        "What a repetition would do: nothing; nothing, because the platform knows the key; something, but one can look first; something, and nothing can tell.",
        &["idempotent", "keyed", "findable", "unsafe"],
    )
}

pub(crate) fn lawful_basis() -> Object {
    one_of("Why a link is lawful.", &["consent", "legitimate-interest"])
}

pub(crate) fn link_permission() -> Object {
    one_of(
        "Whether profiles may be linked to contacts: on exact evidence, with consent on record, never.",
        &["evidence", "consent", "forbidden"],
    )
}

pub(crate) fn look_up() -> Object {
    one_of(
        "Where looking somebody up in the CRMs stands; the company's own accounts are not asked about. Absent is also who, by the network's policy, no CRM may be asked about.",
        &["pending", "absent", "found", "not-asked"],
    )
}

pub(crate) fn role() -> Object {
    one_of("What a token may do; each may do what those before it may.", &["viewer", "agent", "operator", "admin"])
}

pub(crate) fn standing() -> Object {
    one_of("What somebody is to the company; `own`: its own account.", &["customer", "prospect", "unknown", "own"])
}
