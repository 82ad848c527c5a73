//! Facebook as a network: people comment on the page's post.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use sportello_core::domain::effect::EffectState;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::stand_ins::facebook::{CALLS_MAX, Facebook, FacebookSettings, PAUSE_MAX, Person, RateLimit};
use sportello_tests::stand_ins::{DeliveryPlan, Fault, Faults};

use crate::desk::{Desk, MOMENT};
use crate::network::{Network, Promise};

pub(crate) struct Page {
    facebook: Facebook,
    post: String,
    people: Mutex<BTreeMap<String, Person>>,
}

impl Page {
    fn person(&self, who: &str) -> Person {
        self.people.lock().expect("no panic").entry(who.to_owned()).or_insert_with(|| self.facebook.person(who)).clone()
    }
}

impl Network for Page {
    const CHANNEL: &'static str = "facebook-page";
    const CONNECTOR: &'static str = "facebook";
    const PAGES: &'static [&'static str] = &["GET", "/comments"];
    const PAGE_ROWS: usize = 50;

    async fn start(now: Timestamp) -> Self {
        let settings = FacebookSettings { now: now - Duration::from_secs(1), ..FacebookSettings::default() };
        let facebook = Facebook::start_with(settings).await.expect("the stand-in starts");
        let post = facebook.post(&facebook.page(), "Manutenzione sabato");
        // The post is older than the channel: the first poll looks for nothing below it.
        facebook.advance(Duration::from_secs(1));
        Self { facebook, post, people: Mutex::default() }
    }

    fn plan(&self, plan: HostPlan, more: &str) -> HostPlan {
        plan.facebook_page(&self.facebook, more)
    }

    async fn connect(&self, host: &RunningHost) {
        self.facebook.subscribe(&host.url(&format!("/hooks/demo/{}", Self::CHANNEL))).await.expect("the host proves itself");
    }

    fn asks(&self, who: &str, text: &str) -> String {
        self.facebook.comment(&self.person(who), &self.post, text)
    }

    fn edits(&self, thing: &str, text: &str) {
        self.facebook.edit(thing, text);
    }

    fn removes(&self, thing: &str) {
        self.facebook.remove(thing);
    }

    fn shimmers(&self) {
        self.facebook.unknown_field();
    }

    async fn sends_a_question_with_unknown_fields(&self, text: &str) -> String {
        let id = format!("{}_99", self.post.rsplit('_').next().expect("a post's id has two parts"));
        let body = json!({
            "object": "page", "shimmer_2027": {"hue": 7},
            "entry": [{
                "id": self.facebook.page_id(), "time": self.facebook.now().as_second(), "shimmer_2027": [7],
                "changes": [{
                    "field": "feed", "shimmer_2027": "x",
                    "value": {
                        "from": {"id": "77", "name": "Zoë", "shimmer_2027": null}, "message": text, "post_id": self.post, "comment_id": id,
                        "parent_id": self.post, "created_time": self.facebook.now().as_second(), "item": "comment", "verb": "add",
                        "shimmer_2027": {"item": "comment"},
                    },
                }],
            }],
        });
        let answer = self.facebook.send_signed(body.to_string()).await.expect("an answer");
        assert_eq!(answer.status, 200);
        id
    }

    async fn deliver(&self, plan: &DeliveryPlan) {
        self.facebook.deliver(plan).await.expect("it is subscribed");
    }

    fn answers_to(&self, thing: &str) -> Vec<String> {
        self.facebook.replies_to(thing).into_iter().map(|reply| reply.text).collect()
    }

    fn answers(&self) -> usize {
        self.facebook.replies().len()
    }

    fn doubled(&self) -> usize {
        self.facebook.doubled_replies().len()
    }

    fn posts(&self) -> Vec<String> {
        self.facebook.posts_by_api().into_iter().map(|(_, text)| text).collect()
    }

    fn posting(&self) -> &'static [&'static str] {
        &["POST", "/feed"]
    }

    fn advance(&self, time: Duration) {
        self.facebook.advance(time);
    }

    fn faults(&self) -> &Faults {
        self.facebook.faults()
    }

    fn publishing(&self) -> &'static [&'static str] {
        &["POST", "/comments"]
    }

    fn calls_for_a_post() -> &'static [&'static [&'static str]] {
        &[&["POST", "/feed"], &["GET", "/published_posts"]]
    }

    fn calls() -> &'static [&'static [&'static str]] {
        &[&["POST", "/comments"], &["GET", "/comments"], &["GET", "/feed"]]
    }

    fn troubles() -> &'static [Fault] {
        const APP: &str = r#"{"error":{"message":"(#4) Application request limit reached","type":"OAuthException","is_transient":true,"code":4,"fbtrace_id":"A4"}}"#;
        const USER: &str = r#"{"error":{"message":"(#17) User request limit reached","type":"OAuthException","is_transient":true,"code":17,"fbtrace_id":"A17"}}"#;
        const PAGE: &str =
            r#"{"error":{"message":"(#32) Page request limit reached","type":"OAuthException","code":32,"fbtrace_id":"A32"}}"#;
        const CUSTOM: &str = r#"{"error":{"message":"(#613) Calls to this api have exceeded the rate limit.","type":"OAuthException","code":613,"fbtrace_id":"A613"}}"#;
        const BUSINESS: &str = r#"{"error":{"message":"(#80001) There have been too many calls to this Page account.","type":"OAuthException","code":80001,"fbtrace_id":"A80001"}}"#;
        const UNKNOWN: &str = r#"{"error":{"message":"An unknown error occurred","type":"OAuthException","code":1,"fbtrace_id":"A1"}}"#;
        const SERVICE: &str = r#"{"error":{"message":"Service temporarily unavailable","type":"OAuthException","is_transient":true,"code":2,"fbtrace_id":"A2"}}"#;
        const APP_USAGE: (&str, &str) = ("x-app-usage", r#"{"call_count":100,"total_cputime":25,"total_time":25}"#);
        const PAGE_USAGE: (&str, &str) = (
            "x-business-use-case-usage",
            r#"{"104857600000001":[{"type":"pages","call_count":100,"total_cputime":25,"total_time":25,"estimated_time_to_regain_access":7}]}"#,
        );
        // <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>, <https://developers.facebook.com/docs/graph-api/guides/error-handling>
        &[
            Fault::Refuse { status: 429, retry_after_s: Some(300) },
            Fault::Decline { status: 400, json: APP, headers: &[APP_USAGE] },
            Fault::Decline { status: 400, json: USER, headers: &[] },
            Fault::Decline { status: 400, json: PAGE, headers: &[] },
            Fault::Decline { status: 400, json: CUSTOM, headers: &[] },
            Fault::Decline { status: 400, json: BUSINESS, headers: &[PAGE_USAGE] },
            Fault::Decline { status: 500, json: UNKNOWN, headers: &[] },
            Fault::Decline { status: 500, json: SERVICE, headers: &[] },
            Fault::Decline { status: 400, json: SERVICE, headers: &[] },
        ]
    }

    fn expires_token(&self) {
        self.facebook.expire_token();
    }

    fn limits(&self, time: Duration) {
        self.facebook.limit_rate(RateLimit::BusinessUseCase, time);
    }

    fn calls_over_limit(&self) -> u64 {
        self.facebook.calls_over_limit()
    }

    const OVERLAP: Duration = Duration::from_secs(60 * 60);

    fn lists_late(&self, lag: Duration) {
        self.facebook.late_lists(lag);
    }

    fn cannot(promise: Promise) -> Option<&'static str> {
        match promise {
            Promise::Tokens => Some("A page's token is not refreshed"),
            Promise::Headroom => Some("A share is no number of calls"),
            Promise::Rechecks => Some("Facebook says the same of what is gone and of what may not be seen"),
            Promise::Asking | Promise::Edits | Promise::Posts | Promise::Disorder | Promise::LongIds => None,
        }
    }
}

/// Facebook gives up after 36 hours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_while_nobody_took_deliveries_for_two_days_is_asked_for_and_answered_once() {
    let desk = Desk::<Page>::soaking().await;
    let mut things = vec![desk.network.asks("Ada", "Prima")];
    desk.deliver().await;
    desk.until_effect(1, EffectState::Done).await;
    let desk = desk
        .away_for(48, |page, hour| {
            things.push(page.asks(&format!("Cliente {hour}"), &format!("Domanda {hour}")));
            if hour % 12 == 0 {
                things.push(page.facebook.post(&page.person("Bruno"), &format!("Post {hour}")));
            }
        })
        .await;
    assert!(desk.network.facebook.counts().updates_given_up > 10, "{:?}", desk.network.facebook.counts());
    let is_answered = |desk: &Desk<Page>| {
        let effects = desk.effects();
        effects.len() >= things.len() && effects.iter().all(|effect| effect.state == EffectState::Done)
    };
    desk.as_time_passes("all are answered", is_answered).await;
    // What Facebook had not given up yet comes once more, and is asked for again and again.
    for _ in 0..6 {
        desk.advance(PAUSE_MAX);
        desk.deliver().await;
    }
    let requests = desk.requests();
    desk.as_time_passes("it is asked again", |desk| desk.requests() > requests + 10).await;
    let words: BTreeSet<String> = desk.words().into_iter().map(|(id, _)| id).collect();
    assert_eq!((desk.said().len(), words), (things.len(), things.iter().cloned().collect()));
    assert_eq!((desk.cases(), desk.effects().len(), desk.network.doubled()), (things.len(), things.len(), 0));
    for thing in &things {
        assert_eq!(desk.network.answers_to(thing).len(), 1, "{thing}");
    }
    let counts = desk.network.facebook.counts();
    assert_eq!((counts.updates_pending, desk.parked()), (0, 0), "{counts:?}");
    desk.stop().await;
}

/// Another app of the company's has left little of the page's share of a day. Whoever hears all answers makes no call too many; of each that is lost
/// the next call may be one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_is_nearly_used_up_is_never_exceeded_but_by_the_call_that_finds_out() {
    for lost_answers in [0, 3] {
        let desk = Desk::<Page>::soaking().await;
        desk.network.facebook.others_called(CALLS_MAX - 40, Duration::from_secs(22 * 60 * 60 + 30 * 60));
        let mut things = Vec::new();
        for minute in 0..60 {
            things.push(desk.network.asks(&format!("Cliente {}", minute % 7), &format!("Domanda {minute}")));
            // The share is used up by then.
            if minute == 35 {
                desk.network.faults().arm(Fault::NoAnswerAfterEffect, &["POST"], lost_answers);
            }
            desk.network.deliver(&DeliveryPlan::default()).await;
            desk.running.calls_end().await;
            desk.advance(Duration::from_secs(60));
            desk.running.works(MOMENT).await;
        }
        assert!(desk.network.facebook.replies().len() < things.len(), "not all could be answered");
        let over = desk.network.calls_over_limit();
        assert!(over <= lost_answers as u64, "{over} calls over the limit, {lost_answers} answers lost");
        let is_over = |desk: &Desk<Page>| {
            let effects = desk.effects();
            effects.len() == things.len() && effects.iter().all(|effect| effect.state == EffectState::Done)
        };
        desk.as_time_passes("the day slides on, and all are answered", is_over).await;
        assert!(things.iter().all(|thing| desk.network.answers_to(thing).len() == 1));
        let over = desk.network.calls_over_limit();
        assert!(over <= lost_answers as u64, "{over} calls over the limit, {lost_answers} answers lost");
        desk.stop().await;
    }
}
