//! Events: what happened, as it stands in the journal.
//!
//! Each event is stored as `[kind u16 LE | version u8 | length u32 LE | postcard payload]`. The kind's number and the payload's shape at each
//! version never change: a new shape is a new version with an upcaster here, kept with a golden file
//! (until the first release the journal's format is raised instead). A kind or version this program does not
//! know is reported as such, so that a reader can set the event aside and go on.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::domain::access::{self, TokenCreated, TokenRevoked};
use crate::domain::case::{self, CaseAnswered, CaseAssigned, CaseOpened, CasePrioritised, CaseStateChanged};
use crate::domain::channel::{self, ChannelConfigured, ConnectorGranted, CursorMoved, PolicyEnforced, StateWritten};
use crate::domain::connector::{self, ConnectorInstalled, ConnectorRetired};
use crate::domain::contact::{self, ContactSeen};
use crate::domain::deletion::{self, DeletionRequested};
use crate::domain::delivery::{self, DeliveryParked, DeliveryReplayed};
use crate::domain::effect::{
    self, EffectDone, EffectFailed, EffectPostponed, EffectQueued, EffectStarted, EffectUndecided, EffectUnknown, EffectUnsummoned,
};
use crate::domain::erasure::{self, Erased, PersonErased, RetentionShortened};
use crate::domain::interaction::{self, InteractionReceived, InteractionWithdrawn};
use crate::domain::person::{self, LinkEnded, LinkMade, PersonAppeared};
use crate::domain::profile::{self, LookUpAnswered, ProfileSeen};
use crate::encoding;
use crate::tables::Tables;
use crate::time::Timestamp;

/// Why stored bytes are no event of ours.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EventError {
    /// The bytes end in the middle of an event.
    #[error("the event is cut off")]
    CutOff,
    /// Written by a newer program, or not an event.
    #[error("event kind {kind} version {version} is not known to this program; a newer one may have written it")]
    UnknownKind {
        /// The stored number.
        kind: u16,
        /// The stored version.
        version: u8,
    },
    /// The payload is not of the kind's shape.
    #[error("the payload of event kind {kind} version {version} cannot be read")]
    Unreadable {
        /// The stored number.
        kind: u16,
        /// The stored version.
        version: u8,
    },
}

/// Makes a domain's `Event` of its kinds: `number Payload = "word"`, each payload a type in scope. The numbers are the journal's: 1 to 999 are the
/// core's, 1000 to 1999 the workflows'.
#[macro_export]
macro_rules! events {
    ($(#[$about:meta])* pub enum Event; $($(#[$doc:meta])* $number:literal $name:ident = $word:literal),* $(,)?) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "events live for one command; boxing each payload would cost more than the largest one")]
        pub enum Event {
            $($(#[$doc])* $name($name),)*
        }

        $(impl From<$name> for Event {
            fn from(event: $name) -> Self {
                Self::$name(event)
            }
        })*

        impl Event {
            /// The number that stands for the event's kind in the journal.
            #[must_use]
            pub const fn kind(&self) -> u16 {
                match self { $(Self::$name(_) => $number,)* }
            }

            /// The kind's word in the API and in the live stream, for example `case.opened`.
            #[must_use]
            pub const fn word(&self) -> &'static str {
                match self { $(Self::$name(_) => $word,)* }
            }

            /// Appends the stored form.
            pub fn encode(&self, record: &mut Vec<u8>) {
                match self { $(Self::$name(event) => $crate::event::encode_event($number, event, record),)* }
            }

            /// Reads a payload of the given kind and version.
            ///
            /// # Errors
            /// [`EventError::UnknownKind`]($crate::event::EventError::UnknownKind) or [`EventError::Unreadable`]($crate::event::EventError::Unreadable).
            pub fn from_payload(kind: u16, version: u8, payload: &[u8]) -> Result<Self, $crate::event::EventError> {
                match kind {
                    $($number => $crate::event::decode_event::<$name>(kind, version, payload).map(Self::$name),)*
                    _ => Err($crate::event::EventError::UnknownKind { kind, version }),
                }
            }
        }
    };
}

events! {
    /// Something that happened.
    pub enum Event;

    /// A component was installed.
    1 ConnectorInstalled = "connector.installed",
    /// A component was retired.
    2 ConnectorRetired = "connector.retired",
    /// A channel was added or changed.
    10 ChannelConfigured = "channel.configured",
    /// A component became live on a channel.
    11 ConnectorGranted = "channel.granted",
    /// A source goes on from here.
    12 CursorMoved = "channel.cursor-moved",
    /// A connector's state changed.
    13 StateWritten = "channel.state-written",
    /// What is stored is in line with a stricter policy.
    14 PolicyEnforced = "channel.policy-enforced",
    /// A profile was seen.
    20 ProfileSeen = "profile.seen",
    /// The CRMs answered about a profile.
    21 LookUpAnswered = "profile.looked-up",
    /// A person came into being.
    30 PersonAppeared = "person.appeared",
    /// A link was made.
    31 LinkMade = "link.made",
    /// A link was ended.
    32 LinkEnded = "link.ended",
    /// A contact was seen.
    40 ContactSeen = "contact.seen",
    /// An interaction came in.
    50 InteractionReceived = "interaction.received",
    /// An interaction's words are given up.
    51 InteractionWithdrawn = "interaction.withdrawn",
    /// A case was opened.
    60 CaseOpened = "case.opened",
    /// A case changed hands.
    61 CaseAssigned = "case.assigned",
    /// A case changed its state.
    62 CaseStateChanged = "case.state-changed",
    /// A case's urgency changed.
    63 CasePrioritised = "case.prioritised",
    /// A case got its first answer.
    64 CaseAnswered = "case.answered",
    /// An effect was asked for.
    70 EffectQueued = "effect.queued",
    /// A call is about to be made.
    71 EffectStarted = "effect.started",
    /// It took place.
    72 EffectDone = "effect.done",
    /// It is tried again later.
    73 EffectPostponed = "effect.postponed",
    /// It will not take place.
    74 EffectFailed = "effect.failed",
    /// It may have taken place.
    75 EffectUnknown = "effect.unknown",
    /// A person must decide.
    76 EffectUndecided = "effect.undecided",
    /// It answers something by which nobody addressed the company.
    77 EffectUnsummoned = "effect.unsummoned",
    /// A delivery was parked.
    80 DeliveryParked = "delivery.parked",
    /// A parked delivery was taken in.
    81 DeliveryReplayed = "delivery.replayed",
    /// Somebody asked to be forgotten.
    90 PersonErased = "person.erased",
    /// Slots were overwritten.
    91 Erased = "erasure.done",
    /// Somebody had the platform ask that what is kept of them be deleted.
    92 DeletionRequested = "deletion.requested",
    /// Something must be forgotten sooner than it was to be.
    93 RetentionShortened = "retention.shortened",
    /// A token was made.
    100 TokenCreated = "token.created",
    /// A token was revoked.
    101 TokenRevoked = "token.revoked",
}

/// The version new events are written in, the only one there is so far.
const EVENT_VERSION: u8 = 1;
/// Bytes in which the length of an event's payload is stored.
const LENGTH_BYTES: usize = 4;

/// Appends the stored form of an event of any domain.
pub fn encode_event(kind: u16, event: &impl Serialize, record: &mut Vec<u8>) {
    record.extend_from_slice(&kind.to_le_bytes());
    record.push(EVENT_VERSION);
    record.extend_from_slice(&[0; LENGTH_BYTES]);
    let start = record.len();
    encoding::append(event, record);
    // A record is refused long before an event reaches 4 GiB.
    let length = u32::try_from(record.len() - start).unwrap_or(u32::MAX);
    record[start - LENGTH_BYTES..start].copy_from_slice(&length.to_le_bytes());
}

/// Reads the payload of an event of any domain.
///
/// # Errors
/// [`EventError::UnknownKind`] for another version, [`EventError::Unreadable`].
pub fn decode_event<E: DeserializeOwned>(kind: u16, version: u8, payload: &[u8]) -> Result<E, EventError> {
    if version != EVENT_VERSION {
        return Err(EventError::UnknownKind { kind, version });
    }
    postcard::from_bytes(payload).map_err(|_| EventError::Unreadable { kind, version })
}

/// One stored event, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent<'record> {
    /// The number of its kind.
    pub kind: u16,
    /// The version of its payload.
    pub version: u8,
    /// Its payload.
    pub payload: &'record [u8],
}

/// Splits one stored event off the front of a record; gives it and the rest.
///
/// # Errors
/// [`EventError::CutOff`].
pub fn split_raw(bytes: &[u8]) -> Result<(RawEvent<'_>, &[u8]), EventError> {
    let (head, rest) = bytes.split_at_checked(7).ok_or(EventError::CutOff)?;
    let length = u32::from_le_bytes([head[3], head[4], head[5], head[6]]) as usize;
    let (payload, rest) = rest.split_at_checked(length).ok_or(EventError::CutOff)?;
    Ok((RawEvent { kind: u16::from_le_bytes([head[0], head[1]]), version: head[2], payload }, rest))
}

/// Changes the rows as the event says. Total: an event about something that is not there changes nothing.
pub fn apply(tables: &mut Tables, at: Timestamp, event: &Event) {
    match event {
        Event::ConnectorInstalled(event) => connector::installed(tables, at, event),
        Event::ConnectorRetired(event) => connector::retired(tables, event),
        Event::ChannelConfigured(event) => channel::configured(tables, at, event),
        Event::ConnectorGranted(event) => channel::granted(tables, at, event),
        Event::CursorMoved(event) => channel::cursor_moved(tables, event),
        Event::StateWritten(event) => channel::state_written(tables, event),
        Event::PolicyEnforced(event) => channel::policy_enforced(tables, event),
        Event::ProfileSeen(event) => profile::seen(tables, at, event),
        Event::LookUpAnswered(event) => profile::look_up_answered(tables, event),
        Event::PersonAppeared(event) => person::appeared(tables, at, event),
        Event::LinkMade(event) => person::link_made(tables, at, event),
        Event::LinkEnded(event) => person::link_ended(tables, at, event),
        Event::ContactSeen(event) => contact::seen(tables, at, event),
        Event::InteractionReceived(event) => interaction::received(tables, at, event),
        Event::InteractionWithdrawn(event) => interaction::withdrawn(tables, at, event),
        Event::CaseOpened(event) => case::opened(tables, at, event),
        Event::CaseAssigned(event) => case::assigned(tables, at, event),
        Event::CaseStateChanged(event) => case::state_changed(tables, at, event),
        Event::CasePrioritised(event) => case::prioritised(tables, at, event),
        Event::CaseAnswered(event) => case::answered(tables, event),
        Event::EffectQueued(event) => effect::queued(tables, at, event),
        Event::EffectStarted(event) => effect::started(tables, at, event),
        Event::EffectDone(event) => effect::done(tables, at, event),
        Event::EffectPostponed(event) => effect::postponed(tables, event),
        Event::EffectFailed(event) => effect::failed(tables, at, event),
        Event::EffectUnknown(event) => effect::unknown(tables, event),
        Event::EffectUndecided(event) => effect::undecided(tables, event),
        Event::EffectUnsummoned(event) => effect::unsummoned(tables, event),
        Event::DeliveryParked(event) => delivery::parked(tables, at, event),
        Event::DeliveryReplayed(event) => delivery::replayed(tables, at, event),
        Event::PersonErased(event) => erasure::person_erased(tables, at, event),
        Event::Erased(event) => erasure::erased(tables, at, event),
        Event::DeletionRequested(event) => deletion::requested(tables, at, event),
        Event::RetentionShortened(event) => erasure::retention_shortened(tables, event),
        Event::TokenCreated(event) => access::created(tables, at, event),
        Event::TokenRevoked(event) => access::revoked(tables, event),
    }
}
