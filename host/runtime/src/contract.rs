//! The contract's records under flat names, for whoever uses this crate.
//!
//! The generated modules mirror the WIT packages; here each record has one name that says what it is (`Error` becomes [`ConnectorError`],
//! `webhook.request` becomes [`WebhookRequest`]). Their documentation stands in `wit/`.

pub use crate::bindings::exports::sportello::connector::configuration::Problem as SettingsProblem;
pub use crate::bindings::exports::sportello::connector::crm::ContactPage;
pub use crate::bindings::exports::sportello::connector::description::{
    Action, Capture, Carrier, ConnectorKind, Credential, DigestText, Encoding, Expectation, Folder, Idempotency, LinkPermission, LoginBody,
    LoginStep, Manifest, NetworkPolicy, Origin, Place, Placement, ReplyPermission, RequestLimit, RequestSigning, Retention, Session,
    Signature,
};
pub use crate::bindings::exports::sportello::connector::find::Presence;
pub use crate::bindings::exports::sportello::connector::poll::Page;
pub use crate::bindings::exports::sportello::connector::recheck::Thing;
pub use crate::bindings::exports::sportello::connector::webhook::{
    DeletionRequest, Outcome as WebhookOutcome, Request as WebhookRequest, Response as WebhookResponse,
};
pub use crate::bindings::sportello::connector::diagnostics::Level;
pub use crate::bindings::sportello::connector::types::{
    Attribute, ByteRange, Change, Contact, Context, ConversationReference, Effect, Error as ConnectorError, Identifier, Interaction, Mac,
    Profile, RateLimit, Raw, Receipt, Retry, Visibility,
};
