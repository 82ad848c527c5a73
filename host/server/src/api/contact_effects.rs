//! Making a CRM contact of what is known of a profile, and changing one: each queues a `contact` effect, once per idempotency key.
//!
//! The CRM is the record: what was made or changed comes back from it, as whatever else changes there, and is linked by evidence.

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use sportello_core::domain::channel::{CHANNELS, ChannelKind, LinkPermission};
use sportello_core::domain::contact::CONTACTS;
use sportello_core::domain::person::{LINKED_PROFILES, LawfulBasis, contact_of};
use sportello_core::domain::profile::{PROFILES, Profile, link_permission};
use sportello_core::ids::{ChannelName, ContactId, ProfileId};
use sportello_core::refusal::Refusal;
use utoipa::ToSchema;

use crate::api::Caller;
use crate::api::effect_queue::{Address, AskedFor, key, queue, within};
use crate::api::effects::EffectView;
use crate::api::problem::Problem;
use crate::api::request::{At, Given, MaybeGiven};
use crate::api::vocabulary;
use crate::tenant::SubmitError;
use crate::tenant::content::{ContactContent, ProfileContent};

/// What the effect's attributes beside identifiers are called.
const DISPLAY_NAME: &str = "display-name";
/// See [`DISPLAY_NAME`].
const EXPECTS_VERSION: &str = "expects-version";
/// The contract's limit of an effect's attributes, less the name and the version.
const IDENTIFIERS_MAX: usize = 30;
/// Longest name, value and version, in bytes.
const VALUE_BYTES_MAX: usize = 512;
/// Longest scheme, in bytes.
const SCHEME_BYTES_MAX: usize = 64;

/// How a contact is to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactGiven {
    /// The CRM's channel; left out: the only one that is live.
    crm: Option<String>,
    /// Why it is lawful, where the network's terms ask for the person's consent: `consent`.
    #[schema(schema_with = vocabulary::lawful_basis)]
    basis: Option<LawfulBasis>,
}

/// What a contact is to say. Its name and customer number are set, further identifiers added; nothing is removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactChange {
    /// The record's version as it was seen: if it has changed since, nothing is written.
    version: String,
    /// Its new name, at most 512 bytes.
    display_name: Option<String>,
    /// What it can be recognised by from now on, at most 30.
    #[serde(default)]
    identifiers: Vec<IdentifierGiven>,
}

/// Something that identifies a person exactly.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifierGiven {
    /// `email`, `phone`, `external`, `<network>.id`, `<network>.handle`.
    scheme: String,
    /// Its value, at most 512 bytes.
    value: String,
}

/// Makes a contact of what is known of a profile, in the only live CRM or the named one. It comes back from the CRM as any other does, and the
/// profile is linked to it by evidence.
#[utoipa::path(post, path = "/profiles/{profile}/contact", tag = "profiles", operation_id = "make_contact",
    params(("idempotency-key" = String, Header, description = "Chosen by the caller, 1 to 255 bytes: the same key again is the same contact")),
    request_body(content = Option<ContactGiven>, description = "May be left out"),
    responses((status = 201, description = "The contact is queued", body = EffectView), (status = 200, description = "It had been queued under this key", body = EffectView)))]
pub(crate) async fn create(
    caller: Caller,
    At(id): At<u64>,
    headers: HeaderMap,
    MaybeGiven(given): MaybeGiven<ContactGiven>,
) -> Result<Response, Problem> {
    let profile = ProfileId(id);
    let crm = given.crm.map(ChannelName::new).transpose().map_err(Problem::invalid)?;
    let key = key(&caller, &headers)?;
    let ContactGiven { basis, .. } = given;
    let asked = AskedFor { key, channel: crm.clone(), action: "contact", profile: Some(profile), basis, ..AskedFor::default() };
    queue(caller, asked, move |caller| {
        let row = caller.row(&PROFILES, &profile, "profile")?;
        may_be_made(caller, profile, &row, basis)?;
        let content: Option<ProfileContent> = caller.open_for_the_host(profile.slot(), &row.sealed);
        let content = content.ok_or_else(|| Problem::conflict(format!("nothing is known of profile {profile} any more")))?;
        let crm = match crm {
            Some(crm) => named(caller, crm)?,
            None => only_live(caller)?,
        };
        Ok(Address { profile: Some(profile), attributes: known(content), ..Address::on(crm) })
    })
    .await
}

/// Changes a contact in its CRM, if it is still as it was seen there. Who somebody is on a network whose policy forbids linking cannot be written there.
#[utoipa::path(patch, path = "/contacts/{contact}", tag = "contacts", operation_id = "change_contact",
    params(("idempotency-key" = String, Header, description = "Chosen by the caller, 1 to 255 bytes: the same key again is the same change")),
    request_body = ContactChange,
    responses((status = 201, description = "The change is queued", body = EffectView), (status = 200, description = "It had been queued under this key", body = EffectView)))]
pub(crate) async fn update(
    caller: Caller,
    At(id): At<u64>,
    headers: HeaderMap,
    Given(given): Given<ContactChange>,
) -> Result<Response, Problem> {
    let contact = ContactId(id);
    let attributes = said(given)?;
    let key = key(&caller, &headers)?;
    let asked = AskedFor { key, action: "contact", contact: Some((contact, attributes.clone())), ..AskedFor::default() };
    queue(caller, asked, move |caller| {
        may_be_written(caller, &attributes)?;
        let row = caller.row(&CONTACTS, &contact, "contact")?;
        let record: Option<ContactContent> = caller.open_for_the_host(contact.slot(), &row.sealed);
        let record = record.filter(|_| !row.deleted);
        let record =
            record.ok_or_else(|| Problem::conflict(format!("contact {contact} is no longer in its CRM, or has been erased here")))?;
        // So that the words are forgotten with whoever stands behind it.
        let profile = caller.tenant().get(&LINKED_PROFILES, &row.person)?.and_then(|profiles| profiles.first().copied());
        Ok(Address { contact: Some(contact), contact_id: Some(record.id), profile, attributes, ..Address::on(row.channel) })
    })
    .await
}

/// Whether a CRM may be told of a profile: as if the profile were linked to a contact.
fn may_be_made(caller: &Caller, id: ProfileId, row: &Profile, basis: Option<LawfulBasis>) -> Result<(), Problem> {
    if row.own {
        return Err(Problem::conflict(format!("profile {id} is the company's own account; it stands for no contact")));
    }
    if let Some(contact) = contact_of(caller.tenant(), row) {
        return Err(Problem::conflict(format!("profile {id} is linked to contact {contact} already; change that one")));
    }
    let refusal = match link_permission(caller.tenant(), &row.channel) {
        LinkPermission::Evidence => return Ok(()),
        LinkPermission::Consent if basis == Some(LawfulBasis::Consent) => return Ok(()),
        LinkPermission::Consent => format!(
            "the terms of {} allow telling a CRM of profile {id} only with the person's consent on record (basis \"consent\")",
            row.network
        ),
        LinkPermission::Forbidden => forbids_linking(&row.channel, &row.network),
    };
    Err(SubmitError::Refused(Refusal::Forbidden(refusal)).into())
}

/// Whether a record may say this: an identifier of a network that forbids linking would be the link.
fn may_be_written(caller: &Caller, attributes: &[(String, String)]) -> Result<(), Problem> {
    let networks: Vec<&str> = attributes.iter().filter_map(|(scheme, _)| network_of(scheme)).collect();
    if networks.is_empty() {
        return Ok(());
    }
    for (_, name, row) in caller.desk.channels.rows().map_err(|error| Problem::internal(&error))? {
        let forbids = row.policy().is_some_and(|policy| policy.link == LinkPermission::Forbidden);
        if let Some(grant) = row.grant.filter(|grant| forbids && networks.contains(&grant.network.as_str())) {
            return Err(SubmitError::Refused(Refusal::Forbidden(forbids_linking(&name, &grant.network))).into());
        }
    }
    Ok(())
}

fn forbids_linking(channel: &ChannelName, network: &str) -> String {
    format!("the policy of channel {channel} forbids linking profiles of {network} to contacts, so no CRM may be told of them either")
}

fn named(caller: &Caller, crm: ChannelName) -> Result<ChannelName, Problem> {
    let row = caller.row(&CHANNELS, &crm, "channel")?;
    if row.grant.is_none_or(|grant| grant.kind != ChannelKind::Crm) {
        return Err(Problem::invalid(format!("channel {crm} is no CRM")));
    }
    Ok(crm)
}

fn only_live(caller: &Caller) -> Result<ChannelName, Problem> {
    let rows = caller.desk.channels.rows().map_err(|error| Problem::internal(&error))?;
    let is_crm = |name: &ChannelName| {
        let live = caller.desk.channels.get(name);
        live.is_some_and(|live| live.row.grant.as_ref().is_some_and(|grant| grant.kind == ChannelKind::Crm))
    };
    let mut crms: Vec<ChannelName> = rows.into_iter().map(|(_, name, _)| name).filter(is_crm).collect();
    match (crms.pop(), crms.is_empty()) {
        (Some(crm), true) => Ok(crm),
        (Some(last), false) => {
            let names: Vec<&str> = crms.iter().chain([&last]).map(ChannelName::as_str).collect();
            Err(Problem::invalid(format!("there are several CRMs; name one as \"crm\": {}", names.join(", "))))
        }
        (None, _) => Err(Problem::conflict("no CRM is live; nobody can be told of it")),
    }
}

/// What is known of a profile, as attributes.
fn known(content: ProfileContent) -> Vec<(String, String)> {
    let mut attributes: Vec<_> = content.display_name.or(content.handle).map(|name| (DISPLAY_NAME.to_owned(), name)).into_iter().collect();
    attributes.extend(content.identifiers.into_iter().take(IDENTIFIERS_MAX));
    attributes
}

/// What a caller gives, as attributes.
fn said(given: ContactChange) -> Result<Vec<(String, String)>, Problem> {
    if given.display_name.is_none() && given.identifiers.is_empty() {
        return Err(Problem::invalid("give a display_name, identifiers, or both"));
    }
    if given.identifiers.len() > IDENTIFIERS_MAX {
        return Err(Problem::invalid(format!("at most {IDENTIFIERS_MAX} identifiers can be given at once")));
    }
    let mut attributes = vec![(EXPECTS_VERSION.to_owned(), given.version)];
    attributes.extend(given.display_name.map(|name| (DISPLAY_NAME.to_owned(), name)));
    for identifier in given.identifiers {
        if !is_scheme(&identifier.scheme) {
            let detail =
                format!("{:?} is no identifier's scheme: email, phone, external, <network>.id or <network>.handle", identifier.scheme);
            return Err(Problem::invalid(detail));
        }
        attributes.push((identifier.scheme, identifier.value));
    }
    for (name, value) in &attributes {
        within(name, value, VALUE_BYTES_MAX)?;
    }
    Ok(attributes)
}

fn is_scheme(scheme: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    scheme.len() <= SCHEME_BYTES_MAX && (["email", "phone", "external"].contains(&scheme) || network_of(scheme).is_some_and(is_word))
}

/// The network that knows somebody by such an identifier.
fn network_of(scheme: &str) -> Option<&str> {
    scheme.strip_suffix(".id").or_else(|| scheme.strip_suffix(".handle"))
}

#[cfg(test)]
mod tests {
    use super::is_scheme;

    #[test]
    fn a_scheme_is_one_of_the_contracts() {
        for scheme in ["email", "phone", "external", "wiki.handle", "x-net-2.id"] {
            assert!(is_scheme(scheme), "{scheme}");
        }
        for other in ["expects-version", "display-name", "wiki", ".id", "Wiki.id", "wiki.name", "a.b.id", ""] {
            assert!(!is_scheme(other), "{other}");
        }
    }
}
