//! What the connector promises about deliveries, in both shapes. The bodies are written after X's public documentation.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use sportello_sdk::diagnostics::Level;
use sportello_sdk::testing::{Channel, Host};
use sportello_sdk::{Change, Error, Interaction, Raw, Visibility, http, webhook};
use twitter::Twitter;

const COMPANY: &str = "1400000000000000001";
const MARIA: &str = "1700000000000000007";
const POST: &str = "1900000000000000101";

fn channel() -> Channel<Twitter> {
    Channel::new(json!({ "user-id": COMPANY, "handle": "sole", "api-url": "https://api.x.com" }))
}

fn host() -> Host {
    Host::new()
}

fn deliver(body: &Value) -> Vec<Interaction> {
    deliver_raw(body.to_string())
}

fn deliver_raw(body: impl Into<Vec<u8>>) -> Vec<Interaction> {
    channel().deliver(&webhook::Request::post(body.into())).unwrap().interactions
}

fn only(body: &Value) -> Interaction {
    let mut interactions = deliver(body);
    assert_eq!(interactions.len(), 1, "{interactions:?}");
    interactions.remove(0)
}

fn identity(interaction: &Interaction) -> (&str, &str) {
    (&interaction.native_id, &interaction.revision)
}

fn event(uuid: u64, kind: &str, payload: &Value, users: &Value) -> Value {
    json!({"data": {
        "event_uuid": uuid.to_string(), "event_type": kind, "tag": "t", "filter": {"user_id": COMPANY}, "payload": payload,
        "includes": {"users": users},
    }})
}

fn maria() -> Value {
    json!([{"id": MARIA, "name": "Maria Bianchi", "username": "maria_b"}])
}

/// A post of Maria's that names the company.
fn post(id: &str, text: &str) -> Value {
    json!({
        "id": id, "text": text, "author_id": MARIA, "created_at": "2026-01-15T11:59:00.000Z", "conversation_id": id,
        "edit_history_tweet_ids": [id], "lang": "it", "entities": {"mentions": [{"start": 0, "end": 5, "username": "Sole", "id": COMPANY}]},
    })
}

fn account_post(id: u64, text: &str) -> Value {
    json!({
        "id": id, "id_str": id.to_string(), "text": text, "timestamp_ms": "1768478340000", "created_at": "Thu Jan 15 11:59:00 +0000 2026",
        "in_reply_to_status_id": null, "in_reply_to_status_id_str": null, "lang": "it",
        "user": {"id": 1_700_000_000_000_000_007_u64, "id_str": MARIA, "name": "Maria Bianchi", "screen_name": "maria_b"},
        "entities": {"user_mentions": [{"screen_name": "sole", "id": 1_400_000_000_000_000_001_u64, "id_str": COMPANY}]},
    })
}

fn account(list: &str, rows: &Value) -> Value {
    json!({"for_user_id": COMPANY, list: rows})
}

#[test]
fn a_challenge_is_answered_with_the_mac_of_its_token() {
    let _host = host().credential("consumer-secret", "the consumer secret").start();
    let outcome = channel().deliver(&webhook::Request::get([("crc_token", "4A9E"), ("nonce", "x")])).unwrap();
    let response = outcome.response.unwrap();
    assert_eq!((response.status, response.content_type.as_str()), (200, "application/json"));
    // printf 4A9E | openssl dgst -sha256 -hmac 'the consumer secret' -binary | base64
    let answer: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(answer, json!({"response_token": "sha256=isPi3PlJ24ncQrIVBmTIX6JWpxUrye9md1HpxrY4+uA="}));
    let without = channel().deliver(&webhook::Request::get([("nonce", "x")])).unwrap();
    assert_eq!(without.response.unwrap().status, 400);
}

#[test]
fn a_challenge_is_no_way_to_have_a_delivery_signed() {
    let _host = host().credential("consumer-secret", "the consumer secret").start();
    let ask = |token: &str| channel().deliver(&webhook::Request::get([("crc_token", token)])).unwrap().response.unwrap();
    for token in [r#"{"data":{}}"#, r#"{"for_user_id":"1"}"#, "[]", "{", " 1", "1\n", "", "\u{e9}", &"a".repeat(129)] {
        let answer = ask(token);
        assert_eq!(answer.status, 400, "{token:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("sha256="), "{token:?}");
    }
    for token in ["YzQ0-_+/8=", &"a".repeat(128)] {
        assert_eq!(ask(token).status, 200, "{token:?}");
    }
}

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
fn the_companys_answer_belongs_to_the_conversation_of_whom_it_answers() {
    let _host = host().start();
    let reply = |author: &str, whom: &str, target: &str| {
        let mut row = post("1900000000000000200", "@maria_b guardiamo subito");
        row["author_id"] = json!(author);
        row["conversation_id"] = json!(POST);
        row["in_reply_to_user_id"] = json!(whom);
        row["referenced_tweets"] = json!([{"type": "replied_to", "id": target}]);
        row["entities"] = json!({});
        row
    };
    let ours = only(&event(1, "post.create", &reply(COMPANY, MARIA, POST), &json!([])));
    assert_eq!((ours.kind.as_str(), ours.own), ("reply", true));
    assert_eq!((ours.conversation.key, ours.in_reply_to.as_deref()), (format!("{POST}/{MARIA}"), Some(POST)));
    let theirs = only(&event(2, "post.reply.create", &reply(MARIA, COMPANY, "1900000000000000150"), &maria()));
    assert_eq!((theirs.kind.as_str(), theirs.own), ("reply", false));
    assert_eq!(theirs.conversation.key, format!("{POST}/{MARIA}"));
    assert!(theirs.attributes.iter().any(|attribute| attribute.name == "addressed"), "who answers the company addresses it");
}

#[test]
fn the_older_shape_does_not_say_which_thread_so_x_is_asked_once_for_all() {
    let host = Host::new()
        .http(|request: &http::Request| {
            assert_eq!(
                (request.path(), request.query_value("ids").as_deref()),
                ("/2/tweets", Some("1900000000000000150,1900000000000000160"))
            );
            http::Response::with_json(
                200,
                &json!({"data": [{"id": "1900000000000000150", "conversation_id": POST}], "errors": [{"detail": "gone"}]}),
            )
            .with_header("x-rate-limit-limit", "900")
            .with_header("x-rate-limit-remaining", "899")
            .with_header("x-rate-limit-reset", "1768479000")
        })
        .start();
    let mut rows = Vec::new();
    for (id, target) in [(1, "1900000000000000150"), (2, "1900000000000000160"), (3, "1900000000000000150")] {
        let mut row = account_post(1_900_000_000_000_000_300 + id, "ancora niente");
        row["in_reply_to_status_id_str"] = json!(target);
        row["in_reply_to_user_id_str"] = json!(COMPANY);
        rows.push(row);
    }
    let told = deliver(&account("tweet_create_events", &json!(rows)));
    let keys: Vec<_> = told.iter().map(|told| told.conversation.key.as_str()).collect();
    let found = format!("{POST}/{MARIA}");
    // What X does not show is filed under what it answers.
    assert_eq!(keys, [found.as_str(), &format!("1900000000000000160/{MARIA}"), &found]);
    assert_eq!(host.requests().len(), 1);
    assert_eq!(host.requests()[0].timeout_value(), Some(Duration::from_secs(3)), "X waits for the delivery's answer");
    let window = &host.headroom()[0];
    assert_eq!(
        (window.name.as_str(), window.allowed, window.remaining, window.resets_at.as_str()),
        ("lookups", Some(900), 899, "2026-01-15T12:10:00Z")
    );
}

#[test]
fn a_thread_that_cannot_be_asked_for_does_not_cost_the_delivery() {
    let host = host().start();
    let mut row = account_post(1_900_000_000_000_000_301, "ancora niente");
    row["in_reply_to_status_id_str"] = json!("1900000000000000150");
    assert_eq!(only(&account("tweet_create_events", &json!([row]))).conversation.key, format!("1900000000000000150/{MARIA}"));
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("threads could not be asked for")));
}

#[test]
fn of_many_deliveries_of_a_call_one_waits_for_a_platform_that_hangs() {
    let host = Host::new().http(|_: &http::Request| Err::<http::Response, _>(http::Failure::Interrupted("time-out".into()))).start();
    let deliveries: Vec<_> = (0..64)
        .map(|number| {
            let mut row = account_post(1_900_000_000_000_000_301 + number, "ancora niente");
            row["in_reply_to_status_id_str"] = json!("1900000000000000150");
            webhook::Request::post(account("tweet_create_events", &json!([row])).to_string())
        })
        .collect();
    for calls in 1..=2 {
        let taken = channel().deliver_all(&deliveries);
        assert_eq!(taken.iter().map(|outcome| outcome.as_ref().unwrap().interactions.len()).sum::<usize>(), 64);
        assert_eq!(host.requests().len(), calls, "the next call asks anew");
    }
}

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

#[test]
fn likes_reposts_follows_and_messages_come_in_and_say_who() {
    let _host = host().start();
    let like = json!({"id": "abc", "liked_tweet_id": POST, "liked_tweet_author_id": COMPANY, "timestamp_ms": "1768478400000"});
    let like = only(&event(1, "like.create", &like, &maria()));
    let favorite = json!([{"id": "abc", "favorited_status": {"id_str": POST}, "user": {"id_str": MARIA, "name": "M"}, "timestamp_ms": 1_768_478_400_000_i64}]);
    let favorite = only(&account("favorite_events", &favorite));
    for told in [&like, &favorite] {
        assert_eq!((identity(told), told.kind.as_str()), ((format!("like:{POST}:{MARIA}@1768478400000").as_str(), ""), "reaction"));
        assert!(told.attributes.iter().any(|attribute| attribute.name == "names-author"));
    }
    let mut repost = post("1900000000000000400", "RT @sole: orari");
    repost["referenced_tweets"] = json!([{"type": "retweeted", "id": POST}]);
    let repost = only(&event(2, "post.repost.create", &repost, &maria()));
    assert_eq!((repost.kind.as_str(), repost.text.as_deref(), repost.in_reply_to.as_deref()), ("repost", None, Some(POST)));
    let user = |id: &str, name: &str| json!({"data": {"id": id, "username": name, "name": name}});
    let follow = only(&event(3, "follow.follow", &json!({"source": user(MARIA, "maria_b"), "target": user(COMPANY, "sole")}), &json!([])));
    assert_eq!((follow.kind.as_str(), follow.author.unwrap().handle.as_deref()), ("follow", Some("maria_b")));
    let message = json!({
        "direct_message_events": [{
            "type": "message_create", "id": "1900000000000000500", "created_timestamp": "1768478400000",
            "message_create": {"sender_id": MARIA, "target": {"recipient_id": COMPANY}, "message_data": {"text": "buongiorno 🙂"}},
        }],
        "users": {MARIA: user(MARIA, "maria_b")},
    });
    let message = only(&event(4, "dm.received", &message, &json!([])));
    assert_eq!((message.kind.as_str(), message.visibility, message.own), ("direct-message", Visibility::Participants, false));
    assert_eq!((message.conversation.key, message.text.as_deref()), (format!("dm:{MARIA}"), Some("buongiorno 🙂")));
    assert_eq!(message.author.unwrap().handle.as_deref(), Some("maria_b"));
}

#[test]
fn of_several_messages_in_one_event_each_is_told() {
    let _host = host().start();
    let row = |id: u64, text: &str| {
        json!({
            "type": "message_create", "id": id.to_string(), "created_timestamp": "1768478400000",
            "message_create": {"target": {"recipient_id": COMPANY}, "sender_id": MARIA, "message_data": {"text": text}},
        })
    };
    let payload = json!({"direct_message_events": [row(1, "Buongiorno"), {"type": "mystery"}, row(2, "R&amp;D?")], "users": {}});
    let told = deliver(&event(4, "dm.received", &payload, &json!([])));
    let told: Vec<_> = told.iter().map(|told| (told.native_id.as_str(), told.kind.as_str(), told.text.as_deref())).collect();
    assert_eq!(told, [("1", "direct-message", Some("Buongiorno")), ("event:4", "page-edit", None), ("2", "direct-message", Some("R&D?"))]);
}

#[test]
fn words_are_told_as_they_were_typed_in_both_shapes() {
    let _host = host().start();
    let (short, whole) = ("https://t.co/BPqMcQzhId", "https://example.org/a?b=1&c=2");
    let (sent, typed) = (format!("@Sole R&amp;D &lt;b&gt; {short}"), format!("@Sole R&D <b> {whole}"));
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
fn whoever_follows_or_likes_again_does_something_new_and_what_is_told_again_is_not() {
    let _host = host().start();
    let user = |id: &str| json!({"data": {"id": id, "username": "x"}});
    let newer = |uuid: u64, kind: &str| only(&event(uuid, kind, &json!({"source": user(MARIA), "target": user(COMPANY)}), &json!([])));
    let older = |at_ms: u64, kind: &str| {
        let row = json!({"type": kind, "created_timestamp": at_ms.to_string(), "source": {"id_str": MARIA}, "target": {"id_str": COMPANY}});
        only(&account("follow_events", &json!([row])))
    };
    for told in [
        [
            newer(1, "follow.follow"),
            newer(2, "follow.unfollow"),
            newer(3, "follow.follow"),
            newer(4, "follow.unfollow"),
            newer(3, "follow.follow"),
        ],
        [older(1, "follow"), older(2, "unfollow"), older(3, "follow"), older(4, "unfollow"), older(3, "follow")],
    ] {
        assert_eq!(told.iter().map(|told| told.native_id.as_str()).collect::<HashSet<_>>().len(), 4, "{told:?}");
        let changes = [Change::Created, Change::Deleted, Change::Created, Change::Deleted, Change::Created];
        assert_eq!(told.each_ref().map(|told| told.change), changes);
        assert_eq!(identity(&told[4]), identity(&told[2]), "the same one, delivered again");
        assert!(told.iter().all(|told| told.conversation.key == format!("follow:{MARIA}:{COMPANY}")));
    }
    let liked = |at_ms: u64| {
        let newer = json!({"id": "abc", "liked_tweet_id": POST, "timestamp_ms": at_ms.to_string()});
        let older = json!([{"id": "abc", "favorited_status": {"id_str": POST}, "user": {"id_str": MARIA}, "timestamp_ms": at_ms}]);
        let ids = [only(&event(5, "like.create", &newer, &maria())), only(&account("favorite_events", &older))].map(|told| told.native_id);
        assert_eq!(ids[0], ids[1]);
        ids[0].clone()
    };
    assert_ne!(liked(1_768_478_400_000), liked(1_768_478_460_000));
    assert_eq!(liked(1_768_478_400_000), liked(1_768_478_400_000));
}

#[test]
fn what_is_not_understood_is_kept_raw_and_costs_nothing_else() {
    let _host = host().start();
    let strange = event(77, "mystery.shimmer", &json!({"hue": 7}), &json!([]));
    let told = only(&strange);
    assert_eq!((told.kind.as_str(), told.native_id.as_str()), ("page-edit", "event:77"));
    assert!(told.raw.is_some());
    let body = json!({
        "for_user_id": COMPANY, "mystery_events": [{"hue": 7}],
        "tweet_create_events": [account_post(1_900_000_000_000_000_101, "ok"), 7, {"text": {"no": "text"}}, {"id": "x", "user": "nobody"}],
        "users": {},
    });
    let told = deliver(&body);
    assert_eq!(told.iter().filter(|told| told.native_id == POST).count(), 1);
    assert_eq!(told.len(), 5, "nothing is left out: {told:#?}");
    assert_eq!(told.iter().map(identity).collect::<HashSet<_>>().len(), 5);
    for text in
        ["[]", "7", r#"{"data":[]}"#, r#"{"data":{"event_type":7}}"#, r#"{"for_user_id":"1400000000000000001","tweet_create_events":{}}"#]
    {
        let outcome = channel().deliver(&webhook::Request::post(text.as_bytes().to_vec()));
        assert!(matches!(outcome, Ok(_) | Err(Error::Reject(_))), "{text}: {outcome:?}");
    }
    assert!(matches!(channel().deliver(&webhook::Request::post(b"not json".to_vec())), Err(Error::Reject(_))));
}

#[test]
fn what_is_not_understood_belongs_to_whoever_is_named_so_that_it_can_be_erased_with_them() {
    let _host = host().start();
    let author = |body: &Value| only(body).author.map(|author| (author.id, author.handle));
    let maria_named = Some((MARIA.to_owned(), Some("maria_b".to_owned())));
    let maria_numbered = Some((MARIA.to_owned(), None));
    let named = json!({"source": {"id": MARIA, "username": "maria_b"}, "target": {"id": COMPANY}});
    for (payload, users, expected) in [
        (json!({"author_id": MARIA, "hue": 7}), maria(), &maria_named),
        (json!({"author_id": MARIA, "hue": 7}), json!([]), &maria_numbered),
        (json!({"sender_id": MARIA}), json!([]), &maria_numbered),
        (json!({"user_id": MARIA}), json!([]), &maria_numbered),
        (named.clone(), json!([]), &maria_named),
        (json!({"source": {"data": named["source"]}}), json!([]), &maria_named),
        (json!({"hue": 7}), maria(), &None),
        (json!({"author_id": {"no": "id"}, "user": 7}), json!([]), &None),
    ] {
        assert_eq!(author(&event(78, "mystery.shimmer", &payload, &users)), *expected, "{payload}");
    }
    for (row, expected) in [
        (json!({"user": {"id": 1_700_000_000_000_000_007_u64, "id_str": MARIA, "screen_name": "maria_b"}}), &maria_named),
        (json!({"source": {"id": MARIA, "screen_name": "maria_b"}, "target": {"id": COMPANY}}), &maria_named),
        (json!({"sender_id": MARIA}), &maria_numbered),
        (json!({"hue": 7}), &None),
    ] {
        assert_eq!(author(&account("mystery_events", &row)), *expected, "{row}");
    }
    let ours = only(&event(79, "mystery.shimmer", &json!({"author_id": COMPANY}), &json!([])));
    assert!(ours.own, "the company's own is nobody else's");
}

#[test]
fn that_somebody_writes_or_has_read_a_message_is_nothing_said() {
    let host = host().start();
    let about = json!({"created_timestamp": "1768478400000", "sender_id": MARIA, "target": {"recipient_id": COMPANY}});
    for body in [
        account("direct_message_indicate_typing_events", &about),
        account("direct_message_mark_read_events", &about),
        event(80, "dm.indicate_typing", &about, &maria()),
        event(81, "dm.read", &about, &maria()),
    ] {
        assert_eq!(deliver(&body), [], "{body}");
    }
    assert!(host.diagnostics().iter().all(|(level, _)| *level == Level::Debug), "{:?}", host.diagnostics());
    assert_eq!(host.diagnostics().len(), 4);
}

#[test]
fn odd_json_is_kept_raw_too() {
    let _host = host().start();
    for body in ["[]", r#"{"tweet_create_events\u0021": [{"hue": 7}]}"#] {
        let told = deliver_raw(body);
        assert_eq!(told.len(), 1, "{body}");
        assert_eq!(told[0].attributes[0].name, "not-understood", "{body}");
        assert!(told[0].raw.is_some(), "{body}");
    }
    let not_utf_8 = channel().deliver(&webhook::Request::post(b"{\"mystery\": \"\xff\"}".to_vec()));
    assert!(matches!(not_utf_8, Err(Error::Reject(_))), "{not_utf_8:?}");
}

#[test]
fn people_wrapped_however_deep_cost_nothing() {
    let _host = host().start();
    let deep = format!("{}{}{}", r#"{"data":"#.repeat(10_000), maria()[0], "}".repeat(10_000));
    let follow = event(1, "follow.follow", &json!({"source": "MARIA", "target": {"id": COMPANY}}), &json!(["MARIA"]));
    let told = deliver_raw(follow.to_string().replace(r#""MARIA""#, &deep));
    assert_eq!((told.len(), told[0].native_id.as_str()), (1, "event:1"), "who follows is not understood: {told:?}");
    let message = json!({"type": "message_create", "id": "5", "message_create": {"sender_id": MARIA, "target": {"recipient_id": COMPANY}}});
    let message = json!({"for_user_id": COMPANY, "direct_message_events": [message], "users": {MARIA: "MARIA"}});
    let told = deliver_raw(message.to_string().replace(r#""MARIA""#, &deep));
    assert_eq!((told.len(), told[0].native_id.as_str()), (1, "5"));
}

#[test]
fn a_delivery_for_another_account_is_rejected_so_that_it_can_be_replayed_with_the_right_settings() {
    let _host = host().start();
    let mut body = account("tweet_create_events", &json!([account_post(1, "x")]));
    body["for_user_id"] = json!("42");
    let error = channel().deliver(&webhook::Request::post(body.to_string().into_bytes())).unwrap_err();
    assert!(matches!(&error, Error::Reject(reason) if reason.contains("42") && reason.contains(COMPANY)), "{error:?}");
}

#[test]
fn an_event_of_another_account_of_the_application_is_not_this_channels_and_a_deletion_of_anybodys_is() {
    let host = host().start();
    let others = |kind: &str, payload: &Value| {
        let mut body = event(1, kind, payload, &maria());
        body["data"]["filter"]["user_id"] = json!("42");
        body
    };
    let body = others("post.mention.create", &post(POST, "@altro ciao"));
    let error = channel().deliver(&webhook::Request::post(body.to_string().into_bytes())).unwrap_err();
    assert!(matches!(&error, Error::Reject(reason) if reason.contains("42") && reason.contains(COMPANY)), "{error:?}");
    let ours = event(2, "post.mention.create", &post(POST, "@sole ciao"), &maria());
    let both = json!({"data": [others("mystery.shimmer", &json!({}))["data"], ours["data"]]});
    assert_eq!(only(&both).text.as_deref(), Some("@sole ciao"));
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("1 of 2 events")));
    // To hear of deletions the application is subscribed to whoever wrote.
    let gone = only(&others("post.delete", &json!({"id": POST, "author_id": "42"})));
    assert_eq!((identity(&gone), gone.change), ((POST, "deleted"), Change::Deleted));
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
    let rows: Vec<Value> = (0..1_000).map(|number| account_post(9_007_199_254_740_993 + number, "ciao")).collect();
    let told = deliver(&account("tweet_create_events", &json!(rows)));
    let ids: HashSet<_> = told.iter().map(|told| told.native_id.clone()).collect();
    assert_eq!(ids.len(), 1_000);
    assert!(ids.contains("9007199254740993"), "numbers above 2^53 keep every digit");
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
