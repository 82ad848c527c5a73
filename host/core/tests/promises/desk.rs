//! A tenant in memory: commands are decided over rows, and every event also goes through its stored form into a second set of rows, which must
//! stay equal to the first.

use std::collections::BTreeMap;

use sportello_core::commands::{
    self, Accepted, Arrival, Author, Command, ConfigureChannel, GrantConnector, Ingest, InstallConnector, ProfileNews,
};
use sportello_core::domain::channel::{Action, CHANNELS, ChannelKind, ChannelSettings, Grant, Idempotency, LinkPermission, Policy};
use sportello_core::domain::interaction::Change;
use sportello_core::domain::profile::{Identified, PROFILES};
use sportello_core::draft::{Draft, note_numbers};
use sportello_core::event::{self, Event, apply};
use sportello_core::ids::{ChannelName, ConversationId, Digest, Fingerprint, IdentifierId, ProfileId, SlotId, SubjectId};
use sportello_core::refusal::Refusal;
use sportello_core::tables::{Key, RowChange, Rows, Table, Tables, Value};
use sportello_core::time::Timestamp;

#[derive(Default, Clone, PartialEq, Eq, Debug)]
pub struct MemoryRows(BTreeMap<(u8, Vec<u8>), Value>);

impl Rows for MemoryRows {
    fn row(&self, table: u8, key: &[u8]) -> Option<Value> {
        self.0.get(&(table, key.to_vec())).cloned()
    }
}

impl MemoryRows {
    fn commit(&mut self, changes: Vec<RowChange>) {
        for (place, value) in changes {
            let place = (place[0], place[1..].to_vec());
            match value {
                Some(value) => self.0.insert(place, value),
                None => self.0.remove(&place),
            };
        }
    }
}

pub struct Desk {
    pub rows: MemoryRows,
    replayed: MemoryRows,
    pub now: Timestamp,
    slots: u64,
}

pub fn channel() -> ChannelName {
    ChannelName::new("page").unwrap()
}

pub fn policy() -> Policy {
    Policy {
        link: LinkPermission::Evidence,
        reply_only_summoned: false,
        profile_ms: None,
        content_ms: None,
        raw_ms: None,
        recheck_ms: None,
    }
}

fn actions(kind: ChannelKind) -> &'static [&'static str] {
    match kind {
        ChannelKind::Channel | ChannelKind::Enricher => &["reply", "post"],
        ChannelKind::Crm => &["reply", "post", "activity", "contact"],
    }
}

impl Desk {
    /// A tenant with one channel `page` that can `reply` and `post`, and a CRM, which also takes an `activity` and a `contact`.
    pub fn new() -> Self {
        Self::under(policy())
    }

    /// The same, of a network with this policy.
    pub fn under(policy: Policy) -> Self {
        Self::with(policy, Idempotency::Findable)
    }

    /// A tenant with that channel and no CRM.
    pub fn without_crm() -> Self {
        Self::of(policy(), Idempotency::Findable, &[(channel(), ChannelKind::Channel)])
    }

    pub fn with(policy: Policy, idempotency: Idempotency) -> Self {
        let crm = ChannelName::new("crm").unwrap();
        Self::of(policy, idempotency, &[(channel(), ChannelKind::Channel), (crm, ChannelKind::Crm)])
    }

    fn of(policy: Policy, idempotency: Idempotency, channels: &[(ChannelName, ChannelKind)]) -> Self {
        let mut desk = Self { rows: MemoryRows::default(), replayed: MemoryRows::default(), now: Timestamp(1_000_000), slots: 1_000 };
        let digest = Digest([7; 32]);
        desk.must(InstallConnector { digest, name: "chirper".into(), version: "1.0.0".into() });
        for (channel, kind) in channels {
            let settings = ChannelSettings {
                connector: "chirper".into(),
                settings: "{}".into(),
                origins: vec![],
                private_network: false,
                folders: vec![],
                secrets: BTreeMap::new(),
                poll_ms: None,
                policy: None,
                enabled: true,
            };
            desk.must(ConfigureChannel { channel: channel.clone(), settings });
            let grant = Grant {
                digest,
                connector: "chirper".into(),
                version: "1.0.0".into(),
                kind: *kind,
                network: "chirper".into(),
                actions: actions(*kind).iter().map(|name| Action { name: (*name).into(), idempotency, settling_ms: 5_000 }).collect(),
                policy: policy.clone(),
                poll_ms: 0,
            };
            desk.must(GrantConnector { channel: channel.clone(), grant });
        }
        desk
    }

    /// The operator says what the policy is to be, or leaves it to the network.
    pub fn operator_says(&mut self, own: Option<Policy>) {
        let settings = self.get(&CHANNELS, &channel()).unwrap().settings;
        self.must(ConfigureChannel { channel: channel(), settings: ChannelSettings { policy: own, ..settings } });
    }

    /// A second channel of the same network, under this policy.
    pub fn second_channel(&mut self, name: &str, policy: Policy) -> ChannelName {
        let second = ChannelName::new(name).unwrap();
        let first = self.get(&CHANNELS, &channel()).unwrap();
        self.must(ConfigureChannel { channel: second.clone(), settings: first.settings });
        self.must(GrantConnector { channel: second.clone(), grant: Grant { policy, ..first.grant.unwrap() } });
        second
    }

    pub fn slot(&mut self) -> SlotId {
        self.slots += 1;
        SlotId(self.slots)
    }

    pub fn must(&mut self, command: impl Into<Command>) -> (Accepted, Vec<Event>) {
        self.try_to(command).unwrap_or_else(|refusal| panic!("refused: {refusal}"))
    }

    /// Carries a command out, live and by replay of its stored events, and checks that both give the same rows.
    pub fn try_to(&mut self, command: impl Into<Command>) -> Result<(Accepted, Vec<Event>), Refusal> {
        let mut draft: Draft<'_, Event> = Draft::new(&self.rows, self.now);
        let accepted = commands::decide(&mut draft, &command.into())?;
        let (events, changes) = draft.finish();

        let mut record = Vec::new();
        for event in &events {
            event.encode(&mut record);
        }
        let mut tables = Tables::over(&self.replayed);
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            let (raw, after) = event::split_raw(rest).unwrap();
            let event = Event::from_payload(raw.kind, raw.version, raw.payload).unwrap();
            apply(&mut tables, self.now, &event);
            note_numbers(&mut tables, &event);
            rest = after;
        }
        let replayed = tables.into_changes();
        self.rows.commit(changes);
        self.replayed.commit(replayed);
        assert_eq!(self.rows, self.replayed, "replay gives the live rows");
        Ok((accepted, events))
    }

    pub fn get<K: Key + ?Sized, V: serde::Serialize + serde::de::DeserializeOwned>(&self, table: &Table<K, V>, key: &K) -> Option<V> {
        table.get(&self.rows, key)
    }

    /// Rows of a table.
    pub fn count<K: ?Sized, V>(&self, table: &Table<K, V>) -> usize {
        self.rows.0.keys().filter(|(id, _)| *id == table.id).count()
    }

    /// Somebody with one identifier says something new in a thread.
    pub fn says(&mut self, native_id: u8, author: u64, conversation: u64) -> (Accepted, Vec<Event>) {
        let arrival = self.arrival(native_id, 0, Change::Created, author, conversation);
        self.ingest(vec![arrival])
    }

    pub fn ingest(&mut self, arrivals: Vec<Arrival>) -> (Accepted, Vec<Event>) {
        self.must(Ingest { channel: channel(), arrivals, known: 0, cursor: None, state_writes: vec![], replayed: None })
    }

    pub fn arrival(&mut self, native_id: u8, revision: u8, change: Change, author: u64, conversation: u64) -> Arrival {
        let mut identity = [native_id; 16];
        identity[0] = revision;
        let news = ProfileNews {
            sealed: vec![1, 2, 3],
            identifiers: vec![identified("chirper.id", 10_000 + author)],
            replaces: self.get(&PROFILES, &ProfileId(author)).map(|known| known.sealed),
        };
        Arrival {
            identity: Fingerprint(identity),
            subject: SubjectId(u64::from(native_id)),
            names_author: false,
            change,
            kind: "comment".into(),
            author: Some(Author { profile: ProfileId(author), news: Some(news) }),
            conversation: ConversationId(conversation),
            own: false,
            effect_key: None,
            private: false,
            summons: false,
            in_reply_to: None,
            occurred_at: self.now,
            slot: self.slot(),
            sealed: vec![9, 9, 9],
        }
    }
}

pub fn identified(scheme: &str, identifier: u64) -> Identified {
    Identified { scheme: scheme.into(), identifier: IdentifierId(identifier) }
}
