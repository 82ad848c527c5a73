//! From a connector's interactions to the core's arrivals: identities resolved to slots, words sealed.

use std::collections::HashMap;

use sportello_core::commands::{Arrival, Author, ProfileNews};
use sportello_core::domain::interaction::{Change, IDENTITIES};
use sportello_core::domain::profile::{Identified, PROFILES};
use sportello_core::ids::{Fingerprint, ProfileId, SubjectId};
use sportello_core::time::Timestamp;
use sportello_journal::JournalError;
use sportello_runtime::contract::{self, Interaction, Raw, Visibility};

use crate::channels::LiveChannel;
use crate::ingress::take_in::Part;
use crate::tenant::Tenant;
use crate::tenant::content::{InteractionContent, ProfileContent};

/// Bytes of the platform's own words that are kept with an interaction.
const RAW_BYTES_MAX: usize = 64 * 1024;

/// Kinds that address the company by their nature.
const KINDS_THAT_SUMMON: [&str; 5] = ["mention", "direct-message", "review", "email", "desk-visit"];

/// Turns interactions into arrivals, and counts those that are in already: sources show rows again and again, and each would take a key slot.
pub(crate) fn arrivals(tenant: &Tenant, channel: &LiveChannel, parts: &[Part<'_>]) -> Result<(Vec<Arrival>, u32), JournalError> {
    let mut authors = Authors { tenant, channel, seen: HashMap::new() };
    let mut arrivals = Vec::with_capacity(parts.iter().map(|part| part.interactions.len()).sum());
    let mut known = 0;
    for (interaction, input) in parts.iter().flat_map(|part| part.interactions.iter().map(|interaction| (interaction, part.input))) {
        let subject = tenant.subject_of(&channel.name, &interaction.native_id)?;
        // By the thing's number, not its name: once that is forgotten nobody can tell by a guess what was here.
        let identity = tenant.fingerprint("interaction", &[&subject.to_string(), &interaction.revision]);
        // A store that cannot answer lets it pass: the writer looks again.
        let is_known = tenant.get(&IDENTITIES, &(subject, identity)).is_ok_and(|row| row.is_some());
        if is_known && !crate::sabotage::sabotaged("skip-dedupe") {
            known += 1;
        } else {
            arrivals.push(arrival(tenant, channel, &mut authors, (subject, identity), interaction, input)?);
        }
    }
    Ok((arrivals, known))
}

fn arrival(
    tenant: &Tenant,
    channel: &LiveChannel,
    authors: &mut Authors<'_>,
    (subject, identity): (SubjectId, Fingerprint),
    interaction: &Interaction,
    input: &[u8],
) -> Result<Arrival, JournalError> {
    let author = interaction.author.as_ref().map(|profile| authors.resolve(profile)).transpose()?;
    let slot = tenant.new_slot()?;
    let sealed = tenant.seal(slot, &content(interaction, input))?;
    let addressed = attribute(interaction, "addressed") == Some("true");
    let effect_key = attribute(interaction, "effect-key").and_then(|key| tenant.effect_key_inside(key));
    Ok(Arrival {
        identity,
        subject,
        names_author: attribute(interaction, "names-author") == Some("true"),
        change: match interaction.change {
            contract::Change::Created => Change::Created,
            contract::Change::Edited => Change::Edited,
            contract::Change::Deleted => Change::Deleted,
        },
        kind: interaction.kind.clone(),
        author,
        conversation: tenant.conversation_of(&channel.name, &interaction.conversation.key)?,
        own: interaction.own,
        effect_key: effect_key.map(str::to_owned),
        private: interaction.visibility == Visibility::Participants,
        summons: addressed || interaction.visibility == Visibility::Participants || KINDS_THAT_SUMMON.contains(&interaction.kind.as_str()),
        in_reply_to: interaction.in_reply_to.as_ref().map(|native_id| tenant.subject_of(&channel.name, native_id)).transpose()?,
        occurred_at: moment(&interaction.occurred_at).unwrap_or_else(|| tenant.now()),
        slot,
        sealed,
    })
}

fn attribute<'interaction>(interaction: &'interaction Interaction, name: &str) -> Option<&'interaction str> {
    interaction.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
}

fn content(interaction: &Interaction, input: &[u8]) -> InteractionContent {
    InteractionContent {
        native_id: interaction.native_id.clone(),
        revision: interaction.revision.clone(),
        text: interaction.text.clone(),
        language: interaction.language.clone(),
        conversation_key: interaction.conversation.key.clone(),
        conversation_title: interaction.conversation.title.clone(),
        conversation_url: interaction.conversation.url.clone(),
        in_reply_to: interaction.in_reply_to.clone(),
        attributes: interaction.attributes.iter().map(|attribute| (attribute.name.clone(), attribute.value.clone())).collect(),
        raw: interaction.raw.as_ref().map(|raw| raw_text(raw, input)),
    }
}

fn raw_text(raw: &Raw, input: &[u8]) -> String {
    let bytes = match raw {
        Raw::Text(text) => text.as_bytes(),
        Raw::Input(range) => {
            let start = (range.start as usize).min(input.len());
            &input[start..start.saturating_add(range.length as usize).min(input.len())]
        }
    };
    String::from_utf8_lossy(&bytes[..bytes.len().min(RAW_BYTES_MAX)]).into_owned()
}

/// Milliseconds of an RFC 3339 moment.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|moment| Timestamp(moment.as_millisecond()))
}

/// The authors of one batch: the same person often speaks several times.
struct Authors<'a> {
    tenant: &'a Tenant,
    channel: &'a LiveChannel,
    seen: HashMap<ProfileId, Known>,
}

/// A profile as it is known: its content, and that sealed.
struct Known {
    content: ProfileContent,
    sealed: Vec<u8>,
}

impl Authors<'_> {
    fn resolve(&mut self, profile: &contract::Profile) -> Result<Author, JournalError> {
        let network = self.channel.network();
        let id = self.tenant.profile_of(network, &profile.id)?;
        let known = match self.seen.remove(&id) {
            Some(known) => Some(known),
            None => self.known(id)?,
        };
        let before = known.as_ref().map(|known| known.content.clone()).unwrap_or_default();
        let content = profile_content(network, profile).over(before);
        let replaces = match known {
            Some(known) if known.content == content => {
                self.seen.insert(id, known);
                return Ok(Author { profile: id, news: None });
            }
            known => known.map(|known| known.sealed),
        };
        let mut identifiers = Vec::with_capacity(content.identifiers.len());
        for (scheme, value) in &content.identifiers {
            identifiers.push(Identified { scheme: scheme.clone(), identifier: self.tenant.identifier_of(scheme, value)? });
        }
        let sealed = self.tenant.seal(id.slot(), &content)?;
        self.seen.insert(id, Known { content, sealed: sealed.clone() });
        Ok(Author { profile: id, news: Some(ProfileNews { sealed, identifiers, replaces }) })
    }

    fn known(&self, id: ProfileId) -> Result<Option<Known>, JournalError> {
        let Ok(Some(row)) = self.tenant.get(&PROFILES, &id) else { return Ok(None) };
        let content = self.tenant.open_sealed(id.slot(), &row.sealed)?.unwrap_or_default();
        Ok(Some(Known { content, sealed: row.sealed }))
    }
}

fn profile_content(network: &str, profile: &contract::Profile) -> ProfileContent {
    let mut identifiers = vec![(format!("{network}.id"), profile.id.clone())];
    if let Some(handle) = &profile.handle {
        identifiers.push((format!("{network}.handle"), handle.clone()));
    }
    identifiers.extend(profile.identifiers.iter().map(|given| (given.scheme.clone(), given.value.clone())));
    ProfileContent {
        id: profile.id.clone(),
        handle: profile.handle.clone(),
        display_name: profile.display_name.clone(),
        url: profile.url.clone(),
        identifiers,
    }
}

#[cfg(test)]
mod tests {
    use sportello_runtime::contract::ByteRange;

    use super::*;

    #[test]
    fn of_the_platform_s_own_words_no_more_is_kept_than_is_allowed_and_nothing_beyond_the_delivery() {
        let input = vec![b'x'; 3 * RAW_BYTES_MAX];
        let quoted = |start: u32, length: u32| raw_text(&Raw::Input(ByteRange { start, length }), &input).len();
        let max = u32::try_from(RAW_BYTES_MAX).unwrap();
        assert_eq!((quoted(7, max), quoted(7, max + 1), quoted(0, u32::MAX)), (RAW_BYTES_MAX, RAW_BYTES_MAX, RAW_BYTES_MAX));
        assert_eq!((quoted(3 * max - 5, 100), quoted(u32::MAX, u32::MAX)), (5, 0));
        assert_eq!(raw_text(&Raw::Text("x".repeat(RAW_BYTES_MAX + 1)), &[]).len(), RAW_BYTES_MAX);
        // What is cut in the middle of a letter is still a text.
        assert!(raw_text(&Raw::Text("à".repeat(RAW_BYTES_MAX)), &[]).starts_with('à'));
        let odd = format!("x{}", "à".repeat(RAW_BYTES_MAX));
        assert!(raw_text(&Raw::Text(odd), &[]).len() <= RAW_BYTES_MAX + '\u{fffd}'.len_utf8());
    }
}
