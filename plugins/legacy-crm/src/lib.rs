//! Tryton, as the CRM a company has had for years: its parties are looked up by what identifies them, their changes followed, and what was done
//! for them noted on them.
//!
//! | file | what it knows |
//! |---|---|
//! | `settings.rs` | which Tryton, which contact mechanisms identify a party |
//! | `rpc.rs` | JSON-RPC, and what its errors mean |
//! | `stamp.rs` | Tryton's moments |
//! | `party.rs` | a party, with what hangs on it, as a contact |
//! | `look_up.rs` | which parties carry an identifier |
//! | `changes.rs` | which parties changed since a cursor |
//! | `contact.rs` | making a party, or changing one under Tryton's lock |
//! | `marker.rs` | the effect's key on a party, and looking whether it is there |
//! | `activity.rs` | a note on a party, and looking whether it is there |
//!
//! What the system promises and what it can't stands in README.md.

mod activity;
mod changes;
mod contact;
mod look_up;
mod marker;
mod party;
mod rpc;
mod settings;
mod stamp;

use sportello_sdk::*;

pub use settings::Settings;

/// How often changes are asked for unless the operator says otherwise.
const POLL_SECONDS: u32 = 60;
/// How long a note or a party may take to become visible to a look: it is there once its transaction has ended, which the answer waits for.
const SETTLING_SECONDS: u32 = 2;

/// The connector.
pub struct LegacyCrm;

impl Description for LegacyCrm {
    type Settings = Settings;

    fn describe() -> Manifest {
        let login = LoginStep::post_json(
            "${/rpc-path}",
            r#"{"id":1,"method":"common.db.login","params":["${user}",{"password":"${password}"},"en"]}"#,
        )
        .capture("uid", "/result/0")
        .capture("session", "/result/1");
        Manifest::crm("legacy-crm", env!("CARGO_PKG_VERSION"), "tryton")
            .summary("Tryton: parties looked up, followed, made and changed as contacts, activities as notes on them")
            .settings_schema(include_str!("../settings.schema.json"))
            .credential(
                Credential::new("user", "reads, makes and changes parties, and writes notes on them", &["user", "password"])
                    .sent_to(Origin::setting("/base-url"))
                    .placement(Placement::header("authorization", "${user}:${uid}:${session}").prefix("Session ").base64())
                    .session(Session::new([login])),
            )
            .action(Action::new("activity", Idempotency::Findable).settling(SETTLING_SECONDS))
            .action(Action::new("contact", Idempotency::Findable).settling(SETTLING_SECONDS))
            .poll_every(POLL_SECONDS)
            .link(LinkPermission::Evidence)
            .reply(ReplyPermission::Always)
    }
}

impl Crm for LegacyCrm {
    fn look_up(context: &Context<Settings>, identifier: &Identifier) -> Result<Vec<Contact>, Error> {
        look_up::contacts(&context.settings, identifier)
    }

    fn changes(context: &Context<Settings>, cursor: Option<String>) -> Result<crm::ContactPage, Error> {
        changes::page(context, cursor.as_deref())
    }
}

impl Publish for LegacyCrm {
    fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        match effect.action.as_str() {
            "activity" => activity::write(&context.settings, effect),
            "contact" => contact::write(&context.settings, effect),
            _ => Err(effect.unknown_action()),
        }
    }
}

impl Find for LegacyCrm {
    fn find(context: &Context<Settings>, effect: &Effect) -> Result<find::Presence, Error> {
        match effect.action.as_str() {
            "activity" => activity::find(&context.settings, effect),
            "contact" => marker::find(&context.settings, effect),
            _ => Err(effect.unknown_action()),
        }
    }
}

export!(LegacyCrm: crm, publish, find);
