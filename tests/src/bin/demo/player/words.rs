//! The words people use.

use super::Player;
use crate::scenario::Language;

impl Player<'_> {
    pub(super) fn pick(&mut self, choices: &[String]) -> String {
        if choices.is_empty() { String::new() } else { choices[self.random.usize(0..choices.len())].clone() }
    }

    /// Puts words into a line, with a capital letter where a sentence begins.
    pub(super) fn fill(&mut self, line: &str, language: Language, name: &str) -> String {
        let mut text = line.replace("{name}", name);
        let scenario = self.scenario;
        for (slot, words) in &scenario.words {
            let choices = words.get(&language).map(Vec::as_slice).unwrap_or_default();
            let word = self.pick(choices);
            text = text.replace(&format!("{{{slot}}}"), &word);
        }
        capitalised(&text)
    }
}

fn capitalised(text: &str) -> String {
    let mut begins = true;
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        if begins && letter.is_alphabetic() {
            written.extend(letter.to_uppercase());
            begins = false;
        } else {
            written.push(letter);
            begins = match letter {
                '.' | '!' | '?' => true,
                ' ' => begins,
                _ => false,
            };
        }
    }
    written
}
