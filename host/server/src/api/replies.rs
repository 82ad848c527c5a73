//! Answering in a case, noting an activity in the CRM, posting as the company: each queues an effect.

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use sportello_core::domain::case::{CASES, Case};
use sportello_core::domain::channel::CHANNELS;
use sportello_core::domain::contact::CONTACTS;
use sportello_core::domain::interaction::{Change, INTERACTIONS, INTERACTIONS_BY_CONVERSATION, Interaction};
use sportello_core::domain::person::contact_of;
use sportello_core::domain::profile::PROFILES;
use sportello_core::ids::{CaseId, ChannelName, InteractionId};
use sportello_core::tables::key_bytes;
use sportello_views::Direction;
use utoipa::ToSchema;

use crate::api::effect_queue::{Address, AskedFor, key, queue, within};
use crate::api::effects::EffectView;
use crate::api::problem::Problem;
use crate::api::request::{At, Given};
use crate::api::{Caller, number};
use crate::tenant::content::{ContactContent, InteractionContent};

/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Longest heading, in bytes.
const SUBJECT_BYTES_MAX: usize = 512;
/// The latest interactions looked through for an address to answer to.
const ADDRESSES_LOOKED_AT_MAX: usize = 200;

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplyGiven {
    /// The words, at most 64 KiB.
    text: String,
    /// The interaction it answers; left out: the latest one by somebody other than the company.
    interaction: Option<u64>,
}

/// An activity for the CRM.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActivityGiven {
    /// Its heading, at most 512 bytes.
    subject: String,
    /// The words, at most 64 KiB.
    text: String,
}

/// A post of the company.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostGiven {
    /// The words, at most 64 KiB; the network may allow less.
    text: String,
}

/// Answers in a case's conversation.
#[utoipa::path(post, path = "/cases/{case}/replies", tag = "cases", operation_id = "reply",
    params(("idempotency-key" = String, Header, description = "Chosen by the caller, 1 to 255 bytes: the same key again is the same answer")),
    request_body = ReplyGiven,
    responses((status = 201, description = "The answer is queued", body = EffectView), (status = 200, description = "It had been queued under this key", body = EffectView)))]
pub(crate) async fn reply(
    caller: Caller,
    At(id): At<u64>,
    headers: HeaderMap,
    Given(given): Given<ReplyGiven>,
) -> Result<Response, Problem> {
    within("text", &given.text, TEXT_BYTES_MAX)?;
    let key = key(&caller, &headers)?;
    let asked = AskedFor { key, case: Some(CaseId(id)), action: "reply", text: given.text, ..AskedFor::default() };
    let answered = given.interaction.map(InteractionId);
    queue(caller, asked, move |caller| {
        let case = caller.row(&CASES, &CaseId(id), "case")?;
        let (interaction, row, content) = answerable(caller, &case, answered)?;
        Ok(Address {
            conversation: Some(case.conversation),
            answers: Some(interaction),
            profile: row.profile.or(case.profile),
            conversation_key: Some(content.conversation_key),
            in_reply_to: Some(content.native_id),
            ..Address::on(case.channel.clone())
        })
    })
    .await
}

/// Notes an activity at the contact of the person who opened a case.
#[utoipa::path(post, path = "/cases/{case}/activities", tag = "cases", operation_id = "note_activity",
    params(("idempotency-key" = String, Header, description = "Chosen by the caller, 1 to 255 bytes: the same key again is the same activity")),
    request_body = ActivityGiven,
    responses((status = 201, description = "The activity is queued", body = EffectView), (status = 200, description = "It had been queued under this key", body = EffectView)))]
pub(crate) async fn activity(
    caller: Caller,
    At(id): At<u64>,
    headers: HeaderMap,
    Given(given): Given<ActivityGiven>,
) -> Result<Response, Problem> {
    within("text", &given.text, TEXT_BYTES_MAX)?;
    within("subject", &given.subject, SUBJECT_BYTES_MAX)?;
    let key = key(&caller, &headers)?;
    let case = Some(CaseId(id));
    let asked = AskedFor { key, case, action: "activity", subject: Some(given.subject), text: given.text, ..AskedFor::default() };
    queue(caller, asked, move |caller| {
        let case = caller.row(&CASES, &CaseId(id), "case")?;
        let nobody = || Problem::conflict(format!("whoever opened case {id} is linked to no contact; link their profile first"));
        let profile = case.profile.ok_or_else(nobody)?;
        let row = caller.row(&PROFILES, &profile, "profile")?;
        let contact = contact_of(caller.tenant(), &row).ok_or_else(nobody)?;
        let row = caller.row(&CONTACTS, &contact, "contact")?;
        let record: ContactContent = caller.open_for_the_host(contact.slot(), &row.sealed).ok_or_else(nobody)?;
        Ok(Address { contact: Some(contact), profile: Some(profile), contact_id: Some(record.id), ..Address::on(row.channel) })
    })
    .await
}

/// Posts as the company on a channel that can (its actions have `post`).
#[utoipa::path(post, path = "/channels/{channel}/posts", tag = "channels", operation_id = "post",
    params(("idempotency-key" = String, Header, description = "Chosen by the caller, 1 to 255 bytes: the same key again is the same post")),
    request_body = PostGiven,
    responses((status = 201, description = "The post is queued", body = EffectView), (status = 200, description = "It had been queued under this key", body = EffectView)))]
pub(crate) async fn post(
    caller: Caller,
    At(channel): At<String>,
    headers: HeaderMap,
    Given(given): Given<PostGiven>,
) -> Result<Response, Problem> {
    within("text", &given.text, TEXT_BYTES_MAX)?;
    let channel = ChannelName::new(channel).map_err(Problem::invalid)?;
    let key = key(&caller, &headers)?;
    let asked = AskedFor { key, channel: Some(channel.clone()), action: "post", text: given.text, ..AskedFor::default() };
    queue(caller, asked, move |caller| {
        caller.row(&CHANNELS, &channel, "channel")?;
        Ok(Address::on(channel))
    })
    .await
}

/// The interaction an answer goes to, with the address in it: the given one, or the latest by somebody else whose words are still there.
fn answerable(
    caller: &Caller,
    case: &Case,
    given: Option<InteractionId>,
) -> Result<(InteractionId, Interaction, InteractionContent), Problem> {
    let tenant = caller.tenant();
    let gone = || Problem::conflict("the words that said where to answer have been given up: nothing can be answered here any more");
    let open = |id: InteractionId, row: Interaction| {
        let content: Option<InteractionContent> = caller.open_for_the_host(row.slot, &row.sealed);
        content.map(|content| (id, row, content))
    };
    if let Some(id) = given {
        let row = caller.row(&INTERACTIONS, &id, "interaction")?;
        if row.conversation != case.conversation {
            return Err(Problem::invalid(format!("interaction {id} is not of this case's conversation {}", case.conversation)));
        }
        return open(id, row).ok_or_else(gone);
    }
    let prefix = key_bytes(&case.conversation);
    for (key, ()) in tenant.list(&INTERACTIONS_BY_CONVERSATION, &prefix, None, Direction::Backward, ADDRESSES_LOOKED_AT_MAX)? {
        let id = InteractionId(number(&key));
        let row = tenant.get(&INTERACTIONS, &id)?.filter(|row| !row.own && !row.withdrawn && row.change != Change::Deleted);
        let found = row.and_then(|row| open(id, row));
        if let Some(found) = found {
            return Ok(found);
        }
    }
    Err(gone())
}
