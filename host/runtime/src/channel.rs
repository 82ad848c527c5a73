//! A configured channel: one generation of one connector with its settings, grants and secrets, ready to be called.
//!
//! Immutable but for its counters. Changing anything, the connector above all, makes another [`Channel`]; whoever swaps it stores the new one and
//! lets the old one drain: calls that began on it end on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::hmac;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};
use wasmtime::Store;

use crate::call::{self, Call, CallFailure, Callee, Done, Timed};
use crate::contract::{
    ConnectorError, Contact, ContactPage, Context, Effect, Identifier, Mac, Origin as AskedOrigin, Page, Presence, Receipt, WebhookOutcome,
    WebhookRequest,
};
use crate::error::RuntimeError;
use crate::guest::{Credentials, GuestData, GuestOptions};
use crate::limits::{CallLimits, QuarantineLimits, manifest as manifest_limits};
use crate::outbound::{BoundField, ChannelGrant, ChannelHttp, HttpCounters, Origin, OutboundError};
use crate::output::{self, OutputFault};
use crate::prepared::Prepared;
use crate::quarantine::{Admission, Quarantine, QuarantineState};
use crate::runtime::Host;
use crate::secret::Secret;
use crate::signature::{self, SignatureRefusal};

/// What an operator configures.
#[derive(Debug, Clone)]
pub struct ChannelOptions {
    /// Whose channel it is: channels of two tenants may have the same name and share nothing.
    pub tenant: String,
    /// The channel's name, for example `facebook-page`.
    pub name: String,
    /// Its settings, without secrets.
    pub settings: Value,
    /// Origins the operator granted, for example `https://graph.facebook.com`.
    pub granted_origins: Vec<String>,
    /// By credential, by field.
    pub secrets: BTreeMap<String, BTreeMap<String, BoundField>>,
    /// Whether granted origins may lead to loopback and private networks.
    pub allow_private_network: bool,
    /// What one call may use.
    pub limits: CallLimits,
    /// When the connector is taken out of service.
    pub quarantine: QuarantineLimits,
}

/// One generation of a channel. Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Channel {
    inner: Arc<Inner>,
}

struct Inner {
    host: Arc<Host>,
    prepared: Prepared,
    tenant: String,
    name: String,
    settings: String,
    limits: CallLimits,
    http: Arc<ChannelHttp>,
    credentials: Arc<ChannelCredentials>,
    quarantine: Mutex<Quarantine>,
    in_flight: watch::Sender<usize>,
}

impl Channel {
    pub(crate) fn new(host: Arc<Host>, prepared: &Prepared, options: ChannelOptions) -> Result<Self, RuntimeError> {
        let manifest = prepared.manifest();
        check_settings(prepared, &options)?;
        check_secrets(prepared, &options)?;
        let granted = check_origins(prepared, &options)?;
        let grant = ChannelGrant {
            channel: &format!("{}/{}", options.tenant, options.name),
            manifest,
            settings: &options.settings,
            secrets: &options.secrets,
            origins: &granted,
            allow_private_network: options.allow_private_network,
            limits: &options.limits.http,
        };
        let http = ChannelHttp::new(&host.outbound, grant).map_err(|error| match error {
            OutboundError::Credential { credential, reason } => {
                RuntimeError::Credential { channel: options.name.clone(), connector: manifest.name.clone(), credential, problem: reason }
            }
            other => RuntimeError::Http { of: format!("channel {}", options.name), problem: other.to_string() },
        })?;
        let credentials = Arc::new(ChannelCredentials {
            usable: signing_secrets(prepared, &options.secrets),
            declared: manifest.credentials.iter().map(|credential| credential.name.clone()).collect(),
            bound: options.secrets.keys().cloned().collect(),
            compare_key: host.compare_key.clone(),
            http: Arc::clone(&http),
        });
        Ok(Self {
            inner: Arc::new(Inner {
                settings: options.settings.to_string(),
                prepared: prepared.clone(),
                tenant: options.tenant,
                name: options.name,
                limits: options.limits,
                http,
                credentials,
                quarantine: Mutex::new(Quarantine::new(options.quarantine)),
                in_flight: watch::Sender::new(0),
                host,
            }),
        })
    }

    /// Hands deliveries to the guest: one answer for each, in order.
    pub async fn webhook(
        &self,
        call: Call,
        requests: Vec<WebhookRequest>,
    ) -> Result<Done<Vec<Result<WebhookOutcome, ConnectorError>>>, CallFailure> {
        let indices = self.exported("webhook", self.inner.prepared.indices().webhook.as_ref())?;
        let context = self.context(&call);
        let (mut store, running) = self.begin("webhook.handle", call, StateAccess::Write).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_handle(&mut store, &context, &requests).await
        })
        .await;
        running.end(store, answer, |answers| output::webhook(&requests, answers))
    }

    /// Asks the source for what is new.
    pub async fn poll(&self, call: Call, cursor: Option<String>) -> Result<Done<Result<Page, ConnectorError>>, CallFailure> {
        let indices = self.exported("poll", self.inner.prepared.indices().poll.as_ref())?;
        let context = self.context(&call);
        let (mut store, running) = self.begin("poll.poll", call, StateAccess::Write).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_poll(&mut store, &context, cursor.as_deref()).await
        })
        .await;
        running.end(store, answer, output::page)
    }

    /// Has effects done: one answer for each, in order. After a failure it is unknown which of them took place.
    pub async fn publish(&self, call: Call, effects: Vec<Effect>) -> Result<Done<Vec<Result<Receipt, ConnectorError>>>, CallFailure> {
        let indices = self.exported("publish", self.inner.prepared.indices().publish.as_ref())?;
        let context = self.context(&call);
        let (mut store, running) = self.begin("publish.publish", call, StateAccess::Read).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_publish(&mut store, &context, &effects).await
        })
        .await;
        running.end(store, answer, |answers| output::receipts(effects.len(), answers))
    }

    /// Looks whether an effect took place.
    pub async fn find(&self, call: Call, effect: Effect) -> Result<Done<Result<Presence, ConnectorError>>, CallFailure> {
        let indices = self.exported("find", self.inner.prepared.indices().find.as_ref())?;
        let context = self.context(&call);
        let (mut store, running) = self.begin("find.find", call, StateAccess::Read).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_find(&mut store, &context, &effect).await
        })
        .await;
        running.end(store, answer, output::presence)
    }

    /// All contacts of the CRM that carry the identifier.
    pub async fn look_up(&self, call: Call, identifier: Identifier) -> Result<Done<Result<Vec<Contact>, ConnectorError>>, CallFailure> {
        let indices = self.exported("crm", self.inner.prepared.indices().crm.as_ref())?;
        let context = self.context(&call);
        let (mut store, running) = self.begin("crm.look-up", call, StateAccess::Read).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_look_up(&mut store, &context, &identifier).await
        })
        .await;
        running.end(store, answer, output::contacts)
    }

    /// What changed in the CRM since the cursor.
    pub async fn changes(&self, call: Call, cursor: Option<String>) -> Result<Done<Result<ContactPage, ConnectorError>>, CallFailure> {
        let indices = self.exported("crm", self.inner.prepared.indices().crm.as_ref())?;
        let context = self.context(&call);
        let (mut store, running) = self.begin("crm.changes", call, StateAccess::Read).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_changes(&mut store, &context, cursor.as_deref()).await
        })
        .await;
        running.end(store, answer, output::contact_page)
    }

    /// Whether a delivery was signed as the manifest says, under the secret bound to the credential it names.
    pub fn verify(&self, headers: &http::HeaderMap, body: &[u8]) -> Result<(), SignatureRefusal> {
        let scheme = self.inner.prepared.manifest().signature.as_ref().ok_or(SignatureRefusal::NotDeclared)?;
        let secret =
            self.inner.credentials.usable.get(&scheme.credential).ok_or_else(|| SignatureRefusal::NotBound(scheme.credential.clone()))?;
        signature::verify_signature(scheme, &secret.secret, headers, body)
    }

    /// The channel's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whose it is.
    pub fn tenant(&self) -> &str {
        &self.inner.tenant
    }

    /// The connector it runs.
    pub fn prepared(&self) -> &Prepared {
        &self.inner.prepared
    }

    /// Credentials the connector declares and the operator bound nothing to: requests to their origins are refused.
    pub fn unbound_credentials(&self) -> impl Iterator<Item = &str> {
        let credentials = &self.inner.credentials;
        credentials.declared.iter().filter(|name| !credentials.bound.contains(*name)).map(String::as_str)
    }

    /// Whether the connector is in service here.
    pub fn quarantine(&self) -> QuarantineState {
        self.inner.quarantine().state(Instant::now())
    }

    /// What its guests did on the network.
    pub fn http_counters(&self) -> HttpCounters {
        self.inner.http.counters()
    }

    /// Calls running on this generation.
    pub fn in_flight(&self) -> usize {
        *self.inner.in_flight.borrow()
    }

    /// Waits until no call runs on this generation. Calls may still be started: swap first, then drain.
    pub async fn drained(&self) {
        let mut in_flight = self.inner.in_flight.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = in_flight.wait_for(|calls| *calls == 0).await;
    }

    /// The longest a call on this channel can run: after a swap the old generation is drained by then.
    pub fn call_duration_max(&self) -> Duration {
        self.inner.limits.wall_max
    }

    fn exported<'a, T>(&self, capability: &'static str, indices: Option<&'a T>) -> Result<&'a T, CallFailure> {
        indices.ok_or_else(|| CallFailure::NoCapability {
            connector: self.inner.prepared.label().to_owned(),
            capability,
            available: self.inner.prepared.capabilities().names().collect::<Vec<_>>().join(", "),
        })
    }

    fn context(&self, call: &Call) -> Context {
        Context { channel: self.inner.name.clone(), settings: self.inner.settings.clone(), now: call.now.to_string() }
    }

    /// Asks the quarantine, waits for a slot, and makes the store.
    async fn begin(&self, name: &'static str, call: Call, state: StateAccess) -> Result<(Store<GuestData>, Running), CallFailure> {
        let inner = &self.inner;
        let probe = match inner.quarantine().admit(Instant::now()) {
            Admission::Serve => false,
            Admission::Probe => true,
            Admission::Refuse { retry_after } => {
                return Err(CallFailure::Quarantined {
                    connector: inner.prepared.label().to_owned(),
                    channel: inner.name.clone(),
                    retry_after,
                });
            }
        };
        inner.in_flight.send_modify(|calls| *calls += 1);
        // From here on `running` gives everything back, however this ends.
        let mut running = Running {
            inner: Arc::clone(inner),
            call: name,
            probe,
            settled: false,
            started: Instant::now(),
            deadline: Instant::now(),
            _slot: None,
        };
        running._slot = Some(inner.host.slot().await?);
        let options = GuestOptions {
            now: call.now,
            seed: call.seed,
            state: call.state,
            state_writable: matches!(state, StateAccess::Write),
            credentials: inner.credentials.clone(),
            http: Some(Arc::clone(&inner.http)),
            limits: &inner.limits,
            table_elements_max: inner.host.limits.table_elements_max,
        };
        running.started = Instant::now();
        let (store, deadline) = call::store(&inner.host.engine, options, &inner.host.limits);
        running.deadline = deadline;
        Ok((store, running))
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Channel")
            .field("tenant", &self.inner.tenant)
            .field("name", &self.inner.name)
            .field("connector", &self.inner.prepared.label())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn quarantine(&self) -> MutexGuard<'_, Quarantine> {
        // Its methods do not panic half-way, so what a poisoned lock protects is whole.
        self.quarantine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum StateAccess {
    Read,
    Write,
}

/// A call under way. Dropping it, at whatever point, gives back its slot and its place in the count.
struct Running {
    inner: Arc<Inner>,
    call: &'static str,
    probe: bool,
    settled: bool,
    started: Instant,
    deadline: Instant,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Running {
    fn end<T>(
        mut self,
        store: Store<GuestData>,
        answer: Timed<T>,
        check: impl FnOnce(&T) -> Result<(), OutputFault>,
    ) -> Result<Done<T>, CallFailure> {
        let elapsed = self.started.elapsed();
        let callee = Callee { connector: self.inner.prepared.label(), call: self.call };
        let answer = match answer {
            Ok(Ok(value)) => match check(&value) {
                Ok(()) => Ok(value),
                Err(fault) => Err(CallFailure::Output { connector: callee.connector.to_owned(), call: callee.call, fault }),
            },
            Ok(Err(error)) => Err(call::failure(callee, &self.inner.limits, store.data(), elapsed, Some(error))),
            Err(_) => Err(call::failure(callee, &self.inner.limits, store.data(), elapsed, None)),
        };
        self.settled = true;
        match answer {
            Ok(value) => {
                self.inner.quarantine().succeeded(self.probe);
                let left = store.into_data().finish();
                Ok(Done {
                    value,
                    state_writes: left.state_writes,
                    diagnostics: left.diagnostics,
                    diagnostics_dropped: left.diagnostics_dropped,
                    output_bytes_discarded: left.output_bytes_discarded,
                    elapsed,
                    http_requests: left.http_requests,
                })
            }
            Err(failure) => {
                self.report(&failure, &store);
                Err(failure)
            }
        }
    }

    fn report(&self, failure: &CallFailure, store: &Store<GuestData>) {
        let (channel, tenant) = (&self.inner.name, &self.inner.tenant);
        let (diagnostics, dropped) = store.data().diagnostics();
        tracing::warn!(%tenant, %channel, %failure, ?diagnostics, dropped, "a call failed");
        if failure.is_connectors_fault() && self.inner.quarantine().failed(Instant::now(), self.probe) {
            tracing::error!(%tenant, %channel, connector = self.inner.prepared.label(), "the connector is quarantined");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            self.inner.quarantine().given_up(Instant::now());
        }
        self.inner.in_flight.send_modify(|calls| *calls -= 1);
    }
}

/// A secret of one field, and whether the manifest lets the guest use it.
struct SigningSecret {
    secret: Secret,
    guest_may_use: bool,
}

struct ChannelCredentials {
    usable: BTreeMap<String, SigningSecret>,
    declared: BTreeSet<String>,
    bound: BTreeSet<String>,
    compare_key: hmac::Key,
    http: Arc<ChannelHttp>,
}

impl ChannelCredentials {
    fn secret(&self, credential: &str) -> Result<&Secret, String> {
        match self.usable.get(credential) {
            Some(found) if found.guest_may_use => Ok(&found.secret),
            Some(_) => Err(format!("the manifest does not declare {credential} for signing: set its `sign`")),
            None if !self.declared.contains(credential) => Err(format!("the manifest declares no credential {credential}")),
            None if !self.bound.contains(credential) => Err(format!("the operator bound no secret to {credential}")),
            None => Err(format!("{credential} has several fields: signing needs exactly one")),
        }
    }
}

impl Credentials for ChannelCredentials {
    fn sign(&self, credential: &str, mac: Mac, data: &[u8]) -> Result<Vec<u8>, String> {
        self.secret(credential).map(|secret| signature::mac(mac, secret, &[data]))
    }

    fn matches(&self, credential: &str, candidate: &str) -> Result<bool, String> {
        self.secret(credential).map(|secret| signature::same_text(&self.compare_key, secret, candidate))
    }

    fn renew(&self, credential: &str) -> Result<(), String> {
        self.http.renew(credential)
    }
}

fn signing_secrets(prepared: &Prepared, secrets: &BTreeMap<String, BTreeMap<String, BoundField>>) -> BTreeMap<String, SigningSecret> {
    let mut usable = BTreeMap::new();
    for credential in &prepared.manifest().credentials {
        let [field] = credential.fields.as_slice() else { continue };
        let secret = match secrets.get(&credential.name).and_then(|fields| fields.get(field)) {
            Some(BoundField::Secret(secret)) => secret.clone(),
            Some(BoundField::Plain(text)) => Secret::new(text.clone()),
            None => continue,
        };
        usable.insert(credential.name.clone(), SigningSecret { secret, guest_may_use: credential.sign });
    }
    usable
}

/// The settings against the connector's schema.
fn check_settings(prepared: &Prepared, options: &ChannelOptions) -> Result<(), RuntimeError> {
    let refuse = |pointer: String, problem: String, allowed: String| RuntimeError::Settings {
        channel: options.name.clone(),
        connector: prepared.manifest().name.clone(),
        pointer: if pointer.is_empty() { "(the settings themselves)".to_owned() } else { pointer },
        problem,
        allowed,
    };
    let bytes = options.settings.to_string().len();
    if bytes > manifest_limits::SETTINGS_BYTES_MAX {
        let allowed = format!("{} bytes", manifest_limits::SETTINGS_BYTES_MAX);
        return Err(refuse(String::new(), format!("they have {bytes} bytes"), allowed));
    }
    let Some(error) = prepared.schema().iter_errors(&options.settings).next() else { return Ok(()) };
    let keyword = error.schema_path().to_string();
    Err(refuse(error.instance_path().to_string(), error.to_string(), allowed(prepared.schema_document(), &keyword)))
}

/// What the schema says where it was broken: the keyword's value, and for a name too many the names there are.
fn allowed(schema: &Value, keyword_path: &str) -> String {
    /// Characters of the schema that are quoted.
    const QUOTED_MAX: usize = 400;
    let (parent, keyword) = keyword_path.rsplit_once('/').unwrap_or(("", keyword_path));
    let parent = schema.pointer(parent).unwrap_or(&Value::Null);
    if matches!(keyword, "additionalProperties" | "unevaluatedProperties")
        && let Some(properties) = parent.get("properties").and_then(Value::as_object)
    {
        return properties.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    }
    let value = parent.get(keyword).unwrap_or(&Value::Null);
    format!("{keyword} {value}").chars().take(QUOTED_MAX).collect()
}

/// Secrets are bound to credentials and fields that exist, and wholly; whoever is to verify signatures has its secret.
fn check_secrets(prepared: &Prepared, options: &ChannelOptions) -> Result<(), RuntimeError> {
    let manifest = prepared.manifest();
    let refuse = |credential: &str, problem: String| {
        Err(RuntimeError::Credential {
            channel: options.name.clone(),
            connector: manifest.name.clone(),
            credential: credential.to_owned(),
            problem,
        })
    };
    for (name, fields) in &options.secrets {
        let Some(credential) = manifest.credentials.iter().find(|credential| credential.name == *name) else {
            let declared: Vec<_> = manifest.credentials.iter().map(|credential| credential.name.as_str()).collect();
            return refuse(name, format!("the connector declares no such credential; it declares {}", declared.join(", ")));
        };
        if let Some(unknown) = fields.keys().find(|field| !credential.fields.contains(field)) {
            return refuse(name, format!("it has no field {unknown}; it has {}", credential.fields.join(", ")));
        }
        if let Some(missing) = credential.fields.iter().find(|field| !fields.contains_key(*field)) {
            return refuse(name, format!("the field {missing} is not bound; bind all of {}", credential.fields.join(", ")));
        }
    }
    if let Some(signature) = &manifest.signature
        && !options.secrets.contains_key(&signature.credential)
    {
        return refuse(&signature.credential, "deliveries are signed with it, and no secret is bound to it".to_owned());
    }
    Ok(())
}

/// Every origin the connector asks for on this channel is granted. Returns what is granted.
fn check_origins(prepared: &Prepared, options: &ChannelOptions) -> Result<Vec<Origin>, RuntimeError> {
    let manifest = prepared.manifest();
    let http = |problem: String| RuntimeError::Http { of: format!("channel {}", options.name), problem };
    let granted = options
        .granted_origins
        .iter()
        .map(|text| Origin::parse(text).map_err(|error| http(error.to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    let mut asked = BTreeSet::new();
    for origin in &manifest.origins {
        match origin {
            AskedOrigin::Fixed(text) => {
                asked.insert(Origin::parse(text).map_err(|error| http(error.to_string()))?);
            }
            // A setting that is not there asks for nothing; whether it must be there is the schema's affair.
            AskedOrigin::Setting(pointer) => {
                if let Some(value) = options.settings.pointer(pointer) {
                    let url = value.as_str().ok_or_else(|| http(format!("the setting {pointer} names an origin and must be a text")))?;
                    asked.insert(Origin::of_url(url).map_err(|error| http(format!("the setting {pointer}: {error}")))?);
                }
            }
        }
    }
    let missing: Vec<_> = asked.iter().filter(|origin| !granted.contains(origin)).map(Origin::to_string).collect();
    if missing.is_empty() {
        return Ok(granted);
    }
    let all: BTreeSet<_> = asked.iter().chain(&granted).collect();
    let all: Vec<_> = all.into_iter().map(|origin| format!("\"{origin}\"")).collect();
    Err(RuntimeError::NotGranted {
        channel: options.name.clone(),
        connector: manifest.name.clone(),
        missing,
        line: format!("origins = [{}]", all.join(", ")),
    })
}
