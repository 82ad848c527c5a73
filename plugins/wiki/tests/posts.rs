//! What the connector promises about posts.

mod recorded;

use recorded::{channel, play};
use serde_json::json;
use sportello_sdk::find::Presence;
use sportello_sdk::testing::{Channel, effect};
use sportello_sdk::{Effect, Error};
use wiki::Wiki;

fn wiki() -> Channel<Wiki> {
    channel(&json!({ "post-page": "Talk:Product" }))
}

fn post(text: &str) -> Effect {
    Effect { queued_at: "2026-11-22T11:30:00Z".into(), ..effect("run-1-reply-1", "post", text) }
}

#[test]
fn a_post_is_a_section_of_its_own_signed_and_carries_its_key() {
    let host = play(&["page", "new_section"]).start();
    let receipt = wiki().publish(&post("Nuovi orari\nDa lunedì apriamo alle 8.\n\n== [[Sempre]] ==")).unwrap();
    assert_eq!((receipt.native_id.as_str(), receipt.at.as_deref()), ("rev:4", Some("2026-11-22T11:31:00Z")));
    assert_eq!(receipt.url.as_deref(), Some("https://wiki.example.org/w/index.php?title=Talk%3AProduct#Nuovi_orari"));
    assert_eq!(host.requests()[1].form_value("sectiontitle").as_deref(), Some("Nuovi orari"));
    let text = host.requests()[1].form_value("text").unwrap();
    assert_eq!(text, "Da lunedì apriamo alle 8.\n\n&#61;= [&#91;Sempre]&#93; == ~~~~<!-- sportello run-1-reply-1 -->");
}

#[test]
fn a_post_of_one_line_has_a_heading_too_and_a_long_one_is_how_it_begins() {
    let long = "parola ".repeat(40);
    let subject = Effect { subject: Some("Orari".into()), ..post("Da lunedì\napriamo alle 8") };
    for (effect, heading, body) in [
        (post("Da lunedì apriamo alle 8"), "Da lunedì apriamo alle 8", "Da lunedì apriamo alle 8"),
        (post(&format!("{long}\nfine")), &*format!("{}parola…", "parola ".repeat(13)), &*format!("{}\n\nfine", long.trim_end())),
        (subject, "Orari", "Da lunedì\n\napriamo alle 8"),
    ] {
        let host = play(&["page", "new_section"]).start();
        wiki().publish(&effect).unwrap();
        assert_eq!(host.requests()[1].form_value("sectiontitle").as_deref(), Some(heading));
        assert_eq!(host.requests()[1].form_value("text").unwrap(), format!("{body} ~~~~<!-- sportello run-1-reply-1 -->"));
    }
}

#[test]
fn a_post_that_stands_there_already_is_not_made_again_and_is_found() {
    let _host = play(&["page_replied", "history", "revision_4"]).start();
    assert_eq!(wiki().publish(&post("Da lunedì apriamo alle 8")).unwrap().native_id, "rev:4");
    let _host = play(&["page_replied", "history", "revision_4"]).start();
    assert!(matches!(wiki().find(&post("x")).unwrap(), Presence::Present(receipt) if receipt.native_id == "rev:4"));
    let other = Effect { key: "run-1-reply-10".into(), ..post("x") };
    let _host = play(&["page_replied", "history", "revision_4"]).start();
    assert!(matches!(wiki().find(&other).unwrap(), Presence::Absent));
}

#[test]
fn a_conflict_is_met_by_reading_the_page_again_and_one_without_end_is_left_for_later() {
    let _host = play(&["page", "new_section_conflict", "page", "new_section"]).start();
    assert_eq!(wiki().publish(&post("Da lunedì apriamo alle 8")).unwrap().native_id, "rev:4");
    let _host = play(&["page", "new_section_conflict"].repeat(4)).start();
    assert!(matches!(wiki().publish(&post("Da lunedì apriamo alle 8")), Err(Error::Retry(_))));
}

#[test]
fn without_a_page_or_words_a_post_is_refused_with_what_to_do() {
    let reason = |refused: Result<_, Error>| match refused.map(|_: sportello_sdk::Receipt| ()) {
        Err(Error::Reject(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let _host = play(&["page_missing"]).start();
    assert!(reason(wiki().publish(&post("Da lunedì"))).contains("make it first"));
    let _host = play(&[]).start();
    assert!(reason(wiki().publish(&post(" \n"))).contains("nothing to say"));
    assert!(reason(channel(&json!({})).publish(&post("Da lunedì"))).contains("`post-page`"));
}
