//! What a delivery becomes.

use std::collections::HashSet;

use serde_json::{Value, json};
use sportello_sdk::testing::Host;
use sportello_sdk::{Change, Error, LinkPermission, Raw, ReplyPermission, webhook};

use crate::platform::*;

fn comment() -> Value {
    notification(5_603_453_321_u64, "COMMENT", QUESTION, "La rete è giù da stamattina, perché? 😡")
}

#[test]
fn a_comment_comes_in_with_its_words_author_time_and_thread() {
    let _host = started(&world());
    let comment = only(&comment());
    assert_eq!(identity(&comment), (QUESTION.into(), String::new()));
    assert_eq!((comment.kind.as_str(), comment.change, comment.own), ("comment", Change::Created, false));
    assert_eq!(comment.text.as_deref(), Some("La rete è giù da stamattina, perché? 😡"));
    assert_eq!(comment.occurred_at, "2026-01-15T12:00:00Z");
    assert_eq!(comment.author.unwrap().id, "urn:li:person:a7Kd0wPq2Z");
    assert_eq!(comment.conversation.key, QUESTION, "a top-level comment begins a conversation");
    assert_eq!(comment.in_reply_to.as_deref(), Some(POST));
}

#[test]
fn both_spellings_of_a_urn_are_the_same_thing() {
    let _host = started(&world());
    for spell in [|urn: &str| urn.to_owned(), short] {
        let mut told = comment();
        told["generatedActivity"] = json!(spell(QUESTION));
        let interaction = only(&told);
        assert_eq!((interaction.native_id.as_str(), interaction.conversation.key.as_str()), (QUESTION, QUESTION));
        told["generatedActivity"] = Value::Null;
        told["decoratedGeneratedActivity"]["comment"]["entity"] = json!(spell(QUESTION));
        assert_eq!(only(&told).native_id, QUESTION, "also where only the decoration names it");
    }
}

#[test]
fn a_redelivery_in_another_envelope_has_the_same_identity() {
    let _host = started(&world());
    let told = [
        comment(),
        share("SHARE", "urn:li:share:99", "Leggete"),
        notification(9, "COMMENT_DELETE", QUESTION, ""),
        json!({ "action": "SHIMMER" }),
    ];
    let first: Vec<_> = delivered(&told).iter().map(identity).collect();
    let again = json!({ "sentAgain": true, "notifications": told }).to_string();
    let again = channel().deliver(&webhook::Request::post(again)).unwrap().interactions;
    assert_eq!(first, again.iter().map(identity).collect::<Vec<_>>());
}

#[test]
fn an_edit_is_a_revision_of_the_same_thing_and_may_come_first() {
    let _host = started(&world());
    let mut edit = notification(2, "COMMENT_EDIT", &short(QUESTION), "La rete è giù");
    edit["lastModifiedAt"] = json!(NOW_MS + 5);
    let told = delivered(&[edit.clone(), comment()]);
    assert_eq!((told[0].native_id.as_str(), told[0].change), (QUESTION, Change::Edited));
    assert!(told[0].revision.starts_with(&format!("edited@{}-", NOW_MS + 5)), "{}", told[0].revision);
    assert_eq!((told[0].conversation.key.as_str(), identity(&told[1])), (QUESTION, (QUESTION.into(), String::new())));

    edit["decoratedGeneratedActivity"]["comment"]["text"] = json!("La rete è caduta");
    assert_ne!(only(&edit).revision, told[0].revision, "two edits of the same moment are told apart by their words");
}

#[test]
fn a_deletion_has_no_words_needs_no_look_and_may_come_first() {
    let host = started(&world());
    let deletion = only(&notification(3, "COMMENT_DELETE", &short(QUESTION), ""));
    assert_eq!(identity(&deletion), (QUESTION.into(), "deleted".into()));
    assert_eq!((deletion.change, deletion.text, deletion.author), (Change::Deleted, None, None));
    assert!(host.requests().is_empty(), "what is gone can't be read");
    assert_eq!(only(&comment()).native_id, QUESTION);
}

#[test]
fn our_own_comment_is_own_whoever_the_notification_names() {
    let _host = started(&world());
    let mut told = notification(4, "ADMIN_COMMENT", QUESTION, "Stiamo riparando.");
    assert!(only(&told).own);
    told["decoratedGeneratedActivity"]["comment"].as_object_mut().unwrap().remove("owner");
    let echo = only(&told);
    assert_eq!((echo.own, echo.author.unwrap().id.as_str()), (true, ORGANIZATION));
    told["action"] = json!("COMMENT_EDIT");
    told["decoratedGeneratedActivity"]["comment"]["owner"] = json!(ORGANIZATION);
    assert!(only(&told).own, "an edit of ours opens no case");
}

#[test]
fn a_like_is_known_by_who_liked_what_and_says_so() {
    let _host = started(&world());
    let like = |object: &str| {
        let mut told = notification(5, "LIKE", &format!("urn:li:like:(urn:li:person:b,{object})"), "");
        told.as_object_mut().unwrap().remove("decoratedGeneratedActivity");
        only(&told)
    };
    let (of_comment, of_post) = (like(&short(QUESTION)), like(POST));
    assert_eq!((of_comment.kind.as_str(), of_comment.conversation.key.as_str()), ("reaction", QUESTION));
    assert_eq!(of_comment.native_id, format!("urn:li:like:(urn:li:person:b,{QUESTION})"));
    assert_eq!(
        (of_comment.author.as_ref().unwrap().id.as_str(), attribute(&of_comment, "names-author")),
        ("urn:li:person:b", Some("true"))
    );
    assert_eq!((of_post.conversation.key.as_str(), of_post.in_reply_to.as_deref()), (POST, Some(POST)));
}

#[test]
fn who_hides_has_no_author() {
    let _host = started(&world());
    let mut told = comment();
    told["decoratedGeneratedActivity"]["comment"].as_object_mut().unwrap().remove("owner");
    assert_eq!(only(&told).author, None);
    let like = json!({ "notificationId": 1, "organizationalEntity": ORGANIZATION, "action": "LIKE", "sourcePost": POST });
    let like = only(&like);
    assert_eq!((like.kind.as_str(), like.native_id.as_str(), &like.author), ("reaction", "notification:1", &None));
    assert_eq!(attribute(&like, "names-author"), None);
}

#[test]
fn a_post_that_shares_ours_and_mentions_us_is_told_of_as_both() {
    let _host = started(&world());
    let told = delivered(&[share("SHARE", "urn:li:share:99", "Leggete"), share("SHARE_MENTION", "urn:li:share:99", "Leggete")]);
    assert_eq!(told.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["repost", "mention"]);
    assert_ne!(identity(&told[0]), identity(&told[1]));
    assert_eq!((told[1].native_id.as_str(), told[1].conversation.key.as_str()), ("urn:li:share:99", "urn:li:share:99"));
    assert_eq!(told[1].text.as_deref(), Some("Leggete"));
}

#[test]
fn ids_above_2_to_53_keep_every_digit_as_numbers_and_as_texts() {
    let _host = started(&world());
    let unknown = |id: Value| only(&json!({ "notificationId": id, "action": "SHIMMER" })).native_id;
    assert_eq!(unknown(json!(9_007_199_254_740_993_u64)), "notification:9007199254740993");
    assert_eq!(unknown(json!("9007199254740993")), "notification:9007199254740993");
    let digits = r#"{"notifications":[{"notificationId":92233720368547758079,"action":"SHIMMER"}]}"#;
    let told = channel().deliver(&webhook::Request::post(digits)).unwrap().interactions;
    assert_eq!(told[0].native_id, "notification:92233720368547758079", "beyond 64 bits");
    assert_eq!(only(&comment()).native_id, QUESTION);
}

#[test]
fn what_is_not_understood_is_kept_and_costs_nothing_else() {
    let _host = started(&world());
    let strange = [
        json!({ "notificationId": 1, "action": "SHIMMER_2027", "organizationalEntity": ORGANIZATION, "sourcePost": POST }),
        json!("a text"),
        json!({ "notificationId": 2, "action": "COMMENT", "generatedActivity": "urn:li:poem:3" }),
        json!({ "notificationId": 3, "action": { "kind": "COMMENT" }, "generatedActivity": [], "decoratedGeneratedActivity": 7 }),
        json!(null),
        comment(),
    ];
    let delivery = body(&strange);
    let told = channel().deliver(&webhook::Request::post(delivery.clone())).unwrap().interactions;
    assert_eq!(told.len(), 6);
    assert_eq!(told.iter().filter(|one| attribute(one, "not-understood") == Some("true")).count(), 5);
    assert_eq!(told.iter().map(identity).collect::<HashSet<_>>().len(), 6, "each is told apart");
    assert_eq!((told[0].kind.as_str(), told[0].conversation.key.as_str()), ("page-edit", POST));
    for (one, document) in told.iter().zip(&strange).filter(|(one, _)| attribute(one, "not-understood").is_some()) {
        let Some(Raw::Input(range)) = &one.raw else { panic!("a range") };
        let quoted = &delivery.as_bytes()[range.start as usize..(range.start + range.length) as usize];
        assert_eq!(&serde_json::from_slice::<Value>(quoted).unwrap(), document);
    }
}

#[test]
fn nothing_that_is_understood_keeps_who_a_person_is_in_its_raw_text() {
    let world = world();
    let mut shout = notification(1, "COMMENT", QUESTION, "urn:li:person:x7 è una person: sì, \"person:y\"");
    shout["decoratedGeneratedActivity"]["comment"]["lastModifiedBy"] = json!("urn:li:person:z_-9=");
    let like = |n: u64, who: &str| {
        json!({ "notificationId": n, "action": "LIKE", "organizationalEntity": ORGANIZATION, "lastModifiedAt": NOW_MS,
            "generatedActivity": format!("urn:li:like:({who},{POST})") })
    };
    let mention = share("SHARE_MENTION", "urn:li:share:99", "Leggete");
    let told = [shout, like(2, "urn:li:person:b"), like(3, "person:b"), mention, json!({ "action": "SHIMMER", "by": "urn:li:person:b" })];
    world.borrow_mut().notifications = told[..4].to_vec();
    let _host = started(&world);
    let polled = channel_with(json!({ "since": "2026-01-15T11:00:00Z" })).poll(None).unwrap().interactions;
    let delivered = delivered(&told);
    assert_eq!((polled.len(), delivered.len()), (4, 5));
    assert!(matches!(delivered[4].raw, Some(Raw::Input(_))), "what is not understood is kept as it came");
    for one in polled.iter().chain(&delivered).filter(|one| attribute(one, "not-understood").is_none()) {
        let Some(Raw::Text(text)) = &one.raw else { panic!("{one:?}") };
        let raw: Value = serde_json::from_str(text).unwrap();
        assert!(raw.to_string().contains("\"urn:li:organization:96072893\""), "the rest is as it came: {raw}");
        for people in text.split("urn:li:person:").skip(1).chain(text.split("(person:").skip(1)) {
            assert!(people.starts_with(['"', ',', ' ']), "{text}");
        }
    }
    let Some(Raw::Text(shouted)) = &delivered[0].raw else { panic!("{delivered:?}") };
    assert!(shouted.contains(r#"urn:li:person: è una person: sì, \"person:y\""#), "{shouted}");
}

#[test]
fn a_delivery_of_another_shape_is_kept_whole() {
    let _host = started(&world());
    for delivery in [r#"{"type":"LEAD_ACTION","leads":[]}"#, r#"{"notifications":{}}"#, "[]", "7"] {
        let told = channel().deliver(&webhook::Request::post(delivery)).unwrap().interactions;
        assert_eq!((told.len(), attribute(&told[0], "not-understood")), (1, Some("true")), "{delivery}");
        let Some(Raw::Input(range)) = &told[0].raw else { panic!("a range") };
        assert_eq!((range.start, range.length as usize), (0, delivery.len()));
    }
}

#[test]
fn a_body_that_is_no_json_is_rejected_so_that_the_host_parks_it() {
    for body in ["", "{", "\u{1F4A3}"] {
        assert!(matches!(channel().deliver(&webhook::Request::post(body)), Err(Error::Reject(_))), "{body:?}");
    }
}

#[test]
fn one_bad_delivery_of_a_batch_costs_only_itself() {
    let _host = started(&world());
    let requests = [webhook::Request::post(body(&[comment()])), webhook::Request::post("{"), webhook::Request::post(body(&[comment()]))];
    assert_eq!(channel().deliver_all(&requests).iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn four_byte_characters_do_not_shift_the_raw_range() {
    let _host = started(&world());
    let one = r#"{"action":"SHIMMER","note":"😡"}"#;
    let delivery = format!(r#"{{"note":"😡😡","notifications":[ {one} ]}}"#);
    let told = channel().deliver(&webhook::Request::post(delivery.clone())).unwrap().interactions.remove(0);
    let Some(Raw::Input(range)) = told.raw else { panic!("a range") };
    assert_eq!(&delivery.as_bytes()[range.start as usize..(range.start + range.length) as usize], one.as_bytes());
}

#[test]
fn a_thousand_notifications_in_one_delivery_all_come_in() {
    let world = world();
    world.borrow_mut().comments = (0..1000).map(|n| row(&comment_urn(1000 + n), None, None, "x", NOW_MS)).collect();
    let _host = started(&world);
    let told: Vec<Value> = (0..1000).map(|n| notification(n, "COMMENT", &comment_urn(1000 + n), "è 😡")).collect();
    let told = delivered(&told);
    assert_eq!(told.iter().map(identity).collect::<HashSet<_>>().len(), 1000);
    assert!(told.iter().all(|one| one.text.as_deref() == Some("è 😡") && attribute(one, "not-understood").is_none()));
}

#[test]
fn notifications_about_others_are_left_out_and_a_delivery_of_only_others_is_parked() {
    let host = started(&world());
    let mut other = comment();
    other["organizationalEntity"] = json!("urn:li:organization:1");
    assert_eq!(delivered(&[comment(), other.clone()]).len(), 1);
    assert_eq!(host.diagnostics().len(), 1);
    assert!(matches!(channel().deliver(&webhook::Request::post(body(&[other]))), Err(Error::Reject(_))));
}

#[test]
fn no_limit_is_made_up_where_linkedin_publishes_none() {
    let _host = Host::new().start();
    assert!(channel().manifest().request_limits.is_empty());
}

#[test]
fn the_manifest_says_what_the_terms_allow() {
    let _host = Host::new().start();
    let policy = channel().manifest().policy;
    assert_eq!((policy.link, policy.reply), (LinkPermission::Forbidden, ReplyPermission::Always));
    let hours: Vec<_> = policy.retention.iter().map(|one| (one.class.as_str(), one.hours)).collect();
    assert_eq!(hours, [("profile", 24), ("content", 48), ("raw", 24)]);
}

#[test]
fn the_end_of_the_members_consent_is_where_the_platform_tells_it() {
    let _host = Host::new().start();
    let credentials = channel().manifest().credentials;
    let session = credentials.iter().find_map(|credential| credential.session.as_ref()).unwrap();
    let lifetime = session.rotation_lifetime_capture.as_deref();
    let captured = session.steps.iter().flat_map(|step| &step.captures).find(|capture| Some(capture.name.as_str()) == lifetime);
    assert_eq!(captured.unwrap().pointer, "/refresh_token_expires_in");
}
