//! Progress: each stage of a task says what it does and how long it took.

use std::fmt;
use std::time::{Duration, Instant};

/// Announces a stage, runs it, says how long it took. The result is the work's own.
pub(crate) fn stage<T>(title: &str, work: impl FnOnce() -> T) -> (T, Duration) {
    eprintln!("\n── {title}");
    let started = Instant::now();
    let result = work();
    let took = started.elapsed();
    eprintln!("   {}", Took(took));
    (result, took)
}

/// A duration as people read it: `4.2 s`, `3 min 07 s`.
pub(crate) struct Took(pub(crate) Duration);

impl fmt::Display for Took {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let text =
            if seconds < 60 { format!("{:.1} s", self.0.as_secs_f64()) } else { format!("{} min {:02} s", seconds / 60, seconds % 60) };
        formatter.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_in_the_unit_people_think_in() {
        assert_eq!(Took(Duration::from_millis(4_210)).to_string(), "4.2 s");
        assert_eq!(Took(Duration::from_secs(187)).to_string(), "3 min 07 s");
        assert_eq!(format!("{:>12}", Took(Duration::from_secs(187))), "  3 min 07 s");
    }
}
