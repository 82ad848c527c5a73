//! When a connector is taken out of service, and how it comes back.
//!
//! Pure: the moment is always passed in, nothing is read from a clock.
//!
//! ```text
//!            failures_max within window               rest is over: one call goes
//!   Serving ───────────────────────────► Resting ───────────────────────────────► Probing
//!      ▲                                    ▲                                        │
//!      └──────────── it succeeds ───────────┼────────────────────────────────────────┤
//!                                           └────────── it fails, or is given up ────┘
//! ```
//!
//! A probe given up (its caller went away) rests again, but only until the next call: nothing was learnt from it.
//!
//! Challenges pass by all of this. They are tried whatever the state: a platform gives up an address that misses some, and a connector whose deliveries
//! or polls fail may well answer them. They have slots of their own and are limited like any call, so that trying costs little. Nobody signed
//! them, so their failures are not the connector's, and an answered one says nothing of the calls that failed: they neither count,
//! nor probe, nor end a quarantine.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits::QuarantineLimits;

/// What a channel may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Go on.
    Serve,
    /// Go on; it is the one call that decides. Report its end with [`Quarantine::succeeded`], [`Quarantine::failed`] or
    /// [`Quarantine::given_up`].
    Probe,
    /// Not now.
    Refuse {
        /// How long until it makes sense to ask again.
        retry_after: Duration,
    },
}

/// What the operator sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineState {
    /// Calls go through; so many failures are in the window.
    Serving {
        /// Failures in the window.
        failures: u32,
    },
    /// No call goes through but challenges.
    Resting {
        /// How long still.
        remaining: Duration,
    },
    /// One call is on its way and decides. No other goes through but challenges.
    Probing,
}

#[derive(Debug)]
enum State {
    Serving { failures: VecDeque<Instant> },
    Resting { until: Instant },
    Probing,
}

/// The circuit of one channel.
#[derive(Debug)]
pub struct Quarantine {
    limits: QuarantineLimits,
    state: State,
}

impl Quarantine {
    /// A channel in service.
    pub fn new(limits: QuarantineLimits) -> Self {
        Self { limits, state: State::Serving { failures: VecDeque::new() } }
    }

    /// Whether a call may start at `now`.
    pub fn admit(&mut self, now: Instant) -> Admission {
        match &self.state {
            State::Serving { .. } => Admission::Serve,
            State::Resting { until } if now < *until => Admission::Refuse { retry_after: until.saturating_duration_since(now) },
            State::Resting { .. } => {
                self.state = State::Probing;
                Admission::Probe
            }
            State::Probing => Admission::Refuse { retry_after: self.limits.rest.min(Duration::from_secs(1)) },
        }
    }

    /// A call ended well. Calls that began before the quarantine do not end it: only the probe does.
    pub fn succeeded(&mut self, probe: bool) {
        if probe {
            self.state = State::Serving { failures: VecDeque::new() };
        }
    }

    /// A call trapped, ran out of a limit, or answered nonsense. Returns whether the channel went out of service by it.
    pub fn failed(&mut self, now: Instant, probe: bool) -> bool {
        if probe {
            self.state = State::Resting { until: now + self.limits.rest };
            return true;
        }
        let State::Serving { failures } = &mut self.state else {
            return false; // a call from before the quarantine: it is known already
        };
        failures.push_back(now);
        while failures.front().is_some_and(|first| now.saturating_duration_since(*first) > self.limits.window) {
            failures.pop_front();
        }
        if failures.len() >= self.limits.failures_max.max(1) as usize {
            self.state = State::Resting { until: now + self.limits.rest };
            return true;
        }
        false
    }

    /// A probe ended without an outcome: the next call is a probe again.
    pub fn given_up(&mut self, now: Instant) {
        self.state = State::Resting { until: now };
    }

    /// What to show at `now`.
    pub fn state(&self, now: Instant) -> QuarantineState {
        match &self.state {
            State::Serving { failures } => QuarantineState::Serving {
                failures: failures.iter().filter(|at| now.saturating_duration_since(**at) <= self.limits.window).count() as u32,
            },
            State::Resting { until } => QuarantineState::Resting { remaining: until.saturating_duration_since(now) },
            State::Probing => QuarantineState::Probing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> QuarantineLimits {
        QuarantineLimits { failures_max: 3, window: Duration::from_secs(60), rest: Duration::from_secs(30) }
    }

    fn second(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_third_failure_within_the_window_takes_the_channel_out_of_service() {
        let start = Instant::now();
        let mut quarantine = Quarantine::new(limits());
        assert!(!quarantine.failed(start, false));
        assert!(!quarantine.failed(second(start, 10), false));
        assert_eq!(quarantine.admit(second(start, 15)), Admission::Serve);
        assert!(quarantine.failed(second(start, 20), false));
        assert_eq!(quarantine.admit(second(start, 25)), Admission::Refuse { retry_after: Duration::from_secs(25) });
    }

    #[test]
    fn failures_outside_the_window_are_forgotten() {
        let start = Instant::now();
        let mut quarantine = Quarantine::new(limits());
        for seconds in [0, 40, 80, 120, 160] {
            assert!(!quarantine.failed(second(start, seconds), false), "at {seconds} s");
        }
        assert_eq!(quarantine.state(second(start, 160)), QuarantineState::Serving { failures: 2 });
    }

    #[test]
    fn after_the_rest_exactly_one_call_probes_and_its_success_ends_the_quarantine() {
        let start = Instant::now();
        let mut quarantine = Quarantine::new(limits());
        for _ in 0..3 {
            quarantine.failed(start, false);
        }
        assert_eq!(quarantine.admit(second(start, 30)), Admission::Probe);
        assert!(matches!(quarantine.admit(second(start, 30)), Admission::Refuse { .. }));
        quarantine.succeeded(false); // a call from before: it proves nothing about now
        assert_eq!(quarantine.state(second(start, 30)), QuarantineState::Probing);
        quarantine.succeeded(true);
        assert_eq!(quarantine.admit(second(start, 31)), Admission::Serve);
    }

    #[test]
    fn a_failed_probe_rests_again_and_a_given_up_probe_does_not() {
        let start = Instant::now();
        let mut quarantine = Quarantine::new(limits());
        for _ in 0..3 {
            quarantine.failed(start, false);
        }
        assert_eq!(quarantine.admit(second(start, 30)), Admission::Probe);
        assert!(quarantine.failed(second(start, 31), true));
        assert!(matches!(quarantine.admit(second(start, 60)), Admission::Refuse { .. }));
        assert_eq!(quarantine.admit(second(start, 61)), Admission::Probe);
        quarantine.given_up(second(start, 62));
        assert_eq!(quarantine.admit(second(start, 62)), Admission::Probe);
    }
}
