//! Channels: a connector configured, granted and bound to secrets; with its cursors and its key-value state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ChannelName, Digest};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Channels by name.
pub const CHANNELS: Table<ChannelName, Channel> = Table::new(2, "channels");
/// The channels whose connector is a CRM; nothing where there never was one.
pub const CRMS: Table<(), Vec<ChannelName>> = Table::new(5, "crms");
/// Where each source of a channel goes on.
pub const CURSORS: Table<(ChannelName, u8), String> = Table::new(3, "cursors");
/// The connectors' key-value state.
pub const CONNECTOR_STATE: Table<(ChannelName, String), StateValue> = Table::new(4, "connector-state");

/// Keys a channel's connector may hold.
pub const STATE_KEYS_MAX: u32 = 1_024;

/// The kind of a channel's connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// A touchpoint.
    Channel,
    /// A system of record.
    Crm,
    /// Annotates interactions.
    Enricher,
}

/// What a repetition of an effect would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Idempotency {
    /// Nothing.
    Idempotent,
    /// Nothing, because the platform knows our key.
    Keyed,
    /// Something, but `find` can tell first.
    Findable,
    /// Something, and nothing can tell.
    Unsafe,
}

/// An action the channel's connector can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// `reply`, `post`, `activity`, `contact`.
    pub name: String,
    /// What a repetition would do.
    pub idempotency: Idempotency,
    /// How long the effect may take to become visible to `find`.
    pub settling_ms: u64,
}

/// Whether a profile of this network may be linked to a CRM contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkPermission {
    /// On exact evidence.
    Evidence,
    /// With the person's consent on record.
    Consent,
    /// Never.
    Forbidden,
}

/// What the network's terms and the operator allow; the stricter of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Linking profiles to contacts.
    pub link: LinkPermission,
    /// Whether only who addressed the company may be answered automatically.
    pub reply_only_summoned: bool,
    /// How long a profile may be kept after it was last seen. None: no limit.
    pub profile_ms: Option<u64>,
    /// How long content may be kept after it came. None: no limit.
    pub content_ms: Option<u64>,
    /// How long a delivery that could not be taken in may be kept as it came. None: no limit of its own.
    pub raw_ms: Option<u64>,
    /// How long what came in may go without a look whether it is still there. None: nobody looks.
    pub recheck_ms: Option<u64>,
}

impl Policy {
    /// What either of both allows.
    fn or(self, other: &Self) -> Self {
        let longer = |left: Option<u64>, right: Option<u64>| left.zip(right).map(|(left, right)| left.max(right));
        Self {
            link: self.link.min(other.link),
            reply_only_summoned: self.reply_only_summoned && other.reply_only_summoned,
            profile_ms: longer(self.profile_ms, other.profile_ms),
            content_ms: longer(self.content_ms, other.content_ms),
            raw_ms: longer(self.raw_ms, other.raw_ms),
            recheck_ms: longer(self.recheck_ms, other.recheck_ms),
        }
    }
}

/// What the granted connector declares, taken from its manifest when it was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The component that is live on this channel.
    pub digest: Digest,
    /// The manifest's name.
    pub connector: String,
    /// The manifest's version.
    pub version: String,
    /// Its kind.
    pub kind: ChannelKind,
    /// Its network's name, as it stands in identifiers.
    pub network: String,
    /// What it can do.
    pub actions: Vec<Action>,
    /// What the network's terms allow.
    pub policy: Policy,
    /// How often it is polled, 0 = never.
    pub poll_ms: u64,
}

/// What the operator says of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// The name of the connector it uses.
    pub connector: String,
    /// The connector's settings, a JSON document without secrets.
    pub settings: String,
    /// Origins it may call.
    pub origins: Vec<String>,
    /// Whether these may lie in private networks.
    pub private_network: bool,
    /// Folders it may read.
    pub folders: Vec<String>,
    /// Which of the operator's secrets stands for which field of which credential.
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// How often it is polled; None: as its manifest says.
    pub poll_ms: Option<u64>,
    /// The operator's own, stricter policy.
    pub policy: Option<Policy>,
    /// Whether it takes part. A disabled channel keeps its history.
    pub enabled: bool,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// What the operator said last.
    pub settings: ChannelSettings,
    /// What is live on it; None: nothing yet.
    pub grant: Option<Grant>,
    /// Earlier digests, newest first, for going back. At most [`GENERATIONS_KEPT`].
    pub earlier: Vec<Digest>,
    /// Keys its connector holds in its state.
    pub state_keys: u32,
    /// How often that state was changed.
    pub state_version: u64,
    /// The version in which a key was removed from it last.
    pub state_removed_in: u64,
    /// When it was changed last.
    pub changed_at: Timestamp,
    /// The loosest of the policies under which what is stored may have come in. Where it is not the one in force, what is stored is still to be
    /// brought in line; see [`EnforcePolicy`](crate::commands::EnforcePolicy). None: nothing can have come in yet.
    pub loosest: Option<Policy>,
}

/// Earlier digests a channel remembers.
pub const GENERATIONS_KEPT: usize = 5;

impl Channel {
    /// The policy in force: the stricter of network's and operator's.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        let granted = &self.grant.as_ref()?.policy;
        let Some(own) = &self.settings.policy else { return Some(granted.clone()) };
        let shorter = |left: Option<u64>, right: Option<u64>| match (left, right) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (left, right) => left.or(right),
        };
        Some(Policy {
            link: granted.link.max(own.link),
            reply_only_summoned: granted.reply_only_summoned || own.reply_only_summoned,
            profile_ms: shorter(granted.profile_ms, own.profile_ms),
            content_ms: shorter(granted.content_ms, own.content_ms),
            raw_ms: shorter(granted.raw_ms, own.raw_ms),
            recheck_ms: shorter(granted.recheck_ms, own.recheck_ms),
        })
    }

    /// The policy is another one than it was, or the first.
    fn policy_changed(&mut self) {
        self.loosest = match (self.loosest.take(), self.policy()) {
            (Some(loosest), Some(policy)) => Some(loosest.or(&policy)),
            (loosest, policy) => loosest.or(policy),
        };
    }

    /// The declared action of this name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.grant.as_ref()?.actions.iter().find(|action| action.name == name)
    }
}

/// A source of a channel that has a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// `poll`.
    Poll,
    /// `crm.changes`.
    Changes,
    /// `recheck`: how far the present round of looks has come.
    Recheck,
}

impl Source {
    /// The number that stands for it in keys.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Poll => 1,
            Self::Changes => 2,
            Self::Recheck => 3,
        }
    }
}

/// A value of a connector's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateValue {
    /// The state's version in which it was written.
    pub version: u64,
    /// The connector's bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// One write of a connector's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateWrite {
    /// The key.
    pub key: String,
    /// The value; None: the key is removed.
    #[serde(with = "serde_bytes")]
    pub value: Option<Vec<u8>>,
}

/// A channel was added or its settings changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelConfigured {
    /// The channel.
    pub channel: ChannelName,
    /// All of its settings.
    pub settings: ChannelSettings,
}

/// A component became live on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorGranted {
    /// The channel.
    pub channel: ChannelName,
    /// What is live now.
    pub grant: Grant,
}

/// Whatever came in under a looser policy has been brought in line with the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyEnforced {
    /// The channel.
    pub channel: ChannelName,
}

/// A source goes on from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorMoved {
    /// The channel.
    pub channel: ChannelName,
    /// Which of its sources.
    pub source: Source,
    /// Where it goes on; None: from the beginning.
    pub cursor: Option<String>,
}

/// A connector's state changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateWritten {
    /// The channel.
    pub channel: ChannelName,
    /// The changes, in order.
    pub writes: Vec<StateWrite>,
}

pub(crate) fn configured(tables: &mut Tables, at: Timestamp, event: &ChannelConfigured) {
    let before = tables.get(&CHANNELS, &event.channel);
    let mut channel = match before {
        Some(channel) => Channel { settings: event.settings.clone(), changed_at: at, ..channel },
        None => Channel {
            settings: event.settings.clone(),
            grant: None,
            earlier: Vec::new(),
            state_keys: 0,
            state_version: 0,
            state_removed_in: 0,
            changed_at: at,
            loosest: None,
        },
    };
    channel.policy_changed();
    tables.put(&CHANNELS, &event.channel, &channel);
}

/// What is stored is in line with the policy in force.
pub(crate) fn policy_enforced(tables: &mut Tables, event: &PolicyEnforced) {
    tables.update(&CHANNELS, &event.channel, |channel| channel.loosest = channel.policy());
}

pub(crate) fn granted(tables: &mut Tables, at: Timestamp, event: &ConnectorGranted) {
    tables.update(&CHANNELS, &event.channel, |channel| {
        if let Some(previous) = channel.grant.take().filter(|previous| previous.digest != event.grant.digest) {
            channel.earlier.retain(|digest| *digest != previous.digest && *digest != event.grant.digest);
            channel.earlier.insert(0, previous.digest);
            channel.earlier.truncate(GENERATIONS_KEPT);
        }
        channel.grant = Some(event.grant.clone());
        channel.changed_at = at;
        channel.policy_changed();
    });
    let before = tables.get(&CRMS, &()).unwrap_or_default();
    let mut crms = before.clone();
    crms.retain(|crm| *crm != event.channel);
    if event.grant.kind == ChannelKind::Crm {
        crms.push(event.channel.clone());
    }
    if crms != before {
        tables.put(&CRMS, &(), &crms);
    }
}

pub(crate) fn cursor_moved(tables: &mut Tables, event: &CursorMoved) {
    let key = (event.channel.clone(), event.source.code());
    match &event.cursor {
        Some(cursor) => tables.put(&CURSORS, &key, cursor),
        None => tables.delete(&CURSORS, &key),
    }
}

pub(crate) fn state_written(tables: &mut Tables, event: &StateWritten) {
    let Some(mut channel) = tables.get(&CHANNELS, &event.channel) else { return };
    channel.state_version += 1;
    for write in &event.writes {
        let key = (event.channel.clone(), write.key.clone());
        let present = tables.contains(&CONNECTOR_STATE, &key);
        match &write.value {
            Some(bytes) => {
                channel.state_keys += u32::from(!present);
                tables.put(&CONNECTOR_STATE, &key, &StateValue { version: channel.state_version, bytes: bytes.clone() });
            }
            None => {
                if present {
                    channel.state_keys = channel.state_keys.saturating_sub(1);
                    channel.state_removed_in = channel.state_version;
                }
                tables.delete(&CONNECTOR_STATE, &key);
            }
        }
    }
    tables.put(&CHANNELS, &event.channel, &channel);
}
