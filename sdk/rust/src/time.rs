//! Moments as the contract writes them: RFC 3339 in UTC.

use std::time::Duration;

/// The moment of this many seconds since 1970, as most platforms write it.
#[must_use]
pub fn from_seconds(seconds: i64) -> String {
    from_milliseconds(seconds.saturating_mul(1000))
}

/// The moment of this many milliseconds since 1970. What is outside the years 0 to 9999 becomes the nearest moment inside.
#[must_use]
pub fn from_milliseconds(milliseconds: i64) -> String {
    let milliseconds = milliseconds.clamp(FIRST_MS, LAST_MS);
    let (days, of_day) = (milliseconds.div_euclid(DAY_MS), milliseconds.rem_euclid(DAY_MS));
    // Days to a date of the Gregorian calendar, by eras of 400 years that begin on 1 March.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second, fraction) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60, of_day % 1000);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Milliseconds since 1970 of an ISO 8601 moment with an offset (`Z`, `+01:00`, `+0100`), or None where it is none. Finer parts are cut off.
#[must_use]
pub fn milliseconds(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut fraction_ms = 0;
    if is(at, b".,") {
        at += 1;
        let mut unit = 100;
        let start = at;
        while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            fraction_ms += i64::from(digit - b'0') * unit;
            unit /= 10;
            at += 1;
        }
        if at == start {
            return None;
        }
    }
    let offset_minutes = match bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') => {
            let hours = number(at + 1, at + 3)?;
            let (minutes, end) = if is(at + 3, b":") { (number(at + 4, at + 6)?, at + 6) } else { (number(at + 3, at + 5)?, at + 5) };
            if bytes.len() != end || hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    let (year_from_march, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year_from_march.div_euclid(400), year_from_march.rem_euclid(400));
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * DAY_MS + ((hour * 60 + minute - offset_minutes) * 60 + second) * 1000 + fraction_ms)
}

/// The same moment as the contract writes it, or None where `text` is none.
#[must_use]
pub fn normalise(text: &str) -> Option<String> {
    milliseconds(text).map(from_milliseconds)
}

/// The moment of a date as HTTP's headers write it, `Sun, 06 Nov 1994 08:49:37 GMT`, or None where `text` is none. The two obsolete ways of writing
/// one are not read. <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>
#[must_use]
pub fn from_http_date(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, clock, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|known| known == month)? + 1;
    normalise(&format!("{year}-{month:02}-{day}T{clock}Z"))
}

/// When the call began or, once a request has been answered, when the last one was. Guests have no other clock.
#[must_use]
pub fn now() -> String {
    from_milliseconds(now_milliseconds())
}

/// The moment this long after [`now`], so after the last answer: for [`crate::Error::rate_limited`].
#[must_use]
pub fn after(duration: Duration) -> String {
    from_milliseconds(now_milliseconds().saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
}

/// Of WASI itself: a guest built without it has no clock in the standard library.
#[cfg(target_arch = "wasm32")]
pub(crate) fn now_milliseconds() -> i64 {
    let now = wasip2::clocks::wall_clock::now();
    i64::try_from(now.seconds).unwrap_or(i64::MAX).saturating_mul(1000).saturating_add(i64::from(now.nanoseconds / 1_000_000))
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn now_milliseconds() -> i64 {
    crate::testing::now_milliseconds()
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

const DAY_MS: i64 = 86_400_000;
/// 0000-01-01T00:00:00Z
const FIRST_MS: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z
const LAST_MS: i64 = 253_402_300_799_999;
