//! The live stream: everything that becomes durable, in order, as server-sent events.
//!
//! `GET /api/v1/{tenant}/events?from=SEQUENCE`. Each message's id is `sequence.index` (the record, and the event's place in it), its event is the
//! kind's word, its data a CloudEvents 1.0 document in structured mode. A reader that comes back with `Last-Event-ID` goes on after that event
//! and misses nothing: the stream is read from the journal, not from memory, so it is as long as the journal is.
//!
//! # What is in the data
//! Numbers, names of channels and states: what [`PLAIN_FIELDS`] lists, and nothing else. A field that is new to an event stays out until it is
//! put on that list, so no sealed word and no hash leaves through here by oversight.
//!
//! # How a stream ends
//! The host stops; the reader goes away; its token is revoked (looked at before every message: revoking is an event itself, and wakes the stream);
//! the journal cannot be read.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sportello_core::event::{Event as CoreEvent, EventError};
use sportello_core::ids::TokenId;
use sportello_core::time::Timestamp;
use sportello_workflow::Event as WorkflowEvent;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use crate::access::in_force;
use crate::api::problem::Problem;
use crate::api::{Caller, STREAMS_MAX};
use crate::tenant::{Event, Tenant, TenantError, TenantRecord};

/// How often a silent stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Records read in one go.
const RECORDS_AT_ONCE: usize = 256;
/// Messages read and not yet taken by the reader.
const MESSAGES_AHEAD_MAX: usize = 256;
/// The header a reader comes back with.
const LAST_EVENT_ID: &str = "last-event-id";

/// Fields of events that are shown as they are. Everything else stays out: sealed words, hashes, slots, settings, connectors' state,
/// and problems, which connectors put in words of their own.
const PLAIN_FIELDS: &[&str] = &[
    "action",
    "asked_by",
    "attempt",
    "basis",
    "because",
    "by",
    "case",
    "change",
    "channel",
    "connector",
    "contact",
    "conversation",
    "delivery",
    "deleted",
    "echo",
    "effect",
    "enabled",
    "ending",
    "evidence",
    "from",
    "grant",
    "holds",
    "idempotency",
    "instruction",
    "interaction",
    "kind",
    "left_by",
    "link",
    "look_up",
    "name",
    "network",
    "own",
    "owner",
    "person",
    "position",
    "priority",
    "private",
    "probability_thousandths",
    "profile",
    "profiles",
    "reason",
    "refused",
    "role",
    "run",
    "scheme",
    "settings",
    "state",
    "step",
    "summons",
    "to",
    "token",
    "trigger",
    "undecided",
    "version",
    "visit",
    "what",
    "workflow",
];
/// Fields that are moments, in milliseconds.
const MOMENT_FIELDS: &[&str] = &["answered_at", "due_at", "erase_at", "occurred_at"];
/// Fields that are a component's digest.
const DIGEST_FIELDS: &[&str] = &["digest"];

/// Where a stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The sequence of the first record to be sent, from 1. Left out: what becomes durable from now on. `Last-Event-ID` goes before it.
    from: Option<u64>,
}

/// The place after which a stream goes on: a record, and the first event of it to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    sequence: u64,
    index: usize,
}

/// Everything that becomes durable, in order, as server-sent events; resumable.
#[utoipa::path(get, path = "/events", tag = "events", operation_id = "stream_events",
    params(EventsQuery, ("last-event-id" = Option<String>, Header, description = "The id of the last event that was received: the stream goes on after it")),
    responses((status = 200, description = "Server-sent events. id: sequence.index; event: the kind's word; data: a CloudEvents 1.0 document", content_type = "text/event-stream", body = String)))]
pub(crate) async fn events(
    caller: Caller,
    headers: HeaderMap,
    crate::api::Asked(query): crate::api::Asked<EventsQuery>,
) -> Result<Response, Problem> {
    let durable = *caller.tenant().watch_durable().borrow();
    let place = match headers.get(LAST_EVENT_ID) {
        Some(last) => last.to_str().ok().and_then(after).ok_or_else(|| {
            Problem::malformed("Last-Event-ID is not the id of an event of this stream: sequence.index, for example 17.0")
        })?,
        None => Place { sequence: query.from.unwrap_or(durable + 1).max(1), index: 0 },
    };
    // A reader that has seen more than there is follows another journal, or one that lost its end: it must not wait in silence.
    if place.sequence > durable + 1 {
        return Err(Problem::invalid(format!("the journal ends at {durable}; there is no record {} yet", place.sequence)));
    }
    let Ok(permit) = Arc::clone(&caller.streams).try_acquire_owned() else {
        return Err(Problem::overloaded(format!("{STREAMS_MAX} streams of this tenant are open, the most there can be; close one")));
    };
    let (reader, receiver) = Reader::new(Arc::clone(&caller.desk.tenant), caller.token, caller.stopping.clone(), permit);
    tokio::spawn(reader.run(place));
    let stream = Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat"));
    Ok(stream.into_response())
}

/// The place after an event's id.
fn after(id: &str) -> Option<Place> {
    let (sequence, index) = id.trim().split_once('.')?;
    let sequence = sequence.parse().ok().filter(|sequence| *sequence > 0)?;
    Some(Place { sequence, index: index.parse::<usize>().ok()?.checked_add(1)? })
}

/// One stream at work.
struct Reader {
    tenant: Arc<Tenant>,
    token: TokenId,
    stopping: CancellationToken,
    messages: mpsc::Sender<Result<Message, Infallible>>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// One stream, and where its messages come out.
    fn new(
        tenant: Arc<Tenant>,
        token: TokenId,
        stopping: CancellationToken,
        permit: OwnedSemaphorePermit,
    ) -> (Self, mpsc::Receiver<Result<Message, Infallible>>) {
        let (messages, receiver) = mpsc::channel(MESSAGES_AHEAD_MAX);
        (Self { tenant, token, stopping, messages, _permit: permit }, receiver)
    }

    async fn run(self, mut place: Place) {
        let mut durable = self.tenant.watch_durable();
        loop {
            let last = *durable.borrow_and_update();
            if !in_force(&self.tenant, self.token) {
                return;
            }
            // A slow reader may be long in taking a batch.
            let still_may = || in_force(&self.tenant, self.token);
            if place.sequence <= last {
                let Some((messages, next)) = self.read(place).await else { return };
                place = next;
                for message in messages.into_iter().take_while(|_| still_may()) {
                    let sent = tokio::select! {
                        () = self.stopping.cancelled() => return,
                        sent = self.messages.send(Ok(message)) => sent,
                    };
                    if sent.is_err() {
                        return;
                    }
                }
                continue;
            }
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.messages.closed() => return,
                changed = durable.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The next messages and the place after them. None: the journal cannot be read.
    async fn read(&self, place: Place) -> Option<(Vec<Message>, Place)> {
        let tenant = Arc::clone(&self.tenant);
        let read = tokio::task::spawn_blocking(move || read(&tenant, place)).await;
        match read {
            Ok(Ok(read)) => Some(read),
            Ok(Err(error)) => {
                tracing::error!(tenant = self.tenant.name(), %error, "a live stream ends: the journal cannot be read");
                None
            }
            Err(_) => None,
        }
    }
}

fn read(tenant: &Tenant, place: Place) -> Result<(Vec<Message>, Place), TenantError> {
    let mut messages = Vec::new();
    let mut next = place;
    for record in tenant.records(place.sequence)?.take(RECORDS_AT_ONCE) {
        let (sequence, record) = record?;
        let from = if sequence == place.sequence { place.index } else { 0 };
        for (index, event) in record.events.iter().enumerate().skip(from) {
            let data = cloud_event(tenant.name(), sequence, index, &record, event);
            // A JSON document on one line holds no line feed.
            messages.push(Message::default().id(format!("{sequence}.{index}")).event(word(event)).data(data.to_string()));
        }
        next = Place { sequence: sequence + 1, index: 0 };
    }
    Ok((messages, next))
}

/// An event's kind, in a word; `unreadable` for one that a newer program wrote.
#[must_use]
pub fn word(event: &Result<Event, EventError>) -> &'static str {
    event.as_ref().map_or("unreadable", Event::word)
}

/// An event as a CloudEvents 1.0 document, without anything sealed. `recordevents`, an extension of ours, says how many events its record
/// has: whoever has that many of them has all of what one command did.
#[must_use]
pub fn cloud_event(tenant: &str, sequence: u64, index: usize, record: &TenantRecord, event: &Result<Event, EventError>) -> Value {
    let data = match event {
        Ok(Event::Core(event)) => plain(payload_of_core(event)),
        Ok(Event::Workflow(event)) => plain(payload_of_workflow(event)),
        Err(problem) => json!({ "problem": problem.to_string() }),
    };
    json!({
        "specversion": "1.0",
        "id": format!("{sequence}.{index}"),
        "source": format!("/api/v1/{tenant}"),
        "type": word(event),
        "time": moment(record.at.0),
        "actor": record.actor,
        "datacontenttype": "application/json",
        "recordevents": record.events.len(),
        "data": data,
    })
}

/// Keeps what may be shown.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(fields.into_iter().filter_map(|(name, value)| shown(name, value)).collect::<Map<_, _>>()),
        other => other,
    }
}

fn shown(name: String, value: Value) -> Option<(String, Value)> {
    let value = match name.as_str() {
        moments if MOMENT_FIELDS.contains(&moments) => value.as_i64().map_or(Value::Null, |milliseconds| moment(milliseconds).into()),
        digests if DIGEST_FIELDS.contains(&digests) => hex_of(&value)?,
        // Plain numbers of things; any other list could be bytes.
        "profiles" => value,
        // The names of an enum's cases stand where fields do.
        known if PLAIN_FIELDS.contains(&known) || known.starts_with(char::is_uppercase) || is_kebab_case(known) => match value {
            Value::Array(_) => return None,
            Value::Object(_) => plain(value),
            // A connector's own settings: a document in a text.
            Value::String(_) if known == "settings" => return None,
            value => value,
        },
        _ => return None,
    };
    Some((name, value))
}

/// The endings of runs that carry something.
fn is_kebab_case(name: &str) -> bool {
    matches!(name, "failed" | "cancelled")
}

fn hex_of(value: &Value) -> Option<Value> {
    let bytes: Option<Vec<u8>> = value.as_array()?.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
    bytes.filter(|bytes| bytes.len() == 32).map(|bytes| hex::encode(bytes).into())
}

fn moment(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(Timestamp(milliseconds).0).unwrap_or_default().to_string()
}

macro_rules! payloads {
    ($name:ident, $event:ident: $($kind:ident),* $(,)?) => {
        fn $name(event: &$event) -> Value {
            // Payloads are plain structs: they always encode.
            match event { $($event::$kind(payload) => serde_json::to_value(payload).unwrap_or_default(),)* }
        }
    };
}

payloads! { payload_of_core, CoreEvent:
    ConnectorInstalled, ConnectorRetired, ChannelConfigured, ConnectorGranted, CursorMoved, StateWritten, PolicyEnforced, ProfileSeen,
    LookUpAnswered, PersonAppeared, LinkMade, LinkEnded, ContactSeen, InteractionReceived, InteractionWithdrawn, CaseOpened, CaseAssigned,
    CaseStateChanged, CasePrioritised, CaseAnswered, EffectQueued, EffectStarted, EffectDone, EffectPostponed, EffectFailed, EffectUnknown,
    EffectUndecided, EffectUnsummoned, DeliveryParked, DeliveryReplayed, PersonErased, Erased, DeletionRequested, RetentionShortened,
    TokenCreated, TokenRevoked,
}

payloads! { payload_of_workflow, WorkflowEvent:
    WorkflowDefined, WorkflowRetired, RunStarted, StartHeldBack, RunEnded, StepAsked, ConditionAnswered, StepDone, StepSkipped, StepRefused,
    StepFailed, EffectAwaited, RetrySet, TimerSet, TimerFired, TimerEnded,
}

#[cfg(test)]
mod tests {
    use sportello_core::commands::RecordErased;
    use sportello_core::domain::access::Role;
    use sportello_core::domain::erasure::Due;
    use sportello_core::ids::IdentifierId;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::access::create_token;
    use crate::clock::SetClock;
    use crate::tenant::TenantOptions;

    #[tokio::test]
    async fn of_a_stream_nobody_takes_only_so_many_messages_are_read_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock::at(Timestamp(1_000_000)));
        let tenant = Tenant::open("demo", folder.path(), &TenantOptions::default(), clock, &mut |_, _| {}).unwrap();
        let token = create_token(&tenant, "test", "vera", Role::Viewer).await.unwrap().token;
        // One event an entry.
        let erased = (1..).map(IdentifierId).take(MESSAGES_AHEAD_MAX * 4);
        let command = RecordErased { erased: erased.map(|identifier| (None, Due::Identifier(identifier))).collect() };
        tenant.submit("test", command).await.unwrap();

        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let stopping = CancellationToken::new();
        let (reader, mut receiver) = Reader::new(Arc::clone(&tenant), token, stopping.clone(), permit);
        let reading = tokio::spawn(reader.run(Place { sequence: 1, index: 0 }));
        while receiver.len() < MESSAGES_AHEAD_MAX {
            tokio::task::yield_now().await;
        }
        // On this one thread the reader has its turn each time.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(receiver.len(), MESSAGES_AHEAD_MAX);
        for taken in 0..MESSAGES_AHEAD_MAX * 4 {
            assert!(receiver.recv().await.is_some(), "{taken} messages, and no more");
        }
        stopping.cancel();
        reading.await.unwrap();
        tenant.close().unwrap();
    }

    #[test]
    fn an_events_id_says_where_to_go_on() {
        assert_eq!(after("17.2"), Some(Place { sequence: 17, index: 3 }));
        for wrong in ["", "17", "0.0", "17.x", "-1.0", "17.18446744073709551615"] {
            assert_eq!(after(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_listed_stays_out_and_bytes_never_get_through() {
        let shown = plain(json!({
            "case": 1, "sealed": [1, 2], "hash": [3], "owner": [4, 5], "problem": "in the connector's words", "cursor": "somebody", "settings": "{}", "occurred_at": 0,
            "evidence": { "Identifier": { "scheme": "email", "identifier": 7, "words": "no" } },
        }));
        assert_eq!(shown, json!({ "case": 1, "occurred_at": "1970-01-01T00:00:00Z", "evidence": { "Identifier": { "scheme": "email" } } }));
    }
}
