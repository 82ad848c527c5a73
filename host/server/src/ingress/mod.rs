//! How things come in: a connector's output becomes one command.

pub mod arrivals;
pub mod contacts;
pub mod deletions;
pub mod delivery;
pub(crate) mod gathering;
pub mod take_in;
pub mod webhook;
