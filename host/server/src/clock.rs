//! Time as the edge tells it to the core.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sportello_core::time::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::workers::millis;

/// The part by which a clock that is ahead goes slower.
const SLOWER_BY: u32 = 16;
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
/// of time. While the one below is behind what was shown, it goes on by the time that passes, a sixteenth slower, until the other has caught up: so
/// what is to be forgotten in a day is forgotten 96 minutes late at most while the host runs, however wrong the machine's clock has been. Of the time in
/// which the host does not run only the machine's clock knows.
pub struct NeverBack {
    below: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    shown: Timestamp,
    /// What was shown when the clock below was seen to be behind, and when that was.
    ahead: Option<(Timestamp, Instant)>,
}

impl NeverBack {
    /// A clock over `below` that shows nothing earlier than `first`.
    #[must_use]
    pub fn from(below: Arc<dyn Clock>, first: Timestamp) -> Self {
        Self { below, state: Mutex::new(State { shown: first, ahead: None }) }
    }
}

impl Clock for NeverBack {
    fn now(&self) -> Timestamp {
        let below = self.below.now();
        // What it protects is whole at every moment.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if below >= state.shown {
            *state = State { shown: below, ahead: None };
        } else {
            let shown = state.shown;
            let (from, since) = *state.ahead.get_or_insert_with(|| (shown, Instant::now()));
            let passed = since.elapsed();
            state.shown = shown.max(from.plus_ms(millis(passed - passed / SLOWER_BY)));
        }
        state.shown
    }

    fn until(&self, moment: Timestamp) -> Waiting<'_> {
        Box::pin(async move {
            loop {
                let left = moment.ms_since(self.now());
                if left == 0 {
                    return;
                }
                tokio::select! {
                    () = self.below.until(moment) => return,
                    () = tokio::time::sleep(Duration::from_millis(left).min(NAP_MAX)) => {}
                }
            }
        })
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

    #[tokio::test(start_paused = true)]
    async fn a_step_back_of_the_system_moves_nothing_back_and_stops_nothing() {
        let below = Arc::new(SetClock::at(Timestamp(5_000)));
        let clock = NeverBack::from(Arc::clone(&below) as Arc<dyn Clock>, Timestamp(100_000));
        assert_eq!(clock.now(), Timestamp(100_000), "the last record was later");
        for _ in 0..16 {
            let before = clock.now();
            below.advance_ms(1_000);
            tokio::time::advance(Duration::from_secs(1)).await;
            let passed = clock.now().ms_since(before);
            assert!((937..=938).contains(&passed), "{passed} ms passed in a second");
        }
        assert_eq!(clock.now(), Timestamp(115_000));
        let began = Instant::now();
        clock.until(Timestamp(130_000)).await;
        assert!((15..=17).contains(&began.elapsed().as_secs()), "who waits goes on in time: {:?}", began.elapsed());
        below.advance_ms(120_000);
        assert_eq!(clock.now(), Timestamp(141_000), "the other has caught up");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), Timestamp(141_000), "and is gone by from then on");
        assert_eq!(clock.now(), below.now());
    }
}
