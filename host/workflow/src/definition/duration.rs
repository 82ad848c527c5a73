//! Lengths of time as people write them: `45s`, `10m`, `2h`, `3d`.

/// The units and their milliseconds, the longest first.
const UNITS: [(char, u64); 4] = [('d', 86_400_000), ('h', 3_600_000), ('m', 60_000), ('s', 1_000)];

/// Milliseconds of a length of time.
///
/// # Errors
/// A sentence saying what one looks like.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let malformed = || format!("{text:?} is no length of time; write a whole number and s, m, h or d, for example \"10m\"");
    let unit = text.chars().last().ok_or_else(malformed)?;
    let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let number: u64 = digits.parse().map_err(|_| malformed())?;
    number.checked_mul(*unit_ms).filter(|ms| *ms > 0).ok_or_else(malformed)
}

/// A length of time as one would write it.
pub(crate) fn write(ms: u64) -> String {
    let fitting = UNITS.iter().find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms));
    fitting.map_or_else(|| format!("{ms}ms"), |(unit, unit_ms)| format!("{}{unit}", ms / unit_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["1s", "45s", "10m", "2h", "3d", "90m"] {
            assert_eq!(write(parse(text).expect(text)), text);
        }
        assert_eq!(write(parse("60m").expect("an hour")), "1h");
    }

    #[test]
    fn anything_else_is_said_to_be_none() {
        for text in ["", "10", "m", "-1m", "0s", "1.5h", "10 m", "99999999999999999999d", "1w", "5à"] {
            assert!(parse(text).is_err(), "{text:?} was taken");
        }
    }
}
