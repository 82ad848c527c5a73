//! What the connector promises about what it does on X.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Value, json};
use sportello_sdk::find::Presence;
use sportello_sdk::http::Failure;
use sportello_sdk::testing::{Channel, Host, effect, reply};
use sportello_sdk::{Effect, Error, http};
use twitter::Twitter;

const COMPANY: &str = "1400000000000000001";
const POST: &str = "1900000000000000101";

fn channel() -> Channel<Twitter> {
    Channel::new(json!({ "user-id": COMPANY, "handle": "sole", "api-url": "https://api.x.com" }))
}

fn answer() -> Effect {
    Effect {
        in_reply_to: Some(POST.into()),
        ..reply("effect-1", &format!("{POST}/7"), "Guardiamo subito & bene: https://sole.example/rete")
    }
}

fn answered(status: u16, body: Value) -> Host {
    Host::new().http(move |_: &http::Request| http::Response::with_json(status, &body))
}

#[test]
fn a_reply_goes_to_the_post_it_answers_and_a_post_to_nobody() {
    let host =
        answered(201, json!({"data": {"id": "1900000000000000200", "text": "…", "edit_history_tweet_ids": ["1900000000000000200"]}}))
            .start();
    let receipt = channel().publish(&answer()).unwrap();
    assert_eq!(
        (receipt.native_id.as_str(), receipt.url.as_deref()),
        ("1900000000000000200", Some("https://x.com/i/status/1900000000000000200"))
    );
    channel().publish(&effect("effect-2", "post", "Da lunedì apriamo alle 8")).unwrap();
    let bodies: Vec<Value> = host.requests().iter().map(|request| request.body_json().unwrap()).collect();
    assert_eq!(bodies[0], json!({"text": answer().text, "reply": {"in_reply_to_tweet_id": POST}}));
    assert_eq!(bodies[1], json!({"text": "Da lunedì apriamo alle 8"}));
    assert_eq!(host.requests()[0].path(), "/2/tweets");
}

#[test]
fn what_can_never_be_sent_is_refused_before_it_is() {
    let host = answered(201, json!({})).start();
    // An answer to something private would stand where everybody reads it.
    let private = Effect { in_reply_to: Some(POST.into()), ..reply("e", "dm:7", "ciao") };
    for effect in [private, reply("e", &format!("{POST}/7"), "  "), reply("e", "../x", "ciao"), effect("e", "like", "x")] {
        assert!(matches!(channel().publish(&effect), Err(Error::Reject(_))), "{effect:?}");
    }
    assert!(host.requests().is_empty());
}

#[test]
fn each_refusal_becomes_what_the_host_must_do() {
    let refused = |status: u16, detail: &str| {
        let _host = answered(status, json!({"title": "T", "status": status, "detail": detail})).start();
        channel().publish(&answer()).unwrap_err()
    };
    assert!(
        matches!(refused(403, "You are not allowed to create a Tweet with duplicate content."), Error::Uncertain(_)),
        "they may be ours"
    );
    let unsummoned = refused(403, "Reply to this conversation is not allowed because you have not been mentioned");
    assert!(matches!(&unsummoned, Error::Reject(reason) if reason.contains("not been mentioned")), "{unsummoned:?}");
    assert!(matches!(refused(400, "One or more parameters"), Error::Reject(_)));
    assert!(matches!(refused(401, "Unauthorized"), Error::Auth(_)));
    assert!(matches!(refused(429, "Too Many Requests"), Error::RateLimited(limit) if limit.until == "2026-01-15T12:15:00Z"));
    for status in [500, 502, 503, 504] {
        assert!(matches!(refused(status, "oops"), Error::Uncertain(_)), "{status}");
    }
}

#[test]
fn a_missing_permission_is_told_from_a_post_that_may_not_be_answered() {
    for (kind, is_ours) in [
        ("https://api.twitter.com/2/problems/oauth1-permissions", true),
        ("https://api.x.com/2/problems/oauth1-permissions", true),
        ("https://api.x.com/2/problems/client-forbidden", true),
        ("https://api.x.com/2/problems/unsupported-authentication", true),
        ("https://api.x.com/2/problems/not-authorized-for-resource", false),
        ("about:blank", false),
    ] {
        let _host = answered(403, json!({"title": "Forbidden", "detail": "You may not do this.", "type": kind})).start();
        let error = channel().publish(&answer()).unwrap_err();
        assert_eq!((matches!(error, Error::Auth(_)), matches!(error, Error::Reject(_))), (is_ours, !is_ours), "{kind}: {error:?}");
    }
}

#[test]
fn a_refusal_that_says_nothing_is_a_missing_scope() {
    let refused = |body| {
        let _host = answered(403, body).start();
        channel().publish(&answer()).unwrap_err()
    };
    let error = refused(json!({"title": "Forbidden", "type": "about:blank", "status": 403, "detail": "Forbidden"}));
    assert!(matches!(&error, Error::Auth(reason) if reason.contains("scope")), "{error:?}");
    let more =
        refused(json!({"title": "Forbidden", "type": "about:blank", "detail": "Forbidden", "errors": [{"message": "of this post"}]}));
    assert!(matches!(more, Error::Reject(_)), "{more:?}");
    let kind = "https://api.x.com/2/problems/not-authorized-for-resource";
    let named = refused(json!({"title": "Forbidden", "type": kind, "status": 403, "detail": "Forbidden"}));
    assert!(matches!(named, Error::Reject(_)), "its kind says more: {named:?}");
}

type Headers = &'static [(&'static str, &'static str)];
const QUARTER_WITH_97: Headers = &[("x-rate-limit-limit", "100"), ("x-rate-limit-remaining", "97"), ("x-rate-limit-reset", "1768478460")];
const USED_UP_DAY: Headers =
    &[("x-user-limit-24hour-limit", "17"), ("x-user-limit-24hour-remaining", "0"), ("x-user-limit-24hour-reset", "1768554000")];
const USED_UP_APP_DAY: Headers =
    &[("x-app-limit-24hour-limit", "10000"), ("x-app-limit-24hour-remaining", "0"), ("x-app-limit-24hour-reset", "1768550400")];

#[test]
fn a_limit_lasts_as_long_as_is_said_by_x_or_by_what_stands_before_it() {
    for (headers, until) in [
        (vec![("retry-after", "3")], "2026-01-15T12:00:03Z"),
        (vec![("retry-after", "3"), ("x-rate-limit-reset", "1768478460"), ("x-rate-limit-remaining", "0")], "2026-01-15T12:01:00Z"),
        // A day that is used up ends later than the quarter of an hour of which there is something left, or nothing.
        ([QUARTER_WITH_97, USED_UP_DAY].concat(), "2026-01-16T09:00:00Z"),
        ([QUARTER_WITH_97, USED_UP_APP_DAY].concat(), "2026-01-16T08:00:00Z"),
        ([USED_UP_APP_DAY, USED_UP_DAY].concat(), "2026-01-16T09:00:00Z"),
    ] {
        let _host = Host::new()
            .http(move |_: &http::Request| {
                let refusal = http::Response::with_json(429, &json!({"title": "Too Many Requests"}));
                headers.iter().fold(refusal, |refusal, (name, value)| refusal.with_header(name, *value))
            })
            .start();
        let error = channel().publish(&answer()).unwrap_err();
        assert!(matches!(&error, Error::RateLimited(limit) if limit.until == until), "{until}: {error:?}");
    }
}

#[test]
fn a_cap_of_the_plan_is_not_asked_again_at_each_quarter_of_an_hour() {
    let host = Host::new()
        .http(|_: &http::Request| {
            let capped = json!({"title": "UsageCapExceeded", "period": "Monthly", "scope": "Product", "product_name": "standard-basic",
                "detail": "Usage cap exceeded: Monthly product cap", "type": "https://api.twitter.com/2/problems/usage-capped"});
            QUARTER_WITH_97.iter().fold(http::Response::with_json(429, &capped), |refusal, (name, value)| refusal.with_header(name, *value))
        })
        .start();
    let error = channel().publish(&answer()).unwrap_err();
    let Error::RateLimited(limit) = &error else { panic!("{error:?}") };
    assert_eq!(limit.until, "2026-01-15T13:00:00Z");
    assert!(limit.reason.contains("Monthly product cap") && limit.reason.contains("developer console"), "{error:?}");
    let refused = host.headroom().into_iter().find(|window| window.name == "posts-refused").unwrap();
    assert_eq!((refused.remaining, refused.resets_at), (0, limit.until.clone()), "the host is told the same");
}

#[test]
fn what_is_left_of_a_day_is_told_and_a_day_that_is_used_up_is_not_asked_again() {
    for (used_up, name, allowed, until) in
        [(USED_UP_DAY, "posts-user-day", 17, "2026-01-16T09:00:00Z"), (USED_UP_APP_DAY, "posts-app-day", 10_000, "2026-01-16T08:00:00Z")]
    {
        let host = Host::new().http(move |_: &http::Request| {
            let created = http::Response::with_json(201, &json!({"data": {"id": "5"}}));
            [QUARTER_WITH_97, used_up].concat().iter().fold(created, |created, (name, value)| created.with_header(name, *value))
        });
        let host = host.start();
        channel().publish(&answer()).unwrap();
        let told: Vec<_> =
            host.headroom().into_iter().map(|window| (window.name, window.allowed, window.remaining, window.resets_at)).collect();
        let quarter = ("posts".to_owned(), Some(100), 97, "2026-01-15T12:01:00Z".to_owned());
        assert_eq!(told, [quarter, (name.to_owned(), Some(allowed), 0, until.to_owned())]);
        let error = channel().publish(&answer()).unwrap_err();
        assert!(matches!(&error, Error::RateLimited(limit) if limit.until == until), "{error:?}");
        assert_eq!(host.requests().len(), 1);
    }
}

#[test]
fn a_token_that_ended_is_tried_again_once_with_the_next_one() {
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let _host = Host::new()
        .http(move |_: &http::Request| {
            counted.set(counted.get() + 1);
            match counted.get() {
                1 => http::Response::with_json(401, &json!({"title": "Unauthorized"})),
                _ => http::Response::with_json(201, &json!({"data": {"id": "5"}})),
            }
        })
        .start();
    assert_eq!(channel().publish(&answer()).unwrap().native_id, "5");
    assert_eq!(calls.get(), 2);
}

#[test]
fn a_lost_answer_is_uncertain_and_a_connection_never_made_is_not() {
    for (failure, uncertain) in [(Failure::Interrupted("time-out".into()), true), (Failure::NotSent("refused".into()), false)] {
        let _host = Host::new().http(move |_: &http::Request| Err::<http::Response, _>(failure.clone())).start();
        let error = channel().publish(&answer()).unwrap_err();
        assert_eq!(matches!(error, Error::Uncertain(_)), uncertain, "{error:?}");
    }
}

fn own(id: u64, text: &str, target: Option<&str>) -> Value {
    let mut row = json!({"id": id.to_string(), "text": text, "author_id": COMPANY, "created_at": "2026-01-15T12:00:30.000Z", "edit_history_tweet_ids": [id.to_string()]});
    if let Some(target) = target {
        row["referenced_tweets"] = json!([{"type": "replied_to", "id": target}]);
        row["entities"] = json!({"urls": [{"url": "https://t.co/abc", "expanded_url": "https://sole.example/rete"}]});
    }
    row
}

/// Looks in a timeline of these posts, two on a page.
fn look(effect: &Effect, rows: &[Value]) -> Result<Presence, Error> {
    let rows = rows.to_vec();
    let _host = Host::new()
        .http(move |request: &http::Request| {
            assert_eq!(request.path(), format!("/2/users/{COMPANY}/tweets"));
            assert_eq!(request.query_value("start_time").as_deref(), Some("2026-01-15T11:58:00Z"), "since it was queued, less two minutes");
            let start: usize = request.query_value("pagination_token").map_or(0, |token| token.parse().unwrap());
            let page: Vec<&Value> = rows.iter().skip(start).take(2).collect();
            let mut meta = json!({"result_count": page.len()});
            if start + 2 < rows.len() {
                meta["next_token"] = json!((start + 2).to_string());
            }
            http::Response::with_json(200, &json!({"data": page, "meta": meta}))
        })
        .start();
    channel().find(effect)
}

#[test]
fn a_look_finds_our_words_below_the_same_post_on_any_page() {
    let ours = own(9, "@maria_b @altro Guardiamo  subito &amp; bene:\nhttps://t.co/abc", Some(POST));
    let others = [
        own(1, "altro", Some(POST)),
        own(2, "Guardiamo subito & bene: https://sole.example/rete", Some("42")),
        own(3, "Guardiamo subito", None),
    ];
    for place in 0..=others.len() {
        let mut rows = others.to_vec();
        rows.insert(place, ours.clone());
        let found = look(&answer(), &rows).unwrap();
        assert!(matches!(&found, Presence::Present(receipt) if receipt.native_id == "9"), "{place}: {found:?}");
    }
    assert_eq!(look(&answer(), &others).unwrap(), Presence::Absent);
    assert_eq!(look(&answer(), &[]).unwrap(), Presence::Absent);
}

#[test]
fn a_look_finds_a_reply_that_was_typed_with_names_and_takes_no_repost_for_it() {
    let named = Effect { text: "@maria_b @altro guardiamo".into(), ..answer() };
    let mut repost = own(1, "@maria_b @altro guardiamo", Some(POST));
    repost["referenced_tweets"] = json!([{"type": "replied_to", "id": POST}, {"type": "retweeted", "id": "42"}]);
    let found = look(&named, &[repost, own(2, "@maria_b @altro guardiamo", Some(POST))]).unwrap();
    assert!(matches!(&found, Presence::Present(receipt) if receipt.native_id == "2"), "{found:?}");
}

#[test]
fn words_that_stand_elsewhere_already_are_refused_and_those_that_may_be_ours_are_uncertain() {
    let text = "@maria_b Guardiamo subito &amp; bene: https://t.co/abc";
    let older = |mut row: Value| {
        row["created_at"] = json!("2026-01-15T11:00:00.000Z");
        row
    };
    let published = |rows: Vec<Value>, is_whole: bool| {
        let host = Host::new()
            .http(move |request: &http::Request| match request.method() {
                "GET" => {
                    http::Response::with_json(200, &json!({"data": rows, "meta": {"result_count": rows.len() + usize::from(!is_whole)}}))
                }
                _ => {
                    let said = "You are not allowed to create a Tweet with duplicate content.";
                    http::Response::with_json(403, &json!({"title": "Forbidden", "status": 403, "detail": said}))
                }
            })
            .start();
        let error = channel().publish(&answer()).unwrap_err();
        assert_eq!(host.requests()[1].query_value("start_time").as_deref(), Some("2026-01-14T11:58:00Z"), "a day before it was queued");
        error
    };
    for (case, rows) in [
        ("older, below the same post", vec![older(own(1, text, Some(POST)))]),
        ("below another post", vec![own(1, "altro", Some(POST)), own(2, text, Some("42"))]),
    ] {
        let error = published(rows, true);
        assert!(
            matches!(&error, Error::Reject(reason) if reason.contains("duplicate") && reason.contains("another post")),
            "{case}: {error:?}"
        );
    }
    for (case, rows, is_whole) in [
        ("ours, of an attempt whose answer was lost", vec![own(2, text, Some(POST)), older(own(1, text, Some(POST)))], true),
        ("not all is shown", vec![older(own(1, text, Some(POST)))], false),
        ("nothing is there", vec![], true),
    ] {
        let error = published(rows, is_whole);
        assert!(matches!(error, Error::Uncertain(_)), "{case}: {error:?}");
    }
}

#[test]
fn a_look_that_uses_up_what_is_left_goes_no_further() {
    let page = json!({"data": [own(1, "altro", Some(POST))], "meta": {"result_count": 1, "next_token": "2"}});
    let host = Host::new().http(move |_: &http::Request| {
        http::Response::with_json(200, &page)
            .with_header("x-rate-limit-limit", "900")
            .with_header("x-rate-limit-remaining", "0")
            .with_header("x-rate-limit-reset", "1768479000")
    });
    let host = host.start();
    let error = channel().find(&answer()).unwrap_err();
    assert!(matches!(&error, Error::RateLimited(limited) if limited.until.as_str() == "2026-01-15T12:10:00Z"), "{error:?}");
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn a_look_at_a_timeline_without_an_end_cannot_tell_and_says_so() {
    type NextToken = fn(u64) -> u64;
    let cases: [(&str, NextToken, usize); 2] = [("a page for ever", |_| 1, 2), ("always another one", |page| page + 1, 32)];
    for (case, next, requests) in cases {
        let host = Host::new().http(move |request: &http::Request| {
            let page: u64 = request.query_value("pagination_token").map_or(0, |token| token.parse().unwrap());
            let meta = json!({"result_count": 1, "next_token": next(page).to_string()});
            http::Response::with_json(200, &json!({"data": [own(page + 1, "altro", Some(POST))], "meta": meta}))
        });
        let host = host.start();
        assert_eq!(channel().find(&answer()).unwrap(), Presence::CannotTell, "{case}");
        assert_eq!(host.requests().len(), requests, "{case}");
        assert!(host.diagnostics().iter().any(|(_, message)| message.contains("not all posts could be read")), "{case}");
    }
}

#[test]
fn what_is_not_shown_is_not_absent() {
    let others = || json!([own(1, "altro", Some(POST))]);
    let without_id = json!({"text": "@maria_b Guardiamo subito", "author_id": COMPANY});
    for (case, page) in [
        ("nothing", json!({})),
        ("errors alone", json!({"errors": [{"detail": "over capacity"}]})),
        ("errors beside data", json!({"data": others(), "meta": {"result_count": 1}, "errors": [{"detail": "withheld"}]})),
        ("less than there is", json!({"data": others(), "meta": {"result_count": 2}})),
        ("a row that cannot be read", json!({"data": [7], "meta": {"result_count": 1}})),
        ("a row without an id", json!({"data": [without_id], "meta": {"result_count": 1}})),
    ] {
        let _host = Host::new().http(move |_: &http::Request| http::Response::with_json(200, &page)).start();
        assert_eq!(channel().find(&answer()).unwrap(), Presence::CannotTell, "{case}");
    }
    // What is said of other things than posts takes none of them away.
    let gone =
        json!({"resource_type": "user", "parameter": "entities.mentions.username", "detail": "Could not find user", "resource_id": "x"});
    let page = json!({"data": others(), "meta": {"result_count": 1}, "errors": [gone]});
    let _host = Host::new().http(move |_: &http::Request| http::Response::with_json(200, &page)).start();
    assert_eq!(channel().find(&answer()).unwrap(), Presence::Absent);
}

#[test]
fn links_are_undone_in_the_whole_of_a_long_post_and_whether_or_not_a_scheme_was_typed() {
    let typed = format!("{} sole.example/rete", "parola ".repeat(60));
    let mut row = own(9, "@maria_b parola parola…", Some(POST));
    row["entities"] = json!({});
    row["note_tweet"] = json!({"text": format!("@maria_b {} https://t.co/xyz", "parola ".repeat(60)),
        "entities": {"urls": [{"url": "https://t.co/xyz", "expanded_url": "https://sole.example/rete"}]}});
    let mut effect = answer();
    effect.text = typed;
    assert!(matches!(look(&effect, &[row]).unwrap(), Presence::Present(_)));
}

#[test]
fn twins_are_nobodys_to_tell_apart() {
    let twin = |id| own(id, "@maria_b Guardiamo subito &amp; bene: https://t.co/abc", Some(POST));
    assert_eq!(look(&answer(), &[twin(1), own(2, "x", None), twin(3)]).unwrap(), Presence::CannotTell);
}

#[test]
fn a_post_is_found_among_posts_and_not_among_replies() {
    let post = effect("effect-2", "post", "Da lunedì apriamo alle 8");
    assert_eq!(look(&post, &[own(1, "Da lunedì apriamo alle 8", Some(POST))]).unwrap(), Presence::Absent);
    assert!(matches!(look(&post, &[own(2, "Da lunedì apriamo alle 8", None)]).unwrap(), Presence::Present(_)));
}
