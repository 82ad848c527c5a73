//! Interactions: what somebody did on a channel.

use serde::Serialize;
use sportello_core::domain::effect::RECEIPTS;
use sportello_core::domain::interaction::{Change, INTERACTIONS, Interaction};
use sportello_core::ids::InteractionId;
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::api::request::At;
use crate::api::vocabulary::{self, AttributeView, Moment, attributes};
use crate::api::{Answer, Caller, reading};
use crate::tenant::content::InteractionContent;

/// An interaction.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InteractionView {
    /// Its number.
    pub(crate) interaction: u64,
    /// Where.
    channel: String,
    /// What happened to the thing: an edit and a deletion are interactions of their own.
    #[schema(schema_with = vocabulary::change)]
    change: Change,
    /// `comment`, `direct-message`, …
    kind: String,
    /// Who did it, where the platform says so.
    profile: Option<u64>,
    /// In which thread.
    conversation: u64,
    /// Whether the company's own account did it.
    own: bool,
    /// The effect it is the echo of: what we did ourselves. Null where somebody did it by hand.
    effect: Option<u64>,
    /// Whether only those who take part can see it.
    private: bool,
    /// When, by the platform.
    occurred_at: Moment,
    /// When it became durable here.
    received_at: Moment,
    /// Whether its words have been given up: deleted on the platform, too old, or their author erased.
    withdrawn: bool,
    /// Its words. Null for viewers, and once they have been given up.
    words: Option<InteractionWords>,
}

/// An interaction's words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InteractionWords {
    /// The platform's id of the thing.
    native_id: String,
    /// Which version of it.
    revision: String,
    /// The words.
    text: Option<String>,
    /// Their language, where the platform says.
    language: Option<String>,
    /// The thread's title.
    conversation_title: Option<String>,
    /// Where the thread can be seen.
    conversation_url: Option<String>,
    /// The native id of what it answers.
    in_reply_to: Option<String>,
    /// Named extras.
    attributes: Vec<AttributeView>,
    /// The platform's own words. Only where one interaction is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

pub(crate) fn view(caller: &Caller, id: InteractionId, row: Interaction) -> Result<InteractionView, Problem> {
    let content: Option<InteractionContent> = caller.open(row.slot, &row.sealed);
    let effect = if row.own { caller.tenant().get(&RECEIPTS, &row.subject)? } else { None };
    Ok(InteractionView {
        interaction: id.0,
        channel: row.channel.to_string(),
        change: row.change,
        kind: row.kind,
        profile: row.profile.map(|profile| profile.0),
        conversation: row.conversation.0,
        own: row.own,
        effect: effect.map(|effect| effect.0),
        private: row.private,
        occurred_at: row.occurred_at.into(),
        received_at: row.received_at.into(),
        withdrawn: row.withdrawn,
        words: content.map(|content| InteractionWords {
            native_id: content.native_id,
            revision: content.revision,
            text: content.text,
            language: content.language,
            conversation_title: content.conversation_title,
            conversation_url: content.conversation_url,
            in_reply_to: content.in_reply_to,
            attributes: attributes(content.attributes),
            raw: content.raw,
        }),
    })
}

/// As it stands in a list: without the platform's own words.
pub(crate) fn listed(caller: &Caller, id: InteractionId) -> Result<Option<InteractionView>, Problem> {
    let Some(row) = caller.tenant().get(&INTERACTIONS, &id)? else { return Ok(None) };
    let mut view = view(caller, id, row)?;
    if let Some(words) = &mut view.words {
        words.raw = None;
    }
    Ok(Some(view))
}

/// One interaction, with the platform's own words of it.
#[utoipa::path(get, path = "/interactions/{interaction}", tag = "interactions", operation_id = "get_interaction", responses((status = 200, description = "The interaction", body = InteractionView)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<InteractionView> {
    reading(caller, move |caller| {
        let id = InteractionId(id);
        let row = caller.row(&INTERACTIONS, &id, "interaction")?;
        view(caller, id, row)
    })
    .await
}
