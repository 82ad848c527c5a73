//! Reading and writing comments: what is taken, what is refused, and how lists are paged.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use sportello_tests::stand_ins::linkedin::{DuplicateComments, LinkedInSettings};

use super::{Api, comments_of, elements, encoded, id_of, refusal, refused};

#[tokio::test]
async fn a_reply_stands_there_is_echoed_and_counted() {
    let api = Api::start().await;
    let linkedin = &api.linkedin;
    let post = linkedin.post("Buongiorno");
    let comment = linkedin.comment(&linkedin.person("Ada"), &post, "Aiuto");
    let made = api.answer(&post, &comment, "Eccoci").await;
    let document = made.json().expect("JSON");
    assert_eq!((made.status, made.header("x-restli-id")), (201, document["id"].as_str().expect("an id")));
    assert_eq!((&document["actor"], &document["parentComment"]), (&json!(linkedin.organization_urn()), &json!(comment)));
    let urn = document["commentUrn"].as_str().expect("a URN");
    assert!(document["created"]["time"].as_i64() == Some(linkedin.now().as_millisecond()) && id_of(urn) == document["id"]);
    let replies = linkedin.replies_to(&comment);
    assert_eq!((replies.len(), replies[0].id.as_str(), replies[0].text.as_str()), (1, urn, "Eccoci"));
    assert_eq!(linkedin.counts().updates_made, 2, "the comment and the echo");
    let read = api.get(&format!("{}/{}", comments_of(&comment), id_of(urn))).await;
    assert_eq!((read.status, &read.json().expect("JSON")["message"]["text"]), (200, &json!("Eccoci")));
    let listed = api.get(&comments_of(&comment)).await.json().expect("JSON");
    assert_eq!(elements(&listed).len(), 1);
}

#[tokio::test]
async fn a_doubled_reply_is_taken_and_counted_unless_the_platform_refuses_it() {
    for (conduct, status, doubled) in [(DuplicateComments::Taken, 201, 1), (DuplicateComments::Refused, 409, 0)] {
        let api = Api::start_with(LinkedInSettings { duplicate_comments: conduct, ..LinkedInSettings::default() }).await;
        let post = api.linkedin.post("Buongiorno");
        assert_eq!(api.reply(&post, "Eccoci").await.status, 201);
        assert_eq!(api.reply(&post, "Eccoci").await.status, status);
        assert_eq!(api.reply(&post, "Eccoci ancora").await.status, 201);
        let elsewhere = api.linkedin.post("Buonasera");
        assert_eq!(api.reply(&elsewhere, "Eccoci").await.status, 201);
        assert_eq!(api.linkedin.doubled_replies().len(), doubled);
    }
}

#[tokio::test]
async fn what_the_platform_refuses_is_refused_and_not_done() {
    let api = Api::start().await;
    let linkedin = &api.linkedin;
    let ada = linkedin.person("Ada");
    let (post, other) = (linkedin.post("Buongiorno"), linkedin.post("Buonasera"));
    let comment = linkedin.comment(&ada, &post, "Aiuto");
    let below = linkedin.comment(&ada, &comment, "Sotto");
    let bad = refused(400, "ILLEGAL_ARGUMENT");
    assert_eq!(refusal(&api.reply(&post, &"è".repeat(1_251)).await), bad, "too long");
    assert_eq!(refusal(&api.reply(&post, " \n").await), bad, "empty");
    assert_eq!(refusal(&api.answer(&other, &comment, "x").await), bad, "the object is another post");
    assert_eq!(refusal(&api.answer(&post, &below, "x").await), bad, "there are two levels");
    let body = |actor: &str| json!({"actor": actor, "object": post, "message": {"text": "x"}});
    let unnamed = api.post(&comments_of(&comment), &body(&linkedin.organization_urn())).await;
    assert_eq!(refusal(&unnamed), bad, "no parentComment");
    assert_eq!(refusal(&api.post(&comments_of(&post), &body(&ada.urn())).await), refused(403, "ACCESS_DENIED"), "somebody else");
    linkedin.remove(&comment);
    let gone = refused(404, "RESOURCE_NOT_FOUND");
    assert_eq!(refusal(&api.answer(&post, &comment, "x").await), gone);
    assert_eq!(refusal(&api.get(&comments_of(&comment)).await), gone);
    assert_eq!(refusal(&api.get(&format!("{}/{}", comments_of(&post), id_of(&below))).await), gone, "it went with what it answered");
    linkedin.remove(&post);
    assert_eq!(refusal(&api.reply(&post, "x").await), gone);
    assert!(linkedin.replies().is_empty());
    assert_eq!(api.reply(&other, &"è".repeat(1_250)).await.status, 201, "as long as may be");
}

#[tokio::test]
async fn an_answer_to_an_answer_where_it_is_taken_stands_below_the_comment_above_both() {
    let api = Api::start_with(LinkedInSettings { takes_answers_to_answers: true, ..LinkedInSettings::default() }).await;
    let (ada, post) = (api.linkedin.person("Ada"), api.linkedin.post("Buongiorno"));
    let comment = api.linkedin.comment(&ada, &post, "Aiuto");
    let below = api.linkedin.comment(&ada, &comment, "Sotto");
    let made = api.answer(&post, &below, "Eccoci").await;
    assert_eq!((made.status, &made.json().expect("JSON")["parentComment"]), (201, &json!(comment)));
    assert_eq!(api.linkedin.replies_to(&below).len(), 1, "what it answers is what the call named");
    assert_eq!(api.all(&comments_of(&comment)).await.len(), 2);
}

#[tokio::test]
async fn a_urn_in_a_path_is_encoded_once_and_wholly() {
    let api = Api::start().await;
    let post = api.linkedin.post("Buongiorno");
    let comment = api.linkedin.comment(&api.linkedin.person("Ada"), &post, "Aiuto");
    let path = |urn: &str| format!("/rest/socialActions/{urn}/comments");
    assert_eq!(api.get(&path(&encoded(&comment))).await.status, 200);
    assert_eq!(api.get(&path(&encoded(&comment).replace("%3A", "%3a"))).await.status, 200, "digits of either case");
    let half = comment.replace("urn:li:comment:", "urn%3Ali%3Acomment%3A");
    let parentheses_bare = encoded(&comment).replace("%28", "(").replace("%29", ")");
    let short = encoded(&comment.replace("(urn:li:activity:", "(activity:"));
    for wrong in [comment.clone(), half, parentheses_bare, encoded(&comment).replace('%', "%25"), short, "7".to_owned()] {
        assert_eq!(refusal(&api.get(&path(&wrong)).await), refused(400, "ILLEGAL_ARGUMENT"), "{wrong}");
    }
    assert_eq!(api.get(&path(&post)).await.status, 400, "a post's URN too");
}

#[tokio::test]
async fn an_edited_comment_keeps_its_id_and_shows_its_new_text() {
    let api = Api::start().await;
    let post = api.linkedin.post("Buongiorno");
    let comment = api.linkedin.comment(&api.linkedin.person("Ada"), &post, "Aiuto");
    api.linkedin.advance(Duration::from_secs(60));
    api.linkedin.edit(&comment, "Aiuto!");
    let row = api.get(&format!("{}/{}", comments_of(&post), id_of(&comment))).await.json().expect("JSON");
    assert_eq!((&row["commentUrn"], &row["message"]["text"]), (&json!(comment), &json!("Aiuto!")));
    let time = |field: &str| row[field]["time"].as_i64().expect("a time");
    assert_eq!(time("lastModified") - time("created"), 60_000);
}

#[tokio::test]
async fn pages_lose_and_double_nothing_at_any_boundary() {
    for lists_newest_first in [false, true] {
        let api = Api::start_with(LinkedInSettings { lists_newest_first, ..LinkedInSettings::default() }).await;
        let (ada, post) = (api.linkedin.person("Ada"), api.linkedin.post("Buongiorno"));
        let made: Vec<String> = (0..21).map(|number| api.linkedin.comment(&ada, &post, &format!("{number}"))).collect();
        api.linkedin.comment(&ada, &made[3], "below");
        for count in 1..=23 {
            let rows = api.all(&format!("{}?count={count}", comments_of(&post))).await;
            let mut urns: Vec<String> = rows.iter().map(|row| row["commentUrn"].as_str().expect("a URN").to_owned()).collect();
            if lists_newest_first {
                urns.reverse();
            }
            assert_eq!(urns, made, "{count} in a page");
        }
        let page = api.get(&format!("{}?start=20&count=10", comments_of(&post))).await.json().expect("JSON");
        assert_eq!((&page["paging"]["total"], &page["paging"]["start"], elements(&page).len()), (&json!(21), &json!(20), 1));
        let default = api.get(&comments_of(&post)).await.json().expect("JSON");
        assert_eq!((elements(&default).len(), &default["paging"]["count"]), (10, &json!(10)));
        let beyond = api.get(&format!("{}?start=99", comments_of(&post))).await.json().expect("JSON");
        assert!(elements(&beyond).is_empty());
    }
}

#[tokio::test]
async fn late_comments_are_listed_only_when_their_time_has_come() {
    let api = Api::start().await;
    let post = api.linkedin.post("Buongiorno");
    api.linkedin.late_comments(Duration::from_secs(90));
    let comment = api.linkedin.comment(&api.linkedin.person("Ada"), &post, "Aiuto");
    api.linkedin.advance(Duration::from_secs(89));
    assert!(api.all(&comments_of(&post)).await.is_empty());
    assert_eq!(api.get(&format!("{}/{}", comments_of(&post), id_of(&comment))).await.status, 200, "by its id it can be read");
    api.linkedin.advance(Duration::from_secs(1));
    assert_eq!(api.all(&comments_of(&post)).await.len(), 1);
}

#[tokio::test]
async fn who_has_no_role_sees_empty_lists_and_may_not_write() {
    let api = Api::start().await;
    let post = api.linkedin.post("Buongiorno");
    api.linkedin.comment(&api.linkedin.person("Ada"), &post, "Aiuto");
    api.linkedin.wrong_role(true);
    let listed = api.get(&comments_of(&post)).await;
    assert_eq!((listed.status, elements(&listed.json().expect("JSON"))), (200, Vec::<Value>::new()));
    assert_eq!(refusal(&api.reply(&post, "x").await), refused(403, "ACCESS_DENIED"));
    api.linkedin.wrong_role(false);
    assert_eq!(api.all(&comments_of(&post)).await.len(), 1);
}

#[tokio::test]
async fn a_comment_without_an_author_and_the_names_of_the_others() {
    let api = Api::start().await;
    let linkedin = &api.linkedin;
    let (ada, hidden, post) = (linkedin.person("Ada Lovelace"), linkedin.hidden_person("Nessuno"), linkedin.post("Buongiorno"));
    linkedin.comment(&ada, &post, "uno");
    linkedin.comment(&hidden, &post, "due");
    let rows = api.all(&comments_of(&post)).await;
    let actors: BTreeSet<Option<&str>> = rows.iter().map(|row| row["actor"].as_str()).collect();
    assert_eq!(actors, BTreeSet::from([None, Some(ada.urn().as_str())]));
    let person = api.get(&format!("/rest/people/(id:{})", ada.id)).await.json().expect("JSON");
    assert_eq!(person, json!({"id": ada.id, "localizedFirstName": "Ada", "localizedLastName": "Lovelace"}));
    assert_eq!(api.get(&format!("/rest/people/(id:{})", hidden.id)).await.status, 404);
    assert_eq!(api.get(&format!("/rest/people/{}", ada.id)).await.status, 400, "the key is in parentheses");
    let organization = api.get(&format!("/rest/organizations/{}", linkedin.organization_id())).await.json().expect("JSON");
    assert_eq!((&organization["id"], &organization["localizedName"]), (&json!(96_072_893), &json!("Telefonia Sole")));
}
