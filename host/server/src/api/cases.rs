//! Cases: the unit of work.

use serde::{Deserialize, Serialize};
use sportello_core::commands::{AssignCase, PrioritiseCase, SetCaseState};
use sportello_core::domain::case::{CASES, CASES_BY_STATE, Case, CaseState};
use sportello_core::domain::conversation::CONVERSATIONS;
use sportello_core::domain::effect::EFFECTS_BY_CASE;
use sportello_core::domain::interaction::INTERACTIONS_BY_CONVERSATION;
use sportello_core::domain::person::person_of;
use sportello_core::domain::profile::PROFILES;
use sportello_core::ids::{CaseId, EffectId, InteractionId};
use sportello_core::tables::key_bytes;
use utoipa::{IntoParams, ToSchema};

use crate::api::conversations::{self, ConversationView};
use crate::api::effects::{self, EffectView};
use crate::api::interactions::{InteractionView, listed};
use crate::api::people::{self, PersonView};
use crate::api::profiles::{self, ProfileView};
use crate::api::request::{Asked, At, Given, Order, Page, Paging};
use crate::api::vocabulary::{self, Moment};
use crate::api::{Answer, Caller, number, reading};

/// Interactions shown with a case: the conversation's latest.
const INTERACTIONS_SHOWN_MAX: usize = 50;

/// A case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseView {
    /// Its number.
    case: u64,
    /// Where it came up.
    channel: String,
    /// Its thread.
    conversation: u64,
    /// Who opened it, where the platform says so.
    profile: Option<u64>,
    /// Where it stands.
    #[schema(schema_with = vocabulary::case_state)]
    state: CaseState,
    /// Who answers for it.
    owner: Option<String>,
    /// 0 = ordinary to 100 = most urgent.
    priority: u8,
    /// When it was opened first.
    opened_at: Moment,
    /// When the company answered first.
    first_answer_at: Option<Moment>,
    /// When it was resolved last.
    resolved_at: Option<Moment>,
    /// How often it was opened again.
    reopened: u32,
    /// When it changed last.
    changed_at: Moment,
}

/// A case with what it is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseDetail {
    /// The case.
    case: CaseView,
    /// Its thread.
    conversation: Option<ConversationView>,
    /// Who opened it.
    profile: Option<ProfileView>,
    /// The person behind the profile now.
    person: Option<PersonView>,
    /// The latest interactions of the thread, the latest first; the others: `/conversations/{conversation}/interactions`.
    interactions: Vec<InteractionView>,
}

/// Which cases.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CasesQuery {
    /// Only those in this state.
    #[param(schema_with = vocabulary::case_state)]
    state: Option<CaseState>,
    /// Items of the page, 1 to 200. Default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// `newest` (default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
}

/// Whom a case is given to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignGiven {
    /// The new owner, 1 to 64 characters; null: nobody.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    owner: Option<String>,
}

/// Where a case is moved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateGiven {
    /// The new state.
    #[schema(schema_with = vocabulary::case_state)]
    state: CaseState,
}

/// How urgent a case is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriorityGiven {
    /// 0 = ordinary to 100 = most urgent.
    #[schema(maximum = 100)]
    priority: u8,
}

pub(crate) fn view(id: CaseId, row: Case) -> CaseView {
    CaseView {
        case: id.0,
        channel: row.channel.to_string(),
        conversation: row.conversation.0,
        profile: row.profile.map(|profile| profile.0),
        state: row.state,
        owner: row.owner,
        priority: row.priority,
        opened_at: row.opened_at.into(),
        first_answer_at: row.first_answer_at.map(Moment::from),
        resolved_at: row.resolved_at.map(Moment::from),
        reopened: row.reopened,
        changed_at: row.changed_at.into(),
    }
}

/// Cases, all or those in one state.
#[utoipa::path(get, path = "/cases", tag = "cases", operation_id = "list_cases", params(CasesQuery), responses((status = 200, description = "A page of cases", body = Page<CaseView>)))]
pub(crate) async fn list(caller: Caller, Asked(query): Asked<CasesQuery>) -> Answer<Page<CaseView>> {
    let paging = Paging::of(query.limit, query.after, query.order);
    reading(caller, move |caller| match query.state {
        None => caller.page(&CASES, &[], &paging, |key, row| Ok(Some(view(CaseId(number(key)), row)))),
        Some(state) => caller.page(&CASES_BY_STATE, &key_bytes(&state.code()), &paging, |key, ()| {
            let id = CaseId(number(key));
            Ok(caller.tenant().get(&CASES, &id)?.map(|row| view(id, row)))
        }),
    })
    .await
}

/// One case, with its conversation, profile and person.
#[utoipa::path(get, path = "/cases/{case}", tag = "cases", operation_id = "get_case", responses((status = 200, description = "The case", body = CaseDetail)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<CaseDetail> {
    reading(caller, move |caller| {
        let id = CaseId(id);
        let row = caller.row(&CASES, &id, "case")?;
        let tenant = caller.tenant();
        let conversation = tenant.get(&CONVERSATIONS, &row.conversation)?;
        let profile = match row.profile {
            Some(profile) => tenant.get(&PROFILES, &profile)?.map(|found| (profile, found)),
            None => None,
        };
        let person = match &profile {
            Some((_, found)) => people::behind(caller, person_of(tenant, found))?,
            None => None,
        };
        let latest = Paging::first(INTERACTIONS_SHOWN_MAX);
        let page = caller.page(&INTERACTIONS_BY_CONVERSATION, &key_bytes(&row.conversation), &latest, |key, ()| {
            listed(caller, InteractionId(number(key)))
        })?;
        Ok(CaseDetail {
            conversation: conversation.map(|found| conversations::view(row.conversation, &found)),
            profile: profile.map(|(profile, found)| profiles::view(caller, profile, &found)),
            person,
            interactions: page.items,
            case: view(id, row),
        })
    })
    .await
}

/// What was done outside for a case.
#[utoipa::path(get, path = "/cases/{case}/effects", tag = "cases", operation_id = "list_case_effects", params(Paging), responses((status = 200, description = "A page of effects", body = Page<EffectView>)))]
pub(crate) async fn effects(caller: Caller, At(id): At<u64>, Asked(paging): Asked<Paging>) -> Answer<Page<EffectView>> {
    reading(caller, move |caller| {
        let id = CaseId(id);
        caller.row(&CASES, &id, "case")?;
        caller.page(&EFFECTS_BY_CASE, &key_bytes(&id), &paging, |key, ()| effects::listed(caller, EffectId(number(key))))
    })
    .await
}

async fn changed(caller: Caller, id: CaseId) -> Answer<CaseView> {
    reading(caller, move |caller| Ok(view(id, caller.row(&CASES, &id, "case")?))).await
}

/// Gives a case to somebody, or takes it from them.
#[utoipa::path(post, path = "/cases/{case}/assign", tag = "cases", operation_id = "assign_case", request_body = AssignGiven, responses((status = 200, description = "The case as it is now", body = CaseView)))]
pub(crate) async fn assign(caller: Caller, At(id): At<u64>, Given(given): Given<AssignGiven>) -> Answer<CaseView> {
    caller.tenant().submit(&caller.name, AssignCase { case: CaseId(id), owner: given.owner }).await?;
    changed(caller, CaseId(id)).await
}

/// Moves a case to another state.
#[utoipa::path(post, path = "/cases/{case}/state", tag = "cases", operation_id = "set_case_state", request_body = StateGiven, responses((status = 200, description = "The case as it is now", body = CaseView)))]
pub(crate) async fn set_state(caller: Caller, At(id): At<u64>, Given(given): Given<StateGiven>) -> Answer<CaseView> {
    caller.tenant().submit(&caller.name, SetCaseState { case: CaseId(id), to: given.state }).await?;
    changed(caller, CaseId(id)).await
}

/// Says how urgent a case is.
#[utoipa::path(post, path = "/cases/{case}/priority", tag = "cases", operation_id = "prioritise_case", request_body = PriorityGiven, responses((status = 200, description = "The case as it is now", body = CaseView)))]
pub(crate) async fn prioritise(caller: Caller, At(id): At<u64>, Given(given): Given<PriorityGiven>) -> Answer<CaseView> {
    caller.tenant().submit(&caller.name, PrioritiseCase { case: CaseId(id), priority: given.priority }).await?;
    changed(caller, CaseId(id)).await
}
