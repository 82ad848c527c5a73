//! Outgoing HTTP: everything a guest sends goes through here, and so does every secret it uses without seeing it.
//!
//! [`Outbound`] is the one client of the process: connections are pooled, names are resolved and judged by us, TLS is rustls with Mozilla's
//! roots and the operator's (`roots.rs`). [`ChannelHttp`] is what one generation of a channel may do: its origins, credentials and limits.
//! [`CallHttp`] is what one call of a guest is handed (`wasi:http`'s hooks). A request passes, in this order:
//!
//! 1. **The guest's body is read to its end**, up to a cap, whatever becomes of the request: a body that is dropped half-way shows up in the
//!    guest as a broken connection instead of the refusal.
//! 2. **Policy** (`request.rs`): requests per call, method, headers that are the host's own, the origin against what the connector declares
//!    *and* the operator granted.
//! 3. **Sessions** (`session.rs`, `login.rs`): for each credential of that origin, the host logs in where no session is live, once for all
//!    who wait, and pauses after refusals.
//! 4. **Limits**: the manifest's requests per time, the channel's concurrency.
//! 5. **Placements** (`credential.rs`, `request.rs`): the credentials are put into headers, query and form.
//! 6. **The exchange** (`client.rs`, `connect.rs`): addresses are checked after resolution, nothing follows redirects, the answer is read
//!    whole under caps and a deadline.
//! 7. **Redaction** (`redact.rs`): cookies stay with the host; every form of every secret is taken out of headers and body.
//!
//! A token that rotates goes through the tenant's vault (`crate::vault`) before anything is sent with what it was traded for. Requests signed by
//! OAuth 1.0a are signed last (`oauth1.rs`), when all else of them is settled.
//!
//! How failures reach a guest stands in `failure.rs`. Nothing here is written to disk but by the vault. Secrets are overwritten when they are dropped; the
//! copies that go over the wire, and the search for them, live in ordinary memory.

mod address;
mod call;
mod channel;
mod client;
mod connect;
mod cookie;
mod credential;
mod failure;
mod login;
mod oauth1;
mod origin;
mod redact;
mod request;
mod roots;
mod session;
mod template;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

pub use self::call::{CallHttp, OperatorNote};
pub use self::channel::{ChannelGrant, ChannelHttp, HttpCounters, HttpLimits};
use self::channel::{ChannelState, ChannelStateKey};
use self::client::Pool;
pub use self::connect::{BoxedFuture, Resolve, SystemResolver};
pub use self::oauth1::FIELDS as OAUTH1_FIELDS;
pub use self::origin::{Origin, OriginError};
pub use self::redact::{REDACTED, REDACTED_BYTES_MIN};
pub use self::roots::EXTRA_ROOTS_FILE_BYTES_MAX;
use self::roots::Roots;
pub use self::session::SessionStanding;
pub use self::session::{
    LOGIN_PAUSE_AFTER_REFUSAL_MAX, LOGIN_PAUSE_ASKED_MAX, LOGIN_PAUSE_MIN, LOGIN_PAUSE_UNREACHABLE_MAX, LOGINS_MAX, LOGINS_PERIOD,
};
use self::session::{SessionSlot, lock};
pub use self::template::BoundField;
pub use self::window::WINDOW_TIMES_MAX;
use crate::vault::{Vault, VaultKey};

/// How long a connection may take by default: resolution, TCP and TLS together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why outgoing HTTP cannot be set up. Nothing has changed when it is returned.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The TLS library refuses its own defaults.
    #[error("outgoing HTTP cannot start: {0}")]
    Tls(#[from] rustls::Error),
    /// A file of extra roots cannot be used.
    #[error("extra-roots: {}: {problem}", file.display())]
    ExtraRoots {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A credential of the manifest does not fit the channel's settings or what the operator bound.
    #[error("credential {credential}: {reason}")]
    Credential {
        /// Its name in the manifest.
        credential: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// An origin of the manifest cannot be read.
    #[error("the connector's origins: {0}")]
    Origins(String),
    /// A request limit of the manifest makes no sense.
    #[error(
        "the connector's request limit of {requests} in {seconds} s: both must be at least 1, and the requests at most {WINDOW_TIMES_MAX}"
    )]
    RequestLimit {
        /// As declared.
        requests: u32,
        /// As declared.
        seconds: u32,
    },
}

/// What [`Outbound`] is made of.
pub struct OutboundOptions {
    /// How long resolution, TCP and TLS may take together.
    pub connect_timeout: Duration,
    /// Turns names into addresses. Tests put their own here.
    pub resolver: Arc<dyn Resolve>,
    /// PEM files of certificate authorities that channels with the grant `private-network` trust beside Mozilla's.
    pub extra_roots: Vec<PathBuf>,
}

impl Default for OutboundOptions {
    fn default() -> Self {
        Self { connect_timeout: CONNECT_TIMEOUT, resolver: Arc::new(SystemResolver), extra_roots: Vec::new() }
    }
}

/// The process's client for everything guests send. Cheap to clone; all clones share connections and sessions.
#[derive(Clone)]
pub struct Outbound {
    inner: Arc<Inner>,
}

struct Inner {
    /// For channels without the grant `allow_private_network`.
    public: Pool,
    /// For channels with it. Never shared with the others: a pooled connection is not checked again.
    private: Pool,
    sessions: Shared<(String, String, [u8; 32]), SessionSlot>,
    /// Held while a secret in a vault is traded for the next: by vault and key.
    rotations: Shared<(usize, VaultKey), tokio::sync::Mutex<()>>,
    channels: Shared<ChannelStateKey, ChannelState>,
}

impl Outbound {
    /// Reads the extra roots and sets the client up. No connection is opened.
    pub fn new(options: OutboundOptions) -> Result<Self, OutboundError> {
        let roots = Roots::read(&options.extra_roots)?;
        let pool = |private| Pool::new(Arc::clone(&options.resolver), private, options.connect_timeout, roots.of(private));
        let inner = Inner {
            public: pool(false)?,
            private: pool(true)?,
            sessions: Shared::default(),
            rotations: Shared::default(),
            channels: Shared::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn pool(&self, allow_private_network: bool) -> Pool {
        if allow_private_network { self.inner.private.clone() } else { self.inner.public.clone() }
    }

    /// The session store of a credential: the same for all generations whose credential and secrets are equal.
    fn session(&self, channel: &str, credential: &str, fingerprint: [u8; 32]) -> Arc<SessionSlot> {
        self.inner.sessions.get((channel.to_owned(), credential.to_owned(), fingerprint), SessionSlot::new)
    }

    /// What to hold while the secret of this key is traded: two channels with the same refresh token must not both use it.
    fn rotation(&self, vault: &Arc<dyn Vault>, key: VaultKey) -> Arc<tokio::sync::Mutex<()>> {
        self.inner.rotations.get((Arc::as_ptr(vault).addr(), key), || tokio::sync::Mutex::new(()))
    }

    fn channel_state(&self, key: ChannelStateKey) -> Arc<ChannelState> {
        let made = key.clone();
        self.inner.channels.get(key, || ChannelState::new(&made))
    }
}

/// Values that live as long as somebody uses them, found by key. At most as many as there are users.
struct Shared<K, V> {
    values: Mutex<HashMap<K, Weak<V>>>,
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self { values: Mutex::default() }
    }
}

impl<K: Eq + Hash, V> Shared<K, V> {
    fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut values = lock(&self.values);
        if let Some(value) = values.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        values.retain(|_, value| value.strong_count() > 0);
        let value = Arc::new(make());
        values.insert(key, Arc::downgrade(&value));
        value
    }
}
