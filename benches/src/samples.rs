//! Two series measured in turns, and what is said of them.

use std::time::Duration;

/// Parts of a run whose ratios tell the noise.
const PARTS: usize = 10;

/// How often one thing took how long, and the other beside it.
#[derive(Default)]
pub(crate) struct Paired {
    pub(crate) ours: Vec<Duration>,
    pub(crate) reference: Vec<Duration>,
}

/// How many times as fast ours is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    /// Of the medians.
    pub(crate) of_medians: f64,
    /// Of everything together, outliers included.
    pub(crate) of_sums: f64,
    /// The lowest and highest of the medians' ratios over the tenths of the run.
    pub(crate) noise: (f64, f64),
}

impl Paired {
    pub(crate) fn push(&mut self, ours: Duration, reference: Duration) {
        self.ours.push(ours);
        self.reference.push(reference);
    }

    pub(crate) fn ratio(&self) -> Ratio {
        let part = self.ours.len().div_ceil(PARTS).max(1);
        let parts = self.ours.chunks(part).zip(self.reference.chunks(part)).map(|(ours, reference)| median(reference) / median(ours));
        let noise = parts.fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
        Ratio { of_medians: median(&self.reference) / median(&self.ours), of_sums: sum(&self.reference) / sum(&self.ours), noise }
    }
}

/// In seconds.
pub(crate) fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

fn sum(times: &[Duration]) -> f64 {
    times.iter().sum::<Duration>().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_above_one_means_ours_is_faster() {
        let mut paired = Paired::default();
        for round in 0..40 {
            let ours = if round == 7 { 1_000 } else { 10 };
            paired.push(Duration::from_micros(ours), Duration::from_micros(20));
        }
        let ratio = paired.ratio();
        assert_eq!((ratio.of_medians, ratio.noise), (2.0, (2.0, 2.0)), "one outlier moves no median");
        assert!(ratio.of_sums < 1.0, "but it counts in the sums");
    }
}
