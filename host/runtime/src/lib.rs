//! Loads, checks, grants, limits, calls and swaps connectors. Knows nothing of customers.
//!
//! # Design
//!
//! ```text
//! file ──prepare──► Prepared ──channel──► Channel ──webhook, poll, publish …──► Done | CallFailure
//!        │                     │                      │
//!        │ size, contract,     │ settings, secrets,   │ quarantine, slot, fresh store, limits, output check
//!        │ compile, manifest   │ grants               │
//! ```
//!
//! One engine and one pool for the process. A call takes a slot of the pool, instantiates the connector anew from its compiled image, calls one
//! function and throws the instance away: nothing leaks from one customer's call to the next, a trap harms one call, and a swap of connectors is
//! nothing but the next call going to another [`Channel`]. The host that uses this crate keeps the current `Channel` of each configured channel
//! in an `ArcSwap`; storing another is the swap, [`Channel::drained`] tells when the last call on the old one has ended.
//!
//! Where to look: `engine.rs` the engine's knobs and why; `limits.rs` every limit; `channel/running.rs` a call from its admission to its end, `call.rs` what stops which guest; `guest.rs` what stands behind
//! a guest's imports, `call_state.rs` its key-value state; `grant.rs` whether a channel's configuration fits; `wasi.rs` how WASI is made inert; [`outbound`] everything a guest does on the network, and its secrets;
//! `contract_check.rs`, `manifest.rs`, `output.rs` what is checked of a component, its description, its answers; `cache.rs` compiled files.
//!
//! # Invariants
//!
//! * A guest has nothing it was not granted: no host, credential, file, socket, real clock or real randomness. The same inputs give the same call.
//! * Every call has limits in memory, computing time, time as such, bytes across the border, diagnostics, resources and requests. They are on by
//!   default; no constructor leaves them out.
//! * Whoever holds a slot finds the pool able to serve: the pool's totals are the per-connector limits times the number of slots.
//! * A call's output is whole and checked, or there is none. After any error the store is dropped, because a store that failed while values
//!   crossed the border would still take calls.
//! * Preparing and configuring change nothing that is live: they return a new value or say why not.
//! * Secrets are [`Secret`]s: overwritten when dropped, never in `Debug`, never given to a guest, redacted from what a guest receives or says.
//!
//! # Failure
//!
//! [`RuntimeError`] is what can go wrong before a call, [`CallFailure`] in one. A connector's own *answers* (`retry`, `rate-limited`, `auth`,
//! `reject`, `uncertain`) are not failures: they are values inside [`Done`]. Repeated failures take the channel out of service
//! (`quarantine.rs`): its calls but challenges are refused at once, and one call from time to time probes whether it has recovered.

mod bindings;
mod cache;
mod call;
mod call_state;
mod call_time;
mod capabilities;
mod channel;
mod channel_credentials;
pub mod contract;
mod contract_check;
mod digest;
mod engine;
mod error;
mod form;
mod grant;
mod guest;
mod headroom;
pub mod limits;
mod manifest;
pub mod outbound;
mod output;
mod prepared;
mod quarantine;
mod runtime;
mod sabotage;
mod secret;
mod signature;
mod slots;
mod vault;
mod wasi;

pub use call::{Call, CallFailure, Done};
pub use call_state::{ConnectorState, StateExtent, StateWrite};
pub use call_time::{CallTime, Clock};
pub use capabilities::Capabilities;
pub use channel::{Channel, ChannelOptions, WebhookPlace};
pub use contract_check::{CONTRACT_VERSION, ContractFault};
pub use digest::{Digest, DigestError};
pub use engine::{PageScan, Pooling};
pub use error::RuntimeError;
pub use guest::Diagnostic;
pub use headroom::{Headroom, HeadroomWindow, Uncounted};
pub use manifest::ManifestFault;
pub use outbound::BoundField;
pub use output::OutputFault;
pub use prepared::Prepared;
pub use quarantine::{Admission, Quarantine, QuarantineState};
pub use runtime::{Runtime, RuntimeOptions};
pub use secret::Secret;
pub use signature::{SignatureRefusal, Signed, verify_signature};
pub use slots::Slots;
pub use vault::{NoVault, Vault, VaultKey};
