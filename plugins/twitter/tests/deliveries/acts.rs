//! Likes, reposts, follows and messages.

use std::collections::HashSet;

use serde_json::{Value, json};
use sportello_sdk::diagnostics::Level;
use sportello_sdk::{Change, Error, Visibility, webhook};

use crate::bodies::{COMPANY, MARIA, POST, account, channel, deliver, event, host, identity, maria, only, post};

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
    // Whoever wrote the post may be named beside whoever likes it.
    let ours = json!([{"id": COMPANY, "username": "sole"}]);
    let both = json!([{"id": COMPANY, "username": "sole"}, {"id": MARIA, "username": "maria_b"}]);
    for (people, who) in [(&ours, COMPANY), (&both, MARIA)] {
        let told = only(&event(1, "like.create", &json!({"liked_tweet_id": POST}), people));
        assert_eq!((told.own, told.author.unwrap().id.as_str()), (who == COMPANY, who));
    }
    let mut repost = post("1900000000000000400", "RT @sole: orari");
    repost["referenced_tweets"] = json!([{"type": "retweeted", "id": POST}]);
    let repost = only(&event(2, "post.repost.create", &repost, &maria()));
    assert_eq!((repost.kind.as_str(), repost.text.as_deref(), repost.in_reply_to.as_deref()), ("repost", None, Some(POST)));
    let user = |id: &str, name: &str| json!({"data": {"id": id, "username": name, "name": name}});
    let follow = only(&event(3, "follow.follow", &json!({"source": user(MARIA, "maria_b"), "target": user(COMPANY, "sole")}), &json!([])));
    assert_eq!((follow.kind.as_str(), follow.own, follow.author.unwrap().handle.as_deref()), ("follow", false, Some("maria_b")));
    let ours = only(&event(3, "follow.follow", &json!({"source": user(COMPANY, "sole"), "target": user(MARIA, "maria_b")}), &json!([])));
    assert!(ours.own, "whom the company follows");
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
fn a_like_lies_beside_the_conversation_of_whoever_answers_and_likes_the_same_post() {
    let _host = host().start();
    let mut answer = post("1900000000000000401", "@Sole e quando?");
    answer["conversation_id"] = json!(POST);
    answer["referenced_tweets"] = json!([{"type": "replied_to", "id": POST}]);
    let answer = only(&event(1, "post.reply.create", &answer, &maria()));
    let like = only(&event(2, "like.create", &json!({"liked_tweet_id": POST, "timestamp_ms": "1768478400000"}), &maria()));
    let favorite =
        json!([{"id": "abc", "favorited_status": {"id_str": POST}, "user": {"id_str": MARIA}, "timestamp_ms": 1_768_478_400_000_i64}]);
    let favorite = only(&account("favorite_events", &favorite));
    assert_eq!(answer.conversation.key, format!("{POST}/{MARIA}"));
    for like in [like, favorite] {
        assert_eq!((like.conversation.key, like.in_reply_to.as_deref()), (format!("like:{POST}/{MARIA}"), Some(POST)));
    }
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
fn a_message_of_the_companys_is_its_own_and_belongs_to_whoever_gets_it() {
    let _host = host().start();
    let written = |from: &str, to: &str| {
        json!([{
            "type": "message_create", "id": "1900000000000000501", "created_timestamp": "1768478400000",
            "message_create": {"sender_id": from, "target": {"recipient_id": to}, "message_data": {"text": "a &amp;lt; b"}},
        }])
    };
    let newer = |rows: Value| event(4, "dm.sent", &json!({"direct_message_events": rows}), &json!([]));
    let older = |rows: Value| account("direct_message_events", &rows);
    for told in [only(&newer(written(COMPANY, MARIA))), only(&older(written(COMPANY, MARIA)))] {
        assert_eq!((told.own, told.visibility), (true, Visibility::Participants));
        assert_eq!((told.conversation.key, told.author.unwrap().id), (format!("dm:{MARIA}"), COMPANY.to_owned()));
        assert_eq!(told.text.as_deref(), Some("a &lt; b"), "what was typed is not unescaped twice");
    }
    for body in [newer(written(MARIA, "42")), older(written(MARIA, "42"))] {
        let refused = channel().deliver(&webhook::Request::post(body.to_string()));
        assert!(matches!(&refused, Err(Error::Reject(reason)) if reason.contains("account 42")), "a message to somebody else: {refused:?}");
    }
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
