//! A configured channel: one generation of one connector with its settings, grants and secrets, ready to be called.
//!
//! Immutable but for its counters. Changing anything, the connector above all, makes another [`Channel`]; whoever swaps it stores the new one and
//! lets the old one drain: calls that began on it end on it.

mod running;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::call::{self, Call, CallFailure, Done};
use crate::call_time::CallTime;
use crate::channel_credentials::ChannelCredentials;
use crate::contract::{
    ConnectorError, Contact, ContactPage, Context, Effect, Identifier, Page, Presence, Receipt, SettingsProblem, Thing, WebhookOutcome,
    WebhookRequest,
};
use crate::error::RuntimeError;
use crate::grant;
use crate::headroom::Uncounted;
use crate::limits::{CallLimits, QuarantineLimits};
use crate::outbound::{BoundField, ChannelGrant, ChannelHttp, HttpCounters, OutboundError, SessionStanding};
use crate::output;
use crate::prepared::Prepared;
use crate::quarantine::{Quarantine, QuarantineState};
use crate::runtime::Host;
use crate::signature::{self, SignatureRefusal, Signed};
use crate::slots::{Errand, Places};
use crate::vault::Vault;
use crate::wasi::GrantedFolder;

use running::Access;
pub use running::WebhookPlace;

/// What an operator configures.
#[derive(Clone)]
pub struct ChannelOptions {
    /// Whose channel it is: channels of two tenants may have the same name and share nothing.
    pub tenant: String,
    /// The channel's name, for example `town-page`.
    pub name: String,
    /// Its settings, without secrets.
    pub settings: Value,
    /// Origins the operator granted, for example `https://api.example.com`.
    pub granted_origins: Vec<String>,
    /// Folders the operator granted, absolute paths.
    pub granted_folders: Vec<String>,
    /// By credential, by field.
    pub secrets: BTreeMap<String, BTreeMap<String, BoundField>>,
    /// Whether granted origins may lead to loopback and private networks.
    pub allow_private_network: bool,
    /// The tenant's vault, for tokens that rotate.
    pub vault: Arc<dyn Vault>,
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
    folders: Vec<GrantedFolder>,
    http: Arc<ChannelHttp>,
    credentials: Arc<ChannelCredentials>,
    quarantine: Mutex<Quarantine>,
    /// Its share of the pool.
    share: Places,
    in_flight: watch::Sender<usize>,
}

impl Channel {
    pub(crate) fn new(host: Arc<Host>, prepared: &Prepared, options: ChannelOptions) -> Result<Self, RuntimeError> {
        let manifest = prepared.manifest();
        grant::check_settings(prepared, &options)?;
        grant::check_secrets(manifest, &options)?;
        let granted = grant::check_origins(manifest, &options)?;
        let folders = grant::check_folders(manifest, &options)?;
        let channel_grant = ChannelGrant {
            channel: &format!("{}/{}", options.tenant, options.name),
            manifest,
            settings: &options.settings,
            secrets: &options.secrets,
            origins: &granted,
            allow_private_network: options.allow_private_network,
            vault: &options.vault,
            limits: &options.limits.http,
        };
        let http = ChannelHttp::new(&host.outbound, channel_grant).map_err(|error| match error {
            OutboundError::Credential { credential, reason } => {
                RuntimeError::Credential { channel: options.name.clone(), connector: manifest.name.clone(), credential, problem: reason }
            }
            other => RuntimeError::Http { of: format!("channel {}", options.name), problem: other.to_string() },
        })?;
        let credentials = Arc::new(ChannelCredentials::new(prepared, &options.secrets, host.compare_key.clone(), Arc::clone(&http)));
        Ok(Self {
            inner: Arc::new(Inner {
                settings: options.settings.to_string(),
                prepared: prepared.clone(),
                tenant: options.tenant,
                name: options.name,
                limits: options.limits,
                folders,
                http,
                credentials,
                quarantine: Mutex::new(Quarantine::new(options.quarantine)),
                share: Places::of_channel(&host.limits),
                in_flight: watch::Sender::new(0),
                host,
            }),
        })
    }

    /// Hands deliveries to the guest: one answer for each, in order.
    ///
    /// Only the failure of a single signed delivery counts towards the quarantine: what is not signed comes from anybody, and which of
    /// several deliveries was to blame shows when each is handed over by itself.
    pub async fn webhook(
        &self,
        call: Call,
        requests: &[WebhookRequest],
    ) -> Result<Done<Vec<Result<WebhookOutcome, ConnectorError>>>, CallFailure> {
        self.webhook_at(self.webhook_place().await?, call, requests).await
    }

    /// A place for one call of [`Self::webhook_at`]. It may be waited for; what is to be handed over can be chosen once it is there.
    pub async fn webhook_place(&self) -> Result<WebhookPlace, CallFailure> {
        self.admit("webhook.handle", Errand::Work).await.map(WebhookPlace)
    }

    /// As [`Self::webhook`], at a place of this channel's.
    pub async fn webhook_at(
        &self,
        place: WebhookPlace,
        call: Call,
        requests: &[WebhookRequest],
    ) -> Result<Done<Vec<Result<WebhookOutcome, ConnectorError>>>, CallFailure> {
        let indices = self.exported("webhook", self.inner.prepared.indices().webhook.as_ref())?;
        let context = self.context(&call);
        let (mut store, mut running) = self.open(place.0, call, Access::Write)?;
        running.accountable &= matches!(requests, [request] if request.method == "POST");
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_handle(&mut store, &context, requests).await
        })
        .await;
        running.end(store, answer, |answers| output::webhook(requests, answers))
    }

    /// Has a challenge answered. It waits for other challenges only, whatever else the channel is busy with, and is tried while it is
    /// quarantined, too (see `quarantine.rs`).
    pub async fn challenge(
        &self,
        call: Call,
        request: &WebhookRequest,
    ) -> Result<Done<Vec<Result<WebhookOutcome, ConnectorError>>>, CallFailure> {
        let place = self.admit("webhook.handle", Errand::Challenge).await.map(WebhookPlace)?;
        self.webhook_at(place, call, std::slice::from_ref(request)).await
    }

    /// Asks the source for what is new.
    pub async fn poll(&self, call: Call, cursor: Option<String>) -> Result<Done<Result<Page, ConnectorError>>, CallFailure> {
        let indices = self.exported("poll", self.inner.prepared.indices().poll.as_ref())?;
        let context = self.context(&call);
        let (mut store, running) = self.begin("poll.poll", call, Access::Write).await?;
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
        let (mut store, running) = self.begin("publish.publish", call, Access::Read).await?;
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
        let (mut store, running) = self.begin("find.find", call, Access::Read).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_find(&mut store, &context, &effect).await
        })
        .await;
        running.end(store, answer, output::presence)
    }

    /// Looks whether things that came in are still there; gives the native ids of those that are gone, all of them asked about.
    pub async fn gone(&self, call: Call, things: &[Thing]) -> Result<Done<Result<Vec<String>, ConnectorError>>, CallFailure> {
        let indices = self.exported("recheck", self.inner.prepared.indices().recheck.as_ref())?;
        let context = self.context(&call);
        let (mut store, running) = self.begin("recheck.gone", call, Access::Read).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_gone(&mut store, &context, things).await
        })
        .await;
        running.end(store, answer, |answer| output::gone(things, answer))
    }

    /// All contacts of the CRM that carry the identifier.
    pub async fn look_up(&self, call: Call, identifier: Identifier) -> Result<Done<Result<Vec<Contact>, ConnectorError>>, CallFailure> {
        let indices = self.exported("crm", self.inner.prepared.indices().crm.as_ref())?;
        let context = self.context(&call);
        let (mut store, running) = self.begin("crm.look-up", call, Access::Read).await?;
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
        let (mut store, running) = self.begin("crm.changes", call, Access::Read).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_changes(&mut store, &context, cursor.as_deref()).await
        })
        .await;
        running.end(store, answer, output::contact_page)
    }

    /// What the connector says is wrong with the channel's settings, beyond their schema. Nothing, where it does not judge them.
    pub async fn check_settings(&self, now: Timestamp) -> Result<Vec<SettingsProblem>, CallFailure> {
        let Some(indices) = self.inner.prepared.indices().configuration.as_ref() else { return Ok(Vec::new()) };
        let call = Call { time: CallTime::begin(now), seed: 0, state: Arc::new(BTreeMap::new()), headroom: Arc::new(Uncounted) };
        let context = self.context(&call);
        let (mut store, running) = self.begin("configuration.check", call, Access::Nobody).await?;
        let answer = call::until(running.deadline, async {
            let instance = self.inner.prepared.pre().instantiate_async(&mut store).await?;
            indices.load(&mut store, &instance)?.call_check(&mut store, &context).await
        })
        .await;
        running.end(store, answer, |problems| output::problems(problems)).map(|done| done.value)
    }

    /// Whether a delivery with these headers may be signed at all: to be asked before its body is read.
    pub fn claims_a_signature(&self, headers: &http::HeaderMap) -> Result<(), SignatureRefusal> {
        signature::claimed(&self.inner.prepared.manifest().signatures, headers).map(|_| ())
    }

    /// Whether a delivery was signed in one of the ways the manifest declares, under the secret bound to the credential it names. Gives what
    /// was signed: that, and nothing else, is the guest's.
    pub fn verify<'body>(&self, headers: &http::HeaderMap, body: &'body [u8]) -> Result<Signed<'body>, SignatureRefusal> {
        let scheme = signature::claimed(&self.inner.prepared.manifest().signatures, headers)?;
        let secret =
            self.inner.credentials.signing(&scheme.credential).ok_or_else(|| SignatureRefusal::NotBound(scheme.credential.clone()))?;
        signature::verify_signature(scheme, secret, headers, body)
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

    /// Whether the operator bound secrets to a credential. If not, and it is not optional, requests to its origin are refused.
    pub fn is_bound(&self, credential: &str) -> bool {
        self.inner.credentials.is_bound(credential)
    }

    /// Whether the connector is in service here.
    pub fn quarantine(&self) -> QuarantineState {
        self.inner.quarantine().state(Instant::now())
    }

    /// How the sessions of its credentials stand, by the credential's name.
    pub fn sessions(&self) -> Vec<(String, SessionStanding)> {
        self.inner.http.sessions()
    }

    /// When the application's authorisation behind a credential ends for good, as the platform said last: nobody but a person can log in after
    /// that. None: the platform does not say, or nobody has logged in yet. Blocks, as the vault does.
    pub fn authorised_until(&self, credential: &str) -> Option<Timestamp> {
        self.inner.http.rotation_ends_at(credential)
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
        Context { channel: self.inner.name.clone(), settings: self.inner.settings.clone(), now: call.time.began().to_string() }
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
