//! What the core promises, one test each.

#![allow(unreachable_pub, missing_docs)]

mod cases;
mod channels;
mod desk;
mod effects;
mod erasure;
mod events;
mod interactions;
mod links;
mod model;
mod retention;
