//! Talk pages of a MediaWiki: what is written there comes in by polling recent changes, answers go out into the section they belong to.
//!
//! | file | what it knows |
//! |---|---|
//! | `settings.rs` | which wiki, as whom, what is read |
//! | `api.rs` | requests to the action API, and what its errors mean |
//! | `recent.rs` | recent changes, from a cursor on, as interactions |
//! | `cursor.rs` | where the next poll goes on, and what was read already |
//! | `revisions.rs` | the texts of revisions |
//! | `thread.rs` | a page's text as threads, and a conversation's key |
//! | `addition.rs` | what an edit added to which thread |
//! | `words.rs` | a person's words in wikitext, and ours for it |
//! | `known.rs` | which revisions a deleted page takes along |
//! | `publish.rs`, `post.rs`, `find.rs` | the reply, the post, and looking whether they are there |
//!
//! What the platform promises and what it can't stands in README.md.

mod addition;
mod api;
mod cursor;
mod find;
mod known;
mod post;
mod publish;
mod recent;
mod revisions;
mod settings;
mod thread;
mod words;

use sportello_sdk::*;

pub use settings::Settings;

/// The credential: the bot's name (`ConnectorBot@connector`) and its bot password.
const BOT: &str = "bot";
/// How often recent changes are asked for unless the operator says otherwise.
const POLL_SECONDS: u32 = 15;
/// How long an edit may take to become visible to a look: replicas lag behind the database that took the edit.
const SETTLING_SECONDS: u32 = 2;
/// A session of MediaWiki ends after an hour without use; a fresh log-in costs two requests.
const SESSION_SECONDS: u32 = 50 * 60;

/// The connector.
pub struct Wiki;

impl Description for Wiki {
    type Settings = Settings;

    fn describe() -> Manifest {
        let origin = Origin::setting("/base-url");
        let token = LoginStep::get("${/api-path}?action=query&meta=tokens&type=login&format=json&formatversion=2")
            .capture("login-token", "/query/tokens/logintoken");
        let login = LoginStep::post_form(
            "${/api-path}",
            &[
                ("action", "login"),
                ("lgname", "${user}"),
                ("lgpassword", "${password}"),
                ("lgtoken", "${login-token}"),
                ("format", "json"),
                ("formatversion", "2"),
            ],
        )
        .expect("/login/result", "Success");
        Manifest::channel("wiki", env!("CARGO_PKG_VERSION"), "wiki")
            .summary("Talk pages of a MediaWiki: threads and comments in, replies and posts out")
            .settings_schema(include_str!("../settings.schema.json"))
            .credential(
                Credential::new(BOT, "reads recent changes and answers on talk pages", &["user", "password"])
                    .sent_to(origin)
                    .session(Session::new([token, login]).cookies().lifetime(SESSION_SECONDS)),
            )
            .action(Action::new("reply", Idempotency::Findable).settling(SETTLING_SECONDS))
            .action(Action::new("post", Idempotency::Findable).settling(SETTLING_SECONDS))
            .poll_every(POLL_SECONDS)
            .link(LinkPermission::Evidence)
            .reply(ReplyPermission::Always)
    }
}

impl Poll for Wiki {
    fn poll(context: &Context<Settings>, cursor: Option<String>) -> Result<poll::Page, Error> {
        recent::poll(context, cursor.as_deref())
    }
}

impl Publish for Wiki {
    fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        match effect.action.as_str() {
            "reply" => publish::reply(context, effect),
            "post" => post::publish(context, effect),
            _ => Err(effect.unknown_action()),
        }
    }
}

impl Find for Wiki {
    fn find(context: &Context<Settings>, effect: &Effect) -> Result<sportello_sdk::find::Presence, Error> {
        match effect.action.as_str() {
            "reply" => find::reply(context, effect),
            "post" => post::presence(context, effect),
            _ => Err(effect.unknown_action()),
        }
    }
}

export!(Wiki: poll, publish, find);
