//! Time as the edge tells it to the core.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use sportello_core::time::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
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
}

/// A clock that moves when it is told to, for tests of what happens over days.
#[derive(Debug, Default)]
pub struct SetClock(Mutex<Timestamp>);

impl SetClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock on.
    pub fn advance_ms(&self, milliseconds: u64) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = now.plus_ms(milliseconds);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_back_of_the_system_moves_nothing_back() {
        let below = Arc::new(SetClock::at(Timestamp(5_000)));
        let clock = NeverBack::from(Arc::clone(&below) as Arc<dyn Clock>, Timestamp(9_000));
        assert_eq!(clock.now(), Timestamp(9_000), "the last record was later");
        below.advance_ms(10_000);
        assert_eq!(clock.now(), Timestamp(15_000));
    }
}
