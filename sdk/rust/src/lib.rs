//! Write Sportello connectors in Rust.
//!
//! A connector is a WebAssembly component that translates between one platform and Sportello's words. You write a type, implement
//! [`Description`] (what it is and asks for) and one trait for each thing it can do, and name them in [`export!`]:
//!
//! | trait | the host calls it to |
//! |---|---|
//! | [`Webhook`] | understand a delivery the platform pushed |
//! | [`Poll`] | ask the platform what is new |
//! | [`Publish`] | do something outside: a reply, a post, an activity in a CRM |
//! | [`Find`] | look whether something it tried took place |
//! | [`Crm`] | look up contacts, and follow their changes |
//!
//! Beside that: [`http`] (requests to granted origins), [`credentials`] (secrets you use and never see), [`state`] (a little bookkeeping),
//! [`diagnostics`] (messages to the operator), [`time`], and [`testing`]: doubles of all of it, so that a connector is unit-tested natively.
//!
//! # A complete connector
//!
//! ```
//! use serde::Deserialize;
//! use sportello_sdk::{http, webhook, *};
//!
//! /// What the operator writes into the channel's settings.
//! #[derive(Deserialize)]
//! struct Settings {
//!     url: String,
//! }
//!
//! /// What the platform posts.
//! #[derive(Deserialize)]
//! struct Message {
//!     id: String,
//!     thread: String,
//!     user: String,
//!     text: String,
//!     at: i64,
//! }
//!
//! struct Chat;
//!
//! impl Description for Chat {
//!     type Settings = Settings;
//!
//!     fn describe() -> Manifest {
//!         Manifest::channel("chat", "0.1.0", "chat")
//!             .summary("Messages of our chat")
//!             .settings_schema(r#"{"type":"object","required":["url"],"properties":{"url":{"type":"string","format":"uri"}}}"#)
//!             .credential(Credential::signing("webhook-secret", "verifies deliveries"))
//!             .credential(Credential::bearer("token", "posts answers", Origin::setting("/url")))
//!             .signature(Signature::hmac_sha256("x-chat-signature", "webhook-secret"))
//!             .action(Action::new("reply", Idempotency::Keyed))
//!     }
//! }
//!
//! impl Webhook for Chat {
//!     fn handle(_: &Context<Settings>, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
//!         let message: Message = request.json()?;
//!         let interaction = Interaction::new(message.id, "direct-message", time::from_seconds(message.at), message.thread)
//!             .author(Profile::new(message.user))
//!             .text(message.text)
//!             .raw_input(0, request.body.len());
//!         Ok(webhook::Outcome::new([interaction]))
//!     }
//! }
//!
//! impl Publish for Chat {
//!     fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
//!         let url = format!("{}/threads/{}", context.settings.url, http::encode(effect.conversation_key()?));
//!         // The token is put in by the host; this code could not read it if it wanted to.
//!         let response = http::Request::post(url).form([("text", &effect.text), ("key", &effect.key)]).send()?.success()?;
//!         #[derive(Deserialize)]
//!         struct Posted {
//!             id: String,
//!         }
//!         Ok(Receipt::new(response.json::<Posted>()?.id))
//!     }
//! }
//!
//! export!(Chat: webhook, publish);
//!
//! // In a test file of yours:
//! let host = testing::Host::new().http(|request: &http::Request| {
//!     assert_eq!(request.form_value("text").as_deref(), Some("Buongiorno"));
//!     http::Response::with_json(200, &serde_json::json!({ "id": "m-2" }))
//! }).start();
//! let chat = testing::Channel::<Chat>::new(serde_json::json!({ "url": "https://chat.example" }));
//! let outcome = chat.deliver(&webhook::Request::post(r#"{"id":"m-1","thread":"t","user":"u","text":"Ciao","at":1764000000}"#)).unwrap();
//! assert_eq!(outcome.interactions[0].occurred_at, "2025-11-24T16:00:00Z");
//! assert_eq!(chat.publish(&testing::reply("effect-1", "t", "Buongiorno")).unwrap().native_id, "m-2");
//! assert_eq!(host.requests()[0].path(), "/threads/t");
//! ```
//!
//! Build it with `cargo build --release --target wasm32-unknown-unknown`, `crate-type = ["cdylib", "rlib"]`, and `wasm-component-ld` as that target's
//! linker (`.cargo/config.toml` of this repository); the file is ready to be installed. What needs files is built for `wasm32-wasip2` instead.
//!
//! # Errors
//!
//! [`Error`] says what the host must do. Everything in this crate returns it, so that `?` does the right thing: a connection that could not be
//! made is [`Error::retry`], a time-out after a `POST` was sent is [`Error::uncertain`], a log-in that failed is [`Error::auth`]. What the
//! platform means by its status codes is the connector's to say; [`http::Response::success`] knows the usual.

#[doc(hidden)]
pub mod bindings;
mod capability;
mod context;
pub mod credentials;
pub mod cursor;
pub mod diagnostics;
mod error;
mod export;
pub mod find;
pub mod hash;
pub mod headroom;
pub mod http;
pub mod lenient;
pub mod limits;
mod manifest;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod memory;
mod panic;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;
mod words;

pub use bindings::base::exports::sportello::connector::description::{
    Action, Capture, Carrier, ConnectorKind, Credential, DigestText, Encoding, Expectation, Folder, Idempotency, LinkPermission, LoginBody,
    LoginStep, Manifest, NetworkPolicy, Origin, Place, Placement, ReplyPermission, RequestLimit, RequestSigning, Retention, Session,
    Signature,
};
pub use bindings::shared::sportello::connector::types::{
    Attribute, ByteRange, Change, Contact, ConversationReference, Effect, Error, Identifier, Interaction, Mac, Profile, RateLimit, Raw,
    Receipt, Retry, Visibility,
};
pub use capability::{Configuration, Crm, Description, Find, Poll, Publish, Recheck, Webhook};
pub use context::Context;

/// What [`Webhook`] takes and gives.
pub mod webhook {
    pub use crate::bindings::webhook::exports::sportello::connector::webhook::{DeletionRequest, Outcome, Request, Response};
}

/// What [`Poll`] gives.
pub mod poll {
    pub use crate::bindings::poll::exports::sportello::connector::poll::Page;
}

/// What [`Recheck`] takes.
pub mod recheck {
    pub use crate::bindings::recheck::exports::sportello::connector::recheck::Thing;
}

/// What [`Configuration`] gives.
pub mod configuration {
    pub use crate::bindings::configuration::exports::sportello::connector::configuration::Problem;
}

/// What [`Crm`] gives.
pub mod crm {
    pub use crate::bindings::crm::exports::sportello::connector::crm::ContactPage;
}
