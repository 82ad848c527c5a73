use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Query;
use axum::http::HeaderMap;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sportello_tests::stand_ins::DeliveryPlan;
use sportello_tests::stand_ins::twitter::{Forgery, PAUSE_MAX, Payloads, Twitter, TwitterSettings};

use crate::ANSWER_TIME;
use crate::receiver::{Proof, Receiver, is_signed};

/// Proves itself as long as it is honest.
struct XProof {
    secret: String,
    is_honest: Arc<AtomicBool>,
}

impl Proof for XProof {
    fn answer(&self, query: &BTreeMap<String, String>) -> Option<String> {
        let secret = if self.is_honest.load(Ordering::SeqCst) { self.secret.as_str() } else { "another secret" };
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let token = query.get("crc_token").filter(|token| token.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
        let tag = STANDARD.encode(ring::hmac::sign(&key, token.as_bytes()));
        Some(json!({"response_token": format!("sha256={tag}")}).to_string())
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn is_genuine(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        is_signed(headers, ("x-twitter-webhooks-signature", "sha256="), |text| STANDARD.decode(text).ok(), &self.secret, body)
    }
}

async fn receiver_of(twitter: &Twitter) -> (Receiver, Arc<AtomicBool>) {
    let is_honest = Arc::new(AtomicBool::new(true));
    let proof = XProof { secret: twitter.consumer_secret().to_owned(), is_honest: Arc::clone(&is_honest) };
    (Receiver::start(proof).await, is_honest)
}

pub(super) async fn registered(payloads: Payloads) -> (Twitter, Receiver) {
    let settings = TwitterSettings { payloads, seed: 7, ..TwitterSettings::default() };
    let twitter = Twitter::start_with(settings).await.expect("a loopback port");
    let (receiver, _) = receiver_of(&twitter).await;
    twitter.register_webhook(&receiver.url).await.expect("the receiver proves itself");
    (twitter, receiver)
}

/// A receiver that answers each challenge with this.
async fn answering(body: Option<&'static str>) -> String {
    let challenge = move || async move {
        match body {
            Some(body) => body,
            None => std::future::pending().await,
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(challenge))).await });
    url
}

async fn deliver(twitter: &Twitter) -> (u64, u64) {
    let report = twitter.deliver(&DeliveryPlan::default()).await.expect("a webhook");
    (report.posted, report.acknowledged)
}

#[tokio::test]
async fn a_webhook_proves_itself_before_anything_is_sent() {
    let settings = TwitterSettings { answer_time_max: ANSWER_TIME, ..TwitterSettings::default() };
    let twitter = Twitter::start_with(settings).await.expect("a loopback port");
    twitter.post(&twitter.company(), "Buongiorno");
    assert!(twitter.deliver(&DeliveryPlan::default()).await.is_err(), "nothing is registered");
    let (receiver, is_honest) = receiver_of(&twitter).await;
    is_honest.store(false, Ordering::SeqCst);
    let elsewhere = receiver.url.replace("receiver", "nowhere");
    let cases = [
        (receiver.url.clone(), "a wrong response_token"),
        (elsewhere, "HTTP 404"),
        (answering(Some("{\"token\": 1}")).await, "no response_token"),
        (answering(Some("sha256=")).await, "JSON"),
        (answering(None).await, "nothing within"),
    ];
    for (url, why) in cases {
        let refusal = twitter.register_webhook(&url).await.expect_err("no proof").to_string();
        assert!(refusal.contains(why), "{why}: {refusal}");
        assert!(!twitter.is_webhook_valid() && twitter.deliver(&DeliveryPlan::default()).await.is_err());
    }
    is_honest.store(true, Ordering::SeqCst);
    twitter.register_webhook(&receiver.url).await.expect("the receiver proves itself");
    assert_eq!((deliver(&twitter).await, receiver.bodies().len()), ((1, 1), 1));
}

#[tokio::test]
async fn a_webhook_that_fails_a_later_challenge_gets_nothing_until_it_passes() {
    let twitter = Twitter::start().await.expect("a loopback port");
    let (receiver, is_honest) = receiver_of(&twitter).await;
    twitter.register_webhook(&receiver.url).await.expect("the receiver proves itself");
    is_honest.store(false, Ordering::SeqCst);
    twitter.post(&twitter.company(), "Uno");
    twitter.advance(Duration::from_secs(1_799));
    assert_eq!(deliver(&twitter).await, (1, 1), "the challenge is not due yet");
    twitter.post(&twitter.company(), "Due");
    twitter.advance(Duration::from_secs(1));
    assert!(twitter.deliver(&DeliveryPlan::default()).await.is_err(), "challenged first");
    is_honest.store(true, Ordering::SeqCst);
    let refusal = twitter.deliver(&DeliveryPlan::default()).await.expect_err("invalid until challenged again");
    assert!(refusal.to_string().contains("did not pass its last challenge") && twitter.deliver_due(1).await.is_err(), "{refusal}");
    assert_eq!((receiver.bodies().len(), twitter.counts().updates_pending, twitter.is_webhook_valid()), (1, 1, false));
    twitter.check_webhook().await.expect("honest again");
    assert_eq!((deliver(&twitter).await, twitter.counts().updates_pending), ((1, 1), 0));
    is_honest.store(false, Ordering::SeqCst);
    assert!(twitter.check_webhook().await.is_err());
    is_honest.store(true, Ordering::SeqCst);
    twitter.post(&twitter.company(), "Tre");
    twitter.advance(Duration::from_secs(1_800));
    assert_eq!(deliver(&twitter).await, (1, 1), "the next half hour's challenge validates it too");
}

#[tokio::test]
async fn a_later_challenge_that_is_answered_too_late_is_failed() {
    let settings = TwitterSettings { answer_time_max: ANSWER_TIME, ..TwitterSettings::default() };
    let twitter = Twitter::start_with(settings).await.expect("a loopback port");
    let is_late = Arc::new(AtomicBool::new(false));
    let proof = Arc::new(XProof { secret: twitter.consumer_secret().to_owned(), is_honest: Arc::new(AtomicBool::new(true)) });
    let challenged = {
        let is_late = Arc::clone(&is_late);
        async move |Query(query): Query<BTreeMap<String, String>>| {
            if is_late.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            proof.answer(&query).expect("a token")
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(challenged).post(|| async {}))).await });
    twitter.register_webhook(&url).await.expect("a right answer in time");
    is_late.store(true, Ordering::SeqCst);
    twitter.post(&twitter.company(), "Uno");
    twitter.advance(Duration::from_secs(1_800));
    assert!(twitter.deliver(&DeliveryPlan::default()).await.is_err());
    assert_eq!((twitter.counts().posts.posted, twitter.is_webhook_valid()), (0, false));
}

#[tokio::test]
async fn forgeries_are_refused_by_a_careful_receiver() {
    let (twitter, receiver) = registered(Payloads::Activity).await;
    for forgery in Forgery::ALL {
        assert_eq!(twitter.forge(forgery).await.expect("an answer").status, 401, "{forgery:?}");
    }
    assert_eq!((twitter.counts().forgeries, twitter.counts().posts.posted, receiver.bodies().len()), (6, 0, 0));
    assert_eq!(twitter.send_signed("{\"perché\": \"è così 😡\"}").await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_post_that_is_answered_too_late_is_not_acknowledged_and_comes_again_at_once() {
    let settings = TwitterSettings { answer_time_max: ANSWER_TIME, ..TwitterSettings::default() };
    let twitter = Twitter::start_with(settings).await.expect("a loopback port");
    let (receiver, _) = receiver_of(&twitter).await;
    twitter.register_webhook(&receiver.url).await.expect("the receiver proves itself");
    twitter.post(&twitter.company(), "Uno");
    receiver.answer_next_too_late();
    let report = twitter.deliver(&DeliveryPlan::default()).await.expect("a webhook");
    assert_eq!((report.posted, report.unanswered, report.acknowledged), (2, 1, 1));
    let bodies = receiver.bodies();
    assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]), "who is late has it twice");
    // <https://docs.x.com/x-api/webhooks/introduction>
    assert_eq!(TwitterSettings::default().answer_time_max, Duration::from_secs(10));
}

#[tokio::test]
async fn what_is_not_answered_200_comes_three_times_more_within_five_minutes() {
    let (twitter, receiver) = registered(Payloads::Activity).await;
    twitter.post(&twitter.company(), "Uno");
    receiver.answer_next(&[503, 204]);
    assert_eq!(deliver(&twitter).await, (2, 0), "once, and again at once; 204 is not 200");
    twitter.advance(PAUSE_MAX - Duration::from_secs(1));
    assert_eq!(twitter.deliver_due(1).await.expect("a webhook").posted, 0, "nothing is due before half of the five minutes");
    twitter.advance(Duration::from_secs(1));
    assert_eq!(twitter.deliver_due(1).await.expect("a webhook").acknowledged, 1);
    let counts = twitter.counts();
    assert_eq!((counts.updates_made, counts.updates_acknowledged, counts.updates_pending), (1, 1, 0));

    twitter.post(&twitter.company(), "Due");
    receiver.answer_next(&[500; 9]);
    let mut posted = deliver(&twitter).await.0;
    for _ in 0..4 {
        twitter.advance(PAUSE_MAX);
        posted += twitter.deliver_due(1).await.expect("a webhook").posted;
    }
    let counts = twitter.counts();
    assert_eq!((posted, counts.updates_given_up, counts.updates_pending), (4, 1, 0), "given up, and counted");
}

#[tokio::test]
async fn duplicates_and_disorder_are_sent_on_demand() {
    let (twitter, receiver) = registered(Payloads::Both).await;
    for number in 0..30 {
        twitter.post(&twitter.company(), &number.to_string());
    }
    let plan = DeliveryPlan { updates_max: 1, shuffle: true, duplicates_percent: 100, in_flight_max: 4, ..DeliveryPlan::default() };
    assert_eq!(twitter.deliver(&plan).await.expect("a webhook").acknowledged, 60);
    let bodies = receiver.bodies();
    let distinct: std::collections::BTreeSet<_> = bodies.iter().collect();
    assert_eq!((bodies.len(), distinct.len(), twitter.counts().updates_acknowledged), (60, 30, 30), "the same bytes twice");
}

/// <https://developer.x.com/en/docs/x-api/enterprise/account-activity-api/guides/activity-retries>
#[tokio::test]
async fn what_was_acknowledged_may_come_again_when_others_have_gone_by() {
    let (twitter, receiver) = registered(Payloads::Both).await;
    let late = DeliveryPlan { updates_max: 1, late_duplicates_percent: 100, ..DeliveryPlan::default() };
    for number in 0..10 {
        twitter.post(&twitter.company(), &number.to_string());
    }
    assert_eq!(twitter.deliver(&late).await.expect("a webhook").acknowledged, 10);
    twitter.post(&twitter.company(), "Poi");
    assert_eq!((deliver(&twitter).await, twitter.counts().updates_pending), ((1, 1), 0));
    let before = receiver.bodies();
    twitter.advance(PAUSE_MAX);
    let first = twitter.deliver_due(1).await.expect("a webhook").acknowledged;
    twitter.advance(PAUSE_MAX);
    let second = twitter.deliver_due(1).await.expect("a webhook").acknowledged;
    assert!(first > 0 && second > 0 && first + second == 10, "{first} and {second}");
    let again: std::collections::BTreeSet<_> = receiver.bodies().into_iter().skip(before.len()).collect();
    assert_eq!(again, before[..10].iter().cloned().collect(), "the same bytes");
    twitter.advance(PAUSE_MAX);
    assert_eq!((twitter.deliver_due(1).await.expect("a webhook").posted, twitter.counts().updates_acknowledged), (0, 11));
}

/// Something of every kind; gives the ids of the company's post and of a reply.
fn of_every_kind(twitter: &Twitter) -> (String, String) {
    let (company, ada) = (twitter.company(), twitter.person("Ada Lovelace"));
    let own = twitter.post(&company, "Lavori in corso");
    twitter.post(&ada, "Che dice @TelefoniaSole?");
    let reply = twitter.reply(&ada, &own, "Perché?");
    twitter.quote(&ada, &own, "Sentite");
    twitter.repost(&ada, &own);
    twitter.like(&ada, &own);
    twitter.follow(&ada);
    twitter.direct_message(&ada, &company, "In privato");
    twitter.direct_message(&company, &ada, "Eccoci");
    twitter.unknown_event();
    twitter.remove(&reply);
    (own, reply)
}

#[tokio::test]
async fn the_activity_api_sends_one_event_a_post_in_its_shape() {
    let (twitter, receiver) = registered(Payloads::Activity).await;
    let (own, reply) = of_every_kind(&twitter);
    assert_eq!(deliver(&twitter).await, (11, 11));
    let events: Vec<Value> = receiver.documents().into_iter().map(|document| document["data"].clone()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["event_type"].as_str().expect("a kind")).collect();
    assert_eq!(
        kinds,
        [
            "post.create",
            "post.mention.create",
            "post.reply.create",
            "post.quote.create",
            "post.repost.create",
            "like.create",
            "follow.follow",
            "dm.received",
            "dm.sent",
            "mystery.shimmer",
            "post.delete"
        ]
    );
    assert!(events.iter().all(|event| event["event_uuid"].is_string() && event["tag"].is_string() && event["payload"].is_object()));
    assert!(events[..10].iter().all(|event| event["filter"]["user_id"] == json!(twitter.user_id())));
    let payload = |at: usize| &events[at]["payload"];
    assert_eq!(payload(0)["author_id"], json!(twitter.user_id()), "own posts echo back");
    assert_eq!(payload(1)["entities"]["mentions"][0]["username"], "TelefoniaSole");
    assert_eq!(payload(2)["referenced_tweets"], json!([{"type": "replied_to", "id": own}]));
    assert_eq!(payload(2)["text"], "@TelefoniaSole Perché?");
    assert_eq!(payload(2)["display_text_range"], json!([15, 22]));
    assert_eq!(
        (&payload(3)["referenced_tweets"][0]["type"], &payload(4)["referenced_tweets"][0]["type"]),
        (&json!("quoted"), &json!("retweeted"))
    );
    assert_eq!((&payload(5)["liked_tweet_id"], &events[5]["filter"]["direction"]), (&json!(own), &json!("inbound")));
    assert_eq!(events[5]["includes"]["users"][0]["name"], "Ada Lovelace", "who liked stands beside the payload only");
    assert_eq!(payload(6)["source"]["data"]["username"], "AdaLovelace");
    assert_eq!(payload(7)["direct_message_events"][0]["message_create"]["message_data"]["text"], "In privato");
    assert_eq!(payload(8)["direct_message_events"][0]["message_create"]["sender_id"], json!(twitter.user_id()));
    assert_eq!(payload(10), &json!({"id": reply, "author_id": payload(2)["author_id"]}));
}

#[tokio::test]
async fn the_account_activity_sends_rows_of_several_lists_in_one_post() {
    let (twitter, receiver) = registered(Payloads::AccountActivity).await;
    let (own, reply) = of_every_kind(&twitter);
    let report = twitter.deliver(&DeliveryPlan { updates_max: 10, ..DeliveryPlan::default() }).await.expect("a webhook");
    assert_eq!((report.posted, report.acknowledged), (2, 2), "11 rows, at most 10 in a body");
    let documents = receiver.documents();
    let first = &documents[0];
    assert_eq!(first["for_user_id"], json!(twitter.user_id()));
    let posts = first["tweet_create_events"].as_array().expect("rows");
    assert_eq!(posts.len(), 5);
    assert_eq!((&posts[0]["user"]["screen_name"], &posts[0]["id_str"]), (&json!("TelefoniaSole"), &json!(own)));
    assert_eq!((&posts[2]["in_reply_to_status_id_str"], &posts[2]["in_reply_to_screen_name"]), (&json!(own), &json!("TelefoniaSole")));
    assert_eq!((&posts[3]["is_quote_status"], &posts[3]["quoted_status"]["id_str"]), (&json!(true), &json!(own)));
    assert_eq!(posts[4]["retweeted_status"]["id_str"], json!(own));
    assert_eq!(first["favorite_events"][0]["favorited_status"]["id_str"], json!(own));
    assert_eq!(first["follow_events"][0]["source"]["name"], "Ada Lovelace");
    let messages = first["direct_message_events"].as_array().expect("rows");
    assert_eq!((messages.len(), first["users"].as_object().map(serde_json::Map::len)), (2, Some(2)));
    assert_eq!(first["mystery_events"], json!([{"hue": 7}]));
    let deleted = &documents[1]["tweet_delete_events"][0];
    assert_eq!(deleted["status"]["id"], json!(reply));
    assert_eq!(deleted["timestamp_ms"], json!(twitter.now().as_millisecond().to_string()), "a deletion says when");
}

#[tokio::test]
async fn the_same_person_has_one_id_above_2_to_the_53_in_both_shapes() {
    let (twitter, receiver) = registered(Payloads::Both).await;
    let ada = twitter.person("Ada");
    let posts = [twitter.post(&ada, "@TelefoniaSole uno"), twitter.post(&ada, "@TelefoniaSole due")];
    deliver(&twitter).await;
    let documents = receiver.documents();
    let (new, old) = (&documents[0]["data"]["payload"], &documents[1]["tweet_create_events"][0]);
    let number: u64 = ada.id.parse().expect("digits");
    assert!(number > 1 << 53 && posts[1] > posts[0] && posts[0].len() == posts[1].len(), "ids grow");
    assert_eq!((&new["author_id"], &new["id"]), (&json!(ada.id), &json!(posts[0])));
    assert_eq!((&old["user"]["id"], &old["user"]["id_str"]), (&json!(number), &json!(ada.id)));
    assert_eq!((&old["id"], &old["id_str"]), (&json!(posts[1].parse::<u64>().expect("digits")), &json!(posts[1])));
    let own: u64 = twitter.user_id().parse().expect("digits");
    assert_ne!(own as f64 as u64, own, "a reader that takes numbers for doubles is found out");
}

#[tokio::test]
async fn a_reply_deep_in_a_thread_is_in_the_lists_only() {
    let api = super::Api::start().await;
    let (receiver, _) = receiver_of(&api.twitter).await;
    api.twitter.register_webhook(&receiver.url).await.expect("the receiver proves itself");
    let (ada, bob) = (api.twitter.person("Ada"), api.twitter.person("Bob"));
    let own = api.twitter.post(&api.twitter.company(), "Notizie");
    let first = api.twitter.reply(&ada, &own, "Aiuto");
    let deep = api.twitter.reply(&bob, &first, "Anche io");
    let explicit = api.twitter.reply(&bob, &first, "e tu, @TelefoniaSole?");
    deliver(&api.twitter).await;
    let told: Vec<String> =
        receiver.documents().iter().map(|document| document["data"]["payload"]["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(told, [own, first.clone(), explicit.clone()]);
    assert_eq!(super::ids(&api.read(&api.mentions_path(), &[]).await), [explicit, deep, first]);
    let both = api.twitter.post(&api.twitter.company(), "Altro");
    api.twitter.reply(&ada, &both, "a @TelefoniaSole");
    deliver(&api.twitter).await;
    let kinds: Vec<Value> = receiver.documents()[4..].iter().map(|document| document["data"]["event_type"].clone()).collect();
    assert_eq!(kinds, ["post.mention.create", "post.reply.create"], "one post can be two events");
}

/// <https://docs.x.com/x-api/enterprise-gnip-2.0/fundamentals/edit-tweets>; that of account activity says that it tells them, too.
#[tokio::test]
async fn a_post_of_the_older_shape_tells_all_its_versions() {
    let (twitter, receiver) = registered(Payloads::AccountActivity).await;
    let ada = twitter.person("Ada");
    let first = twitter.post(&ada, "@TelefoniaSole aiuto");
    let second = twitter.edit(&first, "@TelefoniaSole aiuto!");
    let third = twitter.edit(&second, "@TelefoniaSole aiuto!!");
    deliver(&twitter).await;
    let rows = receiver.documents()[0]["tweet_create_events"].as_array().expect("rows").clone();
    let told = |at: usize| (rows[at]["id_str"].clone(), rows[at]["edit_history"].clone(), rows[at]["edit_controls"].clone());
    let half_an_hour_later = (twitter.now() + Duration::from_secs(30 * 60)).as_millisecond();
    let controls = |remaining: u8| json!({"editable_until_ms": half_an_hour_later, "edits_remaining": remaining});
    let history = |versions: &[&String]| json!({"initial_tweet_id": first, "edit_tweet_ids": versions});
    assert_eq!(told(0), (json!(first), history(&[&first]), controls(5)));
    assert_eq!(told(1), (json!(second), history(&[&first, &second]), controls(4)));
    assert_eq!(told(2), (json!(third), history(&[&first, &second, &third]), controls(3)));
}

#[tokio::test]
async fn deleting_one_version_is_told_of_each() {
    let (twitter, receiver) = registered(Payloads::AccountActivity).await;
    let ada = twitter.person("Ada");
    let first = twitter.post(&ada, "@TelefoniaSole aiuto");
    let second = twitter.edit(&first, "@TelefoniaSole aiuto!");
    let third = twitter.edit(&second, "@TelefoniaSole aiuto!!");
    twitter.remove(&second);
    deliver(&twitter).await;
    let document = &receiver.documents()[0];
    let gone: Vec<&Value> = document["tweet_delete_events"].as_array().expect("rows").iter().map(|row| &row["status"]["id"]).collect();
    assert_eq!(gone, [&json!(first), &json!(second), &json!(third)]);
    assert_eq!(document["tweet_create_events"].as_array().map(Vec::len), Some(3), "each version is a post of its own");
    assert_eq!([first, second, third].map(|id| twitter.text_of(&id)), [None, None, None]);
}

#[tokio::test]
async fn a_long_post_is_cut_and_its_whole_text_stands_beside() {
    let api = super::Api::start_with(TwitterSettings { payloads: Payloads::AccountActivity, ..TwitterSettings::default() }).await;
    let (receiver, _) = receiver_of(&api.twitter).await;
    api.twitter.register_webhook(&receiver.url).await.expect("the receiver proves itself");
    let long = format!("@TelefoniaSole {}", "è lunga ".repeat(60));
    let id = api.twitter.post(&api.twitter.person("Ada"), &long);
    deliver(&api.twitter).await;
    let row = receiver.documents()[0]["tweet_create_events"][0].clone();
    assert_eq!((&row["truncated"], &row["extended_tweet"]["full_text"]), (&json!(true), &json!(long)));
    assert_eq!(row["text"].as_str().map(|text| text.chars().count()), Some(140));
    let shown = api.read(&format!("/2/tweets/{id}"), &[("tweet.fields", "note_tweet")]).await["data"].clone();
    assert_eq!((&shown["note_tweet"]["text"], shown["text"].as_str().map(|text| text.chars().count())), (&json!(long), Some(280)));
}
