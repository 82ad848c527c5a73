//! One row of the result.

use std::fmt;

use serde::Serialize;

use crate::samples::Ratio;

/// What was measured, beside what, and what it must reach.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    name: String,
    /// Ours, in `unit`.
    value: f64,
    unit: &'static str,
    /// The other's, in the same unit. None: nothing to compare with, or the peer is missing.
    reference: Option<f64>,
    /// How many times better ours is.
    ratio: Option<f64>,
    /// What the ratio must reach.
    floor: Option<f64>,
    /// The lowest and highest ratio in the tenths of the run.
    noise: Option<(f64, f64)>,
    /// Why there is no reference.
    missing: Option<String>,
    /// What a reader must know.
    note: String,
}

impl Measured {
    /// A figure without a limit.
    pub(crate) fn reported(name: impl Into<String>, value: f64, unit: &'static str, note: impl Into<String>) -> Self {
        let (name, note) = (name.into(), note.into());
        Self { name, value, unit, reference: None, ratio: None, floor: None, noise: None, missing: None, note }
    }

    /// With what it is compared to.
    pub(crate) fn against(mut self, reference: f64, ratio: f64, floor: f64) -> Self {
        self.reference = Some(reference);
        self.ratio = Some(ratio);
        self.floor = Some(floor);
        self
    }

    /// With what it is compared to, and the noise of it.
    pub(crate) fn against_paired(self, reference: f64, ratio: Ratio, floor: f64) -> Self {
        Self { noise: Some(ratio.noise), ..self.against(reference, ratio.of_medians, floor) }
    }

    /// With what it stands beside, for which there is no floor.
    pub(crate) fn beside(mut self, reference: f64, ratio: Ratio) -> Self {
        self.reference = Some(reference);
        self.ratio = Some(ratio.of_medians);
        self.noise = Some(ratio.noise);
        self
    }

    /// With a floor, and nobody to compare with.
    pub(crate) fn missing(mut self, reason: impl Into<String>, floor: f64) -> Self {
        self.missing = Some(reason.into());
        self.floor = Some(floor);
        self
    }

    /// Not below its floor. What could not be compared is not below it.
    pub(crate) fn passes(&self) -> bool {
        self.ratio.zip(self.floor).is_none_or(|(ratio, floor)| ratio >= floor)
    }

    pub(crate) fn json(&self) -> String {
        // A plain struct of texts and numbers always encodes.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn heading() -> String {
        format!("{:<28} {:>12} {:>12}  {:<16} {:>7} {:>6}  {:<12} note", "name", "ours", "reference", "unit", "ratio", "floor", "noise")
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: f64| if number < 100.0 { format!("{number:.2}") } else { format!("{number:.0}") };
        let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let reference = if self.missing.is_some() { "missing".to_owned() } else { optional(self.reference) };
        let noise = self.noise.map_or_else(|| "-".to_owned(), |(low, high)| format!("{low:.2}-{high:.2}"));
        write!(
            formatter,
            "{:<28} {:>12} {:>12}  {:<16} {:>7} {:>6}  {:<12} {}{}",
            self.name,
            number(self.value),
            reference,
            self.unit,
            optional(self.ratio),
            optional(self.floor),
            noise,
            if self.passes() { "" } else { "BELOW THE FLOOR; " },
            self.note,
        )?;
        self.missing.as_ref().map_or(Ok(()), |reason| write!(formatter, "; missing: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_peer_is_said_and_never_guessed() {
        let row = Measured::reported("whole-path", 900.0, "1/CPU-s", "").missing("not installed", 2.0);
        let json: serde_json::Value = serde_json::from_str(&row.json()).unwrap();
        assert_eq!((&json["reference"], &json["ratio"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        assert_eq!(json["missing"], "not installed");
        assert!(row.to_string().contains("missing"));
    }

    #[test]
    fn below_the_floor_is_said() {
        let row = Measured::reported("append", 3.0, "us", "").against(2.0, 0.66, 0.7);
        assert!(!row.passes());
        assert!(row.to_string().contains("BELOW THE FLOOR"));
    }
}
