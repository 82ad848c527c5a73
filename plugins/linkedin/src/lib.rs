//! LinkedIn organisation pages: what people write on them comes in by webhook, and by poll where a delivery was missed; answers go out as
//! comments.
//!
//! | file | what it knows |
//! |---|---|
//! | `delivery.rs` | the envelope of a delivery, and where each notification stands in the body |
//! | `poll.rs`, `cursor.rs` | pulling the same notifications |
//! | `notification.rs` | what a notification tells |
//! | `thread.rs` | which comment a comment answers |
//! | `urn.rs` | the names of things as the platform writes them |
//! | `api.rs`, `list.rs`, `comments.rs`, `role.rs` | requests to the API, and what its errors mean |
//! | `publish.rs`, `posts.rs`, `find.rs` | the reply, the post, and looking whether they are there |
//!
//! What the platform promises and what it can't stands in README.md.

mod api;
mod challenge;
mod comments;
mod cursor;
mod delivery;
mod find;
mod list;
mod notification;
mod poll;
mod posts;
mod publish;
mod role;
mod settings;
mod thread;
mod urn;

use sportello_sdk::*;

pub use settings::Settings;

/// The name of the credential that holds the app's secret.
const CLIENT_SECRET: &str = "client-secret";
/// The name of the credential that fetches access tokens.
const TOKEN: &str = "token";
/// What the platform tells with each access token: the seconds that are left of the member's consent, 365 days at first, whatever is refreshed.
/// <https://learn.microsoft.com/en-us/linkedin/shared/authentication/programmatic-refresh-tokens>
const CONSENT_ENDS_IN: &str = "consent-ends-in";
/// How long a comment or post of ours may take to become visible to a look.
const SETTLING_SECONDS: u32 = 60;
/// How often missed notifications are looked for: deliveries are repeated for eight hours, so this is a safety net.
const POLL_SECONDS: u32 = 30 * 60;

/// The connector.
pub struct LinkedIn;

impl Description for LinkedIn {
    type Settings = Settings;

    fn describe() -> Manifest {
        let client = [("client_id", "${client-id}"), ("client_secret", "${client-secret}")];
        let step = LoginStep::refresh_token("/oauth/v2/accessToken", &client).capture(CONSENT_ENDS_IN, "/refresh_token_expires_in");
        let session = Session::new([step]).at(Origin::setting("/token-url")).rotation_lifetime_of(CONSENT_ENDS_IN);
        Manifest::channel("linkedin", env!("CARGO_PKG_VERSION"), "linkedin")
            .summary("A LinkedIn organisation page: comments, mentions, reactions and reposts in, replies and posts out")
            .settings_schema(include_str!("../settings.schema.json"))
            .credential(Credential::signing(CLIENT_SECRET, "verifies that deliveries come from LinkedIn, and proves the webhook's address"))
            .credential(Credential::refreshed(
                TOKEN,
                "writes replies and posts, reads comments and notifications",
                Origin::setting("/api-url"),
                session,
            ))
            // The page that defines the signature can be read either way, and both are seen.
            .signature(
                Signature::hmac_sha256("x-li-signature", CLIENT_SECRET)
                    .prefix("hmacsha256=")
                    .prefix_optional()
                    .signed_prefix("hmacsha256="),
            )
            .action(Action::new("reply", Idempotency::Findable).settling(SETTLING_SECONDS))
            .action(Action::new("post", Idempotency::Findable).settling(SETTLING_SECONDS))
            .poll_every(POLL_SECONDS)
            .link(LinkPermission::Forbidden)
            .reply(ReplyPermission::Always)
            .retention("profile", 24)
            .retention("content", 48)
            .retention("raw", 24)
    }
}

impl Webhook for LinkedIn {
    fn handle(context: &Context<Settings>, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
        match request.method.as_str() {
            "GET" => challenge::answer(request),
            _ => delivery::interactions(context, &request.body).map(webhook::Outcome::new),
        }
    }
}

impl Poll for LinkedIn {
    fn poll(context: &Context<Settings>, cursor: Option<String>) -> Result<sportello_sdk::poll::Page, Error> {
        poll::page(context, cursor)
    }
}

impl Publish for LinkedIn {
    fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        match effect.action.as_str() {
            "reply" => publish::reply(context, effect),
            "post" => posts::publish(context, effect),
            _ => Err(effect.unknown_action()),
        }
    }
}

impl Find for LinkedIn {
    fn find(context: &Context<Settings>, effect: &Effect) -> Result<sportello_sdk::find::Presence, Error> {
        find::presence(context, effect)
    }
}

export!(LinkedIn: webhook, poll, publish, find);
