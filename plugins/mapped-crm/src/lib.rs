//! Any CRM that speaks REST with JSON, by a mapping alone: a file says how its records are looked up, followed and written on. No code for each.
//!
//! | file | what it knows |
//! |---|---|
//! | `settings.rs` | where the system is, and the mapping's text |
//! | `yaml.rs`, `section.rs`, `problem.rs` | reading a mapping, and saying in which line it is wrong |
//! | `mapping.rs` | a mapping as a whole |
//! | `pointer.rs` | values in an answer, with every digit |
//! | `field.rs`, `cast.rs`, `moment.rs` | a field, what is made of it, how moments are written |
//! | `contact.rs`, `hash.rs` | which fields make a contact, and what tells its versions apart |
//! | `template.rs`, `filter.rs`, `body.rs` | texts and documents with slots that nothing can break out of |
//! | `rest/` | the source REST/JSON: requests, answers, pages, look-ups, changes, activities |
//!
//! The mapping language stands in README.md, with what it promises and what it can't.

mod body;
mod cast;
mod contact;
mod field;
mod filter;
mod hash;
mod mapping;
mod moment;
mod pointer;
mod problem;
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
/// How long a note may take to become visible to a look: many systems search in an index that lags behind.
const SETTLING_SECONDS: u32 = 30;

/// The connector.
pub struct MappedCrm;

/// Everything that is wrong with a mapping's text, in the order of its lines. Nothing: it can be used.
#[must_use]
pub fn check(mapping: &str) -> Vec<Problem> {
    Mapping::read(mapping).err().unwrap_or_default()
}

impl Description for MappedCrm {
    type Settings = Settings;

    fn describe() -> Manifest {
        let origin = || Origin::setting("/base-url");
        let purpose = "reads records and writes notes on them";
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
            .summary("Any CRM with a REST/JSON interface, by a mapping: contacts looked up and followed, activities as notes on them")
            .settings_schema(include_str!("../settings.schema.json"))
            .origin(origin())
            .credential(Credential::basic("basic", purpose, origin()).optional())
            .credential(Credential::bearer("bearer", purpose, origin()).optional())
            .credential(oauth2.optional())
            .credential(api_key.optional())
            .action(Action::new("activity", Idempotency::Findable).settling(SETTLING_SECONDS))
            .poll_every(POLL_SECONDS)
            .link(LinkPermission::Evidence)
            .reply(ReplyPermission::Always)
    }
}

impl Crm for MappedCrm {
    fn look_up(context: &Context<Settings>, identifier: &Identifier) -> Result<Vec<Contact>, Error> {
        let mapping = Mapping::of_call(&context.settings.mapping)?;
        match &mapping.source {
            Source::Rest(rest) => rest::look_up::contacts(rest, &mapping.contact, context, identifier),
        }
    }

    fn changes(context: &Context<Settings>, cursor: Option<String>) -> Result<crm::ContactPage, Error> {
        let mapping = Mapping::of_call(&context.settings.mapping)?;
        match &mapping.source {
            Source::Rest(rest) => rest::changes::page(rest, &mapping.contact, context, cursor),
        }
    }
}

impl Publish for MappedCrm {
    fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        if effect.action != "activity" {
            return Err(effect.unknown_action());
        }
        let mapping = Mapping::of_call(&context.settings.mapping)?;
        match &mapping.source {
            Source::Rest(rest) => rest::activity::write(rest, context, effect),
        }
    }
}

impl Find for MappedCrm {
    fn find(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
        if effect.action != "activity" {
            return Err(effect.unknown_action());
        }
        let mapping = Mapping::of_call(&context.settings.mapping)?;
        match &mapping.source {
            Source::Rest(rest) => rest::activity::find(rest, context, effect),
        }
    }
}

export!(MappedCrm: crm, publish, find);
