//! What a fresh call of a trivial export costs under several settings of the pool. The figures in `docs/decisions/0003-pool-knobs.md` are its.
//!
//! ```text
//! cargo xtask guests && cargo run --release -p sportello-runtime --example pool_knobs
//! ```
//!
//! All settings run in one process, interleaved round by round, because absolute times drift with the machine while ratios hold. Each figure is
//! the median over the rounds of a round's mean; the ratio is to the default setting. `calls` is how many run at the same time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sportello_runtime::limits::{CallLimits, EngineLimits, QuarantineLimits};
use sportello_runtime::{Call, CallTime, Channel, ChannelOptions, NoVault, Pooling, Runtime, RuntimeOptions, Secret, Uncounted};

const ROUNDS: usize = 15;
const CALLS_PER_ROUND: usize = 400;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/target/guests/hostile.wasm");
    let guest = std::fs::read(&guest).map_err(|error| format!("{}: {error}; run `cargo xtask guests`", guest.display()))?;
    let limits = EngineLimits::default();
    let keep = |bytes| EngineLimits { keep_resident_bytes_max: bytes, keep_resident_bytes_max_without_scan: bytes, ..limits.clone() };
    let settings = [
        ("default: pool, page scan, keep 1 MiB", Pooling::Pool, limits.clone()),
        ("page scan, keep nothing", Pooling::Pool, keep(0)),
        ("page scan, keep 64 KiB", Pooling::Pool, keep(64 << 10)),
        ("page scan, keep 4 MiB", Pooling::Pool, keep(4 << 20)),
        ("no scan, keep nothing", Pooling::PoolWithoutScan, keep(0)),
        ("no scan, keep 64 KiB", Pooling::PoolWithoutScan, keep(64 << 10)),
        ("no scan, keep 1 MiB", Pooling::PoolWithoutScan, keep(1 << 20)),
        ("on demand", Pooling::OnDemand, limits.clone()),
    ];
    let mut channels = Vec::new();
    for (name, pooling, limits) in settings {
        let runtime = Runtime::new(RuntimeOptions { limits, pooling, ..RuntimeOptions::default() })?;
        channels.push((name, channel(&runtime, &guest).await?));
    }
    println!("page scan: {:?}", Runtime::new(RuntimeOptions::default())?.page_scan());
    for at_once in [1, 8] {
        let mut times = vec![Vec::new(); channels.len()];
        for round in 0..=ROUNDS {
            for ((_, channel), times) in channels.iter().zip(&mut times) {
                let time = round_of(channel, at_once).await?;
                if round > 0 {
                    times.push(time); // round 0 warms up
                }
            }
        }
        let medians: Vec<_> = times.iter_mut().map(|times| median(times)).collect();
        println!("\ncalls at once: {at_once}\n{:<40} {:>10} {:>8}", "setting", "µs a call", "ratio");
        for ((name, _), median) in channels.iter().zip(&medians) {
            let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
            println!("{name:<40} {:>10.1} {ratio:>8.2}", median.as_secs_f64() * 1e6);
        }
    }
    Ok(())
}

async fn channel(runtime: &Runtime, guest: &[u8]) -> Result<Channel, Box<dyn std::error::Error>> {
    let prepared = runtime.prepare(guest).await?;
    let secret = BTreeMap::from([("secret".to_owned(), Secret::new("not used here").into())]);
    let options = ChannelOptions {
        tenant: "bench".into(),
        name: "bench".into(),
        settings: serde_json::json!({ "behaviour": "well-behaved", "granted": "https://api.example.com" }),
        granted_origins: vec!["https://api.example.com".into()],
        granted_folders: Vec::new(),
        secrets: BTreeMap::from([("signing".to_owned(), secret)]),
        allow_private_network: false,
        vault: Arc::new(NoVault),
        limits: CallLimits::default(),
        quarantine: QuarantineLimits::default(),
    };
    Ok(runtime.channel(&prepared, options)?)
}

async fn round_of(channel: &Channel, at_once: usize) -> Result<Duration, Box<dyn std::error::Error>> {
    let started = Instant::now();
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move {
                let state = Arc::new(BTreeMap::<String, Vec<u8>>::new());
                for seed in 0..(CALLS_PER_ROUND / at_once) as u64 {
                    let call = Call {
                        time: CallTime::begin(jiff::Timestamp::UNIX_EPOCH),
                        seed,
                        state: state.clone(),
                        headroom: Arc::new(Uncounted),
                    };
                    channel.poll(call, None).await?;
                }
                Ok::<_, sportello_runtime::CallFailure>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(started.elapsed() / CALLS_PER_ROUND as u32)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
