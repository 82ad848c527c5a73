//! A page's wikitext as threads, and a conversation's key.
//!
//! A thread is a section of level 2 with everything below it; so is a heading of level 1, or a deeper one that stands outside of all others.
//! What stands before the first heading is a thread without heading.
//!
//! # The key
//! `Talk:Product#Bill` is the first thread called "Bill" on that page, `Talk:Product|2#Bill` the second one, `Talk:Product` what stands before
//! all headings: neither `|` nor `#` can stand in a title. A key does not change when other sections come, go or move, unless they have the same
//! heading. A renamed heading, and a moved page, begin a new conversation; answers to the old key of a moved page still arrive, through the
//! redirect. A heading too long for a key is cut and ends with a hash of the whole.

use sportello_sdk::lenient;

use crate::words;

/// The contract's limit of a conversation's key, in bytes.
const KEY_BYTES_MAX: usize = 512;
/// The contract's limit of a conversation's title, in bytes.
const TITLE_BYTES_MAX: usize = 512;

/// A heading in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heading {
    /// Counted in lines from 0.
    pub(crate) line: usize,
    /// The number of `=` on each side.
    pub(crate) level: usize,
    /// As written, without comments, with single blanks.
    pub(crate) text: String,
}

/// Which thread of a page, as its heading says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// None: what stands before the first heading.
    pub(crate) heading: Option<String>,
    /// 1 for the first thread of this heading on the page.
    pub(crate) ordinal: usize,
}

/// A thread of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread<'a> {
    pub(crate) name: Name,
    /// Its heading is the n-th of the page, counted from 1; 0 for what stands before all headings. As MediaWiki numbers sections.
    pub(crate) section: usize,
    /// Its lines without its own heading.
    pub(crate) lines: Vec<&'a str>,
}

/// The threads of a text, in order. The first one is what stands before all headings, and may be empty.
pub(crate) fn threads(text: &str) -> Vec<Thread<'_>> {
    let lines: Vec<&str> = text.lines().collect();
    let headings = headings(text);
    let mut threads = vec![Thread { name: Name { heading: None, ordinal: 1 }, section: 0, lines: Vec::new() }];
    let mut level_open = 0;
    let mut next = 0;
    for (position, heading) in headings.iter().enumerate() {
        if level_open != 0 && heading.level > level_open.max(2) {
            continue;
        }
        if let Some(open) = threads.last_mut() {
            open.lines.extend_from_slice(&lines[next..heading.line]);
        }
        next = heading.line + 1;
        level_open = heading.level;
        let same = threads.iter().filter(|thread| thread.name.heading.as_deref() == Some(heading.text.as_str())).count();
        let name = Name { heading: Some(heading.text.clone()), ordinal: same + 1 };
        threads.push(Thread { name, section: position + 1, lines: Vec::new() });
    }
    if let Some(open) = threads.last_mut() {
        open.lines.extend_from_slice(&lines[next..]);
    }
    threads
}

/// The headings of a text, in order, as MediaWiki's preprocessor sees them: not inside `<nowiki>`, `<pre>` or a comment.
pub(crate) fn headings(text: &str) -> Vec<Heading> {
    let mut found = Vec::new();
    let mut closing: Option<&str> = None;
    for (position, line) in text.lines().enumerate() {
        if closing.is_none()
            && let Some((level, text)) = heading_of(line)
        {
            found.push(Heading { line: position, level, text });
            continue;
        }
        closing = shield_after(line, closing);
    }
    found
}

/// What closes the part without markup that is open at the line's end, if one is.
fn shield_after<'a>(mut line: &str, mut closing: Option<&'a str>) -> Option<&'a str> {
    const SHIELDS: [(&str, &str); 3] = [("<nowiki>", "</nowiki>"), ("<pre>", "</pre>"), ("<!--", "-->")];
    loop {
        let found = match closing {
            Some(end) => line.find(end).map(|at| (at + end.len(), None)),
            None => {
                let opens = SHIELDS.iter().filter_map(|(open, close)| Some((line.find(open)?, open.len(), *close)));
                opens.min_by_key(|(at, _, _)| *at).map(|(at, length, close)| (at + length, Some(close)))
            }
        };
        let Some((rest, next)) = found else { return closing };
        line = &line[rest..];
        closing = next;
    }
}

fn heading_of(line: &str) -> Option<(usize, String)> {
    if !line.starts_with('=') {
        return None;
    }
    let line = words::without_comments(line);
    let line = line.trim_end();
    let before = line.bytes().take_while(|byte| *byte == b'=').count();
    let behind = line.bytes().rev().take_while(|byte| *byte == b'=').count();
    let level = before.min(behind).min(6);
    let inner = line.get(level..line.len().checked_sub(level)?)?;
    let text = inner.split_whitespace().collect::<Vec<_>>().join(" ");
    (level > 0 && !text.is_empty()).then_some((level, text))
}

impl Name {
    /// The conversation's key of this thread on the page called `title`.
    pub(crate) fn key(&self, title: &str) -> String {
        let Some(heading) = &self.heading else { return title.to_owned() };
        let page = match self.ordinal {
            1 => format!("{title}#"),
            ordinal => format!("{title}|{ordinal}#"),
        };
        if page.len() + heading.len() <= KEY_BYTES_MAX {
            return page + heading;
        }
        let hash = format!("~{}", lenient::checksum(heading));
        let room = KEY_BYTES_MAX.saturating_sub(page.len() + hash.len());
        format!("{page}{}{hash}", cut(heading, room))
    }

    /// What people call the thread.
    pub(crate) fn title(&self, page: &str) -> String {
        let heading = self.heading.as_deref().map(words::readable);
        cut(heading.as_deref().unwrap_or(page), TITLE_BYTES_MAX).to_owned()
    }
}

/// The page's title in a conversation's key.
pub(crate) fn page_of(key: &str) -> &str {
    key.find(['#', '|']).map_or(key, |end| &key[..end])
}

/// The beginning of a text, at most so many bytes.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        threads(text).iter().map(|thread| thread.name.key("Talk:P")).collect()
    }

    #[test]
    fn a_thread_is_a_section_with_everything_below_it() {
        let text = "intro\n== A ==\na\n=== detail ===\nb\n== B ==\nc\n";
        assert_eq!(keys(text), ["Talk:P", "Talk:P#A", "Talk:P#B"]);
        let threads = threads(text);
        assert_eq!(threads[1].lines, ["a", "=== detail ===", "b"]);
        assert_eq!((threads[1].section, threads[2].section), (1, 3));
    }

    #[test]
    fn a_key_survives_other_sections_coming_and_moving() {
        assert!(keys("== New ==\n\n== B ==\n\n== A ==\n").contains(&"Talk:P#A".to_owned()));
        assert_eq!(keys("== A ==\n== A ==\n== A =="), ["Talk:P", "Talk:P#A", "Talk:P|2#A", "Talk:P|3#A"]);
        assert!(keys("== A ==").iter().all(|key| page_of(key) == "Talk:P"));
        assert_eq!(page_of("Talk:P|2#A#B|C"), "Talk:P");
    }

    #[test]
    fn headings_are_what_mediawiki_takes_for_one() {
        let text = "<nowiki>\n== no ==\n</nowiki>\n== A == <!-- note -->\n==B ==\n <!--\n== no ==\n--> \n= top =\n== in top ==\n=x\n====\n";
        let found: Vec<_> = headings(text).into_iter().map(|heading| (heading.level, heading.text)).collect();
        assert_eq!(found[..4], [(2, "A".into()), (2, "B".into()), (1, "top".into()), (2, "in top".into())]);
        assert_eq!(keys("=== orphan ===\nx\n=== other ===\n== A ==\n=== in A ===\n").len(), 4);
    }

    #[test]
    fn a_long_heading_has_a_key_of_its_own_within_the_limit() {
        let long = "è".repeat(300);
        let name = |end: &str| Name { heading: Some(format!("{long}{end}")), ordinal: 1 };
        let (one, other) = (name("1").key("Talk:P"), name("2").key("Talk:P"));
        assert!(one.len() <= 512 && one != other, "{one}");
        assert!(name("").title("Talk:P").len() <= 512);
    }
}
