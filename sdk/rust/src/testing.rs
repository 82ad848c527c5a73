//! Doubles of the host, so that a connector is unit-tested natively with `cargo test`.
//!
//! [`Host`] stands for what a connector imports (HTTP, credentials, state, clock, diagnostics) and records what it was asked; it belongs to
//! the thread that started it. [`Channel`] stands for what calls a connector, and goes the way a real call goes: settings are read from JSON, and
//! every batch comes back with one answer for each item.
//!
//! Without a running [`Host`] diagnostics go to stderr and everything else panics: a test that needs the host says so.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;

use hmac::{Hmac, Mac as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings;
use crate::bindings::shared::sportello::connector::{credentials, state, types};
use crate::diagnostics::Level;
use crate::headroom::Window;
use crate::http::{Failure, Request, Response};
use crate::{
    Contact, ConversationReference, Crm, Description, Effect, Error, Find, Identifier, Mac, Manifest, Poll, Publish, Receipt, Recheck,
    Webhook, crm, find, poll, recheck, time, webhook,
};

/// The time a test's call has unless [`Host::now`] says otherwise.
pub const NOW: &str = "2026-01-15T12:00:00Z";

/// The state's limits, as the contract says them.
const STATE_KEY_BYTES_MAX: usize = 128;
const STATE_VALUE_BYTES_MAX: usize = 16 << 10;

/// What an HTTP double may give back.
pub trait Answer {
    /// An answer, or why there is none.
    ///
    /// # Errors
    /// The failure to play.
    fn answer(self) -> Result<Response, Failure>;
}

impl Answer for Response {
    fn answer(self) -> Result<Response, Failure> {
        Ok(self)
    }
}

impl Answer for Result<Response, Failure> {
    fn answer(self) -> Result<Response, Failure> {
        self
    }
}

type Handler = Box<dyn FnMut(&Request) -> Result<Response, Failure>>;

/// The host's double, to be configured and started.
pub struct Host {
    double: Double,
}

struct Double {
    now_ms: i64,
    http: Option<Handler>,
    secrets: BTreeMap<String, String>,
    state: BTreeMap<String, Vec<u8>>,
    state_writable: bool,
    requests: Vec<Request>,
    diagnostics: Vec<(Level, String)>,
    renewed: Vec<String>,
    ends: BTreeMap<String, Option<String>>,
    headroom: Vec<Window>,
}

/// A started [`Host`]: asks what the connector did. Dropping it stops it.
#[must_use = "the double stops when this is dropped"]
pub struct Running {
    double: Rc<RefCell<Double>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<Double>>>> = const { RefCell::new(None) };
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host that grants nothing: requests are denied, no credential is bound, the state is empty and writable, and it is [`NOW`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            double: Double {
                now_ms: time::milliseconds(NOW).unwrap_or_default(),
                http: None,
                secrets: BTreeMap::new(),
                state: BTreeMap::new(),
                state_writable: true,
                requests: Vec::new(),
                diagnostics: Vec::new(),
                renewed: Vec::new(),
                ends: BTreeMap::new(),
                headroom: Vec::new(),
            },
        }
    }

    /// The call's time.
    ///
    /// # Panics
    /// Where it is not RFC 3339.
    #[must_use]
    pub fn now(mut self, now: &str) -> Self {
        self.double.now_ms = time::milliseconds(now).unwrap_or_else(|| panic!("`{now}` is not RFC 3339"));
        self
    }

    /// Answers requests: with a [`Response`], or with a `Result<Response, Failure>`.
    #[must_use]
    pub fn http<A: Answer>(mut self, mut handler: impl FnMut(&Request) -> A + 'static) -> Self {
        self.double.http = Some(Box::new(move |request| handler(request).answer()));
        self
    }

    /// Binds a secret to a credential that may sign and match.
    #[must_use]
    pub fn credential(mut self, name: &str, secret: &str) -> Self {
        self.double.secrets.insert(name.into(), secret.into());
        self
    }

    /// Puts a value into the state.
    ///
    /// # Panics
    /// Where it can't be written as JSON.
    #[must_use]
    pub fn state(mut self, key: &str, value: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(value).unwrap_or_else(|error| panic!("state `{key}`: {error}"));
        self.double.state.insert(key.into(), bytes);
        self
    }

    /// Refuses writes to the state, as the host does outside `webhook` and `poll`.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.double.state_writable = false;
        self
    }

    /// Starts it on this thread, in the place of any other.
    pub fn start(self) -> Running {
        let double = Rc::new(RefCell::new(self.double));
        CURRENT.set(Some(Rc::clone(&double)));
        Running { double }
    }
}

impl Running {
    /// The requests sent so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.double.borrow().requests.clone()
    }

    /// The messages written so far, in order.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<(Level, String)> {
        self.double.borrow().diagnostics.clone()
    }

    /// The credentials whose session was given up so far.
    #[must_use]
    pub fn renewed(&self) -> Vec<String> {
        self.double.borrow().renewed.clone()
    }

    /// Until when a credential works, as was said last (RFC 3339 in UTC; none: it has no end), or None where nothing was said.
    #[must_use]
    pub fn ends(&self, credential: &str) -> Option<Option<String>> {
        self.double.borrow().ends.get(credential).cloned()
    }

    /// What was said of rate limits so far, in order.
    #[must_use]
    pub fn headroom(&self) -> Vec<Window> {
        self.double.borrow().headroom.clone()
    }

    /// Time passes until this moment (RFC 3339 in UTC).
    ///
    /// # Panics
    /// Where it is none.
    pub fn passes_until(&self, moment: &str) {
        self.double.borrow_mut().now_ms = time::milliseconds(moment).expect("a moment");
    }

    /// What the state holds.
    ///
    /// # Panics
    /// Where it is of another shape.
    #[must_use]
    pub fn state<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let double = self.double.borrow();
        double.state.get(key).map(|bytes| serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("state `{key}`: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| {
            if current.as_ref().is_some_and(|double| Rc::ptr_eq(double, &self.double)) {
                *current = None;
            }
        });
    }
}

/// A channel of a connector: calls it as the host does.
pub struct Channel<C> {
    settings: String,
    connector: PhantomData<C>,
}

impl<C: Description> Channel<C> {
    /// A channel with these settings, called `test`.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…}) in place")]
    pub fn new(settings: Value) -> Self {
        Self { settings: settings.to_string(), connector: PhantomData }
    }

    /// The connector's manifest.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        C::describe()
    }

    fn context(&self) -> types::Context {
        types::Context { channel: "test".into(), settings: self.settings.clone(), now: time::now() }
    }
}

impl<C: Webhook> Channel<C> {
    /// One delivery.
    ///
    /// # Errors
    /// The connector's.
    pub fn deliver(&self, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
        self.deliver_all(std::slice::from_ref(request)).remove(0)
    }

    /// Many deliveries in one call: one answer for each.
    #[must_use]
    pub fn deliver_all(&self, requests: &[webhook::Request]) -> Vec<Result<webhook::Outcome, Error>> {
        <C as bindings::webhook::exports::sportello::connector::webhook::Guest>::handle(self.context(), requests.to_vec())
    }
}

impl<C: Poll> Channel<C> {
    /// One poll.
    ///
    /// # Errors
    /// The connector's.
    pub fn poll(&self, cursor: Option<&str>) -> Result<poll::Page, Error> {
        <C as bindings::poll::exports::sportello::connector::poll::Guest>::poll(self.context(), cursor.map(Into::into))
    }
}

impl<C: Recheck> Channel<C> {
    /// One look whether things are still there, each by native id and kind.
    ///
    /// # Errors
    /// The connector's.
    pub fn gone<'a>(&self, things: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<String>, Error> {
        let thing = |(native_id, kind): (&str, &str)| recheck::Thing { native_id: native_id.into(), kind: kind.into() };
        let things = things.into_iter().map(thing).collect();
        <C as bindings::recheck::exports::sportello::connector::recheck::Guest>::gone(self.context(), things)
    }
}

impl<C: Publish> Channel<C> {
    /// One effect.
    ///
    /// # Errors
    /// The connector's.
    pub fn publish(&self, effect: &Effect) -> Result<Receipt, Error> {
        <C as bindings::publish::exports::sportello::connector::publish::Guest>::publish(self.context(), vec![effect.clone()]).remove(0)
    }
}

impl<C: Find> Channel<C> {
    /// One look.
    ///
    /// # Errors
    /// The connector's.
    pub fn find(&self, effect: &Effect) -> Result<find::Presence, Error> {
        <C as bindings::find::exports::sportello::connector::find::Guest>::find(self.context(), effect.clone())
    }
}

impl<C: crate::Configuration> Channel<C> {
    /// What is wrong with the channel's settings.
    #[must_use]
    pub fn check(&self) -> Vec<crate::configuration::Problem> {
        <C as bindings::configuration::exports::sportello::connector::configuration::Guest>::check(self.context())
    }
}

impl<C: Crm> Channel<C> {
    /// One look-up.
    ///
    /// # Errors
    /// The connector's.
    pub fn look_up(&self, scheme: &str, value: &str) -> Result<Vec<Contact>, Error> {
        <C as bindings::crm::exports::sportello::connector::crm::Guest>::look_up(self.context(), Identifier::new(scheme, value))
    }

    /// One look at the changes.
    ///
    /// # Errors
    /// The connector's.
    pub fn changes(&self, cursor: Option<&str>) -> Result<crm::ContactPage, Error> {
        <C as bindings::crm::exports::sportello::connector::crm::Guest>::changes(self.context(), cursor.map(Into::into))
    }
}

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

fn current() -> Option<Rc<RefCell<Double>>> {
    CURRENT.with_borrow(Clone::clone)
}

fn running(wanted: &str) -> Rc<RefCell<Double>> {
    current()
        .unwrap_or_else(|| panic!("the connector asked the host for {wanted}: start a sportello_sdk::testing::Host in this test first"))
}

/// Outside a test's host it is [`NOW`], so that effects can be built before it is started.
pub(crate) fn now_milliseconds() -> i64 {
    current().map_or_else(|| time::milliseconds(NOW).unwrap_or_default(), |double| double.borrow().now_ms)
}

pub(crate) fn send(request: &Request) -> Result<Response, Failure> {
    let double = running("HTTP");
    double.borrow_mut().requests.push(request.clone());
    // Taken out while it runs: it may ask the double itself.
    let Some(mut handler) = double.borrow_mut().http.take() else {
        return Err(Failure::Denied("this test's host answers no requests".into()));
    };
    let answer = handler(request);
    double.borrow_mut().http = Some(handler);
    answer
}

pub(crate) fn emit(level: Level, message: &str) {
    match current() {
        Some(double) => double.borrow_mut().diagnostics.push((level, message.into())),
        None => eprintln!("{level:?}: {message}"),
    }
}

pub(crate) fn take(window: &str) -> Result<(), String> {
    let Some(double) = current() else { return Ok(()) };
    let double = double.borrow();
    let said = double.headroom.iter().rev().find(|said| said.name == window);
    match said.filter(|said| said.remaining == 0 && time::milliseconds(&said.resets_at) > Some(double.now_ms)) {
        Some(said) => Err(said.resets_at.clone()),
        None => Ok(()),
    }
}

pub(crate) fn headroom(window: &Window) {
    if let Some(double) = current() {
        double.borrow_mut().headroom.push(window.clone());
    }
}

pub(crate) fn state_get(key: &str) -> Option<Vec<u8>> {
    running("state").borrow().state.get(key).cloned()
}

pub(crate) fn state_set(key: &str, value: Option<Vec<u8>>) -> Result<(), state::Refusal> {
    let double = running("state");
    let mut double = double.borrow_mut();
    if !double.state_writable {
        return Err(state::Refusal::ReadOnly);
    }
    if key.len() > STATE_KEY_BYTES_MAX {
        return Err(state::Refusal::TooLarge(format!("the key has {} bytes, {STATE_KEY_BYTES_MAX} are allowed", key.len())));
    }
    match value {
        Some(value) if value.len() > STATE_VALUE_BYTES_MAX => {
            return Err(state::Refusal::TooLarge(format!("the value has {} bytes, {STATE_VALUE_BYTES_MAX} are allowed", value.len())));
        }
        Some(value) => double.state.insert(key.into(), value),
        None => double.state.remove(key),
    };
    Ok(())
}

fn secret(credential: &str) -> Result<String, credentials::Refusal> {
    let double = running("a credential");
    let double = double.borrow();
    let secret = double.secrets.get(credential).cloned();
    secret.ok_or_else(|| credentials::Refusal::NotGranted("this test's host has no such credential".into()))
}

pub(crate) fn sign(credential: &str, mac: Mac, data: &[u8]) -> Result<Vec<u8>, credentials::Refusal> {
    let secret = secret(credential)?;
    // HMAC takes a key of any length: the constructors' error can't occur.
    Ok(match mac {
        Mac::HmacSha256 => Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes())
            .map(|hmac| hmac.chain_update(data).finalize().into_bytes().to_vec())
            .unwrap_or_default(),
        Mac::HmacSha1 => Hmac::<sha1::Sha1>::new_from_slice(secret.as_bytes())
            .map(|hmac| hmac.chain_update(data).finalize().into_bytes().to_vec())
            .unwrap_or_default(),
    })
}

pub(crate) fn matches(credential: &str, candidate: &str) -> Result<bool, credentials::Refusal> {
    Ok(secret(credential)? == candidate)
}

pub(crate) fn renew(credential: &str) -> Result<(), credentials::Refusal> {
    running("a credential").borrow_mut().renewed.push(credential.into());
    Ok(())
}

pub(crate) fn ends(credential: &str, at: Option<&str>) -> Result<(), credentials::Refusal> {
    if let Some(at) = at.filter(|at| time::normalise(at).as_deref() != Some(at)) {
        return Err(credentials::Refusal::Malformed(format!("`{at}` is not RFC 3339 in UTC")));
    }
    running("a credential").borrow_mut().ends.insert(credential.into(), at.map(Into::into));
    Ok(())
}
