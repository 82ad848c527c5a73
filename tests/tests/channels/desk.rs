//! A host on a network, both on one clock, and what the tests ask of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp as Moment;
use serde_json::json;
use sportello_core::domain::access::Role;
use sportello_core::domain::case::CASES;
use sportello_core::domain::delivery::{DELIVERIES, DeliveryState};
use sportello_core::domain::effect::{EFFECTS, Effect, EffectState};
use sportello_core::domain::interaction::{Change, INTERACTIONS, Interaction, SUBJECTS};
use sportello_core::ids::{CaseId, ChannelName, EffectId, SubjectId};
use sportello_core::time::Timestamp;
use sportello_server::access::create_token;
use sportello_server::clock::{Clock, SetClock};
use sportello_server::health::Purpose;
use sportello_server::tenant::content::InteractionContent;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::http_client::HttpClient;
use sportello_tests::stand_ins::DeliveryPlan;
use sportello_views::Direction;
use tempfile::TempDir;

use crate::network::{Network, Promise};

/// Answers every case once.
const ANSWER: &str = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}: ci stiamo lavorando\"\n";
/// The settling time of every connector here, and more.
const SETTLED: Duration = Duration::from_secs(15 * 60);
/// What the host is given to work in between two looks: it works by the machine's clock.
pub(crate) const MOMENT: Duration = Duration::from_millis(25);

pub(crate) struct Desk<N> {
    pub(crate) network: N,
    pub(crate) running: RunningHost,
    plan: HostPlan,
    clock: Arc<SetClock>,
    folder: TempDir,
}

/// An interaction with its words; None: they are gone.
pub(crate) type Said = (Interaction, Option<InteractionContent>);

impl<N: Network> Desk<N> {
    /// A host that listens.
    pub(crate) async fn listening() -> Self {
        Self::start(HostPlan::default(), "poll-seconds = 0").await
    }

    /// A host that answers every case.
    pub(crate) async fn answering() -> Self {
        Self::answering_by(ANSWER).await
    }

    /// A host that does with every case what this workflow says.
    pub(crate) async fn answering_by(workflow: &str) -> Self {
        Self::start(HostPlan::default().workflow("answer", workflow), "poll-seconds = 0").await
    }

    /// A host that asks for news every minute, and has once; nothing is delivered to it.
    pub(crate) async fn asking() -> Self {
        let desk = Self::start(HostPlan::default(), "poll-seconds = 60").await;
        desk.until("it was asked once", |desk| desk.has_asked()).await;
        desk
    }

    fn has_asked(&self) -> bool {
        let live = self.running.desk().channels.live();
        let now = self.running.desk().tenant.now();
        live.values().any(|channel| {
            channel.health.shown(now).calls.iter().any(|(purpose, calls)| *purpose == Purpose::Poll && calls.succeeded_at.is_some())
        })
    }

    /// A host that answers every case, is delivered to, and asks for what it may have missed; and whether all is still there, where nobody tells.
    pub(crate) async fn soaking() -> Self {
        let asks = if N::cannot(Promise::Asking).is_none() { "poll-seconds = 300" } else { "poll-seconds = 0" };
        let rechecks = N::cannot(Promise::Rechecks).is_none();
        let looks = if rechecks { "policy.recheck-hours = 1" } else { "" };
        let desk = Self::start(HostPlan::default().workflow("answer", ANSWER), &format!("{asks}\n{looks}")).await;
        if rechecks {
            desk.network.tells_no_deletions();
        }
        desk.network.connect(&desk.running).await;
        desk
    }

    async fn start(plan: HostPlan, more: &str) -> Self {
        let now = Moment::from_second(Moment::now().as_second()).expect("now is a time");
        let clock = Arc::new(SetClock::at(Timestamp(now.as_millisecond())));
        let network = N::start(now).await;
        let time = Arc::clone(&clock);
        network.faults().go_by(move || Moment::from_millisecond(time.now().0).expect("a time"));
        let plan = network.plan(plan, more);
        let folder = tempfile::tempdir().expect("a folder");
        let running = RunningHost::start_at(folder.path(), &plan, Arc::clone(&clock) as Arc<dyn Clock>).await;
        if more == "poll-seconds = 0" {
            network.connect(&running).await;
        }
        Self { network, running, plan, clock, folder }
    }

    /// Stops the host, and starts it anew.
    pub(crate) async fn restarted(self) -> Self {
        self.away_for(0, |_, _| {}).await
    }

    /// Stops the host, and starts it anew so many hours later. Each of them something may happen on the network, which tries in vain to deliver it.
    pub(crate) async fn away_for(self, hours: u64, mut happens: impl FnMut(&N, u64)) -> Self {
        let Self { network, running, plan, clock, folder } = self;
        running.stop().await;
        network.faults().is_cut_off();
        for hour in 0..hours {
            happens(&network, hour);
            network.deliver(&DeliveryPlan::default()).await;
            advance(&network, &clock, Duration::from_secs(60 * 60));
        }
        let running = RunningHost::start_at(folder.path(), &plan, Arc::clone(&clock) as Arc<dyn Clock>).await;
        network.connect(&running).await;
        Self { network, running, plan, clock, folder }
    }

    pub(crate) async fn deliver(&self) {
        self.deliver_by(&DeliveryPlan::default()).await;
    }

    /// What waits comes in: the network sends it, or the host asks for it as time passes.
    pub(crate) async fn deliver_by(&self, plan: &DeliveryPlan) {
        self.network.deliver(plan).await;
        if self.network.times_asked().is_none() {
            return;
        }
        self.asks_what_is_new().await;
        if plan.shuffle {
            self.network.deliver(&DeliveryPlan::default()).await;
            self.asks_what_is_new().await;
        }
    }

    /// Time passes, a minute at a time, until the host has asked what is new and taken it in: when it asks for the second time, it is done with the
    /// first.
    async fn asks_what_is_new(&self) {
        for time in ["first", "second"] {
            let before = self.network.times_asked();
            for step in 0.. {
                assert!(step < 2_400, "a minute passed, and the host has not asked what is new for the {time} time");
                if step % 40 == 0 {
                    self.advance(Duration::from_secs(60));
                }
                self.running.works(MOMENT).await;
                if self.network.times_asked() > before {
                    break;
                }
            }
        }
    }

    /// Time passes, for the platform and for the host.
    pub(crate) fn advance(&self, time: Duration) {
        advance(&self.network, &self.clock, time);
    }

    /// The host's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.running.desk().tenant.now()
    }

    /// What customers said, in the order it came in.
    pub(crate) fn said(&self) -> Vec<Said> {
        let tenant = &self.running.desk().tenant;
        let rows = tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).expect("the views can be read");
        let mut said = Vec::new();
        for (_, row) in rows.into_iter().filter(|(_, row)| !row.own) {
            let content = if row.withdrawn { None } else { tenant.open_sealed(row.slot, &row.sealed).expect("it can be opened") };
            said.push((row, content));
        }
        said
    }

    /// What customers said and nobody took back, by id and words.
    pub(crate) fn words(&self) -> Vec<(String, String)> {
        let said = self.said().into_iter().filter(|(row, _)| row.change == Change::Created);
        said.filter_map(|(_, content)| content.map(|content| (content.native_id, content.text.unwrap_or_default()))).collect()
    }

    /// What all versions of a thing share.
    pub(crate) fn subject_of(&self, native_id: &str) -> SubjectId {
        let channel = ChannelName::new(N::CHANNEL).expect("a name");
        self.running.desk().tenant.subject_of(&channel, native_id).expect("it can be hashed")
    }

    /// Whether anything of a thing has come in.
    pub(crate) fn has_come_in(&self, native_id: &str) -> bool {
        let subject = self.running.desk().tenant.get(&SUBJECTS, &self.subject_of(native_id)).expect("the views can be read");
        subject.is_some_and(|subject| !subject.versions.is_empty())
    }

    pub(crate) fn effects(&self) -> Vec<Effect> {
        let tenant = &self.running.desk().tenant;
        tenant
            .list(&EFFECTS, &[], None, Direction::Forward, usize::MAX)
            .expect("the views can be read")
            .into_iter()
            .map(|(_, effect)| effect)
            .collect()
    }

    pub(crate) fn cases(&self) -> usize {
        self.running.desk().tenant.list(&CASES, &[], None, Direction::Forward, usize::MAX).expect("the views can be read").len()
    }

    /// Deliveries that are set aside, or were given up.
    pub(crate) fn parked(&self) -> usize {
        let tenant = &self.running.desk().tenant;
        let all = tenant.list(&DELIVERIES, &[], None, Direction::Forward, usize::MAX).expect("the views can be read");
        all.iter().filter(|(_, delivery)| delivery.state != DeliveryState::Replayed).count()
    }

    pub(crate) fn effect(&self, effect: u64) -> Option<Effect> {
        self.running.desk().tenant.get(&EFFECTS, &EffectId(effect)).expect("the views can be read")
    }

    /// Waits for an effect to be in this state; time passes in steps of settling, so that looks are made and pauses end.
    pub(crate) async fn until_effect(&self, effect: u64, state: EffectState) -> Effect {
        for _ in 0..2_400 {
            match self.effect(effect) {
                Some(row) if row.state == state => return row,
                Some(row) if row.state != EffectState::Started && row.due_at > self.running.desk().tenant.now() => self.advance(SETTLED),
                _ => {}
            }
            self.running.works(MOMENT).await;
        }
        panic!("effect {effect} is not {state:?}: {:?}", self.effect(effect));
    }

    /// An agent has the company post this.
    pub(crate) async fn posts(&self, text: &str) {
        let token = create_token(&self.running.desk().tenant, "test", "anna", Role::Agent).await.expect("a token");
        let url = self.running.url(&format!("/api/v1/demo/channels/{}/posts", N::CHANNEL));
        let key = format!("post {}", self.effects().len());
        let headers = [("authorization", &*format!("Bearer {}", token.secret)), ("idempotency-key", &*key)];
        let answer = HttpClient::default().post_json(&url, &headers, &json!({"text": text})).await.expect("an answer");
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.running.until(what, |_| holds(self)).await;
    }

    /// Waits until something holds while time passes, two minutes at a time.
    pub(crate) async fn as_time_passes(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..300 {
            if holds(self) {
                return;
            }
            self.running.calls_end().await;
            self.advance(Duration::from_secs(2 * 60));
            self.running.works(MOMENT).await;
        }
        let desk = self.running.desk();
        let health: Vec<_> = desk.channels.live().values().map(|channel| channel.health.shown(desk.tenant.now())).collect();
        panic!("ten hours passed and not: {what}; the channel says: {health:?}");
    }

    /// Requests the connector has made so far.
    pub(crate) fn requests(&self) -> u64 {
        let live = self.running.desk().channels.live();
        live.values().map(|channel| channel.runtime.http_counters().requests).sum()
    }

    pub(crate) fn case_exists(&self, case: u64) -> bool {
        self.running.desk().tenant.get(&CASES, &CaseId(case)).expect("the views can be read").is_some()
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }
}

fn advance<N: Network>(network: &N, clock: &SetClock, time: Duration) {
    network.advance(time);
    clock.advance_ms(u64::try_from(time.as_millis()).expect("a short while"));
}
