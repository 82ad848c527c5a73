//! Facebook's stand-in: webhooks, the Graph API, and the faults every stand-in shares.

#[path = "facebook/access.rs"]
mod access;
#[path = "facebook/lists.rs"]
mod lists;
#[path = "facebook/updates.rs"]
mod updates;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use sportello_tests::http_client::{Answer, HttpClient};
use sportello_tests::stand_ins::facebook::{Facebook, FacebookSettings, Forgery, PAUSE_MAX, Permission, RateLimit};
use sportello_tests::stand_ins::{DeliveryPlan, Fault, Faults};

use crate::receiver::{Proof, Receiver, is_signed};

struct FacebookProof {
    secret: String,
    verify_token: String,
}

impl Proof for FacebookProof {
    fn answer(&self, query: &BTreeMap<String, String>) -> Option<String> {
        let is_right =
            query.get("hub.mode").is_some_and(|mode| mode == "subscribe") && query.get("hub.verify_token") == Some(&self.verify_token);
        is_right.then(|| query.get("hub.challenge").cloned()).flatten()
    }

    fn is_genuine(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        is_signed(headers, ("x-hub-signature-256", "sha256="), |text| hex::decode(text).ok(), &self.secret, body)
    }
}

async fn receiver_of(facebook: &Facebook) -> Receiver {
    Receiver::start(FacebookProof { secret: facebook.app_secret().to_owned(), verify_token: facebook.verify_token().to_owned() }).await
}

async fn subscribed(facebook: &Facebook) -> Receiver {
    let receiver = receiver_of(facebook).await;
    facebook.subscribe(&receiver.url).await.expect("the receiver proves itself");
    receiver
}

/// All changes of all bodies, in the order they came.
fn changes(receiver: &Receiver) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    receiver.documents().iter().flat_map(|document| list(&document["entry"])).flat_map(|entry| list(&entry["changes"])).collect()
}

// --- webhooks -----------------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_webhook_is_verified_before_anything_is_sent() {
    let facebook = Facebook::start().await.expect("a loopback port");
    facebook.post(&facebook.page(), "Buongiorno");
    assert!(facebook.deliver(&DeliveryPlan::default()).await.is_err(), "nobody subscribed");
    let receiver = receiver_of(&facebook).await;
    assert_eq!(facebook.challenge(&receiver.url, "wrong", "7").await.expect("an answer").status, 403);
    let elsewhere = receiver.url.replace("receiver", "nowhere");
    assert_eq!(facebook.subscribe(&elsewhere).await.expect_err("404 proves nothing").status(), Some(404));
    facebook.subscribe(&receiver.url).await.expect("the receiver proves itself");
}

#[tokio::test]
async fn deliveries_are_signed_over_escaped_bytes_and_batched() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    let ada = facebook.person("Ada Lovelace");
    let post = facebook.post(&facebook.page(), "Lavori in corso: https://example.org/più");
    let comments: Vec<String> = (0..2_499).map(|number| facebook.comment(&ada, &post, &format!("È la {number}ª volta 😡"))).collect();
    let report = facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    assert_eq!((report.posted, report.acknowledged), (3, 3), "2,500 updates are three POSTs of at most 1,000");
    for body in receiver.bodies() {
        let text = std::str::from_utf8(&body).expect("text");
        assert!(text.is_ascii(), "everything beyond ASCII is escaped");
        let document: Value = serde_json::from_slice(&body).expect("JSON");
        let entries = document["entry"].as_array().expect("entries");
        assert!(
            entries.len() > 1
                && entries.iter().all(|entry| entry["changes"].as_array().is_some_and(|changes| changes.len() > 1 || entries.len() > 40))
        );
        assert!(
            entries.iter().any(|entry| entry["id"].is_u64()) && entries.iter().any(|entry| entry["id"].is_string()),
            "ids are numbers or strings"
        );
    }
    let first = receiver.bodies()[0].clone();
    let first = std::str::from_utf8(&first).expect("text");
    assert!(
        first.contains(r"\u00c8 la 0\u00aa volta \ud83d\ude21") && first.contains(r"https:\/\/example.org\/pi\u00f9"),
        "escapes are lower case"
    );
    let changes = changes(&receiver);
    assert_eq!(changes.len(), 2_500);
    assert_eq!(
        (&changes[0]["value"]["item"], &changes[0]["value"]["from"]["name"]),
        (&json!("status"), &json!("Telefonia Sole")),
        "own posts echo back"
    );
    assert_eq!(changes[1]["value"]["comment_id"], json!(comments[0]));
    assert_eq!(changes[1]["value"]["parent_id"], changes[1]["value"]["post_id"], "a comment on the post is top level");
    assert!(
        changes.iter().any(|change| change["value"]["from"]["id"].is_u64())
            && changes.iter().any(|change| change["value"]["from"]["id"].is_string())
    );
    assert!(changes[1]["value"]["created_time"].as_i64().is_some_and(|seconds| seconds < 10_000_000_000), "the feed counts seconds");
    let counts = facebook.counts();
    assert_eq!((counts.updates_made, counts.updates_acknowledged, counts.updates_pending), (2_500, 2_500, 0));
}

#[tokio::test]
async fn what_is_not_answered_200_comes_again_ever_more_rarely_for_36_hours() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    facebook.post(&facebook.page(), "Uno");
    receiver.answer_next(&[503, 204]);
    let report = facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    assert_eq!((report.posted, report.acknowledged), (2, 0), "once, and again at once; 204 is not 200");
    assert_eq!(facebook.counts().updates_pending, 1);
    assert_eq!(facebook.deliver_due(1).await.expect("a subscription").posted, 0, "nothing is due before the clock moves");
    facebook.advance(Duration::from_secs(60));
    receiver.answer_next(&[500]);
    assert_eq!(facebook.deliver_due(1).await.expect("a subscription").posted, 1);
    facebook.advance(Duration::from_secs(60));
    assert_eq!(facebook.deliver_due(1).await.expect("a subscription").posted, 0, "the pauses grow");
    facebook.advance(PAUSE_MAX);
    assert_eq!(facebook.deliver_due(1).await.expect("a subscription").acknowledged, 1);
    let counts = facebook.counts();
    assert_eq!((counts.updates_acknowledged, counts.updates_pending, changes(&receiver).len()), (1, 0, 1));

    facebook.post(&facebook.page(), "Due");
    receiver.answer_next(&[500; 50]);
    facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let mut tried = Vec::new();
    for minute in 1..36 * 60_u64 {
        facebook.advance(Duration::from_secs(60));
        tried.extend((facebook.deliver_due(1).await.expect("a subscription").posted == 1).then_some(minute));
        assert_eq!(facebook.counts().updates_pending, 1, "minute {minute}");
    }
    assert!(tried.windows(2).map(|pair| pair[1] - pair[0]).is_sorted(), "{tried:?}");
    facebook.advance(Duration::from_secs(60));
    assert_eq!(facebook.deliver_due(1).await.expect("a subscription").posted, 1, "the last time");
    let counts = facebook.counts();
    assert_eq!((counts.updates_given_up, counts.updates_pending), (1, 0), "after 36 hours the platform gives up, and counts it");
    facebook.advance(PAUSE_MAX);
    assert_eq!(facebook.deliver_due(1).await.expect("a subscription").posted, 0);
}

#[tokio::test]
async fn a_post_that_is_answered_too_late_is_not_acknowledged_and_comes_again_at_once() {
    let settings = FacebookSettings { answer_time_max: Duration::from_millis(300), ..FacebookSettings::default() };
    let facebook = Facebook::start_with(settings).await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    facebook.post(&facebook.page(), "Uno");
    receiver.answer_next_too_late();
    let report = facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    assert_eq!((report.posted, report.unanswered, report.acknowledged), (2, 1, 1));
    let bodies = receiver.bodies();
    assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]), "who is late has it twice");
    // <https://developers.facebook.com/docs/messenger-platform/faq>
    assert_eq!(FacebookSettings::default().answer_time_max, Duration::from_secs(20));
}

#[tokio::test]
async fn duplicates_and_disorder_are_sent_on_demand() {
    let settings = FacebookSettings { seed: 7, ..FacebookSettings::default() };
    let facebook = Facebook::start_with(settings).await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    let post = facebook.post(&facebook.page(), "Notizie");
    let ada = facebook.person("Ada");
    let comments: Vec<String> = (0..30).map(|number| facebook.comment(&ada, &post, &number.to_string())).collect();
    let plan = DeliveryPlan { updates_max: 1, shuffle: true, duplicates_percent: 100, in_flight_max: 4, ..DeliveryPlan::default() };
    let report = facebook.deliver(&plan).await.expect("a subscription");
    assert_eq!(report.acknowledged, 62, "31 updates, each twice");
    let arrived: Vec<Value> =
        changes(&receiver).iter().map(|change| change["value"]["comment_id"].clone()).filter(|id| !id.is_null()).collect();
    assert_eq!(arrived.len(), 60);
    let in_order: Vec<Value> = comments.iter().flat_map(|id| [json!(id), json!(id)]).collect();
    assert_ne!(arrived, in_order, "seed 7");
    assert_eq!(facebook.counts().updates_acknowledged, 31, "an update counts once");
}

/// <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>: ever more rarely, for 36 hours.
#[tokio::test]
async fn what_was_acknowledged_may_come_again_when_others_have_gone_by() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    let (ada, post) = (facebook.person("Ada"), facebook.post(&facebook.page(), "Notizie"));
    (0..29).for_each(|number| drop(facebook.comment(&ada, &post, &number.to_string())));
    let late = DeliveryPlan { updates_max: 1, late_duplicates_percent: 100, ..DeliveryPlan::default() };
    assert_eq!(facebook.deliver(&late).await.expect("a subscription").acknowledged, 30);
    let before = receiver.bodies();
    let mut hours = std::collections::BTreeSet::new();
    for minute in 1..=36 * 60 {
        facebook.advance(Duration::from_secs(60));
        let posted = facebook.deliver_due(1).await.expect("a subscription").acknowledged;
        hours.extend((posted > 0).then_some(minute / 60));
    }
    assert!(hours.first() == Some(&0) && hours.last() > Some(&12), "soon and late: {hours:?}");
    let mut again = receiver.bodies().split_off(before.len());
    let mut before = before;
    before.sort();
    again.sort();
    assert_eq!(again, before, "each once more, with the same bytes");
}

#[tokio::test]
async fn updates_come_in_every_awkward_shape() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    let ada = facebook.person("Ada");
    let post = facebook.post(&ada, "Perché non va?");
    let comment = facebook.comment(&ada, &post, "Aiuto");
    let answer = facebook.comment(&facebook.page(), &comment, "Ci siamo");
    let below = facebook.comment(&ada, &answer, "Grazie");
    facebook.edit(&comment, "Aiuto!");
    facebook.react(&ada, &comment, "angry");
    facebook.remove(&below);
    facebook.mention(&ada, "Che dice Telefonia Sole?");
    facebook.unknown_field();
    facebook.direct_message(&ada, "In privato");
    facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let changes = changes(&receiver);
    let kinds: Vec<(&str, &str, &str)> = changes
        .iter()
        .map(|change| {
            let text = |name: &str| change["value"][name].as_str().unwrap_or_default();
            (change["field"].as_str().unwrap_or_default(), text("item"), text("verb"))
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("feed", "post", "add"),
            ("feed", "comment", "add"),
            ("feed", "comment", "add"),
            ("feed", "comment", "add"),
            ("feed", "comment", "edited"),
            ("feed", "reaction", "add"),
            ("feed", "comment", "remove"),
            ("mention", "post", "add"),
            ("mystery_field_2027", "", "shimmer"),
        ]
    );
    assert_eq!(changes[2]["value"]["parent_id"], json!(comment), "an answer to a comment names it as its parent");
    assert_eq!(changes[3]["value"]["parent_id"], json!(comment), "an answer to an answer hangs below the same comment");
    assert_eq!(changes[4]["value"]["message"], "Aiuto!");
    assert_eq!(changes[6]["value"].get("message"), None, "a removal has no message");
    assert_eq!(changes[7]["value"].get("from"), None, "a mention may come without its author");
    let body: Value = serde_json::from_slice(&receiver.bodies()[0]).expect("JSON");
    let private = body["entry"].as_array().expect("entries").iter().find_map(|entry| entry.get("messaging")).expect("a direct message");
    assert!(private[0]["timestamp"].as_i64().is_some_and(|time| time > 1_000_000_000_000), "direct messages count milliseconds");
    assert_eq!(facebook.message_of(&below), None);
}

#[tokio::test]
async fn forgeries_are_refused_by_a_careful_receiver() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    for forgery in Forgery::ALL {
        assert_eq!(facebook.forge(forgery).await.expect("an answer").status, 401, "{forgery:?}");
    }
    assert_eq!((facebook.counts().forgeries, facebook.counts().posts.posted, receiver.bodies().len()), (6, 0, 0));
}

#[tokio::test]
async fn a_deletion_of_data_is_asked_for_with_a_signed_request() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let secret = facebook.app_secret().to_owned();
    let answer = move |body: String| async move {
        let signed = body.strip_prefix("signed_request=").expect("a form").to_owned();
        let (tag, payload) = signed.split_once('.').expect("two parts");
        let decode = |text: &str| base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).expect("base64");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        ring::hmac::verify(&key, payload.as_bytes(), &decode(tag)).expect("signed over the encoded text");
        let request: Value = serde_json::from_slice(&decode(payload)).expect("JSON");
        axum::Json(
            json!({"url": format!("https://example.org/{}", request["user_id"].as_str().expect("an id")), "confirmation_code": "c1"}),
        )
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", axum::routing::post(answer))).await });
    let ada = facebook.person("Ada");
    let reply = facebook.request_data_deletion(&url, &ada).await.expect("a proof");
    assert_eq!(reply["url"], json!(format!("https://example.org/{}", ada.id_in_the_app)), "by the id the app knows her by");
    assert_ne!(ada.id, ada.id_in_the_app);
}

// --- Graph API ----------------------------------------------------------------------------------------------------------------------------

struct Graph {
    facebook: Facebook,
    http: HttpClient,
}

impl Graph {
    async fn start() -> (Self, String) {
        Self::start_with(FacebookSettings::default()).await
    }

    async fn start_with(settings: FacebookSettings) -> (Self, String) {
        let facebook = Facebook::start_with(settings).await.expect("a loopback port");
        let post = facebook.post(&facebook.page(), "Notizie");
        (Self { facebook, http: HttpClient::default() }, post)
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Answer {
        let token = self.facebook.access_token();
        let all: Vec<(&str, &str)> = query.iter().copied().chain([("access_token", token.as_str())]).collect();
        self.http.get(&format!("{}{path}", self.facebook.graph_url()), &all).await.expect("an answer")
    }

    async fn reply(&self, target: &str, message: &str) -> Answer {
        let token = self.facebook.access_token();
        let url = format!("{}/v21.0/{target}/comments", self.facebook.graph_url());
        self.http.post_form(&url, &[("message", message), ("access_token", &token)]).await.expect("an answer")
    }

    async fn publish(&self, fields: &[(&str, &str)]) -> Answer {
        let token = self.facebook.access_token();
        let url = format!("{}/v21.0/{}/feed", self.facebook.graph_url(), self.facebook.page_id());
        let all: Vec<(&str, &str)> = fields.iter().copied().chain([("access_token", token.as_str())]).collect();
        self.http.post_form(&url, &all).await.expect("an answer")
    }
}

fn code_of(answer: &Answer) -> (u16, u64, Option<u64>) {
    let error = &answer.json().expect("JSON")["error"];
    assert!(error["fbtrace_id"].is_string() && error["message"].is_string() && error["type"].is_string(), "{error}");
    (answer.status, error["code"].as_u64().expect("a code"), error["error_subcode"].as_u64())
}

#[tokio::test]
async fn a_reply_is_counted_each_time_and_echoes_back() {
    let (graph, post) = Graph::start().await;
    let receiver = subscribed(&graph.facebook).await;
    let ada = graph.facebook.person("Ada");
    let comment = graph.facebook.comment(&ada, &post, "Aiuto");
    let first = graph.reply(&comment, "Ci siamo: è un guasto").await;
    assert_eq!(first.status, 200);
    let id = first.json().expect("JSON")["id"].as_str().expect("an id").to_owned();
    assert_eq!(graph.facebook.replies_to(&comment).len(), 1);
    assert!(graph.facebook.doubled_replies().is_empty());
    let bearer = format!("Bearer {}", graph.facebook.access_token());
    let url = format!("{}/v21.0/{comment}/comments", graph.facebook.graph_url());
    let second =
        graph.http.post_json(&url, &[("authorization", &bearer)], &json!({"message": "Ci siamo: è un guasto"})).await.expect("an answer");
    assert_eq!(second.status, 200, "the platform takes the same words twice");
    assert_ne!(second.json().expect("JSON")["id"], json!(id));
    assert_eq!(graph.facebook.doubled_replies().len(), 1, "and the books show it");
    graph.facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let echo = changes(&receiver).into_iter().find(|change| change["value"]["comment_id"] == json!(id)).expect("the reply's echo");
    assert_eq!(echo["value"]["from"]["name"], "Telefonia Sole");
}

#[tokio::test]
async fn a_post_is_published_listed_and_echoed_and_refused_right_after_itself() {
    let (graph, older) = Graph::start().await;
    let receiver = subscribed(&graph.facebook).await;
    let made = graph.publish(&[("message", "Dalle 8 (lunedì) 🙏\n")]).await;
    assert_eq!(made.status, 200);
    let id = made.json().expect("JSON")["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with(&format!("{}_", graph.facebook.page_id())), "{id}");
    assert_eq!(code_of(&graph.publish(&[("message", "Dalle 8 (lunedì) 🙏")]).await), (400, 506, None));
    let other = graph.publish(&[("message", "Altro")]).await.json().expect("JSON")["id"].clone();
    let twin = graph.publish(&[("message", "Dalle 8 (lunedì) 🙏")]).await;
    assert_eq!(twin.status, 200, "with another between them the same words are taken twice");
    let texts: Vec<String> = graph.facebook.posts_by_api().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["Dalle 8 (lunedì) 🙏", "Altro", "Dalle 8 (lunedì) 🙏"], "and the books show it");

    graph.facebook.post(&graph.facebook.person("Ada"), "Un saluto");
    let path = format!("/v21.0/{}/published_posts", graph.facebook.page_id());
    let first = graph.get(&path, &[("limit", "2"), ("fields", "id,message,created_time")]).await.json().expect("JSON");
    let ids = |page: &Value| -> Vec<Value> { page["data"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect() };
    assert_eq!(ids(&first), [twin.json().expect("JSON")["id"].clone(), other]);
    let next = graph.http.get(first["paging"]["next"].as_str().expect("there is more"), &[]).await.expect("an answer");
    assert_eq!(ids(&next.json().expect("JSON")), [json!(id), json!(older)], "newest first, the page's own alone");

    graph.facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let echo = changes(&receiver).into_iter().find(|change| change["value"]["post_id"] == json!(id)).expect("the post's echo");
    assert_eq!((&echo["value"]["item"], &echo["value"]["from"]["name"]), (&json!("status"), &json!("Telefonia Sole")));
}

#[tokio::test]
async fn who_is_not_allowed_to_post_or_to_read_is_refused() {
    let permissions = vec![Permission::ReadEngagement];
    let (graph, post) = Graph::start_with(FacebookSettings { permissions, ..FacebookSettings::default() }).await;
    let path = format!("/v21.0/{}/published_posts", graph.facebook.page_id());
    assert_eq!(code_of(&graph.publish(&[("message", "x")]).await), (403, 200, None));
    assert_eq!(code_of(&graph.reply(&post, "x").await), (403, 200, None));
    assert_eq!(graph.get(&path, &[]).await.status, 200);
    let permissions = vec![Permission::ManagePosts, Permission::ManageEngagement];
    let (graph, post) = Graph::start_with(FacebookSettings { permissions, ..FacebookSettings::default() }).await;
    assert_eq!(code_of(&graph.publish(&[("message", "x")]).await), (403, 200, None), "posting needs reading, too");
    assert_eq!(code_of(&graph.get(&path, &[]).await), (403, 10, None));
    assert_eq!(graph.reply(&post, "x").await.status, 200);
    assert!(graph.facebook.posts_by_api().is_empty());
}

#[tokio::test]
async fn a_post_without_words_or_with_what_is_not_modelled_is_refused() {
    let (graph, _) = Graph::start().await;
    for fields in [&[][..], &[("message", " \n")], &[("message", "x"), ("published", "false")]] {
        assert_eq!(code_of(&graph.publish(fields).await), (400, 100, None), "{fields:?}");
    }
    graph.facebook.expire_token();
    assert_eq!(code_of(&graph.publish(&[("message", "x")]).await), (400, 190, Some(463)));
    assert!(graph.facebook.posts_by_api().is_empty(), "nothing refused was done");
}

#[tokio::test]
async fn comments_are_listed_in_pages_by_cursor() {
    let (graph, post) = Graph::start().await;
    let ada = graph.facebook.person("Ada");
    let comments: Vec<String> = (0..7).map(|number| graph.facebook.comment(&ada, &post, &number.to_string())).collect();
    let below = graph.facebook.comment(&ada, &comments[0], "below");
    let mut page = graph
        .get(&format!("/v21.0/{post}/comments"), &[("limit", "3"), ("fields", "id,message,from{id,name}")])
        .await
        .json()
        .expect("JSON");
    let mut seen = Vec::new();
    loop {
        seen.extend(page["data"].as_array().expect("rows").iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        assert!(page["paging"]["cursors"]["after"].is_string());
        let Some(next) = page["paging"]["next"].as_str() else { break };
        page = graph.http.get(next, &[]).await.expect("an answer").json().expect("JSON");
    }
    assert_eq!(seen, comments, "top level only, oldest first, nothing twice");
    let answers = graph.get(&format!("/v21.0/{}/comments", comments[0]), &[]).await.json().expect("JSON");
    assert_eq!((answers["data"][0]["id"].clone(), answers["data"][0]["from"]["name"].clone()), (json!(below), json!("Ada")));
    let none = graph.get(&format!("/v21.0/{below}/comments"), &[]).await.json().expect("JSON");
    assert_eq!(none, json!({"data": []}), "an empty list has no paging");
    let newest =
        graph.get(&format!("/v21.0/{post}/comments"), &[("limit", "1"), ("order", "reverse_chronological")]).await.json().expect("JSON");
    assert_eq!(newest["data"][0]["id"], json!(comments[6]));
    let all = graph.get(&format!("/v21.0/{post}/comments"), &[("filter", "stream")]).await.json().expect("JSON");
    assert_eq!(all["data"].as_array().map(Vec::len), Some(8));
    let one = graph.get(&format!("/v21.0/{below}"), &[("fields", "message,parent")]).await.json().expect("JSON");
    assert_eq!(one, json!({"message": "below", "parent": {"id": comments[0]}, "id": below}));
}

#[tokio::test]
async fn calls_that_the_platform_refuses_are_refused() {
    let (graph, post) = Graph::start().await;
    let url = graph.facebook.graph_url();
    let without = graph.http.post_form(&format!("{url}/v21.0/{post}/comments"), &[("message", "x")]).await.expect("an answer");
    assert_eq!(code_of(&without), (400, 104, None));
    let wrong = graph
        .http
        .post_form(&format!("{url}/v21.0/{post}/comments"), &[("message", "x"), ("access_token", "no")])
        .await
        .expect("an answer");
    assert_eq!(code_of(&wrong), (400, 190, None));
    assert!(wrong.header("www-authenticate").contains("invalid_token"));
    assert_eq!(code_of(&graph.reply("104857600000001_999", "x").await), (400, 100, Some(33)));
    assert_eq!(code_of(&graph.get("/v21.0/999", &[]).await), (400, 100, Some(33)));
    assert_eq!(code_of(&graph.reply(&post, "  ").await), (400, 100, None));
    assert_eq!(code_of(&graph.get(&format!("/v21.0/{post}"), &[("fields", "mood")]).await), (400, 100, None));
    assert_eq!(code_of(&graph.get(&format!("/{post}/comments"), &[]).await), (400, 2500, None), "the version is missing");
    assert_eq!(code_of(&graph.get(&format!("/v21.0/{post}/comments"), &[("after", "nonsense")]).await), (400, 100, None));
    let comment = graph.facebook.comment(&graph.facebook.person("Ada"), &post, "Aiuto");
    graph.facebook.remove(&comment);
    assert_eq!(code_of(&graph.reply(&comment, "x").await), (400, 100, Some(33)), "what was removed can't be answered");
    assert!(graph.facebook.replies().is_empty(), "nothing refused was done");
}

#[tokio::test]
async fn a_token_that_expired_or_was_renewed_is_named_by_its_subcode() {
    let (graph, post) = Graph::start().await;
    let old = graph.facebook.access_token();
    graph.facebook.expire_token();
    assert_eq!(code_of(&graph.reply(&post, "x").await), (400, 190, Some(463)));
    graph.facebook.renew_token();
    assert_eq!(graph.reply(&post, "x").await.status, 200);
    let url = format!("{}/v21.0/{post}/comments", graph.facebook.graph_url());
    let retired = graph.http.post_form(&url, &[("message", "x"), ("access_token", &old)]).await.expect("an answer");
    assert_eq!(code_of(&retired), (400, 190, Some(460)));
}

/// What a header says of the page's share in percent, and the minutes until calls are taken again; and the app's share.
fn usage(graph: &Graph, answer: &Answer) -> (u64, i64, u64) {
    let header = |name: &str| serde_json::from_str::<Value>(answer.header(name)).expect("JSON in the header");
    let page = header("x-business-use-case-usage")[graph.facebook.page_id()][0].clone();
    let share = |of: &Value| of["call_count"].as_u64().expect("a share");
    (share(&page), page["estimated_time_to_regain_access"].as_i64().expect("minutes"), share(&header("x-app-usage")))
}

#[tokio::test]
async fn a_rate_limited_hour_is_http_400_and_a_page_is_told_when_it_ends() {
    let (graph, post) = Graph::start().await;
    for (limit, code, is_told) in [
        (RateLimit::Page, 32, (100, 60, 3)),
        (RateLimit::BusinessUseCase, 80001, (100, 60, 3)),
        (RateLimit::App, 4, (0, 0, 100)),
        (RateLimit::User, 17, (0, 0, 3)),
        (RateLimit::Custom, 613, (0, 0, 3)),
    ] {
        graph.facebook.limit_rate(limit, Duration::from_secs(3_600));
        let refused = graph.reply(&post, "x").await;
        assert_eq!((code_of(&refused), usage(&graph, &refused)), ((400, code, None), is_told));
        graph.facebook.advance(Duration::from_secs(1_801));
        let wait = if is_told.1 > 0 { 30 } else { 0 };
        assert_eq!(usage(&graph, &graph.reply(&post, "x").await).1, wait, "minutes, rounded up");
        graph.facebook.advance(Duration::from_secs(1_799));
        let taken = graph.reply(&post, &format!("after {code}")).await;
        assert_eq!((taken.status, usage(&graph, &taken)), (200, (0, 0, 3)), "the limit ends with the platform's clock");
    }
    assert_eq!((graph.facebook.replies().len(), graph.facebook.calls_over_limit()), (5, 10));
}

#[tokio::test]
async fn a_share_is_told_of_a_day_that_slides_and_what_is_refused_counts() {
    let (graph, post) = Graph::start_with(FacebookSettings { calls_max: 8, ..FacebookSettings::default() }).await;
    let hour = Duration::from_secs(3_600);
    graph.facebook.others_called(4, 23 * hour);
    let mut told = Vec::new();
    for number in 0..4 {
        told.push(usage(&graph, &graph.reply(&post, &number.to_string()).await));
        graph.facebook.advance(Duration::from_secs(60));
    }
    assert_eq!(told, [(62, 0, 3), (75, 0, 3), (87, 0, 3), (100, 57, 3)], "rounded down, and told with the call that uses it up");
    assert_eq!(graph.facebook.calls_over_limit(), 0);
    let refused = graph.reply(&post, "over").await;
    assert_eq!((code_of(&refused), usage(&graph, &refused)), ((400, 80001, None), (112, 56, 3)));
    graph.facebook.advance(hour - Duration::from_secs(4 * 60));
    let taken = graph.reply(&post, "again").await;
    assert_eq!((taken.status, usage(&graph, &taken)), (200, (75, 0, 3)), "the others' are a day old, ours are not");
    assert_eq!((graph.facebook.replies().len(), graph.facebook.calls_over_limit()), (5, 1));
}

// --- faults -------------------------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn faults_strike_before_or_after_the_effect_and_only_where_armed() {
    let (graph, post) = Graph::start().await;
    let faults: &Faults = graph.facebook.faults();
    let replies = |text: &str| graph.facebook.replies().iter().filter(|reply| reply.text == text).count();

    faults.arm(Fault::Refuse { status: 503, retry_after_s: Some(7) }, &["POST ", "message=one"], 1);
    assert_eq!(graph.get(&format!("/v21.0/{post}"), &[]).await.status, 200, "other calls are served");
    let refused = graph.reply(&post, "one").await;
    assert_eq!((refused.status, refused.header("retry-after"), replies("one")), (503, "7", 0));
    assert_eq!((graph.reply(&post, "one").await.status, replies("one")), (200, 1), "it strikes once");

    faults.arm(Fault::RefuseAfterEffect { status: 502 }, &["message=two"], 1);
    assert_eq!((graph.reply(&post, "two").await.status, replies("two")), (502, 1), "the answer is lost, the effect is not");

    let post_form = async |text: &str| {
        let url = format!("{}/v21.0/{post}/comments", graph.facebook.graph_url());
        graph.http.post_form(&url, &[("message", text), ("access_token", &graph.facebook.access_token())]).await
    };
    for (fault, text, done) in [(Fault::NoAnswer, "neither", 0), (Fault::NoAnswerAfterEffect, "both", 1)] {
        faults.arm(fault, &[text], 1);
        let nothing = post_form(text).await;
        assert!(nothing.is_err(), "no answer comes: {nothing:?}");
        assert_eq!(replies(text), done, "{fault:?}");
    }

    faults.arm(Fault::BrokenBody, &["message=three"], 1);
    let broken = post_form("three").await;
    assert!(broken.is_err(), "the connection breaks: {broken:?}");
    assert_eq!(replies("three"), 1);

    let handle = faults.arm(Fault::HoldInVain, &["message=none"], 1);
    let lets_go = async {
        handle.struck(1).await;
        handle.release();
    };
    let (nothing, ()) = tokio::join!(post_form("none"), lets_go);
    assert!(nothing.is_err(), "no answer comes: {nothing:?}");
    assert_eq!((replies("none"), handle.count()), (0, 1));

    for (fault, text, done_while_held) in [(Fault::HoldBefore, "four", 0), (Fault::HoldAfter, "five", 1), (Fault::SlowBody, "six", 1)] {
        let handle = faults.arm(fault, &["POST ", text], 1);
        let watch = async {
            handle.struck(1).await;
            if done_while_held == 1 {
                while replies(text) == 0 {
                    tokio::task::yield_now().await;
                }
            }
            assert_eq!(replies(text), done_while_held, "{fault:?} while held");
            handle.release();
        };
        let (answer, ()) = tokio::join!(graph.reply(&post, text), watch);
        assert_eq!((answer.status, replies(text), handle.count()), (200, 1, 1), "{fault:?} after release");
    }
}

#[tokio::test]
async fn a_client_that_gives_up_leaves_the_effect_done() {
    let (graph, post) = Graph::start().await;
    let handle = graph.facebook.faults().arm(Fault::HoldAfter, &["message=late"], 1);
    let hasty = HttpClient::new(Duration::from_millis(200));
    let url = format!("{}/v21.0/{post}/comments", graph.facebook.graph_url());
    let token = graph.facebook.access_token();
    assert!(hasty.post_form(&url, &[("message", "late"), ("access_token", &token)]).await.is_err(), "no answer in time");
    assert_eq!((handle.count(), graph.facebook.replies_to(&post).len()), (1, 1));
}
