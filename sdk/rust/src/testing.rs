//! Doubles of the host, so that a connector is unit-tested natively with `cargo test`.
//!
//! [`Host`] stands for what a connector imports (HTTP, credentials, state, clock, diagnostics) and records what it was asked; it belongs to
//! the thread that started it. [`Channel`] stands for what calls a connector, and goes the way a real call goes: settings are read from JSON, and
//! every batch comes back with one answer for each item.
//!
//! Without a running [`Host`] diagnostics go to stderr and everything else panics: a test that needs the host says so.

mod channel;
mod host;
mod recorded;

pub use self::channel::Channel;
pub use self::host::{Answer, Host, Running};
pub(crate) use self::host::{emit, ends, headroom, matches, now_milliseconds, renew, send, sign, state_get, state_set, take};
pub use self::recorded::{answered, exchange};

use crate::{ConversationReference, Effect, time};

/// The time a test's call has unless [`Host::now`] says otherwise.
pub const NOW: &str = "2026-01-15T12:00:00Z";

/// An effect `reply` in a conversation, queued now.
#[must_use]
pub fn reply(key: &str, conversation_key: &str, text: &str) -> Effect {
    Effect { conversation: Some(ConversationReference::new(conversation_key)), ..effect(key, "reply", text) }
}

/// An effect `activity` on a contact, queued now.
#[must_use]
pub fn activity(key: &str, contact: &str, subject: &str, text: &str) -> Effect {
    Effect { contact: Some(contact.into()), subject: Some(subject.into()), ..effect(key, "activity", text) }
}

/// An effect of any action, queued now.
#[must_use]
pub fn effect(key: &str, action: &str, text: &str) -> Effect {
    Effect {
        key: key.into(),
        action: action.into(),
        conversation: None,
        in_reply_to: None,
        contact: None,
        subject: None,
        text: text.into(),
        queued_at: from_now(),
        attributes: Vec::new(),
    }
}

fn from_now() -> String {
    time::from_milliseconds(now_milliseconds())
}
