//! The pure heart of a tenant.
//!
//! ```text
//! command ──decide──► events ──apply──► rows
//! ```
//!
//! * [`commands::decide`] looks rows up, and either refuses with a [`refusal::Refusal`] or emits events into a [`draft::Draft`].
//! * [`event::apply`] changes the rows as an event says. It is the only thing that does, live and on replay alike, so that rows rebuilt from
//!   the journal equal the live ones bit for bit.
//! * There is no clock, randomness, IO, or text of anybody's in here. Time is handed in; ids are counted, or are the numbers of key slots that
//!   the edge took; words arrive sealed and leave sealed. What is slow or needs words (conditions, looking people up, erasing keys) happens
//!   outside and comes back as a command, which is checked against what is so by then.
//!
//! # Invariants
//! * A command's events are one record: all of them, or none.
//! * An interaction's identity enters once ([`domain::interaction::IDENTITIES`]), however late it is delivered again.
//! * A conversation has one open case at most; a case has one state and one owner at most.
//! * An effect moves `queued → started → done | failed | unknown`, and an unknown one is never simply repeated unless its class says that a
//!   repetition changes nothing. The platform's own echo makes it done from wherever it stands.
//! * Of one lane (a conversation, a contact, …) one effect at most is under way, in the order they were asked for ([`domain::lane`]).
//! * Interactions and cases refer to profiles; people are found through links when read. So ending a link undoes it exactly.
//!
//! # Failure
//! A row that cannot be decoded reads as absent; whoever composes the core treats the store's own errors before committing. Views are
//! rebuilt from the journal on any doubt, so a damaged row is never repaired, only thrown away.

pub mod commands;
pub mod domain;
pub mod draft;
mod encoding;
pub mod event;
pub mod ids;
mod matching;
pub mod numbers;
pub mod refusal;
mod sabotage;
pub mod tables;
pub mod time;
