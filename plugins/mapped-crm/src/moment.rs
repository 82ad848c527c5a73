//! Moments as a system writes them, read and written by the same pattern.

use sportello_sdk::time;

/// How a moment is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// `2026-11-22T10:15:00Z`, with any offset and any fraction.
    Rfc3339,
    /// Whole seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMilliseconds,
    /// A pattern, and the minutes its local time is ahead of UTC where it does not say so itself.
    Pattern(Vec<Piece>, i32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Letter(char),
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Milliseconds,
    Offset,
}

/// What stands for what in a pattern.
const PIECES: [(char, Piece, usize); 8] = [
    ('Y', Piece::Year, 4),
    ('m', Piece::Month, 2),
    ('d', Piece::Day, 2),
    ('H', Piece::Hour, 2),
    ('M', Piece::Minute, 2),
    ('S', Piece::Second, 2),
    ('f', Piece::Milliseconds, 3),
    ('z', Piece::Offset, 0),
];

/// What a format is, for messages.
pub(crate) const EXPECTED: &str = "`rfc-3339`, `unix-seconds`, `unix-milliseconds`, or a pattern of %Y %m %d %H %M %S %f (milliseconds) \
                                   and %z (offset) with at least %Y, %m and %d";

impl Format {
    /// Reads `format` and `offset` of a mapping.
    pub(crate) fn read(text: &str, offset_minutes: i32) -> Option<Self> {
        Some(match text {
            "rfc-3339" => Self::Rfc3339,
            "unix-seconds" => Self::UnixSeconds,
            "unix-milliseconds" => Self::UnixMilliseconds,
            pattern => Self::Pattern(pieces(pattern)?, offset_minutes),
        })
    }

    /// Milliseconds since 1970, or None where the text is not written so.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        match self {
            Self::Rfc3339 => time::milliseconds(text),
            Self::UnixSeconds => {
                let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
                let milliseconds: String = fraction.chars().chain("000".chars()).take(3).collect();
                let milliseconds: i64 = milliseconds.parse().ok()?;
                seconds.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(milliseconds)
            }
            Self::UnixMilliseconds => text.parse().ok(),
            Self::Pattern(pieces, offset_minutes) => parse(pieces, *offset_minutes, text),
        }
    }

    /// The moment as the system writes it; what is finer than it writes is cut off.
    pub(crate) fn write(&self, milliseconds: i64) -> String {
        match self {
            Self::Rfc3339 => time::from_milliseconds(milliseconds),
            Self::UnixSeconds => milliseconds.div_euclid(1000).to_string(),
            Self::UnixMilliseconds => milliseconds.to_string(),
            Self::Pattern(pieces, offset_minutes) => {
                let local = time::from_milliseconds(milliseconds + i64::from(*offset_minutes) * 60_000);
                let mut written = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Letter(letter) => written.push(*letter),
                        Piece::Milliseconds => written.push_str(&format!("{:03}", milliseconds.rem_euclid(1000))),
                        Piece::Offset => written.push_str(&offset_text(*offset_minutes)),
                        piece => written.push_str(local.get(place(piece)).unwrap_or_default()),
                    }
                }
                written
            }
        }
    }
}

/// Minutes of an offset like `+01:00`.
pub(crate) fn offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|letter| *letter != ':').collect();
    let number = |from: usize, to: usize| digits.get(from..to).and_then(|digits| digits.parse::<i32>().ok());
    let (hours, minutes) = (number(0, 2)?, number(2, 4)?);
    (digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit()) && hours < 24 && minutes < 60)
        .then_some(sign * (hours * 60 + minutes))
}

fn offset_text(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// Where it stands in RFC 3339.
fn place(piece: &Piece) -> std::ops::Range<usize> {
    match piece {
        Piece::Year => 0..4,
        Piece::Month => 5..7,
        Piece::Day => 8..10,
        Piece::Hour => 11..13,
        Piece::Minute => 14..16,
        Piece::Second => 17..19,
        Piece::Letter(_) | Piece::Milliseconds | Piece::Offset => 0..0,
    }
}

fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            pieces.push(Piece::Letter(letter));
            continue;
        }
        let sign = letters.next()?;
        if sign == '%' {
            pieces.push(Piece::Letter('%'));
        } else {
            pieces.push(PIECES.iter().find(|(known, ..)| *known == sign)?.1.clone());
        }
    }
    [Piece::Year, Piece::Month, Piece::Day].iter().all(|needed| pieces.contains(needed)).then_some(pieces)
}

fn parse(pieces: &[Piece], mut offset_minutes: i32, text: &str) -> Option<i64> {
    let mut rest = text;
    let (mut date, mut clock, mut milliseconds) = ([0_u32; 3], [0_u32; 3], 0_i64);
    for piece in pieces {
        match piece {
            Piece::Letter(letter) => rest = rest.strip_prefix(*letter)?,
            Piece::Offset => {
                let end = match rest.as_bytes().first()? {
                    b'Z' => 1,
                    _ if rest.as_bytes().get(3) == Some(&b':') => 6,
                    _ => 5,
                };
                offset_minutes = offset(rest.get(..end)?)?;
                rest = &rest[end..];
            }
            piece => {
                let digits = PIECES.iter().find(|(_, known, _)| known == piece)?.2;
                let number = rest.get(..digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?.parse().ok()?;
                rest = &rest[digits..];
                match piece {
                    Piece::Year => date[0] = number,
                    Piece::Month => date[1] = number,
                    Piece::Day => date[2] = number,
                    Piece::Hour => clock[0] = number,
                    Piece::Minute => clock[1] = number,
                    Piece::Second => clock[2] = number,
                    _ => milliseconds = i64::from(number),
                }
            }
        }
    }
    if !rest.is_empty() {
        return None;
    }
    let [year, month, day] = date;
    let [hour, minute, second] = clock;
    let whole = time::milliseconds(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))?;
    Some(whole + milliseconds - i64::from(offset_minutes) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(format: &str, offset_minutes: i32, written: &str, rfc_3339: &str) {
        let format = Format::read(format, offset_minutes).unwrap();
        let milliseconds = format.parse(written).unwrap_or_else(|| panic!("{written}"));
        assert_eq!(time::from_milliseconds(milliseconds), rfc_3339);
        assert_eq!(format.write(milliseconds), written);
    }

    #[test]
    fn a_moment_is_read_and_written_by_one_pattern() {
        there_and_back("rfc-3339", 0, "2026-11-22T10:15:00.250Z", "2026-11-22T10:15:00.250Z");
        there_and_back("unix-seconds", 0, "1764000000", "2025-11-24T16:00:00Z");
        there_and_back("unix-milliseconds", 0, "1764000000123", "2025-11-24T16:00:00.123Z");
        there_and_back("%Y-%m-%d %H:%M:%S", 0, "2026-11-22 10:15:00", "2026-11-22T10:15:00Z");
        there_and_back("%d.%m.%Y, %H:%M", 60, "22.11.2026, 00:15", "2026-11-21T23:15:00Z");
        there_and_back("%Y%m%dT%H%M%S.%f%z", -150, "20261122T101500.007-02:30", "2026-11-22T12:45:00.007Z");
    }

    #[test]
    fn what_is_not_written_so_is_no_moment() {
        let format = Format::read("%Y-%m-%d", 0).unwrap();
        for wrong in ["2026-13-01", "2026-02-30", "2026-1-1", "22.11.2026", "2026-11-22 ", "", "𝒳"] {
            assert_eq!(format.parse(wrong), None, "{wrong}");
        }
        assert_eq!(Format::read("%Y-%m", 0), None, "a day is needed");
        assert_eq!(Format::read("%Y-%m-%d %q", 0), None, "no such piece");
        assert_eq!(Format::read("unix-seconds", 0).unwrap().parse("12.5x"), None);
        assert_eq!((offset("+01:00"), offset("-0230"), offset("1"), offset("+1:0")), (Some(60), Some(-150), None, None));
    }
}
