//! One record of the journal: one command's events, with who asked and when.
//!
//! `[format u8 = 1 | time i64 LE, ms since 1970 | actor length u8 | actor | count u16 LE | events…]`, each event as in [`sportello_core::event`].
//! A record of another format was written by a newer program: this one stops rather than guess.

use sportello_core::event::{Event as CoreEvent, EventError, split_raw};
use sportello_core::tables::Tables;
use sportello_core::time::Timestamp;
use sportello_workflow as workflow;
use thiserror::Error;

/// The format this program writes.
const FORMAT: u8 = 1;
/// Event kinds from here on belong to workflows.
const WORKFLOW_KINDS_FROM: u16 = 1_000;

/// An event of any domain.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "as large as the core's events, for the same reason")]
pub enum Event {
    /// Of the core.
    Core(CoreEvent),
    /// Of the workflows.
    Workflow(workflow::Event),
}

impl From<CoreEvent> for Event {
    fn from(event: CoreEvent) -> Self {
        Self::Core(event)
    }
}

impl From<workflow::Event> for Event {
    fn from(event: workflow::Event) -> Self {
        Self::Workflow(event)
    }
}

impl Event {
    /// The kind's word, for example `case.opened`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Core(event) => event.word(),
            Self::Workflow(event) => event.word(),
        }
    }

    fn encode(&self, record: &mut Vec<u8>) {
        match self {
            Self::Core(event) => event.encode(record),
            Self::Workflow(event) => event.encode(record),
        }
    }

    /// Changes the rows as the event says.
    pub(crate) fn apply(&self, tables: &mut Tables, at: Timestamp) {
        match self {
            Self::Core(event) => {
                sportello_core::event::apply(tables, at, event);
                sportello_core::draft::note_numbers(tables, event);
            }
            Self::Workflow(event) => workflow::apply(tables, at, event),
        }
    }
}

/// A record, read.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantRecord {
    /// When the writer decided it.
    pub at: Timestamp,
    /// Who asked: a token's name, `channel:<name>`, `worker:<name>`.
    pub actor: String,
    /// What happened, in order. An event this program cannot read is an error in its place.
    pub events: Vec<Result<Event, EventError>>,
}

/// Why bytes are no record of ours.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// Written by a newer program.
    #[error("the record has format {0}, this program knows format 1: start the newer program that wrote it")]
    NewerFormat(u8),
    /// Not a record.
    #[error("the record is cut off")]
    CutOff,
}

/// The stored form of a record.
#[must_use]
pub fn encode(at: Timestamp, actor: &str, events: &[Event]) -> Vec<u8> {
    let mut record = Vec::with_capacity(256 + 256 * events.len());
    record.push(FORMAT);
    record.extend_from_slice(&at.0.to_le_bytes());
    let actor = &actor.as_bytes()[..actor.floor_char_boundary(usize::from(u8::MAX))];
    // At most 255 after the cut; at most 65,535 by the writer's limit.
    record.push(u8::try_from(actor.len()).unwrap_or(u8::MAX));
    record.extend_from_slice(actor);
    record.extend_from_slice(&u16::try_from(events.len()).unwrap_or(u16::MAX).to_le_bytes());
    for event in events {
        event.encode(&mut record);
    }
    record
}

impl TenantRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`]; single events that cannot be read stand as errors inside.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (format, rest) = bytes.split_first().ok_or(RecordError::CutOff)?;
        if *format != FORMAT {
            return Err(RecordError::NewerFormat(*format));
        }
        let (at, rest) = rest.split_first_chunk::<8>().ok_or(RecordError::CutOff)?;
        let (actor_length, rest) = rest.split_first().ok_or(RecordError::CutOff)?;
        let (actor, rest) = rest.split_at_checked(usize::from(*actor_length)).ok_or(RecordError::CutOff)?;
        let (count, mut rest) = rest.split_first_chunk::<2>().ok_or(RecordError::CutOff)?;
        let mut events = Vec::with_capacity(usize::from(u16::from_le_bytes(*count)));
        for _ in 0..u16::from_le_bytes(*count) {
            let (raw, after) = split_raw(rest).map_err(|_| RecordError::CutOff)?;
            rest = after;
            events.push(if raw.kind < WORKFLOW_KINDS_FROM {
                CoreEvent::from_payload(raw.kind, raw.version, raw.payload).map(Event::Core)
            } else {
                workflow::Event::from_payload(raw.kind, raw.version, raw.payload).map(Event::Workflow)
            });
        }
        Ok(Self { at: Timestamp(i64::from_le_bytes(*at)), actor: String::from_utf8_lossy(actor).into_owned(), events })
    }
}
