//! Contacts: records of the CRMs, as far as recognising people needs them.

use serde::Serialize;
use sportello_core::domain::contact::{CONTACTS, Contact};
use sportello_core::ids::ContactId;
use utoipa::ToSchema;

use crate::api::request::{Asked, At, Page, Paging};
use crate::api::vocabulary::{AttributeView, IdentifierView, Moment, attributes, identifiers};
use crate::api::{Answer, Caller, number, reading};
use crate::tenant::content::ContactContent;

/// A contact.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContactView {
    /// Its number.
    contact: u64,
    /// The crm channel it came from.
    channel: String,
    /// The person it stands for.
    person: u64,
    /// Whether the CRM has deleted it, or it has been erased here.
    deleted: bool,
    /// When it was seen last.
    seen_at: Moment,
    /// The record. Null for viewers, and once erased.
    record: Option<ContactRecord>,
}

/// What the CRM says of a contact.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContactRecord {
    /// The CRM's id.
    id: String,
    /// The CRM's version.
    version: String,
    /// What the CRM calls them.
    display_name: Option<String>,
    /// Everything they can be recognised by.
    identifiers: Vec<IdentifierView>,
    /// Named extras.
    attributes: Vec<AttributeView>,
}

pub(crate) fn view(caller: &Caller, id: ContactId, row: &Contact) -> ContactView {
    let content: Option<ContactContent> = caller.open(id.slot(), &row.sealed);
    ContactView {
        contact: id.0,
        channel: row.channel.to_string(),
        person: row.person.0,
        deleted: row.deleted,
        seen_at: row.seen_at.into(),
        record: content.map(|content| ContactRecord {
            id: content.id,
            version: content.version,
            display_name: content.display_name,
            identifiers: identifiers(content.identifiers),
            attributes: attributes(content.attributes),
        }),
    }
}

/// Contacts.
#[utoipa::path(get, path = "/contacts", tag = "contacts", operation_id = "list_contacts", params(Paging), responses((status = 200, description = "A page of contacts", body = Page<ContactView>)))]
pub(crate) async fn list(caller: Caller, Asked(paging): Asked<Paging>) -> Answer<Page<ContactView>> {
    reading(caller, move |caller| caller.page(&CONTACTS, &[], &paging, |key, row| Ok(Some(view(caller, ContactId(number(key)), &row)))))
        .await
}

/// One contact.
#[utoipa::path(get, path = "/contacts/{contact}", tag = "contacts", operation_id = "get_contact", responses((status = 200, description = "The contact", body = ContactView)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<ContactView> {
    reading(caller, move |caller| {
        let id = ContactId(id);
        Ok(view(caller, id, &caller.row(&CONTACTS, &id, "contact")?))
    })
    .await
}
