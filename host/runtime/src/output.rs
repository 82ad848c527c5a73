//! Checking what a guest returned, before anybody believes it.
//!
//! Types and total size are checked while the values cross the border. Here are the promises of `wit/types.wit` that types cannot express:
//! lengths, counts, times that are times, ranges within the input. One broken promise refuses the call's whole output, and the message names the
//! field: a connector that breaks one is wrong, and half of its output would hide that.

use jiff::Timestamp;

use crate::contract::{
    Attribute, ConnectorError, Contact, ContactPage, ConversationReference, Identifier, Interaction, Page, Presence, Profile, Raw, Receipt,
    SettingsProblem, Thing, WebhookOutcome, WebhookRequest,
};
use crate::limits::{manifest, output as limits};

/// A promise of the contract the guest's answer breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct OutputFault {
    /// The field, for example `interactions[3].occurred-at`.
    pub field: String,
    /// What is wrong and what is expected.
    pub problem: String,
}

type Checked = Result<(), OutputFault>;

fn fault(field: impl Into<String>, problem: impl Into<String>) -> Checked {
    Err(OutputFault { field: field.into(), problem: problem.into() })
}

/// The answers to a batch of deliveries.
pub(crate) fn webhook(requests: &[WebhookRequest], answers: &[Result<WebhookOutcome, ConnectorError>]) -> Checked {
    one_each(requests.len(), answers.len())?;
    let mut interactions = 0;
    for (position, (request, answer)) in requests.iter().zip(answers).enumerate() {
        let place = format!("answers[{position}]");
        match answer {
            Err(refusal) => error(&place, refusal)?,
            Ok(outcome) => {
                interactions += outcome.interactions.len();
                count(&place, "interactions", interactions, limits::INTERACTIONS_MAX)?;
                if request.method != "POST" && !outcome.interactions.is_empty() {
                    return fault(place, format!("a {} is not signed, so it brings no interactions", request.method));
                }
                for (position, interaction) in outcome.interactions.iter().enumerate() {
                    self::interaction(&format!("{place}.interactions[{position}]"), interaction, Some(request.body.len()))?;
                }
                if request.method != "POST" && !outcome.deletion_requests.is_empty() {
                    return fault(place, format!("a {} is not signed, so nothing is deleted for it", request.method));
                }
                count(&place, "deletion-requests", outcome.deletion_requests.len(), limits::DELETION_REQUESTS_MAX)?;
                for asked in &outcome.deletion_requests {
                    id(&place, "deletion-requests.profile", &asked.profile)?;
                    confirmation(&place, &asked.confirmation)?;
                }
                if let Some(response) = &outcome.response {
                    if !(200..600).contains(&response.status) {
                        return fault(format!("{place}.response.status"), format!("{} is not between 200 and 599", response.status));
                    }
                    text(&place, "response.content-type", &response.content_type, limits::NAME_BYTES_MAX * 2)?;
                    if http::HeaderValue::from_str(&response.content_type).is_err() {
                        return fault(format!("{place}.response.content-type"), "it cannot stand in a header");
                    }
                    size(&place, "response.body", response.body.len(), limits::RESPONSE_BYTES_MAX)?;
                }
            }
        }
    }
    Ok(())
}

/// What is said to be wrong with settings.
pub(crate) fn problems(problems: &[SettingsProblem]) -> Checked {
    count("problems", "list", problems.len(), manifest::PROBLEMS_MAX)?;
    for problem in problems {
        text("problem", "pointer", &problem.pointer, limits::ID_BYTES_MAX)?;
        text("problem", "message", &problem.message, limits::REASON_BYTES_MAX)?;
    }
    Ok(())
}

/// A page of a source.
pub(crate) fn page(answer: &Result<Page, ConnectorError>) -> Checked {
    match answer {
        Err(refusal) => error("answer", refusal),
        Ok(page) => {
            count("page", "interactions", page.interactions.len(), limits::INTERACTIONS_MAX)?;
            cursor(page.cursor.as_deref())?;
            for (position, interaction) in page.interactions.iter().enumerate() {
                self::interaction(&format!("interactions[{position}]"), interaction, None)?;
            }
            Ok(())
        }
    }
}

/// The answers to a batch of effects.
pub(crate) fn receipts(effects: usize, answers: &[Result<Receipt, ConnectorError>]) -> Checked {
    one_each(effects, answers.len())?;
    for (position, answer) in answers.iter().enumerate() {
        let place = format!("answers[{position}]");
        match answer {
            Err(refusal) => error(&place, refusal)?,
            Ok(receipt) => self::receipt(&place, receipt)?,
        }
    }
    Ok(())
}

/// Whether an effect took place.
pub(crate) fn presence(answer: &Result<Presence, ConnectorError>) -> Checked {
    match answer {
        Err(refusal) => error("answer", refusal),
        Ok(Presence::Present(receipt)) => self::receipt("present", receipt),
        Ok(Presence::Absent | Presence::CannotTell) => Ok(()),
    }
}

/// What of all that was asked about is gone.
pub(crate) fn gone(things: &[Thing], answer: &Result<Vec<String>, ConnectorError>) -> Checked {
    match answer {
        Err(refusal) => error("answer", refusal),
        Ok(gone) => {
            count("answer", "gone", gone.len(), things.len())?;
            let is_asked = |id: &String| things.iter().any(|thing| thing.native_id == *id);
            match gone.iter().position(|id| !is_asked(id)) {
                Some(position) => {
                    fault(format!("gone[{position}]"), "nobody asked about it; of the things asked about those are named that are gone")
                }
                None => Ok(()),
            }
        }
    }
}

/// Contacts found by an identifier.
pub(crate) fn contacts(answer: &Result<Vec<Contact>, ConnectorError>) -> Checked {
    match answer {
        Err(refusal) => error("answer", refusal),
        Ok(contacts) => all_contacts(contacts),
    }
}

/// A page of contacts.
pub(crate) fn contact_page(answer: &Result<ContactPage, ConnectorError>) -> Checked {
    match answer {
        Err(refusal) => error("answer", refusal),
        Ok(page) => {
            cursor(page.cursor.as_deref())?;
            all_contacts(&page.contacts)
        }
    }
}

fn all_contacts(contacts: &[Contact]) -> Checked {
    count("answer", "contacts", contacts.len(), limits::CONTACTS_MAX)?;
    for (position, contact) in contacts.iter().enumerate() {
        let place = format!("contacts[{position}]");
        id(&place, "id", &contact.id)?;
        text(&place, "version", &contact.version, limits::ID_BYTES_MAX)?;
        optional(&place, "display-name", contact.display_name.as_deref(), limits::ID_BYTES_MAX)?;
        identifiers(&place, &contact.identifiers)?;
        attributes(&place, &contact.attributes)?;
        raw(&place, contact.raw.as_ref(), None)?;
    }
    Ok(())
}

fn interaction(place: &str, interaction: &Interaction, input_bytes: Option<usize>) -> Checked {
    id(place, "native-id", &interaction.native_id)?;
    text(place, "revision", &interaction.revision, limits::ID_BYTES_MAX)?;
    name(place, "kind", &interaction.kind)?;
    timestamp(place, "occurred-at", &interaction.occurred_at)?;
    if let Some(author) = &interaction.author {
        profile(&format!("{place}.author"), author)?;
    }
    conversation(&format!("{place}.conversation"), &interaction.conversation)?;
    optional(place, "in-reply-to", interaction.in_reply_to.as_deref(), limits::ID_BYTES_MAX)?;
    optional(place, "text", interaction.text.as_deref(), limits::TEXT_BYTES_MAX)?;
    optional(place, "language", interaction.language.as_deref(), limits::NAME_BYTES_MAX)?;
    attributes(place, &interaction.attributes)?;
    raw(place, interaction.raw.as_ref(), input_bytes)
}

fn profile(place: &str, profile: &Profile) -> Checked {
    id(place, "id", &profile.id)?;
    optional(place, "handle", profile.handle.as_deref(), limits::ID_BYTES_MAX)?;
    optional(place, "display-name", profile.display_name.as_deref(), limits::ID_BYTES_MAX)?;
    optional(place, "url", profile.url.as_deref(), limits::URL_BYTES_MAX)?;
    identifiers(place, &profile.identifiers)
}

fn conversation(place: &str, conversation: &ConversationReference) -> Checked {
    if conversation.key.is_empty() {
        return fault(format!("{place}.key"), "it is empty");
    }
    text(place, "key", &conversation.key, limits::CONVERSATION_KEY_BYTES_MAX)?;
    optional(place, "title", conversation.title.as_deref(), limits::ID_BYTES_MAX)?;
    optional(place, "url", conversation.url.as_deref(), limits::URL_BYTES_MAX)
}

fn receipt(place: &str, receipt: &Receipt) -> Checked {
    id(place, "native-id", &receipt.native_id)?;
    optional(place, "url", receipt.url.as_deref(), limits::URL_BYTES_MAX)?;
    match &receipt.at {
        Some(at) => timestamp(place, "at", at),
        None => Ok(()),
    }
}

fn identifiers(place: &str, identifiers: &[Identifier]) -> Checked {
    count(place, "identifiers", identifiers.len(), limits::IDENTIFIERS_MAX)?;
    for (position, identifier) in identifiers.iter().enumerate() {
        let place = format!("{place}.identifiers[{position}]");
        let words =
            identifier.scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.');
        if !words || identifier.scheme.is_empty() || identifier.scheme.len() > limits::NAME_BYTES_MAX {
            return fault(format!("{place}.scheme"), "a scheme is written like `email` or `example.handle`");
        }
        id(&place, "value", &identifier.value)?;
    }
    Ok(())
}

fn attributes(place: &str, attributes: &[Attribute]) -> Checked {
    count(place, "attributes", attributes.len(), limits::ATTRIBUTES_MAX)?;
    for (position, attribute) in attributes.iter().enumerate() {
        let place = format!("{place}.attributes[{position}]");
        name(&place, "name", &attribute.name)?;
        text(&place, "value", &attribute.value, limits::ATTRIBUTE_BYTES_MAX)?;
    }
    Ok(())
}

fn raw(place: &str, raw: Option<&Raw>, input_bytes: Option<usize>) -> Checked {
    match (raw, input_bytes) {
        (None, _) => Ok(()),
        (Some(Raw::Text(raw)), _) => text(place, "raw", raw, limits::RAW_TEXT_BYTES_MAX),
        (Some(Raw::Input(_)), None) => fault(format!("{place}.raw"), "a range of the input, but this call has no body"),
        (Some(Raw::Input(range)), Some(bytes)) => {
            if u64::from(range.start) + u64::from(range.length) > bytes as u64 {
                return fault(format!("{place}.raw"), format!("{} bytes from {} on, but the body has {bytes}", range.length, range.start));
            }
            Ok(())
        }
    }
}

fn error(place: &str, error: &ConnectorError) -> Checked {
    match error {
        ConnectorError::Retry(retry) => text(place, "reason", &retry.reason, limits::REASON_BYTES_MAX),
        ConnectorError::RateLimited(limit) => {
            timestamp(place, "until", &limit.until)?;
            text(place, "reason", &limit.reason, limits::REASON_BYTES_MAX)
        }
        ConnectorError::Auth(reason) | ConnectorError::Reject(reason) | ConnectorError::Uncertain(reason) => {
            text(place, "reason", reason, limits::REASON_BYTES_MAX)
        }
    }
}

fn cursor(cursor: Option<&str>) -> Checked {
    optional("page", "cursor", cursor, limits::CURSOR_BYTES_MAX)
}

fn confirmation(place: &str, code: &str) -> Checked {
    let plain = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if plain && (16..=64).contains(&code.len()) {
        return Ok(());
    }
    fault(format!("{place}.deletion-requests.confirmation"), "a code is 16 to 64 of a-z and 0-9")
}

fn one_each(asked: usize, answered: usize) -> Checked {
    if asked == answered {
        return Ok(());
    }
    fault("answers", format!("{answered} answers to {asked} requests; there must be one each, in order"))
}

fn id(place: &str, field: &str, value: &str) -> Checked {
    if value.is_empty() {
        return fault(format!("{place}.{field}"), "it is empty");
    }
    text(place, field, value, limits::ID_BYTES_MAX)
}

fn name(place: &str, field: &str, value: &str) -> Checked {
    let words =
        value.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    if words && value.len() <= limits::NAME_BYTES_MAX {
        return Ok(());
    }
    fault(format!("{place}.{field}"), format!("lower-case words joined by `-`, at most {} bytes", limits::NAME_BYTES_MAX))
}

fn timestamp(place: &str, field: &str, value: &str) -> Checked {
    moment(value).map_or_else(|| fault(format!("{place}.{field}"), MOMENT), |_| Ok(()))
}

/// How the contract writes a time, for who wrote it otherwise.
pub(crate) const MOMENT: &str = "a time is written in UTC like 2026-11-22T10:15:00.250Z";

/// A time as the contract writes it: RFC 3339 in UTC, and nothing else jiff would accept. None: it is none.
pub(crate) fn moment(value: &str) -> Option<Timestamp> {
    let utc = value.len() >= "2026-01-01T00:00:00Z".len() && value.as_bytes()[10] == b'T' && value.ends_with('Z');
    utc.then(|| value.parse().ok())?
}

fn optional(place: &str, field: &str, value: Option<&str>, bytes_max: usize) -> Checked {
    value.map_or(Ok(()), |value| text(place, field, value, bytes_max))
}

fn text(place: &str, field: &str, value: &str, bytes_max: usize) -> Checked {
    size(place, field, value.len(), bytes_max)
}

fn size(place: &str, field: &str, bytes: usize, bytes_max: usize) -> Checked {
    if bytes <= bytes_max {
        return Ok(());
    }
    fault(format!("{place}.{field}"), format!("{bytes} bytes, at most {bytes_max} are accepted"))
}

fn count(place: &str, field: &str, entries: usize, entries_max: usize) -> Checked {
    if entries <= entries_max {
        return Ok(());
    }
    fault(format!("{place}.{field}"), format!("{entries} entries, at most {entries_max} are accepted"))
}

#[cfg(test)]
mod tests;
