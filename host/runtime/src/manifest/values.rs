//! What stands in many places of a manifest: origins, pointers, names, texts, lists.

use super::{ManifestFault, fault};
use crate::contract::Origin;
use crate::limits::manifest as limits;
use crate::outbound;

pub(super) fn origin(place: &str, origin: &Origin) -> Result<(), ManifestFault> {
    match origin {
        Origin::Fixed(url) => match outbound::Origin::parse(url) {
            Ok(_) => Ok(()),
            Err(error) => fault(place, error),
        },
        Origin::Setting(at) => {
            if at.is_empty() {
                return fault(place, "the pointer is empty; write for example /base-url");
            }
            pointer(place, at)
        }
    }
}

pub(super) fn pointer(place: &str, pointer: &str) -> Result<(), ManifestFault> {
    text(place, pointer)?;
    if pointer.is_empty() || pointer.starts_with('/') {
        return Ok(());
    }
    fault(place, format_args!("{pointer:?} is no JSON pointer: it begins with `/`"))
}

/// Lower-case words joined by `-`.
pub(super) fn name(place: &str, name: &str) -> Result<(), ManifestFault> {
    let words = name.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    if words && name.len() <= 64 && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(());
    }
    fault(place, format_args!("{name:?} is not a name: lower-case words joined by `-`, at most 64 bytes"))
}

pub(super) fn text(place: &str, text: &str) -> Result<(), ManifestFault> {
    if text.len() > limits::TEXT_BYTES_MAX {
        return fault(place, format_args!("{} bytes of text, at most {} are accepted", text.len(), limits::TEXT_BYTES_MAX));
    }
    Ok(())
}

pub(super) fn count(place: &str, entries: usize) -> Result<(), ManifestFault> {
    if entries > limits::LIST_MAX {
        return fault(place, format_args!("{entries} entries, at most {} are accepted", limits::LIST_MAX));
    }
    Ok(())
}

pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
