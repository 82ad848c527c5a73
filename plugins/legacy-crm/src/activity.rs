//! A note on a party, with the effect's key in its last line, and looking for it.

use serde::Deserialize;
use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::{Effect, Error, Receipt};

use crate::Settings;
use crate::party;
use crate::rpc::{self, Purpose, literal};
use crate::stamp::Stamp;

/// Notes with one key: more than one means that somebody copied it.
const NOTES_MAX: u32 = 10;

#[derive(Deserialize)]
struct Note {
    id: u64,
    message: Option<String>,
    #[serde(default)]
    create_date: Value,
}

/// Writes the note.
pub(crate) fn write(settings: &Settings, effect: &Effect) -> Result<Receipt, Error> {
    let resource = resource(effect)?;
    let parts = [effect.subject.as_deref().unwrap_or_default(), &effect.text, &signature(effect)];
    let message = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
    let params = json!([[{ "resource": resource, "message": message }], {}]);
    let made: Vec<u64> = rpc::call(settings, Purpose::Change, "model.ir.note.create", params)?;
    match made.as_slice() {
        [id] => Ok(Receipt::new(format!("ir.note,{id}"))),
        _ => Err(Error::uncertain(format!("effect {}: Tryton was asked for one note and speaks of {}", effect.key, made.len()))),
    }
}

/// Looks for the note.
pub(crate) fn find(settings: &Settings, effect: &Effect) -> Result<Presence, Error> {
    let signature = signature(effect);
    let pattern = format!("%{}%", literal(&signature));
    let domain = json!([["resource", "=", resource(effect)?], ["message", "like", pattern]]);
    let params = json!([domain, 0, NOTES_MAX, [["id", "ASC"]], ["message", "create_date"], {}]);
    let notes: Vec<Note> = rpc::call(settings, Purpose::Look, "model.ir.note.search_read", params)?;
    let ours = notes.into_iter().find(|note| note.message.as_deref().is_some_and(|message| message.contains(&signature)));
    Ok(ours.map_or(Presence::Absent, |note| {
        let receipt = Receipt::new(format!("ir.note,{}", note.id));
        Presence::Present(match Stamp::read(&note.create_date) {
            Some(at) => receipt.at(at.rfc_3339()),
            None => receipt,
        })
    }))
}

/// The note's last line. Between brackets, so that no key is the beginning of another one's.
fn signature(effect: &Effect) -> String {
    format!("(sportello {})", effect.key)
}

fn resource(effect: &Effect) -> Result<String, Error> {
    Ok(format!("party.party,{}", party::number(effect, effect.contact_id()?)?))
}
