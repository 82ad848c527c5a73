//! Names of things. Every id is a small number or a keyed hash: none of them says anything about a person.
//!
//! Ids that end in a *slot* are the number of a key slot (see the journal crate): the identity behind them (a network's user id, an e-mail
//! address, a thread's key) is known only to that slot, so erasing the slot erases the identity.

use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl crate::tables::Key for $name {
            fn write_to(&self, key: &mut Vec<u8>) {
                key.extend_from_slice(&self.0.to_be_bytes());
            }
        }
    )*};
}

ids! {
    /// A key slot: one random key for one personal item.
    SlotId,
    /// A profile; also the slot of its key and identity.
    ProfileId,
    /// A conversation; also the slot of its identity.
    ConversationId,
    /// A contact in a CRM; also the slot of its key and identity.
    ContactId,
    /// An identifier (scheme and value); also the slot of its identity.
    IdentifierId,
    /// A thing on a channel that is talked of (a comment, a page), all its versions together; also the slot of its identity.
    SubjectId,
    /// An interaction, counted per tenant.
    InteractionId,
    /// A person, counted per tenant.
    PersonId,
    /// A link between a profile and a person, counted per tenant.
    LinkId,
    /// A case, counted per tenant.
    CaseId,
    /// An effect, counted per tenant.
    EffectId,
    /// A parked delivery, counted per tenant.
    DeliveryId,
    /// An access token, counted per tenant.
    TokenId,
}

macro_rules! slots {
    ($($name:ident),*) => {$(
        impl $name {
            /// The key slot this id stands for.
            #[must_use]
            pub const fn slot(self) -> SlotId {
                SlotId(self.0)
            }
        }
    )*};
}

slots!(ProfileId, ConversationId, ContactId, IdentifierId, SubjectId);

/// A keyed hash, 16 bytes of HMAC-SHA256 under the tenant's lookup key. Tells things apart without naming them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 16]);

impl crate::tables::Key for Fingerprint {
    fn write_to(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(&self.0);
    }
}

/// A component's SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl crate::tables::Key for Digest {
    fn write_to(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(&self.0);
    }
}

/// A channel's name: lower-case words joined by `-`, at most 64 bytes, chosen by the operator.
/// Shared: it stands in most rows and events of its channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Checks the form of a name.
    ///
    /// # Errors
    /// A sentence saying what a name looks like.
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        let well_formed = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if well_formed {
            Ok(Self(name.into()))
        } else {
            Err(format!("{name:?} is no channel name: use 1 to 64 of a-z, 0-9 and '-', for example \"town-page\""))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ChannelName {
    /// As any text: whoever reads what people wrote checks it with [`ChannelName::new`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = ChannelName;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a channel's name")
            }

            fn visit_str<E>(self, name: &str) -> Result<ChannelName, E> {
                Ok(ChannelName(name.into()))
            }
        }

        deserializer.deserialize_str(Name)
    }
}

impl std::fmt::Display for ChannelName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl crate::tables::Key for ChannelName {
    fn write_to(&self, key: &mut Vec<u8>) {
        crate::tables::Key::write_to(self.as_str(), key);
    }
}
