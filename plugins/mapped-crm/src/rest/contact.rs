//! Making a contact, and changing one under the system's own lock.
//!
//! A change sets what there is one of (name, customer number) and puts every other identifier where the record has nothing yet; it takes nothing
//! away. It is refused unless the record is still as the writer saw it (`expects-version`); between our look and our write the system itself
//! refuses, by `If-Match` (<https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1>).

use sportello_sdk::find::Presence;
use sportello_sdk::{Context, Effect, Error, Identifier, Receipt, diagnostics};

use super::Rest;
use super::answer::{self, Purpose, send};
use super::find::Find;
use super::list::{Detail, Full, List};
use super::look_up;
use super::receipt::ReceiptMapping;
use super::request::{self, Request};
use crate::contact::ContactMapping;
use crate::field::{Field, read_pointer};
use crate::pointer::{Json, Pointer};
use crate::problem::Problems;
use crate::section::{Section, text};
use crate::settings::Settings;
use crate::template::{Names, Values};
use crate::yaml::Node;

/// Attributes of the effect that are no identifiers.
const DISPLAY_NAME: &str = "display-name";
/// See [`DISPLAY_NAME`].
const EXPECTS_VERSION: &str = "expects-version";
/// The scheme of which a contact has one: what is given is set.
const EXTERNAL: &str = "external";

/// How a contact is made.
#[derive(Debug, Clone)]
pub(crate) struct Create {
    request: Request,
    receipt: ReceiptMapping,
    find: Option<Find>,
}

/// How a contact is changed.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    /// Reads the contact's record first.
    contact: Detail,
    lock: Lock,
    request: Request,
    /// Whether the record is read again behind the write, because the answer does not say what was done.
    looks_again: bool,
}

/// What is sent as `If-Match`.
#[derive(Debug, Clone)]
enum Lock {
    /// Nothing: the look before the write is all there is.
    Nothing,
    /// The `ETag` of the record's answer.
    Etag,
    /// The version in the record.
    At(Pointer),
}

/// Where a record has an identifier, and the slot that fills the place.
struct Place<'mapping> {
    slot: String,
    scheme: &'mapping str,
    field: &'mapping Field,
}

/// What the effect says of a person, as far as the request can hold it.
struct Said<'effect> {
    name: Option<&'effect str>,
    /// (scheme, value).
    identifiers: Vec<(&'effect str, &'effect str)>,
}

impl Create {
    pub(crate) fn read(node: &Node, mapping: &ContactMapping, look_ups: &[(String, List)], problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = request::KEYS.iter().chain(&["receipt", "find"]).copied().collect();
        let section = Section::open(node, "`create`", &keys, problems)?;
        let request = read_request(&section, mapping, &["key", "queued-at"], false, problems);
        if let Some(request) = &request {
            let places = places(mapping);
            let mut written = places.iter().filter(|place| request.has(&place.slot)).map(|place| place.scheme).peekable();
            if written.peek().is_none() {
                problems.add(section.line(), "`create` has no identifier's slot: nobody could be recognised by what it makes");
            } else if !written.any(|scheme| look_ups.iter().any(|(known, _)| known == scheme)) {
                let what = "`create` needs a look-up by what it writes: nobody could see whether the contact is there already";
                problems.add(section.line(), what);
            }
            if section.get("find").is_some() && !request.has("key") {
                problems.add(section.line(), "`create` has no `{key}`: `find` could not tell one contact from another");
            }
        }
        let receipt = section.need("receipt").and_then(|node| ReceiptMapping::read(node, true, problems));
        let find = super::flat(section.get("find").map(|node| Find::read(node, &["key", "queued-at"], problems)));
        Some(Self { request: request?, receipt: receipt?, find: find? })
    }
}

impl Update {
    pub(crate) fn read(node: &Node, mapping: &ContactMapping, problems: &Problems) -> Option<Self> {
        let keys: Vec<&str> = request::KEYS.iter().chain(&["contact", "lock", "look-again"]).copied().collect();
        let section = Section::open(node, "`update`", &keys, problems)?;
        let contact = section.need("contact").and_then(|node| Detail::of_contact(node, "`contact` of the update", problems));
        let lock = section.need("lock").and_then(|node| Lock::read(node, problems));
        let request = read_request(&section, mapping, &["contact", "key", "queued-at"], true, problems);
        if let Some(request) = &request {
            let written: Vec<Place<'_>> = places(mapping).into_iter().filter(|place| request.has(&place.slot)).collect();
            if written.is_empty() && !request.has(DISPLAY_NAME) {
                problems.add(section.line(), "`update` has neither `{display-name}` nor an identifier's slot: it would change nothing");
            }
            for place in written.iter().filter(|place| place.field.holds_many()) {
                let (slot, at) = (&place.slot, place.field.place());
                let what = format!("`{{{slot}}}` is one of many at `{at}`, and `update` would write it in place of them all; leave it out");
                problems.add(section.line(), what);
            }
        }
        let looks_again = section.word("look-again", &[("true", true), ("false", false)], false);
        Some(Self { contact: contact?, lock: lock?, request: request?, looks_again })
    }
}

/// Reads the request, whose body is all there is to write.
fn read_request(section: &Section<'_>, mapping: &ContactMapping, names: &[&str], record: bool, problems: &Problems) -> Option<Request> {
    section.need("body");
    let places = places(mapping);
    let slots = places.iter().map(|place| place.slot.as_str());
    let names: Vec<&str> = names.iter().copied().chain([DISPLAY_NAME]).chain(slots).collect();
    Request::read(section, &request::WRITING, Names { names: &names, record }, problems)
}

/// Every place of an identifier: `email`, `phone`, `phone 2`, in the order of the mapping.
fn places(mapping: &ContactMapping) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    for (scheme, field) in mapping.identifiers() {
        let number = 1 + places.iter().filter(|place| place.scheme == scheme).count();
        let slot = if number == 1 { scheme.to_owned() } else { format!("{scheme} {number}") };
        places.push(Place { slot, scheme, field });
    }
    places
}

impl Lock {
    fn read(node: &Node, problems: &Problems) -> Option<Self> {
        match text(node, "`lock`", problems)? {
            "etag" => Some(Self::Etag),
            "none" => Some(Self::Nothing),
            at => read_pointer(at, "`lock` (or one of the words `etag` and `none`)", node.line, problems).map(Self::At),
        }
    }

    /// The value of `If-Match`, which is a quoted text.
    fn value(&self, record: &Json, full: &Full) -> Result<Option<String>, &str> {
        let (found, place) = match self {
            Self::Nothing => return Ok(None),
            Self::Etag => (full.etag().map(str::to_owned), "ETag"),
            Self::At(pointer) => (pointer.text(record).map(std::borrow::Cow::into_owned), pointer.as_str()),
        };
        let found = found.filter(|found| !found.is_empty()).ok_or(place)?;
        Ok(Some(if found.ends_with('"') { found } else { format!("\"{found}\"") }))
    }
}

/// Makes a contact, or changes the one the effect names.
pub(crate) fn write(rest: &Rest, mapping: &ContactMapping, context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    match &effect.contact {
        None => create(rest, mapping, context, effect),
        Some(id) => update(rest, mapping, context, effect, id),
    }
}

fn create(rest: &Rest, mapping: &ContactMapping, context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    let create = rest.create.as_ref().ok_or_else(|| nothing_of(rest, "create"))?;
    let said = said(mapping, &create.request, effect)?;
    let is_known = look_up_each(rest, mapping, context, effect, &said)?;
    if !is_known {
        let reason =
            format!("effect {}: the mapping looks nobody up by any of what it says, so nobody sees whether it is there", effect.key);
        return Err(Error::reject(reason));
    }
    let places = places(mapping);
    let (placed, left_out) = place(&places, &create.request, said.identifiers.iter().copied(), None);
    if !left_out.is_empty() {
        diagnostics::warning!("a new contact has no place for one more {}: left out", left_out.join(", "));
    }
    // Without a name, something people can read.
    let name = said.name.or(said.identifiers.first().map(|(_, value)| *value));
    let named = name.map(|name| (DISPLAY_NAME, name)).into_iter().chain(of_every(effect)).chain(placed);
    let request = create.request.fill(rest, &context.settings, &Values::new(named)).map_err(|unfit| answer::unfit(rest, &unfit))?;
    let response = send(rest, Purpose::Create, request)?;
    response.as_ref().and_then(|response| create.receipt.of_answer(response)).ok_or_else(|| {
        Error::uncertain(format!("effect {}: {} took the contact and does not say where it is (`receipt`)", effect.key, rest.name))
    })
}

/// Looks whether anybody carries one of the identifiers; whether the mapping can look by any of them.
fn look_up_each(
    rest: &Rest,
    mapping: &ContactMapping,
    context: &Context<Settings>,
    effect: &Effect,
    said: &Said<'_>,
) -> Result<bool, Error> {
    let mut looked = false;
    for (scheme, value) in said.identifiers.iter().filter(|(scheme, _)| rest.look_ups.iter().any(|(known, _)| known == scheme)) {
        looked = true;
        let held = look_up::contacts(rest, mapping, context, &Identifier::new(*scheme, *value))?;
        if let Some(contact) = held.iter().find(|contact| !contact.deleted) {
            let (key, id) = (&effect.key, &contact.id);
            let reason = format!("effect {key}: contact {id} has this `{scheme}` already; link the profile to it, or change it");
            return Err(Error::reject(reason));
        }
    }
    Ok(looked)
}

fn update(rest: &Rest, mapping: &ContactMapping, context: &Context<Settings>, effect: &Effect, id: &str) -> Result<Receipt, Error> {
    let settings = &context.settings;
    let update = rest.update.as_ref().ok_or_else(|| nothing_of(rest, "update"))?;
    let said = said(mapping, &update.request, effect)?;
    let key = &effect.key;
    let full = read_contact(rest, settings, update, id)?
        .ok_or_else(|| Error::reject(format!("effect {key}: {} has no contact {id} any more", rest.name)))?;
    let record = update.contact.record(rest, &full)?;
    let contact = mapping.contact(record, full.etag()).filter(|contact| contact.id == id);
    let contact = contact.ok_or_else(|| Error::reject(format!("effect {key}: {} answers with another record than {id}", rest.name)))?;
    if let Some(expected) = effect.attribute(EXPECTS_VERSION).filter(|expected| *expected != contact.version) {
        let reason = format!(
            "effect {key}: contact {id} has been changed since version {expected} was seen, it is {} now; nothing was written, look at it again",
            contact.version
        );
        return Err(Error::reject(reason));
    }
    let differs = Difference::of(mapping, record, contact.display_name.as_deref(), &said);
    if differs.is_none() {
        return Ok(Receipt::new(id));
    }
    let places = places(mapping);
    let (placed, without_room) = place(&places, &update.request, differs.identifiers.iter().copied(), Some(record));
    if !without_room.is_empty() {
        let schemes = without_room.join("`, `");
        let reason = format!("effect {key}: contact {id} has another `{schemes}` and no place for one more; nothing was written");
        return Err(Error::reject(reason));
    }
    let lock = update.lock.value(record, &full).map_err(|place| {
        Error::reject(format!(
            "effect {key}: {} answers without {place}, by which `lock` protects the record; nothing was written",
            rest.name
        ))
    })?;
    let name = differs.name.map(|name| (DISPLAY_NAME, name));
    let named = name.into_iter().chain([("contact", id)]).chain(of_every(effect)).chain(placed);
    let values = Values::new(named).record(record);
    let request = update.request.fill(rest, settings, &values).map_err(|unfit| answer::unfit(rest, &unfit))?;
    let request = lock.into_iter().fold(request, |request, lock| request.header("if-match", lock));
    send(rest, Purpose::Write, request)?;
    if update.looks_again {
        look_again(rest, mapping, context, effect, (update, &said, id))?;
    }
    Ok(Receipt::new(id))
}

/// Reads the record behind the write: whether it says what was written.
fn look_again(
    rest: &Rest,
    mapping: &ContactMapping,
    context: &Context<Settings>,
    effect: &Effect,
    (update, said, id): (&Update, &Said<'_>, &str),
) -> Result<(), Error> {
    let (key, name) = (&effect.key, &rest.name);
    let unseen =
        |why: &str| Error::uncertain(format!("effect {key}: {name} took the change, and could not be asked what came of it: {why}"));
    let left = match difference(rest, mapping, &context.settings, update, said, id) {
        Ok(Some(left)) => left,
        Ok(None) => return Err(unseen("the record is gone")),
        Err(error) => return Err(unseen(error.reason())),
    };
    match left.words().as_slice() {
        [] => Ok(()),
        words => {
            let words = words.join("`, `");
            Err(Error::reject(format!("effect {key}: {name} took the change of contact {id}, and did not make `{words}` what was asked")))
        }
    }
}

/// Looks whether the contact was made, or says what was asked.
pub(crate) fn find(rest: &Rest, mapping: &ContactMapping, context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    let Some(id) = &effect.contact else {
        let create = rest.create.as_ref().ok_or_else(|| nothing_of(rest, "create"))?;
        let Some(find) = &create.find else { return Ok(Presence::CannotTell) };
        return find.look(rest, context, effect, &Values::new(of_every(effect)));
    };
    let update = rest.update.as_ref().ok_or_else(|| nothing_of(rest, "update"))?;
    let said = said(mapping, &update.request, effect)?;
    let left = difference(rest, mapping, &context.settings, update, &said, id)?;
    // Where it says something else, it is written again under its lock, if nobody else has changed it.
    let is_as_asked = left.is_some_and(|left| left.is_none());
    Ok(if is_as_asked { Presence::Present(Receipt::new(id)) } else { Presence::Absent })
}

fn nothing_of(rest: &Rest, section: &str) -> Error {
    let what = if section == "create" { "made" } else { "changed" };
    Error::reject(format!("the mapping for {} says nothing of `{section}`: no contact is {what} there", rest.name))
}

/// What the slots of every effect are filled with.
fn of_every(effect: &Effect) -> [(&str, &str); 2] {
    [("key", &effect.key), ("queued-at", &effect.queued_at)]
}

fn read_contact(rest: &Rest, settings: &Settings, update: &Update, id: &str) -> Result<Option<Full>, Error> {
    update.contact.fetch(rest, settings, &Values::new([("contact", id)]))
}

fn said<'effect>(mapping: &ContactMapping, request: &Request, effect: &'effect Effect) -> Result<Said<'effect>, Error> {
    let places = places(mapping);
    let mut said = Said { name: None, identifiers: Vec::new() };
    let mut left_out = Vec::new();
    for attribute in &effect.attributes {
        let (name, value) = (attribute.name.as_str(), attribute.value.trim());
        match name {
            EXPECTS_VERSION => {}
            _ if value.is_empty() => {}
            DISPLAY_NAME if request.has(DISPLAY_NAME) => said.name = Some(value),
            scheme => {
                let mut fields = places.iter().filter(|place| place.scheme == scheme && request.has(&place.slot)).map(|place| place.field);
                match fields.next().map(|field| field.reads(value)) {
                    None => left_out.push(scheme),
                    Some(Err(expected)) => {
                        return Err(Error::reject(format!("effect {}: its `{scheme}` is not {expected}", effect.key)));
                    }
                    Some(Ok(_)) => said.identifiers.push((scheme, value)),
                }
            }
        }
    }
    if said.identifiers.is_empty() && (said.name.is_none() || effect.contact.is_none()) {
        let reason = format!(
            "effect {}: nothing in it identifies anybody here (it has: {}); the mapping's `create` and `update` say what does",
            effect.key,
            left_out.join(", ")
        );
        return Err(Error::reject(reason));
    }
    if !left_out.is_empty() {
        diagnostics::warning!("the mapping writes no {}: left out", left_out.join(", "));
    }
    Ok(said)
}

/// Puts each identifier into the first free place of its scheme that the request writes: what fills the slots, and schemes without one.
fn place<'a>(
    places: &'a [Place<'_>],
    request: &Request,
    identifiers: impl Iterator<Item = (&'a str, &'a str)>,
    record: Option<&Json>,
) -> (Vec<(&'a str, &'a str)>, Vec<&'a str>) {
    let is_free = |place: &&Place<'_>| place.scheme == EXTERNAL || record.is_none_or(|record| !place.field.is_there(record));
    let mut free: Vec<&Place<'_>> = places.iter().filter(|place| request.has(&place.slot)).filter(is_free).collect();
    let (mut placed, mut without) = (Vec::new(), Vec::new());
    for (scheme, value) in identifiers {
        match free.iter().position(|place| place.scheme == scheme) {
            Some(at) => placed.push((free.remove(at).slot.as_str(), value)),
            None => without.push(scheme),
        }
    }
    (placed, without)
}

/// What a record does not say of what the effect says.
struct Difference<'effect> {
    name: Option<&'effect str>,
    identifiers: Vec<(&'effect str, &'effect str)>,
}

impl<'effect> Difference<'effect> {
    fn of(mapping: &ContactMapping, record: &Json, name: Option<&str>, said: &Said<'effect>) -> Self {
        let is_new = |(scheme, value): &(&str, &str)| !mapping.carries(record, scheme, value);
        Self { name: said.name.filter(|said| Some(*said) != name), identifiers: said.identifiers.iter().copied().filter(is_new).collect() }
    }

    fn is_none(&self) -> bool {
        self.name.is_none() && self.identifiers.is_empty()
    }

    /// What differs, without its values.
    fn words(&self) -> Vec<&'effect str> {
        self.name.map(|_| DISPLAY_NAME).into_iter().chain(self.identifiers.iter().map(|(scheme, _)| *scheme)).collect()
    }
}

/// What the record as it is now does not say; None where it is gone.
fn difference<'effect>(
    rest: &Rest,
    mapping: &ContactMapping,
    settings: &Settings,
    update: &Update,
    said: &Said<'effect>,
    id: &str,
) -> Result<Option<Difference<'effect>>, Error> {
    let Some(full) = read_contact(rest, settings, update, id)? else { return Ok(None) };
    let record = update.contact.record(rest, &full)?;
    let name = mapping.contact(record, None).and_then(|contact| contact.display_name);
    Ok(Some(Difference::of(mapping, record, name.as_deref(), said)))
}
