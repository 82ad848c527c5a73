//! What stands behind the imports of one running guest: the data of its store.
//!
//! One [`GuestData`] per call, dropped with the store whatever happens; nothing in it outlives the call except what [`GuestData::finish`] hands
//! over after a success.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, ResourceLimiter};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::bindings::Connector;
use crate::bindings::sportello::connector::{credentials, diagnostics, headroom, state, types};
use crate::call_state::{CallState, ConnectorState, StateWrite};
use crate::call_time::CallTime;
use crate::contract::{Level, Mac};
use crate::headroom::{Headroom, HeadroomWindow, is_name};
use crate::limits::CallLimits;
use crate::outbound::{CallHttp, ChannelHttp};
use crate::output;
use crate::sabotage::sabotaged;
use crate::wasi::{self, GrantedFolder};

/// A message of a connector for the operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How serious it is.
    pub level: Level,
    /// The text, cut off at the limit.
    pub message: String,
}

/// What a guest may do with the channel's credentials. Nothing it returns is a secret.
pub(crate) trait Credentials: Send + Sync {
    /// The MAC of `data`, or why not.
    fn sign(&self, credential: &str, mac: Mac, data: &[u8]) -> Result<Vec<u8>, String>;
    /// Whether `candidate` is the secret, or why that is not told.
    fn matches(&self, credential: &str, candidate: &str) -> Result<bool, String>;
    /// Forgets the session, or says why there is none.
    fn renew(&self, credential: &str) -> Result<(), String>;
    /// Whether something is bound to it, or why not.
    fn bound(&self, credential: &str) -> Result<(), String>;
}

/// For the calls that ask nobody anything: `describe` and `configuration.check`.
pub(crate) struct NoCredentials;

const ASKS_NOBODY: &str = "a description and a check of settings ask nobody anything: they may not use credentials";

impl Credentials for NoCredentials {
    fn sign(&self, _: &str, _: Mac, _: &[u8]) -> Result<Vec<u8>, String> {
        Err(ASKS_NOBODY.into())
    }

    fn matches(&self, _: &str, _: &str) -> Result<bool, String> {
        Err(ASKS_NOBODY.into())
    }

    fn renew(&self, _: &str) -> Result<(), String> {
        Err(ASKS_NOBODY.into())
    }

    fn bound(&self, _: &str) -> Result<(), String> {
        Err(ASKS_NOBODY.into())
    }
}

/// Memory and tables of one guest, all of its modules together. What is over the limit ends the call instead of failing in the guest, so that
/// the host knows why.
pub(crate) struct GuestMemory {
    used_bytes: usize,
    limit_bytes: usize,
    table_elements_max: usize,
}

/// The guest asked for more memory than the call may use.
#[derive(Debug)]
pub(crate) struct MemoryExceeded {
    pub(crate) asked_bytes: usize,
    pub(crate) limit_bytes: usize,
}

impl fmt::Display for MemoryExceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the guest asked for {} bytes of memory, it may use {}", self.asked_bytes, self.limit_bytes)
    }
}

impl std::error::Error for MemoryExceeded {}

impl GuestMemory {
    fn new(limits: &CallLimits, table_elements_max: usize) -> Self {
        let lifted = sabotaged("lift-guest-limit");
        Self { used_bytes: 0, limit_bytes: if lifted { usize::MAX } else { limits.memory_bytes_max }, table_elements_max }
    }
}

impl ResourceLimiter for GuestMemory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.used_bytes.saturating_add(desired.saturating_sub(current));
        if asked > self.limit_bytes {
            return Err(wasmtime::Error::new(MemoryExceeded { asked_bytes: asked, limit_bytes: self.limit_bytes }));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false); // the module's own maximum: an ordinary answer to `memory.grow`
        }
        self.used_bytes = asked;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements_max && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

/// What a guest is started with.
pub(crate) struct GuestOptions<'a> {
    pub(crate) time: CallTime,
    pub(crate) seed: u64,
    pub(crate) state: Arc<dyn ConnectorState>,
    pub(crate) state_writable: bool,
    pub(crate) credentials: Arc<dyn Credentials>,
    /// What it may read.
    pub(crate) folders: &'a [GrantedFolder],
    pub(crate) headroom: Arc<dyn Headroom>,
    /// None: `describe` and `configuration`, which may not reach out.
    pub(crate) http: Option<Arc<ChannelHttp>>,
    pub(crate) limits: &'a CallLimits,
    pub(crate) table_elements_max: usize,
}

/// The data of one guest's store.
pub(crate) struct GuestData {
    wasi: WasiCtx,
    wasi_http: WasiHttpCtx,
    table: ResourceTable,
    http: GuestHttp,
    state: CallState,
    credentials: Arc<dyn Credentials>,
    diagnostics: Arc<Mutex<Diagnostics>>,
    written: Arc<AtomicU64>,
    headroom: Arc<dyn Headroom>,
    pub(crate) memory: GuestMemory,
    /// For the epoch callback.
    pub(crate) deadline: Instant,
    pub(crate) ticks_left: u64,
}

/// What a call leaves behind when it succeeds.
pub(crate) struct Leftovers {
    pub(crate) state_writes: Vec<StateWrite>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) diagnostics_dropped: u32,
    pub(crate) output_bytes_discarded: u64,
    pub(crate) http_requests: u32,
}

/// The messages of one call: the guest's own, and the host's about requests it refused or that failed.
struct Diagnostics {
    kept: Vec<Diagnostic>,
    dropped: u32,
    kept_max: usize,
    bytes_max: usize,
}

impl Diagnostics {
    fn push(&mut self, level: Level, mut message: String) {
        if self.kept.len() >= self.kept_max {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        if message.len() > self.bytes_max {
            message.truncate(message.floor_char_boundary(self.bytes_max));
            message.shrink_to_fit();
            message.push('…');
        }
        self.kept.push(Diagnostic { level, message });
    }
}

fn lock(diagnostics: &Mutex<Diagnostics>) -> MutexGuard<'_, Diagnostics> {
    // Nothing panics while it is held, and a list of messages cannot be left half-way.
    diagnostics.lock().unwrap_or_else(PoisonError::into_inner)
}

enum GuestHttp {
    Channel(CallHttp),
    Nowhere(NoHttp),
}

/// Outgoing HTTP of a guest that may ask nobody: refused as anything not granted is.
struct NoHttp;

impl WasiHttpHooks for NoHttp {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Result<HttpAnswer, HttpError>> + Send> {
        Box::new(async { Err(HttpError::HttpRequestDenied) })
    }
}

/// What `wasi:http` wants of whoever sends: the response, and a future for errors after it.
type HttpAnswer = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), HttpError>> + Send>);

impl GuestData {
    /// # Errors
    /// A granted folder cannot be opened.
    pub(crate) fn new(options: GuestOptions<'_>, deadline: Instant, ticks_left: u64) -> wasmtime::Result<Self> {
        let limits = options.limits;
        let (wasi, written) = wasi::context(options.time.clone(), options.seed, options.folders, limits)?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.resources_max);
        let diagnostics = Arc::new(Mutex::new(Diagnostics {
            kept: Vec::new(),
            dropped: 0,
            kept_max: limits.diagnostics_max,
            bytes_max: limits.diagnostic_bytes_max,
        }));
        let http = match options.http {
            Some(channel) => {
                let notes = Arc::clone(&diagnostics);
                let note = Arc::new(move |note: &str| lock(&notes).push(Level::Warning, note.to_owned()));
                GuestHttp::Channel(CallHttp::new(channel, options.time, Arc::clone(&options.headroom), limits.wall_max, note))
            }
            None => GuestHttp::Nowhere(NoHttp),
        };
        Ok(Self {
            wasi,
            wasi_http: WasiHttpCtx::new(),
            table,
            http,
            state: CallState::new(options.state, options.state_writable),
            credentials: options.credentials,
            diagnostics,
            written,
            headroom: options.headroom,
            memory: GuestMemory::new(limits, options.table_elements_max),
            deadline,
            ticks_left,
        })
    }

    /// What was said so far, also by a call that failed. Without any secret of the channel.
    pub(crate) fn diagnostics(&self) -> (Vec<Diagnostic>, u32) {
        let mut diagnostics = lock(&self.diagnostics);
        let mut kept = std::mem::take(&mut diagnostics.kept);
        if let GuestHttp::Channel(http) = &self.http {
            for diagnostic in &mut kept {
                diagnostic.message = http.channel().redact(&diagnostic.message);
            }
        }
        (kept, diagnostics.dropped)
    }

    pub(crate) fn finish(self) -> Leftovers {
        let (diagnostics, diagnostics_dropped) = self.diagnostics();
        Leftovers {
            diagnostics,
            diagnostics_dropped,
            http_requests: match &self.http {
                GuestHttp::Channel(http) => http.requests(),
                GuestHttp::Nowhere(_) => 0,
            },
            output_bytes_discarded: self.written.load(Ordering::Relaxed),
            state_writes: self.state.into_writes(),
        }
    }
}

/// Everything a connector can import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<GuestData>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Connector::add_to_linker::<_, HasSelf<_>>(&mut linker, |data| data)?;
    Ok(linker)
}

impl WasiView for GuestData {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for GuestData {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let hooks: &mut dyn WasiHttpHooks = match &mut self.http {
            GuestHttp::Channel(http) => http,
            GuestHttp::Nowhere(http) => http,
        };
        WasiHttpCtxView { ctx: &mut self.wasi_http, table: &mut self.table, hooks }
    }
}

impl types::Host for GuestData {}

impl diagnostics::Host for GuestData {
    async fn emit(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        lock(&self.diagnostics).push(level, message);
        Ok(())
    }
}

impl state::Host for GuestData {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.state.get(&key))
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), state::Refusal>> {
        Ok(self.state.put(key, Some(value)))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), state::Refusal>> {
        Ok(self.state.put(key, None))
    }
}

impl headroom::Host for GuestData {
    async fn take(&mut self, window: String) -> wasmtime::Result<Result<(), String>> {
        let taken = if is_name(&window) { self.headroom.take(&window) } else { Ok(()) };
        Ok(taken.map_err(|until| until.to_string()))
    }

    async fn report(&mut self, window: headroom::Window) -> wasmtime::Result<()> {
        if let Some(window) = HeadroomWindow::usable(window) {
            self.headroom.report(window);
        }
        Ok(())
    }
}

impl credentials::Host for GuestData {
    async fn sign(&mut self, credential: String, mac: Mac, data: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, credentials::Refusal>> {
        Ok(self.credentials.sign(&credential, mac, &data).map_err(credentials::Refusal::NotGranted))
    }

    async fn matches(&mut self, credential: String, candidate: String) -> wasmtime::Result<Result<bool, credentials::Refusal>> {
        Ok(self.credentials.matches(&credential, &candidate).map_err(credentials::Refusal::NotGranted))
    }

    async fn renew(&mut self, credential: String) -> wasmtime::Result<Result<(), credentials::Refusal>> {
        Ok(self.credentials.renew(&credential).map_err(credentials::Refusal::NotGranted))
    }

    async fn ends(&mut self, credential: String, at: Option<String>) -> wasmtime::Result<Result<(), credentials::Refusal>> {
        Ok(self.told_end(&credential, at.as_deref()))
    }
}

impl GuestData {
    fn told_end(&self, credential: &str, at: Option<&str>) -> Result<(), credentials::Refusal> {
        self.credentials.bound(credential).map_err(credentials::Refusal::NotGranted)?;
        let moment = |at| output::moment(at).ok_or_else(|| credentials::Refusal::Malformed(output::MOMENT.into()));
        self.headroom.ends(credential, at.map(moment).transpose()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_all_modules_counts_together() {
        let limits = CallLimits { memory_bytes_max: 1000, ..CallLimits::default() };
        let mut memory = GuestMemory::new(&limits, 10);
        assert!(memory.memory_growing(0, 600, None).unwrap());
        assert!(memory.memory_growing(0, 400, None).unwrap());
        let error = memory.memory_growing(400, 401, None).unwrap_err();
        assert_eq!(error.downcast_ref::<MemoryExceeded>().unwrap().asked_bytes, 1001);
        assert!(!memory.table_growing(0, 11, None).unwrap());
    }
}
