//! Looking by the effect's key whether something was written.

use sportello_sdk::find::Presence;
use sportello_sdk::{Context, Effect, Error};

use super::Rest;
use super::list::{self, Detail, List};
use super::receipt::ReceiptMapping;
use crate::field::read_pointer;
use crate::pointer::{self, Json, Pointer};
use crate::problem::Problems;
use crate::section::{Section, texts};
use crate::settings::Settings;
use crate::template::{Names, Values};
use crate::yaml::Node;

/// Pages a look goes through before it says that it cannot tell.
const FIND_PAGES_MAX: usize = 10;
/// Records a look fetches one by one before it says so.
const FIND_DETAILS_MAX: usize = 40;

/// How what was written is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Find {
    list: List,
    /// Where the key may stand.
    text: Vec<Pointer>,
    receipt: ReceiptMapping,
    detail: Option<Detail>,
}

impl Find {
    /// Reads how it is looked for, with these names in its slots.
    pub(crate) fn read(node: &Node, names: &[&str], problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = list::KEYS.iter().chain(&["text", "receipt", "detail"]).copied().collect();
        let section = Section::open(node, "`find`", &keys, problems)?;
        let list = List::read(&section, Names { names, record: false }, problems);
        let text = section.need("text").map_or_else(Vec::new, |node| texts(node, "`text`", problems));
        let text = text.into_iter().filter_map(|(text, line)| read_pointer(text, "`text`", line, problems)).collect();
        let detail = super::flat(section.get("detail").map(|node| Detail::read(node, problems)));
        let receipt = section.need("receipt").and_then(|node| ReceiptMapping::read(node, false, problems));
        Some(Self { list: list?, text, receipt: receipt?, detail: detail? })
    }

    /// Looks for what has the effect's key.
    pub(crate) fn look(&self, rest: &Rest, context: &Context<Settings>, effect: &Effect, values: &Values<'_>) -> Result<Presence, Error> {
        let settings = &context.settings;
        let (mut place, mut details) = (None, 0);
        for _ in 0..FIND_PAGES_MAX {
            let page = self.list.page(rest, settings, values, place.as_ref()).map_err(|refused| refused.into_error(rest))?;
            // No list: nothing was written. But a later page that is gone may have had it.
            let Some(page) = page else { return Ok(if place.is_some() { Presence::CannotTell } else { Presence::Absent }) };
            let (records, next) = self.list.read_page(rest, settings, &page, place.as_ref())?;
            for record in records {
                let mut found = self.has_key(record, &effect.key);
                if let Some(detail) = self.detail.as_ref().filter(|_| !found) {
                    details += 1;
                    if details > FIND_DETAILS_MAX {
                        return Ok(Presence::CannotTell);
                    }
                    let full = detail.fetch(rest, settings, &Values::default().record(record))?;
                    let has_key = |full| Ok::<_, Error>(self.has_key(detail.record(rest, full)?, &effect.key));
                    found = full.as_ref().map(has_key).transpose()?.unwrap_or(false);
                }
                if found {
                    let receipt = self.receipt.of_record(record);
                    return receipt
                        .map(Presence::Present)
                        .ok_or_else(|| Error::reject(format!("effect {}: it is there, and has no id where `receipt` says", effect.key)));
                }
            }
            place = next;
            if place.is_none() {
                return Ok(Presence::Absent);
            }
        }
        Ok(Presence::CannotTell)
    }

    fn has_key(&self, record: &Json, key: &str) -> bool {
        self.text.iter().flat_map(|pointer| pointer.all(record)).filter_map(pointer::text).any(|text| has_whole(&text, key))
    }
}

/// Whether a text has the key as a whole word: a key may be the beginning of another one.
fn has_whole(text: &str, key: &str) -> bool {
    let is_of_a_key = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    text.match_indices(key)
        .any(|(at, _)| !text[..at].ends_with(is_of_a_key) && !text[at + key.len()..].starts_with(is_of_a_key) && !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_as_a_whole_word_only() {
        assert!(
            has_whole("x (sportello run-1-1)", "run-1-1") && has_whole("run-1-1", "run-1-1") && has_whole("run-1-12 run-1-1.", "run-1-1")
        );
        for other in ["run-1-12", "a-run-1-1", "run-1-1-2", "xrun-1-1", ""] {
            assert!(!has_whole(other, "run-1-1"), "{other}");
        }
    }
}
