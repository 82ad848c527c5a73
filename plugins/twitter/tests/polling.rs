//! What the connector promises about asking for mentions.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use sportello_sdk::testing::{Channel, Host, Running};
use sportello_sdk::{Error, Raw, http};
use twitter::Twitter;

const COMPANY: &str = "1400000000000000001";
/// More pages than any sweep here has.
const PAGES_MAX: usize = 50;

fn channel() -> Channel<Twitter> {
    Channel::new(json!({ "user-id": COMPANY, "handle": "sole", "api-url": "https://api.x.com" }))
}

/// Posts by minute of the morning, newest first, `per_page` on a page.
struct Mentions {
    minutes: Vec<u32>,
    per_page: usize,
    /// Tokens that X does not take any more.
    stale: Vec<String>,
    /// The token of a page that is named as the one behind itself.
    circular: Option<String>,
}

fn serve(mentions: &Rc<RefCell<Mentions>>) -> Running {
    let mentions = Rc::clone(mentions);
    Host::new()
        .http(move |request: &http::Request| {
            assert_eq!(request.path(), format!("/2/users/{COMPANY}/mentions"));
            let mentions = mentions.borrow();
            let token = request.query_value("pagination_token");
            if token.as_ref().is_some_and(|token| mentions.stale.contains(token)) {
                return http::Response::with_json(
                    400,
                    &json!({"title": "Invalid Request", "detail": "One or more parameters to your request was invalid."}),
                );
            }
            let from = request.query_value("start_time").unwrap();
            let until = request.query_value("until_id");
            let is_asked_for = |minute: &u32| at(*minute) >= from && until.as_ref().is_none_or(|until| id(*minute) < *until);
            let mut rows: Vec<u32> = mentions.minutes.iter().copied().filter(is_asked_for).collect();
            rows.sort_unstable_by(|left, right| right.cmp(left));
            let start: usize = token.as_ref().map_or(0, |token| token.parse().unwrap());
            let page: Vec<Value> = rows.iter().skip(start).take(mentions.per_page).map(|minute| row(*minute)).collect();
            let mut meta = json!({"result_count": page.len()});
            if start + mentions.per_page < rows.len() {
                let next = (start + mentions.per_page).to_string();
                meta["next_token"] = json!(mentions.circular.as_ref().filter(|circular| token.as_ref() == Some(circular)).unwrap_or(&next));
            }
            let mut answer = json!({"data": page, "meta": meta, "errors": [{"detail": "one is withheld"}]});
            // People are shown to whoever asks for them: https://docs.x.com/x-api/fundamentals/expansions
            if request.query_value("expansions").as_deref() == Some("author_id") {
                answer["includes"] = json!({"users": [{"id": "7", "name": "Maria", "username": "maria_b"}]});
            }
            http::Response::with_json(200, &answer)
        })
        .now("2026-01-15T12:00:00Z")
        .start()
}

fn at(minute: u32) -> String {
    format!("2026-01-15T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

fn id(minute: u32) -> String {
    (9_007_199_254_740_993_u64 + u64::from(minute)).to_string()
}

fn row(minute: u32) -> Value {
    let id = id(minute);
    json!({
        "id": id, "text": "@sole ciao", "author_id": "7", "created_at": at(minute), "conversation_id": id, "edit_history_tweet_ids": [id],
        "entities": {"mentions": [{"username": "sole", "id": COMPANY}]},
    })
}

fn mentions(minutes: impl IntoIterator<Item = u32>, per_page: usize) -> Rc<RefCell<Mentions>> {
    Rc::new(RefCell::new(Mentions { minutes: minutes.into_iter().collect(), per_page, stale: Vec::new(), circular: None }))
}

/// Polls to the end from a cursor, each call with a channel of its own: a restart at every page. Gives ids in order and the last cursor.
fn sweep(mut cursor: Option<String>) -> (Vec<String>, Option<String>) {
    let mut ids = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = channel().poll(cursor.as_deref()).unwrap();
        ids.extend(page.interactions.into_iter().map(|told| told.native_id));
        cursor = page.cursor;
        if !page.more {
            return (ids, cursor);
        }
    }
    panic!("a sweep does not end: {ids:?}");
}

#[test]
fn every_mention_comes_in_whatever_the_page_boundary_and_though_every_page_is_a_restart() {
    for per_page in [1, 2, 3, 7, 100] {
        let mentions = mentions(600..620, per_page);
        let _host = serve(&mentions);
        let (ids, _) = sweep(None);
        let expected: Vec<String> = (600..620).rev().map(id).collect();
        assert_eq!(ids, expected, "{per_page} a page");
    }
}

#[test]
fn who_is_known_from_a_poll_only_has_a_name_and_a_handle() {
    let mentions = mentions([600], 5);
    let _host = serve(&mentions);
    let told = channel().poll(None).unwrap().interactions;
    let author = told[0].author.as_ref().unwrap();
    assert_eq!((author.display_name.as_deref(), author.handle.as_deref()), (Some("Maria"), Some("maria_b")));
}

#[test]
fn what_shows_late_is_found_by_the_next_sweep_and_old_pages_are_not_read_again() {
    let mentions = mentions([600, 605, 610], 2);
    let host = serve(&mentions);
    let (_, cursor) = sweep(None);
    mentions.borrow_mut().minutes.extend([607, 615]);
    let before = host.requests().len();
    let (ids, _) = sweep(cursor);
    assert_eq!(ids, [id(615), id(610), id(607), id(605)], "a little is read twice, and the host drops it");
    assert_eq!(host.requests()[before].query_value("start_time").as_deref(), Some("2026-01-15T10:05:00Z"));
}

#[test]
fn the_first_sweep_begins_where_the_settings_say_and_no_sweep_before_it() {
    let mentions = mentions([590, 602], 5);
    let host = serve(&mentions);
    let since = json!({ "user-id": COMPANY, "handle": "sole", "api-url": "https://api.x.com", "since": "2026-01-15T10:00:00Z" });
    let channel = Channel::<Twitter>::new(since);
    let first = channel.poll(None).unwrap();
    assert_eq!(first.interactions.iter().map(|told| told.native_id.as_str()).collect::<Vec<_>>(), [id(602)]);
    channel.poll(first.cursor.as_deref()).unwrap();
    let begun: Vec<_> = host.requests().iter().map(|request| request.query_value("start_time").unwrap()).collect();
    assert_eq!(begun, ["2026-01-15T10:00:00Z", "2026-01-15T10:00:00Z"]);
}

#[test]
fn a_new_mention_between_two_pages_loses_none() {
    let mentions = mentions(600..606, 2);
    let _host = serve(&mentions);
    let first = channel().poll(None).unwrap();
    // Everything moves on by one: the second page begins with the last of the first.
    mentions.borrow_mut().minutes.push(606);
    let (mut ids, cursor) = sweep(first.cursor);
    ids.extend(first.interactions.into_iter().map(|told| told.native_id));
    ids.extend(sweep(cursor).0);
    for minute in 600..607 {
        assert!(ids.contains(&id(minute)), "{minute}");
    }
}

#[test]
fn where_x_does_not_know_a_page_any_more_the_sweep_goes_on_below_what_it_has_seen() {
    let mentions = mentions(600..606, 2);
    mentions.borrow_mut().stale.push("2".to_owned());
    let host = serve(&mentions);
    let (ids, cursor) = sweep(None);
    assert_eq!(ids, (600..606).rev().map(id).collect::<Vec<_>>(), "each once, though every token is refused");
    assert_eq!(host.requests().len(), 5, "three pages and two refusals");
    mentions.borrow_mut().stale.clear();
    assert_eq!(sweep(None).1, cursor, "the next sweep begins where it would have otherwise");
}

#[test]
fn a_sweep_ends_where_a_page_is_gone_and_nothing_lies_before_it() {
    let host = Host::new()
        .http(|request: &http::Request| match request.query_value("pagination_token") {
            Some(_) => http::Response::with_json(400, &json!({"title": "Invalid Request"})),
            None => http::Response::with_json(200, &json!({"meta": {"result_count": 0, "next_token": "2"}})),
        })
        .start();
    assert!(sweep(None).0.is_empty());
    assert_eq!(host.requests().len(), 2);
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("what lies below it is not read")));
}

#[test]
fn where_x_names_a_page_as_the_one_behind_itself_the_sweep_goes_on_below_what_it_has_seen() {
    let mentions = mentions(600..606, 2);
    mentions.borrow_mut().circular = Some("2".to_owned());
    let host = serve(&mentions);
    let (ids, cursor) = sweep(None);
    assert_eq!(ids, (600..606).rev().map(id).collect::<Vec<_>>(), "each once");
    assert_eq!(host.requests().len(), 3);
    mentions.borrow_mut().circular = None;
    assert_eq!(sweep(None).1, cursor, "the next sweep begins where it would have otherwise");
}

#[test]
fn a_sweep_ends_where_x_gives_one_page_for_all_and_says_so() {
    let host = Host::new()
        .http(|_: &http::Request| {
            http::Response::with_json(200, &json!({"data": [row(600)], "meta": {"result_count": 1, "next_token": "2"}}))
        })
        .start();
    sweep(None);
    assert_eq!(host.requests().len(), 4, "with the token and without it, each below that post, too");
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("what lies below it is not read")));
}

#[test]
fn errors_beside_data_cost_nothing_and_are_told() {
    let mentions = mentions([600], 5);
    let host = serve(&mentions);
    assert_eq!(channel().poll(None).unwrap().interactions.len(), 1);
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("one is withheld")));
}

#[test]
fn errors_alone_are_not_the_end_of_the_list() {
    let mentions = mentions(600..606, 2);
    let whole = serve(&mentions);
    let first = channel().poll(None).unwrap();
    drop(whole);
    let of_the_user = |user: &str| json!({"title": "Authorization Error", "resource_type": "user", "resource_id": user, "detail": "Sorry"});
    for (case, errors, is_for_a_person) in [
        ("passing", json!([{"title": "Service Unavailable", "detail": "Service Unavailable"}]), false),
        ("nothing is said", json!([]), false),
        ("of somebody else", json!([of_the_user("7")]), false),
        ("of the account", json!([of_the_user(COMPANY)]), true),
    ] {
        let _host = Host::new().http(move |_: &http::Request| http::Response::with_json(200, &json!({"errors": errors}))).start();
        let error = channel().poll(first.cursor.as_deref()).unwrap_err();
        assert_eq!(matches!(error, Error::Auth(_)), is_for_a_person, "{case}: {error:?}");
        assert!(is_for_a_person || matches!(error, Error::Retry(_)), "{case}: {error:?}");
    }
    let _host = serve(&mentions);
    assert_eq!(sweep(first.cursor).0, [id(603), id(602), id(601), id(600)], "the sweep goes on where it was");
}

#[test]
fn a_row_that_is_not_understood_is_kept_raw_and_costs_nothing_else() {
    let _host = Host::new()
        .http(|_: &http::Request| {
            let rows = json!([row(600), {"shimmer": 7}, "a post in words", row(601)]);
            http::Response::with_json(200, &json!({"data": rows, "meta": {"result_count": 4}}))
        })
        .now("2026-01-15T12:00:00Z")
        .start();
    let told = channel().poll(None).unwrap().interactions;
    let [first, object, text, last] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((first.native_id.clone(), last.native_id.clone()), (id(600), id(601)));
    for (odd, raw) in [(object, r#"{"shimmer":7}"#), (text, r#""a post in words""#)] {
        assert!(odd.attributes.iter().any(|attribute| attribute.name == "not-understood"), "{odd:?}");
        assert!(matches!(&odd.raw, Some(Raw::Text(kept)) if kept == raw), "{odd:?}");
    }
    let again = channel().poll(None).unwrap().interactions;
    assert_eq!(again[1].native_id, object.native_id, "told again, it is the same");
    assert_ne!(object.native_id, text.native_id);
}

#[test]
fn fields_nobody_knows_are_kept_of_what_was_asked_for() {
    let mut post = row(600);
    post["shimmer_2027"] = json!({"hue": 7});
    let sent = post.to_string();
    let answer = json!({"data": [post], "meta": {"result_count": 1}});
    let _host = Host::new().http(move |_: &http::Request| http::Response::with_json(200, &answer)).now("2026-01-15T12:00:00Z").start();
    let told = channel().poll(None).unwrap().interactions;
    assert!(matches!(&told[0].raw, Some(Raw::Text(kept)) if *kept == sent), "{told:?}");
}

#[test]
fn an_empty_list_keeps_its_place_and_writes_the_same_cursor_again() {
    let mentions = mentions([], 5);
    let _host = serve(&mentions);
    let first = channel().poll(None).unwrap();
    assert!(first.interactions.is_empty() && !first.more);
    assert_eq!(channel().poll(first.cursor.as_deref()).unwrap().cursor, first.cursor);
}

#[test]
fn a_used_up_limit_says_until_when() {
    let _host = Host::new()
        .http(|_: &http::Request| {
            http::Response::with_json(429, &json!({"title": "Too Many Requests", "detail": "Too Many Requests"}))
                .with_header("x-rate-limit-remaining", "0")
                .with_header("x-rate-limit-reset", "1768479000")
        })
        .start();
    let error = channel().poll(None).unwrap_err();
    assert!(matches!(&error, Error::RateLimited(limit) if limit.until == "2026-01-15T12:10:00Z"), "{error:?}");
}
