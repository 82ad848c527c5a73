//! LinkedIn as a network: people comment on the organisation's post.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use sportello_core::domain::effect::EffectState;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::stand_ins::linkedin::{DailyLimit, LinkedIn, LinkedInSettings, Person};
use sportello_tests::stand_ins::{DeliveryPlan, Fault, Faults};

use crate::desk::{Desk, MOMENT};
use crate::network::{Network, Promise};
use crate::trial::TROUBLES;

pub(crate) struct Organization {
    linkedin: LinkedIn,
    post: String,
    people: Mutex<BTreeMap<String, Person>>,
}

impl Network for Organization {
    const CHANNEL: &'static str = "linkedin";
    const CONNECTOR: &'static str = "linkedin";
    const PAGES: &'static [&'static str] = &["GET", "/rest/organizationalEntityNotifications"];
    const PAGE_ROWS: usize = 20;
    const OVERLAP: Duration = Duration::from_secs(60 * 60);

    async fn start(now: Timestamp) -> Self {
        let linkedin = LinkedIn::start_with(LinkedInSettings { now, ..LinkedInSettings::default() }).await.expect("the stand-in starts");
        let post = linkedin.post("Manutenzione sabato");
        Self { linkedin, post, people: Mutex::default() }
    }

    fn plan(&self, plan: HostPlan, more: &str) -> HostPlan {
        plan.linkedin(&self.linkedin, more)
    }

    async fn connect(&self, host: &RunningHost) {
        self.linkedin.register_webhook(&host.url(&format!("/hooks/demo/{}", Self::CHANNEL))).await.expect("the host proves itself");
    }

    fn asks(&self, who: &str, text: &str) -> String {
        let person = self.people.lock().expect("no panic").entry(who.to_owned()).or_insert_with(|| self.linkedin.person(who)).clone();
        self.linkedin.comment(&person, &self.post, text)
    }

    fn edits(&self, thing: &str, text: &str) {
        self.linkedin.edit(thing, text);
    }

    fn removes(&self, thing: &str) {
        self.linkedin.remove(thing);
    }

    fn shimmers(&self) {
        self.linkedin.unknown_action();
    }

    async fn sends_a_question_with_unknown_fields(&self, text: &str) -> String {
        let id = "urn:li:comment:(urn:li:activity:7001,9007199254740993)".to_owned();
        let body = json!({
            "type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "shimmer_2027": {"hue": 7},
            "notifications": [{
                "notificationId": 9_007_199_254_740_995_u64, "organizationalEntity": self.linkedin.organization_urn(), "action": "COMMENT",
                "lastModifiedAt": self.linkedin.now().as_millisecond(), "sourcePost": "urn:li:activity:7001", "shimmer_2027": [7],
                "generatedActivity": "urn:li:comment:(activity:7001,9007199254740993)",
                "decoratedGeneratedActivity": {"shimmer_2027": 7, "comment": {
                    "entity": id, "object": "urn:li:activity:7001", "owner": "urn:li:person:Zz77", "text": text, "shimmer_2027": null,
                }},
            }],
        });
        let answer = self.linkedin.send_signed(body.to_string()).await.expect("an answer");
        assert_eq!(answer.status, 200);
        id
    }

    async fn deliver(&self, plan: &DeliveryPlan) {
        self.linkedin.deliver(plan).await.expect("it is registered");
    }

    fn lists_late(&self, lag: Duration) {
        self.linkedin.late_notifications(lag);
    }

    fn answers_to(&self, thing: &str) -> Vec<String> {
        self.linkedin.replies_to(thing).into_iter().map(|reply| reply.text).collect()
    }

    fn answers(&self) -> usize {
        self.linkedin.replies().len()
    }

    fn doubled(&self) -> usize {
        self.linkedin.doubled_replies().len()
    }

    fn posts(&self) -> Vec<String> {
        self.linkedin.posts_by_api().into_iter().map(|(_, text)| text).collect()
    }

    const TELLS_OWN_POSTS: bool = false;

    fn posting(&self) -> &'static [&'static str] {
        &["POST", "/rest/posts"]
    }

    fn advance(&self, time: Duration) {
        self.linkedin.advance(time);
    }

    fn faults(&self) -> &Faults {
        self.linkedin.faults()
    }

    fn publishing(&self) -> &'static [&'static str] {
        &["POST", "/comments"]
    }

    // The stand-in's default, as the platform's: a refresh token serves for a year.
    const SPENDS_TOKENS: bool = false;

    fn calls_for_a_post() -> &'static [&'static [&'static str]] {
        &[&["POST", "/rest/posts"], &["GET", "/rest/posts"]]
    }

    fn calls() -> &'static [&'static [&'static str]] {
        &[&["POST", "/comments"], &["GET", "/comments/"], &["GET", "/comments?"], &["GET", "/rest/organizationalEntityNotifications"]]
    }

    fn troubles() -> &'static [Fault] {
        const LIMIT: &str = r#"{"status":429,"serviceErrorCode":101,"code":"TOO_MANY_REQUESTS","message":"Too many calls at the moment."}"#;
        const BROKEN: &str = r#"{"status":500,"serviceErrorCode":0,"code":"INTERNAL_SERVER_ERROR","message":"Internal Server Error"}"#;
        const UNAVAILABLE: &str = r#"{"status":503,"code":"SERVICE_UNAVAILABLE","message":"Service is unavailable"}"#;
        const GATEWAY_TIMEOUT: &str = r#"{"status":504,"code":"GATEWAY_TIMEOUT","message":"Timed out"}"#;
        // <https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/error-handling>. A limit of the day lasts longer than a round here.
        &[
            Fault::Refuse { status: 429, retry_after_s: Some(300) },
            Fault::Decline { status: 429, json: LIMIT, headers: &[] },
            Fault::Decline { status: 500, json: BROKEN, headers: &[] },
            Fault::Decline { status: 503, json: UNAVAILABLE, headers: &[] },
            Fault::Decline { status: 504, json: GATEWAY_TIMEOUT, headers: &[] },
        ]
    }

    fn expires_token(&self) {
        self.linkedin.expire_token();
    }

    fn limits(&self, time: Duration) {
        self.linkedin.limit_rate(time);
    }

    fn calls_over_limit(&self) -> u64 {
        self.linkedin.calls_over_limit()
    }

    fn keeps_words_hours() -> Option<u64> {
        Some(48)
    }

    fn cannot(promise: Promise) -> Option<&'static str> {
        match promise {
            Promise::Headroom => Some("No header says what is left under a limit"),
            Promise::Rechecks => Some("all words are given up after 48 hours"),
            Promise::Asking | Promise::Tokens | Promise::Edits | Promise::Posts | Promise::Disorder | Promise::LongIds => None,
        }
    }
}

/// The role is asked for only while the list is empty: before anything has happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_of_any_kind_at_the_look_for_the_role_costs_no_word() {
    let desk = Desk::<Organization>::asking().await;
    for trouble in TROUBLES.into_iter().chain([Fault::HoldBefore]) {
        let struck = desk.network.faults().arm(trouble, &["GET", "/rest/organizationAcls"], 1);
        let strikes = async {
            struck.struck(1).await;
            if trouble == Fault::HoldBefore {
                desk.network.expires_token();
            }
            struck.release();
        };
        tokio::join!(strikes, desk.as_time_passes("the role was asked for", |_| struck.count() == 1));
    }
    let thing = desk.network.asks("Ada", "Perché?");
    desk.as_time_passes("it has come in", |desk| !desk.words().is_empty()).await;
    assert_eq!((desk.words()[0].0.as_str(), desk.said().len()), (thing.as_str(), 1));
    desk.stop().await;
}

/// Each resource has a limit of its own, which begins anew at midnight UTC.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daily_limit_is_met_once_by_each_resource_and_nothing_is_asked_of_it_until_midnight() {
    const RESOURCES: u64 = 3;
    const EFFECTS_AT_ONCE: u64 = 8;
    let desk = Desk::<Organization>::soaking().await;
    desk.network.linkedin.limit_calls_per_day(DailyLimit::App, 6);
    let day = |desk: &Desk<Organization>| desk.running.desk().tenant.now().0 / (24 * 60 * 60 * 1_000);
    let first_day = day(&desk);
    let mut things = Vec::new();
    for minute in 0..60 {
        things.push(desk.network.asks(&format!("Cliente {}", minute % 7), &format!("Domanda {minute}")));
        desk.network.deliver(&DeliveryPlan::default()).await;
        desk.running.calls_end().await;
        desk.advance(Duration::from_secs(60));
        desk.running.works(MOMENT).await;
    }
    let over = desk.network.calls_over_limit();
    // The hour may be that of midnight: what has waited then begins all at once, and nobody says how much is left.
    let over_max = if day(&desk) == first_day { RESOURCES } else { 2 * RESOURCES + EFFECTS_AT_ONCE };
    assert!((1..=over_max).contains(&over), "{over} calls were made over the limits of the day");
    desk.network.linkedin.limit_calls_per_day(DailyLimit::App, u64::MAX);
    for _ in 0..24 {
        desk.network.deliver(&DeliveryPlan::default()).await;
        desk.advance(Duration::from_secs(60 * 60));
        desk.running.works(MOMENT).await;
    }
    let is_over = |desk: &Desk<Organization>| {
        let effects = desk.effects();
        effects.len() == things.len() && effects.iter().all(|effect| effect.state == EffectState::Done)
    };
    desk.as_time_passes("all are answered", is_over).await;
    assert!(things.iter().all(|thing| desk.network.answers_to(thing).len() == 1));
    desk.stop().await;
}

/// A delivery whose comment cannot be read for a limit is set aside, and tried in vain meanwhile, ever more rarely.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_limit_comes_in_as_soon_as_it_is_over() {
    const LIMIT_SECONDS: u64 = 10 * 60;
    let desk = Desk::<Organization>::listening().await;
    let limit = Fault::Refuse { status: 429, retry_after_s: Some(u32::try_from(LIMIT_SECONDS).expect("some minutes")) };
    desk.network.faults().arm(limit, &["GET", "/comments/"], 1);
    let thing = desk.network.asks("Ada", "Perché?");
    desk.network.deliver(&DeliveryPlan::default()).await;
    desk.until("it is set aside", |desk| desk.parked() == 1).await;
    for _ in 1..LIMIT_SECONDS / 60 {
        desk.advance(Duration::from_secs(60));
        desk.running.works(MOMENT).await;
    }
    desk.advance(Duration::from_secs(58));
    desk.running.works(MOMENT).await;
    assert_eq!((desk.parked(), desk.has_come_in(&thing)), (1, false), "the limit is not over");
    desk.advance(Duration::from_secs(4));
    desk.until("it has come in", |desk| desk.parked() == 0 && desk.has_come_in(&thing)).await;
    desk.stop().await;
}
