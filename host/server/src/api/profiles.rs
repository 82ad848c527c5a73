//! Profiles: who the platform says somebody is; and linking them to contacts.

use serde::{Deserialize, Serialize};
use sportello_core::commands::{Accepted, EndLink, LinkProfile};
use sportello_core::domain::interaction::INTERACTIONS_BY_PROFILE;
use sportello_core::domain::person::{LINKS, LawfulBasis, Standing, contact_of, person_of, standing};
use sportello_core::domain::profile::{LookUp, PROFILES, Profile};
use sportello_core::ids::{ContactId, InteractionId, LinkId, ProfileId};
use sportello_core::tables::key_bytes;
use utoipa::ToSchema;

use crate::api::interactions::{InteractionView, listed};
use crate::api::links::{self, LinkView};
use crate::api::problem::Problem;
use crate::api::request::{Asked, At, Given, Page, Paging};
use crate::api::vocabulary::{self, IdentifierView, Moment, identifiers};
use crate::api::{Answer, Caller, number, off_thread, reading};
use crate::tenant::content::ProfileContent;

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 512;

/// A profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileView {
    /// Its number.
    profile: u64,
    /// The channel it was first seen on.
    channel: String,
    /// The network it belongs to.
    network: String,
    /// The person it stands for now.
    person: u64,
    /// The link in force.
    link: Option<u64>,
    /// The contact it is linked to.
    contact: Option<u64>,
    /// What whoever stands behind it is to the company.
    #[schema(schema_with = vocabulary::standing)]
    standing: Standing,
    /// Where looking it up in the CRMs stands.
    #[schema(schema_with = vocabulary::look_up)]
    look_up: LookUp,
    /// When it was first seen.
    first_seen_at: Moment,
    /// When it was seen last.
    last_seen_at: Moment,
    /// Whether it has been erased: what is left names nobody.
    erased: bool,
    /// What it is called. Null for viewers, and once erased.
    names: Option<ProfileNames>,
}

/// What a profile is called.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileNames {
    /// The platform's id.
    id: String,
    /// The name behind the `@`, or the wiki's user name.
    handle: Option<String>,
    /// What they call themselves.
    display_name: Option<String>,
    /// Where the profile can be seen.
    url: Option<String>,
    /// Everything it can be recognised by.
    identifiers: Vec<IdentifierView>,
}

pub(crate) fn view(caller: &Caller, id: ProfileId, row: &Profile) -> ProfileView {
    let content: Option<ProfileContent> = caller.open(id.slot(), &row.sealed);
    ProfileView {
        profile: id.0,
        channel: row.channel.to_string(),
        network: row.network.clone(),
        person: person_of(caller.tenant(), row).0,
        link: row.link.map(|link| link.0),
        contact: contact_of(caller.tenant(), row).map(|contact| contact.0),
        standing: standing(row),
        look_up: row.look_up,
        first_seen_at: row.first_seen_at.into(),
        last_seen_at: row.last_seen_at.into(),
        erased: row.erased,
        names: content.map(|content| ProfileNames {
            id: content.id,
            handle: content.handle,
            display_name: content.display_name,
            url: content.url,
            identifiers: identifiers(content.identifiers),
        }),
    }
}

/// One profile.
#[utoipa::path(get, path = "/profiles/{profile}", tag = "profiles", operation_id = "get_profile", responses((status = 200, description = "The profile", body = ProfileView)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<ProfileView> {
    reading(caller, move |caller| {
        let id = ProfileId(id);
        Ok(view(caller, id, &caller.row(&PROFILES, &id, "profile")?))
    })
    .await
}

/// What a profile did.
#[utoipa::path(get, path = "/profiles/{profile}/interactions", tag = "profiles", operation_id = "list_profile_interactions", params(Paging), responses((status = 200, description = "A page of interactions", body = Page<InteractionView>)))]
pub(crate) async fn interactions(caller: Caller, At(id): At<u64>, Asked(paging): Asked<Paging>) -> Answer<Page<InteractionView>> {
    reading(caller, move |caller| {
        let id = ProfileId(id);
        caller.row(&PROFILES, &id, "profile")?;
        caller.page(&INTERACTIONS_BY_PROFILE, &key_bytes(&id), &paging, |key, ()| listed(caller, InteractionId(number(key))))
    })
    .await
}

/// A decision that a profile is a contact's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkGiven {
    /// The contact.
    contact: u64,
    /// Why, without personal content. At most 512 bytes.
    reason: String,
    /// Why it is lawful. `consent` needs the person's consent on record.
    #[schema(schema_with = vocabulary::lawful_basis)]
    basis: LawfulBasis,
}

/// Why a link is ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnlinkGiven {
    /// Why, without personal content. At most 512 bytes.
    reason: String,
}

fn reason(given: &str) -> Result<String, Problem> {
    let reason = given.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(Problem::invalid(format!("reason has 1 to {REASON_BYTES_MAX} bytes and says why, without personal content")));
    }
    Ok(reason.to_owned())
}

/// Links a profile to a contact because you say so. A link to another contact is ended first.
#[utoipa::path(post, path = "/profiles/{profile}/link", tag = "profiles", operation_id = "link_profile", request_body = LinkGiven, responses((status = 200, description = "The link in force", body = LinkView)))]
pub(crate) async fn link(caller: Caller, At(id): At<u64>, Given(given): Given<LinkGiven>) -> Answer<LinkView> {
    let command = LinkProfile {
        profile: ProfileId(id),
        contact: ContactId(given.contact),
        by: caller.name.clone(),
        reason: reason(&given.reason)?,
        basis: given.basis,
    };
    match caller.tenant().submit(&caller.name, command).await? {
        Accepted::Link(link) => answer(caller, link).await,
        other => Err(Problem::internal(&format!("a link was answered with {other:?}"))),
    }
}

/// Ends a profile's link, exactly as if it had never been: evidence does not make it again.
#[utoipa::path(post, path = "/profiles/{profile}/unlink", tag = "profiles", operation_id = "unlink_profile", request_body = UnlinkGiven, responses((status = 200, description = "The ended link", body = LinkView)))]
pub(crate) async fn unlink(caller: Caller, At(id): At<u64>, Given(given): Given<UnlinkGiven>) -> Answer<LinkView> {
    let reason = reason(&given.reason)?;
    let asking = caller.clone();
    let profile = off_thread(asking, move |caller| caller.row(&PROFILES, &ProfileId(id), "profile")).await?;
    let link = profile.link.ok_or_else(|| Problem::conflict(format!("profile {id} is linked to no contact")))?;
    caller.tenant().submit(&caller.name, EndLink { link, reason }).await?;
    answer(caller, link).await
}

async fn answer(caller: Caller, link: LinkId) -> Answer<LinkView> {
    reading(caller, move |caller| Ok(links::view(link, caller.row(&LINKS, &link, "link")?))).await
}
