//! The async edge of Sportello: what comes in, what goes out, and what is shown.
//!
//! ```text
//! webhook / poll ─► connector ─► ingress ─► tenant (writer, journal, views) ─► workers ─► connector
//!                                              └─► api, live, metrics
//! ```

pub mod access;
mod api;
pub mod channels;
pub mod clock;
pub mod config;
pub mod connectors;
pub mod desk;
pub mod health;
pub mod ingress;
mod listen;
pub mod live;
pub mod metrics;
mod sabotage;
pub mod secrets;
pub mod serve;
pub mod tenant;
mod watch_folder;
mod workers;
