//! Workers: what happens without anybody asking. Each reads lists that the core keeps (effects due, timers due, look-ups pending…), does what
//! is slow or needs words, and answers with commands. So a worker has no memory of its own: after a crash the lists say what is left.

mod deliveries;
mod effects;
mod erasure;
mod evaluate;
mod look_up;
mod policies;
mod poll;
mod recheck;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use sportello_core::time::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::desk::Desk;
use crate::tenant::Tenant;

/// The least a worker rests after something became durable: under load something does hundreds of times a second, and one look at a list
/// serves for all that came meanwhile.
const REST_LEAST: Duration = Duration::from_millis(5);
/// The longest a worker rests without looking at its list.
const REST_MAX: Duration = Duration::from_secs(1);

pub(crate) fn start(desk: &Arc<Desk>, tasks: &TaskTracker, stopping: &CancellationToken) {
    tasks.spawn(deliveries::run(Arc::clone(desk), stopping.clone()));
    tasks.spawn(effects::run(Arc::clone(desk), stopping.clone()));
    tasks.spawn(erasure::run(Arc::clone(desk), stopping.clone()));
    tasks.spawn(evaluate::run(Arc::clone(desk), stopping.clone()));
    tasks.spawn(look_up::run(Arc::clone(desk), stopping.clone()));
    tasks.spawn(policies::run(Arc::clone(desk), stopping.clone()));
    tasks.spawn(poll::run(Arc::clone(desk), stopping.clone()));
    tasks.spawn(timers::run(Arc::clone(desk), stopping.clone()));
}

/// When a worker looks at its list again: something became durable, or a moment came.
pub(crate) struct Rest {
    tenant: Arc<Tenant>,
    durable: watch::Receiver<u64>,
    stopping: CancellationToken,
}

impl Rest {
    pub(crate) fn new(desk: &Desk, stopping: CancellationToken) -> Self {
        Self { tenant: Arc::clone(&desk.tenant), durable: desk.tenant.watch_durable(), stopping }
    }

    /// Rests until something changes, or the tenant's clock shows `until`. False: the host stops.
    pub(crate) async fn until(&mut self, until: Option<Timestamp>) -> bool {
        let tenant = Arc::clone(&self.tenant);
        let moment = async {
            match until {
                Some(until) => tenant.clock_shows(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.stopping.cancelled() => return false,
            changed = self.durable.changed() => if changed.is_err() { return false },
            // A list whose first entry is due and cannot be dealt with is not looked at without end.
            () = moment => return self.pause(REST_LEAST).await,
            () = tokio::time::sleep(REST_MAX) => return true,
        }
        let goes_on = self.pause(REST_LEAST).await;
        self.durable.mark_unchanged();
        goes_on
    }

    /// Rests a while whatever happens. False: the host stops.
    pub(crate) async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }
}

/// A duration as the core counts time.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Doubling pauses with jitter: `first` × 2^failures, at most `longest`, between half of that and all of it.
pub(crate) fn backoff(failures: u32, first: Duration, longest: Duration) -> Duration {
    let full = first.saturating_mul(2_u32.saturating_pow(failures.min(20))).min(longest);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_stays_below_its_limit_and_is_never_nothing() {
        let first = Duration::from_secs(1);
        let longest = Duration::from_secs(60);
        for failures in 0..40 {
            let pause = backoff(failures, first, longest);
            assert!(pause >= first / 2 && pause <= longest, "{failures} failures: {pause:?}");
        }
        assert!(backoff(10, first, longest) >= longest / 2);
    }
}
