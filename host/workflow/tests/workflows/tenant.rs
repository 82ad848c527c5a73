//! A tenant in memory: the core and the workflows composed into one record per command, as the server composes them.

use std::collections::{BTreeMap, BTreeSet};

use sportello_core::commands as core;
use sportello_core::commands::{Accepted, Arrival, Author, ProfileNews};
use sportello_core::domain::channel::{Action, ChannelKind, ChannelSettings, Grant, Idempotency, LinkPermission, Policy};
use sportello_core::domain::interaction::Change;
use sportello_core::domain::profile::{Identified, PROFILES};
use sportello_core::draft::{Draft, note_numbers};
use sportello_core::event as core_event;
use sportello_core::ids::{CaseId, ChannelName, ConversationId, Digest, Fingerprint, IdentifierId, ProfileId, SlotId, SubjectId};
use sportello_core::refusal::Refusal;
use sportello_core::tables::{RowChange, Rows, Table, Tables, Value};
use sportello_core::time::Timestamp;
use sportello_workflow as workflow;
use sportello_workflow::commands::{Answer, AnswerStep, DefineWorkflow, FireTimer};
use sportello_workflow::run::{RUNS, Run, RunId, STEPS_ASKED, TIMERS_DUE};

/// An event of either domain.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum TenantEvent {
    Core(core_event::Event),
    Workflow(workflow::Event),
}

impl From<core_event::Event> for TenantEvent {
    fn from(event: core_event::Event) -> Self {
        Self::Core(event)
    }
}

impl From<workflow::Event> for TenantEvent {
    fn from(event: workflow::Event) -> Self {
        Self::Workflow(event)
    }
}

impl TenantEvent {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Core(event) => event.word(),
            Self::Workflow(event) => event.word(),
        }
    }
}

/// A command of either domain.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Command {
    Core(core::Command),
    Workflow(workflow::Command),
}

macro_rules! from_core {
    ($($name:ident),*) => {$(
        impl From<core::$name> for Command {
            fn from(command: core::$name) -> Self {
                Self::Core(command.into())
            }
        }
    )*};
}

from_core!(
    InstallConnector,
    ConfigureChannel,
    GrantConnector,
    Ingest,
    TakeContacts,
    AssignCase,
    SetCaseState,
    StartEffect,
    FinishEffect,
    DecideEffect,
    AnswerLookUps
);

macro_rules! from_workflow {
    ($($name:ident),*) => {$(
        impl From<workflow::commands::$name> for Command {
            fn from(command: workflow::commands::$name) -> Self {
                Self::Workflow(command.into())
            }
        }
    )*};
}

from_workflow!(DefineWorkflow, RetireWorkflow, AnswerStep, FireTimer, CancelRun);

/// Rows in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MemoryRows(pub(crate) BTreeMap<(u8, Vec<u8>), Value>);

impl Rows for MemoryRows {
    fn row(&self, table: u8, key: &[u8]) -> Option<Value> {
        self.0.get(&(table, key.to_vec())).cloned()
    }
}

impl MemoryRows {
    pub(crate) fn take(&mut self, changes: Vec<RowChange>) {
        for (place, value) in changes {
            let place = (place[0], place[1..].to_vec());
            match value {
                Some(value) => self.0.insert(place, value),
                None => self.0.remove(&place),
            };
        }
    }

    /// The keys of a table, in order.
    pub(crate) fn keys<K: ?Sized + sportello_core::tables::Key, V>(&self, table: &Table<K, V>) -> Vec<Vec<u8>> {
        self.0.keys().filter(|(id, _)| *id == table.id).map(|(_, key)| key.clone()).collect()
    }
}

/// One record as it would stand in the journal.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) at: Timestamp,
    pub(crate) bytes: Vec<u8>,
}

/// A tenant.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) rows: MemoryRows,
    pub(crate) records: Vec<Record>,
    pub(crate) now: Timestamp,
    next_slot: u64,
}

pub(crate) const CHANNEL: &str = "desk";
pub(crate) const CRM: &str = "crm";
const MINUTE_MS: u64 = 60_000;

impl Tenant {
    /// A tenant with a channel that can reply and a CRM that can take activities.
    pub(crate) fn new() -> Self {
        Self::of(&[(CHANNEL, ChannelKind::Channel, "reply"), (CRM, ChannelKind::Crm, "activity")])
    }

    /// A tenant with the channel alone.
    pub(crate) fn without_crm() -> Self {
        Self::of(&[(CHANNEL, ChannelKind::Channel, "reply")])
    }

    fn of(channels: &[(&str, ChannelKind, &str)]) -> Self {
        let mut tenant = Self { rows: MemoryRows::default(), records: Vec::new(), now: Timestamp(1_000_000), next_slot: 1_000 };
        for &(name, kind, action) in channels {
            let digest = Digest([name.len() as u8; 32]);
            tenant.submit(core::InstallConnector { digest, name: name.to_owned(), version: "1.0.0".to_owned() }).expect("installed");
            tenant.submit(core::ConfigureChannel { channel: channel(name), settings: settings(name) }).expect("configured");
            tenant.submit(core::GrantConnector { channel: channel(name), grant: grant(name, digest, kind, action) }).expect("granted");
        }
        tenant
    }

    /// Carries a command out, with everything that follows from it, as one record.
    pub(crate) fn submit(&mut self, command: impl Into<Command>) -> Result<Accepted, Refusal> {
        let mut draft: Draft<'_, TenantEvent> = Draft::new(&self.rows, self.now);
        let accepted = match &command.into() {
            Command::Core(command) => core::decide(&mut draft, command)?,
            Command::Workflow(command) => workflow::decide(&mut draft, command)?,
        };
        draft.respond(usize::MAX, |draft, event| {
            if let TenantEvent::Core(event) = event {
                workflow::react(draft, event);
            }
        });
        let (events, changes) = draft.finish();
        if !events.is_empty() {
            let mut bytes = Vec::new();
            for event in &events {
                match event {
                    TenantEvent::Core(event) => event.encode(&mut bytes),
                    TenantEvent::Workflow(event) => event.encode(&mut bytes),
                }
            }
            self.records.push(Record { at: self.now, bytes });
            self.rows.take(changes);
        }
        Ok(accepted)
    }

    /// The words of the events of the last record.
    pub(crate) fn last_words(&self) -> Vec<&'static str> {
        self.records.last().map_or_else(Vec::new, |record| events_of(record).iter().map(TenantEvent::word).collect())
    }

    /// All events of the workflows so far.
    pub(crate) fn workflow_events(&self) -> Vec<workflow::Event> {
        self.records
            .iter()
            .flat_map(events_of)
            .filter_map(|event| match event {
                TenantEvent::Workflow(event) => Some(event),
                TenantEvent::Core(_) => None,
            })
            .collect()
    }

    /// Checks a definition and defines it.
    pub(crate) fn define(&mut self, source: &str) -> Digest {
        let checked = workflow::check(source, "test.yaml").unwrap_or_else(|problems| panic!("{source}\n{problems:#?}"));
        let hash = checked.hash;
        self.submit(DefineWorkflow { name: checked.name, hash, source: source.to_owned(), plan: checked.plan }).expect("defined");
        hash
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    pub(crate) fn wait_minutes(&mut self, minutes: u64) {
        self.wait_ms(minutes * MINUTE_MS);
    }

    fn slot(&mut self) -> SlotId {
        self.next_slot += 1;
        SlotId(self.next_slot)
    }

    /// Somebody says something in a conversation; gives the conversation's case.
    pub(crate) fn say(&mut self, person: u64, conversation: u64) -> CaseId {
        let arrival = self.arrival(person, conversation, false);
        self.ingest(vec![arrival]);
        self.case_of(conversation)
    }

    /// The company says something in a conversation.
    pub(crate) fn say_ourselves(&mut self, conversation: u64) {
        let arrival = self.arrival(1, conversation, true);
        self.ingest(vec![arrival]);
    }

    pub(crate) fn arrival(&mut self, person: u64, conversation: u64, own: bool) -> Arrival {
        let slot = self.slot();
        let mut identity = [0; 16];
        identity[..8].copy_from_slice(&slot.0.to_be_bytes());
        let news = ProfileNews {
            sealed: vec![1, 2, 3],
            identifiers: vec![Identified { scheme: "email".to_owned(), identifier: IdentifierId(700 + person) }],
            replaces: PROFILES.get(&self.rows, &ProfileId(person)).map(|known| known.sealed),
        };
        Arrival {
            identity: Fingerprint(identity),
            subject: SubjectId(u64::from_le_bytes(identity[..8].try_into().expect("8 of 16 bytes"))),
            names_author: false,
            change: Change::Created,
            kind: "direct-message".to_owned(),
            author: (!own).then_some(Author { profile: ProfileId(person), news: Some(news) }),
            conversation: ConversationId(conversation),
            own,
            effect_key: None,
            private: true,
            summons: true,
            in_reply_to: None,
            occurred_at: self.now,
            slot,
            sealed: vec![9; 8],
        }
    }

    pub(crate) fn ingest(&mut self, mut arrivals: Vec<Arrival>) {
        // Whoever does several things at once says nothing new of themselves with the second.
        let mut seen = BTreeSet::new();
        for author in arrivals.iter_mut().filter_map(|arrival| arrival.author.as_mut()) {
            if !seen.insert(author.profile) {
                author.news = None;
            }
        }
        let command =
            core::Ingest { channel: channel(CHANNEL), arrivals, known: 0, cursor: None, state_writes: Vec::new(), replayed: None };
        self.submit(command).expect("taken in");
    }

    pub(crate) fn case_of(&self, conversation: u64) -> CaseId {
        sportello_core::domain::conversation::CONVERSATIONS
            .get(&self.rows, &ConversationId(conversation))
            .and_then(|conversation| conversation.case)
            .expect("the conversation has a case")
    }

    /// The CRM tells of a contact with the person's e-mail address.
    pub(crate) fn recognise(&mut self, person: u64) {
        let contact = core::ContactNews {
            contact: sportello_core::ids::ContactId(500 + person),
            version: [1; 16],
            sealed: vec![5],
            identifiers: vec![Identified { scheme: "email".to_owned(), identifier: IdentifierId(700 + person) }],
            deleted: false,
        };
        self.submit(core::TakeContacts { channel: channel(CRM), contacts: vec![contact], cursor: None }).expect("taken in");
    }

    pub(crate) fn run(&self, run: u64) -> Run {
        RUNS.get(&self.rows, &RunId(run)).unwrap_or_else(|| panic!("there is no run {run}"))
    }

    /// The questions that wait for an answer: run and visit.
    pub(crate) fn asked(&self) -> Vec<(RunId, u64)> {
        self.rows.keys(&STEPS_ASKED).iter().map(|key| (RunId(number(&key[..8])), number(&key[8..]))).collect()
    }

    /// The timers that are set: when, run and visit.
    pub(crate) fn timers(&self) -> Vec<(Timestamp, RunId, u64)> {
        let keys = self.rows.keys(&TIMERS_DUE);
        keys.iter()
            .map(|key| {
                let due_at = (number(&key[..8]) ^ (1 << 63)).cast_signed();
                (Timestamp(due_at), RunId(number(&key[8..16])), number(&key[16..]))
            })
            .collect()
    }

    pub(crate) fn answer(&mut self, run: u64, visit: u64, answer: Answer) -> Result<Accepted, Refusal> {
        self.submit(AnswerStep { run: RunId(run), visit, answer })
    }

    /// Answers a question for words with sealed ones.
    pub(crate) fn answer_words(&mut self, run: u64, visit: u64) -> Result<Accepted, Refusal> {
        let slot = self.slot();
        self.answer(run, visit, Answer::Text { slot, sealed: vec![7; 16] })
    }

    pub(crate) fn fire(&mut self, run: u64, visit: u64) -> Result<Accepted, Refusal> {
        self.submit(FireTimer { run: RunId(run), visit })
    }
}

/// The events of a record.
pub(crate) fn events_of(record: &Record) -> Vec<TenantEvent> {
    let mut events = Vec::new();
    let mut rest = record.bytes.as_slice();
    while !rest.is_empty() {
        let (raw, behind) = core_event::split_raw(rest).expect("whole events");
        rest = behind;
        events.push(if raw.kind < 1_000 {
            TenantEvent::Core(core_event::Event::from_payload(raw.kind, raw.version, raw.payload).expect("a core event"))
        } else {
            TenantEvent::Workflow(workflow::Event::from_payload(raw.kind, raw.version, raw.payload).expect("a workflow event"))
        });
    }
    events
}

/// The rows that a journal comes to.
pub(crate) fn replay(records: &[Record]) -> MemoryRows {
    let mut rows = MemoryRows::default();
    for record in records {
        let mut tables = Tables::over(&rows);
        for event in events_of(record) {
            match event {
                TenantEvent::Core(event) => {
                    core_event::apply(&mut tables, record.at, &event);
                    note_numbers(&mut tables, &event);
                }
                TenantEvent::Workflow(event) => workflow::apply(&mut tables, record.at, &event),
            }
        }
        let changes = tables.into_changes();
        rows.take(changes);
    }
    rows
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("a channel name")
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}

fn settings(connector: &str) -> ChannelSettings {
    ChannelSettings {
        connector: connector.to_owned(),
        settings: "{}".to_owned(),
        origins: Vec::new(),
        private_network: false,
        folders: vec![],
        secrets: BTreeMap::new(),
        poll_ms: None,
        policy: None,
        enabled: true,
    }
}

fn grant(connector: &str, digest: Digest, kind: ChannelKind, action: &str) -> Grant {
    Grant {
        digest,
        connector: connector.to_owned(),
        version: "1.0.0".to_owned(),
        kind,
        network: connector.to_owned(),
        actions: vec![Action { name: action.to_owned(), idempotency: Idempotency::Keyed, settling_ms: 0 }],
        policy: Policy {
            link: LinkPermission::Evidence,
            reply_only_summoned: false,
            profile_ms: None,
            content_ms: None,
            raw_ms: None,
            recheck_ms: None,
        },
        poll_ms: 0,
    }
}
