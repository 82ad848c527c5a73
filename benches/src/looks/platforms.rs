//! What the platforms hold: a wiki where people discuss, a CRM whose parties somebody keeps in order, a list of people of a CRM that never was.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sportello_tests::servers::{ContactMechanism, Crm as _, CrmUser, Wiki as _};
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::wiki::WikiStandIn;

use super::recorded::Asked;
use super::{LOOKED_UP, PAGE, begin};
use crate::Problem;
use crate::connectors::WORDS;

/// Talk pages of the wiki, and threads on each.
const TALK_PAGES: usize = 8;
const THREADS: usize = 6;
/// How much later each thing is than the one before it.
const STEP: SignedDuration = SignedDuration::from_secs(10);

/// The threads that were there before anybody looked.
pub(super) async fn threads(wiki: &WikiStandIn) -> Result<(), Problem> {
    let customer = wiki.customer();
    wiki.set_clock(begin() - SignedDuration::from_hours(24))?;
    for page in 0..TALK_PAGES {
        for thread in 1..=THREADS {
            customer.edit_talk(&talk_page(page), &format!("Rete assente a Bologna, zona {thread}"), WORDS).await?;
        }
    }
    wiki.set_clock(begin())?;
    Ok(())
}

/// A page of edits since then: each adds a comment to a thread, every eighth opens one.
pub(super) async fn discussion(wiki: &WikiStandIn) -> Result<(), Problem> {
    let customer = wiki.customer();
    for (number, at) in moments(begin()) {
        wiki.set_clock(at)?;
        let page = talk_page(number % TALK_PAGES);
        if number % 8 == number / 8 {
            customer.edit_talk(&page, &format!("Bolletta doppia, {number}"), WORDS).await?;
        } else {
            customer.append_to_section(&page, &(1 + number % THREADS).to_string(), &format!("{WORDS} ({number})")).await?;
        }
    }
    Ok(())
}

fn talk_page(number: usize) -> String {
    format!("Talk:Offerta {number}")
}

/// The parties that were there before anybody looked, each with all that can hang on one. What hangs on the last of them was written since it was
/// made: so no list of changes is empty.
pub(super) async fn parties(crm: &CrmStandIn) -> Result<Vec<u64>, Problem> {
    let operator = crm.operator();
    let mut parties = Vec::new();
    for (number, at) in moments(begin() - SignedDuration::from_hours(24)) {
        crm.set_clock(at);
        let name = name(number);
        let mechanisms = [ContactMechanism::email(&email(number)), ContactMechanism::phone(&phone(number)), ContactMechanism::wiki(&name)];
        let party = operator.create_party(&name, &format!("CLI-{number:04}"), &mechanisms).await?;
        let address = json!({ "street": "Via Zamboni 33", "postal_code": "40126", "city": "Bologna" });
        let identifier = json!({ "type": "it_vat", "code": format!("IT{number:011}") });
        let parts = json!({ "addresses": [["create", [address]]], "identifiers": [["create", [identifier]]] });
        operator.write_party(party, parts, None).await?;
        parties.push(party);
    }
    let last = parties.last().ok_or("there is no party")?;
    for (model, change) in [("address", json!({ "city": "Imola" })), ("identifier", json!({ "code": "IT02313821007" }))] {
        write_part(&operator, model, json!([["party", "=", last]]), change).await?;
    }
    Ok(parties)
}

/// A change of each since then: of every other one the name, of the rest the telephone number.
pub(super) async fn changes(crm: &CrmStandIn, parties: &[u64]) -> Result<(), Problem> {
    let operator = crm.operator();
    for ((number, at), party) in moments(begin()).zip(parties) {
        crm.set_clock(at);
        if number % 2 == 0 {
            operator.write_party(*party, json!({ "name": format!("{} Verdi", name(number)) }), None).await?;
        } else {
            let telephone = json!([["party", "=", party], ["type", "=", "phone"]]);
            write_part(&operator, "contact_mechanism", telephone, json!({ "value": phone(PAGE + number) })).await?;
        }
    }
    Ok(())
}

async fn write_part(operator: &CrmUser, model: &str, domain: Value, change: Value) -> Result<(), Problem> {
    let found = operator.call(&format!("model.party.{model}.search"), json!([domain, 0, 1, [["id", "ASC"]], {}])).await?;
    operator.call(&format!("model.party.{model}.write"), json!([found, change, {}])).await?;
    Ok(())
}

/// What the CRM of `people.yaml` answers: one by address, or everybody who changed.
pub(super) fn people(asked: &Asked) -> Value {
    let numbers = if asked.target.contains("mail") { LOOKED_UP..LOOKED_UP + 1 } else { 0..PAGE };
    json!({ "data": numbers.map(person).collect::<Vec<_>>(), "links": { "self": asked.target } })
}

fn person(number: usize) -> Value {
    let at_ms = 1000 * (begin().as_second() + 10 * i64::try_from(number).unwrap_or_default());
    json!({
        "type": "people", "id": (4100 + number).to_string(), "meta": { "version": 3, "updated": at_ms, "etag": format!("W/\"{number}-3\"") },
        "attributes": {
            "name": name(number), "mail": email(number), "numbers": format!("{};051 555 {number:04}", phone(number)), "state": "here",
            "customer": format!("CLI-{number:04}"), "profiles": [{ "wiki": name(number), "kind": "user" }], "balance": "1.204,50",
            "born": "17/03/1984", "tags": ["fibra", "business"], "address": { "street": "Via Zamboni 33", "city": "Bologna" },
        },
        "links": { "self": format!("/people/{}", 4100 + number) },
    })
}

/// Each thing of a page, and when it happens.
fn moments(begin: Timestamp) -> impl Iterator<Item = (usize, Timestamp)> {
    std::iter::successors(Some(begin + STEP), |at| Some(*at + STEP)).take(PAGE).enumerate()
}

fn name(number: usize) -> String {
    format!("Ada Bianchi {number}")
}

/// Whose it is: a page's things are numbered from 0.
pub(super) fn email(number: usize) -> String {
    format!("ada.bianchi.{number}@example.org")
}

fn phone(number: usize) -> String {
    format!("+39 051 123 {number:04}")
}
