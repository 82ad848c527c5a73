//! Interactions: one thing somebody did on a channel, with its edits and its deletion. The words are sealed; what is here says nothing about
//! anybody.

use serde::{Deserialize, Serialize};

use crate::domain::conversation::{CONVERSATIONS, Conversation};
use crate::domain::effect;
use crate::domain::erasure::{self, Due};
use crate::ids::{ChannelName, ConversationId, Fingerprint, InteractionId, ProfileId, SlotId, SubjectId};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Interactions by number.
pub const INTERACTIONS: Table<InteractionId, Interaction> = Table::new(60, "interactions");
/// An interaction's identity, its thing and the revision hashed: it enters once.
pub const IDENTITIES: Table<(SubjectId, Fingerprint), InteractionId> = Table::new(61, "interaction-identities");
/// What all versions of one thing (channel, native id) have in common.
pub const SUBJECTS: Table<SubjectId, Subject> = Table::new(62, "interaction-subjects");
/// A conversation's interactions in the order they came.
pub const INTERACTIONS_BY_CONVERSATION: Table<(ConversationId, InteractionId), ()> = Table::new(63, "interactions-by-conversation");
/// A profile's interactions in the order they came.
pub const INTERACTIONS_BY_PROFILE: Table<(ProfileId, InteractionId), ()> = Table::new(64, "interactions-by-profile");

/// Versions of one thing that are remembered for its deletion; later edits beyond replace the last.
pub const VERSIONS_MAX: usize = 64;

/// What happened to the thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Created,
    /// Its words changed.
    Edited,
    /// It is gone.
    Deleted,
}

/// An interaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interaction {
    /// Where.
    pub channel: ChannelName,
    /// What all versions of the thing share.
    pub subject: SubjectId,
    /// Whether the platform's id of the thing names its author: then what is known of it is forgotten with them.
    pub names_author: bool,
    /// What happened to it.
    pub change: Change,
    /// `comment`, `direct-message`, …
    pub kind: String,
    /// Who did it.
    pub profile: Option<ProfileId>,
    /// In which thread.
    pub conversation: ConversationId,
    /// Whether the company's own account did it.
    pub own: bool,
    /// Whether only those who take part can see it.
    pub private: bool,
    /// Whether it addresses the company.
    pub summons: bool,
    /// The thing it answers.
    pub in_reply_to: Option<SubjectId>,
    /// When, by the platform.
    pub occurred_at: Timestamp,
    /// When it became durable here: with the delivery it was in, if that was parked first.
    pub received_at: Timestamp,
    /// Where its words' key is.
    pub slot: SlotId,
    /// Its words and everything else of it, sealed. Empty once withdrawn.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// Whether its words have been given up: deleted on the platform, too old, or their author erased.
    pub withdrawn: bool,
}

/// All versions of one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its versions in the order they came.
    pub versions: Vec<InteractionId>,
    /// Whether the platform has deleted it. A version that comes later is withdrawn at once.
    pub deleted: bool,
}

/// An interaction came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InteractionReceived {
    /// Its number.
    pub interaction: InteractionId,
    /// Its identity.
    pub identity: Fingerprint,
    /// Where.
    pub channel: ChannelName,
    /// What all versions of the thing share.
    pub subject: SubjectId,
    /// Whether the platform's id of the thing names its author: then what is known of it is forgotten with them.
    pub names_author: bool,
    /// What happened to it.
    pub change: Change,
    /// `comment`, `direct-message`, …
    pub kind: String,
    /// Who did it.
    pub profile: Option<ProfileId>,
    /// In which thread.
    pub conversation: ConversationId,
    /// Whether the company's own account did it.
    pub own: bool,
    /// Whether only those who take part can see it.
    pub private: bool,
    /// Whether it addresses the company.
    pub summons: bool,
    /// The thing it answers.
    pub in_reply_to: Option<SubjectId>,
    /// When, by the platform.
    pub occurred_at: Timestamp,
    /// Where its words' key is.
    pub slot: SlotId,
    /// Its words, sealed.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// When it became durable here: with the delivery it was in, if that was parked first.
    pub received_at: Timestamp,
    /// When its words must be given up, by the network's policy.
    pub erase_at: Option<Timestamp>,
}

/// The words of an interaction are given up; their slot is to be overwritten now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InteractionWithdrawn {
    /// Which.
    pub interaction: InteractionId,
}

pub(crate) fn received(tables: &mut Tables, at: Timestamp, event: &InteractionReceived) {
    let interaction = Interaction {
        channel: event.channel.clone(),
        subject: event.subject,
        names_author: event.names_author,
        change: event.change,
        kind: event.kind.clone(),
        profile: event.profile,
        conversation: event.conversation,
        own: event.own,
        private: event.private,
        summons: event.summons,
        in_reply_to: event.in_reply_to,
        occurred_at: event.occurred_at,
        received_at: event.received_at,
        slot: event.slot,
        sealed: event.sealed.clone(),
        withdrawn: false,
    };
    tables.put(&INTERACTIONS, &event.interaction, &interaction);
    tables.put(&IDENTITIES, &(event.subject, event.identity), &event.interaction);
    tables.put(&INTERACTIONS_BY_CONVERSATION, &(event.conversation, event.interaction), &());
    if let Some(profile) = event.profile {
        tables.put(&INTERACTIONS_BY_PROFILE, &(profile, event.interaction), &());
    }

    let mut subject = tables.get(&SUBJECTS, &event.subject).unwrap_or_default();
    if subject.versions.len() == VERSIONS_MAX {
        subject.versions.pop();
    }
    subject.versions.push(event.interaction);
    subject.deleted |= event.change == Change::Deleted;
    tables.put(&SUBJECTS, &event.subject, &subject);
    if event.own {
        effect::shown(tables, &event.subject, event.interaction);
    }

    let mut conversation = tables.get(&CONVERSATIONS, &event.conversation).unwrap_or_else(|| Conversation {
        channel: event.channel.clone(),
        case: None,
        first: event.interaction,
        latest_inbound: None,
        summoned: false,
        changed_at: at,
    });
    if !event.own && event.change != Change::Deleted {
        conversation.latest_inbound = Some(event.interaction);
    }
    conversation.summoned |= event.summons;
    conversation.changed_at = at;
    tables.put(&CONVERSATIONS, &event.conversation, &conversation);

    if let Some(due) = event.erase_at {
        erasure::schedule(tables, due, Due::Interaction(event.interaction));
    }
}

pub(crate) fn withdrawn(tables: &mut Tables, at: Timestamp, event: &InteractionWithdrawn) {
    let found = tables.update(&INTERACTIONS, &event.interaction, |interaction| {
        interaction.withdrawn = true;
        interaction.sealed = Vec::new();
    });
    if found {
        erasure::schedule(tables, at, Due::Interaction(event.interaction));
    }
}
