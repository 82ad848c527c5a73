//! What X sends and nobody documented costs nothing, and is kept.

use std::collections::HashSet;

use serde_json::{Value, json};
use sportello_sdk::{Error, webhook};

use crate::bodies::{COMPANY, MARIA, POST, account, account_post, channel, deliver, deliver_raw, event, host, identity, maria, only};

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
