//! Challenges, signatures, batches, redelivery, and what a notification looks like.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ring::hmac;
use serde_json::{Value, json};
use sportello_tests::stand_ins::DeliveryPlan;
use sportello_tests::stand_ins::linkedin::{Forgery, LinkedIn, LinkedInSettings, SignaturePrefix};

use crate::ANSWER_TIME;
use crate::receiver::{Proof, Receiver, is_signed};

struct LinkedInProof {
    secret: String,
    application_id: String,
}

fn hex_of(secret: &str, text: &str) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes()))
}

impl Proof for LinkedInProof {
    fn answer(&self, query: &BTreeMap<String, String>) -> Option<String> {
        let code = query.get("challengeCode").filter(|code| code.len() == 36 && code.as_bytes()[14] == b'4')?;
        let is_ours = query.get("applicationId") == Some(&self.application_id);
        is_ours.then(|| json!({"challengeCode": code, "challengeResponse": hex_of(&self.secret, code)}).to_string())
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn is_genuine(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let signed = [b"hmacsha256=", body].concat();
        let decode = |text: &str| hex::decode(text).ok();
        ["", "hmacsha256="].iter().any(|prefix| is_signed(headers, ("x-li-signature", prefix), decode, &self.secret, &signed))
    }
}

async fn registered(linkedin: &LinkedIn) -> Receiver {
    let proof = LinkedInProof { secret: linkedin.client_secret().to_owned(), application_id: linkedin.application_id().to_owned() };
    let receiver = Receiver::start(proof).await;
    linkedin.register_webhook(&receiver.url).await.expect("the receiver proves itself");
    receiver
}

async fn started() -> LinkedIn {
    LinkedIn::start().await.expect("a loopback port")
}

/// All notifications of all bodies, in the order they came.
fn notifications(receiver: &Receiver) -> Vec<Value> {
    let list = |document: &Value| document["notifications"].as_array().cloned().expect("notifications");
    receiver.documents().iter().flat_map(list).collect()
}

/// How a webhook answers a challenge.
#[derive(Debug, Clone, Copy)]
enum Conduct {
    Right,
    WrongDigits,
    AnotherCode,
    PlainText,
    Accepted,
    Late,
}

type Conducts = Arc<Mutex<VecDeque<Conduct>>>;

/// A webhook that answers its next challenges as told, later ones rightly, and takes every POST.
async fn webhook(linkedin: &LinkedIn, conducts: &[Conduct]) -> (String, Conducts) {
    let conducts = Arc::new(Mutex::new(conducts.iter().copied().collect()));
    let state = (linkedin.client_secret().to_owned(), Arc::clone(&conducts));
    let router = Router::new().route("/", get(answer_as_told).post(|| async {})).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, conducts)
}

async fn answer_as_told(State((secret, conducts)): State<(String, Conducts)>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let conduct = conducts.lock().expect("no panic").pop_front().unwrap_or(Conduct::Right);
    let code = query["challengeCode"].clone();
    let right = json!({"challengeCode": code, "challengeResponse": hex_of(&secret, &code)}).to_string();
    let in_json = [("content-type", "application/json")];
    match conduct {
        Conduct::Right => (in_json, right).into_response(),
        Conduct::WrongDigits => (in_json, right.replace(&hex_of(&secret, &code), &hex_of("no", &code))).into_response(),
        Conduct::AnotherCode => (in_json, right.replace(&code, "7")).into_response(),
        Conduct::PlainText => right.into_response(),
        Conduct::Accepted => (axum::http::StatusCode::ACCEPTED, in_json, right).into_response(),
        Conduct::Late => std::future::pending().await,
    }
}

// --- challenges --------------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_webhook_is_registered_only_when_it_answers_the_challenge_rightly_and_in_time() {
    let settings = LinkedInSettings { answer_time_max: ANSWER_TIME, ..LinkedInSettings::default() };
    let linkedin = LinkedIn::start_with(settings).await.expect("a loopback port");
    let wrong = [Conduct::WrongDigits, Conduct::AnotherCode, Conduct::PlainText, Conduct::Accepted, Conduct::Late];
    let (url, _) = webhook(&linkedin, &wrong).await;
    for conduct in wrong {
        assert!(linkedin.register_webhook(&url).await.is_err(), "{conduct:?}");
        assert!(linkedin.deliver(&DeliveryPlan::default()).await.is_err(), "{conduct:?}: nothing is registered");
    }
    assert_eq!(linkedin.challenges_missed(), 5);
    linkedin.register_webhook(&url).await.expect("the sixth answer is right");
    assert_eq!(linkedin.deliver(&DeliveryPlan::default()).await.expect("registered").posted, 0);
    // [webhooks]
    assert_eq!(LinkedInSettings::default().answer_time_max, Duration::from_secs(3));
}

#[tokio::test]
async fn a_challenge_comes_every_two_hours_and_three_misses_in_a_row_block_the_webhook() {
    let linkedin = started().await;
    let (url, conducts) = webhook(&linkedin, &[]).await;
    linkedin.register_webhook(&url).await.expect("a right answer");
    let post = linkedin.post("Buongiorno");
    let deliver_after = async |minutes: u64| {
        linkedin.advance(Duration::from_secs(minutes * 60));
        linkedin.comment(&linkedin.person("Ada"), &post, "Aiuto");
        linkedin.deliver(&DeliveryPlan::default()).await.expect("registered").posted
    };
    let miss_next = |times: usize| conducts.lock().expect("no panic").extend(vec![Conduct::WrongDigits; times]);
    miss_next(2);
    assert_eq!((deliver_after(119).await, linkedin.challenges_missed()), (1, 0), "not due yet");
    assert_eq!((deliver_after(1).await, linkedin.challenges_missed()), (1, 1));
    assert_eq!((deliver_after(120).await, linkedin.challenges_missed()), (1, 2));
    assert_eq!((deliver_after(120).await, linkedin.challenges_missed()), (1, 2), "a right answer: the count begins anew");
    miss_next(3);
    assert_eq!((deliver_after(120).await, deliver_after(120).await, linkedin.is_blocked()), (1, 1, false));
    assert_eq!((deliver_after(120).await, linkedin.challenges_missed(), linkedin.is_blocked()), (0, 5, true));
    assert_eq!((deliver_after(120).await, linkedin.challenges_missed()), (0, 5), "who is blocked is asked no more");
    assert_eq!(linkedin.counts().updates_pending, 2);
    linkedin.register_webhook(&url).await.expect("a right answer");
    assert_eq!((linkedin.deliver(&DeliveryPlan::default()).await.expect("registered").posted, linkedin.is_blocked()), (1, false));
    assert_eq!(linkedin.counts().updates_acknowledged, linkedin.counts().updates_made);
}

#[tokio::test]
async fn a_later_challenge_that_is_answered_too_late_is_missed() {
    let settings = LinkedInSettings { answer_time_max: ANSWER_TIME, ..LinkedInSettings::default() };
    let linkedin = LinkedIn::start_with(settings).await.expect("a loopback port");
    let (url, conducts) = webhook(&linkedin, &[]).await;
    linkedin.register_webhook(&url).await.expect("a right answer");
    conducts.lock().expect("no panic").push_back(Conduct::Late);
    linkedin.advance(Duration::from_secs(2 * 60 * 60));
    linkedin.deliver(&DeliveryPlan::default()).await.expect("registered");
    assert_eq!((linkedin.challenges_missed(), linkedin.is_blocked()), (1, false));
}

// --- signatures --------------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_signature_comes_with_or_without_its_prefix_and_is_over_the_prefixed_body() {
    for (prefix, with, without) in [(SignaturePrefix::Always, 4, 0), (SignaturePrefix::Never, 0, 4), (SignaturePrefix::Alternating, 2, 2)] {
        let settings = LinkedInSettings { signature_prefix: prefix, ..LinkedInSettings::default() };
        let linkedin = LinkedIn::start_with(settings).await.expect("a loopback port");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let proof = Spy { secret: linkedin.client_secret().to_owned(), headers: Arc::clone(&seen) };
        let receiver = Receiver::start(proof).await;
        linkedin.register_webhook(&receiver.url).await.expect("a right answer");
        for number in 0..4 {
            assert_eq!(linkedin.send_signed(format!("{{\"n\": {number}}}")).await.expect("an answer").status, 200);
        }
        let seen = seen.lock().expect("no panic").clone();
        let prefixed = seen.iter().filter(|header| header.starts_with("hmacsha256=")).count();
        assert_eq!((prefixed, seen.len() - prefixed), (with, without), "{prefix:?}");
        let digits = seen[2].trim_start_matches("hmacsha256=");
        assert_eq!(digits, hex_of(linkedin.client_secret(), "hmacsha256={\"n\": 2}"), "{prefix:?}");
    }
}

struct Spy {
    secret: String,
    headers: Arc<Mutex<Vec<String>>>,
}

impl Proof for Spy {
    fn answer(&self, query: &BTreeMap<String, String>) -> Option<String> {
        let code = &query["challengeCode"];
        Some(json!({"challengeCode": code, "challengeResponse": hex_of(&self.secret, code)}).to_string())
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn is_genuine(&self, headers: &HeaderMap, _body: &[u8]) -> bool {
        self.headers.lock().expect("no panic").push(headers["x-li-signature"].to_str().expect("ASCII").to_owned());
        true
    }
}

#[tokio::test]
async fn a_careful_receiver_refuses_every_forgery() {
    let linkedin = started().await;
    let receiver = registered(&linkedin).await;
    for forgery in Forgery::ALL {
        assert_eq!(linkedin.forge(forgery).await.expect("an answer").status, 401, "{forgery:?}");
    }
    assert!(receiver.bodies().is_empty());
    assert_eq!((linkedin.counts().forgeries, linkedin.counts().posts.posted), (8, 0));
}

// --- deliveries --------------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn at_most_ten_notifications_share_a_post_and_none_is_lost_or_doubled() {
    let linkedin = started().await;
    let receiver = registered(&linkedin).await;
    let (ada, post) = (linkedin.person("Ada"), linkedin.post("Buongiorno"));
    let made: Vec<String> = (0..101).map(|number| linkedin.comment(&ada, &post, &format!("{number}"))).collect();
    let plan = DeliveryPlan { shuffle: true, in_flight_max: 4, ..DeliveryPlan::default() };
    let report = linkedin.deliver(&plan).await.expect("registered");
    assert_eq!((report.posted, report.acknowledged), (11, 11));
    let sizes = receiver.documents().iter().map(|document| document["notifications"].as_array().map(Vec::len)).max();
    assert_eq!(sizes, Some(Some(10)));
    let seen: BTreeSet<String> = notifications(&receiver)
        .iter()
        .map(|one| one["decoratedGeneratedActivity"]["comment"]["entity"].as_str().expect("a URN").to_owned())
        .collect();
    assert_eq!((notifications(&receiver).len(), seen), (101, made.into_iter().collect()));
}

#[tokio::test]
async fn an_unacknowledged_post_comes_again_every_five_minutes_for_eight_hours() {
    let linkedin = started().await;
    let receiver = registered(&linkedin).await;
    linkedin.comment(&linkedin.person("Ada"), &linkedin.post("Buongiorno"), "Aiuto");
    receiver.answer_next(&[500; 97]);
    assert_eq!(linkedin.deliver(&DeliveryPlan::default()).await.expect("registered").refused, BTreeMap::from([(500, 1)]));
    for minute in 1..=480_u64 {
        linkedin.advance(Duration::from_secs(60));
        let posted = linkedin.deliver_due(1).await.expect("registered").posted;
        assert_eq!(posted, u64::from(minute.is_multiple_of(5)), "minute {minute}");
    }
    let counts = linkedin.counts();
    assert_eq!((counts.posts.posted, counts.updates_given_up, counts.updates_pending), (97, 1, 0));
    linkedin.advance(Duration::from_secs(300));
    assert_eq!(linkedin.deliver_due(1).await.expect("registered").posted, 0, "the eight hours are over");
    assert!(receiver.bodies().is_empty());
}

#[tokio::test]
async fn a_post_that_is_answered_too_late_is_not_acknowledged_and_comes_again_after_five_minutes() {
    let settings = LinkedInSettings { delivery_time_max: ANSWER_TIME, ..LinkedInSettings::default() };
    let linkedin = LinkedIn::start_with(settings).await.expect("a loopback port");
    let receiver = registered(&linkedin).await;
    linkedin.comment(&linkedin.person("Ada"), &linkedin.post("Buongiorno"), "Aiuto");
    receiver.answer_next_too_late();
    let report = linkedin.deliver(&DeliveryPlan::default()).await.expect("registered");
    assert_eq!((report.posted, report.unanswered), (1, 1));
    linkedin.advance(Duration::from_secs(299));
    assert_eq!(linkedin.deliver_due(1).await.expect("registered").posted, 0);
    linkedin.advance(Duration::from_secs(1));
    assert_eq!(linkedin.deliver_due(1).await.expect("registered").acknowledged, 1);
    let bodies = receiver.bodies();
    assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]), "who is late has it twice");
    // No page names a time.
    assert_eq!(LinkedInSettings::default().delivery_time_max, Duration::from_secs(20));
}

#[tokio::test]
async fn any_2xx_acknowledges_and_a_duplicate_has_the_same_bytes() {
    let linkedin = started().await;
    let receiver = registered(&linkedin).await;
    linkedin.comment(&linkedin.person("Ada"), &linkedin.post("Buongiorno"), "Aiuto");
    receiver.answer_next(&[204]);
    let report = linkedin.deliver(&DeliveryPlan { duplicates_percent: 100, ..DeliveryPlan::default() }).await.expect("registered");
    assert_eq!((report.posted, report.acknowledged, linkedin.counts().updates_acknowledged), (2, 2, 1));
    linkedin.like(&linkedin.person("Ben"), &linkedin.post("Buonasera"));
    linkedin.deliver(&DeliveryPlan { duplicates_percent: 100, ..DeliveryPlan::default() }).await.expect("registered");
    let bodies = receiver.bodies();
    assert_eq!(bodies[1], bodies[2]);
}

/// [notifications]: every 5 minutes, for 8 hours.
#[tokio::test]
async fn what_was_acknowledged_may_come_again_when_others_have_gone_by() {
    let linkedin = started().await;
    let receiver = registered(&linkedin).await;
    let (ada, post) = (linkedin.person("Ada"), linkedin.post("Buongiorno"));
    (0..100).for_each(|number| drop(linkedin.comment(&ada, &post, &format!("{number}"))));
    let late = DeliveryPlan { late_duplicates_percent: 100, ..DeliveryPlan::default() };
    assert_eq!(linkedin.deliver(&late).await.expect("registered").acknowledged, 10);
    let before = receiver.bodies();
    let mut hours = BTreeSet::new();
    for minute in 1..=480_u64 {
        linkedin.advance(Duration::from_secs(60));
        let posted = linkedin.deliver_due(1).await.expect("registered").acknowledged;
        assert!(posted == 0 || minute.is_multiple_of(5), "minute {minute}");
        hours.extend((posted > 0).then_some(minute / 60));
    }
    assert!(hours.len() > 3, "at any time within eight hours: {hours:?}");
    let again: BTreeSet<_> = receiver.bodies().into_iter().skip(10).collect();
    assert_eq!((receiver.bodies().len(), again), (20, before.into_iter().collect()), "each once more, with the same bytes");
}

#[tokio::test]
async fn without_the_role_nothing_is_sent_but_it_can_be_pulled_later() {
    let linkedin = started().await;
    let receiver = registered(&linkedin).await;
    linkedin.wrong_role(true);
    linkedin.comment(&linkedin.person("Ada"), &linkedin.post("Buongiorno"), "Aiuto");
    assert_eq!(linkedin.deliver(&DeliveryPlan::default()).await.expect("registered").posted, 0);
    linkedin.wrong_role(false);
    assert_eq!(linkedin.deliver(&DeliveryPlan::default()).await.expect("registered").posted, 0);
    assert_eq!((linkedin.notifications_withheld(), linkedin.counts().updates_made, receiver.bodies().len()), (1, 1, 0));
}

// --- notifications -----------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn every_act_is_told_by_its_own_action() {
    let linkedin = started().await;
    let receiver = registered(&linkedin).await;
    let (ada, post) = (linkedin.person("Ada Lovelace"), linkedin.post("Buongiorno"));
    let comment = linkedin.comment(&ada, &post, "Aiuto");
    linkedin.edit(&comment, "Aiuto!");
    let admin = linkedin.admin_comment(&comment, "Eccoci");
    linkedin.like(&ada, &post);
    linkedin.like(&linkedin.hidden_person("Nessuno"), &comment);
    let share = linkedin.share(&ada, &post, "Leggete");
    let mention = linkedin.mention(&ada, "Brava Telefonia Sole");
    linkedin.remove(&comment);
    linkedin.unknown_action();
    linkedin.deliver(&DeliveryPlan::default()).await.expect("registered");
    let told = notifications(&receiver);
    let actions: Vec<&str> = told.iter().filter_map(|one| one["action"].as_str()).collect();
    let expected = ["COMMENT", "COMMENT_EDIT", "ADMIN_COMMENT", "LIKE", "LIKE", "SHARE", "SHARE_MENTION", "COMMENT_DELETE", "SHIMMER_2027"];
    assert_eq!(actions, expected);
    assert_eq!(receiver.documents()[0]["type"], "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS");
    let decorated = |position: usize| told[position]["decoratedGeneratedActivity"].clone();
    assert_eq!((&decorated(0)["comment"]["text"], &decorated(0)["comment"]["owner"]), (&json!("Aiuto"), &json!(ada.urn())));
    assert_eq!((&decorated(1)["comment"]["text"], &decorated(1)["comment"]["entity"]), (&json!("Aiuto!"), &json!(comment)));
    assert_eq!(decorated(2)["comment"]["entity"], json!(admin));
    assert_eq!(decorated(2)["comment"]["owner"], json!(linkedin.organization_urn()));
    assert!(told[3]["generatedActivity"].as_str().is_some_and(|urn| urn.contains(&ada.id)), "who liked");
    assert_eq!(told[4].get("generatedActivity"), None, "a hidden member is not named");
    assert_eq!((&told[5]["generatedActivity"], &decorated(5)["share"]["text"]), (&json!(share), &json!("Leggete")));
    assert_eq!(told[6]["generatedActivity"], json!(mention));
    assert_eq!(told[7].get("decoratedGeneratedActivity"), None, "what is deleted is not shown");
    let all = |one: &Value| one["organizationalEntity"] == json!(linkedin.organization_urn()) && one["lastModifiedAt"].is_i64();
    assert!(told.iter().all(all));
    assert_eq!((linkedin.text_of(&comment), linkedin.text_of(&admin)), (None, None), "a removal takes the answers with it");
}

#[tokio::test]
async fn ids_beyond_two_to_the_53_are_numbers_that_a_double_would_confuse() {
    let linkedin = started().await;
    let receiver = registered(&linkedin).await;
    let (ada, post) = (linkedin.person("Ada"), linkedin.post("Buongiorno"));
    (0..30).for_each(|_| linkedin.like(&ada, &post));
    linkedin.deliver(&DeliveryPlan::default()).await.expect("registered");
    let ids: Vec<u64> = notifications(&receiver).iter().map(|one| one["notificationId"].as_u64().expect("a number")).collect();
    let exact: BTreeSet<u64> = ids.iter().copied().collect();
    let rounded: BTreeSet<u64> = ids.iter().map(|id| (*id as f64).to_bits()).collect();
    assert_eq!((exact.len(), exact.iter().filter(|id| **id > 1 << 53).count()), (30, 10));
    assert!(rounded.len() < 30, "as doubles some would fall together");
}

#[tokio::test]
async fn both_spellings_of_a_comment_occur_and_an_author_may_be_missing() {
    let linkedin = started().await;
    let receiver = registered(&linkedin).await;
    let (hidden, post) = (linkedin.hidden_person("Nessuno"), linkedin.post("Buongiorno"));
    let made: Vec<String> = (0..20).map(|number| linkedin.comment(&hidden, &post, &format!("{number}"))).collect();
    linkedin.deliver(&DeliveryPlan::default()).await.expect("registered");
    let told = notifications(&receiver);
    let spelled = |one: &Value| one["generatedActivity"].as_str().expect("a URN").to_owned();
    let short = told.iter().filter(|one| spelled(one).starts_with("urn:li:comment:(activity:")).count();
    let long = told.iter().filter(|one| spelled(one).starts_with("urn:li:comment:(urn:li:activity:")).count();
    assert!(short > 0 && long > 0 && short + long == 20, "{short} short, {long} long");
    for (one, urn) in told.iter().zip(&made) {
        let comment = &one["decoratedGeneratedActivity"]["comment"];
        assert_eq!((comment["entity"].as_str(), comment.get("owner")), (Some(urn.as_str()), None));
        assert_eq!(spelled(one).replace("(activity:", "(urn:li:activity:"), *urn, "the same comment");
    }
    let sources: BTreeSet<&str> = told.iter().filter_map(|one| one["sourcePost"].as_str()).collect();
    assert_eq!(sources.len(), 2, "a post is named by its activity or its share: {sources:?}");
}
