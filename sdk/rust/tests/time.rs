//! What the moments promise.

use sportello_sdk::time::{from_http_date, from_milliseconds, from_seconds, milliseconds, normalise};

#[test]
fn moments_are_written_as_the_contract_wants_them() {
    for (ms, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (1_764_000_000_123, "2025-11-24T16:00:00.123Z"),
        (951_782_400_000, "2000-02-29T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00Z"),
    ] {
        assert_eq!(from_milliseconds(ms), text);
        assert_eq!(milliseconds(text), Some(ms), "{text}");
    }
    assert_eq!(from_seconds(i64::MAX), "9999-12-31T23:59:59.999Z", "what no calendar holds is the last moment");
    assert_eq!(from_seconds(i64::MIN), "0000-01-01T00:00:00Z");
}

#[test]
fn every_day_of_four_centuries_comes_back_as_it_was() {
    for day in -146_097..146_097_i64 {
        let ms = day * 86_400_000 + (day.rem_euclid(86_400)) * 1000 + day.rem_euclid(1000);
        assert_eq!(milliseconds(&from_milliseconds(ms)), Some(ms));
    }
}

#[test]
fn offsets_and_fractions_of_all_spellings_are_understood() {
    for text in [
        "2025-11-24T17:00:00+0100",
        "2025-11-24T17:00:00+01:00",
        "2025-11-24T10:30:00.000000-05:30",
        "2025-11-24 16:00:00Z",
        "2025-11-24t16:00:00,0z",
    ] {
        assert_eq!(normalise(text).as_deref(), Some("2025-11-24T16:00:00Z"), "{text}");
    }
}

#[test]
fn a_date_of_http_is_a_moment() {
    assert_eq!(from_http_date("Sun, 06 Nov 1994 08:49:37 GMT").as_deref(), Some("1994-11-06T08:49:37Z"));
    for other in
        ["Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 anF 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT", "1994-11-06T08:49:37Z", ""]
    {
        assert_eq!(from_http_date(other), None, "{other}");
    }
}

#[test]
fn what_is_no_moment_is_none() {
    for text in [
        "",
        "2025-11-24",
        "2025-11-24T16:00:00",
        "2025-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2025-11-24T24:00:00Z",
        "2025-11-24T16:00:00.Z",
        "2025-11-24T16:00:00Zx",
        "2025-11-24T16:00:00+1",
        "è025-11-24T16:00:00Z",
        "+025-11-24T16:00:00Z",
    ] {
        assert_eq!(milliseconds(text), None, "{text}");
    }
}
