//! How long a text is, as the platform counts. [length]

/// The longest text a post may have.
pub(super) const LENGTH_MAX: usize = 280;
/// What any link counts, because the platform puts a short one in its place.
const LINK_LENGTH: usize = 23;
/// The letters that count once; all others count twice. They are the ranges of the platform's own library,
/// <https://github.com/twitter/twitter-text/blob/master/config/v3.json>.
const LIGHT: [std::ops::RangeInclusive<u32>; 4] = [0..=0x10ff, 0x2000..=0x200d, 0x2010..=0x201f, 0x2032..=0x2037];
const JOINER: char = '\u{200d}';

/// The weighted length. Two things are simpler than on the platform: only links with a scheme are seen, and texts are taken to be in NFC.
pub(super) fn weighted(text: &str) -> usize {
    let mut length = 0;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if rest.starts_with("http://") || rest.starts_with("https://") {
            rest = &rest[rest.find(char::is_whitespace).unwrap_or(rest.len())..];
            length += LINK_LENGTH;
        } else if is_pictograph(letter) {
            rest = after_pictograph(rest);
            length += 2;
        } else {
            rest = &rest[letter.len_utf8()..];
            length += if LIGHT.iter().any(|range| range.contains(&u32::from(letter))) { 1 } else { 2 };
        }
    }
    length
}

fn is_pictograph(letter: char) -> bool {
    matches!(u32::from(letter), 0x2600..=0x27bf | 0x1f000..=0x1faff)
}

/// What follows one picture: its tone, its variant, and whatever is joined to it belong to it; two regional letters are one flag.
fn after_pictograph(text: &str) -> &str {
    let mut letters = text.chars().peekable();
    let is_regional = |letter: char| matches!(letter, '\u{1f1e6}'..='\u{1f1ff}');
    let mut taken = letters.next().map_or(0, char::len_utf8);
    if text.starts_with(is_regional)
        && let Some(second) = letters.next_if(|letter| is_regional(*letter))
    {
        return &text[taken + second.len_utf8()..];
    }
    while let Some(letter) = letters.next_if(|letter| matches!(letter, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{200d}')) {
        taken += letter.len_utf8();
        if letter == JOINER {
            taken += letters.next().map_or(0, char::len_utf8);
        }
    }
    &text[taken..]
}

#[cfg(test)]
mod tests {
    use super::weighted;

    #[test]
    fn links_count_23_and_pictures_and_other_scripts_2() {
        for (text, length) in [
            ("", 0),
            ("Perché no?", 10),
            ("世界", 4),
            ("https://example.org/a/very/long/way", 23),
            ("a https://example.org b", 27),
            ("👾", 2),
            ("🙋🏽", 2),
            ("👨\u{200d}👩\u{200d}👧\u{200d}👦!", 3),
            ("🇮🇹🇮🇹", 4),
            ("❤\u{fe0f}", 2),
        ] {
            assert_eq!(weighted(text), length, "{text}");
        }
    }
}
