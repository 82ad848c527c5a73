//! A person's words in wikitext, and wikitext for ours.
//!
//! Taken off: comments, the colons that indent an answer, and the signature (`~~~~` as the wiki wrote it out). Markup stays as it was written:
//! what a template or a link shows is not known without rendering the page.

/// A signature's date has a time of day; its end is the name of a time zone in parentheses. Between the last link and that end there is not
/// more than this.
const SIGNATURE_DATE_BYTES_MAX: usize = 80;
/// Between two links of a signature there is not more than this: ` (`, ` | `, small tags.
const SIGNATURE_GAP_BYTES_MAX: usize = 40;

/// The words of these lines, written by `author`; empty if there are none.
pub(crate) fn said(lines: &[&str], author: Option<&str>) -> String {
    let text = without_comments(&lines.join("\n"));
    let lines = text.lines().map(|line| without_signature(line.trim_start_matches(':').trim(), author).trim_end());
    let said = lines.collect::<Vec<_>>().join("\n");
    said.trim().to_owned()
}

/// A text without `<!-- … -->`. A comment that is not closed goes to the end, as in MediaWiki.
pub(crate) fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = behind.split_once("-->").map_or("", |(_, behind)| behind);
    }
    kept + rest
}

/// A heading without the markup people use in headings: quotes for bold and italics, links, tags.
pub(crate) fn readable(heading: &str) -> String {
    let mut text = String::with_capacity(heading.len());
    let mut rest = heading;
    while let Some((before, behind)) = rest.split_once("[[") {
        text.push_str(before);
        let (link, behind) = behind.split_once("]]").unwrap_or((behind, ""));
        text.push_str(link.rsplit('|').next().unwrap_or(link));
        rest = behind;
    }
    text.push_str(rest);
    without_tags(&text.replace("'''", "").replace("''", ""))
}

/// A text without `<…>`.
pub(crate) fn without_tags(text: &str) -> String {
    let mut inside = false;
    let kept = text.chars().filter(|letter| {
        let is_kept = !inside && *letter != '<';
        inside = (inside || *letter == '<') && *letter != '>';
        is_kept
    });
    kept.collect()
}

/// Our words as wikitext in which nothing is markup: no template, link, tag, list, heading, signature. Addresses still become links.
pub(crate) fn as_wikitext(words: &str) -> Vec<String> {
    words.lines().map(str::trim).filter(|line| !line.is_empty()).map(escaped).collect()
}

fn escaped(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    let mut previous = None;
    for (at, letter) in line.char_indices() {
        // One of a pair is enough: `{{`, `[[`, `''`, `~~~`, `__TOC__`.
        let doubled = previous == Some(letter);
        match letter {
            '<' => escaped.push_str("&lt;"),
            '{' | '[' | '}' | ']' | '~' | '\'' | '_' if doubled => {
                escaped.push_str(&format!("&#{};", u32::from(letter)));
                previous = None;
                continue;
            }
            '|' => escaped.push_str("&#124;"),
            '&' if is_entity(&line[at + 1..]) => escaped.push_str("&amp;"),
            ':' | ';' | '*' | '#' | '=' if at == 0 => escaped.push_str(&format!("&#{};", u32::from(letter))),
            letter => escaped.push(letter),
        }
        previous = Some(letter);
    }
    escaped
}

fn is_entity(behind: &str) -> bool {
    let name = behind.trim_start_matches(|letter: char| letter == '#' || letter.is_ascii_alphanumeric());
    name.starts_with(';') && name.len() < behind.len()
}

/// The line without the signature at its end, if it is one of `author`'s (the user's name, or an address): links to the author, then a date.
fn without_signature<'a>(line: &'a str, author: Option<&str>) -> &'a str {
    let Some(author) = author else { return line };
    let end = line.trim_end();
    let Some(zone) = end.strip_suffix(')').and_then(|inner| inner.rfind('(').map(|at| &inner[at + 1..])) else { return line };
    let is_zone = (1..=5).contains(&zone.len()) && zone.bytes().all(|byte| byte.is_ascii_uppercase() || b"+-0123456789".contains(&byte));
    if !is_zone {
        return line;
    }
    // From the end backwards: the last link must be the author's, and so must be those close before it.
    let mut begin = None;
    let mut behind = end.len();
    let mut gap_max = SIGNATURE_DATE_BYTES_MAX;
    while let Some(open) = end[..behind].rfind("[[") {
        let Some(close) = end[open..behind].find("]]").map(|at| open + at + 2) else { break };
        let gap = &end[close..behind];
        let target = end[open + 2..close - 2].split('|').next().unwrap_or_default();
        if gap.len() > gap_max || !leads_to(target, author) || (begin.is_none() && !has_time_of_day(gap)) {
            break;
        }
        begin = Some(open);
        behind = open;
        gap_max = SIGNATURE_GAP_BYTES_MAX;
    }
    match begin {
        Some(begin) => line[..begin].trim_end().trim_end_matches(['-', '–', '—']).trim_end(),
        None => line,
    }
}

/// `User:Ada`, `Utente:Ada`, `Special:Contributions/192.0.2.7`, `User talk:Ada#top`.
fn leads_to(target: &str, author: &str) -> bool {
    let target = target.split('#').next().unwrap_or_default().replace('_', " ");
    let Some((_, page)) = target.split_once(':') else { return false };
    let name = page.rsplit_once('/').map_or(page, |(_, name)| name).trim();
    name == author || page.trim() == author
}

fn has_time_of_day(text: &str) -> bool {
    text.as_bytes().windows(5).any(|window| matches!(window, [a, b, b':', c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_in_any_language_is_not_part_of_the_words() {
        let signed = [
            "No signal. [[User:Ada L|Ada L]] ([[User talk:Ada L|talk]]) 11:25, 22 November 2026 (UTC)",
            ":: No signal. --[[Utente:Ada L|Ada L]] ([[Discussioni utente:Ada L|msg]]) 12:25, 22 nov 2026 (CET)",
            "No signal. — [[User:Ada_L|<b>Ada</b>]] | [[User talk:Ada L#top|write]] 22 novembre 2026 à 11:25 (CET)",
        ];
        for line in signed {
            assert_eq!(said(&[line], Some("Ada L")), "No signal.", "{line}");
        }
        let anonymous = "Hello [[Special:Contributions/192.0.2.7|192.0.2.7]] ([[User talk:192.0.2.7|talk]]) 11:25, 22 November 2026 (UTC)";
        assert_eq!(said(&[anonymous], Some("192.0.2.7")), "Hello");
    }

    #[test]
    fn words_that_look_like_a_signature_stay() {
        for line in [
            "I wrote to [[User:Bob|Bob]] at 11:25 (UTC)",
            "It was 11:25 (CET)",
            "see [[Help:Ada L|help]] (UTC)",
            "[[User:Ada L]] said (no)",
        ] {
            assert_eq!(said(&[line], Some("Ada L")), line);
        }
    }

    #[test]
    fn comments_and_indentation_are_not_said() {
        assert_eq!(said(&["::a<!-- x", "y -->b", "", ":c"], None), "ab\n\nc");
    }

    #[test]
    fn our_words_are_words_and_never_markup() {
        let wikitext =
            as_wikitext("== x ==\n\n* {{delete}} [[File:a]] ~~~~ <ref> &lt; A&B 'it''s' __TOC__ a|b\nè 🙏 https://x.example/?a=1&b=2");
        assert_eq!(wikitext.len(), 3);
        let all = wikitext.join("\n");
        for markup in ["{{", "}}", "[[", "]]", "~~~", "''", "__", "<", "|", "\n=", "\n*"] {
            assert!(!all.contains(markup), "{markup} in {all}");
        }
        assert!(all.contains("&amp;lt; A&B") && all.contains("https://x.example/?a=1&b=2") && all.contains("è 🙏"), "{all}");
        assert!(!all.starts_with('='), "{all}");
    }

    #[test]
    fn headings_are_read_without_their_markup() {
        assert_eq!(readable("''Very'' '''bad''' [[Talk:X|line]] <s>now</s> [[Y]]"), "Very bad line now Y");
    }
}
