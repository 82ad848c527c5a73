//! Loads, checks, grants, limits, calls and swaps connectors.

mod bindings;
pub mod contract;
pub mod outbound;
mod secret;

pub use secret::Secret;
