//! Versions of a post, and what was deleted.

use serde_json::{Value, json};
use sportello_sdk::testing::{Host, Running};
use sportello_sdk::{Change, http};

use crate::bodies::{COMPANY, MARIA, POST, account, account_post, channel, deliver, event, host, identity, maria, only, post};

#[test]
fn an_edit_is_a_revision_of_its_first_version_and_a_deletion_of_any_version_is_of_the_thing() {
    let _host = host().start();
    let mut edited = post("1900000000000000777", "@Sole la rete è su");
    edited["edit_history_tweet_ids"] = json!([POST, "1900000000000000777"]);
    edited["conversation_id"] = json!(POST);
    let edit = only(&event(1, "post.mention.create", &edited, &maria()));
    assert_eq!((identity(&edit), edit.change), ((POST, "1900000000000000777"), Change::Edited));
    for version in [POST, "1900000000000000777"] {
        let gone = only(&event(2, "post.delete", &json!({"id": version, "author_id": MARIA}), &json!([])));
        assert_eq!((identity(&gone), gone.change, gone.text.as_deref()), ((POST, "deleted"), Change::Deleted, None));
        let row = json!({"status": {"id": version, "user_id": MARIA}, "timestamp_ms": "1768478400000"});
        let gone = only(&account("tweet_delete_events", &json!([row])));
        assert_eq!((identity(&gone), gone.occurred_at.as_str()), ((POST, "deleted"), "2026-01-15T12:00:00Z"));
    }
}

#[test]
fn an_edited_post_that_answers_nothing_begins_the_thread_of_its_first_version_in_both_shapes() {
    let _host = host().start();
    let version = "1900000000000000777";
    let mut edited = post(version, "@Sole la rete è su");
    edited["edit_history_tweet_ids"] = json!([POST, version]);
    edited["conversation_id"] = json!(version);
    let mut account_edited = account_post(1_900_000_000_000_000_777, "@Sole la rete è su");
    account_edited["edit_history"] = json!({"initial_tweet_id": POST, "edit_tweet_ids": [POST, version]});
    for delivery in [event(1, "post.mention.create", &edited, &maria()), account("tweet_create_events", &json!([account_edited]))] {
        let told = only(&delivery);
        assert_eq!((identity(&told), told.conversation.key.as_str()), ((POST, version), format!("{POST}/{MARIA}").as_str()));
    }
}

#[test]
fn a_deletion_is_the_companys_own_where_the_post_was() {
    let _host = host().start();
    for (author, is_own) in [(COMPANY, true), (MARIA, false)] {
        let newer = event(1, "post.delete", &json!({"id": POST, "author_id": author}), &json!([]));
        let older = account("tweet_delete_events", &json!([{"status": {"id": POST, "user_id": author}, "timestamp_ms": "1768478400000"}]));
        for gone in [only(&newer), only(&older)] {
            assert_eq!((gone.own, gone.author.as_ref().unwrap().id.as_str()), (is_own, author), "{gone:?}");
        }
    }
}

/// X whose list of mentions shows one post, as its second version.
fn listing_an_edited_post(version: &'static str) -> Running {
    let mut row = post(version, "@Sole la rete è su");
    row["edit_history_tweet_ids"] = json!([POST, version]);
    row["conversation_id"] = json!(POST);
    let list = json!({"data": [row], "meta": {"result_count": 1}});
    Host::new().http(move |_: &http::Request| http::Response::with_json(200, &list)).start()
}

#[test]
fn an_edit_known_from_the_list_only_and_the_deletion_of_a_version_are_of_one_thing_whichever_comes_first() {
    let version = "1900000000000000777";
    let deleted = || only(&event(1, "post.delete", &json!({"id": version, "author_id": MARIA}), &json!([])));
    let listed = || channel().poll(None).unwrap().interactions;
    {
        let _host = listing_an_edited_post(version);
        assert_eq!(listed().iter().map(identity).collect::<Vec<_>>(), [(POST, version)]);
        assert_eq!(identity(&deleted()), (POST, "deleted"));
    }
    let _host = listing_an_edited_post(version);
    deleted();
    assert_eq!(listed().iter().map(identity).collect::<Vec<_>>(), [(POST, "deleted"), (POST, version)]);
}

#[test]
fn a_deletion_of_a_version_nobody_knows_yet_takes_the_post_back_once_it_is_known() {
    let host = host().start();
    let version = "1900000000000000777";
    let gone = only(&event(1, "post.delete", &json!({"id": version, "author_id": MARIA}), &json!([])));
    assert_eq!((identity(&gone), gone.change), ((version, "deleted"), Change::Deleted));
    let original = only(&event(2, "post.mention.create", &post(POST, "@Sole aiuto"), &maria()));
    assert_eq!(original.change, Change::Created, "nothing says yet that it is the same");
    let mut edited = post(version, "@Sole la rete è su");
    edited["edit_history_tweet_ids"] = json!([POST, version]);
    edited["conversation_id"] = json!(POST);
    let mut account_edited = account_post(1_900_000_000_000_000_777, "@Sole la rete è su");
    account_edited["edit_history"] = json!({"initial_tweet_id": POST, "edit_tweet_ids": [POST, version]});
    for delivery in [event(3, "post.mention.create", &edited, &maria()), account("tweet_create_events", &json!([account_edited]))] {
        let told = deliver(&delivery);
        let told: Vec<_> = told.iter().map(|told| (identity(told), told.change, told.conversation.key.as_str())).collect();
        let conversation = format!("{POST}/{MARIA}");
        let taken_back = ((POST, "deleted"), Change::Deleted, conversation.as_str());
        assert_eq!(told, [taken_back, ((POST, version), Change::Edited, conversation.as_str())]);
    }
    for number in 0..600_u64 {
        deliver(&event(
            number,
            "post.delete",
            &json!({"id": (1_900_000_000_000_001_000 + number).to_string(), "author_id": MARIA}),
            &json!([]),
        ));
    }
    let kept: Vec<u64> = host.state("gone").unwrap();
    assert_eq!((kept.len(), kept.last()), (300, Some(&1_900_000_000_000_001_599)));
}

#[test]
fn whatever_notes_a_version_or_a_deletion_writes_both_so_that_two_calls_at_once_find_each_other_out() {
    let version = "1900000000000000777";
    let mut edited = post(version, "@Sole la rete è su");
    edited["edit_history_tweet_ids"] = json!([POST, version]);
    let deleted = event(1, "post.delete", &json!({"id": version, "author_id": MARIA}), &json!([]));
    for delivery in [event(2, "post.mention.create", &edited, &maria()), deleted] {
        let host = host().start();
        deliver(&delivery);
        assert!(host.state::<Value>("edits").is_some() && host.state::<Value>("gone").is_some(), "{delivery}");
    }
    let host = host().start();
    deliver(&event(3, "post.mention.create", &post(POST, "@Sole aiuto"), &maria()));
    assert!(host.state::<Value>("edits").is_none() && host.state::<Value>("gone").is_none(), "nothing is new");
}

#[test]
fn of_many_edited_posts_the_newest_are_remembered_within_the_limit_of_the_state() {
    let host = host().start();
    for number in 0..600_u64 {
        let (first, second) = ((1_900_000_000_000_000_000 + 2 * number).to_string(), (1_900_000_000_000_000_001 + 2 * number).to_string());
        let mut row = post(&second, "x");
        row["edit_history_tweet_ids"] = json!([first, second]);
        deliver(&event(number, "post.mention.create", &row, &maria()));
    }
    let kept: Value = host.state("edits").unwrap();
    assert_eq!(kept.as_object().unwrap().len(), 300);
    assert!(kept.to_string().len() < 16 * 1024, "{}", kept.to_string().len());
    assert_eq!(kept["1900000000000001199"], json!(1_900_000_000_000_001_198_u64));
}
