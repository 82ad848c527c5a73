//! People: customers, prospects and those nobody knows yet; their history across channels; forgetting them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use sportello_core::commands::ErasePerson;
use sportello_core::domain::case::{CASES, CASES_BY_PROFILE};
use sportello_core::domain::contact::CONTACTS;
use sportello_core::domain::interaction::INTERACTIONS_BY_PROFILE;
use sportello_core::domain::person::{LINKED_PROFILES, Origin, PEOPLE, Person, Standing, contact_of, person_of, standing};
use sportello_core::domain::profile::PROFILES;
use sportello_core::ids::{CaseId, ContactId, InteractionId, PersonId, ProfileId};
use sportello_core::tables::key_bytes;
use sportello_views::Direction;
use utoipa::{IntoParams, ToSchema};

use crate::api::cases::{self, CaseView};
use crate::api::contacts::{self, ContactView};
use crate::api::interactions::{InteractionView, listed};
use crate::api::problem::Problem;
use crate::api::profiles::{self, ProfileView};
use crate::api::request::{Asked, At, Order, Page, Paging, cursor};
use crate::api::vocabulary::{self, Moment, standing_word};
use crate::api::{Answer, Caller, number, reading};

/// Cases shown with a person: their latest.
const CASES_SHOWN_MAX: usize = 50;

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonView {
    /// Their number.
    person: u64,
    /// What they are to the company.
    #[schema(schema_with = vocabulary::standing)]
    standing: Standing,
    /// When they came into being here.
    since: Moment,
    /// Whether they have been erased.
    erased: bool,
    /// The person they are linked to now: of a linked profile's own person, the contact's; else themselves.
    resolves_to: u64,
}

/// A person with everything that is theirs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonDetail {
    /// The person.
    person: PersonView,
    /// Their contact in the CRM.
    contact: Option<ContactView>,
    /// Their profiles.
    profiles: Vec<ProfileView>,
    /// Their latest cases, the latest first.
    cases: Vec<CaseView>,
}

/// That a person is being erased.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasureView {
    /// Who.
    person: u64,
    /// `erasing`: it is durable that they are to be forgotten; their keys are overwritten in the next moments.
    state: &'static str,
}

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeopleQuery {
    /// Only `customer`, `prospect`, `unknown` or `own`. A page may then hold fewer than `limit`.
    #[param(schema_with = vocabulary::standing)]
    standing: Option<String>,
    /// Items of the page, 1 to 200. Default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// `newest` (default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
}

/// What is theirs, through links as they are now.
struct Belongings {
    standing: Standing,
    contact: Option<ContactId>,
    profiles: Vec<ProfileId>,
    resolves_to: PersonId,
}

fn belongings(caller: &Caller, id: PersonId, person: &Person) -> Result<Belongings, Problem> {
    let tenant = caller.tenant();
    Ok(match person.origin {
        Origin::Contact(contact) => {
            let there = tenant.get(&CONTACTS, &contact)?.is_some_and(|row| !row.deleted);
            Belongings {
                standing: if there { Standing::Customer } else { Standing::Unknown },
                contact: Some(contact),
                profiles: tenant.get(&LINKED_PROFILES, &id)?.unwrap_or_default(),
                resolves_to: id,
            }
        }
        Origin::Profile(profile) => match tenant.get(&PROFILES, &profile)? {
            Some(row) => Belongings {
                standing: standing(&row),
                contact: contact_of(tenant, &row),
                profiles: vec![profile],
                resolves_to: person_of(tenant, &row),
            },
            None => Belongings { standing: Standing::Unknown, contact: None, profiles: Vec::new(), resolves_to: id },
        },
    })
}

fn view(id: PersonId, person: &Person, belongings: &Belongings) -> PersonView {
    PersonView {
        person: id.0,
        standing: belongings.standing,
        since: person.since.into(),
        erased: person.erased,
        resolves_to: belongings.resolves_to.0,
    }
}

/// The person behind a profile, as they are shown beside a case.
pub(crate) fn behind(caller: &Caller, id: PersonId) -> Result<Option<PersonView>, Problem> {
    let Some(person) = caller.tenant().get(&PEOPLE, &id)? else { return Ok(None) };
    Ok(Some(view(id, &person, &belongings(caller, id, &person)?)))
}

/// People.
#[utoipa::path(get, path = "/people", tag = "people", operation_id = "list_people", params(PeopleQuery), responses((status = 200, description = "A page of people", body = Page<PersonView>)))]
pub(crate) async fn list(caller: Caller, Asked(query): Asked<PeopleQuery>) -> Answer<Page<PersonView>> {
    let wanted = query.standing;
    if let Some(word) = &wanted
        && ![Standing::Customer, Standing::Prospect, Standing::Unknown, Standing::Own]
            .iter()
            .any(|standing| standing_word(*standing) == word)
    {
        return Err(Problem::invalid(format!("standing is customer, prospect, unknown or own, not {word:?}")));
    }
    let paging = Paging::of(query.limit, query.after, query.order);
    reading(caller, move |caller| {
        caller.page(&PEOPLE, &[], &paging, |key, person| {
            let id = PersonId(number(key));
            let belongings = belongings(caller, id, &person)?;
            let shown = wanted.as_ref().is_none_or(|word| standing_word(belongings.standing) == word);
            Ok(shown.then(|| view(id, &person, &belongings)))
        })
    })
    .await
}

/// One person, with contact, profiles and latest cases.
#[utoipa::path(get, path = "/people/{person}", tag = "people", operation_id = "get_person", responses((status = 200, description = "The person", body = PersonDetail)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<PersonDetail> {
    reading(caller, move |caller| {
        let id = PersonId(id);
        let person = caller.row(&PEOPLE, &id, "person")?;
        let belongings = belongings(caller, id, &person)?;
        let tenant = caller.tenant();
        let mut profiles = Vec::new();
        let mut numbers = Vec::new();
        for profile in &belongings.profiles {
            if let Some(row) = tenant.get(&PROFILES, profile)? {
                profiles.push(profiles::view(caller, *profile, &row));
            }
            let rows = tenant.list(&CASES_BY_PROFILE, &key_bytes(profile), None, Direction::Backward, CASES_SHOWN_MAX)?;
            numbers.extend(rows.iter().map(|(key, ())| number(key)));
        }
        numbers.sort_unstable_by(|left, right| right.cmp(left));
        let mut cases = Vec::new();
        for case in numbers.into_iter().take(CASES_SHOWN_MAX).map(CaseId) {
            cases.extend(tenant.get(&CASES, &case)?.map(|row| cases::view(case, row)));
        }
        let contact = match belongings.contact {
            Some(contact) => tenant.get(&CONTACTS, &contact)?.map(|row| contacts::view(caller, contact, &row)),
            None => None,
        };
        Ok(PersonDetail { person: view(id, &person, &belongings), contact, profiles, cases })
    })
    .await
}

/// What a person did, across all channels, in the order it came.
#[utoipa::path(get, path = "/people/{person}/history", tag = "people", operation_id = "get_person_history", params(Paging), responses((status = 200, description = "A page of interactions", body = Page<InteractionView>)))]
pub(crate) async fn history(caller: Caller, At(id): At<u64>, Asked(paging): Asked<Paging>) -> Answer<Page<InteractionView>> {
    reading(caller, move |caller| {
        let id = PersonId(id);
        let person = caller.row(&PEOPLE, &id, "person")?;
        let limit = paging.limit()?;
        let after = match paging.after(&[])? {
            Some(key) if key.len() == 8 => Some(InteractionId(number(&key))),
            Some(_) => return Err(Problem::invalid("after is not the \"next\" of a page of this list")),
            None => None,
        };
        let direction = paging.direction();
        let mut numbers = Vec::new();
        for profile in belongings(caller, id, &person)?.profiles {
            let after = after.map(|after| key_bytes(&(profile, after)));
            let rows = caller.tenant().list(&INTERACTIONS_BY_PROFILE, &key_bytes(&profile), after.as_deref(), direction, limit + 1)?;
            numbers.extend(rows.iter().map(|(key, ())| number(key)));
        }
        numbers.sort_unstable();
        if direction == Direction::Backward {
            numbers.reverse();
        }
        let more = numbers.len() > limit;
        numbers.truncate(limit);
        let next = numbers.last().filter(|_| more).map(|last| cursor(&last.to_be_bytes()));
        let mut items = Vec::with_capacity(numbers.len());
        for interaction in numbers {
            items.extend(listed(caller, InteractionId(interaction))?);
        }
        Ok(Page { items, next })
    })
    .await
}

/// Erases a person: all profiles, the contact as far as it is kept here, every word of theirs and to them. It cannot be undone.
#[utoipa::path(delete, path = "/people/{person}", tag = "people", operation_id = "erase_person", responses((status = 202, description = "They are being forgotten", body = ErasureView)))]
pub(crate) async fn erase(caller: Caller, At(id): At<u64>) -> Result<Response, Problem> {
    caller.tenant().submit(&caller.name, ErasePerson { person: PersonId(id), by: caller.name.clone() }).await?;
    Ok((StatusCode::ACCEPTED, Json(ErasureView { person: id, state: "erasing" })).into_response())
}
