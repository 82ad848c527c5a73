//! Any CRM that speaks REST with JSON or drops CSV files, by a mapping alone: a file says how its records are looked up, followed, made, changed
//! and written on.
//! No code for each.
//!
//! | file | what it knows |
//! |---|---|
//! | `settings.rs` | where the system is, and the mapping's text |
//! | `yaml.rs`, `section.rs`, `problem.rs` | reading a mapping, and saying in which line it is wrong |
//! | `mapping.rs` | a mapping as a whole |
//! | `pointer.rs`, `record.rs` | values in an answer, with every digit; what a field is read from |
//! | `field.rs`, `cast.rs`, `moment.rs` | a field, what is made of it, how moments are written |
//! | `contact.rs`, `hash.rs` | which fields make a contact, and what tells its versions apart |
//! | `template.rs`, `filter.rs`, `body.rs` | texts and documents with slots that nothing can break out of |
//! | `rest/` | the source REST/JSON: requests, answers, pages, look-ups, changes, OData's deltas, activities, contacts made and changed |
//! | `csv/` | the source CSV: files dropped into a folder |
//!
//! The mapping language stands in README.md, with what it promises and what it can't.

mod body;
mod cast;
mod contact;
mod csv;
mod field;
mod filter;
mod hash;
mod mapping;
mod moment;
mod pointer;
mod problem;
mod record;
mod rest;
mod section;
mod settings;
mod template;
mod yaml;

use sportello_sdk::find::Presence;
use sportello_sdk::*;

pub use problem::Problem;
pub use settings::Settings;

use mapping::{Mapping, Source};

/// How often changes are asked for unless the operator says otherwise.
const POLL_SECONDS: u32 = 60;
/// How long what was written may take to become visible to a look: many systems search in an index that lags behind.
const SETTLING_SECONDS: u32 = 30;

/// The connector.
pub struct MappedCrm;

/// Everything that is wrong with a mapping's text, in the order of its lines. Nothing: it can be used.
#[must_use]
pub fn check(mapping: &str) -> Vec<Problem> {
    Mapping::read(mapping).err().unwrap_or_default()
}

/// The mapping of a channel whose settings have what its source needs.
fn mapping_of(settings: &Settings) -> Result<Mapping, Error> {
    let mapping = Mapping::of_call(&settings.mapping)?;
    match missing(&mapping, settings) {
        Some((_, message)) => Err(Error::reject(message)),
        None => Ok(mapping),
    }
}

/// The setting that the mapping's source needs and that is not there, and a word on it.
fn missing(mapping: &Mapping, settings: &Settings) -> Option<(&'static str, &'static str)> {
    match &mapping.source {
        Source::Rest(_) => (!settings.has_base_url())
            .then_some(("/base-url", "the mapping's `source: rest-json` needs the setting `base-url`: where the system is asked")),
        Source::Csv(_) => settings
            .folder()
            .is_none()
            .then_some(("/folder", "the mapping's `source: csv` needs the setting `folder`: the absolute path of the files' folder")),
    }
}

impl Description for MappedCrm {
    type Settings = Settings;

    fn describe() -> Manifest {
        let origin = || Origin::setting("/base-url");
        let purpose = "reads records, makes and changes them, and writes notes on them";
        let token = LoginStep::post_form("${/token-path}", &[("grant_type", "client_credentials"), ("scope", "${scope}")])
            .placement(Placement::header("authorization", "${client-id}:${client-secret}").prefix("Basic ").base64())
            .capture("access-token", "/access_token")
            .capture("expires-in", "/expires_in");
        let api_key = Credential::new("api-key", purpose, &["key"]).sent_to(origin()).placement(Placement::header("x-api-key", "${key}"));
        let oauth2 = Credential::new("oauth2-client", purpose, &["client-id", "client-secret", "scope"])
            .sent_to(origin())
            .session(Session::new([token]).at(Origin::setting("/token-url")).lifetime_of("expires-in"))
            .placement(Placement::header("authorization", "${access-token}").prefix("Bearer "));
        Manifest::crm("mapped-crm", env!("CARGO_PKG_VERSION"), "mapped-crm")
            .summary("Any CRM with a REST/JSON interface or a folder of CSV files, by a mapping: contacts looked up, followed, made and changed, activities as notes")
            .settings_schema(include_str!("../settings.schema.json"))
            .origin(origin())
            .folder("drop", "/folder")
            .credential(Credential::basic("basic", purpose, origin()).optional())
            .credential(Credential::bearer("bearer", purpose, origin()).optional())
            .credential(oauth2.optional())
            .credential(api_key.optional())
            .action(Action::new("activity", Idempotency::Findable).settling(SETTLING_SECONDS))
            .action(Action::new("contact", Idempotency::Findable).settling(SETTLING_SECONDS))
            .poll_every(POLL_SECONDS)
            .link(LinkPermission::Evidence)
            .reply(ReplyPermission::Always)
    }
}

impl Configuration for MappedCrm {
    fn check(context: &Context<Settings>) -> Vec<configuration::Problem> {
        let problem = |pointer: &str, line: Option<usize>, message: &str| configuration::Problem {
            pointer: pointer.into(),
            line: line.and_then(|line| u32::try_from(line).ok()),
            message: message.into(),
        };
        match Mapping::read(&context.settings.mapping) {
            Err(problems) => problems.iter().map(|found| problem("/mapping", Some(found.line), &found.message)).collect(),
            Ok(mapping) => {
                missing(&mapping, &context.settings).map(|(pointer, message)| problem(pointer, None, message)).into_iter().collect()
            }
        }
    }
}

impl Crm for MappedCrm {
    fn look_up(context: &Context<Settings>, identifier: &Identifier) -> Result<Vec<Contact>, Error> {
        let mapping = mapping_of(&context.settings)?;
        match &mapping.source {
            Source::Rest(rest) => rest::look_up::contacts(rest, &mapping.contact, context, identifier),
            Source::Csv(csv) => csv::look_up::contacts(csv, &mapping.contact, context, identifier),
        }
    }

    fn changes(context: &Context<Settings>, cursor: Option<String>) -> Result<crm::ContactPage, Error> {
        let mapping = mapping_of(&context.settings)?;
        match &mapping.source {
            Source::Rest(rest) => rest::changes::page(rest, &mapping.contact, context, cursor),
            Source::Csv(csv) => csv::changes::page(csv, &mapping.contact, context, cursor),
        }
    }
}

impl Publish for MappedCrm {
    fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        let mapping = mapping_of(&context.settings)?;
        match (effect.action.as_str(), &mapping.source) {
            ("activity", Source::Rest(rest)) => rest::activity::write(rest, context, effect),
            ("contact", Source::Rest(rest)) => rest::contact::write(rest, &mapping.contact, context, effect),
            ("activity", Source::Csv(_)) => Err(Error::reject("the source `csv` is only read: there are no notes on its records")),
            ("contact", Source::Csv(_)) => Err(Error::reject("the source `csv` is only read: no contact is made or changed there")),
            _ => Err(effect.unknown_action()),
        }
    }
}

impl Find for MappedCrm {
    fn find(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
        let mapping = mapping_of(&context.settings)?;
        match (effect.action.as_str(), &mapping.source) {
            ("activity", Source::Rest(rest)) => rest::activity::find(rest, context, effect),
            ("contact", Source::Rest(rest)) => rest::contact::find(rest, &mapping.contact, context, effect),
            // Nothing was ever written.
            ("activity" | "contact", Source::Csv(_)) => Ok(Presence::Absent),
            _ => Err(effect.unknown_action()),
        }
    }
}

export!(MappedCrm: crm, publish, find, configuration);
