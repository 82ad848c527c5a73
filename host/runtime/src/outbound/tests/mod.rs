//! Promises of outgoing HTTP, each kept against a real server on loopback.

mod credentials;
mod limits;
mod policy;
mod rotation;
mod sessions;
mod tls;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request as ServerRequest;
use axum::serve::Listener;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpHooks};

use super::{
    BoundField, BoxedFuture, CallHttp, ChannelGrant, ChannelHttp, HttpLimits, Origin, Outbound, OutboundError, OutboundOptions, Resolve,
};
use jiff::Timestamp;

use crate::Secret;
use crate::call_time::{CallTime, Clock};
use crate::contract::{self, Credential, Manifest};
use crate::headroom::{Headroom, Uncounted};
use crate::limits::CallLimits;
use crate::vault::{NoVault, Vault};

/// When all calls of these tests are made.
const CLOCK: Timestamp = Timestamp::constant(1_764_000_000, 0);

/// A request as a server saw it.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn body(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A server on loopback that remembers everything.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers every request with what `answer` makes of it.
    async fn start(answer: impl Fn(&Seen) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        Self::start_async(move |seen| std::future::ready(answer(&seen))).await
    }

    async fn start_async<F>(answer: impl Fn(Seen) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counting = Counting { listener, connections: Arc::clone(&connections) };
        Self { connections, ..Self::start_on(counting, answer) }
    }

    fn start_on<F>(listener: impl Listener<Addr = SocketAddr>, answer: impl Fn(Seen) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let remembered = Arc::clone(&seen);
        let service = Router::new().fallback(move |request: ServerRequest| {
            let (answer, remembered) = (answer.clone(), Arc::clone(&remembered));
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let seen = Seen { method: parts.method, uri: parts.uri, headers: parts.headers, body };
                remembered.lock().unwrap().push(seen.clone());
                answer(seen).await
            }
        });
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { address, connections: Arc::default(), seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests came for a path.
    fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.uri.path() == path).count()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

struct Counting {
    listener: TcpListener,
    connections: Arc<AtomicUsize>,
}

impl Listener for Counting {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let accepted = self.listener.accept().await.unwrap();
        self.connections.fetch_add(1, Ordering::SeqCst);
        accepted
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn ok(body: impl Into<Body>) -> Response<Body> {
    Response::new(body.into())
}

fn status(status: u16, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(body.into()).unwrap()
}

fn answer_json(body: &Value) -> Response<Body> {
    ok(body.to_string())
}

/// A resolver that knows what it was told.
#[derive(Default)]
struct Names(HashMap<&'static str, Vec<IpAddr>>);

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxedFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { self.0.get(host).cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "unknown name")) })
    }
}

/// A client whose resolver knows these names, each with one or more addresses separated by commas.
fn outbound(names: &[(&'static str, &str)]) -> Outbound {
    let addresses = |list: &str| list.split(',').map(|address| address.parse().unwrap()).collect();
    let names = Names(names.iter().map(|(name, list)| (*name, addresses(list))).collect());
    Outbound::new(OutboundOptions { resolver: Arc::new(names), ..OutboundOptions::default() }).unwrap()
}

/// A channel to be built. By default everything is granted, loopback too.
#[derive(Clone)]
struct Setup {
    channel: String,
    outbound: Outbound,
    manifest: Manifest,
    settings: Value,
    secrets: BTreeMap<String, BTreeMap<String, BoundField>>,
    origins: Vec<Origin>,
    allow_private_network: bool,
    vault: Arc<dyn Vault>,
    limits: HttpLimits,
}

impl Setup {
    /// A connector that declares these origins and is granted them.
    fn new(origins: &[&str]) -> Self {
        let manifest = Manifest {
            name: "test".into(),
            version: "1.0.0".into(),
            kind: contract::ConnectorKind::Channel,
            network: "test".into(),
            summary: String::new(),
            configuration_schema: "{}".into(),
            origins: origins.iter().map(|origin| contract::Origin::Fixed((*origin).to_owned())).collect(),
            folders: Vec::new(),
            credentials: Vec::new(),
            signatures: Vec::new(),
            actions: Vec::new(),
            request_limits: Vec::new(),
            poll_seconds: 0,
            state_version: 1,
            policy: contract::NetworkPolicy {
                retention: Vec::new(),
                link: contract::LinkPermission::Evidence,
                reply: contract::ReplyPermission::Always,
                recheck_hours: 0,
            },
        };
        Self {
            channel: "acme/test".into(),
            outbound: outbound(&[]),
            manifest,
            settings: json!({}),
            secrets: BTreeMap::new(),
            origins: origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect(),
            allow_private_network: true,
            vault: Arc::new(NoVault),
            limits: HttpLimits { total_max: Duration::from_secs(20), ..HttpLimits::default() },
        }
    }

    fn for_server(server: &Server) -> Self {
        Self::new(&[&server.url("")])
    }

    /// Adds a credential and binds its fields to these secrets.
    fn with(mut self, credential: Credential, secrets: &[&str]) -> Self {
        let fields = credential.fields.iter().cloned().zip(secrets.iter().map(|secret| BoundField::Secret(Secret::new(*secret))));
        self.secrets.insert(credential.name.clone(), fields.collect());
        self.manifest.credentials.push(credential);
        self
    }

    fn try_build(&self) -> Result<Arc<ChannelHttp>, OutboundError> {
        let grant = ChannelGrant {
            channel: &self.channel,
            manifest: &self.manifest,
            settings: &self.settings,
            secrets: &self.secrets,
            origins: &self.origins,
            allow_private_network: self.allow_private_network,
            vault: &self.vault,
            limits: &self.limits,
        };
        ChannelHttp::new(&self.outbound, grant)
    }

    fn build(&self) -> Arc<ChannelHttp> {
        self.try_build().unwrap()
    }
}

/// A credential for a server: no placements, no session.
fn credential(server: &Server, fields: &[&str]) -> Credential {
    Credential {
        name: "bot".into(),
        purpose: "tests".into(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        origin: Some(contract::Origin::Fixed(server.url(""))),
        placements: Vec::new(),
        session: None,
        signing: None,
        optional: false,
        sign: false,
    }
}

fn placement(place: contract::Place, prefix: &str, template: &str, encoding: contract::Encoding) -> contract::Placement {
    contract::Placement { place, prefix: prefix.into(), template: template.into(), encoding }
}

thread_local! {
    static STARTED: tokio::time::Instant = tokio::time::Instant::now();
}

/// The tenant's time: as much later as the test has lasted, which `advance` moves too.
fn clock() -> Timestamp {
    CLOCK + STARTED.with(tokio::time::Instant::elapsed)
}

/// What a tenant's clock shows from a call's begin on.
struct Running {
    began: Timestamp,
    started: tokio::time::Instant,
}

impl Clock for Running {
    fn now(&self) -> Timestamp {
        self.began + self.started.elapsed()
    }
}

/// One call of a guest, and what the operator was told.
struct Call {
    http: CallHttp,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Call {
    fn new(channel: &Arc<ChannelHttp>) -> Self {
        Self::at(clock(), channel)
    }

    fn at(now: Timestamp, channel: &Arc<ChannelHttp>) -> Self {
        Self::with(now, CallLimits::default().wall_max, channel)
    }

    fn lasting(wall_max: Duration, channel: &Arc<ChannelHttp>) -> Self {
        Self::with(clock(), wall_max, channel)
    }

    fn with(now: Timestamp, wall_max: Duration, channel: &Arc<ChannelHttp>) -> Self {
        Self::counted(now, wall_max, Arc::new(Uncounted), channel)
    }

    fn counted(now: Timestamp, wall_max: Duration, headroom: Arc<dyn Headroom>, channel: &Arc<ChannelHttp>) -> Self {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&notes);
        let note = move |note: &str| kept.lock().unwrap().push(note.to_owned());
        let time = CallTime::begin(Running { began: now, started: tokio::time::Instant::now() });
        let http = CallHttp::new(Arc::clone(channel), time, headroom, wall_max, Arc::new(note));
        Self { http, notes }
    }

    /// What the guest gets, as `wasi:http` would give it.
    fn begin(&mut self, request: Request<WasiBody>) -> impl Future<Output = Result<Got, Error>> + Send + use<> {
        let answer = Pin::from(self.http.send_request(request, None, Box::new(async { Ok(()) })));
        async move {
            let (response, _) = answer.await?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Got { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() })
        }
    }

    async fn get(&mut self, url: &str) -> Result<Got, Error> {
        self.send(Request::get(url), "").await
    }

    async fn send(&mut self, request: http::request::Builder, body: &str) -> Result<Got, Error> {
        self.begin(request.body(guest_body(body)).unwrap()).await
    }

    fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
}

fn guest_body(body: &str) -> WasiBody {
    Full::new(Bytes::copy_from_slice(body.as_bytes())).map_err(Error::from).boxed_unsync()
}

#[derive(Debug, Clone)]
struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The text of an `internal-error`.
#[track_caller]
fn internal_error(outcome: Result<Got, Error>) -> String {
    match outcome {
        Err(Error::InternalError(Some(text))) => text,
        other => panic!("expected an internal-error with a text, got {other:?}"),
    }
}

#[track_caller]
fn assert_denied(outcome: &Result<Got, Error>) {
    assert!(matches!(outcome, Err(Error::HttpRequestDenied)), "expected HTTP-request-denied, got {outcome:?}");
}

/// One guest that sends one GET.
async fn get(channel: &Arc<ChannelHttp>, url: &str) -> Result<Got, Error> {
    Call::new(channel).get(url).await
}

/// Moves the simulated clock without letting timers of real connections run wild.
async fn advance(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}
