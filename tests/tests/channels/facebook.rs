//! Facebook as a network: people comment on the page's post.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::stand_ins::facebook::{Facebook, FacebookSettings, Person, RateLimit};
use sportello_tests::stand_ins::{DeliveryPlan, Faults};

use crate::network::{Network, Promise};

pub(crate) struct Page {
    facebook: Facebook,
    post: String,
    people: Mutex<BTreeMap<String, Person>>,
}

impl Network for Page {
    const CHANNEL: &'static str = "facebook-page";
    const CONNECTOR: &'static str = "facebook";

    async fn start(now: Timestamp) -> Self {
        let facebook = Facebook::start_with(FacebookSettings { now, ..FacebookSettings::default() }).await.expect("the stand-in starts");
        let post = facebook.post(&facebook.page(), "Manutenzione sabato");
        Self { facebook, post, people: Mutex::default() }
    }

    fn plan(&self, plan: HostPlan, more: &str) -> HostPlan {
        plan.facebook_page(&self.facebook, more)
    }

    async fn connect(&self, host: &RunningHost) {
        self.facebook.subscribe(&host.url(&format!("/hooks/demo/{}", Self::CHANNEL))).await.expect("the host proves itself");
    }

    fn asks(&self, who: &str, text: &str) -> String {
        let person = self.people.lock().expect("no panic").entry(who.to_owned()).or_insert_with(|| self.facebook.person(who)).clone();
        self.facebook.comment(&person, &self.post, text)
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

    fn calls() -> &'static [&'static [&'static str]] {
        &[&["POST", "/comments"], &["GET", "/comments"]]
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

    fn cannot(promise: Promise) -> Option<&'static str> {
        match promise {
            Promise::Asking => Some("nowhere what happened on a page since a moment"),
            Promise::Tokens => Some("A page's token is not refreshed"),
            Promise::Headroom => Some("A share is no number of calls"),
            Promise::Edits | Promise::Posts | Promise::Disorder | Promise::LongIds => None,
        }
    }
}
