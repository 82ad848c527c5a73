//! Wakes runs whose moment has come.

use std::sync::Arc;

use sportello_core::time::Timestamp;
use sportello_views::Direction;
use sportello_workflow::commands::FireTimer;
use sportello_workflow::run::{RunId, TIMERS_DUE};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::workers::Rest;

const ACTOR: &str = "worker:timers";
/// Timers looked at in one go.
const LIST_MAX: usize = 256;

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    loop {
        let now = desk.tenant.now();
        let next = fire_due(&desk, now).await;
        if !rest.until(next).await {
            return;
        }
    }
}

/// Fires what is due; gives the moment of the next.
async fn fire_due(desk: &Desk, now: Timestamp) -> Option<Timestamp> {
    let timers = desk.tenant.list(&TIMERS_DUE, &[], None, Direction::Forward, LIST_MAX).unwrap_or_default();
    for (key, ()) in timers {
        let Some((due_at, run, visit)) = timer(&key) else { continue };
        if due_at > now {
            return Some(due_at);
        }
        if let Err(error) = desk.tenant.submit_workflow(ACTOR, FireTimer { run, visit }).await {
            tracing::debug!(%run, visit, %error, "a timer did not fire");
        }
    }
    None
}

/// A timer's key: moment, run, visit.
fn timer(key: &[u8]) -> Option<(Timestamp, RunId, u64)> {
    let (moment, rest) = key.split_first_chunk::<8>()?;
    let (run, rest) = rest.split_first_chunk::<8>()?;
    let visit = rest.first_chunk::<8>()?;
    let moment = Timestamp((u64::from_be_bytes(*moment) ^ (1 << 63)).cast_signed());
    Some((moment, RunId(u64::from_be_bytes(*run)), u64::from_be_bytes(*visit)))
}
