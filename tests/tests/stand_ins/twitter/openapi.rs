//! Whether the stand-in answers and tells as the platform's own description has it, and whether the connector asks so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp as Moment;
use serde_json::{Value, json};
use sportello_core::domain::access::Role;
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::time::Timestamp;
use sportello_server::access::create_token;
use sportello_server::clock::{Clock, SetClock};
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::http_client::{Answer, HttpClient, with_query};
use sportello_tests::stand_ins::twitter::{Endpoint, Payloads, Twitter, TwitterSettings};
use sportello_tests::stand_ins::{DeliveryPlan, Fault};
use sportello_views::Direction;

use super::description::Description;
use super::tap::{Exchange, Tap};
use super::webhooks::registered;

const POST_FIELDS: &str = "author_id,created_at,conversation_id,in_reply_to_user_id,referenced_tweets,entities,display_text_range,lang,\
                           possibly_sensitive,reply_settings,paid_partnership,public_metrics,edit_controls,note_tweet";
const USER_FIELDS: &str =
    "created_at,description,profile_image_url,protected,public_metrics,verified,verified_type,is_identity_verified,url";
const EXPANSIONS: &str = "author_id,referenced_tweets.id,entities.mentions.username,edit_history_tweet_ids";
const EVERYTHING: [(&str, &str); 3] = [("tweet.fields", POST_FIELDS), ("expansions", EXPANSIONS), ("user.fields", USER_FIELDS)];

/// Somebody who calls through the tap.
struct Caller {
    twitter: Twitter,
    tap: Tap,
}

impl Caller {
    async fn start() -> Self {
        let twitter = Twitter::start().await.expect("a loopback port");
        let tap = Tap::before(twitter.api_url()).await;
        Self { twitter, tap }
    }

    async fn call(&self, method: Method, path: &str, query: &[(&str, &str)], body: Option<Value>) -> Answer {
        let bearer = format!("Bearer {}", self.twitter.access_token());
        let url = with_query(&format!("{}{path}", self.tap.url), query);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        HttpClient::default().send(method, &url, &headers, body).await.expect("an answer")
    }

    async fn status(&self, path: &str, query: &[(&str, &str)]) -> u16 {
        self.call(Method::GET, path, query, None).await.status
    }

    async fn post(&self, body: Value) -> u16 {
        self.call(Method::POST, "/2/tweets", &[], Some(body)).await.status
    }
}

fn none(faults: impl IntoIterator<Item = String>) {
    let faults: BTreeSet<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "not as the platform describes it:\n{}", faults.into_iter().collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn every_answer_is_as_the_platform_describes_it() {
    let Some(description) = Description::load() else { return };
    let caller = Caller::start().await;
    let twitter = &caller.twitter;
    let ada = twitter.person("Ada");
    let own = twitter.post(&twitter.company(), "Notizie");
    let reply = twitter.reply(&ada, &own, "Aiuto");
    let quote = twitter.quote(&ada, &own, &format!("@{} sentite {}", twitter.settings().handle, "molto ".repeat(60)));
    twitter.repost(&ada, &own);
    twitter.edit(&own, "Notizie!");
    let bob = twitter.person("Bob");
    let hidden = twitter.post(&bob, &format!("@{} ehi", twitter.settings().handle));
    twitter.hide(&bob, true);
    let (mentions, timeline) = (format!("/2/users/{}/mentions", twitter.user_id()), format!("/2/users/{}/tweets", twitter.user_id()));
    let ids = format!("{own},{reply},{quote},{hidden},999");
    let with_ids: Vec<(&str, &str)> = EVERYTHING.into_iter().chain([("ids", ids.as_str())]).collect();
    let one = format!("/2/tweets/{reply}");
    for are_there in [false, true] {
        twitter.partial_errors(are_there);
        for (path, query) in [
            ("/2/users/me", vec![]),
            ("/2/users/me", vec![("user.fields", USER_FIELDS)]),
            (&mentions, EVERYTHING.to_vec()),
            (&mentions, vec![]),
            (&timeline, EVERYTHING.to_vec()),
            ("/2/tweets", with_ids.clone()),
            (&one, EVERYTHING.to_vec()),
            ("/2/tweets/999", vec![]),
            ("/2/users/999/mentions", vec![]),
        ] {
            assert_eq!(caller.status(path, &query).await, 200, "{path}");
        }
    }
    for number in 0..12 {
        twitter.post(&ada, &format!("@{} {number}", twitter.settings().handle));
    }
    let page = caller.call(Method::GET, &mentions, &[("max_results", "5")], None).await.json().expect("JSON");
    let next = page["meta"]["next_token"].as_str().expect("a page follows");
    assert_eq!(caller.status(&mentions, &[("max_results", "5"), ("pagination_token", next)]).await, 200);
    assert_eq!(caller.post(json!({"text": "Eccoci", "reply": {"in_reply_to_tweet_id": reply}})).await, 201);
    assert_eq!(caller.post(json!({"text": "Buongiorno"})).await, 201);
    // What is refused.
    assert_eq!(caller.status(&mentions, &[("max_results", "4")]).await, 400);
    assert_eq!(caller.post(json!({"text": 7})).await, 400);
    assert_eq!(caller.post(json!({"text": "Buongiorno"})).await, 403);
    twitter.limit_rate(Endpoint::Me, Duration::from_secs(60));
    assert_eq!(caller.status("/2/users/me", &[]).await, 429);
    twitter.expire_token();
    assert_eq!(caller.status(&mentions, &[]).await, 401);
    let noted = caller.tap.noted();
    assert_eq!(noted.len(), 27);
    none(noted.iter().flat_map(|exchange| description.faults_of_answer(exchange)));
}

#[tokio::test]
async fn every_delivery_of_the_newer_shape_is_as_the_platform_describes_it() {
    let Some(description) = Description::load() else { return };
    let (twitter, receiver) = registered(Payloads::Activity).await;
    let (ada, company) = (twitter.person("Ada"), twitter.company());
    let own = twitter.post(&company, "Notizie");
    let mention = twitter.post(&ada, &format!("@{} {}", twitter.settings().handle, "aiuto ".repeat(60)));
    twitter.edit(&mention, &format!("@{} aiuto", twitter.settings().handle));
    for _ in 0..4 {
        twitter.reply(&ada, &own, "Perché?");
        twitter.quote(&ada, &own, "Sentite");
        twitter.repost(&ada, &own);
    }
    twitter.like(&ada, &own);
    twitter.follow(&ada);
    twitter.direct_message(&ada, &company, "Ciao");
    twitter.direct_message(&company, &ada, "Salve");
    twitter.remove(&mention);
    twitter.deliver(&DeliveryPlan::default()).await.expect("a webhook");
    let bodies: Vec<Value> = receiver.documents();
    let kinds: BTreeSet<&str> = bodies.iter().filter_map(|body| body["data"]["event_type"].as_str()).collect();
    assert_eq!(kinds.len(), 10, "{kinds:?}");
    none(bodies.iter().flat_map(|body| description.faults_of_delivery(body)));
    let mut strange = bodies[0].clone();
    strange["data"]["payload"]["mood"] = json!(1);
    assert_eq!(description.faults_of_delivery(&strange).len(), 1, "the comparison itself finds something");
}

#[tokio::test]
async fn the_comparison_finds_what_is_wrong() {
    let Some(description) = Description::load() else { return };
    let right = Exchange {
        method: "GET".to_owned(),
        path: "/2/tweets".to_owned(),
        query: vec![("ids".to_owned(), "1,2".to_owned()), ("tweet.fields".to_owned(), "author_id,lang".to_owned())],
        body: None,
        status: 200,
        content_type: "application/json; charset=utf-8".to_owned(),
        answer: json!({"data": [{"id": "1", "text": "Ciao", "edit_history_tweet_ids": ["1"]}]}),
    };
    let refused = Exchange {
        status: 403,
        content_type: "application/problem+json".to_owned(),
        answer: json!({"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "Forbidden"}),
        ..right.clone()
    };
    for exchange in [&right, &refused] {
        none([description.faults_of_request(exchange), description.faults_of_answer(exchange)].concat());
    }
    for (answer, why) in [
        (json!({"data": [{"id": "1", "mood": 1}]}), "an invented field"),
        (json!({"data": [{"id": 1}]}), "a wrong type"),
        (json!({"data": [{"created_at": "yesterday"}]}), "a time that is none"),
        (json!({"data": [{"public_metrics": {"like_count": 1}}]}), "required fields that are missing"),
        (json!({"data": [{"referenced_tweets": [{"type": "liked", "id": "1"}]}]}), "a word that is none of those listed"),
        (json!({"errors": [{"title": "Not Found Error"}]}), "an error without its kind"),
    ] {
        assert!(!description.faults_of_answer(&Exchange { answer, ..right.clone() }).is_empty(), "{why}");
    }
    let answer = json!({"type": "about:blank", "title": "Forbidden", "status": "403", "detail": "Forbidden"});
    assert!(!description.faults_of_answer(&Exchange { answer, ..refused }).is_empty(), "a wrong type in a refusal");
    let asking = |query: &[(&str, &str)]| Exchange {
        query: query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..right.clone()
    };
    for (query, why) in [
        (vec![], "a parameter that is missing"),
        (vec![("ids", "1"), ("mood", "good")], "a parameter that is not declared"),
        (vec![("ids", "1"), ("ids", "2")], "a parameter that comes twice"),
        (vec![("ids", "1,x")], "an id that is none"),
        (vec![("ids", "1"), ("tweet.fields", "mood")], "a field that is none"),
        (vec![("ids", "1"), ("tweet.fields", "lang,lang")], "a field twice"),
    ] {
        assert_eq!(description.faults_of_request(&asking(&query)).len(), 1, "{why}");
    }
    let posting = |body: Value| Exchange { method: "POST".to_owned(), query: Vec::new(), body: Some(body), ..right.clone() };
    none(description.faults_of_request(&posting(json!({"text": "Ciao", "reply": {"in_reply_to_tweet_id": "1"}}))));
    for (body, why) in [
        (json!({"text": 7}), "a text that is none"),
        (json!({"text": "Ciao", "mood": "good"}), "a field that is not declared"),
        (json!({"text": "Ciao", "reply": {}}), "a reply to nothing"),
    ] {
        assert_eq!(description.faults_of_request(&posting(body)).len(), 1, "{why}");
    }
    for (method, path) in [("DELETE", "/2/tweets"), ("GET", "/2/moods")] {
        let exchange = Exchange { method: method.to_owned(), path: path.to_owned(), ..right.clone() };
        assert_eq!(description.faults_of_request(&exchange).len(), 1, "{method} {path}");
    }
}

/// Everything the connector asks X for: mentions, threads, replies and posts, looks for what may have been lost, looks whether posts are still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_of_the_connector_is_as_the_platform_describes_it() {
    let Some(description) = Description::load() else { return };
    let now = Moment::from_second(Moment::now().as_second()).expect("now is a time");
    let clock = Arc::new(SetClock::at(Timestamp(now.as_millisecond())));
    let twitter = Twitter::start_with(TwitterSettings { now, payloads: Payloads::AccountActivity, ..TwitterSettings::default() })
        .await
        .expect("a loopback port");
    let tap = Tap::before(twitter.api_url()).await;
    let plan = HostPlan::default()
        .workflow("answer", "name: answer\non: case.opened\nsteps:\n  - reply: \"Ci stiamo lavorando: https://example.org/a?b=1&c=2\"\n")
        .twitter_at(&tap.url, &twitter, "poll-seconds = 60\npolicy.recheck-hours = 1");
    let folder = tempfile::tempdir().expect("a folder");
    let running = RunningHost::start_at(folder.path(), &plan, Arc::clone(&clock) as Arc<dyn Clock>).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.expect("the host proves itself");
    let advance = |time: Duration| {
        twitter.advance(time);
        clock.advance_ms(u64::try_from(time.as_millis()).expect("a short while"));
    };
    // The answer to the first reply is lost, so that it is looked for.
    twitter.faults().arm(Fault::RefuseAfterEffect { status: 503 }, &["POST /2/tweets"], 1);
    let handle = &twitter.settings().handle;
    let own = twitter.post(&twitter.company(), "Notizie");
    twitter.post(&twitter.person("Ada"), &format!("@{handle} aiuto"));
    twitter.reply(&twitter.person("Bob"), &own, "Perché?");
    twitter.deliver(&DeliveryPlan::default()).await.expect("it is registered");
    // What is not shown has its place on a page, so that there is another.
    let hidden = twitter.person("Eva");
    for number in 0..100 {
        twitter.post(&hidden, &format!("@{handle} {number}"));
    }
    twitter.hide(&hidden, true);
    let token = create_token(&running.desk().tenant, "test", "anna", Role::Agent).await.expect("a token");
    let headers = [("authorization", &*format!("Bearer {}", token.secret)), ("idempotency-key", "post")];
    let posts = running.url("/api/v1/demo/channels/twitter/posts");
    assert_eq!(HttpClient::default().post_json(&posts, &headers, &json!({"text": "Buongiorno"})).await.expect("an answer").status, 201);
    let asked = |what: &str, query: &[&str]| {
        let has = |exchange: &Exchange, name: &str| exchange.query.iter().any(|(asked, _)| asked == name);
        tap.noted().iter().any(|exchange| {
            format!("{} {}", exchange.method, exchange.path).ends_with(what) && query.iter().all(|name| has(exchange, name))
        })
    };
    let done = || {
        let effects = running.desk().tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).expect("the views can be read");
        effects.iter().filter(|(_, effect)| effect.state == EffectState::Done).count()
    };
    let is_done = || {
        asked("/mentions", &["expansions", "pagination_token"])
            && asked("GET /2/tweets", &["ids", "tweet.fields"])
            && tap.noted().iter().any(|exchange| exchange.path == "/2/tweets" && exchange.query.len() == 1)
            && asked(&format!("/{}/tweets", twitter.user_id()), &["start_time"])
            && asked("/2/oauth2/token", &[])
            && done() > 2
    };
    for step in 0.. {
        if is_done() {
            break;
        }
        assert!(
            step < 400,
            "not everything was asked for: {:#?}",
            tap.noted().iter().map(|it| (&it.method, &it.path, &it.query)).collect::<Vec<_>>()
        );
        advance(Duration::from_secs(2 * 60));
        running.works(Duration::from_millis(25)).await;
    }
    running.stop().await;
    let noted = tap.noted();
    none(noted.iter().flat_map(|exchange| description.faults_of_request(exchange)));
    // The armed fault's answer is not the platform's.
    none(noted.iter().filter(|exchange| exchange.status != 503).flat_map(|exchange| description.faults_of_answer(exchange)));
}
