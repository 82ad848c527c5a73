//! The webhook: proof, signatures, what comes again, what comes twice and in every shape.

use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use sportello_tests::stand_ins::DeliveryPlan;
use sportello_tests::stand_ins::facebook::{Facebook, FacebookSettings, Forgery, PAUSE_MAX};

use crate::ANSWER_TIME;

use super::{changes, receiver_of, subscribed};

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
    let post = facebook.post(&facebook.page(), "Lavori in corso <al 50% @sole>: https://example.org/più");
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
        first.contains(r"\u00c8 la 0\u00aa volta \ud83d\ude21")
            && first.contains(r"corso \u003Cal 50\u0025 \u0040sole>: https:\/\/example.org\/pi\u00f9"),
        "escaped as the platform does, in lower case beyond ASCII"
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
    assert_eq!(tried, [1, 6, 21, 51, 111, 231, 471, 951, 1_431, 1_911]);
    facebook.advance(Duration::from_secs(60));
    assert_eq!(facebook.deliver_due(1).await.expect("a subscription").posted, 1, "the last time");
    let counts = facebook.counts();
    assert_eq!((counts.updates_given_up, counts.updates_pending), (1, 0), "after 36 hours the platform gives up, and counts it");
    facebook.advance(PAUSE_MAX);
    assert_eq!(facebook.deliver_due(1).await.expect("a subscription").posted, 0);
}

#[tokio::test]
async fn a_post_that_is_answered_too_late_is_not_acknowledged_and_comes_again_at_once() {
    let settings = FacebookSettings { answer_time_max: ANSWER_TIME, ..FacebookSettings::default() };
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
