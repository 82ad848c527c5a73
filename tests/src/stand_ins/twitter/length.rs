//! How long a text is, as the platform counts. [length]

/// The longest text a post may have. [length]
pub(super) const LENGTH_MAX: usize = 280;
/// What any link counts, because the platform puts a short one in its place. [length]
const LINK_LENGTH: usize = 23;
/// The letters that count once; all others count twice. They are the ranges of the platform's own library,
/// <https://github.com/twitter/twitter-text/blob/master/config/v3.json>.
const LIGHT: [std::ops::RangeInclusive<u32>; 4] = [0..=0x10ff, 0x2000..=0x200d, 0x2010..=0x201f, 0x2032..=0x2037];
const JOINER: char = '\u{200d}';

/// The top-level domains known here. The platform's library knows all of them:
/// <https://github.com/twitter/twitter-text/blob/master/js/src/regexp/validGTLD.js>, `validCCTLD.js`.
const TOP_LEVEL_DOMAINS: [&str; 13] = ["com", "org", "net", "info", "eu", "it", "de", "fr", "es", "ch", "at", "uk", "io"];

/// The weighted length. Three things are simpler than on the platform: a link without a scheme is one only under a few top-level domains, one
/// with a scheme ends with the word whatever its domain is, and texts are taken to be in NFC.
pub(super) fn weighted(text: &str) -> usize {
    let mut length = 0;
    let mut rest = text;
    let mut before = None;
    while let Some(letter) = rest.chars().next() {
        let (bytes, weight) = if let Some(bytes) = link_at(before, rest) {
            (bytes, LINK_LENGTH)
        } else if is_pictograph(letter) {
            (rest.len() - after_pictograph(rest).len(), 2)
        } else {
            (letter.len_utf8(), if LIGHT.iter().any(|range| range.contains(&u32::from(letter))) { 1 } else { 2 })
        };
        length += weight;
        before = rest[..bytes].chars().next_back();
        rest = &rest[bytes..];
    }
    length
}

/// How many bytes long the link is that the text begins with, if it does. What may stand before one:
/// <https://github.com/twitter/twitter-text/blob/master/js/src/regexp/validUrlPrecedingChars.js>, `invalidUrlWithoutProtocolPrecedingChars.js`.
pub(super) fn link_at(before: Option<char>, text: &str) -> Option<usize> {
    if before.is_some_and(|letter| letter.is_ascii_alphanumeric() || "@＠$#＃".contains(letter)) {
        return None;
    }
    let word = &text[..text.find(char::is_whitespace).unwrap_or(text.len())];
    if word.starts_with("http://") || word.starts_with("https://") {
        return Some(without_full_stop(word));
    }
    let domain = domain_bytes(word).filter(|_| before.is_none_or(|letter| !"-_./".contains(letter)))?;
    let behind = &word[domain..];
    let has_port = behind.strip_prefix(':').is_some_and(|port| port.starts_with(|digit: char| digit.is_ascii_digit()));
    let goes_on = has_port || behind.starts_with(['/', '?']);
    Some(if goes_on { without_full_stop(word).max(domain) } else { domain })
}

/// How many bytes long the domain is that a word begins with: ASCII labels, the last of which is a top-level domain.
fn domain_bytes(word: &str) -> Option<usize> {
    let is_of_domain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    let letters = &word[..word.find(|letter| !is_of_domain(letter)).unwrap_or(word.len())];
    let is_followed_well = |end: usize| !word[end..].starts_with(['@', '+']);
    let mut longest = None;
    let mut end = 0;
    for (position, label) in letters.split('.').enumerate() {
        end += label.len() + usize::from(position > 0);
        if label.is_empty() {
            break;
        }
        if position > 0 && TOP_LEVEL_DOMAINS.contains(&label.to_ascii_lowercase().as_str()) && is_followed_well(end) {
            longest = Some(end);
        }
    }
    longest
}

/// What ends a sentence does not belong to the link before it.
fn without_full_stop(word: &str) -> usize {
    word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"']).len()
}

/// Pictures count twice, whatever they are made of. [length] Which letters are pictures is taken from Unicode's blocks.
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
            ("https://example.org/a!", 24),
            ("👾", 2),
            ("🙋🏽", 2),
            ("👨\u{200d}👩\u{200d}👧\u{200d}👦!", 3),
            ("🇮🇹🇮🇹", 4),
            ("❤\u{fe0f}", 2),
        ] {
            assert_eq!(weighted(text), length, "{text}");
        }
    }

    #[test]
    fn a_domain_without_a_scheme_is_a_link_too() {
        for (text, length) in [
            ("example.org", 23),
            ("(Example.ORG)", 25),
            ("vedi www.example.co.uk/a/very/long/way?x=1.", 29),
            ("example.org, example.it:8080/x", 48),
            ("example.org: ecco", 29),
            ("èexample.org", 24),
            // Not after these, nor where a word goes on behind it, nor under a domain nobody has.
            ("info@example.org", 16),
            ("#example.org", 12),
            ("x_example.org", 13),
            ("example.org@home", 16),
            ("example.organic", 15),
            ("node.js", 7),
            (".org", 4),
            ("a..org", 6),
            ("Fine.Inizio", 11),
        ] {
            assert_eq!(weighted(text), length, "{text}");
        }
    }
}
