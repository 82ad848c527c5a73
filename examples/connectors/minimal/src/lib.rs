//! The smallest useful connector: a chat that posts each message to us, and takes answers by HTTP.

use serde::Deserialize;
use sportello_sdk::{http, webhook, *};

/// What the operator writes into the channel's settings.
#[derive(Deserialize)]
pub struct Settings {
    url: String,
}

/// What the chat posts to us, and answers.
#[derive(Deserialize)]
struct Message {
    id: String,
    thread: String,
    user: String,
    text: String,
    /// Seconds since 1970.
    at: i64,
}

/// The connector.
pub struct Chat;

impl Description for Chat {
    type Settings = Settings;

    fn describe() -> Manifest {
        Manifest::channel("minimal", env!("CARGO_PKG_VERSION"), "chat")
            .summary("Messages of a chat, answered in their thread")
            .settings_schema(r#"{"type":"object","required":["url"],"properties":{"url":{"type":"string","format":"uri"}}}"#)
            .credential(Credential::signing("webhook-secret", "verifies deliveries"))
            .credential(Credential::bearer("token", "posts answers", Origin::setting("/url")))
            .signature(Signature::hmac_sha256("x-chat-signature", "webhook-secret"))
            .action(Action::new("reply", Idempotency::Keyed))
    }
}

impl Webhook for Chat {
    fn handle(_: &Context<Settings>, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
        let message: Message = request.json()?;
        let interaction = Interaction::new(message.id, "direct-message", time::from_seconds(message.at), message.thread)
            .author(Profile::new(message.user))
            .text(message.text);
        Ok(webhook::Outcome::new([interaction.private().raw_input(0, request.body.len())]))
    }
}

impl Publish for Chat {
    fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        let url = format!("{}/threads/{}", context.settings.url, http::encode(effect.conversation_key()?));
        let response = http::Request::post(url).form([("text", &effect.text), ("key", &effect.key)]).send()?.success()?;
        Ok(Receipt::new(response.json::<Message>()?.id))
    }
}

export!(Chat: webhook, publish);
