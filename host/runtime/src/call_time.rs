//! The time of a call.
//!
//! What a guest's wall clock shows moves only when it is told something: it stands at the moment the call began, then at the moment the last answer
//! (or the end of a request without one) reached it. So a call that is handed the same things runs the same way again, and what a platform says in
//! answers ("come again in 300 seconds") is counted from the answer, however long the call has lasted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// The tenant's clock.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// A clock that stands: for calls outside of a host.
impl Clock for Timestamp {
    fn now(&self) -> Timestamp {
        *self
    }
}

/// The time of one call, to the millisecond. Its clones share what is shown.
#[derive(Clone)]
pub struct CallTime {
    clock: Arc<dyn Clock>,
    began: Timestamp,
    shown_ms: Arc<AtomicI64>,
}

impl CallTime {
    /// That of a call that begins now.
    pub fn begin(clock: impl Clock + 'static) -> Self {
        let began = clock.now();
        Self { clock: Arc::new(clock), began, shown_ms: Arc::new(AtomicI64::new(began.as_millisecond())) }
    }

    /// When the call began.
    pub(crate) fn began(&self) -> Timestamp {
        self.began
    }

    /// The tenant's time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the guest's wall clock shows.
    pub(crate) fn shown(&self) -> Timestamp {
        Timestamp::from_millisecond(self.shown_ms.load(Ordering::Relaxed)).unwrap_or(self.began)
    }

    /// The guest is told something now.
    pub(crate) fn tell(&self) {
        self.shown_ms.fetch_max(self.now().as_millisecond(), Ordering::Relaxed);
    }
}

impl fmt::Debug for CallTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CallTime").field("began", &self.began).field("shown", &self.shown()).finish_non_exhaustive()
    }
}
