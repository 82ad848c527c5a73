//! Effects: what is done outside, and what a person must decide about.

use serde::{Deserialize, Serialize};
use sportello_core::commands::{DecideEffect, EffectDecision};
use sportello_core::domain::channel::Idempotency;
use sportello_core::domain::effect::{AskedBy, EFFECTS, EFFECTS_DUE, EFFECTS_STARTED, EFFECTS_UNDECIDED, Effect, EffectState};
use sportello_core::ids::EffectId;
use utoipa::{IntoParams, ToSchema};

use crate::api::problem::Problem;
use crate::api::request::{Asked, At, Given, Order, Page, Paging};
use crate::api::vocabulary::{self, AttributeView, Moment, attributes};
use crate::api::{Answer, Caller, number, reading};
use crate::tenant::content::{EffectContent, ReceiptContent};

/// An effect.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EffectView {
    /// Its number.
    effect: u64,
    /// The channel that does it.
    channel: String,
    /// `reply`, `post`, `activity`, `contact`.
    action: String,
    /// What a repetition would do.
    #[schema(schema_with = vocabulary::idempotency)]
    idempotency: Idempotency,
    /// The case it belongs to.
    case: Option<u64>,
    /// The conversation a reply goes to.
    conversation: Option<u64>,
    /// The contact an activity is about.
    contact: Option<u64>,
    /// Who it is directed at.
    profile: Option<u64>,
    /// Who asked for it.
    asked_by: AskedByView,
    /// Where it stands.
    #[schema(schema_with = vocabulary::effect_state)]
    state: EffectState,
    /// Calls started so far.
    attempts: u32,
    /// When it was queued.
    queued_at: Moment,
    /// When it may start, or be looked for, next.
    due_at: Moment,
    /// When it was started last.
    started_at: Option<Moment>,
    /// When it came to an end.
    ended_at: Option<Moment>,
    /// What went wrong last, in the host's words.
    problem: Option<String>,
    /// What the connector said of it. Null for viewers, and once erased.
    detail: Option<String>,
    /// Its words. Null for viewers, and once erased.
    words: Option<EffectWords>,
    /// What the platform says came of it. Null for viewers, until it is done, once erased, and where `echo` was the first to tell.
    receipt: Option<ReceiptView>,
    /// The interaction in which the platform showed what came of it: its echo.
    echo: Option<u64>,
}

/// Who asked for an effect.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum AskedByView {
    /// A step of a workflow's run.
    Run {
        /// The run.
        run: u64,
        /// The step's name.
        step: String,
    },
    /// Somebody through the API.
    Person {
        /// Their token's name.
        name: String,
    },
}

/// An effect's words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EffectWords {
    /// The words.
    text: String,
    /// A heading, where the action has one.
    subject: Option<String>,
    /// The native id of what it answers.
    in_reply_to: Option<String>,
    /// Named extras: what a contact is to say.
    attributes: Vec<AttributeView>,
}

/// What came of an effect on the platform.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptView {
    /// The platform's id of it.
    native_id: String,
    /// Where it can be seen.
    url: Option<String>,
}

/// A list of effects.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Which {
    /// All of them.
    #[default]
    All,
    /// Those that wait for a worker, by channel and moment: of each conversation the first.
    Due,
    /// Those started and without an outcome.
    Started,
    /// Those a person must decide about.
    Undecided,
}

/// Which effects.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EffectsQuery {
    /// `all` (default), `due`, `started` or `undecided`.
    #[param(inline)]
    which: Option<Which>,
    /// Items of the page, 1 to 200. Default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// `newest` (default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
}

/// What a person decides.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Decision {
    /// It did not take place: do it.
    Repeat,
    /// Leave it: it took place, or is not wanted any more.
    GiveUp,
}

/// A decision about an effect nobody else can judge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionGiven {
    /// What is decided.
    #[schema(inline)]
    decision: Decision,
}

pub(crate) fn view(caller: &Caller, id: EffectId, row: Effect) -> EffectView {
    let words: Option<EffectContent> = caller.open(row.slot, &row.sealed);
    let receipt: Option<ReceiptContent> = caller.open(row.slot, &row.receipt);
    let detail: Option<String> = caller.open(row.slot, &row.detail);
    EffectView {
        effect: id.0,
        channel: row.channel.to_string(),
        action: row.action,
        idempotency: row.idempotency,
        case: row.case.map(|case| case.0),
        conversation: row.conversation.map(|conversation| conversation.0),
        contact: row.contact.map(|contact| contact.0),
        profile: row.profile.map(|profile| profile.0),
        asked_by: match row.asked_by {
            AskedBy::Run { run, step } => AskedByView::Run { run, step },
            AskedBy::Person { name } => AskedByView::Person { name },
        },
        state: row.state,
        attempts: row.attempts,
        queued_at: row.queued_at.into(),
        due_at: row.due_at.into(),
        started_at: row.started_at.map(Moment::from),
        ended_at: row.ended_at.map(Moment::from),
        problem: row.problem,
        detail,
        words: words.map(|words| EffectWords {
            text: words.text,
            subject: words.subject,
            in_reply_to: words.in_reply_to,
            attributes: attributes(words.attributes),
        }),
        receipt: receipt.map(|receipt| ReceiptView { native_id: receipt.native_id, url: receipt.url }),
        echo: row.echo.map(|echo| echo.0),
    }
}

pub(crate) fn listed(caller: &Caller, id: EffectId) -> Result<Option<EffectView>, Problem> {
    Ok(caller.tenant().get(&EFFECTS, &id)?.map(|row| view(caller, id, row)))
}

/// Effects: all, due, started or undecided.
#[utoipa::path(get, path = "/effects", tag = "effects", operation_id = "list_effects", params(EffectsQuery), responses((status = 200, description = "A page of effects", body = Page<EffectView>)))]
pub(crate) async fn list(caller: Caller, Asked(query): Asked<EffectsQuery>) -> Answer<Page<EffectView>> {
    let paging = Paging::of(query.limit, query.after, query.order);
    reading(caller, move |caller| {
        let listed = |key: &[u8], ()| listed(caller, EffectId(number(key)));
        match query.which.unwrap_or_default() {
            Which::All => caller.page(&EFFECTS, &[], &paging, |key, row| Ok(Some(view(caller, EffectId(number(key)), row)))),
            Which::Due => caller.page(&EFFECTS_DUE, &[], &paging, listed),
            Which::Started => caller.page(&EFFECTS_STARTED, &[], &paging, listed),
            Which::Undecided => caller.page(&EFFECTS_UNDECIDED, &[], &paging, listed),
        }
    })
    .await
}

/// One effect.
#[utoipa::path(get, path = "/effects/{effect}", tag = "effects", operation_id = "get_effect", responses((status = 200, description = "The effect", body = EffectView)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<EffectView> {
    reading(caller, move |caller| {
        let id = EffectId(id);
        Ok(view(caller, id, caller.row(&EFFECTS, &id, "effect")?))
    })
    .await
}

/// Decides an undecided effect.
#[utoipa::path(post, path = "/effects/{effect}/decision", tag = "effects", operation_id = "decide_effect", request_body = DecisionGiven, responses((status = 200, description = "The effect as it is now", body = EffectView)))]
pub(crate) async fn decide(caller: Caller, At(id): At<u64>, Given(given): Given<DecisionGiven>) -> Answer<EffectView> {
    let decision = match given.decision {
        Decision::Repeat => EffectDecision::Repeat,
        Decision::GiveUp => EffectDecision::GiveUp,
    };
    caller.tenant().submit(&caller.name, DecideEffect { effect: EffectId(id), decision, by: caller.name.clone() }).await?;
    reading(caller, move |caller| {
        let id = EffectId(id);
        Ok(view(caller, id, caller.row(&EFFECTS, &id, "effect")?))
    })
    .await
}
