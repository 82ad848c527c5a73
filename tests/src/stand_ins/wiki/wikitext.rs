//! Titles, sections and signatures, as far as MediaWiki 1.39 and our tests need them. All rules here were measured on the real one.

use jiff::Timestamp;

/// One heading with all that follows it down to the next heading of the same or a higher level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// 1 for `= x =` … 6.
    pub(super) level: usize,
    /// What stands between the equals signs, trimmed.
    pub(super) heading: String,
    /// Where the heading's line begins, in bytes.
    pub(super) from: usize,
    /// Where the section ends, in bytes; sub-sections are inside.
    pub(super) to: usize,
}

/// Namespace number and normalised title: underscores and runs of spaces become one space, first letters are capital. `None` for a bad title.
pub(super) fn title_of(text: &str) -> Option<(i64, String)> {
    const FORBIDDEN: &[char] = &['[', ']', '{', '}', '<', '>', '|', '#', '\n'];
    const NAMESPACES: &[(i64, &str)] = &[(1, "Talk"), (2, "User"), (3, "User talk"), (4, "Project"), (5, "Project talk")];
    let joined = text.split(['_', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if joined.is_empty() || joined.contains(FORBIDDEN) {
        return None;
    }
    if let Some((prefix, rest)) = joined.split_once(':')
        && let Some((number, name)) = NAMESPACES.iter().find(|(_, name)| name.eq_ignore_ascii_case(prefix.trim()))
    {
        let rest = rest.trim();
        return (!rest.is_empty()).then(|| (*number, format!("{name}:{}", capital(rest))));
    }
    Some((0, capital(&joined)))
}

/// All sections in order; the n-th has the index n + 1. Headings inside `nowiki`, `pre` and comments are none.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut headings: Vec<(usize, String, usize)> = Vec::new();
    let mut closing: Option<&str> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if closing.is_none()
            && let Some((level, heading)) = heading_of(line.trim_end())
        {
            headings.push((level, heading, at));
        }
        closing = still_closed_to_headings(line, closing);
        at += line.len();
    }
    let end_of = |position: usize, level: usize| {
        headings[position + 1..].iter().find(|(other, _, _)| *other <= level).map_or(text.len(), |(_, _, from)| *from)
    };
    headings
        .iter()
        .enumerate()
        .map(|(position, (level, heading, from))| Section {
            level: *level,
            heading: heading.clone(),
            from: *from,
            to: end_of(position, *level),
        })
        .collect()
}

/// Where section `index` stands; 0 is what comes before the first heading.
pub(super) fn section_range(text: &str, index: usize) -> Option<(usize, usize)> {
    let all = sections(text);
    match index {
        0 => Some((0, all.first().map_or(text.len(), |first| first.from))),
        _ => all.get(index - 1).map(|section| (section.from, section.to)),
    }
}

/// Puts `replacement` in the place of a section, one empty line before what follows; the page's end is trimmed.
pub(super) fn replace_range(text: &str, (from, to): (usize, usize), replacement: &str) -> String {
    let (before, after) = (&text[..from], &text[to..]);
    let joint = if after.is_empty() { "" } else { "\n\n" };
    format!("{before}{}{joint}{}", replacement.trim_end(), after.trim_start_matches('\n')).trim_end().to_owned()
}

/// A new section at the end of the page.
pub(super) fn with_new_section(text: &str, heading: &str, body: &str) -> String {
    let heading = heading.trim();
    let section = if heading.is_empty() { body.to_owned() } else { format!("== {heading} ==\n\n{body}") };
    let joint = if text.is_empty() { "" } else { "\n\n" };
    format!("{text}{joint}{section}").trim_end().to_owned()
}

/// Replaces `~~~~` by the signature MediaWiki writes.
pub(super) fn sign(text: &str, user: &str, now: Timestamp) -> String {
    let time = now.strftime("%H:%M, %-d %B %Y (UTC)");
    text.replace("~~~~", &format!("[[User:{user}|{user}]] ([[User talk:{user}|talk]]) {time}"))
}

/// The heading as HTML (`line`) and as an anchor before it is made unique.
pub(super) fn heading_shown(heading: &str) -> (String, String) {
    let mut plain = String::new();
    let mut rest = heading;
    // [[target|label]] shows the label, [[target]] the target.
    while let Some((before, after)) = rest.split_once("[[") {
        plain.push_str(before);
        match after.split_once("]]") {
            Some((link, after)) => {
                plain.push_str(link.rsplit('|').next().unwrap_or(link));
                rest = after;
            }
            None => {
                plain.push_str("[[");
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    let html = plain.split("''").enumerate().fold(String::new(), |mut html, (position, part)| {
        if position > 0 {
            html.push_str(if position % 2 == 1 { "<i>" } else { "</i>" });
        }
        html + part
    });
    let mut inside_tag = false;
    let anchor = html.chars().filter(|letter| {
        let kept = !inside_tag && *letter != '<';
        inside_tag = (inside_tag || *letter == '<') && *letter != '>';
        kept
    });
    let anchor = anchor.collect::<String>().replace(' ', "_");
    (html, anchor)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn heading_of(line: &str) -> Option<(usize, String)> {
    let signs = |text: &str| text.bytes().take_while(|byte| *byte == b'=').count();
    let reversed: String = line.chars().rev().collect();
    let level = signs(line).min(signs(&reversed)).min(6);
    let inner = line.get(level..line.len().checked_sub(level)?)?.trim();
    (level > 0 && !inner.is_empty()).then(|| (level, inner.to_owned()))
}

fn still_closed_to_headings<'a>(line: &str, closing: Option<&'a str>) -> Option<&'a str> {
    const SHIELDS: [(&str, &str); 3] = [("<nowiki>", "</nowiki>"), ("<pre>", "</pre>"), ("<!--", "-->")];
    match closing {
        Some(end) => (!line.contains(end)).then_some(end),
        None => SHIELDS.iter().find(|(open, close)| line.rfind(open) > line.rfind(close)).map(|(_, close)| *close),
    }
}
