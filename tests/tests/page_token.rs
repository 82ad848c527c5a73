//! Facebook refreshes no page's token. Where it ends, whatever the connector was about to do, nothing is lost and nothing is done twice: what is to be
//! said waits until an operator has put a new token where the old one was, and has the channel read it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::Timestamp as Moment;
use serde_json::{Value, json};
use sportello_core::domain::access::Role;
use sportello_core::domain::channel::CONNECTOR_STATE;
use sportello_core::domain::delivery::DELIVERIES;
use sportello_core::domain::effect::{EFFECTS, Effect, EffectState};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::time::Timestamp;
use sportello_server::access::create_token;
use sportello_server::clock::{Clock, SetClock};
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::http_client::HttpClient;
use sportello_tests::stand_ins::facebook::{Facebook, FacebookSettings};
use sportello_tests::stand_ins::{DeliveryPlan, Fault, FaultHandle};
use sportello_views::Direction;

const ANSWER: &str = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}: ci stiamo lavorando\"\n";
/// How much time passes at once: a poll is made in each.
const STEP: Duration = Duration::from_secs(5 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the page has no token.
const AWAY: Duration = Duration::from_secs(5 * 60 * 60);

/// A host on Facebook's stand-in, both on one clock, that answers whoever asks and polls every five minutes.
struct Stage<'a> {
    facebook: Facebook,
    running: RunningHost,
    clock: Arc<SetClock>,
    folder: &'a Path,
    post: String,
}

impl<'a> Stage<'a> {
    async fn start(folder: &'a Path) -> Self {
        let now = Moment::from_second(Moment::now().as_second()).unwrap();
        let clock = Arc::new(SetClock::at(Timestamp(now.as_millisecond())));
        let facebook = Facebook::start_with(FacebookSettings { now, ..FacebookSettings::default() }).await.unwrap();
        let running = Self::host(folder, &facebook, &clock).await;
        facebook.subscribe(&running.url("/hooks/demo/facebook-page")).await.unwrap();
        let post = facebook.post(&facebook.page(), "Manutenzione sabato");
        Self { facebook, running, clock, folder, post }
    }

    async fn host(folder: &Path, facebook: &Facebook, clock: &Arc<SetClock>) -> RunningHost {
        let plan = HostPlan::default().facebook_page(facebook, "poll-seconds = 300").workflow("answer", ANSWER);
        RunningHost::start_at(folder, &plan, Arc::clone(clock) as Arc<dyn Clock>).await
    }

    /// The host stops and starts anew, with the settings of its file.
    async fn restarts(self) -> Self {
        self.running.stop().await;
        Self { running: Self::host(self.folder, &self.facebook, &self.clock).await, ..self }
    }

    /// Somebody asks something, and it is delivered; gives the comment.
    async fn asks(&self, words: &str) -> String {
        let comment = self.facebook.comment(&self.facebook.person(words), &self.post, words);
        self.facebook.deliver(&DeliveryPlan::default()).await.unwrap();
        comment
    }

    /// An agent has the page post something.
    async fn posts(&self, text: &str) {
        let token = create_token(&self.running.desk().tenant, "test", "anna", Role::Agent).await.unwrap();
        let url = self.running.url("/api/v1/demo/channels/facebook-page/posts");
        let headers = [("authorization", &*format!("Bearer {}", token.secret)), ("idempotency-key", text)];
        let answer = HttpClient::default().post_json(&url, &headers, &json!({ "text": text })).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    /// Time passes, for the platform and for the host.
    async fn passes(&self, time: Duration) {
        self.facebook.advance(time);
        self.clock.advance_ms(u64::try_from(time.as_millis()).unwrap());
        self.running.works(Duration::from_millis(25)).await;
    }

    async fn as_time_passes(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..300 {
            if holds(self) {
                return;
            }
            self.passes(STEP).await;
        }
        panic!("a day passed and not: {what}: {:?}", self.effects());
    }

    /// The token ends when a request that this fault holds has arrived; then hours pass.
    async fn token_ends_at(&self, held: &FaultHandle) {
        let ends = async {
            held.struck(1).await;
            self.facebook.expire_token();
            held.release();
        };
        tokio::join!(ends, self.as_time_passes("the request is made", |_| held.count() == 1));
    }

    async fn hours_pass(&self) {
        for _ in 0..AWAY.as_secs() / STEP.as_secs() {
            self.passes(STEP).await;
        }
        let channel = self.running.ask(Method::GET, "/channels/facebook-page", "", "").await.text();
        assert!(channel.contains("the credential does not work") && channel.contains("Session has expired"), "it is said: {channel}");
        let given_up = |effect: &Effect| matches!(effect.state, EffectState::Failed | EffectState::Undecided);
        assert!(!self.effects().iter().any(given_up), "all wait: {:?}", self.effects());
    }

    /// What an operator does: another token stands where the old one stood, and the channel is given its settings again.
    async fn binds_a_new_token(&self) {
        std::fs::write(self.folder.join("secret-page-token"), self.facebook.renew_token()).unwrap();
        self.is_given(&self.channel().await["settings"]).await;
    }

    /// The operator wants to know when the token ends.
    async fn asks_for_the_end(&self) {
        let mut settings = self.channel().await["settings"].clone();
        settings["settings"]["ask-token-end"] = json!(true);
        settings["secrets"]["page-token-check"] = json!({ "token": "page-token" });
        self.is_given(&settings).await;
    }

    async fn is_given(&self, settings: &Value) {
        let answer = self.running.ask(Method::PUT, "/channels/facebook-page", "application/json", settings.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn channel(&self) -> Value {
        self.running.ask(Method::GET, "/channels/facebook-page", "", "").await.json().unwrap()
    }

    /// Until when the channel shows that the page's token works, and whether that is soon.
    async fn shown_end(&self) -> (Option<Moment>, bool) {
        let channel = self.channel().await;
        let credentials = channel["live"]["credentials"].as_array().unwrap();
        let token = credentials.iter().find(|credential| credential["credential"] == "page-token").unwrap();
        let until = token["authorised_until"].as_str().map(|until| until.parse().unwrap());
        (until, token["authorisation_ends_soon"].as_bool().unwrap())
    }

    /// What the connector has noted down.
    fn noted(&self) -> Option<Vec<u8>> {
        let rows = self.running.desk().tenant.list(&CONNECTOR_STATE, &[], None, Direction::Forward, usize::MAX).unwrap();
        rows.first().map(|(_, state)| state.bytes.clone())
    }

    fn effects(&self) -> Vec<Effect> {
        let rows = self.running.desk().tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).unwrap();
        rows.into_iter().map(|(_, effect)| effect).collect()
    }

    fn are_all_done(&self, count: usize) -> bool {
        let effects = self.effects();
        effects.len() == count && effects.iter().all(|effect| effect.state == EffectState::Done)
    }

    fn asked(&self) -> usize {
        let rows = self.running.desk().tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap();
        rows.iter().filter(|(_, row)| !row.own).count()
    }

    fn parked(&self) -> usize {
        self.running.desk().tenant.list(&DELIVERIES, &[], None, Direction::Forward, usize::MAX).unwrap().len()
    }

    fn lost(&self, call: &[&str], publishing: &[&str]) -> Option<FaultHandle> {
        // Whether it is there is looked at only after a confirmation was lost.
        (call != publishing).then(|| self.facebook.faults().arm(Fault::RefuseAfterEffect { status: 502 }, publishing, 1))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_token_that_ends_at_any_request_costs_no_answer_once_there_is_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path()).await;
    let mut comments = Vec::new();
    for call in [&["POST", "/comments"], &["GET", "/comments"], &["GET", "/feed"]] {
        println!("{call:?}");
        let lost = stage.lost(call, &["POST", "/comments"]);
        let held = stage.facebook.faults().arm(Fault::HoldBefore, call, 1);
        comments.push(stage.asks(&format!("Prima di {call:?}")).await);
        stage.token_ends_at(&held).await;
        let waits = stage.asks(&format!("Dopo {call:?}")).await;
        stage.hours_pass().await;
        assert_eq!(stage.facebook.replies_to(&waits).len(), 0, "nothing can be said");
        comments.push(waits);

        stage.binds_a_new_token().await;
        stage.as_time_passes("all are answered", |stage| stage.are_all_done(comments.len())).await;
        assert_eq!((held.count(), lost.map_or(1, |lost| lost.count())), (1, 1));
    }
    for comment in &comments {
        assert_eq!(stage.facebook.replies_to(comment).len(), 1, "{comment}");
    }
    assert_eq!((stage.asked(), stage.facebook.doubled_replies().len(), stage.parked()), (comments.len(), 0, 0));
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_token_that_ends_at_any_request_costs_no_post_once_there_is_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path()).await;
    let mut posts = Vec::new();
    for call in [&["POST", "/feed"], &["GET", "/published_posts"]] {
        println!("{call:?}");
        let lost = stage.lost(call, &["POST", "/feed"]);
        let held = stage.facebook.faults().arm(Fault::HoldBefore, call, 1);
        for text in [format!("Chiusi: {call:?}"), format!("Aperti: {call:?}")] {
            stage.posts(&text).await;
            posts.push(text);
            if posts.len() % 2 == 1 {
                stage.token_ends_at(&held).await;
            }
        }
        stage.hours_pass().await;
        stage.binds_a_new_token().await;
        stage.as_time_passes("all are posted", |stage| stage.are_all_done(posts.len())).await;
        assert_eq!((held.count(), lost.map_or(1, |lost| lost.count())), (1, 1));
    }
    let there: Vec<String> = stage.facebook.posts_by_api().into_iter().map(|(_, text)| text).collect();
    assert_eq!(there, posts, "each once");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_token_is_asked_once_a_day_when_it_ends_and_the_channel_shows_it_until_there_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path()).await;
    let asked = stage.facebook.faults().arm(Fault::HoldBefore, &["GET", "/debug_token?"], usize::MAX);
    asked.release();
    let began = stage.facebook.now();
    let end = began + DAY * 40;
    stage.facebook.end_token_at(end);
    assert_eq!(stage.shown_end().await, (None, false), "nobody was asked");

    stage.asks_for_the_end().await;
    stage.as_time_passes("it is told", |stage| stage.noted().is_some()).await;
    assert_eq!(stage.shown_end().await, (Some(end), false));
    let first = stage.noted();
    for _ in 0..6 {
        stage.passes(STEP * 12 * 3).await;
    }
    assert_eq!(asked.count(), 1);
    stage.as_time_passes("it is told again", |stage| stage.noted() != first).await;
    assert_eq!(asked.count(), 2, "once a day");
    stage.passes(DAY * 10).await;
    assert_eq!(stage.shown_end().await, (Some(end), true));

    // Neither a restart nor other settings make it another token.
    let stage = stage.restarts().await;
    assert_eq!(stage.shown_end().await, (Some(end), true));
    stage.binds_a_new_token().await;
    assert_eq!(stage.shown_end().await, (None, false), "that was said of another");
    let stage = stage.restarts().await;
    assert_eq!(stage.shown_end().await, (None, false));

    // The new one has no end of its own, but what may be read with it has.
    stage.asks_for_the_end().await;
    let before = stage.noted();
    stage.as_time_passes("it is told", |stage| stage.noted() != before).await;
    assert_eq!(stage.shown_end().await, (Some(began + DAY * 90), false));
    stage.running.stop().await;
}
