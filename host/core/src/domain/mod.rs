//! What the core knows: one file per thing, each with its rows, its events and how an event changes the rows.

pub mod access;
pub mod case;
pub mod channel;
pub mod connector;
pub mod contact;
pub mod conversation;
pub mod deletion;
pub mod delivery;
pub mod effect;
pub mod erasure;
pub mod interaction;
pub mod lane;
pub mod person;
pub mod profile;
