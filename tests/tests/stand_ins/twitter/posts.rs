use std::time::Duration;

use serde_json::{Value, json};
use sportello_tests::stand_ins::Fault;
use sportello_tests::stand_ins::twitter::{ReplyRule, TwitterSettings};

use super::{Api, problem};

const DUPLICATE: &str = "You are not allowed to create a Tweet with duplicate content.";

#[tokio::test]
async fn a_reply_is_taken_counted_and_listed() {
    let api = Api::start().await;
    let ada = api.twitter.person("Ada");
    let mention = api.twitter.post(&ada, "@TelefoniaSole aiuto");
    let taken = api.reply(&mention, "Ci siamo: è un guasto").await;
    assert_eq!(taken.status, 201, "{}", taken.text());
    let data = taken.json().expect("JSON")["data"].clone();
    assert_eq!((&data["text"], &data["edit_history_tweet_ids"]), (&json!("@Ada Ci siamo: è un guasto"), &json!([data["id"]])));
    let replies = api.twitter.replies_to(&mention);
    assert_eq!((replies.len(), &replies[0].text, json!(replies[0].id)), (1, &"Ci siamo: è un guasto".to_owned(), data["id"].clone()));
    let listed = api.read(&api.timeline_path(), &[("tweet.fields", "referenced_tweets,in_reply_to_user_id")]).await;
    assert_eq!(listed["data"][0]["referenced_tweets"], json!([{"type": "replied_to", "id": mention}]));
    assert_eq!(listed["data"][0]["in_reply_to_user_id"], json!(ada.id));
    let posted = api.create(&json!({"text": "Buongiorno"})).await;
    assert_eq!((posted.status, api.twitter.replies().len()), (201, 1), "a post is no reply");
    let id = posted.json().expect("JSON")["data"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(api.twitter.posts_by_api(), [(id, "Buongiorno".to_owned())]);
}

#[tokio::test]
async fn only_who_summoned_the_company_is_answered() {
    let api = Api::start().await;
    let ada = api.twitter.person("Ada");
    let company = api.twitter.company();
    let own = api.twitter.post(&company, "Notizie");
    let idle = api.twitter.post(&ada, "La rete non va");
    let idle_reply = api.twitter.reply(&api.twitter.person("Bob"), &idle, "neanche a me");
    let summoning = [
        api.twitter.post(&ada, "@telefoniasole aiuto"),
        api.twitter.quote(&ada, &own, "Sentite"),
        api.twitter.reply(&ada, &own, "Perché?"),
        own.clone(),
    ];
    for (count, target) in [&idle, &idle_reply].into_iter().enumerate() {
        let (status, detail) = problem(&api.reply(target, "Eccoci").await);
        assert!(status == 403 && detail.contains("you have not been mentioned or otherwise engaged"), "{status} {detail}");
        assert_eq!(api.twitter.unsummoned_refused(), count as u64 + 1);
    }
    let deep = api.twitter.reply(&api.twitter.person("Eva"), &summoning[2], "anche io");
    assert_eq!(api.reply(&deep, "Eccoci").await.status, 403, "to be named without being typed is no summons");
    for (number, target) in summoning.iter().enumerate() {
        assert_eq!(api.reply(target, &format!("Eccoci {number}")).await.status, 201, "{number}");
    }
    assert_eq!((api.twitter.replies().len(), api.twitter.unsummoned_refused()), (4, 3));

    let enterprise = Api::start_with(TwitterSettings { reply_rule: ReplyRule::Always, ..TwitterSettings::default() }).await;
    let idle = enterprise.twitter.post(&enterprise.twitter.person("Ada"), "La rete non va");
    assert_eq!(enterprise.reply(&idle, "Eccoci").await.status, 201);
}

#[tokio::test]
async fn the_same_words_twice_are_refused_and_what_slips_through_is_counted() {
    let api = Api::start().await;
    let ada = api.twitter.person("Ada");
    let (mention, other) = (api.twitter.post(&ada, "@TelefoniaSole aiuto"), api.twitter.post(&ada, "@TelefoniaSole e qui?"));
    assert_eq!(api.reply(&mention, "Eccoci qua").await.status, 201);
    assert_eq!(problem(&api.reply(&mention, "Eccoci qua").await), (403, DUPLICATE.to_owned()));
    assert_eq!(problem(&api.reply(&other, " Eccoci qua ").await), (403, DUPLICATE.to_owned()), "to the same person it is the same text");
    let bob = api.twitter.post(&api.twitter.person("Bob"), "@TelefoniaSole anch'io");
    assert_eq!(api.reply(&bob, "Eccoci qua").await.status, 201, "to somebody else it begins with another name");
    assert!(api.twitter.doubled_replies().is_empty());
    assert_eq!(api.reply(&mention, "Eccoci  qua").await.status, 201, "the platform compares letters");
    assert_eq!(api.twitter.doubled_replies().len(), 1, "people do not");
    api.twitter.advance(Duration::from_secs(24 * 3_600 - 1));
    let refreshed = super::access::refresh(&api, &api.twitter.refresh_token()).await;
    assert_eq!(refreshed.status, 200);
    assert_eq!(problem(&api.reply(&mention, "Eccoci qua").await), (403, DUPLICATE.to_owned()));
    api.twitter.advance(Duration::from_secs(1));
    assert_eq!(api.reply(&mention, "Eccoci qua").await.status, 201, "a day later it is not recent");
    assert_eq!((api.twitter.doubled_replies().len(), api.twitter.replies_to(&mention).len()), (2, 3));
}

#[tokio::test]
async fn a_reply_whose_answer_was_lost_is_refused_as_a_duplicate() {
    let api = Api::start().await;
    let mention = api.twitter.post(&api.twitter.person("Ada"), "@TelefoniaSole aiuto");
    api.twitter.faults().arm(Fault::RefuseAfterEffect { status: 503 }, &["POST /2/tweets", "Eccoci"], 1);
    assert_eq!(api.reply(&mention, "Eccoci").await.status, 503);
    assert_eq!(problem(&api.reply(&mention, "Eccoci").await), (403, DUPLICATE.to_owned()));
    assert_eq!(api.twitter.replies_to(&mention).len(), 1);
}

#[tokio::test]
async fn texts_are_counted_as_the_platform_counts() {
    let api = Api::start().await;
    let mention = api.twitter.post(&api.twitter.person("Ada"), "@TelefoniaSole aiuto");
    let link = format!("https://example.org/{}", "a".repeat(300));
    for text in ["è".repeat(280), "世".repeat(140), "😡".repeat(140), format!("{link} {}", "b".repeat(256))] {
        assert_eq!(api.reply(&mention, &text).await.status, 201, "the name before it does not count: {text}");
        let (status, detail) = problem(&api.reply(&mention, &format!("{text}x")).await);
        assert!(status == 403 && detail.contains("too long"), "{status} {detail}");
    }
}

#[tokio::test]
async fn a_domain_counts_as_a_link_whether_or_not_a_scheme_was_typed() {
    let api = Api::start().await;
    let mention = api.twitter.post(&api.twitter.person("Ada"), "@TelefoniaSole aiuto");
    let fits = format!("example.org {}", "b".repeat(256));
    let (status, detail) = problem(&api.reply(&mention, &format!("{fits}b")).await);
    assert!(status == 403 && detail.contains("too long"), "{status} {detail}");
    assert_eq!(api.reply(&mention, &fits).await.status, 201);
    assert_eq!(api.reply(&mention, &format!("info@example.org {}", "b".repeat(263))).await.status, 201, "an address is none");
}

#[tokio::test]
async fn what_cannot_be_posted_is_refused_and_does_nothing() {
    let api = Api::start().await;
    let mention = api.twitter.post(&api.twitter.person("Ada"), "@TelefoniaSole aiuto");
    let malformed: [Value; 8] = [
        json!({}),
        json!({"text": ""}),
        json!({"text": " \n"}),
        json!({"text": 7}),
        json!({"text": "x", "mood": "good"}),
        json!({"text": "x", "reply": {}}),
        json!({"text": "x", "reply": {"in_reply_to_tweet_id": mention.parse::<u64>().expect("digits")}}),
        json!({"text": "x", "reply": {"in_reply_to_tweet_id": "abc"}}),
    ];
    for document in malformed {
        let refused = api.create(&document).await;
        assert_eq!(refused.status, 400, "{document}: {}", refused.text());
        assert!(refused.json().expect("JSON")["errors"][0]["parameters"].is_object());
    }
    api.twitter.remove(&mention);
    for target in [mention.as_str(), "1499874563210987600"] {
        let (status, detail) = problem(&api.reply(target, "Eccoci").await);
        assert!(status == 403 && detail.contains("deleted or not visible"), "{status} {detail}");
    }
    assert!(api.twitter.replies().is_empty() && api.twitter.unsummoned_refused() == 0);
    assert_eq!(api.read(&api.timeline_path(), &[]).await["meta"]["result_count"], 0);
}
