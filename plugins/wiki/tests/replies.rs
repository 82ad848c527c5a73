//! What the connector promises about replies.

mod recorded;

use recorded::{channel, play, response};
use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, reply};
use sportello_sdk::{Effect, Error, Idempotency};
use wiki::Wiki;

fn effect() -> Effect {
    Effect { queued_at: "2026-11-22T11:30:00Z".into(), ..reply("run-1-reply-1", "Talk:Product#No network since Saturday", "Mended.") }
}

fn wiki() -> Channel<Wiki> {
    channel(&json!({}))
}

#[test]
fn a_reply_is_appended_signed_and_carries_its_key() {
    let host = play(&["page", "sections", "edited"]).start();
    let receipt = wiki().publish(&effect()).unwrap();
    assert_eq!((receipt.native_id.as_str(), receipt.at.as_deref()), ("rev:4", Some("2026-11-22T11:31:00Z")));
    let appended = host.requests()[2].form_value("appendtext").unwrap();
    assert_eq!(appended, "\n\n:Mended. ~~~~<!-- sportello run-1-reply-1 -->");
    assert_eq!(host.requests()[2].form_value("summary").as_deref(), Some("/* No network since Saturday */ reply"));
}

#[test]
fn the_wikis_own_view_of_sections_decides_where_it_differs_from_ours() {
    let _host = play(&["page", "sections_with_a_template", "edited_in_section_2"]).start();
    assert_eq!(wiki().publish(&effect()).unwrap().native_id, "rev:4");
}

#[test]
fn a_conflict_or_an_old_token_is_met_by_reading_the_page_again() {
    let _host = play(&["page", "sections", "edit_conflict", "page", "sections", "bad_token", "page", "sections", "edited"]).start();
    assert_eq!(wiki().publish(&effect()).unwrap().native_id, "rev:4");
}

#[test]
fn conflicts_without_end_are_left_for_later_and_nothing_took_effect() {
    let _host = play(&["page", "sections", "edit_conflict"].repeat(4)).start();
    assert!(matches!(wiki().publish(&effect()), Err(Error::Retry(_))));
}

#[test]
fn a_session_that_ends_before_the_edit_is_renewed() {
    let host = play(&["page", "sections", "session_ended", "page", "sections", "edited"]).start();
    assert_eq!(wiki().publish(&effect()).unwrap().native_id, "rev:4");
    assert_eq!(host.renewed(), ["bot"]);
}

#[test]
fn what_stands_there_already_is_not_done_again() {
    let _host = play(&["page_replied", "history", "revision_4"]).start();
    assert_eq!(wiki().publish(&effect()).unwrap().native_id, "rev:4", "seen before the edit");
    let _host = play(&["page", "sections", "no_change", "page_replied", "history", "revision_4"]).start();
    assert_eq!(wiki().publish(&effect()).unwrap().native_id, "rev:4", "told by `nochange`");
    let _host = play(&["page", "sections", "no_change", "page"]).start();
    assert!(matches!(wiki().publish(&effect()), Err(Error::Retry(_))), "`nochange`, and yet not there");
}

#[test]
fn a_page_or_section_that_is_gone_is_refused() {
    let _host = play(&["page_missing"]).start();
    assert!(matches!(wiki().publish(&effect()), Err(Error::Reject(_))));
    let _host = play(&["page"]).start();
    let elsewhere = reply("run-1-reply-1", "Talk:Product#Bill", "Mended.");
    assert!(matches!(wiki().publish(&elsewhere), Err(Error::Reject(_))));
    let _host = play(&[]).start();
    assert!(matches!(wiki().publish(&reply("k", "Talk:Product", " \n")), Err(Error::Reject(_))), "nothing to say");
}

#[test]
fn an_edit_that_was_not_answered_is_uncertain() {
    let mut names = ["page", "sections"].into_iter();
    let _host = Host::new()
        .http(move |_: &Request| match names.next() {
            Some(name) => Ok(response(name)),
            None => Err(Failure::Interrupted("the connection was closed".into())),
        })
        .start();
    assert!(matches!(wiki().publish(&effect()), Err(Error::Uncertain(_))));
}

#[test]
fn an_answer_to_an_edit_that_says_neither_success_nor_failure_is_uncertain_and_a_failure_is_told() {
    let answered = |edit: Value| {
        let host = Host::new().now("2026-11-22T11:30:00Z").http(move |request: &Request| match request.form_value("action").as_deref() {
            Some("edit") => Response::with_json(200, &json!({ "edit": edit })),
            _ if request.query_value("action").as_deref() == Some("parse") => response("sections"),
            _ => response("page"),
        });
        let _host = host.start();
        wiki().publish(&effect()).unwrap_err()
    };
    for edit in [json!({}), json!({ "result": "Success" }), json!({ "result": "Glow", "newrevid": 4 }), Value::Null] {
        assert!(matches!(answered(edit.clone()), Error::Uncertain(_)), "{edit}");
    }
    let refused = answered(json!({ "result": "Failure", "captcha": { "type": "simple" } }));
    assert!(matches!(&refused, Error::Reject(reason) if reason.contains("captcha")), "{refused:?}");
}

#[test]
fn while_the_wiki_takes_no_edits_none_is_sent_and_while_it_lags_nothing_is_asked() {
    let refusing = |code: &'static str| {
        let host = Host::new().now("2026-11-22T11:30:00Z").http(move |request: &Request| match request.form_value("action").as_deref() {
            Some("edit") => {
                let refusal = json!({ "error": { "code": code, "info": "x" } });
                Response::with_json(200, &refusal).with_header("retry-after", "300")
            }
            _ if request.query_value("action").as_deref() == Some("parse") => response("sections"),
            _ => response("page"),
        });
        let host = host.start();
        let Error::RateLimited(limit) = wiki().publish(&effect()).unwrap_err() else { panic!("{code}") };
        let first = host.requests().len();
        let again = wiki().publish(&effect()).unwrap_err();
        assert!(matches!(&again, Error::RateLimited(other) if other.until == limit.until), "{code}: {again:?}");
        let asked = host.requests().len() - first;
        host.passes_until(&limit.until);
        wiki().publish(&effect()).unwrap_err();
        assert_eq!(host.requests().len() - first - asked, 3, "{code}: when it is over, it is tried again");
        asked
    };
    for code in ["readonly", "ratelimited"] {
        assert_eq!(refusing(code), 2, "{code}: the page and its sections can be read meanwhile");
    }
    assert_eq!(refusing("maxlag"), 0, "the whole wiki lags");
}

#[test]
fn a_reply_is_found_by_its_key_and_absent_without() {
    let _host = play(&["page_replied", "history", "revision_4"]).start();
    assert!(matches!(wiki().find(&effect()).unwrap(), Presence::Present(receipt) if receipt.native_id == "rev:4"));
    let other = Effect { key: "run-1-reply-10".into(), ..effect() };
    let _host = play(&["page_replied", "history", "revision_4"]).start();
    assert!(matches!(wiki().find(&other).unwrap(), Presence::Absent));
    let _host = play(&["page", "history", "revision_4"]).start();
    assert!(matches!(wiki().find(&effect()).unwrap(), Presence::Present(_)), "gone from the page, but it was there");
    let _host = play(&["page_missing"]).start();
    assert!(matches!(wiki().find(&effect()).unwrap(), Presence::CannotTell));
}

#[test]
fn replies_are_findable_and_always_allowed() {
    let manifest = wiki().manifest();
    assert_eq!(manifest.actions[0].idempotency, Idempotency::Findable);
    let schema: serde_json::Value = serde_json::from_str(&manifest.configuration_schema).unwrap();
    assert_eq!(schema["required"], json!(["base-url", "api-path", "bot"]));
}
