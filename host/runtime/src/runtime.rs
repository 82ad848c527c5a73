//! The runtime itself: one engine, one linker, one pool, and how a file becomes a prepared connector.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::cache::CompileCache;
use crate::call::{self, Callee};
use crate::call_time::CallTime;
use crate::capabilities::Indices;
use crate::channel::{Channel, ChannelOptions};
use crate::contract::Manifest;
use crate::contract_check::{self, ContractFault};
use crate::digest::Digest;
use crate::engine::{self, PageScan, Pooling};
use crate::error::RuntimeError;
use crate::guest::{self, GuestData, GuestOptions, NoCredentials};
use crate::headroom::Uncounted;
use crate::limits::{CallLimits, EngineLimits};
use crate::manifest::{self, ManifestFault};
use crate::outbound::{Outbound, OutboundOptions};
use crate::prepared::Prepared;
use crate::slots::{self, Errand, Places};

/// What a runtime is made of.
#[derive(Default)]
pub struct RuntimeOptions {
    /// Sizes of the engine and its pool.
    pub limits: EngineLimits,
    /// Where instances live.
    pub pooling: Pooling,
    /// Where compiled connectors are kept; none compiles anew at every start.
    pub compiled_folder: Option<PathBuf>,
    /// Outgoing HTTP.
    pub outbound: OutboundOptions,
}

/// The runtime of the process. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    host: Arc<Host>,
}

/// What all channels share.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    linker: Linker<GuestData>,
    pub(crate) limits: EngineLimits,
    pub(crate) outbound: Outbound,
    /// Of this process, for comparing texts in constant time.
    pub(crate) compare_key: hmac::Key,
    pub(crate) pool: Places,
    /// One compilation at a time: it takes all cores already.
    compiling: Semaphore,
    cache: Option<CompileCache>,
    page_scan: PageScan,
}

impl Runtime {
    /// Starts the engine, its ticking thread and the HTTP client, and opens the folder of compiled connectors.
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let limits = options.limits;
        let (engine, page_scan) = engine::start(&limits, options.pooling)?;
        engine::start_ticking(&engine, limits.epoch_tick)?;
        let linker = guest::linker(&engine).map_err(RuntimeError::Engine)?;
        let outbound = Outbound::new(options.outbound)
            .map_err(|error| RuntimeError::Http { of: "the runtime".to_owned(), problem: error.to_string() })?;
        let cache = options.compiled_folder.map(|folder| CompileCache::open(&folder, &engine)).transpose()?;
        let compare_key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| RuntimeError::Engine(wasmtime::Error::msg("the system gives no random bytes")))?;
        Ok(Self {
            host: Arc::new(Host {
                engine,
                linker,
                pool: Places::of_pool(&limits),
                compiling: Semaphore::new(1),
                limits,
                outbound,
                compare_key,
                cache,
                page_scan,
            }),
        })
    }

    /// Reads, checks, compiles and tries a connector. Changes nothing, except that what was compiled is kept.
    ///
    /// Compiling takes about 0.3 s for a Rust connector and half a minute of all cores for an interpreter; a connector that was compiled
    /// before loads in a millisecond. Its code runs here for the first time: `describe` is called twice, with other times and seeds, and
    /// must answer the same.
    pub async fn prepare(&self, bytes: &[u8]) -> Result<Prepared, RuntimeError> {
        let limit_bytes = self.host.limits.component_bytes_max;
        if bytes.len() > limit_bytes {
            return Err(RuntimeError::TooLarge { bytes: bytes.len(), limit_bytes });
        }
        check_preamble(bytes)?;
        let digest = Digest::of(bytes);
        let component = self.compile(digest, bytes.to_vec()).await?;
        let capabilities = contract_check::check(&self.host.engine, &component)?;
        let pre = self.host.linker.instantiate_pre(&component).map_err(ContractFault::Link)?;
        let indices = Indices::new(&pre, capabilities).map_err(ContractFault::Link)?;
        let label = digest.to_string();
        let manifest = self.describe(&label, &pre, &indices, 1).await?;
        if manifest != self.describe(&label, &pre, &indices, 2).await? {
            let problem = "it answered differently at another time: a description is a constant".to_owned();
            return Err(RuntimeError::Manifest { name: manifest.name, fault: ManifestFault { place: "describe".to_owned(), problem } });
        }
        let schema = match manifest::check(&manifest, capabilities) {
            Ok(schema) => schema,
            Err(fault) => return Err(RuntimeError::Manifest { name: shown_name(&manifest), fault }),
        };
        Ok(Prepared::new(digest, manifest, capabilities, schema, pre, indices))
    }

    /// Configures a channel: checks settings, secrets and grants against what the connector declares. Opens no connection.
    pub fn channel(&self, prepared: &Prepared, options: ChannelOptions) -> Result<Channel, RuntimeError> {
        Channel::new(Arc::clone(&self.host), prepared, options)
    }

    /// Whether the kernel helps to reset instances quickly.
    pub fn page_scan(&self) -> PageScan {
        self.host.page_scan
    }

    /// Slots of the pool no call holds now, without those for challenges.
    pub fn free_slots(&self) -> usize {
        self.host.pool.free()
    }

    async fn compile(&self, digest: Digest, bytes: Vec<u8>) -> Result<Component, RuntimeError> {
        let host = Arc::clone(&self.host);
        // Nobody closes the semaphore.
        let _turn = self.host.compiling.acquire().await.map_err(|_| RuntimeError::Stopped)?;
        tokio::task::spawn_blocking(move || {
            let Some(cache) = &host.cache else {
                return Component::new(&host.engine, &bytes).map_err(RuntimeError::Compile);
            };
            if let Some(component) = cache.load(&host.engine, digest) {
                return Ok(component);
            }
            let compiled = host.engine.precompile_component(&bytes).map_err(RuntimeError::Compile)?;
            if let Err(error) = cache.store(digest, &compiled) {
                tracing::warn!(%digest, %error, "a compiled connector could not be kept; it will be compiled again at the next start");
            }
            match cache.load(&host.engine, digest) {
                Some(component) => Ok(component),
                None => Component::new(&host.engine, &bytes).map_err(RuntimeError::Compile),
            }
        })
        .await
        .map_err(|_| RuntimeError::Stopped)?
    }

    /// Asks the connector what it is, without settings, network or state, at a time and with a seed made of `round`.
    async fn describe(&self, label: &str, pre: &InstancePre<GuestData>, indices: &Indices, round: u32) -> Result<Manifest, RuntimeError> {
        let failed = |failure| RuntimeError::Describe(Box::new(failure));
        let _slot = slots::hold(&self.host.pool, None, Errand::Work, self.host.limits.slot_wait_max).await.map_err(failed)?;
        let limits = CallLimits::default();
        let options = GuestOptions {
            time: CallTime::begin(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * i64::from(round))),
            seed: u64::from(round),
            state: Arc::new(BTreeMap::new()),
            state_writable: false,
            credentials: Arc::new(NoCredentials),
            headroom: Arc::new(Uncounted),
            folders: &[],
            http: None,
            limits: &limits,
            table_elements_max: self.host.limits.table_elements_max,
        };
        let started = Instant::now();
        // Without folders there is nothing that could not be opened.
        let (mut store, deadline) = call::store(&self.host.engine, options, &self.host.limits).map_err(RuntimeError::Compile)?;
        let answer = call::until(deadline, async {
            let instance = pre.instantiate_async(&mut store).await?;
            indices.description.load(&mut store, &instance)?.call_describe(&mut store).await
        })
        .await;
        let callee = Callee { connector: label, call: "description.describe" };
        match answer {
            Ok(Ok(manifest)) => Ok(manifest),
            Ok(Err(error)) => Err(failed(call::failure(callee, &limits, store.data(), started.elapsed(), Some(error)))),
            Err(_) => Err(failed(call::failure(callee, &limits, store.data(), started.elapsed(), None))),
        }
    }
}

/// What the first eight bytes say: a component, a core module, or neither.
fn check_preamble(bytes: &[u8]) -> Result<(), RuntimeError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(RuntimeError::NotWasm { begins: hex::encode(&bytes[..bytes.len().min(8)]) });
    }
    // The version field: layer 0 is a core module, layer 1 a component.
    if bytes.get(6..8) == Some(&[0, 0]) {
        return Err(RuntimeError::CoreModule);
    }
    Ok(())
}

/// The manifest's name, cut to something that fits a message.
fn shown_name(manifest: &Manifest) -> String {
    manifest.name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_component_are_refused_for_what_they_are() {
        assert!(matches!(check_preamble(b"#!/bin/sh"), Err(RuntimeError::NotWasm { .. })));
        assert!(matches!(check_preamble(b""), Err(RuntimeError::NotWasm { .. })));
        assert!(matches!(check_preamble(b"\0asm\x01\0\0\0"), Err(RuntimeError::CoreModule)));
        assert!(check_preamble(b"\0asm\x0d\0\x01\0").is_ok());
    }
}
