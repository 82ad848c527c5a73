//! Effects end to end: what the platform's own echo proves, whose order is kept, and who waits for whom.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sportello_core::domain::access::Role;
use sportello_core::domain::case::CASES;
use sportello_core::domain::channel::{CHANNELS, CURSORS, ChannelSettings};
use sportello_core::domain::effect::{EFFECTS, EFFECTS_STARTED, Effect, EffectState};
use sportello_core::ids::{CaseId, ChannelName, EffectId};
use sportello_core::time::Timestamp;
use sportello_server::access::create_token;
use sportello_server::clock::{Clock, SetClock, SystemClock};
use sportello_server::health::Purpose;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::http_client::HttpClient;
use sportello_tests::servers::Wiki;
use sportello_tests::stand_ins::facebook::{CALLS_MAX, DeliveryPlan, Facebook, FacebookSettings, RateLimit};
use sportello_tests::stand_ins::faults::{Fault, FaultHandle};
use sportello_tests::stand_ins::twitter::{Endpoint, Limit, Twitter, TwitterSettings};
use sportello_tests::stand_ins::wiki::WikiStandIn;
use sportello_views::Direction;
use tempfile::TempDir;

/// Calls of one channel under way at once, at most.
const AT_ONCE_MAX: usize = 8;
/// The contract's limit of an effect's key.
const KEY_BYTES_MAX: usize = 64;
/// Longer than every pause of the worker.
const HOUR_MS: u64 = 60 * 60 * 1_000;

/// A host and somebody who answers through its API.
struct Desk {
    running: RunningHost,
    http: HttpClient,
    authorization: String,
    _folder: TempDir,
}

impl Desk {
    async fn start(plan: &HostPlan, clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = RunningHost::start_at(folder.path(), plan, clock).await;
        let secret = create_token(&running.desk().tenant, "test", "anna", Role::Agent).await.unwrap().secret;
        Self { running, http: HttpClient::default(), authorization: format!("Bearer {secret}"), _folder: folder }
    }

    async fn ask(&self, method: Method, path: &str, key: &str, body: impl Into<Bytes>) -> Value {
        let headers = [("authorization", self.authorization.as_str()), ("content-type", "application/json"), ("idempotency-key", key)];
        let answer = self.http.send(method, &self.running.url(&format!("/api/v1/demo{path}")), &headers, body.into()).await.unwrap();
        assert!(answer.status < 300, "{path}: {}", answer.text());
        answer.json().unwrap()
    }

    /// Answers in a case; gives the effect.
    async fn reply(&self, case: u64, text: &str) -> EffectId {
        let (path, key) = (format!("/cases/{case}/replies"), format!("{case} {text}"));
        let queued = self.ask(Method::POST, &path, &key, json!({ "text": text }).to_string()).await;
        EffectId(queued["effect"].as_u64().unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, "", Bytes::new()).await
    }

    fn effect(&self, id: EffectId) -> Effect {
        self.running.desk().tenant.get(&EFFECTS, &id).unwrap().expect("the effect was queued")
    }

    async fn until_state(&self, id: EffectId, state: EffectState) {
        let what = format!("effect {id} is {state:?}");
        self.running.until(&what, |desk| desk.tenant.get(&EFFECTS, &id).unwrap().is_some_and(|effect| effect.state == state)).await;
    }

    async fn until_case(&self, id: u64) {
        self.running.until("a case is opened", |desk| desk.tenant.get(&CASES, &CaseId(id)).unwrap().is_some()).await;
    }
}

/// A page on which people have commented: the n-th comment is case n.
struct Page {
    desk: Desk,
    facebook: Facebook,
    post: String,
    comments: Vec<String>,
}

impl Page {
    async fn with_comments(count: usize, clock: Arc<dyn Clock>) -> Self {
        let facebook = Facebook::start().await.unwrap();
        let desk = Desk::start(&HostPlan::default().facebook_page(&facebook, ""), clock).await;
        facebook.subscribe(&desk.running.url("/hooks/demo/facebook-page")).await.unwrap();
        let post = facebook.post(&facebook.page(), "Manutenzione sabato");
        let mut page = Self { desk, facebook, post, comments: Vec::new() };
        for _ in 0..count {
            page.comment().await;
        }
        page
    }

    /// One more comment, taken in: every worker has something to look at.
    async fn comment(&mut self) {
        let person = self.facebook.person(&format!("Cliente {}", self.comments.len()));
        self.comments.push(self.facebook.comment(&person, &self.post, "La rete è giù, perché?"));
        self.deliver().await;
        self.desk.until_case(self.comments.len() as u64).await;
    }

    async fn deliver(&self) {
        let report = self.facebook.deliver(&DeliveryPlan::default()).await.unwrap();
        assert_eq!(report.acknowledged, report.posted, "{report:?}");
    }

    fn said_to(&self, case: usize) -> Vec<String> {
        self.facebook.replies_to(&self.comments[case - 1]).into_iter().map(|reply| reply.text).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_hangs_holds_up_its_own_conversation_only_and_keeps_its_order() {
    let page = Page::with_comments(2, Arc::new(SystemClock)).await;
    let held = page.facebook.faults().arm(Fault::HoldBefore, &["POST", &page.comments[0]], 1);
    let first = page.desk.reply(1, "Uno").await;
    let second = page.desk.reply(1, "Due").await;
    held.struck(1).await;
    let other = page.desk.reply(2, "Tre").await;
    page.desk.until_state(other, EffectState::Done).await;
    assert_eq!(page.desk.effect(first).state, EffectState::Started, "it hangs");
    assert_eq!(page.desk.effect(second).state, EffectState::Queued, "and what was to be said after it waits");
    assert_eq!((page.said_to(1), page.said_to(2)), (vec![], vec!["Tre".to_owned()]));

    held.release();
    page.desk.until_state(second, EffectState::Done).await;
    assert_eq!(page.said_to(1), ["Uno", "Due"]);
    page.desk.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_every_call_hangs_there_are_only_so_many_and_deliveries_come_in() {
    let mut page = Page::with_comments(AT_ONCE_MAX + 4, Arc::new(SystemClock)).await;
    let cases = page.comments.len();
    let held = page.facebook.faults().arm(Fault::HoldBefore, &["POST", "/comments"], usize::MAX);
    let mut effects = Vec::new();
    for case in 1..=cases {
        effects.push(page.desk.reply(case as u64, "Ci pensiamo").await);
    }
    held.struck(AT_ONCE_MAX).await;
    page.comment().await;
    let started = page.desk.running.desk().tenant.list(&EFFECTS_STARTED, &[], None, Direction::Forward, cases).unwrap();
    assert_eq!((held.count(), started.len()), (AT_ONCE_MAX, AT_ONCE_MAX), "calls the platform counts, and those on record");

    held.release();
    for effect in effects {
        page.desk.until_state(effect, EffectState::Done).await;
    }
    assert!((1..=cases).all(|case| page.said_to(case).len() == 1), "{:?}", page.facebook.replies());
    page.desk.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_told_to_one_call_lets_no_other_start_until_it_is_over() {
    let clock = Arc::new(SetClock::at(Timestamp(jiff::Timestamp::now().as_millisecond())));
    let mut page = Page::with_comments(2, Arc::clone(&clock) as Arc<_>).await;
    page.facebook.limit_rate(RateLimit::BusinessUseCase, Duration::from_secs(60));
    let told = page.desk.reply(1, "Uno").await;
    page.desk
        .running
        .until("the limit was told", |desk| desk.tenant.get(&EFFECTS, &told).unwrap().is_some_and(|effect| effect.problem.is_some()))
        .await;
    let other = page.desk.reply(2, "Due").await;
    page.comment().await;
    assert_eq!(page.desk.effect(other).attempts, 0);

    page.facebook.advance(Duration::from_secs(60));
    clock.advance_ms(HOUR_MS);
    for effect in [told, other] {
        page.desk.until_state(effect, EffectState::Done).await;
    }
    assert_eq!((page.desk.effect(told).attempts, page.desk.effect(other).attempts), (2, 1), "the other was called once, when it could be");
    page.desk.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_of_what_the_platform_confirmed_is_told_from_a_colleagues_words() {
    let page = Page::with_comments(1, Arc::new(SystemClock)).await;
    let effect = page.desk.reply(1, "Ci pensiamo").await;
    page.desk.until_state(effect, EffectState::Done).await;
    page.facebook.comment(&page.facebook.page(), &page.comments[0], "Ecco fatto");
    page.deliver().await;

    let conversation = page.desk.effect(effect).conversation.unwrap();
    let said = page.desk.get(&format!("/conversations/{conversation}/interactions?order=oldest")).await;
    let effects: Vec<&Value> = said["items"].as_array().unwrap().iter().map(|said| &said["effect"]).collect();
    assert_eq!(effects, [&Value::Null, &json!(effect.0), &Value::Null], "the question, our echo, a colleague: {said}");
    let echo = said["items"][1]["interaction"].as_u64();
    assert_eq!(page.desk.get(&format!("/effects/{effect}")).await["echo"].as_u64(), echo);
    page.desk.running.stop().await;
}

/// A wiki on which somebody has asked something: case 1. It is asked for news only when the test says so.
struct Community {
    desk: Desk,
    wiki: WikiStandIn,
    clock: Arc<SetClock>,
    /// Every look whether an effect took place.
    looks: FaultHandle,
}

impl Community {
    async fn with_a_question() -> Self {
        let wiki = WikiStandIn::start().await.unwrap();
        let clock = Arc::new(SetClock::at(Timestamp(jiff::Timestamp::now().as_millisecond())));
        let desk = Desk::start(&HostPlan::default().wiki(&wiki, "poll-seconds = 3600"), Arc::clone(&clock) as Arc<_>).await;
        desk.running
            .until("the wiki has been asked once", |desk| !desk.tenant.list(&CURSORS, &[], None, Direction::Forward, 1).unwrap().is_empty())
            .await;
        wiki.customer().edit_talk("Talk:Product", "Rete giù", "Perché? --~~~~").await.unwrap();
        let looks = wiki.faults().arm(Fault::Refuse { status: 503, retry_after_s: None }, &["ids%7Ctimestamp%7Cuser%7Csize"], usize::MAX);
        let community = Self { desk, wiki, clock, looks };
        community.ask_every(200).await;
        community.desk.until_case(1).await;
        community.ask_every(3_600_000).await;
        community
    }

    async fn ask_every(&self, poll_ms: u64) {
        let desk = self.desk.running.desk();
        let name = ChannelName::new("wiki").unwrap();
        let settings = desk.tenant.get(&CHANNELS, &name).unwrap().unwrap().settings;
        desk.channels.configure("test", &name, ChannelSettings { poll_ms: Some(poll_ms), ..settings }).await.unwrap();
    }

    /// However much later: the effect is done, stands on the page once, nobody looked for it, and what comes after it is done too.
    async fn was_done_once_without_a_look(self, effect: EffectId, words: &str) {
        let row = self.desk.effect(effect);
        let seen = self.desk.get(&format!("/interactions/{}", row.echo.expect("its echo is the evidence"))).await;
        assert_eq!((seen["effect"].as_u64(), seen["words"]["text"].as_str()), (Some(effect.0), Some(words)), "{seen}");
        self.clock.advance_ms(HOUR_MS);
        let next = self.desk.reply(1, "Tutto a posto").await;
        self.desk.until_state(next, EffectState::Done).await;
        assert_eq!((self.looks.count(), self.desk.effect(effect).attempts), (0, 1), "one call and no look");
        let page = self.wiki.admin().page_text("Talk:Product").await.unwrap().expect("the page is there");
        assert_eq!(page.matches(words).count(), 1, "{page}");
        let key = self.desk.running.desk().tenant.effect_key_outside(&row.key);
        assert!(key.len() <= KEY_BYTES_MAX && page.contains(&key), "{key} in {page}");
        self.desk.running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_whose_answer_was_lost_is_done_when_its_echo_comes_and_nobody_looks_for_it() {
    let community = Community::with_a_question().await;
    community.wiki.faults().arm(Fault::RefuseAfterEffect { status: 504 }, &["POST", "action=edit"], 1);
    let effect = community.desk.reply(1, "Ci pensiamo").await;
    community.desk.until_state(effect, EffectState::Unknown).await;
    community.ask_every(200).await;
    // The clock stands still: it would not have settled yet.
    community.desk.until_state(effect, EffectState::Done).await;
    community.was_done_once_without_a_look(effect, "Ci pensiamo").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_that_is_faster_than_the_answer_ends_the_effect_and_the_answer_changes_nothing() {
    let community = Community::with_a_question().await;
    let held = community.wiki.faults().arm(Fault::HoldAfter, &["POST", "action=edit"], 1);
    let effect = community.desk.reply(1, "Ci pensiamo").await;
    held.struck(1).await;
    assert_eq!(community.desk.effect(effect).state, EffectState::Started);
    community.ask_every(200).await;
    community.desk.until_state(effect, EffectState::Done).await;
    held.release();
    community.was_done_once_without_a_look(effect, "Ci pensiamo").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_more_looks_are_left_answers_go_on() {
    const ANSWER: &str = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}: ci stiamo lavorando\"\n";
    let folder = tempfile::tempdir().unwrap();
    let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
    let clock = Arc::new(SetClock::at(Timestamp(now.as_millisecond())));
    let mut settings = TwitterSettings { now, ..TwitterSettings::default() };
    settings.calls_max.insert((Limit::Quarter, Endpoint::Timeline), 1);
    let twitter = Twitter::start_with(settings).await.unwrap();
    let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 0").workflow("answer", ANSWER);
    let running = RunningHost::start_at(folder.path(), &plan, Arc::clone(&clock) as Arc<dyn Clock>).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    let asks = async |name: &str| {
        let post = twitter.post(&twitter.person(name), &format!("@{} la rete è giù", twitter.settings().handle));
        twitter.deliver(&DeliveryPlan::default()).await.unwrap();
        post
    };
    let count = |desk: &sportello_server::desk::Desk, state| {
        let effects = desk.tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).unwrap();
        effects.iter().filter(|(_, effect)| effect.state == state).count()
    };

    // Two answers that X took and did not confirm; of the looks that are to tell, X allows one.
    let lost = twitter.faults().arm(Fault::RefuseAfterEffect { status: 502 }, &["POST /2/tweets"], 2);
    asks("Ada").await;
    running.until("nobody knows", |desk| count(desk, EffectState::Unknown) == 1).await;
    clock.advance_ms(5 * 60_000);
    running.until("a look was made", |desk| count(desk, EffectState::Done) == 1).await;
    asks("Bruno").await;
    running.until("nobody knows again", |desk| count(desk, EffectState::Unknown) == 1).await;
    assert_eq!(lost.count(), 2);
    clock.advance_ms(5 * 60_000);
    let carla = asks("Carla").await;
    running.until("Carla is answered", |desk| count(desk, EffectState::Done) == 2).await;
    assert_eq!((count(&running.desk(), EffectState::Unknown), twitter.replies_to(&carla).len(), twitter.calls_over_limit()), (1, 1, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_whose_share_is_used_up_is_not_called_until_it_has_slid_away() {
    const ANSWER: &str = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}: ci stiamo lavorando\"\n";
    const LEFT: u64 = 10;
    const MINUTE: Duration = Duration::from_secs(60);
    /// So much longer the host believes a limit to last.
    const CLOCKS_DIFFER: Duration = Duration::from_secs(1);
    let folder = tempfile::tempdir().unwrap();
    let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
    let clock = Arc::new(SetClock::at(Timestamp(now.as_millisecond())));
    let facebook = Facebook::start_with(FacebookSettings { now, ..FacebookSettings::default() }).await.unwrap();
    let plan = HostPlan::default().facebook_page(&facebook, "poll-seconds = 0").workflow("answer", ANSWER);
    let running = RunningHost::start_at(folder.path(), &plan, Arc::clone(&clock) as Arc<dyn Clock>).await;
    facebook.subscribe(&running.url("/hooks/demo/facebook-page")).await.unwrap();
    let step = |time: Duration| {
        facebook.advance(time);
        clock.advance_ms(u64::try_from(time.as_millis()).unwrap());
    };
    let answered = || facebook.replies().len() as u64;
    let nothing_is_left = |desk: &sportello_server::desk::Desk| {
        let under_way = desk.tenant.list(&EFFECTS_STARTED, &[], None, Direction::Forward, 1).unwrap();
        let health = &desk.channels.get(&ChannelName::new("facebook-page").unwrap()).unwrap().health;
        under_way.is_empty() && health.windows.held(Purpose::Publish, desk.tenant.now()).is_some()
    };

    // Of a day's calls ten are left, and what used up the others is a day old in a quarter of an hour.
    facebook.others_called(CALLS_MAX - LEFT, MINUTE * (24 * 60 - 15));
    let post = facebook.post(&facebook.page(), "Manutenzione sabato");
    for number in 0..20 {
        facebook.comment(&facebook.person(&format!("Cliente {number}")), &post, "La rete è giù");
    }
    facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("nothing is left of this minute", nothing_is_left).await;
    // Whoever was under way is told, and one a minute of the last percent is used.
    while answered() < LEFT {
        step(MINUTE + CLOCKS_DIFFER);
        running.until("nothing is left of this minute", nothing_is_left).await;
    }
    assert_eq!((answered(), facebook.calls_over_limit()), (LEFT, 0));
    step(MINUTE * 16);
    running.until("one has found out that there is room again", |desk| answered() > LEFT && nothing_is_left(desk)).await;
    step(MINUTE + CLOCKS_DIFFER);
    running.until("all are answered", |_| answered() == 20).await;
    assert_eq!((facebook.calls_over_limit(), facebook.doubled_replies().len()), (0, 0));
    running.stop().await;
}
