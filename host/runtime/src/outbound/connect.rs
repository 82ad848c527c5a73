//! Resolving a name and connecting to an address that was checked.
//!
//! This is the only place where an outgoing connection is opened. The address that was judged is the address that is connected to; IP
//! literals, and the odd spellings of addresses that a resolver accepts, go the same way as names.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use super::address::Reach;

/// Addresses of one name that are tried, in the resolver's order.
const ADDRESSES_MAX: usize = 8;

/// A future on the heap.
pub type BoxedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Turns a host name into addresses. The host checks every address afterwards, so a resolver need not be trusted.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`, in order of preference.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxedFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxedFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the name cannot be resolved: {0}")]
    Resolution(#[source] io::Error),
    #[error("the address {0} is not allowed")]
    Prohibited(IpAddr),
    #[error("{0}")]
    Connection(#[source] io::Error),
    #[error("not connected within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Opens TCP connections to allowed addresses.
#[derive(Clone)]
pub(super) struct CheckedTcp {
    resolver: Arc<dyn Resolve>,
    allow_private_network: bool,
    timeout: Duration,
}

impl CheckedTcp {
    async fn connect(self, uri: Uri) -> Result<TokioIo<TcpStream>, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&http::uri::Scheme::HTTPS) { 443 } else { 80 });
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let found = match literal {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host).await.map_err(ConnectError::Resolution)?,
        };
        let allowed: Vec<_> = found.iter().copied().filter(|address| self.allows(*address)).take(ADDRESSES_MAX).collect();
        if allowed.is_empty() {
            return Err(match found.first() {
                Some(address) => ConnectError::Prohibited(*address),
                None => ConnectError::Resolution(io::Error::new(io::ErrorKind::NotFound, "no address")),
            });
        }
        // One dead address of several must not use up the time of the others.
        let share = self.timeout / u32::try_from(allowed.len()).unwrap_or(u32::MAX);
        let mut last = ConnectError::Timeout(self.timeout);
        for address in allowed {
            match tokio::time::timeout(share, TcpStream::connect(SocketAddr::new(address, port))).await {
                Ok(Ok(stream)) => {
                    // Without it small requests wait for the previous one's acknowledgement. A failure costs speed, nothing else.
                    let _ = stream.set_nodelay(true);
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(error)) => last = ConnectError::Connection(error),
                Err(_) => last = ConnectError::Timeout(self.timeout),
            }
        }
        Err(last)
    }

    fn allows(&self, address: IpAddr) -> bool {
        match Reach::of(address) {
            Reach::Public => true,
            Reach::Private => self.allow_private_network,
            Reach::Never => false,
        }
    }
}

impl Service<Uri> for CheckedTcp {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxedFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// The connector of a client: name resolution, TCP and TLS together take at most the connect time-out.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<CheckedTcp>,
    timeout: Duration,
}

impl Connector {
    /// Servers show certificates of these roots. Fails if the TLS library refuses its own defaults.
    pub(super) fn new(
        resolver: Arc<dyn Resolve>,
        allow_private_network: bool,
        timeout: Duration,
        roots: RootCertStore,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let inner = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_root_certificates(roots).with_no_client_auth())
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(CheckedTcp { resolver, allow_private_network, timeout });
        Ok(Self { inner, timeout })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxedFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let timeout = self.timeout;
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(outcome) => outcome,
                Err(_) => Err(ConnectError::Timeout(timeout).into()),
            }
        })
    }
}
