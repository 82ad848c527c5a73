//! Conversations: threads on a channel.

use serde::Serialize;
use sportello_core::domain::conversation::{CONVERSATIONS, Conversation};
use sportello_core::domain::interaction::INTERACTIONS_BY_CONVERSATION;
use sportello_core::ids::{ConversationId, InteractionId};
use sportello_core::tables::key_bytes;
use utoipa::ToSchema;

use crate::api::interactions::{InteractionView, listed};
use crate::api::request::{Asked, At, Page, Paging};
use crate::api::vocabulary::Moment;
use crate::api::{Answer, Caller, number, reading};

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationView {
    /// Its number.
    conversation: u64,
    /// Where it takes place.
    channel: String,
    /// The case of it that is open or was open last.
    case: Option<u64>,
    /// Its first interaction.
    first: u64,
    /// The latest interaction by somebody other than the company.
    latest_inbound: Option<u64>,
    /// Whether somebody addressed the company here.
    summoned: bool,
    /// When something was last said in it.
    changed_at: Moment,
}

pub(crate) fn view(id: ConversationId, row: &Conversation) -> ConversationView {
    ConversationView {
        conversation: id.0,
        channel: row.channel.to_string(),
        case: row.case.map(|case| case.0),
        first: row.first.0,
        latest_inbound: row.latest_inbound.map(|interaction| interaction.0),
        summoned: row.summoned,
        changed_at: row.changed_at.into(),
    }
}

/// One conversation.
#[utoipa::path(get, path = "/conversations/{conversation}", tag = "conversations", operation_id = "get_conversation", responses((status = 200, description = "The conversation", body = ConversationView)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<ConversationView> {
    reading(caller, move |caller| {
        let id = ConversationId(id);
        Ok(view(id, &caller.row(&CONVERSATIONS, &id, "conversation")?))
    })
    .await
}

/// What was said in a conversation.
#[utoipa::path(get, path = "/conversations/{conversation}/interactions", tag = "conversations", operation_id = "list_conversation_interactions", params(Paging), responses((status = 200, description = "A page of interactions", body = Page<InteractionView>)))]
pub(crate) async fn interactions(caller: Caller, At(id): At<u64>, Asked(paging): Asked<Paging>) -> Answer<Page<InteractionView>> {
    reading(caller, move |caller| {
        let id = ConversationId(id);
        caller.row(&CONVERSATIONS, &id, "conversation")?;
        caller.page(&INTERACTIONS_BY_CONVERSATION, &key_bytes(&id), &paging, |key, ()| listed(caller, InteractionId(number(key))))
    })
    .await
}
