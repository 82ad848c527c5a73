//! X: what is said to a company's account comes in by webhook, in the shape of today and in the one before, and by asking for mentions; answers and
//! posts go out.
//!
//! | file | what it knows |
//! |---|---|
//! | `delivery.rs` | which of the two shapes a delivery has, and where each event stands in its body |
//! | `activity.rs` | the events of the X Activity API |
//! | `account.rs` | the events of the older account activity |
//! | `post.rs` | a post, whatever it came in, and what it tells |
//! | `actor.rs` | whom an event that is not understood names |
//! | `message.rs` | direct messages, which look alike in both |
//! | `edits.rs` | which post an edited one once was |
//! | `challenge.rs` | X's check of the webhook's address |
//! | `mentions.rs` | asking for what a webhook may have missed |
//! | `recheck.rs` | looking whether posts are still there |
//! | `api.rs` | requests, what their answers mean, and what is left under the limits |
//! | `publish.rs`, `find.rs` | replies and posts, and looking whether they are there |
//!
//! What the platform promises and what it can't stands in README.md.

mod account;
mod activity;
mod actor;
mod api;
mod challenge;
mod delivery;
mod edits;
mod find;
mod mentions;
mod message;
mod post;
mod publish;
mod recheck;
mod settings;

use sportello_sdk::*;

pub use settings::Settings;

/// The name of the credential that holds the application's secret.
const CONSUMER_SECRET: &str = "consumer-secret";
/// How long a post of ours may take to stand in the account's timeline.
const SETTLING_SECONDS: u32 = 60;
/// How often mentions are asked for beside the webhook.
const POLL_SECONDS: u32 = 120;

/// Deletions are honoured within a day: <https://docs.x.com/developer-terms/policy>
const RECHECK_HOURS: u32 = 24;

/// The connector.
pub struct Twitter;

impl Description for Twitter {
    type Settings = Settings;

    fn describe() -> Manifest {
        let api = || Origin::setting("/api-url");
        // X wants a confidential client to name itself in the header: https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token
        let refresh = LoginStep::refresh_token("/2/oauth2/token", &[])
            .placement(Placement::header("authorization", "${client-id}:${client-secret}").prefix("Basic ").base64());
        // A refused request says so in this header: https://docs.x.com/x-api/fundamentals/rate-limits
        let session = Session::new([refresh]).retry_at("x-rate-limit-reset");
        Manifest::channel("twitter", env!("CARGO_PKG_VERSION"), "twitter")
            .summary("An account on X: mentions, replies, reposts, likes and messages in, replies and posts out")
            .settings_schema(include_str!("../settings.schema.json"))
            .credential(Credential::signing(CONSUMER_SECRET, "verifies that deliveries come from X and answers its challenges"))
            .credential(Credential::refreshed("user-token", "reads and writes as the account, by OAuth 2.0", api(), session).optional())
            .credential(Credential::oauth1("oauth1", "reads and writes as the account, by OAuth 1.0a", api()).optional())
            .signature(Signature::hmac_sha256("x-twitter-webhooks-signature", CONSUMER_SECRET).prefix("sha256=").base64())
            .action(Action::new("reply", Idempotency::Findable).settling(SETTLING_SECONDS))
            .action(Action::new("post", Idempotency::Findable).settling(SETTLING_SECONDS))
            .poll_every(POLL_SECONDS)
            // Matching is allowed on what a person gave the company themselves, which is what a CRM's record of a handle is:
            // https://docs.x.com/developer-terms/policy
            .link(LinkPermission::Evidence)
            .reply(ReplyPermission::Summoned)
            .recheck_every(RECHECK_HOURS)
    }
}

impl Webhook for Twitter {
    fn handle(context: &Context<Settings>, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
        match request.method.as_str() {
            "GET" => challenge::answer(request),
            _ => delivery::interactions(context, &request.body).map(webhook::Outcome::new),
        }
    }
}

impl Poll for Twitter {
    fn poll(context: &Context<Settings>, cursor: Option<String>) -> Result<poll::Page, Error> {
        mentions::poll(context, cursor)
    }
}

impl Publish for Twitter {
    fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        match effect.action.as_str() {
            "reply" | "post" => publish::create(context, effect),
            _ => Err(effect.unknown_action()),
        }
    }
}

impl Find for Twitter {
    fn find(context: &Context<Settings>, effect: &Effect) -> Result<sportello_sdk::find::Presence, Error> {
        match effect.action.as_str() {
            "reply" | "post" => find::presence(context, effect),
            _ => Err(effect.unknown_action()),
        }
    }
}

impl Recheck for Twitter {
    fn gone(context: &Context<Settings>, things: &[sportello_sdk::recheck::Thing]) -> Result<Vec<String>, Error> {
        recheck::gone(context, things)
    }
}

export!(Twitter: webhook, poll, publish, find, recheck);
