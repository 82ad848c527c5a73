use std::sync::Arc;

use sportello_core::commands::{
    Accepted, Arrival, Author, ConfigureChannel, EffectOutcome, ErasePerson, FinishEffect, GrantConnector, Ingest, InstallConnector,
    ParkDelivery, ProfileNews, QueueEffect, StartEffect,
};
use sportello_core::domain::channel::{Action, ChannelKind, ChannelSettings, Grant, Idempotency, LinkPermission, Policy};
use sportello_core::domain::effect::AskedBy;
use sportello_core::domain::interaction::Change;
use sportello_core::domain::profile::Identified;
use sportello_core::ids::{ChannelName, Digest};

use super::*;
use crate::clock::SetClock;
use crate::tenant::TenantOptions;

const ADA: &str = "ada";
const BRUNO: &str = "bruno";

/// A tenant with channels `page` and `page-two` on one network, and `wiki` on another.
struct Counter {
    tenant: Arc<Tenant>,
    said: u32,
    _folder: tempfile::TempDir,
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

impl Counter {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock::at(Timestamp(1_000_000)));
        let tenant = Tenant::open("demo", folder.path(), &TenantOptions::default(), clock, &mut |_, _| {}).unwrap();
        let digest = Digest([7; 32]);
        tenant.submit("test", InstallConnector { digest, name: "any".into(), version: "1.0.0".into() }).await.unwrap();
        for (name, network) in [("page", "chirper"), ("page-two", "chirper"), ("wiki", "wiki")] {
            let settings = ChannelSettings {
                connector: "any".into(),
                settings: "{}".into(),
                origins: vec![],
                private_network: false,
                folders: vec![],
                secrets: std::collections::BTreeMap::new(),
                poll_ms: None,
                policy: None,
                enabled: true,
            };
            tenant.submit("test", ConfigureChannel { channel: channel(name), settings }).await.unwrap();
            let grant = Grant {
                digest,
                connector: "any".into(),
                version: "1.0.0".into(),
                kind: ChannelKind::Channel,
                network: network.into(),
                actions: vec![Action { name: "reply".into(), idempotency: Idempotency::Keyed, settling_ms: 0 }],
                policy: Policy {
                    link: LinkPermission::Evidence,
                    reply_only_summoned: false,
                    profile_ms: None,
                    content_ms: None,
                    raw_ms: None,
                    recheck_ms: None,
                },
                poll_ms: 0,
            };
            tenant.submit("test", GrantConnector { channel: channel(name), grant }).await.unwrap();
        }
        Self { tenant, said: 0, _folder: folder }
    }

    fn subject(&self, native_id: &str) -> SubjectId {
        self.tenant.subject_of(&channel("wiki"), native_id).unwrap()
    }

    /// Somebody, or the company, says `native_id` on the wiki's one page.
    async fn says(&mut self, native_id: &str, author: Option<&str>, in_reply_to: Option<&str>) -> InteractionId {
        self.said += 1;
        let author = author.map(|name| {
            let profile = self.tenant.profile_of("wiki", name).unwrap();
            let identifier = self.tenant.identifier_of("wiki.handle", name).unwrap();
            let identifiers = vec![Identified { scheme: "wiki.handle".into(), identifier }];
            let replaces = self.tenant.get(&PROFILES, &profile).unwrap().map(|known| known.sealed);
            Author { profile, news: Some(ProfileNews { sealed: vec![1], identifiers, replaces }) }
        });
        let arrival = Arrival {
            identity: self.tenant.fingerprint("interaction", &[native_id]),
            subject: self.subject(native_id),
            names_author: native_id.starts_with("reaction"),
            change: Change::Created,
            kind: "comment".into(),
            own: author.is_none(),
            author,
            conversation: self.conversation(),
            effect_key: None,
            private: false,
            summons: false,
            in_reply_to: in_reply_to.map(|native_id| self.subject(native_id)),
            occurred_at: self.tenant.now(),
            slot: self.tenant.new_slot().unwrap(),
            sealed: vec![1],
        };
        let command =
            Ingest { channel: channel("wiki"), arrivals: vec![arrival], known: 0, cursor: None, state_writes: vec![], replayed: None };
        self.tenant.submit("test", command).await.unwrap();
        InteractionId(u64::from(self.said))
    }

    fn conversation(&self) -> ConversationId {
        self.tenant.conversation_of(&channel("wiki"), "Talk:Home").unwrap()
    }

    /// A reply to somebody that came to be as `native_id`.
    async fn replies(&self, profile: ProfileId, native_id: &str) {
        let command = QueueEffect {
            key: native_id.into(),
            channel: channel("wiki"),
            action: "reply".into(),
            case: None,
            conversation: Some(self.conversation()),
            answers: None,
            contact: None,
            profile: Some(profile),
            basis: None,
            slot: self.tenant.new_slot().unwrap(),
            sealed: vec![1],
            asked_by: AskedBy::Person { name: "anna".into() },
        };
        let Accepted::Effect(effect) = self.tenant.submit("test", command).await.unwrap() else { panic!("no effect") };
        self.tenant.submit("test", StartEffect { effect }).await.unwrap();
        let outcome = EffectOutcome::Done { receipt: self.subject(native_id), sealed: vec![] };
        self.tenant.submit("test", FinishEffect { effect, attempt: 1, outcome }).await.unwrap();
    }

    async fn park(&self, name: &str) -> DeliveryId {
        let slot = self.tenant.new_slot().unwrap();
        let command = ParkDelivery { channel: channel(name), slot, sealed: vec![1], problem: "trap".into() };
        let Accepted::Delivery(id) = self.tenant.submit("test", command).await.unwrap() else { panic!("no delivery") };
        id
    }

    async fn erase(&self, profile: ProfileId) -> Found {
        let person = self.tenant.get(&PROFILES, &profile).unwrap().unwrap().person;
        self.tenant.submit("test", ErasePerson { person, by: "anna".into() }).await.unwrap();
        gather(&self.tenant, self.tenant.now()).unwrap()
    }
}

#[tokio::test]
async fn the_companys_answers_to_somebody_erased_go_and_what_it_said_to_others_stays() {
    let mut counter = Counter::open().await;
    let ada = counter.tenant.profile_of("wiki", ADA).unwrap();
    let before = counter.says("notice", None, None).await;
    counter.says("question", Some(ADA), None).await;
    counter.says("question-of-bruno", Some(BRUNO), None).await;
    // On a wiki nothing says what an edit answers: the case does, or the receipt of the effect.
    let echo = counter.says("answer", None, None).await;
    let to_bruno = counter.says("answer-to-bruno", None, Some("question-of-bruno")).await;
    let found = counter.erase(ada).await;
    let goes = |id| found.along.contains(&Due::Interaction(id));
    assert!(goes(echo), "{found:?}");
    assert!(!goes(before), "it was there before she spoke");
    assert!(!goes(to_bruno), "it says whom it answers");
}

#[tokio::test]
async fn a_thing_whose_id_names_somebody_is_forgotten_with_them_and_other_things_are_told_apart_for_good() {
    let mut counter = Counter::open().await;
    let ada = counter.tenant.profile_of("wiki", ADA).unwrap();
    for (native_id, author) in [("question", ADA), ("reaction:ada", ADA), ("reaction:bruno", BRUNO)] {
        counter.says(native_id, Some(author), None).await;
    }
    let whole = counter.erase(ada).await.slots;
    let mut of_profile = Found::default();
    behind(&counter.tenant, Due::Profile(ada), &mut of_profile).unwrap();
    for slots in [whole, of_profile.slots] {
        let goes = |native_id| slots.contains(&counter.subject(native_id).slot());
        assert_eq!(["question", "reaction:ada", "reaction:bruno"].map(goes), [false, true, false]);
    }
}

#[tokio::test]
async fn an_answer_in_somebody_elses_case_goes_with_whom_it_was_for() {
    let mut counter = Counter::open().await;
    let bruno = counter.tenant.profile_of("wiki", BRUNO).unwrap();
    counter.says("question", Some(ADA), None).await;
    counter.says("question-of-bruno", Some(BRUNO), None).await;
    counter.replies(bruno, "answer-to-bruno").await;
    let to_bruno = counter.says("answer-to-bruno", None, None).await;
    let to_ada = counter.says("answer", None, None).await;
    let found = counter.erase(bruno).await;
    assert!(found.along.contains(&Due::Interaction(to_bruno)), "the receipt tells whom it was for: {found:?}");
    assert!(!found.along.contains(&Due::Interaction(to_ada)), "the case is Ada's");
}

#[tokio::test]
async fn parked_deliveries_of_every_channel_of_somebodys_network_go_with_them() {
    let mut counter = Counter::open().await;
    counter.says("question", Some(ADA), None).await;
    let ada = counter.tenant.profile_of("wiki", ADA).unwrap();
    let grace = counter.tenant.profile_of("chirper", "grace").unwrap();
    let identifiers =
        vec![Identified { scheme: "chirper.id".into(), identifier: counter.tenant.identifier_of("chirper.id", "1").unwrap() }];
    let arrival = Arrival {
        identity: counter.tenant.fingerprint("interaction", &["post"]),
        subject: counter.subject("post"),
        names_author: false,
        change: Change::Created,
        kind: "comment".into(),
        author: Some(Author { profile: grace, news: Some(ProfileNews { sealed: vec![1], identifiers, replaces: None }) }),
        conversation: counter.tenant.conversation_of(&channel("page"), "post").unwrap(),
        own: false,
        effect_key: None,
        private: false,
        summons: false,
        in_reply_to: None,
        occurred_at: counter.tenant.now(),
        slot: counter.tenant.new_slot().unwrap(),
        sealed: vec![1],
    };
    let command =
        Ingest { channel: channel("page"), arrivals: vec![arrival], known: 0, cursor: None, state_writes: vec![], replayed: None };
    counter.tenant.submit("test", command).await.unwrap();
    let (first, second, wiki) = (counter.park("page").await, counter.park("page-two").await, counter.park("wiki").await);
    let found = counter.erase(grace).await;
    let goes = |id| found.along.contains(&Due::Delivery(id));
    assert!(goes(first) && goes(second), "she may have written on either page: {found:?}");
    assert!(!goes(wiki), "she is of another network");
    let found = counter.erase(ada).await;
    assert!(found.along.contains(&Due::Delivery(wiki)), "{found:?}");
}
