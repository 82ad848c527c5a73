//! Tryton's moments: objects with a date and a time of microseconds, in UTC without saying so.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sportello_sdk::time;

/// A moment, in microseconds since 1970. SQL compares what Tryton compares, so not a microsecond may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Stamp(i64);

impl Stamp {
    /// Before everything.
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds.saturating_mul(1000).max(0))
    }

    /// The moment this many seconds before.
    pub(crate) fn minus_seconds(self, seconds: u32) -> Self {
        Self((self.0 - i64::from(seconds) * 1_000_000).max(0))
    }

    /// The moment in a reply; None for `null`, as before a record's first change.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let number = |name: &str| value[name].as_i64();
        let text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            number("year")?,
            number("month")?,
            number("day")?,
            number("hour").unwrap_or(0),
            number("minute").unwrap_or(0),
            number("second").unwrap_or(0)
        );
        Some(Self(time::milliseconds(&text)? * 1000 + number("microsecond").unwrap_or(0)))
    }

    /// The second in a `Date` header: `Thu, 26 Nov 2026 07:16:47 GMT`.
    pub(crate) fn of_http(text: &str) -> Option<Self> {
        Some(Self::from_milliseconds(time::milliseconds(&time::from_http_date(text)?)?))
    }

    /// The same without fractions of a second.
    pub(crate) fn whole_second(self) -> Self {
        Self(self.0.div_euclid(1_000_000) * 1_000_000)
    }

    /// The moment for a search.
    pub(crate) fn written(self) -> Value {
        let text = time::from_milliseconds(self.0.div_euclid(1_000_000) * 1000);
        let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<i64>().ok());
        json!({
            "__class__": "datetime", "year": number(0, 4), "month": number(5, 7), "day": number(8, 10), "hour": number(11, 13),
            "minute": number(14, 16), "second": number(17, 19), "microsecond": self.0.rem_euclid(1_000_000),
        })
    }

    /// The microseconds, for a record's version.
    pub(crate) fn microseconds(self) -> i64 {
        self.0
    }

    /// As the contract writes it, to the millisecond.
    pub(crate) fn rfc_3339(self) -> String {
        time::from_milliseconds(self.0.div_euclid(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_back_to_the_microsecond() {
        let sent = json!({ "__class__": "datetime", "year": 2026, "month": 11, "day": 22, "hour": 11, "minute": 26, "second": 34, "microsecond": 375_245 });
        let stamp = Stamp::read(&sent).unwrap();
        assert_eq!(stamp.written(), sent);
        assert_eq!(stamp.minus_seconds(35).written()["second"], 59);
        assert_eq!(stamp.rfc_3339(), "2026-11-22T11:26:34.375Z");
        assert_eq!(Stamp::read(&Value::Null), None);
        assert_eq!(Stamp::FIRST.written()["year"], 1970);
    }
}
