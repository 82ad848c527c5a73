//! X as a network, in each of its two shapes: people name the company's account.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use sportello_core::domain::effect::EffectState;
use sportello_core::domain::interaction::Change;
use sportello_server::clock::{Clock, SetClock};
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::stand_ins::twitter::{Endpoint, Limit, Payloads, Person, Twitter, TwitterSettings};
use sportello_tests::stand_ins::{DeliveryPlan, Fault, Faults, SPENDS};

use crate::desk::{Desk, MOMENT};
use crate::network::{Network, Promise};

/// Which shape deliveries have.
pub(crate) trait Shape: Send + Sync {
    const PAYLOADS: Payloads;
    /// A delivery of one question with fields nobody knows.
    fn question(id: &str, text: &str, company: &str) -> Value;
}

pub(crate) struct InActivity;
pub(crate) struct InAccountActivity;

pub(crate) type Activity = Account<InActivity>;
pub(crate) type AccountActivity = Account<InAccountActivity>;

pub(crate) struct Account<S> {
    twitter: Twitter,
    people: Mutex<BTreeMap<String, Person>>,
    shape: PhantomData<S>,
}

impl Shape for InActivity {
    const PAYLOADS: Payloads = Payloads::Activity;

    fn question(id: &str, text: &str, company: &str) -> Value {
        let payload = json!({
            "id": id, "text": text, "author_id": "77", "created_at": "2026-11-26T10:00:00.000Z", "conversation_id": id,
            "edit_history_tweet_ids": [id], "entities": {"mentions": [{"id": company, "username": "x", "shimmer_2027": 7}]},
            "shimmer_2027": {"hue": 7},
        });
        json!({"shimmer_2027": 1, "data": {
            "event_uuid": "77", "event_type": "post.mention.create", "filter": {"user_id": company}, "shimmer_2027": [7], "payload": payload,
        }})
    }
}

impl Shape for InAccountActivity {
    const PAYLOADS: Payloads = Payloads::AccountActivity;

    fn question(id: &str, text: &str, company: &str) -> Value {
        json!({"for_user_id": company, "tweet_create_events": [{
            "id": id.parse::<u64>().expect("digits"), "id_str": id, "text": text, "timestamp_ms": "1795687200000", "shimmer_2027": null,
            "user": {"id": 77, "id_str": "77", "name": "Zoë", "screen_name": "zoe", "shimmer_2027": 7},
            "entities": {"user_mentions": [{"id_str": company}], "shimmer_2027": []},
        }]})
    }
}

impl<S> Account<S> {
    fn person(&self, who: &str) -> Person {
        self.people.lock().expect("no panic").entry(who.to_owned()).or_insert_with(|| self.twitter.person(who)).clone()
    }
}

impl<S: Shape> Network for Account<S> {
    const CHANNEL: &'static str = "twitter";
    const CONNECTOR: &'static str = "twitter";
    const PAGES: &'static [&'static str] = &["GET", "/mentions"];
    const PAGE_ROWS: usize = 100;
    const OVERLAP: Duration = Duration::from_secs(5 * 60);

    async fn start(now: Timestamp) -> Self {
        let mut settings = TwitterSettings { now, payloads: S::PAYLOADS, ..TwitterSettings::default() };
        // Fewer than X allows, so that limits are met.
        let quarter = [(Endpoint::Posts, 15), (Endpoint::Timeline, 10), (Endpoint::Mentions, 5)];
        settings.calls_max.extend(quarter.map(|(endpoint, calls)| ((Limit::Quarter, endpoint), calls)));
        let twitter = Twitter::start_with(settings).await.expect("the stand-in starts");
        Self { twitter, people: Mutex::default(), shape: PhantomData }
    }

    fn plan(&self, plan: HostPlan, more: &str) -> HostPlan {
        plan.twitter(&self.twitter, more)
    }

    async fn connect(&self, host: &RunningHost) {
        self.twitter.register_webhook(&host.url(&format!("/hooks/demo/{}", Self::CHANNEL))).await.expect("the host proves itself");
    }

    fn asks(&self, who: &str, text: &str) -> String {
        self.twitter.post(&self.person(who), &self.worded(text))
    }

    fn worded(&self, text: &str) -> String {
        format!("{text} @{}", self.twitter.settings().handle)
    }

    fn edits(&self, thing: &str, text: &str) {
        self.twitter.edit(thing, &self.worded(text));
    }

    fn removes(&self, thing: &str) {
        self.twitter.remove(thing);
    }

    fn rechecks() -> &'static [&'static str] {
        &["GET", "/tweets?ids"]
    }

    fn tells_no_deletions(&self) {
        self.twitter.unsubscribe_from_authors();
    }

    fn shimmers(&self) {
        self.twitter.unknown_event();
    }

    async fn sends_a_question_with_unknown_fields(&self, text: &str) -> String {
        let id = "1999999999999999999".to_owned();
        let answer = self.twitter.send_signed(S::question(&id, text, self.twitter.user_id()).to_string()).await.expect("an answer");
        assert_eq!(answer.status, 200);
        id
    }

    async fn deliver(&self, plan: &DeliveryPlan) {
        self.twitter.deliver(plan).await.expect("it is registered");
    }

    fn lists_late(&self, lag: Duration) {
        self.twitter.late_posts(lag);
    }

    fn tells_errors_beside(&self, are_there: bool) {
        self.twitter.partial_errors(are_there);
    }

    fn answers_to(&self, thing: &str) -> Vec<String> {
        self.twitter.replies_to(thing).into_iter().map(|reply| reply.text).collect()
    }

    fn answers(&self) -> usize {
        self.twitter.replies().len()
    }

    fn doubled(&self) -> usize {
        self.twitter.doubled_replies().len()
    }

    fn posts(&self) -> Vec<String> {
        self.twitter.posts_by_api().into_iter().map(|(_, text)| text).collect()
    }

    fn advance(&self, time: Duration) {
        self.twitter.advance(time);
    }

    fn faults(&self) -> &Faults {
        self.twitter.faults()
    }

    fn publishing(&self) -> &'static [&'static str] {
        &["POST", "/2/tweets"]
    }

    fn calls_for_a_post() -> &'static [&'static [&'static str]] {
        &[&["POST", "/2/tweets"], &["GET", "/tweets?start_time"]]
    }

    fn calls() -> &'static [&'static [&'static str]] {
        &[&["POST", "/2/tweets"], &["GET", "/tweets?start_time"], &["GET", "/mentions"]]
    }

    fn troubles() -> &'static [Fault] {
        const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
        const LIMIT: &str = r#"{"title":"Too Many Requests","type":"about:blank","status":429,"detail":"Too Many Requests"}"#;
        const OLD_LIMIT: &str = r#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#;
        const UNAVAILABLE: &str = r#"{"title":"Service Unavailable","type":"about:blank","status":503,"detail":"Service Unavailable"}"#;
        const OVER_CAPACITY: &str = r#"{"errors":[{"code":130,"message":"Over capacity"}]}"#;
        const BROKEN: &str = r#"{"title":"Internal Server Error","type":"about:blank","status":500,"detail":"Internal Server Error"}"#;
        const NONE_LEFT: (&str, &str) = ("x-rate-limit-remaining", "0");
        // <https://docs.x.com/x-api/fundamentals/rate-limits>, <https://docs.x.com/x-api/fundamentals/response-codes-and-errors>
        &[
            Fault::Refuse { status: 429, retry_after_s: Some(300) },
            Fault::DeclineUntil { status: 429, json: LIMIT, headers: &[PROBLEM, NONE_LEFT], until: ("x-rate-limit-reset", 400) },
            Fault::DeclineUntil { status: 429, json: OLD_LIMIT, headers: &[NONE_LEFT], until: ("x-rate-limit-reset", 90) },
            Fault::Decline { status: 429, json: LIMIT, headers: &[PROBLEM] },
            Fault::Decline { status: 503, json: UNAVAILABLE, headers: &[PROBLEM] },
            Fault::Decline { status: 503, json: OVER_CAPACITY, headers: &[] },
            Fault::Decline { status: 500, json: BROKEN, headers: &[PROBLEM] },
        ]
    }

    fn expires_token(&self) {
        self.twitter.expire_token();
    }

    fn limits(&self, time: Duration) {
        for endpoint in [Endpoint::Posts, Endpoint::Timeline, Endpoint::Lookups, Endpoint::Mentions] {
            self.twitter.limit_rate(endpoint, time);
        }
    }

    fn calls_over_limit(&self) -> u64 {
        self.twitter.calls_over_limit()
    }

    fn cannot(_: Promise) -> Option<&'static str> {
        None
    }
}

/// Pages of mentions begin and end with what X does not show, and of one it shows nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mentions_that_x_does_not_show_cost_none_that_it_shows() {
    let desk = Desk::<Activity>::asking().await;
    let mut shown = BTreeSet::new();
    for number in 0..450 {
        let is_hidden = (50..150).contains(&number) || (190..260).contains(&number) || (340..360).contains(&number);
        let thing = desk.network.asks(if is_hidden { "Sospeso" } else { "Ada" }, &format!("Domanda {number}"));
        if !is_hidden {
            shown.insert(thing);
        }
    }
    desk.network.twitter.hide(&desk.network.person("Sospeso"), true);
    desk.as_time_passes("what X shows has come in", |desk| desk.words().len() >= shown.len()).await;
    let later = desk.network.asks("Bruno", "Poi");
    shown.insert(later);
    desk.as_time_passes("what is said later comes in", |desk| desk.words().len() >= shown.len()).await;
    let words: BTreeSet<String> = desk.words().into_iter().map(|(id, _)| id).collect();
    assert_eq!((words == shown, desk.said().len(), desk.parked()), (true, shown.len(), 0));
    desk.stop().await;
}

/// X deletes all versions with one, and does not say of which it tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_of_a_version_that_comes_before_the_post_and_its_edit_leaves_no_words() {
    in_reverse::<InActivity>().await;
    in_reverse::<InAccountActivity>().await;
}

async fn in_reverse<S: Shape>() {
    let desk = Desk::<Account<S>>::listening().await;
    let thing = desk.network.asks("Ada", "La rete è giù");
    desk.advance(Duration::from_secs(60));
    let text = desk.network.worded("La rete è su");
    let version = desk.network.twitter.edit(&thing, &text);
    desk.network.twitter.tell_one_deletion();
    desk.network.removes(&version);
    desk.deliver_by(&DeliveryPlan { updates_max: 1, reverse: true, ..DeliveryPlan::default() }).await;
    let said = desk.said();
    assert!(said.iter().any(|(row, _)| row.change == Change::Created), "{said:?}");
    assert!(said.iter().all(|(_, content)| content.as_ref().is_none_or(|content| content.text.is_none())), "no words are left: {said:?}");
    desk.stop().await;
}

/// X shortens links and escapes three letters; people see what was typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_with_links_come_in_as_they_were_typed_told_and_asked_for() {
    typed_words::<InActivity>().await;
    typed_words::<InAccountActivity>().await;
}

async fn typed_words<S: Shape>() {
    let texts =
        ["R&D <b> https://example.org/a?b=1&c=2#d, e poi?", &format!("{} https://example.org/alla/fine/di/tutto", "molto ".repeat(50))];
    for is_told in [true, false] {
        let desk = if is_told { Desk::<Account<S>>::listening().await } else { Desk::asking().await };
        let all: BTreeSet<(String, String)> =
            texts.iter().map(|text| (desk.network.asks("Ada", text), desk.network.worded(text))).collect();
        if is_told {
            desk.deliver().await;
        } else {
            desk.as_time_passes("they have come in", |desk| desk.words().len() == all.len()).await;
        }
        assert_eq!(desk.words().into_iter().collect::<BTreeSet<_>>(), all);
        desk.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_with_a_link_and_an_ampersand_whose_confirmation_is_lost_is_found() {
    let text = "Ci stiamo lavorando, R&D <b>: www.example.org e https://example.org/a?b=1&c=2.";
    let workflow = format!("name: answer\non: case.opened\nsteps:\n  - reply: \"{text}\"\n");
    let desk = Desk::<Activity>::answering_by(&workflow).await;
    let lost = desk.network.faults().arm(Fault::NoAnswerAfterEffect, desk.network.publishing(), 1);
    let thing = desk.network.asks("Ada", "La rete è giù");
    desk.deliver().await;
    let effect = desk.until_effect(1, EffectState::Done).await;
    assert_eq!((lost.count(), desk.network.answers_to(&thing)), (1, vec![text.to_owned()]), "{effect:?}");
    desk.stop().await;
}

/// With the keys of OAuth 1.0a instead of a token, each request is signed; the stand-in verifies that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_signs_its_requests_asks_and_answers() {
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("now is a time");
    let clock = Arc::new(SetClock::at(sportello_core::time::Timestamp(now.as_millisecond())));
    let twitter = Twitter::start_with(TwitterSettings { now, ..TwitterSettings::default() }).await.expect("the stand-in starts");
    // No token of OAuth 2 would be taken.
    twitter.expire_token();
    let answer = "name: answer\non: case.opened\nsteps:\n  - reply: \"R&D, perché? (50%) https://example.org/a?b=1&c=2\"\n";
    let plan = HostPlan::default().workflow("answer", answer).twitter_signing(&twitter, "poll-seconds = 60");
    let folder = tempfile::tempdir().expect("a folder");
    let running = RunningHost::start_at(folder.path(), &plan, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let thing = twitter.post(&twitter.person("Ada"), &format!("@{} la rete è giù", twitter.settings().handle));
    for step in 0.. {
        if !twitter.replies_to(&thing).is_empty() {
            break;
        }
        assert!(step < 400, "it was asked for and answered");
        twitter.advance(Duration::from_secs(10));
        clock.advance_ms(10_000);
        running.works(MOMENT).await;
    }
    assert_eq!((twitter.replies_to(&thing).len(), twitter.token_refreshes()), (1, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_again_while_the_log_in_is_to_wait_brings_no_other_log_in() {
    let desk = Desk::<Activity>::answering().await;
    let limit = Activity::troubles().iter().find(|trouble| matches!(trouble, Fault::DeclineUntil { until: (_, 400), .. }));
    desk.network.expires_token();
    let told = desk.network.faults().arm(*limit.expect("X says until when"), &[SPENDS], 1);
    let mut things = Vec::new();
    for minute in 0..12 {
        things.push(desk.network.asks(&format!("Cliente {minute}"), "Perché?"));
        if minute % 4 == 3 {
            desk.network.expires_token();
        }
        desk.deliver().await;
        desk.advance(Duration::from_secs(60));
        desk.running.works(MOMENT).await;
    }
    let is_done = |effect: u64, desk: &Desk<Activity>| desk.effect(effect).is_some_and(|effect| effect.state == EffectState::Done);
    desk.as_time_passes("all are answered", |desk| (1..=things.len() as u64).all(|effect| is_done(effect, desk))).await;
    assert!(things.iter().all(|thing| desk.network.answers_to(thing).len() == 1));
    assert_eq!((told.count(), desk.network.faults().too_early()), (1, Vec::new()));
    desk.stop().await;
}

/// X counts posts by the day, too; a quarter of an hour says nothing of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_day_that_is_used_up_nothing_is_asked_before_it_ends() {
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("now is a time");
    let mut settings = TwitterSettings { now, ..TwitterSettings::default() };
    settings.calls_max.insert((Limit::UserDay, Endpoint::Posts), 2);
    let day = Day::begin(settings).await;
    let mut things = vec![day.asks("Ada"), day.asks("Bruno")];
    day.twitter.deliver(&DeliveryPlan::default()).await.expect("it is registered");
    day.running.until("both are answered", |_| day.answered(&things) == 2).await;
    // The network has taken the answers; what it says of its limits has still to be read, window by window.
    day.running.calls_end().await;
    let channel: Value = day.running.ask(Method::GET, "/channels/twitter", "application/json", "").await.json().expect("JSON");
    let windows = channel["live"]["headroom"].as_array().expect("windows");
    let left = |name: &str| windows.iter().find(|window| window["name"] == name).map(|window| (&window["remaining"], &window["allowed"]));
    assert_eq!(left("posts-user-day"), Some((&json!(0), &json!(2))), "{channel}");
    assert_eq!(left("posts-app-day"), Some((&json!(9_998), &json!(10_000))), "{channel}");

    things.push(day.asks("Carla"));
    day.twitter.deliver(&DeliveryPlan::default()).await.expect("it is registered");
    day.passes_until_its_last_quarter(DAY).await;
    assert_eq!((day.answered(&things), day.twitter.calls_over_limit()), (2, 0));
    day.passes(QUARTER + CLOCKS_DIFFER).await;
    day.running.until("the third is answered", |_| day.answered(&things) == 3).await;
    assert_eq!(day.twitter.calls_over_limit(), 0);
    day.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_others_have_used_up_is_met_once_and_waited_for() {
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("now is a time");
    let day = Day::begin(TwitterSettings { now, ..TwitterSettings::default() }).await;
    let rest = Duration::from_secs(5 * 60 * 60);
    day.twitter.use_up_day(Endpoint::Posts, rest);
    let things = [day.asks("Ada")];
    day.twitter.deliver(&DeliveryPlan::default()).await.expect("it is registered");
    day.running.until("it was refused", |_| day.twitter.calls_over_limit() == 1).await;
    day.passes_until_its_last_quarter(rest).await;
    assert_eq!((day.answered(&things), day.twitter.calls_over_limit()), (0, 1));
    day.passes(QUARTER + CLOCKS_DIFFER).await;
    day.running.until("it is answered", |_| day.answered(&things) == 1).await;
    assert_eq!(day.twitter.calls_over_limit(), 1);
    day.running.stop().await;
}

const QUARTER: Duration = Duration::from_secs(15 * 60);
/// So much longer the host believes a limit to last.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A host that answers every case, on a stand-in with limits of its own.
struct Day {
    twitter: Twitter,
    clock: Arc<SetClock>,
    running: RunningHost,
    _folder: tempfile::TempDir,
}

impl Day {
    async fn begin(settings: TwitterSettings) -> Self {
        let clock = Arc::new(SetClock::at(sportello_core::time::Timestamp(settings.now.as_millisecond())));
        let twitter = Twitter::start_with(settings).await.expect("the stand-in starts");
        let answer = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}\"\n";
        let plan = HostPlan::default().workflow("answer", answer).twitter(&twitter, "poll-seconds = 0");
        let folder = tempfile::tempdir().expect("a folder");
        let running = RunningHost::start_at(folder.path(), &plan, Arc::clone(&clock) as Arc<dyn Clock>).await;
        twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.expect("the host proves itself");
        Self { twitter, clock, running, _folder: folder }
    }

    fn asks(&self, who: &str) -> String {
        self.twitter.post(&self.twitter.person(who), &format!("@{} la rete è giù", self.twitter.settings().handle))
    }

    fn answered(&self, things: &[String]) -> usize {
        things.iter().filter(|thing| !self.twitter.replies_to(thing).is_empty()).count()
    }

    async fn passes(&self, time: Duration) {
        self.twitter.advance(time);
        self.clock.advance_ms(u64::try_from(time.as_millis()).expect("a short while"));
        self.running.works(MOMENT).await;
    }

    /// All of it but a quarter of an hour, by quarters.
    async fn passes_until_its_last_quarter(&self, time: Duration) {
        for _ in 1..time.as_secs() / QUARTER.as_secs() {
            self.passes(QUARTER).await;
        }
    }
}
