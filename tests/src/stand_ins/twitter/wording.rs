//! A text as the platform sends it: links are short, and `&`, `<` and `>` are written as in HTML.
//!
//! A documented post shows both: "[…] devs &amp; researchers […] https://t.co/BPqMcQzhId" in <https://docs.x.com/x-api/fundamentals/data-dictionary>; a
//! link's rows in `entities` are there, too. Which letters their places count is not said: here those of the text as it is sent.

use ring::digest::{SHA256, digest};

use super::length::link_at;

/// How many letters of a link's path are displayed: "blog.x.com/developer/en_u…" of the same page.
const PATH_LETTERS: usize = 15;

/// A text as it is sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) text: String,
    pub(super) links: Vec<Link>,
    /// How long it is: what is escaped counts as one letter.
    pub(super) letters: usize,
    /// Where each of the author's letters begins in it, and where it ends.
    places: Vec<usize>,
}

/// A link in it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) start: usize,
    pub(super) end: usize,
    /// As it stands there.
    pub(super) short: String,
    pub(super) whole: String,
    /// As people see it.
    pub(super) displayed: String,
}

impl Sent {
    /// Of the text as its author wrote it.
    pub(super) fn of(text: &str) -> Self {
        let mut sent = Self { text: String::new(), links: Vec::new(), letters: 0, places: Vec::new() };
        let mut end = 0;
        let mut before = None;
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let (bytes, written) = match link_at(before, rest) {
                Some(bytes) => (bytes, sent.link(&rest[..bytes], end)),
                None => (letter.len_utf8(), escaped(letter)),
            };
            let letters = written.chars().count();
            sent.letters += if bytes == letter.len_utf8() { 1 } else { letters };
            // All letters of a link lie where it begins.
            sent.places.extend(rest[..bytes].chars().map(|_| end));
            end += letters;
            sent.text.push_str(&written);
            before = rest[..bytes].chars().next_back();
            rest = &rest[bytes..];
        }
        sent.places.push(end);
        sent
    }

    /// Where the author's letter stands in it.
    pub(super) fn place(&self, letter: usize) -> usize {
        self.places.get(letter).or(self.places.last()).copied().unwrap_or_default()
    }

    /// How many letters it has as it is sent.
    pub(super) fn end(&self) -> usize {
        self.place(usize::MAX)
    }

    /// Notes a link that begins there, and gives what is written for it.
    fn link(&mut self, typed: &str, start: usize) -> String {
        let name = typed.strip_prefix("https://").or_else(|| typed.strip_prefix("http://")).unwrap_or(typed);
        // One link is short in one way, here as long as it is the same.
        let short = format!("https://t.co/{}", hex::encode(&digest(&SHA256, typed.as_bytes()).as_ref()[..5]));
        let whole = if name.len() == typed.len() { format!("http://{typed}") } else { typed.to_owned() };
        let path_max = name.find('/').map_or(usize::MAX, |domain| name[..domain].chars().count() + PATH_LETTERS);
        let is_cut = name.chars().count() > path_max;
        let displayed = name.chars().take(path_max).chain(is_cut.then_some('…')).collect();
        let end = start + short.chars().count();
        self.links.push(Link { start, end, short: short.clone(), whole, displayed });
        short
    }
}

fn escaped(letter: char) -> String {
    match letter {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        _ => letter.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Sent;

    #[test]
    fn links_are_short_and_three_letters_escaped() {
        let sent = Sent::of("a & <b> https://blog.x.com/developer/en_us/a?b=1&c=2. example.org @Ada");
        assert!(sent.text.starts_with("a &amp; &lt;b&gt; https://t.co/"), "{}", sent.text);
        assert_eq!(sent.text.chars().count(), sent.end());
        let [link, bare] = &sent.links[..] else { panic!("{:?}", sent.links) };
        assert_eq!(
            (link.whole.as_str(), link.displayed.as_str()),
            ("https://blog.x.com/developer/en_us/a?b=1&c=2", "blog.x.com/developer/en_u…")
        );
        assert_eq!((bare.whole.as_str(), bare.displayed.as_str()), ("http://example.org", "example.org"));
        for link in &sent.links {
            let there: String = sent.text.chars().skip(link.start).take(link.end - link.start).collect();
            assert_eq!(there, link.short);
        }
        let name = sent.place("a & <b> https://blog.x.com/developer/en_us/a?b=1&c=2. example.org ".chars().count());
        assert_eq!(sent.text.chars().skip(name).collect::<String>(), "@Ada");
        assert_eq!(sent.letters, sent.end() - 4 - 3 - 3);
    }
}
