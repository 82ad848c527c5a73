//! What one generation of a channel may do on the network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::call::Caller;
use super::client::{Caps, Pool};
use super::credential::{BoundCredential, BoundSession, resolve_origin};
use super::failure::Failure;
use super::login::LoginContext;
use super::redact::Redactor;
use super::request::{AllowList, Allowed, USER_AGENT, Used};
use super::session::{LoginFailure, Session, SessionStanding, lock};
use super::template::BoundField;
use super::window::{WINDOW_TIMES_MAX, Windows};
use super::{Origin, Outbound, OutboundError};
use crate::contract;
use crate::vault::Vault;

/// What a guest that finds all places for requests taken is told to wait.
pub(super) const RETRY_WHEN_BUSY: Duration = Duration::from_secs(1);

/// Limits of outgoing HTTP. Bodies are held in memory, so a channel takes at most `requests_at_once_max` × (`request_body_bytes_max` +
/// `response_body_bytes_max`) at a time, and a call keeps at most about `response_bytes_per_call_max` of answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Time for one request, from the guest's hand to the whole answer, log-ins and waiting for a free place included.
    pub total_max: Duration,
    /// Requests in one call.
    pub requests_per_call_max: u32,
    /// Requests of one call at the same time; the next one waits.
    pub requests_at_once_per_call_max: usize,
    /// Requests of one channel at the same time; the next one waits.
    pub requests_at_once_max: usize,
    /// Bytes of a request's body, as the guest wrote it.
    pub request_body_bytes_max: usize,
    /// Bytes of a request's path, query and headers, as the guest wrote them.
    pub request_header_bytes_max: usize,
    /// Bytes of an answer's body.
    pub response_body_bytes_max: usize,
    /// Bytes of all answers' bodies in one call, looked at when a request starts.
    pub response_bytes_per_call_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            total_max: Duration::from_secs(30),
            requests_per_call_max: 64,
            requests_at_once_per_call_max: 8,
            requests_at_once_max: 16,
            request_body_bytes_max: 1 << 20,
            request_header_bytes_max: 32 << 10,
            response_body_bytes_max: 4 << 20,
            response_bytes_per_call_max: 16 << 20,
        }
    }
}

/// What a channel is given.
#[derive(Clone, Copy)]
pub struct ChannelGrant<'a> {
    /// The channel's name, unique in the process: tenant and channel.
    pub channel: &'a str,
    /// What the connector declares: origins, credentials, request limits.
    pub manifest: &'a contract::Manifest,
    /// The channel's settings.
    pub settings: &'a Value,
    /// By credential, by field.
    pub secrets: &'a BTreeMap<String, BTreeMap<String, BoundField>>,
    /// The origins the operator granted.
    pub origins: &'a [Origin],
    /// Whether granted origins may lead to loopback and private networks.
    pub allow_private_network: bool,
    /// For secrets that rotate.
    pub vault: &'a Arc<dyn Vault>,
    /// Caps and times.
    pub limits: &'a HttpLimits,
}

/// Counted since the channel was first built in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpCounters {
    /// Requests guests made.
    pub requests: u64,
    /// Refused by policy: origin, address, header, size, number.
    pub refused: u64,
    /// Sent back by a limit in time or number.
    pub limited: u64,
    /// Without a usable answer for another reason.
    pub failed: u64,
    /// Log-ins tried.
    pub logins: u64,
    /// Log-ins that brought no session.
    pub logins_failed: u64,
}

/// Generations of a channel that share limits share what is counted against them: a swap must not refill anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ChannelStateKey {
    channel: String,
    requests_at_once_max: usize,
    /// Requests and seconds.
    request_limits: Vec<(u32, u32)>,
}

pub(super) struct ChannelState {
    permits: Semaphore,
    windows: Mutex<Windows>,
    requests: AtomicU64,
    refused: AtomicU64,
    limited: AtomicU64,
    failed: AtomicU64,
    logins: AtomicU64,
    logins_failed: AtomicU64,
}

impl ChannelState {
    pub(super) fn new(key: &ChannelStateKey) -> Self {
        let windows = key.request_limits.iter().map(|&(requests, seconds)| (requests, Duration::from_secs(seconds.into())));
        Self {
            permits: Semaphore::new(key.requests_at_once_max.clamp(1, Semaphore::MAX_PERMITS)),
            windows: Mutex::new(Windows::new(windows)),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            limited: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            logins_failed: AtomicU64::new(0),
        }
    }

    /// Counts one request against the manifest's limits, or says how long to wait.
    fn reserve(&self, moment: Timestamp) -> Result<(), Failure> {
        let reason = || "the connector's request limit for this channel is used up".to_owned();
        lock(&self.windows).take(moment).map_err(|after| Failure::Limit { after, reason: reason() })
    }

    /// A log-in is never refused for the platform's limits, but it counts.
    fn charge_login(&self, requests: usize) {
        lock(&self.windows).charge(requests);
    }

    fn count(&self, outcome: &Result<Response<Bytes>, Failure>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let counter = match outcome {
            Ok(_) => return,
            Err(failure) if failure.is_refusal() => &self.refused,
            Err(Failure::Limit { .. }) => &self.limited,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Outgoing HTTP of one generation of a channel: its allow-list, credentials and limits.
pub struct ChannelHttp {
    allow_list: AllowList,
    credentials: Vec<BoundCredential>,
    pool: Pool,
    outbound: Outbound,
    vault: Arc<dyn Vault>,
    pub(super) limits: HttpLimits,
    state: Arc<ChannelState>,
    /// Finds the bound secrets of all credentials.
    redactor: Redactor,
}

impl ChannelHttp {
    /// Checks and compiles what the manifest declares against what the operator gave. Opens no connection and logs in nowhere. A credential
    /// that is not bound is no error: requests to its origin are refused until it is.
    pub fn new(outbound: &Outbound, grant: ChannelGrant<'_>) -> Result<Arc<Self>, OutboundError> {
        let declared = grant
            .manifest
            .origins
            .iter()
            .filter_map(|origin| resolve_origin(origin, grant.settings).transpose())
            .collect::<Result<BTreeSet<_>, _>>()
            .map_err(OutboundError::Origins)?;
        for limit in &grant.manifest.request_limits {
            if limit.requests == 0 || limit.requests > WINDOW_TIMES_MAX || limit.seconds == 0 {
                return Err(OutboundError::RequestLimit { requests: limit.requests, seconds: limit.seconds });
            }
        }
        let mut credentials: Vec<BoundCredential> = Vec::new();
        for credential in &grant.manifest.credentials {
            if credential.optional && !grant.secrets.contains_key(&credential.name) {
                continue;
            }
            let slot = |fingerprint| outbound.session(grant.channel, &credential.name, fingerprint);
            let bound = BoundCredential::new(credential, grant.settings, grant.secrets.get(&credential.name), slot)?;
            let wrong = |reason| OutboundError::Credential { credential: credential.name.clone(), reason };
            let elsewhere = bound.session.as_ref().and_then(|session| session.recipe.elsewhere());
            if let Some(origin) = bound.origin.iter().chain(elsewhere).find(|origin| !declared.contains(origin)) {
                return Err(wrong(format!("it is for {origin}, which is not among the connector's origins")));
            }
            for other in credentials.iter().filter(|other| other.origin.is_some() && other.origin == bound.origin) {
                if let Some(header) = bound.headers().find(|header| other.headers().any(|taken| taken == *header)) {
                    return Err(wrong(format!(
                        "it fills the header {header}, and so does credential {}: bind only one of them",
                        other.name
                    )));
                }
            }
            credentials.push(bound);
        }
        let redactor = Redactor::new(credentials.iter().flat_map(BoundCredential::secrets));
        let key = ChannelStateKey {
            channel: grant.channel.to_owned(),
            requests_at_once_max: grant.limits.requests_at_once_max,
            request_limits: grant.manifest.request_limits.iter().map(|limit| (limit.requests, limit.seconds)).collect(),
        };
        let granted = grant.origins.iter().cloned().collect();
        Ok(Arc::new(Self {
            allow_list: AllowList { channel: grant.channel.to_owned(), declared, granted },
            credentials,
            pool: outbound.pool(grant.allow_private_network),
            outbound: outbound.clone(),
            vault: Arc::clone(grant.vault),
            limits: grant.limits.clone(),
            state: outbound.channel_state(key),
            redactor,
        }))
    }

    /// Forgets the credential's session; the next request logs in anew. The error says why there is none to forget.
    pub fn renew(&self, credential: &str) -> Result<(), String> {
        let found = self.credentials.iter().find(|bound| bound.name == credential);
        match found.map(|bound| &bound.session) {
            Some(Some(session)) => {
                session.slot.renew();
                Ok(())
            }
            Some(None) => Err(format!("credential {credential:?} has no session to renew")),
            None => Err(format!("the connector declares no credential {credential:?}")),
        }
    }

    /// How the sessions of its credentials stand, by the credential's name.
    pub fn sessions(&self) -> Vec<(String, SessionStanding)> {
        let of = |bound: &BoundCredential| Some((bound.name.clone(), bound.session.as_ref()?.slot.standing()));
        self.credentials.iter().filter_map(of).collect()
    }

    /// When the credential's field that rotates ends for good, as the platform said last; None: it does not say. Blocks, as the vault does.
    pub fn rotation_ends_at(&self, credential: &str) -> Option<Timestamp> {
        let bound = self.credentials.iter().find(|bound| bound.name == credential)?;
        bound.session.as_ref()?.recipe.rotation_ends_at(bound, self.vault.as_ref())
    }

    /// What happened so far, all generations with the same limits together.
    pub fn counters(&self) -> HttpCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HttpCounters {
            requests: read(&self.state.requests),
            refused: read(&self.state.refused),
            limited: read(&self.state.limited),
            failed: read(&self.state.failed),
            logins: read(&self.state.logins),
            logins_failed: read(&self.state.logins_failed),
        }
    }

    /// `text` without any secret of this channel: for messages and diagnostics, also those the guest wrote.
    pub fn redact(&self, text: &str) -> String {
        self.redactors(&[]).iter().fold(text.to_owned(), |text, redactor| redactor.text(&text))
    }

    /// Answers a guest's request.
    pub(super) async fn answer(
        self: &Arc<Self>,
        request: Result<Request<Bytes>, Failure>,
        caps: Caps,
        caller: &Caller,
    ) -> Result<Response<Bytes>, Failure> {
        let outcome = match request {
            Ok(request) => self.send(request, caps, caller).await,
            Err(failure) => Err(failure),
        };
        self.state.count(&outcome);
        outcome
    }

    async fn send(self: &Arc<Self>, request: Request<Bytes>, caps: Caps, caller: &Caller) -> Result<Response<Bytes>, Failure> {
        let started = Instant::now();
        let header_bytes_max = self.limits.request_header_bytes_max;
        let allowed = Allowed::judge(request, &self.allow_list, header_bytes_max, |origin| self.credentials_of(origin).next().is_some())?;
        let repeatable = allowed.method == Method::GET || allowed.method == Method::HEAD;
        let mut repeated = false;
        loop {
            self.state.reserve(caller.time.now())?;
            let used = self.use_credentials(&allowed, caller, caps.deadline).await?;
            let permit = self.permit(caps.deadline).await?;
            let now = Instant::now();
            if now >= caps.deadline {
                // Better told now, when it is sure that nothing was sent.
                let reason = format!("the request to {} found no place in time", allowed.origin);
                return Err(Failure::Limit { after: RETRY_WHEN_BUSY, reason });
            }
            let outgoing = allowed.with_credentials(&used, now, caller.time.now())?;
            let response = self.pool.exchange(&allowed.origin, outgoing, caps).await?;
            drop(permit);
            for used in &used {
                if let Some(session) = &used.session {
                    session.take_cookies(used.credential, response.headers().get_all(header::SET_COOKIE), allowed.path(), now);
                }
            }
            if response.status() == StatusCode::UNAUTHORIZED {
                let was_old = self.drop_sessions(&used, started);
                // A read changes nothing: it may be tried again with a new session. A session that is new already would not help.
                if repeatable && was_old && !repeated {
                    repeated = true;
                    continue;
                }
            }
            return Ok(self.redacted(response, &used, allowed.method == Method::HEAD));
        }
    }

    fn credentials_of<'a>(&'a self, origin: &Origin) -> impl Iterator<Item = (usize, &'a BoundCredential)> {
        let origin = origin.clone();
        self.credentials.iter().enumerate().filter(move |(_, credential)| credential.origin.as_ref() == Some(&origin))
    }

    /// The credentials a request carries, logged in: the one it names, or all of its origin.
    async fn use_credentials(self: &Arc<Self>, request: &Allowed, caller: &Caller, deadline: Instant) -> Result<Vec<Used<'_>>, Failure> {
        let is_meant = |credential: &BoundCredential| request.credential.as_ref().is_none_or(|named| *named == credential.name);
        let meant: Vec<_> = self.credentials_of(&request.origin).filter(|(_, credential)| is_meant(credential)).collect();
        if let Some(named) = request.credential.as_ref().filter(|_| meant.is_empty()) {
            return Err(Failure::Denied(format!(
                "it is to be made with the credential {named:?}, and none of that name is bound for {}",
                request.origin
            )));
        }
        let mut used = Vec::new();
        for (index, credential) in meant {
            if let Some(reason) = credential.unusable() {
                return Err(Failure::Credential { credential: credential.name.clone(), reason });
            }
            let session = match &credential.session {
                Some(session) => {
                    let (channel, now) = (Arc::clone(self), caller.time.now());
                    let log_in = move || async move { channel.log_in(index, now).await };
                    Some(session.slot.obtain(&credential.name, caller, deadline, log_in).await?)
                }
                None => None,
            };
            used.push(Used { credential, session });
        }
        Ok(used)
    }

    /// Runs the recipe of a credential. It has a request's time of its own, whoever waits for it.
    async fn log_in(self: Arc<Self>, index: usize, now: Timestamp) -> Result<Session, LoginFailure> {
        let credential = &self.credentials[index];
        let (Some(BoundSession { recipe, .. }), Some(origin)) = (&credential.session, &credential.origin) else {
            return Err(LoginFailure::Refused("it has no session or no origin".to_owned()));
        };
        let context = LoginContext {
            credential,
            origin: recipe.elsewhere().unwrap_or(origin),
            pool: &self.pool,
            limits: &self.limits,
            user_agent: &HeaderValue::from_static(USER_AGENT),
            redactor: &self.redactor,
            outbound: &self.outbound,
            vault: &self.vault,
            now,
        };
        self.state.charge_login(recipe.requests());
        self.state.logins.fetch_add(1, Ordering::Relaxed);
        let outcome = recipe.run(context).await;
        if outcome.is_err() {
            self.state.logins_failed.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    async fn permit(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Failure> {
        match timeout_at(deadline, self.state.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            // Late; or closed, which nobody does.
            Ok(Err(_)) | Err(_) => Err(Failure::Limit {
                after: RETRY_WHEN_BUSY,
                reason: format!("the channel has {} requests under way", self.limits.requests_at_once_max),
            }),
        }
    }

    /// Drops the sessions a 401 was answered to. True if one of them was there before this request.
    fn drop_sessions(&self, used: &[Used<'_>], started: Instant) -> bool {
        let mut was_old = false;
        for used in used {
            if let (Some(session), Some(bound)) = (&used.session, &used.credential.session) {
                bound.slot.drop_session(session);
                was_old |= session.born < started;
            }
        }
        was_old
    }

    /// Redactors for the sessions that were used, those that are live now, and the bound secrets. In this order: what a session puts together
    /// from a bound secret and a captured one must be found whole.
    fn redactors(&self, used: &[Used<'_>]) -> Vec<Redactor> {
        let mut sessions: Vec<Arc<Session>> = used.iter().filter_map(|used| used.session.clone()).collect();
        for session in self.credentials.iter().filter_map(|credential| credential.session.as_ref()?.slot.current()) {
            if !sessions.iter().any(|known| Arc::ptr_eq(known, &session)) {
                sessions.push(session);
            }
        }
        sessions.iter().map(|session| session.redactor()).chain([self.redactor.clone()]).collect()
    }

    fn redacted(&self, response: Response<Bytes>, used: &[Used<'_>], is_head: bool) -> Response<Bytes> {
        let redactors = self.redactors(used);
        let redact = |bytes: Bytes| redactors.iter().fold(bytes, |bytes, redactor| redactor.bytes(bytes));
        let (mut parts, body) = response.into_parts();
        parts.headers.remove(header::SET_COOKIE);
        let mut headers = HeaderMap::with_capacity(parts.headers.len());
        for (name, value) in &parts.headers {
            let value = redact(Bytes::copy_from_slice(value.as_bytes()));
            // Replacing bytes of a valid value by plain ones gives a valid value.
            if let Ok(value) = HeaderValue::from_maybe_shared(value) {
                headers.append(name, value);
            }
        }
        let body = redact(body);
        if !is_head && headers.contains_key(header::CONTENT_LENGTH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        parts.headers = headers;
        Response::from_parts(parts, body)
    }
}
