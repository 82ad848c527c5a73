//! Sealing and opening, and the keyed hashes by which things are found without being named.

use sportello_core::ids::{ChannelName, ContactId, ConversationId, Fingerprint, IdentifierId, ProfileId, SlotId, SubjectId};
use sportello_journal::{JournalError, Unsealed};

use crate::tenant::{Tenant, core_slot, journal_slot};

/// Hexadecimal digits of an effect's key that tell this tenant from others.
const TENANT_MARK_DIGITS: usize = 6;
/// Separates the parts of a compound name: no platform's id holds it.
const SEPARATOR: char = '\u{1f}';

impl Tenant {
    /// A new key slot. Its key is durable already.
    ///
    /// # Errors
    /// The journal's.
    pub fn new_slot(&self) -> Result<SlotId, JournalError> {
        self.slots.allocate().map(core_slot)
    }

    /// Seals a content under a slot's key.
    ///
    /// # Errors
    /// [`JournalError::SlotErased`] where it has been erased meanwhile.
    pub fn seal(&self, slot: SlotId, content: &impl serde::Serialize) -> Result<Vec<u8>, JournalError> {
        // Plain structs of strings always encode.
        let plain = serde_json::to_vec(content).unwrap_or_default();
        self.slots.seal(journal_slot(slot), &slot.0.to_le_bytes(), &plain)
    }

    /// Opens what [`Tenant::seal`] sealed. None: it is empty (given up) or its key is gone.
    ///
    /// # Errors
    /// Damage.
    pub fn open_sealed<C: serde::de::DeserializeOwned>(&self, slot: SlotId, sealed: &[u8]) -> Result<Option<C>, JournalError> {
        if sealed.is_empty() {
            return Ok(None);
        }
        match self.slots.open_sealed(journal_slot(slot), &slot.0.to_le_bytes(), sealed)? {
            Unsealed::Plain(plain) => Ok(serde_json::from_slice(&plain).ok()),
            Unsealed::Erased => Ok(None),
        }
    }

    /// Overwrites slots, durably. From then on nobody can open what was sealed under them.
    ///
    /// # Errors
    /// The journal's; call again.
    pub fn erase_slots(&self, slots: &[SlotId]) -> Result<(), JournalError> {
        self.slots.erase(&slots.iter().copied().map(journal_slot).collect::<Vec<_>>())
    }

    /// The profile of a network's user, a new one if it was never seen.
    ///
    /// # Errors
    /// The journal's.
    pub fn profile_of(&self, network: &str, id: &str) -> Result<ProfileId, JournalError> {
        self.claim("profile", &[network, id]).map(|slot| ProfileId(slot.0))
    }

    /// The profile of a network's user, if it was ever seen and is not forgotten.
    #[must_use]
    pub fn known_profile(&self, network: &str, id: &str) -> Option<ProfileId> {
        let identity = self.slots.identity("profile", &join(&[network, id]));
        self.slots.find(&identity).map(|slot| ProfileId(core_slot(slot).0))
    }

    /// The conversation of a connector's key, a new one if it was never seen.
    ///
    /// # Errors
    /// The journal's.
    pub fn conversation_of(&self, channel: &ChannelName, key: &str) -> Result<ConversationId, JournalError> {
        self.claim("conversation", &[channel.as_str(), key]).map(|slot| ConversationId(slot.0))
    }

    /// The thing on a channel that the platform knows by this id, a new one if it was never spoken of.
    ///
    /// # Errors
    /// The journal's.
    pub fn subject_of(&self, channel: &ChannelName, native_id: &str) -> Result<SubjectId, JournalError> {
        self.claim("subject", &[channel.as_str(), native_id]).map(|slot| SubjectId(slot.0))
    }

    /// The contact of a CRM's id, a new one if it was never seen.
    ///
    /// # Errors
    /// The journal's.
    pub fn contact_of(&self, channel: &ChannelName, id: &str) -> Result<ContactId, JournalError> {
        self.claim("contact", &[channel.as_str(), id]).map(|slot| ContactId(slot.0))
    }

    /// The identifier of a scheme and a value, in its canonical form.
    ///
    /// # Errors
    /// The journal's.
    pub fn identifier_of(&self, scheme: &str, value: &str) -> Result<IdentifierId, JournalError> {
        self.claim("identifier", &[scheme, &canonical(scheme, value)]).map(|slot| IdentifierId(slot.0))
    }

    /// A keyed hash of something that is told apart but never looked up by guess.
    #[must_use]
    pub fn fingerprint(&self, kind: &str, parts: &[&str]) -> Fingerprint {
        let hash = self.slots.identity(kind, &join(parts));
        let mut short = [0; 16];
        short.copy_from_slice(&hash[..16]);
        Fingerprint(short)
    }

    /// An effect's key as platforms see it: with a mark of this tenant. Keys are counted anew in every tenant, and another one, or this one
    /// before its data was lost, may have published in the same place.
    #[must_use]
    pub fn effect_key_outside(&self, key: &str) -> String {
        format!("{}-{key}", self.mark())
    }

    /// The key in what [`Tenant::effect_key_outside`] made. None: it is not of this tenant.
    #[must_use]
    pub fn effect_key_inside<'key>(&self, outside: &'key str) -> Option<&'key str> {
        outside.strip_prefix(&self.mark())?.strip_prefix('-')
    }

    fn mark(&self) -> String {
        let mut digits = hex::encode(self.slots.identity("effects", ""));
        digits.truncate(TENANT_MARK_DIGITS);
        digits
    }

    fn claim(&self, kind: &str, parts: &[&str]) -> Result<SlotId, JournalError> {
        let identity = self.slots.identity(kind, &join(parts));
        self.slots.claim(&identity).map(|(slot, _)| core_slot(slot))
    }
}

fn join(parts: &[&str]) -> String {
    parts.join(&SEPARATOR.to_string())
}

/// The form in which two spellings of the same identifier are equal: e-mail addresses in lower case, phone numbers as digits with their `+`,
/// everything else without outer spaces.
fn canonical(scheme: &str, value: &str) -> String {
    let value = value.trim();
    match scheme {
        "email" => value.to_lowercase(),
        "phone" => {
            let digits: String = value.chars().filter(|character| character.is_ascii_digit() || *character == '+').collect();
            digits.strip_prefix("00").map_or_else(|| digits.clone(), |rest| format!("+{rest}"))
        }
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Tenant, canonical};
    use crate::clock::SystemClock;
    use crate::tenant::TenantOptions;

    #[test]
    fn an_effects_key_comes_back_to_its_own_tenant_only() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            Tenant::open(name, &folder.path().join(name), &TenantOptions::default(), Arc::new(SystemClock), &mut |_, _| {}).unwrap()
        };
        let (ours, another) = (open("ours"), open("another"));
        let longest = format!("api-{}-{}", u64::MAX, "0".repeat(32));
        for key in ["run-1-1", longest.as_str()] {
            let outside = ours.effect_key_outside(key);
            assert!(outside.len() <= 64, "the contract's limit: {outside}");
            assert_eq!((ours.effect_key_inside(&outside), another.effect_key_inside(&outside)), (Some(key), None));
            assert_eq!(ours.effect_key_inside(key), None, "nor what somebody made up");
        }
        ours.close().unwrap();
        another.close().unwrap();
    }

    #[test]
    fn spellings_of_one_identifier_are_equal() {
        assert_eq!(canonical("email", " Ada@Example.ORG "), canonical("email", "ada@example.org"));
        assert_eq!(canonical("phone", "+39 06 123-456"), canonical("phone", "0039 06123456"));
        assert_ne!(canonical("wiki.handle", "Ada"), canonical("wiki.handle", "ada"));
    }
}
