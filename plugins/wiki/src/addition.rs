//! What an edit added, and to which thread.
//!
//! Compared are lines, blank ones left out, thread by thread. What is gone from one thread and stands in another was moved, not said: archived,
//! put in order, the heading renamed. A line that goes on where an old one ended added its end; a line that is much like an old one was changed.

use std::collections::BTreeMap;

use crate::thread::{Name, Thread, threads};
use crate::words;

/// Comparing each added line with each line that is gone is given up beyond this many pairs: such an edit rewrote the page, and all of it is new.
const COMPARISONS_MAX: usize = 20_000;

/// What an edit did in the thread that it is mostly about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addition {
    pub(crate) thread: Name,
    pub(crate) kind: Kind,
    /// What was added, in all threads together; for a new thread without words its heading.
    pub(crate) text: String,
}

/// What was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A thread.
    Thread,
    /// Words in a thread that was there.
    Comment,
    /// Nothing; words that were there are others now.
    Change,
}

/// What became of one thread.
struct Outcome {
    thread: Name,
    is_new: bool,
    added: String,
    changed: String,
}

/// What the edit from `old` to `new` added; None where it only took away, moved, or changed blanks and signatures.
pub(crate) fn addition(old: &str, new: &str, author: Option<&str>) -> Option<Addition> {
    let (old, new) = (threads(old), threads(new));
    let mut gone = Vec::new();
    let mut left: Vec<(&Thread<'_>, bool, Vec<&str>)> = Vec::new();
    for thread in &new {
        match old.iter().find(|before| before.name == thread.name) {
            Some(before) => {
                let mut before = counted(&before.lines);
                left.push((thread, false, not_in(&thread.lines, &mut before)));
                gone.extend(before.into_iter().flat_map(|(line, times)| std::iter::repeat_n(line, times)));
            }
            None => left.push((thread, true, thread.lines.iter().copied().filter(|line| !line.trim().is_empty()).collect())),
        }
    }
    for before in old.iter().filter(|before| new.iter().all(|thread| thread.name != before.name)) {
        gone.extend(before.lines.iter().filter(|line| !line.trim().is_empty()));
    }
    let mut gone = counted(&gone);
    let outcomes = left.into_iter().map(|(thread, is_new, lines)| {
        let remaining = not_in(&lines, &mut gone);
        let was_moved = remaining.len() < lines.len();
        outcome(thread, is_new && !was_moved, &remaining, &mut gone, author)
    });
    summary(outcomes.collect())
}

fn outcome(thread: &Thread<'_>, is_new: bool, lines: &[&str], gone: &mut BTreeMap<&str, usize>, author: Option<&str>) -> Outcome {
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    let comparable = lines.len().saturating_mul(gone.len()) <= COMPARISONS_MAX;
    for line in lines {
        let like = gone.iter().filter(|(_, times)| comparable && **times > 0).map(|(old, _)| (*old, likeness(old, line)));
        // The most alike; of equals the first in the alphabet, so that the outcome is always the same.
        match like.filter(|(_, likeness)| *likeness != Likeness::None).max_by(|one, other| (one.1, other.0).cmp(&(other.1, one.0))) {
            Some((old, likeness)) => {
                take(gone, old);
                if likeness == Likeness::Continued {
                    added.push(line.get(old.trim_end().len()..).unwrap_or(line));
                } else {
                    changed.push(*line);
                }
            }
            None => added.push(line),
        }
    }
    Outcome { thread: thread.name.clone(), is_new, added: words::said(&added, author), changed: words::said(&changed, author) }
}

/// How much an old line is like a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    None,
    /// More than half of the longer one is the same at both ends.
    Similar,
    /// The new one begins with the old one.
    Continued,
}

fn likeness(old: &str, new: &str) -> Likeness {
    let (old, new) = (old.trim_end(), new.trim_end());
    if new.starts_with(old) {
        return Likeness::Continued;
    }
    let same = |pairs: &mut dyn Iterator<Item = (u8, u8)>| pairs.take_while(|(one, other)| one == other).count();
    let shorter = old.len().min(new.len());
    let front = same(&mut old.bytes().zip(new.bytes()));
    let back = same(&mut old.bytes().rev().zip(new.bytes().rev())).min(shorter - front);
    if (front + back) * 2 > old.len().max(new.len()) { Likeness::Similar } else { Likeness::None }
}

fn summary(outcomes: Vec<Outcome>) -> Option<Addition> {
    let headings = |outcome: &Outcome| match (&outcome.thread.heading, outcome.is_new && outcome.changed.is_empty()) {
        (Some(heading), true) => words::readable(heading),
        _ => String::new(),
    };
    let text_of = |kind: Kind, outcome: &Outcome| match kind {
        Kind::Thread | Kind::Comment if outcome.added.is_empty() => headings(outcome),
        Kind::Thread | Kind::Comment => outcome.added.clone(),
        Kind::Change => outcome.changed.clone(),
    };
    let said = |kind: Kind| -> Vec<(&Outcome, String)> {
        outcomes.iter().map(|outcome| (outcome, text_of(kind, outcome))).filter(|(_, text)| !text.is_empty()).collect()
    };
    let mut kind = Kind::Comment;
    let mut texts = said(kind);
    if texts.is_empty() {
        kind = Kind::Change;
        texts = said(kind);
    }
    // The thread with the most words; the first of equals.
    let (main, _) = texts.iter().rev().max_by_key(|(_, text)| text.len())?;
    if kind == Kind::Comment && main.is_new && main.thread.heading.is_some() {
        kind = Kind::Thread;
    }
    let text = texts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n\n");
    Some(Addition { thread: main.thread.clone(), kind, text })
}

fn counted<'a>(lines: &[&'a str]) -> BTreeMap<&'a str, usize> {
    let mut counted = BTreeMap::new();
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        *counted.entry(line.trim_end()).or_default() += 1;
    }
    counted
}

/// The lines that are not among those counted, which are taken out.
fn not_in<'a>(lines: &[&'a str], counted: &mut BTreeMap<&str, usize>) -> Vec<&'a str> {
    lines.iter().copied().filter(|line| !line.trim().is_empty() && !take(counted, line.trim_end())).collect()
}

fn take(counted: &mut BTreeMap<&str, usize>, line: &str) -> bool {
    match counted.get_mut(line) {
        Some(times) if *times > 0 => {
            *times -= 1;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "== Bill ==\n\nToo high.\n\n== Network ==\n\nDown since Saturday.\n";

    fn said(new: &str) -> Option<(Option<String>, Kind, String)> {
        addition(OLD, new, Some("Ada")).map(|addition| (addition.thread.heading, addition.kind, addition.text))
    }

    fn expected(heading: &str, kind: Kind, text: &str) -> Option<(Option<String>, Kind, String)> {
        Some((Some(heading.into()), kind, text.into()))
    }

    #[test]
    fn a_new_section_is_a_thread_with_its_words() {
        assert_eq!(
            said(&format!("{OLD}\n== Phone ==\n\nLine one.\n\nLine two.\n")),
            expected("Phone", Kind::Thread, "Line one.\nLine two.")
        );
        assert_eq!(said(&format!("{OLD}\n== Please call me ==\n")), expected("Please call me", Kind::Thread, "Please call me"));
    }

    #[test]
    fn words_in_a_section_are_a_comment_there() {
        let new =
            OLD.replace("Too high.", "Too high.\n\n:Mine too. [[User:Ada|Ada]] ([[User talk:Ada|talk]]) 11:25, 22 November 2026 (UTC)");
        assert_eq!(said(&new), expected("Bill", Kind::Comment, "Mine too."));
    }

    #[test]
    fn words_behind_an_old_line_are_what_was_added() {
        let new = OLD.replace("Too high.", "Too high. And late.");
        assert_eq!(said(&new), expected("Bill", Kind::Comment, "And late."));
    }

    #[test]
    fn a_changed_line_is_a_change_and_not_said_again() {
        assert_eq!(said(&OLD.replace("since Saturday", "since Sunday")), expected("Network", Kind::Change, "Down since Sunday."));
    }

    #[test]
    fn moving_renaming_archiving_and_removing_say_nothing() {
        assert_eq!(said("== Network ==\n\nDown since Saturday.\n\n== Bill ==\n\nToo high.\n"), None);
        assert_eq!(said(&OLD.replace("== Bill ==", "== Invoice ==")), None);
        assert_eq!(said(&OLD.replace("Down since Saturday.", "")), None);
        assert_eq!(said(&OLD.replace("\n\n", "\n")), None);
        assert_eq!(said("== Archive ==\n\nToo high.\n\nDown since Saturday.\n"), None);
    }

    #[test]
    fn nothing_that_one_edit_said_in_several_threads_is_lost() {
        let new = OLD.replace("Too high.", "Too high.\n\nYes.").replace("Saturday.", "Saturday.\n\nHere it is down as well.");
        assert_eq!(said(&new), expected("Network", Kind::Comment, "Yes.\n\nHere it is down as well."));
    }

    #[test]
    fn the_same_words_said_again_are_said() {
        assert_eq!(said(&OLD.replace("Too high.", "Too high.\n\nToo high.")), expected("Bill", Kind::Comment, "Too high."));
    }
}
