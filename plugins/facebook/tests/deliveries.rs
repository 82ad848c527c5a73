//! What the connector promises about deliveries. The bodies stand in `exchanges/deliveries`, written after Facebook's public documentation.

use std::collections::HashSet;
use std::path::Path;

use facebook::Facebook;
use serde_json::{Value, json};
use sportello_sdk::testing::{Channel, Host};
use sportello_sdk::{Change, Error, Interaction, Raw, Visibility, webhook};

const PAGE: &str = "100200300400500";

fn channel() -> Channel<Facebook> {
    Channel::new(json!({ "page-id": PAGE, "graph-url": "https://graph.facebook.com" }))
}

fn body(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("exchanges/deliveries").join(name).with_extension("json");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn interactions(name: &str) -> Vec<Interaction> {
    channel().deliver(&webhook::Request::post(body(name))).unwrap().interactions
}

fn only(name: &str) -> Interaction {
    let mut interactions = interactions(name);
    assert_eq!(interactions.len(), 1, "{name} holds one update");
    interactions.remove(0)
}

fn identity(interaction: &Interaction) -> (String, String) {
    (interaction.native_id.clone(), interaction.revision.clone())
}

#[test]
fn a_comment_comes_in_with_its_words_author_time_and_thread() {
    let comment = only("comment");
    assert_eq!(identity(&comment), ("900_901".into(), String::new()));
    assert_eq!((comment.kind.as_str(), comment.change, comment.own), ("comment", Change::Created, false));
    assert_eq!(comment.text.as_deref(), Some("La rete è giù da stamattina, perché? 😡"));
    assert_eq!(comment.occurred_at, "2025-11-24T16:00:00Z");
    let author = comment.author.unwrap();
    assert_eq!((author.id.as_str(), author.display_name.as_deref()), ("7000000000000001", Some("Maria Bianchi")));
    assert_eq!(comment.conversation.key, "900_901", "a top-level comment begins a conversation");
    assert_eq!(comment.in_reply_to.as_deref(), Some("100200300400500_900"));
    assert_eq!(comment.visibility, Visibility::Everyone);
}

#[test]
fn replies_and_our_own_answer_belong_to_the_comment_above_them() {
    for (name, kind, own) in [("reply_of_customer", "reply", false), ("echo_of_reply", "reply", true)] {
        let reply = only(name);
        assert_eq!((reply.kind.as_str(), reply.own, reply.conversation.key.as_str()), (kind, own, "900_901"), "{name}");
        assert_eq!(reply.in_reply_to.as_deref(), Some("900_901"), "{name}");
    }
}

#[test]
fn a_visitors_post_is_a_conversation_and_the_pages_comment_on_it_is_its_answer() {
    let post = only("visitor_post");
    assert_eq!((post.kind.as_str(), post.conversation.key.as_str(), post.own), ("post", "100200300400500_950", false));

    let mut echo: Value = serde_json::from_slice(&body("echo_of_reply")).unwrap();
    echo["entry"][0]["changes"][0]["value"]["post_id"] = json!("100200300400500_950");
    echo["entry"][0]["changes"][0]["value"]["parent_id"] = json!("100200300400500_950");
    let answer = channel().deliver(&webhook::Request::post(echo.to_string())).unwrap().interactions.remove(0);
    assert_eq!((answer.conversation.key.as_str(), answer.own), ("100200300400500_950", true));
}

#[test]
fn our_own_post_comes_back_under_the_id_its_receipt_has() {
    let mut delivery: Value = serde_json::from_slice(&body("visitor_post")).unwrap();
    delivery["entry"][0]["changes"][0]["value"]["from"] = json!({ "id": "100200300400500", "name": "Telefonia Esempio" });
    // One with a link in it comes as a share.
    for item in ["status", "post", "share"] {
        delivery["entry"][0]["changes"][0]["value"]["item"] = json!(item);
        let echo = channel().deliver(&webhook::Request::post(delivery.to_string())).unwrap().interactions.remove(0);
        assert_eq!((echo.native_id.as_str(), echo.change, echo.own), ("100200300400500_950", Change::Created, true), "{item}");
    }
}

#[test]
fn a_redelivery_in_another_envelope_has_the_same_identity() {
    for name in ["comment", "comment_edited", "comment_removed", "several_entries", "not_understood", "mention_without_author"] {
        let first = interactions(name);
        let mut later: Value = serde_json::from_slice(&body(name)).unwrap();
        for entry in later["entry"].as_array_mut().unwrap() {
            // An entry that is understood in no part has nothing but its content.
            if entry.get("smoke_signals").is_none() {
                entry["time"] = json!(1_764_129_600);
            }
        }
        let Value::Object(mut envelope) = later else { panic!("an object") };
        envelope.insert("sent_again".into(), json!(36));
        // What is inside `changes` must keep its bytes: a redelivery repeats them.
        let text = serde_json::to_string(&envelope).unwrap();
        let again = channel().deliver(&webhook::Request::post(text)).unwrap().interactions;
        let understood = |list: &[Interaction]| -> Vec<_> {
            list.iter().filter(|interaction| !interaction.attributes.iter().any(|a| a.name == "not-understood")).map(identity).collect()
        };
        assert_eq!(understood(&first), understood(&again), "{name}");
        assert_eq!(interactions(name).iter().map(identity).collect::<Vec<_>>(), first.iter().map(identity).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn an_edit_is_a_revision_of_the_same_thing() {
    let (comment, edit) = (only("comment"), only("comment_edited"));
    assert_eq!(edit.native_id, comment.native_id);
    assert_eq!(edit.change, Change::Edited);
    assert!(edit.revision.starts_with("edited@1764000290000"), "{}", edit.revision);
    assert_eq!(edit.conversation.key, comment.conversation.key);

    let mut second: Value = serde_json::from_slice(&body("comment_edited")).unwrap();
    second["entry"][0]["changes"][0]["value"]["message"] = json!("La rete è caduta di nuovo");
    let second = channel().deliver(&webhook::Request::post(second.to_string())).unwrap().interactions.remove(0);
    assert_ne!(second.revision, edit.revision, "two edits whose time is that of the comment are told apart by their words");
}

#[test]
fn a_deletion_has_no_words_and_is_told_once() {
    let deletion = only("comment_removed");
    assert_eq!(identity(&deletion), ("900_901".into(), "deleted".into()));
    assert_eq!((deletion.change, deletion.text), (Change::Deleted, None));
}

#[test]
fn ids_above_2_to_53_keep_every_digit() {
    let comment = only("numbers_beyond_2_to_53");
    assert_eq!(comment.native_id, "9223372036854775809");
    assert_eq!(comment.author.unwrap().id, "9007199254740993");
    assert_eq!(comment.occurred_at, "2025-11-24T16:09:50Z", "a time in quotes is a time");
}

#[test]
fn a_mention_without_an_author_is_taken_in_without_one() {
    let mention = only("mention_without_author");
    assert_eq!((mention.kind.as_str(), mention.author.is_none()), ("mention", true));
    assert_eq!(mention.text.as_deref(), Some("Telefonia Esempio non risponde"));
}

#[test]
fn what_is_not_understood_is_kept_and_costs_nothing_else() {
    let interactions = interactions("not_understood");
    assert_eq!(interactions.len(), 6, "five changes and one entry of another shape");
    let understood: Vec<_> = interactions.iter().filter(|interaction| interaction.kind != "page-edit").collect();
    assert_eq!(understood.len(), 1);
    assert_eq!(understood[0].text.as_deref(), Some("Questo si capisce"));
    let body = body("not_understood");
    for interaction in &interactions {
        let Some(Raw::Input(range)) = &interaction.raw else { panic!("{} has no raw range", interaction.native_id) };
        let quoted = &body[range.start as usize..(range.start + range.length) as usize];
        assert!(serde_json::from_slice::<Value>(quoted).is_ok(), "the range is a JSON value of its own");
    }
    let identities: HashSet<_> = interactions.iter().map(identity).collect();
    assert_eq!(identities.len(), 6, "each is told apart");
}

#[test]
fn a_list_of_another_shape_is_kept_and_costs_no_list_beside_it() {
    let comment: Value = serde_json::from_slice(&body("comment")).unwrap();
    for name in ["messaging", "standby"] {
        for (strange, kept) in [(Value::Null, 0), (json!({}), 1), (json!("x"), 1)] {
            let mut delivery = comment.clone();
            delivery["entry"][0][name] = strange.clone();
            let told = channel().deliver(&webhook::Request::post(delivery.to_string())).unwrap().interactions;
            assert_eq!((told.len(), told[0].kind.as_str()), (1 + kept, "comment"), "{name}: {strange}");
            assert!(told[1..].iter().all(|one| one.kind == "page-edit" && one.raw.is_some()), "{told:?}");
        }
    }
    let message = json!({ "sender": { "id": "7" }, "message": { "mid": "m_1", "text": "Aiuto" } });
    let entry = json!({ "id": comment["entry"][0]["id"], "changes": { "field": "feed" }, "messaging": [message] });
    let told = channel().deliver(&webhook::Request::post(json!({ "object": "page", "entry": [entry] }).to_string())).unwrap().interactions;
    assert_eq!(told.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["page-edit", "direct-message"]);
}

#[test]
fn one_delivery_holds_reactions_reviews_moderation_and_messages() {
    let interactions = interactions("several_entries");
    let summary: Vec<_> = interactions.iter().map(|i| (i.kind.as_str(), i.conversation.key.as_str(), i.own, i.visibility)).collect();
    assert_eq!(
        summary,
        [
            ("reaction", "900_901", false, Visibility::Everyone),
            ("review", "3300", false, Visibility::Everyone),
            ("page-edit", "900_901", true, Visibility::Everyone),
            ("direct-message", "dm:7000000000000005", false, Visibility::Participants),
            ("direct-message", "dm:7000000000000005", true, Visibility::Participants),
        ]
    );
    assert_eq!(interactions[0].native_id, "reaction:900_902:7000000000000001");
    assert_eq!(interactions[1].text.as_deref(), Some("Mai più"));
    assert_eq!(interactions[2].in_reply_to.as_deref(), Some("900_901"));
    assert_eq!(interactions[2].text, None, "hiding a comment is not an edit of its words");
    assert_eq!(interactions[3].occurred_at, "2025-11-24T16:15:00.123Z", "messages count in milliseconds");
}

/// What changes of a field tell.
fn told(field: &str, values: &[Value]) -> Vec<Interaction> {
    let changes: Vec<Value> = values.iter().map(|value| json!({ "field": field, "value": value })).collect();
    let delivery = json!({ "object": "page", "entry": [{ "id": PAGE, "time": 1_764_000_900, "changes": changes }] });
    channel().deliver(&webhook::Request::post(delivery.to_string())).unwrap().interactions
}

#[test]
fn a_post_is_a_post_whatever_is_in_it_and_a_share_without_words_or_elsewhere_is_a_repost() {
    let from = json!({ "id": "7000000000000001", "name": "Maria Bianchi" });
    let post = |item: &str, post: &str, message: Option<&str>| {
        let mut value = json!({ "item": item, "verb": "add", "from": from, "post_id": post, "published": 1, "created_time": 1_764_000_890,
            "link": "https://www.facebook.com/photo/1", format!("{item}_id"): "990" });
        if let Some(message) = message {
            value["message"] = json!(message);
        }
        value
    };
    let here = "100200300400500_970";
    let values = [
        post("status", here, Some("Perché?")),
        post("photo", here, Some("Ecco il guasto")),
        post("photo", here, None),
        post("video", here, Some("Sentite")),
        post("share", here, Some("È vero?")),
        post("share", here, None),
        post("share", "7000000000000001_970", Some("Guardate")),
    ];
    let told = told("feed", &values);
    let kinds: Vec<&str> = told.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["post", "post", "post", "post", "post", "repost", "repost"]);
    assert!(told.iter().zip(&values).all(|(one, value)| one.native_id == value["post_id"] && one.conversation.key == one.native_id));
    assert_eq!((told[1].text.as_deref(), told[2].text.as_deref()), (Some("Ecco il guasto"), None));
    assert!(told.iter().all(|one| !one.own && one.author.as_ref().is_some_and(|author| author.id == "7000000000000001")));
}

#[test]
fn a_reaction_that_is_taken_back_is_a_deletion_of_the_same_and_another_one_an_edit() {
    let reaction = |verb: &str, kind: &str| {
        json!({ "item": "reaction", "verb": verb, "reaction_type": kind, "from": { "id": "7000000000000001", "name": "Maria Bianchi" },
            "post_id": "100200300400500_900", "comment_id": "900_902", "parent_id": "900_901", "created_time": 1_764_000_890 })
    };
    let told = told("feed", &[reaction("add", "like"), reaction("edit", "love"), reaction("edit", "angry"), reaction("remove", "angry")]);
    let changes: Vec<Change> = told.iter().map(|one| one.change).collect();
    assert_eq!(changes, [Change::Created, Change::Edited, Change::Edited, Change::Deleted]);
    assert!(told.iter().all(|one| one.native_id == "reaction:900_902:7000000000000001" && one.conversation.key == "900_901"));
    assert_eq!(told.iter().map(identity).collect::<HashSet<_>>().len(), 4);
}

#[test]
fn hiding_and_showing_again_are_the_pages_and_not_its_authors() {
    let moderation = |verb: &str, from: &str, item: &str, second: i64| {
        json!({ "item": item, "verb": verb, "from": { "id": from, "name": "?" }, "post_id": "100200300400500_950", "comment_id": "950_901",
            "parent_id": "100200300400500_950", "created_time": 1_764_000_890 + second, "message": "Vergogna!" })
    };
    let told = told(
        "feed",
        &[
            moderation("hide", PAGE, "comment", 0),
            moderation("unhide", PAGE, "comment", 1),
            // Sources disagree whose name stands there.
            moderation("hide", "7000000000000001", "comment", 2),
            moderation("hide", PAGE, "post", 3),
        ],
    );
    for (one, (verb, thing)) in
        told.iter().zip([("hide", "950_901"), ("unhide", "950_901"), ("hide", "950_901"), ("hide", "100200300400500_950")])
    {
        assert_eq!((one.kind.as_str(), one.own, one.author.is_none(), one.text.as_deref()), ("page-edit", true, true, None));
        assert!(one.native_id.starts_with(&format!("{verb}:{thing}@")), "{}", one.native_id);
        assert_eq!((one.in_reply_to.as_deref(), one.conversation.key.as_str()), (Some(thing), thing));
    }
    assert_eq!(told.iter().map(identity).collect::<HashSet<_>>().len(), 4);
}

#[test]
fn a_recommendation_is_a_review_with_its_edits_comments_and_removal() {
    let rating = |verb: &str, text: &str| {
        json!({ "item": "rating", "verb": verb, "reviewer_id": "7000000000000004", "reviewer_name": "Piero Neri", "review_text": text,
            "recommendation_type": "NEGATIVE", "open_graph_story_id": "3300", "created_time": 1_764_000_891 })
    };
    let mut stars = rating("add", "Così così");
    stars["rating"] = json!(3);
    stars["open_graph_story_id"] = json!("3301");
    let comment = json!({ "item": "comment", "verb": "add", "from": { "id": "7000000000000001", "name": "Maria Bianchi" }, "comment_id": "3300_1",
        "open_graph_story_id": "3300", "message": "Anche a me", "created_time": 1_764_000_892 });
    let told = told("ratings", &[rating("add", "Mai più"), rating("edited", "Meglio"), comment, rating("remove", "Meglio"), stars]);
    let summary: Vec<_> = told.iter().map(|one| (one.kind.as_str(), one.change, one.conversation.key.as_str())).collect();
    assert_eq!(
        summary,
        [
            ("review", Change::Created, "3300"),
            ("review", Change::Edited, "3300"),
            ("comment", Change::Created, "3300"),
            ("review", Change::Deleted, "3300"),
            ("review", Change::Created, "3301"),
        ]
    );
    let attribute = |one: &Interaction, name: &str| {
        one.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.clone())
    };
    assert_eq!(attribute(&told[0], "recommendation").as_deref(), Some("NEGATIVE"));
    assert_eq!(attribute(&told[4], "rating").as_deref(), Some("3"));
    assert_eq!(told[0].author.as_ref().and_then(|author| author.display_name.as_deref()), Some("Piero Neri"));
    assert_eq!(told[3].text, None, "a deletion has no words, though the platform may repeat them");
}

/// <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/message-edits>
#[test]
fn a_message_that_is_edited_is_a_revision_of_the_same() {
    let message = |more: Value| {
        let mut event = json!({ "sender": { "id": "7000000000000005" }, "recipient": { "id": PAGE }, "timestamp": 1_764_000_900_123_i64 });
        more.as_object().unwrap().iter().for_each(|(name, value)| event[name] = value.clone());
        event
    };
    let edit = |text: &str, count: Value| message(json!({ "message_edit": { "mid": "m_abc", "text": text, "num_edit": count } }));
    let messaging =
        [message(json!({ "message": { "mid": "m_abc", "text": "Aiuto" } })), edit("Aiuto!", json!("1")), edit("Aiuto!!", json!(2))];
    let delivery = json!({ "object": "page", "entry": [{ "id": PAGE, "time": 1_764_000_901_000_i64, "messaging": messaging }] });
    let told = channel().deliver(&webhook::Request::post(delivery.to_string())).unwrap().interactions;
    let summary: Vec<_> = told
        .iter()
        .map(|one| (one.native_id.as_str(), one.revision.as_str(), one.change, one.text.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(
        summary,
        [
            ("m_abc", "", Change::Created, "Aiuto"),
            ("m_abc", "edited@1", Change::Edited, "Aiuto!"),
            ("m_abc", "edited@2", Change::Edited, "Aiuto!!"),
        ]
    );
    assert!(told.iter().all(|one| one.visibility == Visibility::Participants && one.conversation.key == "dm:7000000000000005"));
}

#[test]
fn a_thousand_updates_in_one_delivery_all_come_in() {
    let change = |n: u32| {
        json!({ "field": "feed", "value": { "item": "comment", "verb": "add", "post_id": "9", "parent_id": "9", "comment_id": format!("9_{n}"),
            "from": { "id": n, "name": "𝕏 \u{1F9D1}\u{200D}\u{1F33E}" }, "message": "è 😡", "created_time": 1_764_000_000 + n } })
    };
    let changes: Vec<_> = (0..1000).map(change).collect();
    let delivery = json!({ "object": "page", "entry": [{ "id": PAGE, "time": 1_764_000_000, "changes": changes }] });
    let interactions = channel().deliver(&webhook::Request::post(delivery.to_string())).unwrap().interactions;
    assert_eq!(interactions.len(), 1000);
    assert_eq!(interactions.iter().map(identity).collect::<HashSet<_>>().len(), 1000);
    assert!(interactions.iter().all(|interaction| interaction.text.as_deref() == Some("è 😡")));
}

#[test]
fn four_byte_characters_do_not_shift_the_raw_range() {
    let delivery = format!(
        r#"{{"note":"😡😡","object":"page","entry":[{{"id":"{PAGE}","changes":[{{"field":"feed","value":{{"item":"comment","comment_id":"1","message":"😡"}}}}]}}]}}"#
    );
    let interaction = channel().deliver(&webhook::Request::post(delivery.clone())).unwrap().interactions.remove(0);
    let Some(Raw::Input(range)) = interaction.raw else { panic!("a range") };
    let quoted = &delivery.as_bytes()[range.start as usize..(range.start + range.length) as usize];
    assert_eq!(quoted, r#"{"field":"feed","value":{"item":"comment","comment_id":"1","message":"😡"}}"#.as_bytes());
}

#[test]
fn entries_of_other_pages_are_left_out_and_a_delivery_of_only_others_is_parked() {
    let host = Host::new().start();
    let ours = json!({ "id": PAGE, "changes": [{ "field": "feed", "value": { "item": "comment", "comment_id": "1" } }] });
    let other = json!({ "id": "42", "changes": [{ "field": "feed", "value": { "item": "comment", "comment_id": "2" } }] });
    let deliver = |entries: &[&Value]| channel().deliver(&webhook::Request::post(json!({ "entry": entries }).to_string()));
    assert_eq!(deliver(&[&ours, &other]).unwrap().interactions.len(), 1);
    assert_eq!(host.diagnostics().len(), 1);
    assert!(matches!(deliver(&[&other]), Err(Error::Reject(_))));
}

#[test]
fn a_body_that_is_no_delivery_is_rejected_so_that_the_host_parks_it() {
    for body in ["", "{", "[]", r#"{"object":"page"}"#, r#"{"entry":{}}"#, "\u{1F4A3}"] {
        assert!(matches!(channel().deliver(&webhook::Request::post(body)), Err(Error::Reject(_))), "{body:?}");
    }
}

#[test]
fn one_bad_delivery_of_a_batch_costs_only_itself() {
    let requests = [webhook::Request::post(body("comment")), webhook::Request::post("{"), webhook::Request::post(body("visitor_post"))];
    let outcomes = channel().deliver_all(&requests);
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn the_challenge_is_echoed_only_to_who_knows_the_verify_token() {
    let _host = Host::new().credential("verify-token", "prezzemolo").start();
    let ask = |mode: &str, token: &str| {
        let request = webhook::Request::get([("hub.mode", mode), ("hub.verify_token", token), ("hub.challenge", "1158201444")]);
        channel().deliver(&request).unwrap().response.unwrap()
    };
    let right = ask("subscribe", "prezzemolo");
    assert_eq!((right.status, right.content_type.as_str(), right.body.as_slice()), (200, "text/plain", b"1158201444".as_slice()));
    for wrong in [ask("subscribe", "basilico"), ask("unsubscribe", "prezzemolo"), ask("subscribe", "")] {
        assert_eq!(wrong.status, 403);
        assert!(!wrong.body.windows(4).any(|window| window == b"1158"));
    }
}
