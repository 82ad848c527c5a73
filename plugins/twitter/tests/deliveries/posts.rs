//! Posts, in both shapes.

use std::collections::HashSet;

use serde_json::{Value, json};
use sportello_sdk::{Change, Raw};

use crate::bodies::{COMPANY, MARIA, POST, account, account_post, deliver, deliver_raw, event, host, identity, maria, only, post};

#[test]
fn the_same_post_is_the_same_thing_in_both_shapes_and_as_several_events() {
    let _host = host().start();
    let text = "@Sole la rete &amp; il telefono sono giù 😡";
    let newer = only(&event(1, "post.mention.create", &post(POST, text), &maria()));
    let again = only(&event(2, "post.quote.create", &post(POST, text), &json!([])));
    let older = only(&account("tweet_create_events", &json!([account_post(1_900_000_000_000_000_101, text)])));
    for told in [&newer, &again, &older] {
        assert_eq!(identity(told), (POST, ""));
        assert_eq!((told.kind.as_str(), told.own, told.change), ("mention", false, Change::Created));
        assert_eq!(told.text.as_deref(), Some("@Sole la rete & il telefono sono giù 😡"));
        assert_eq!(told.occurred_at, "2026-01-15T11:59:00Z");
        assert_eq!(told.conversation.key, format!("{POST}/{MARIA}"));
        assert_eq!(told.author.as_ref().unwrap().id, MARIA);
        assert!(told.attributes.iter().any(|attribute| attribute.name == "addressed"));
    }
    for told in [&newer, &older] {
        let author = told.author.as_ref().unwrap();
        assert_eq!((author.handle.as_deref(), author.display_name.as_deref()), (Some("maria_b"), Some("Maria Bianchi")));
        assert_eq!(author.url.as_deref(), Some("https://x.com/maria_b"));
    }
    assert_eq!(again.author.unwrap().handle, None, "X left the names out, and nobody guesses them");
}

#[test]
fn words_are_told_as_they_were_typed_in_both_shapes() {
    let _host = host().start();
    let (short, whole) = ("https://t.co/BPqMcQzhId", "https://example.org/a?b=1&c=2");
    let (sent, typed) = (format!("@Sole R&amp;D &lt;b&gt; &amp;lt; {short}"), format!("@Sole R&D <b> &lt; {whole}"));
    let mut newer = post(POST, &sent);
    newer["entities"]["urls"] =
        json!([{"start": 26, "end": 49, "url": short, "expanded_url": whole, "display_url": "example.org/a?b=1&c=2"}, {}]);
    let mut older = account_post(1_900_000_000_000_000_101, &sent);
    older["entities"]["urls"] =
        json!([{"url": short, "expanded_url": whole, "display_url": "example.org/a?b=1&c=2", "indices": [26, 49]}, {}]);
    let mut long = older.clone();
    long["text"] = json!("@Sole…");
    long["entities"] = json!({"user_mentions": [], "urls": []});
    long["extended_tweet"] = json!({"full_text": sent, "entities": older["entities"]});
    let told = [
        only(&event(1, "post.mention.create", &newer, &maria())),
        only(&account("tweet_create_events", &json!([older]))),
        only(&account("tweet_create_events", &json!([long]))),
    ];
    assert!(told.iter().all(|told| told.text.as_ref() == Some(&typed)), "{told:?}");
}

#[test]
fn only_a_name_that_was_typed_addresses_the_company() {
    let _host = host().start();
    for (start, summons) in [(0, false), (9, true)] {
        let mut row = post("1900000000000000600", "@sole @al e la mia?");
        row["referenced_tweets"] = json!([{"type": "replied_to", "id": POST}]);
        row["in_reply_to_user_id"] = json!("42");
        row["entities"]["mentions"][0]["start"] = json!(start);
        row["display_text_range"] = json!([9, 19]);
        let mut older = account_post(1_900_000_000_000_000_600, "@sole @al e la mia?");
        older["in_reply_to_status_id_str"] = json!(POST);
        older["in_reply_to_user_id_str"] = json!("42");
        older["entities"]["user_mentions"][0]["indices"] = json!([start, start + 5]);
        older["display_text_range"] = json!([9, 19]);
        for told in [only(&event(1, "post.reply.create", &row, &maria())), only(&account("tweet_create_events", &json!([older])))] {
            assert_eq!(told.attributes.iter().any(|attribute| attribute.name == "addressed"), summons, "{start}: {told:?}");
        }
    }
}

#[test]
fn a_post_of_the_companys_that_names_it_addresses_nobody() {
    let _host = host().start();
    let mut newer = post(POST, "noi di @Sole");
    newer["author_id"] = json!(COMPANY);
    let mut older = account_post(1_900_000_000_000_000_101, "noi di @Sole");
    older["user"] = json!({"id_str": COMPANY});
    for told in [only(&event(1, "post.create", &newer, &json!([]))), only(&account("tweet_create_events", &json!([older])))] {
        assert_eq!((told.kind.as_str(), told.own), ("post", true));
        assert!(!told.attributes.iter().any(|attribute| attribute.name == "addressed"), "{told:?}");
    }
}

#[test]
fn a_name_addresses_the_company_however_its_letters_are_written() {
    let _host = host().start();
    for (username, addresses) in [("SOLE", true), ("sole_mio", false)] {
        let mut row = post(POST, "@SOLE la rete è giù");
        row["entities"] = json!({"mentions": [{"start": 0, "end": 5, "username": username}]});
        let told = only(&event(1, "post.mention.create", &row, &maria()));
        assert_eq!(told.kind, if addresses { "mention" } else { "post" }, "{username}");
    }
}

#[test]
fn a_language_that_x_cannot_tell_is_none() {
    let _host = host().start();
    for (said, told) in [("it", Some("it")), ("und", None), ("", None)] {
        let mut row = post(POST, "@Sole");
        row["lang"] = json!(said);
        assert_eq!(only(&event(1, "post.mention.create", &row, &maria())).language.as_deref(), told);
    }
}

#[test]
fn who_quotes_the_company_addresses_it_and_who_quotes_somebody_else_does_not() {
    let _host = host().start();
    let quoting = |whose: u64| {
        let mut newer = post("1900000000000000601", "sentite https://x.com/i/status/1900000000000000101");
        newer["entities"] = json!({});
        newer["referenced_tweets"] = json!([{"type": "quoted", "id": POST}]);
        let mut older = account_post(1_900_000_000_000_000_601, "sentite");
        older["entities"] = json!({});
        older["quoted_status_id_str"] = json!(POST);
        older["quoted_status"] = json!({"id_str": POST, "user": {"id": whose, "id_str": whose.to_string()}});
        (newer, older)
    };
    let (newer, older) = quoting(1_400_000_000_000_000_001);
    let (newer_aside, older_aside) = quoting(42);
    let told = |newer, kind, older| [only(&event(1, kind, newer, &maria())), only(&account("tweet_create_events", &json!([older])))];
    let ours = told(&newer, "post.quote.create", older).map(|told| (told, true));
    let others = told(&newer_aside, "post.reply.create", older_aside).map(|told| (told, false));
    for (told, addresses) in ours.into_iter().chain(others) {
        assert_eq!(told.in_reply_to.as_deref(), Some(POST));
        assert_eq!(told.kind, if addresses { "mention" } else { "post" });
        assert_eq!(told.attributes.iter().any(|attribute| attribute.name == "addressed"), addresses, "{told:?}");
    }
}

#[test]
fn each_events_own_words_are_a_range_of_the_body() {
    let _host = host().start();
    let body = account("tweet_create_events", &json!([account_post(1, "è 😡"), account_post(2, "più")])).to_string();
    for (told, id) in deliver_raw(body.clone()).iter().zip([1, 2]) {
        let Some(Raw::Input(range)) = &told.raw else { panic!("{told:?}") };
        let text = &body[range.start as usize..(range.start + range.length) as usize];
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()["id"], json!(id));
    }
}

#[test]
fn a_thousand_events_in_one_delivery_all_come_in() {
    let _host = host().start();
    let row = |number: u64| {
        let mut row = account_post(9_007_199_254_740_993 + number, "ciao");
        row.as_object_mut().unwrap().remove("id_str");
        row
    };
    let rows: Vec<Value> = (0..1_000).map(row).collect();
    let told = deliver(&account("tweet_create_events", &json!(rows)));
    let ids: HashSet<_> = told.iter().map(|told| told.native_id.clone()).collect();
    assert_eq!(ids.len(), 1_000);
    assert!(ids.contains("9007199254740993"), "numbers above 2^53 keep every digit");
}
