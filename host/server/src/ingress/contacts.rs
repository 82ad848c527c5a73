//! From a CRM's contacts to the core's.

use sportello_core::commands::ContactNews;
use sportello_core::domain::profile::Identified;
use sportello_journal::JournalError;
use sportello_runtime::contract::Contact;

use crate::channels::LiveChannel;
use crate::tenant::Tenant;
use crate::tenant::content::ContactContent;

/// Turns contacts into news for the core.
pub(crate) fn contact_news(tenant: &Tenant, channel: &LiveChannel, contacts: &[Contact]) -> Result<Vec<ContactNews>, JournalError> {
    contacts.iter().map(|contact| news(tenant, channel, contact)).collect()
}

fn news(tenant: &Tenant, channel: &LiveChannel, contact: &Contact) -> Result<ContactNews, JournalError> {
    let content = ContactContent {
        id: contact.id.clone(),
        version: contact.version.clone(),
        display_name: contact.display_name.clone(),
        identifiers: contact.identifiers.iter().map(|identifier| (identifier.scheme.clone(), identifier.value.clone())).collect(),
        attributes: contact.attributes.iter().map(|attribute| (attribute.name.clone(), attribute.value.clone())).collect(),
    };
    let mut identifiers = Vec::with_capacity(content.identifiers.len());
    for (scheme, value) in &content.identifiers {
        identifiers.push(Identified { scheme: scheme.clone(), identifier: tenant.identifier_of(scheme, value)? });
    }
    let id = tenant.contact_of(&channel.name, &contact.id)?;
    // Settings decide which identifiers are read out of the record: with other settings the same version says something new.
    let settings = &channel.row.settings.settings;
    Ok(ContactNews {
        contact: id,
        version: tenant.fingerprint("contact-version", &[&contact.version, settings]).0,
        sealed: tenant.seal(id.slot(), &content)?,
        identifiers,
        deleted: contact.deleted,
    })
}
