//! Bytes of a file as text: byte order marks, and the encodings that legacy systems write.
//!
//! Separators, quotes and line ends are single bytes in UTF-8, Latin-1 and Windows-1252 alike, so a text stays as it was written and only the
//! cells that somebody reads are decoded. UTF-16 is made UTF-8 first.

use std::borrow::Cow;

use super::fault::Fault;

/// Bytes of a file in UTF-16: it is held a second time, as UTF-8, and a guest has 64 MiB.
pub(crate) const UTF_16_BYTES_MAX: usize = 12 << 20;

/// What a mapping says of the encoding. A byte order mark counts more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8 if it is valid, and Windows-1252 otherwise.
    Auto,
    Only(Charset),
}

/// The encodings by their words.
pub(crate) const ENCODINGS: [(&str, Encoding); 4] = [
    ("auto", Encoding::Auto),
    ("utf-8", Encoding::Only(Charset::Utf8)),
    ("latin-1", Encoding::Only(Charset::Latin1)),
    ("windows-1252", Encoding::Only(Charset::Windows1252)),
];

/// How the bytes of a text are letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf8,
    Latin1,
    Windows1252,
}

/// What Windows-1252 has where Latin-1 has control characters. A crate of encodings would bring megabytes of Asian tables for these 32 letters.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// A text without its byte order mark.
pub(crate) struct Text {
    pub(crate) bytes: Vec<u8>,
    charset: Charset,
    /// Whether every byte of it is known to be a letter's.
    is_valid: bool,
}

impl Text {
    /// Reads a whole file. Where nobody says that it is (`is_whole`), half a character of UTF-8 at its end may be one that goes on.
    pub(crate) fn read(mut bytes: Vec<u8>, encoding: Encoding, is_whole: bool) -> Result<Self, Fault> {
        let (mut charset, mark) = match bytes.as_slice() {
            [0xef, 0xbb, 0xbf, ..] => (Some(Charset::Utf8), 3),
            [0xff, 0xfe, ..] => return Self::of_utf_16(&bytes[2..], u16::from_le_bytes),
            [0xfe, 0xff, ..] => return Self::of_utf_16(&bytes[2..], u16::from_be_bytes),
            _ => (None, 0),
        };
        bytes.drain(..mark);
        if let Encoding::Only(only) = encoding {
            charset = charset.or(Some(only));
        }
        if matches!(charset, Some(Charset::Latin1 | Charset::Windows1252)) {
            return Ok(Self { bytes, charset: charset.unwrap_or(Charset::Windows1252), is_valid: true });
        }
        match (std::str::from_utf8(&bytes), charset) {
            (Ok(_), _) => Ok(Self { bytes, charset: Charset::Utf8, is_valid: true }),
            // The rest of the character is not written yet.
            (Err(error), charset) if error.error_len().is_none() && error.valid_up_to() > 0 && (charset.is_some() || !is_whole) => {
                let hint = if charset.is_none() { "; if it is whole and not UTF-8, say its `encoding`" } else { "" };
                Err(Fault::Incomplete(format!("it ends in the middle of a character{hint}")))
            }
            (Err(_), Some(_)) => Ok(Self { bytes, charset: Charset::Utf8, is_valid: false }),
            (Err(_), None) => Ok(Self { bytes, charset: Charset::Windows1252, is_valid: true }),
        }
    }

    fn of_utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Self, Fault> {
        if bytes.len() > UTF_16_BYTES_MAX {
            return Err(Fault::Broken(format!("it is UTF-16 and has {} bytes; at most {UTF_16_BYTES_MAX} are taken", bytes.len())));
        }
        let mut text = String::with_capacity(bytes.len());
        let (pairs, rest) = bytes.as_chunks::<2>();
        for letter in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
            // Half a character may be one whose other half is not written yet.
            text.push(letter.map_err(|_| Fault::Incomplete("it has half a character of UTF-16".into()))?);
        }
        if !rest.is_empty() {
            return Err(Fault::Incomplete("it ends in the middle of a character".into()));
        }
        Ok(Self { bytes: text.into_bytes(), charset: Charset::Utf8, is_valid: true })
    }

    /// Whether these bytes are letters.
    pub(crate) fn is_valid(&self, range: std::ops::Range<usize>) -> bool {
        self.is_valid || std::str::from_utf8(&self.bytes[range]).is_ok()
    }

    /// The letters of these bytes.
    pub(crate) fn decode(&self, range: std::ops::Range<usize>) -> Cow<'_, str> {
        let bytes = &self.bytes[range];
        match self.charset {
            Charset::Utf8 => String::from_utf8_lossy(bytes),
            _ if bytes.is_ascii() => String::from_utf8_lossy(bytes),
            Charset::Latin1 => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Charset::Windows1252 => Cow::Owned(bytes.iter().map(|byte| windows_1252(*byte)).collect()),
        }
    }
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        byte => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], encoding: Encoding) -> String {
        let text = Text::read(bytes.to_vec(), encoding, false).unwrap_or_else(|fault| panic!("{fault:?}"));
        text.decode(0..text.bytes.len()).into_owned()
    }

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_byte_order_mark_says_the_encoding_and_is_taken_off() {
        let latin = Encoding::Only(Charset::Latin1);
        assert_eq!(read("\u{feff}sì 𝒳".as_bytes(), latin), "sì 𝒳");
        assert_eq!(read(&utf_16("\u{feff}sì 𝒳", u16::to_le_bytes), latin), "sì 𝒳");
        assert_eq!(read(&utf_16("\u{feff}sì 𝒳", u16::to_be_bytes), Encoding::Auto), "sì 𝒳");
        assert_eq!(read(b"", Encoding::Auto), "");
    }

    #[test]
    fn latin_1_windows_1252_and_utf_8_are_read_as_the_mapping_says_or_as_they_look() {
        assert_eq!(read(b"M\xfcller \x80 5", Encoding::Auto), "Müller € 5");
        assert_eq!(read("Müller".as_bytes(), Encoding::Auto), "Müller");
        assert_eq!(read(b"M\xfcller \x85", Encoding::Only(Charset::Latin1)), "Müller \u{85}");
        assert_eq!(read("ü".as_bytes(), Encoding::Only(Charset::Windows1252)), "Ã¼");
        let text = Text::read(b"a M\xfcller b".to_vec(), Encoding::Only(Charset::Utf8), false).unwrap();
        assert!(!text.is_valid(0..6) && text.is_valid(8..10));
    }

    #[test]
    fn half_a_character_at_the_end_is_an_upload_that_goes_on() {
        let whole = "id;ü".as_bytes();
        let halves = [(&whole[..whole.len() - 1], Encoding::Auto), (&utf_16("\u{feff}ab", u16::to_le_bytes)[..5], Encoding::Auto)];
        for (half, encoding) in halves {
            assert!(matches!(Text::read(half.to_vec(), encoding, false), Err(Fault::Incomplete(_))), "{half:?}");
        }
        let half = &utf_16("\u{feff}𝒳", u16::to_be_bytes)[..4];
        assert!(matches!(Text::read(half.to_vec(), Encoding::Auto, false), Err(Fault::Incomplete(_))));
        let large = [&[0xff, 0xfe][..], &vec![0x20; UTF_16_BYTES_MAX + 2]].concat();
        assert!(matches!(Text::read(large, Encoding::Auto, false), Err(Fault::Broken(told)) if told.contains("at most 12582912")));
    }
}
