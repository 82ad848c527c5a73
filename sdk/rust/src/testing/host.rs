//! What a connector imports.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hmac::{Hmac, Mac as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::shared::sportello::connector::{credentials, state};
use crate::diagnostics::Level;
use crate::headroom::Window;
use crate::http::{Failure, Request, Response};
use crate::testing::NOW;
use crate::{Mac, time};

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
