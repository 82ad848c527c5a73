//! WASI 0.2 as a guest finds it: all of it there, all of it inert.
//!
//! The wall clock shows the call's time (`call_time.rs`), which stands still between answers. The monotonic clock advances by [`MONOTONIC_STEP`] whenever it is read, so that code measuring
//! durations finds an order but no time; randomness comes from the call's seed. The same call with the same inputs therefore runs the same
//! way again. There are no files but what lies in granted folders, to be read; no environment, no arguments, no sockets, no input;
//! output is counted and thrown away.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{FsPerms, HostMonotonicClock, HostWallClock, WasiCtx, async_trait};

use crate::call_time::CallTime;
use crate::limits::CallLimits;

/// What one reading of the monotonic clock adds.
const MONOTONIC_STEP: Duration = Duration::from_micros(1);

/// WASI for one call, and the counter of the bytes the guest wrote to its output.
///
/// # Errors
/// A granted folder cannot be opened (any more).
pub(crate) fn context(
    time: CallTime,
    seed: u64,
    folders: &[GrantedFolder],
    limits: &CallLimits,
) -> wasmtime::Result<(WasiCtx, Arc<AtomicU64>)> {
    let written = Arc::new(AtomicU64::new(0));
    let mut builder = WasiCtx::builder();
    builder
        .wall_clock(time)
        .monotonic_clock(StepClock(AtomicU64::new(0)))
        .secure_random(SeededRandom::new(seed, b"secure"))
        .insecure_random(SeededRandom::new(seed, b"insecure"))
        .insecure_random_seed(u128::from(seed) << 64 | u128::from(!seed))
        .max_random_size(limits.random_bytes_max)
        .stdout(CountingSink(Arc::clone(&written)))
        .stderr(CountingSink(Arc::clone(&written)))
        // Every address is refused anyway; without these a guest could still open sockets and hold descriptors of the host.
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    for folder in folders {
        builder.preopened_dir(&folder.path, format!("/{}", folder.name), FsPerms::ReadOnly)?;
    }
    Ok((builder.build(), written))
}

/// A folder a channel's guests may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantedFolder {
    /// What the guest finds it under.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl HostWallClock for CallTime {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        // Before 1970 there is no WASI time; no call is made then.
        Duration::try_from(self.shown().duration_since(Timestamp::UNIX_EPOCH)).unwrap_or(Duration::ZERO)
    }
}

struct StepClock(AtomicU64);

impl HostMonotonicClock for StepClock {
    fn resolution(&self) -> u64 {
        MONOTONIC_STEP.as_nanos() as u64
    }

    fn now(&self) -> u64 {
        let step = MONOTONIC_STEP.as_nanos() as u64;
        self.0.fetch_add(step, Ordering::Relaxed) + step
    }
}

/// SHA-256 over seed, purpose and a counter: nothing a guest sees lets it tell what another call saw.
struct SeededRandom {
    prefix: ring::digest::Context,
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl SeededRandom {
    fn new(seed: u64, purpose: &[u8]) -> Self {
        let mut prefix = ring::digest::Context::new(&ring::digest::SHA256);
        prefix.update(&seed.to_le_bytes());
        prefix.update(purpose);
        Self { prefix, counter: 0, block: [0; 32], used: 32 }
    }

    fn fill(&mut self, target: &mut [u8]) {
        for byte in target {
            if self.used == self.block.len() {
                let mut context = self.prefix.clone();
                context.update(&self.counter.to_le_bytes());
                self.block.copy_from_slice(context.finish().as_ref());
                self.counter += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }
}

impl rand_core::TryRng for SeededRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        self.fill(target);
        Ok(())
    }
}

/// Bytes it accepts at once: as much as WASI's own streams.
const SINK_WRITE_BYTES_MAX: usize = 64 << 10;

#[derive(Clone)]
struct CountingSink(Arc<AtomicU64>);

impl IsTerminal for CountingSink {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for CountingSink {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and it is not linked; it would lose the count, nothing else.
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for CountingSink {
    async fn ready(&mut self) {}
}

impl OutputStream for CountingSink {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(SINK_WRITE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randomness_is_the_same_for_the_same_seed_and_only_then() {
        let draw = |seed, purpose: &[u8]| {
            let mut bytes = [0; 100];
            SeededRandom::new(seed, purpose).fill(&mut bytes);
            bytes
        };
        assert_eq!(draw(7, b"secure"), draw(7, b"secure"));
        assert_ne!(draw(7, b"secure"), draw(8, b"secure"));
        assert_ne!(draw(7, b"secure"), draw(7, b"insecure"));
        assert_ne!(draw(7, b"secure")[..32], draw(7, b"secure")[32..64]);
    }

    #[test]
    fn the_wall_clock_stands_and_the_monotonic_clock_advances() {
        let now: Timestamp = "2026-11-22T10:15:00.25Z".parse().unwrap();
        assert_eq!(HostWallClock::now(&CallTime::begin(now)), Duration::from_millis(1_795_342_500_250));
        let clock = StepClock(AtomicU64::new(0));
        assert!(clock.now() < clock.now());
    }
}
