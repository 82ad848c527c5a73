//! Facebook Pages: what is written on a page comes in by webhook, answers go out as comments, posts as the page's own.
//!
//! | file | what it knows |
//! |---|---|
//! | `delivery.rs` | the envelope of a delivery: entries, changes, messages, and where each stands in the body |
//! | `feed.rs` | posts, comments, reactions, mentions, ratings |
//! | `messaging.rs` | private messages |
//! | `deletion.rs` | requests to delete what is kept of somebody |
//! | `account.rs` | who somebody is |
//! | `graph.rs` | requests to the Graph API, and what its errors mean |
//! | `list.rs` | lists of the Graph API |
//! | `poll.rs`, `cursor.rs` | looking for what the webhook missed |
//! | `token.rs` | when the page's token ends |
//! | `usage.rs` | how much is used of the platform's limits |
//! | `publish.rs`, `find.rs` | replies and posts, and looking whether they are there |
//!
//! What the platform promises and what it can't stands in README.md.

mod account;
mod cursor;
mod deletion;
mod delivery;
mod feed;
mod find;
mod graph;
mod list;
mod messaging;
mod poll;
mod publish;
mod settings;
mod token;
mod usage;

use sportello_sdk::*;

pub use settings::Settings;

/// The name of the credential that holds the app's secret.
const APP_SECRET: &str = "app-secret";
/// The name of the credential that holds the token written into the app's webhook settings.
const VERIFY_TOKEN: &str = "verify-token";
/// The name of the credential that holds the page's token.
const PAGE_TOKEN: &str = "page-token";
/// The name of the credential that holds the page's token where it is asked about itself.
const PAGE_TOKEN_CHECK: &str = "page-token-check";
/// The name of the credential that holds the app's own token and the proof that it has the app's secret.
const APP_TOKEN: &str = "app-token";
/// How long a comment or post of ours may take to become visible to a look.
const SETTLING_SECONDS: u32 = 60;
/// How often what the webhook missed is looked for: deliveries are repeated for 36 hours, so this is a safety net.
const POLL_SECONDS: u32 = 30 * 60;

/// The connector.
pub struct Facebook;

impl Description for Facebook {
    type Settings = Settings;

    fn describe() -> Manifest {
        Manifest::channel("facebook", env!("CARGO_PKG_VERSION"), "facebook")
            .summary("A Facebook page: posts, comments, mentions, ratings and messages in, replies and posts out")
            .settings_schema(include_str!("../settings.schema.json"))
            .credential(Credential::signing(APP_SECRET, "verifies that deliveries come from Facebook"))
            .credential(Credential::signing(VERIFY_TOKEN, "answers Facebook's check of the webhook's address"))
            .credential(Credential::bearer(
                PAGE_TOKEN,
                "writes replies and posts, and reads posts and comments",
                Origin::setting("/graph-url"),
            ))
            .credential(
                Credential::new(PAGE_TOKEN_CHECK, "asks when the page's token ends: the same secret", &["token"])
                    .sent_to(Origin::setting("/graph-url"))
                    .placement(Placement::query("access_token", "${token}"))
                    .placement(Placement::query("input_token", "${token}"))
                    .optional(),
            )
            .credential(
                Credential::new(APP_TOKEN, "asks under which id the page knows somebody who wants to be deleted", &["token", "proof"])
                    .sent_to(Origin::setting("/graph-url"))
                    .placement(Placement::query("access_token", "${token}"))
                    .placement(Placement::query("appsecret_proof", "${proof}"))
                    .optional(),
            )
            .signature(Signature::hmac_sha256("x-hub-signature-256", APP_SECRET).prefix("sha256="))
            .signature(Signature::signed_field("signed_request", APP_SECRET))
            .action(Action::new("reply", Idempotency::Findable).settling(SETTLING_SECONDS))
            .action(Action::new("post", Idempotency::Findable).settling(SETTLING_SECONDS))
            .poll_every(POLL_SECONDS)
            .link(LinkPermission::Evidence)
            .reply(ReplyPermission::Always)
    }
}

impl Webhook for Facebook {
    fn handle(context: &Context<Settings>, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
        match request.method.as_str() {
            "GET" => verify(request),
            _ => match deletion::asked(&request.body) {
                Some(asked) => deletion::request(context, &asked),
                None => delivery::interactions(context, &request.body).map(webhook::Outcome::new),
            },
        }
    }
}

/// Answers Facebook's check of the address: the challenge as plain text, to whoever knows the verify token.
fn verify(request: &webhook::Request) -> Result<webhook::Outcome, Error> {
    let token = request.query_value("hub.verify_token").unwrap_or_default();
    let subscribes = request.query_value("hub.mode") == Some("subscribe");
    let response = match request.query_value("hub.challenge") {
        Some(challenge) if subscribes && credentials::matches(VERIFY_TOKEN, token)? => webhook::Response::text(200, challenge),
        _ => webhook::Response::text(403, "wrong verify token"),
    };
    Ok(webhook::Outcome::answer(response))
}

impl Poll for Facebook {
    fn poll(context: &Context<Settings>, cursor: Option<String>) -> Result<sportello_sdk::poll::Page, Error> {
        poll::page(context, cursor)
    }
}

impl Publish for Facebook {
    fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        match effect.action.as_str() {
            "reply" => publish::reply(context, effect),
            "post" => publish::post(context, effect),
            _ => Err(effect.unknown_action()),
        }
    }
}

impl Find for Facebook {
    fn find(context: &Context<Settings>, effect: &Effect) -> Result<sportello_sdk::find::Presence, Error> {
        match effect.action.as_str() {
            "reply" => find::reply(context, effect),
            "post" => find::post(context, effect),
            _ => Err(effect.unknown_action()),
        }
    }
}

export!(Facebook: webhook, poll, publish, find);
