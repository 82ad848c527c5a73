//! How often something may happen: at most so many times in every so many seconds.
//!
//! A sliding window that remembers the moments, not a bucket that refills: a bucket lets through twice its size around a boundary, and the
//! platform that counts would be right.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// The largest number of times a window can be asked to remember; 16 bytes each.
pub const WINDOW_TIMES_MAX: u32 = 100_000;

/// At most `times` in every `period`.
#[derive(Debug)]
pub(super) struct Window {
    times: usize,
    period: Duration,
    moments: VecDeque<Instant>,
}

impl Window {
    /// `times` is at most [`WINDOW_TIMES_MAX`] (more is cut to it) and at least one.
    pub(super) fn new(times: u32, period: Duration) -> Self {
        Self { times: times.clamp(1, WINDOW_TIMES_MAX) as usize, period, moments: VecDeque::new() }
    }

    /// How long to wait until there is room; zero if there is.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        while self.moments.front().is_some_and(|first| now.saturating_duration_since(*first) >= self.period) {
            self.moments.pop_front();
        }
        if self.moments.len() < self.times {
            return Duration::ZERO;
        }
        // The window is over-full where something was charged without asking: room comes when enough have left.
        let leaver = self.moments[self.moments.len() - self.times];
        (leaver + self.period).saturating_duration_since(now)
    }

    /// Notes that it happened. Whoever must not be refused charges without asking [`Window::wait`].
    pub(super) fn charge(&mut self, now: Instant) {
        if self.moments.len() < 2 * self.times {
            self.moments.push_back(now);
        }
    }
}

/// Several windows, in the time that calls have: the tenant's, which never goes back, and which tests move.
#[derive(Debug)]
pub(super) struct Windows {
    all: Vec<Window>,
    /// A moment of that time, and of the machine's, to count from.
    origin: Option<(Timestamp, Instant)>,
    latest: Instant,
}

impl Windows {
    /// Times and period of each.
    pub(super) fn new(limits: impl IntoIterator<Item = (u32, Duration)>) -> Self {
        let all = limits.into_iter().map(|(times, period)| Window::new(times, period)).collect();
        Self { all, origin: None, latest: Instant::now() }
    }

    /// Counts one; the error says how long to wait, and counts nothing.
    pub(super) fn take(&mut self, moment: Timestamp) -> Result<(), Duration> {
        let (first, started) = *self.origin.get_or_insert((moment, self.latest));
        let since = Duration::try_from(moment.duration_since(first)).unwrap_or_default();
        self.latest = self.latest.max(started.checked_add(since).unwrap_or(self.latest));
        let now = self.latest;
        let wait = self.all.iter_mut().map(|window| window.wait(now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        self.charge(1);
        Ok(())
    }

    /// Counts what must not be refused, at the moment of what was counted last.
    pub(super) fn charge(&mut self, times: usize) {
        for window in &mut self.all {
            (0..times).for_each(|_| window.charge(self.latest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_counted_in_the_time_of_calls_which_a_test_can_move_and_nobody_can_turn_back() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let mut windows = Windows::new([(2, 60), (3, 3600)].map(|(times, seconds)| (times, Duration::from_secs(seconds))));
        assert_eq!((windows.take(at(0)), windows.take(at(20))), (Ok(()), Ok(())));
        assert_eq!(windows.take(at(30)), Err(Duration::from_secs(30)));
        assert_eq!(windows.take(at(10)), Err(Duration::from_secs(30)), "an earlier moment is no earlier");
        assert_eq!(windows.take(at(60)), Ok(()));
        assert_eq!(windows.take(at(200)), Err(Duration::from_secs(3400)), "the other window");
    }

    #[test]
    fn never_more_than_the_limit_in_any_window() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut window = Window::new(2, Duration::from_secs(1));
        for milliseconds in [900, 950] {
            assert_eq!(window.wait(at(milliseconds)), Duration::ZERO);
            window.charge(at(milliseconds));
        }
        assert_eq!(window.wait(at(1000)), Duration::from_millis(900));
        assert_eq!(window.wait(at(1899)), Duration::from_millis(1));
        assert_eq!(window.wait(at(1900)), Duration::ZERO);
        window.charge(at(1900));
        assert_eq!(window.wait(at(1900)), Duration::from_millis(50));
    }

    #[test]
    fn what_may_not_be_refused_is_counted_nevertheless() {
        let start = Instant::now();
        let mut window = Window::new(1, Duration::from_secs(1));
        window.charge(start);
        window.charge(start + Duration::from_millis(100));
        assert_eq!(window.wait(start + Duration::from_millis(200)), Duration::from_millis(900));
    }
}
