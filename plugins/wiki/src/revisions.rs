//! The texts of revisions, fetched together.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Settings;
use crate::api::{self, Trouble};

/// Revisions asked for in one request; accounts without `apihighlimits` get at most 50.
const PER_REQUEST_MAX: usize = 50;
/// Bytes of wikitext asked for in one request: as JSON it stays below the host's limit of an answer.
const BYTES_PER_REQUEST_MAX: u64 = 1 << 20;
/// Answers to one request, where the wiki gives it in parts.
const PARTS_MAX: usize = 8;

/// The texts of these revisions (number and size in bytes). One that is missing was deleted, or its text is hidden.
pub(crate) fn texts(settings: &Settings, wanted: &BTreeMap<u64, u64>) -> Result<BTreeMap<u64, String>, Trouble> {
    let mut texts = BTreeMap::new();
    let mut batch: Vec<String> = Vec::new();
    let mut bytes = 0;
    for (id, size) in wanted {
        if !batch.is_empty() && (batch.len() == PER_REQUEST_MAX || bytes + size > BYTES_PER_REQUEST_MAX) {
            fetch(settings, &batch, &mut texts)?;
            batch.clear();
            bytes = 0;
        }
        batch.push(id.to_string());
        bytes += size;
    }
    if !batch.is_empty() {
        fetch(settings, &batch, &mut texts)?;
    }
    Ok(texts)
}

fn fetch(settings: &Settings, ids: &[String], texts: &mut BTreeMap<u64, String>) -> Result<(), Trouble> {
    let ids = ids.join("|");
    let asked = [("action", "query"), ("prop", "revisions"), ("revids", ids.as_str()), ("rvprop", "ids|content"), ("rvslots", "main")];
    let mut next: Vec<(String, String)> = Vec::new();
    for _ in 0..PARTS_MAX {
        let parameters: Vec<_> = asked.into_iter().chain(next.iter().map(|(name, value)| (name.as_str(), value.as_str()))).collect();
        let reply = api::look_by_post(settings, &parameters)?;
        let pages = reply["query"]["pages"].as_array();
        for revision in pages.into_iter().flatten().filter_map(|page| page["revisions"].as_array()).flatten() {
            if let (Some(id), Some(text)) = (revision["revid"].as_u64(), revision["slots"]["main"]["content"].as_str()) {
                texts.insert(id, text.to_owned());
            }
        }
        let Some(more) = reply["continue"].as_object() else { break };
        next = more.iter().filter_map(|(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    }
    Ok(())
}
