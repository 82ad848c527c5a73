//! Time as the edge tells it to the core.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sportello_core::time::Timestamp;
use tokio::sync::watch;

/// The longest nap: after it the clock is looked at again, which may have been set meanwhile.
const NAP_MAX: Duration = Duration::from_secs(1);

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;

    /// Waits until it shows this moment, or a later one.
    fn until(&self, moment: Timestamp) -> Waiting<'_>;
}

/// Somebody waits for a clock.
pub type Waiting<'clock> = Pin<Box<dyn Future<Output = ()> + Send + 'clock>>;

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }

    fn until(&self, moment: Timestamp) -> Waiting<'_> {
        Box::pin(async move {
            loop {
                let left = moment.ms_since(self.now());
                if left == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(left).min(NAP_MAX)).await;
            }
        })
    }
}

/// A clock that never goes back, whatever the one below it does: the writer and the workers must agree about what is due, and records are in order
/// of time. After a step back it stands still until the other has caught up.
pub struct NeverBack {
    below: Arc<dyn Clock>,
    last_ms: AtomicI64,
}

impl NeverBack {
    /// A clock over `below` that shows nothing earlier than `first`.
    #[must_use]
    pub fn from(below: Arc<dyn Clock>, first: Timestamp) -> Self {
        Self { below, last_ms: AtomicI64::new(first.0) }
    }
}

impl Clock for NeverBack {
    fn now(&self) -> Timestamp {
        let now = self.below.now();
        let last = Timestamp(self.last_ms.fetch_max(now.0, Ordering::AcqRel));
        now.max(last)
    }

    fn until(&self, moment: Timestamp) -> Waiting<'_> {
        if self.now() >= moment { Box::pin(std::future::ready(())) } else { self.below.until(moment) }
    }
}

/// A clock that moves when it is told to, for tests of what happens over days.
#[derive(Debug, Default)]
pub struct SetClock(watch::Sender<Timestamp>);

impl SetClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(watch::Sender::new(now))
    }

    /// Moves the clock on.
    pub fn advance_ms(&self, milliseconds: u64) {
        self.0.send_modify(|now| *now = now.plus_ms(milliseconds));
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn until(&self, moment: Timestamp) -> Waiting<'_> {
        let mut shown = self.0.subscribe();
        Box::pin(async move {
            // The sender is this clock, so waiting cannot fail.
            let _ = shown.wait_for(|now| *now >= moment).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_set_clock_goes_on_when_it_is_moved_that_far() {
        use std::pin::pin;

        let clock = NeverBack::from(Arc::new(SetClock::at(Timestamp(5_000))), Timestamp(9_000));
        clock.until(Timestamp(9_000)).await;
        let below = Arc::new(SetClock::at(Timestamp(5_000)));
        let clock = NeverBack::from(Arc::clone(&below) as Arc<dyn Clock>, Timestamp(0));
        let mut waiting = pin!(clock.until(Timestamp(6_000)));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        below.advance_ms(999);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        below.advance_ms(1);
        waiting.await;
    }

    #[test]
    fn a_step_back_of_the_system_moves_nothing_back() {
        let below = Arc::new(SetClock::at(Timestamp(5_000)));
        let clock = NeverBack::from(Arc::clone(&below) as Arc<dyn Clock>, Timestamp(9_000));
        assert_eq!(clock.now(), Timestamp(9_000), "the last record was later");
        below.advance_ms(10_000);
        assert_eq!(clock.now(), Timestamp(15_000));
    }
}
