//! `messaging[]`: private messages to the page.
//!
//! A message has an id (`mid`), which is its native id. The conversation is the other person's, whoever speaks: `dm:` and their id. Receipts
//! (`read`, `delivery`) are nothing somebody says and are left out.

use serde::Deserialize;
use serde::de::IgnoredAny;
use sportello_sdk::{Interaction, Profile, lenient, time};

use crate::account::Account;
use crate::delivery::Around;

/// What a conversation of private messages begins with. Objects of the graph never do.
pub(crate) const KEY_PREFIX: &str = "dm:";

#[derive(Default, Deserialize)]
struct Event {
    #[serde(default, deserialize_with = "lenient::value")]
    sender: Option<Account>,
    #[serde(default, deserialize_with = "lenient::value")]
    recipient: Option<Account>,
    #[serde(default, deserialize_with = "lenient::moment")]
    timestamp: Option<i64>,
    #[serde(default, deserialize_with = "lenient::value")]
    message: Option<Message>,
    #[serde(default, deserialize_with = "lenient::value")]
    message_edit: Option<MessageEdit>,
    #[serde(default, deserialize_with = "lenient::value")]
    postback: Option<Postback>,
    #[serde(default, deserialize_with = "lenient::value")]
    reaction: Option<Reaction>,
    read: Option<IgnoredAny>,
    delivery: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(default, deserialize_with = "lenient::id")]
    mid: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    text: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    is_echo: Option<bool>,
    #[serde(default, deserialize_with = "lenient::value")]
    is_deleted: Option<bool>,
    #[serde(default, deserialize_with = "lenient::value")]
    reply_to: Option<ReplyTo>,
    #[serde(default, deserialize_with = "lenient::value")]
    attachments: Option<Vec<Attachment>>,
}

#[derive(Deserialize)]
struct ReplyTo {
    #[serde(default, deserialize_with = "lenient::id")]
    mid: Option<String>,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(rename = "type", default, deserialize_with = "lenient::text")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct MessageEdit {
    #[serde(default, deserialize_with = "lenient::id")]
    mid: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    text: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    num_edit: Option<String>,
}

#[derive(Deserialize)]
struct Postback {
    #[serde(default, deserialize_with = "lenient::id")]
    mid: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    title: Option<String>,
}

#[derive(Deserialize)]
struct Reaction {
    #[serde(default, deserialize_with = "lenient::id")]
    mid: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    action: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    reaction: Option<String>,
}

/// What an event tells, or None for a receipt.
pub(crate) fn interaction(around: &Around<'_>) -> Option<Interaction> {
    let event: Event = serde_json::from_str(around.raw).unwrap_or_default();
    let sender = event.sender.as_ref().and_then(|account| account.id.as_deref());
    let recipient = event.recipient.as_ref().and_then(|account| account.id.as_deref());
    let echo = event.message.as_ref().and_then(|message| message.is_echo) == Some(true);
    let own = echo || sender == Some(around.page);
    let conversation = format!("{KEY_PREFIX}{}", (if own { recipient } else { sender }).unwrap_or("unknown"));
    let at_ms = event.timestamp.unwrap_or(around.fallback_ms);
    let at = time::from_milliseconds(at_ms);
    let new = |id: &str, kind: &str| Interaction::new(id, kind, at.clone(), conversation.clone());

    let interaction = if let Some((message, mid)) = event.message.as_ref().and_then(|message| Some((message, message.mid.as_deref()?))) {
        spoken(new(mid, "direct-message"), message)
    } else if let Some((edit, mid)) = event.message_edit.as_ref().and_then(|edit| Some((edit, edit.mid.as_deref()?))) {
        let interaction =
            new(mid, "direct-message").edited(format!("edited@{}", edit.num_edit.clone().unwrap_or_else(|| at_ms.to_string())));
        with_text(interaction, edit.text.as_deref())
    } else if let Some((postback, mid)) = event.postback.as_ref().and_then(|postback| Some((postback, postback.mid.as_deref()?))) {
        with_text(new(mid, "direct-message"), postback.title.as_deref()).attribute("postback", "true")
    } else if let Some((reaction, mid)) = event.reaction.as_ref().and_then(|reaction| Some((reaction, reaction.mid.as_deref()?))) {
        let id = format!("reaction:{mid}:{}", sender.unwrap_or("somebody"));
        reacted(new(&id, "reaction").in_reply_to(mid).attribute("names-author", "true"), reaction)
    } else if event.read.is_some() || event.delivery.is_some() {
        return None;
    } else {
        new(&format!("messaging:{}", lenient::checksum(around.raw)), "page-edit").attribute("not-understood", "true")
    };

    let interaction = interaction.own(own).private();
    Some(match sender {
        Some(sender) => interaction.author(Profile::new(sender)),
        None => interaction,
    })
}

fn spoken(mut interaction: Interaction, message: &Message) -> Interaction {
    if message.is_deleted == Some(true) {
        return interaction.deleted("deleted");
    }
    if let Some(mid) = message.reply_to.as_ref().and_then(|reply_to| reply_to.mid.as_deref()) {
        interaction = interaction.in_reply_to(mid);
    }
    let kinds: Vec<&str> = message.attachments.iter().flatten().filter_map(|attachment| attachment.kind.as_deref()).take(32).collect();
    if !kinds.is_empty() {
        interaction = interaction.attribute("attachments", kinds.join(" "));
    }
    with_text(interaction, message.text.as_deref())
}

fn reacted(interaction: Interaction, reaction: &Reaction) -> Interaction {
    let interaction = match reaction.reaction.as_deref() {
        Some(name) => interaction.attribute("reaction", name),
        None => interaction,
    };
    match reaction.action.as_deref() {
        Some("unreact") => interaction.deleted("deleted"),
        _ => interaction,
    }
}

fn with_text(interaction: Interaction, text: Option<&str>) -> Interaction {
    match text {
        Some(text) => interaction.text(text),
        None => interaction,
    }
}
