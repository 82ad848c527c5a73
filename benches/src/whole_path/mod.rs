//! The whole path: a signed delivery over HTTP → verified, parsed in a guest, sealed, decided, durable in the journal → answered.
//!
//! The real binary serves, in a process of its own. Connections stay open, each with one delivery under way; every delivery is a comment nobody
//! has seen before, by somebody new, on a thread of its own, so that each must leave one interaction, one profile and one case. Every answer
//! is checked; afterwards the host is stopped and its rows are counted. Node-RED gets the same deliveries, hands each to a function, checks no
//! signature and stores nothing. What is compared is deliveries per second of processor time, because load generator and server share the cores.

mod deliveries;
mod host;
mod load;
mod node_red;
mod process;

use std::sync::Arc;
use std::time::Duration;

use crate::measured::Measured;
use crate::{Plan, Problem};

use deliveries::Deliveries;
use host::SportelloHost;
use load::{Load, Outcome};
use node_red::NodeRed;

/// Against Node-RED, per second of processor time.
const FLOOR: f64 = 2.0;
/// Deliveries under way at once.
const CONNECTIONS: usize = 32;

pub(crate) async fn run(plan: &Plan) -> Result<Vec<Measured>, Problem> {
    let duration = Duration::from_secs(plan.seconds);
    let warm_up = Duration::from_secs(if plan.quick { 1 } else { 5 });
    let ours = host(plan, warm_up, duration).await?;
    let peer = peer(plan, warm_up, duration).await?;
    let note = format!("{CONNECTIONS} connections, {} s; every delivery a new interaction, profile and case, all counted", plan.seconds);
    let row = Measured::reported("whole-path", ours.per_cpu_second(), "1/CPU-s", note);
    let mut rows = vec![match &peer {
        Ok(peer) => row.against(peer.per_cpu_second(), ours.per_cpu_second() / peer.per_cpu_second(), FLOOR),
        Err(reason) => row.missing(reason, FLOOR),
    }];
    rows.extend(details("whole-path", &ours));
    if let Ok(peer) = &peer {
        rows.extend(details("node-red", peer));
    }
    Ok(rows)
}

fn details(name: &str, outcome: &Outcome) -> [Measured; 3] {
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
    let cores = format!("{:.2} cores used", outcome.cpu_seconds / outcome.seconds);
    [
        Measured::reported(format!("{name}-throughput"), outcome.per_second(), "1/s", cores),
        Measured::reported(format!("{name}-latency-median"), milliseconds(outcome.latency(0.5)), "ms", ""),
        Measured::reported(format!("{name}-latency-99"), milliseconds(outcome.latency(0.99)), "ms", ""),
    ]
}

async fn host(plan: &Plan, warm_up: Duration, duration: Duration) -> Result<Outcome, Problem> {
    let folder = tempfile::Builder::new().prefix("bench-host-").tempdir_in(&plan.folder)?;
    let deliveries = Arc::new(Deliveries::new());
    let mut host = SportelloHost::start(plan, folder.path(), deliveries.secret())?;
    let load = Load { address: host.address(), path: "/hooks/bench/page", connections: CONNECTIONS, body_expected: b"" };
    let outcome = load.run(&deliveries, &host.process, warm_up, duration).await?;
    host.process.stop()?;
    let acknowledged = deliveries.made();
    let rows = tokio::task::spawn_blocking(move || host::count(folder.path())).await??;
    if rows.interactions != acknowledged || rows.profiles != acknowledged || rows.cases != acknowledged {
        return Err(format!("{acknowledged} deliveries were acknowledged, but the host has {rows:?}").into());
    }
    Ok(outcome)
}

/// The inner error says why the peer is missing.
async fn peer(plan: &Plan, warm_up: Duration, duration: Duration) -> Result<Result<Outcome, String>, Problem> {
    let Some(program) = node_red::find() else {
        return Ok(Err("Node-RED is not installed; benches/peers/README.md says how".to_owned()));
    };
    let folder = tempfile::Builder::new().prefix("bench-node-red-").tempdir_in(&plan.folder)?;
    let mut peer = NodeRed::start(&program, folder.path()).await?;
    let load = Load { address: peer.address(), path: "/hooks/bench/page", connections: CONNECTIONS, body_expected: b"taken" };
    let outcome = load.run(&Arc::new(Deliveries::new()), &peer.process, warm_up, duration).await?;
    peer.process.stop()?;
    Ok(Ok(outcome))
}
