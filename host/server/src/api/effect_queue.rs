//! Queuing what a person asks for: an effect, once per idempotency key.
//!
//! The effect's key is `api-<token>-<hash of the Idempotency-Key>`: whoever repeats a request with the same key gets the same effect, never a
//! second one. The same key with other words, or in another place, is a mistake of the caller's and is told as such.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use ring::digest::{SHA256, digest};
use sportello_core::commands::{Accepted, QueueEffect};
use sportello_core::domain::effect::{AskedBy, EFFECTS, EFFECTS_BY_KEY, Effect};
use sportello_core::domain::person::LawfulBasis;
use sportello_core::ids::{CaseId, ChannelName, ContactId, ConversationId, InteractionId, ProfileId};
use tokio::sync::watch;

use crate::api::effects;
use crate::api::problem::Problem;
use crate::api::{Caller, off_thread};
use crate::tenant::SubmitError;
use crate::tenant::content::EffectContent;

/// The header that makes a repetition harmless.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// Bytes of its hash that are kept: the contract's keys have 64 bytes, with a token's number and the tenant's mark in front.
const KEY_HASH_BYTES: usize = 16;

/// What a caller asks for.
#[derive(Default)]
pub(super) struct AskedFor {
    pub(super) key: String,
    /// The case it is for; None: a post or a contact, which are for nobody's.
    pub(super) case: Option<CaseId>,
    /// The channel it is for, where the caller names one.
    pub(super) channel: Option<ChannelName>,
    pub(super) action: &'static str,
    pub(super) subject: Option<String>,
    pub(super) text: String,
    /// The profile a contact is to be made of.
    pub(super) profile: Option<ProfileId>,
    /// Why that is lawful, as far as the caller says.
    pub(super) basis: Option<LawfulBasis>,
    /// The contact that is to be changed, and what it is to say.
    pub(super) contact: Option<(ContactId, Vec<(String, String)>)>,
}

/// Where it is to go.
pub(super) struct Address {
    pub(super) channel: ChannelName,
    pub(super) conversation: Option<ConversationId>,
    pub(super) answers: Option<InteractionId>,
    pub(super) contact: Option<ContactId>,
    pub(super) profile: Option<ProfileId>,
    pub(super) conversation_key: Option<String>,
    pub(super) in_reply_to: Option<String>,
    /// The CRM's id of the contact.
    pub(super) contact_id: Option<String>,
    /// What the contact is to say.
    pub(super) attributes: Vec<(String, String)>,
}

impl Address {
    /// On this channel, and nowhere in particular.
    pub(super) fn on(channel: ChannelName) -> Self {
        Self {
            channel,
            conversation: None,
            answers: None,
            contact: None,
            profile: None,
            conversation_key: None,
            in_reply_to: None,
            contact_id: None,
            attributes: Vec::new(),
        }
    }
}

/// Queues what is asked for, unless it has been under the same key.
pub(super) async fn queue(
    caller: Caller,
    asked: AskedFor,
    address: impl FnOnce(&Caller) -> Result<Address, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let name = caller.name.clone();
    let (asked, prepared) = off_thread(caller.clone(), move |caller| {
        let prepared = match caller.tenant().get(&EFFECTS_BY_KEY, &asked.key)? {
            Some(effect) => Err(effect),
            None => Ok(command(caller, &asked, address(caller)?, name)?),
        };
        Ok((asked, prepared))
    })
    .await?;
    let (effect, slot) = match prepared {
        Err(effect) => {
            // What the row says may not be durable yet; after a crash, too, it must have been queued once.
            let tenant = caller.tenant();
            durable_up_to(tenant.cursor(), tenant.watch_durable(), tenant.watch_stopped()).await?;
            (effect, None)
        }
        Ok(command) => {
            let slot = command.slot;
            match caller.tenant().submit(&caller.name, command).await? {
                Accepted::Effect(effect) => (effect, Some(slot)),
                other => return Err(Problem::internal(&format!("an effect was answered with {other:?}"))),
            }
        }
    };
    off_thread(caller, move |caller| {
        let row = caller.row(&EFFECTS, &effect, "effect")?;
        // Somebody else may have been faster with the same key.
        let is_new = slot == Some(row.slot);
        if !is_new && !is_same(caller, &row, &asked) {
            return Err(Problem::invalid(format!("the idempotency key was used for something else already: effect {effect}")));
        }
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        Ok((status, Json(effects::view(caller, effect, row))).into_response())
    })
    .await
}

/// Waits until everything up to this sequence is durable; an error, if the tenant stops before.
async fn durable_up_to(
    decided: u64,
    mut durable: watch::Receiver<u64>,
    mut stopped: watch::Receiver<Option<String>>,
) -> Result<(), SubmitError> {
    tokio::select! {
        biased;
        Ok(_) = durable.wait_for(|durable| *durable >= decided) => Ok(()),
        reason = stopped.wait_for(Option::is_some) => {
            let reason = reason.ok().and_then(|reason| reason.clone());
            Err(SubmitError::Stopped(reason.unwrap_or_else(|| "it is shutting down".to_owned())))
        }
    }
}

fn command(caller: &Caller, asked: &AskedFor, address: Address, name: String) -> Result<QueueEffect, Problem> {
    let content = EffectContent {
        text: asked.text.clone(),
        subject: asked.subject.clone(),
        conversation_key: address.conversation_key,
        in_reply_to: address.in_reply_to,
        contact: address.contact_id,
        attributes: address.attributes,
    };
    let slot = caller.tenant().new_slot()?;
    Ok(QueueEffect {
        key: asked.key.clone(),
        channel: address.channel,
        action: asked.action.to_owned(),
        case: asked.case,
        conversation: address.conversation,
        answers: address.answers,
        contact: address.contact,
        profile: address.profile,
        basis: asked.basis,
        slot,
        sealed: caller.tenant().seal(slot, &content)?,
        asked_by: AskedBy::Person { name },
    })
}

/// Whether an effect is what is asked for. Words that have been erased cannot be compared.
fn is_same(caller: &Caller, row: &Effect, asked: &AskedFor) -> bool {
    let words: Option<EffectContent> = caller.open_for_the_host(row.slot, &row.sealed);
    row.case == asked.case
        && asked.channel.as_ref().is_none_or(|channel| *channel == row.channel)
        && row.action == asked.action
        && asked.profile.is_none_or(|profile| row.profile == Some(profile))
        && row.basis == asked.basis
        && (asked.action != "contact" || row.contact == asked.contact.as_ref().map(|(contact, _)| *contact))
        && words.is_none_or(|words| {
            let says = asked.contact.as_ref().is_none_or(|(_, attributes)| *attributes == words.attributes);
            words.text == asked.text && words.subject == asked.subject && says
        })
}

/// The effect's key, from the caller's.
pub(super) fn key(caller: &Caller, headers: &HeaderMap) -> Result<String, Problem> {
    let given = headers.get(IDEMPOTENCY_KEY).map(|value| value.as_bytes()).unwrap_or_default();
    if given.is_empty() || given.len() > KEY_BYTES_MAX {
        let detail = format!(
            "send an Idempotency-Key header of 1 to {KEY_BYTES_MAX} bytes, a new one for each new answer and the same one when you repeat a request"
        );
        return Err(Problem::malformed(detail));
    }
    let hash = hex::encode(&digest(&SHA256, given).as_ref()[..KEY_HASH_BYTES]);
    Ok(format!("api-{}-{hash}", caller.token))
}

pub(super) fn within(field: &str, text: &str, bytes_max: usize) -> Result<(), Problem> {
    if text.trim().is_empty() || text.len() > bytes_max {
        return Err(Problem::invalid(format!("{field} has 1 to {bytes_max} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_repetition_is_answered_only_once_what_it_repeats_is_durable() {
        let (durable, stopped) = (watch::Sender::new(6), watch::Sender::new(None));
        let mut waiting = Box::pin(durable_up_to(7, durable.subscribe(), stopped.subscribe()));
        assert!(waiting.as_mut().now_or_never().is_none(), "record 7 could be lost yet");
        durable.send_replace(7);
        assert!(waiting.await.is_ok());

        let waiting = durable_up_to(8, durable.subscribe(), stopped.subscribe());
        stopped.send_replace(Some("the disk is full".to_owned()));
        assert!(waiting.await.is_err(), "what never became durable is not answered as done");
    }
}
