//! What the connector promises about looking for what the webhook missed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use facebook::Facebook;
use serde_json::{Value, json};
use sportello_sdk::diagnostics::Level;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, NOW, Running};
use sportello_sdk::{Error, Interaction, Raw, time, webhook};

const PAGE: &str = "100200300400500";
const POST: &str = "100200300400500_900";
const MARIA: (&str, &str) = ("7000000000000001", "Maria Bianchi");
const OURS: (&str, &str) = (PAGE, "Telefonia Esempio");
const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 60 * MINUTE_S;

/// The time of the tests' calls, in seconds.
fn now_s() -> i64 {
    time::milliseconds(NOW).unwrap() / 1000
}

fn channel_with(more: &Value) -> Channel<Facebook> {
    let mut settings = json!({ "page-id": PAGE, "graph-url": "https://graph.facebook.com" });
    more.as_object().unwrap().iter().for_each(|(name, value)| settings[name] = value.clone());
    Channel::new(settings)
}

/// A channel that reads from the day before, `rows` at a time.
fn reader(rows: usize) -> Channel<Facebook> {
    channel_with(&json!({ "since": "2026-01-14T12:00:00Z", "page-rows": rows }))
}

/// A post or comment on the wall.
#[derive(Clone)]
struct Thing {
    id: String,
    /// The post and the comment above; None: it is a post.
    below: Option<(String, Option<String>)>,
    from: (&'static str, &'static str),
    message: String,
    made_s: i64,
}

impl Thing {
    fn row(&self, wall: &Wall) -> Value {
        let at = |seconds: i64| time::from_milliseconds(seconds * 1000).replace('Z', "+0000");
        let mut row = json!({ "id": self.id, "message": self.message, "from": { "id": self.from.0, "name": self.from.1 },
            "created_time": at(self.made_s) });
        match &self.below {
            None => row["updated_time"] = json!(at(wall.below(&self.id).iter().map(|thing| thing.made_s).fold(self.made_s, i64::max))),
            Some((_, Some(parent))) => row["parent"] = json!({ "id": parent }),
            Some((_, None)) => {}
        }
        row
    }

    /// As the webhook told it.
    fn delivered(&self) -> Value {
        let mut value = json!({ "from": { "id": self.from.0, "name": self.from.1 }, "message": self.message, "created_time": self.made_s,
            "verb": "add" });
        match &self.below {
            None => {
                value["item"] = json!("post");
                value["post_id"] = json!(self.id);
                value["permalink_url"] = json!(format!("https://www.facebook.com/{}", self.id));
            }
            Some((post, parent)) => {
                value["item"] = json!("comment");
                value["post_id"] = json!(post);
                value["comment_id"] = json!(self.id);
                value["parent_id"] = json!(parent.as_ref().unwrap_or(post));
                value["post"] = json!({ "permalink_url": format!("https://www.facebook.com/{post}") });
            }
        }
        json!({ "field": "feed", "value": value })
    }
}

/// The platform as the connector sees it.
#[derive(Clone, Default)]
struct Wall {
    things: Vec<Thing>,
    is_oldest_first: bool,
}

type Shared = Rc<RefCell<Wall>>;

impl Wall {
    fn post(&mut self, id: &str, from: (&'static str, &'static str), made_s: i64) {
        self.things.push(Thing { id: id.into(), below: None, from, message: format!("Post {id}"), made_s });
    }

    fn comment(&mut self, id: &str, parent: Option<&str>, from: (&'static str, &'static str), made_s: i64) {
        let below = Some((POST.into(), parent.map(Into::into)));
        self.things.push(Thing { id: id.into(), below, from, message: format!("Commento {id} 😡"), made_s });
    }

    fn below(&self, post: &str) -> Vec<&Thing> {
        self.things.iter().filter(|thing| thing.below.as_ref().is_some_and(|(below, _)| below == post)).collect()
    }

    fn answer(&self, request: &Request) -> Response {
        assert_eq!(request.header_value("authorization"), None, "the token is the host's to put in");
        let path = request.path().trim_start_matches("/v24.0/").to_owned();
        let mut things = match path.split_once('/').unwrap() {
            (PAGE, "feed") => {
                let since_s: i64 = request.query_value("since").unwrap().parse().unwrap();
                self.things.iter().filter(|thing| thing.below.is_none() && thing.made_s >= since_s).collect()
            }
            (post, "comments") if self.things.iter().any(|thing| thing.id == post) => {
                assert_eq!(request.query_value("filter").as_deref(), Some("stream"));
                self.below(post)
            }
            _ => return refused(100, Some(33)),
        };
        things.sort_by_key(|thing| if self.is_oldest_first { thing.made_s } else { -thing.made_s });
        let limit: usize = request.query_value("limit").unwrap().parse().unwrap();
        let start = match request.query_value("after") {
            None => 0,
            Some(after) => match things.iter().position(|thing| format!("c{}", thing.id) == after) {
                Some(position) => position + 1,
                None => return refused(100, None),
            },
        };
        let page: Vec<&&Thing> = things.iter().skip(start).take(limit).collect();
        let mut paging = json!({});
        if let Some(last) = page.last() {
            paging["cursors"] = json!({ "before": "b", "after": format!("c{}", last.id) });
        }
        if start + page.len() < things.len() {
            paging["next"] = json!("https://graph.facebook.com/…");
        }
        let rows: Vec<Value> = page.iter().map(|thing| thing.row(self)).collect();
        Response::with_json(200, &json!({ "data": rows, "paging": paging }))
    }
}

/// Two posts, seven comments, an hour apart, the last two hours ago, and one answer of ours.
fn filled(is_oldest_first: bool) -> Shared {
    let mut wall = Wall { is_oldest_first, ..Wall::default() };
    wall.post("100200300400500_800", OURS, now_s() - 40 * 24 * HOUR_S);
    wall.post(POST, OURS, now_s() - 30 * HOUR_S);
    wall.post("100200300400500_950", MARIA, now_s() - 4 * HOUR_S);
    (0..6).for_each(|n| wall.comment(&format!("900_{}", 901 + n), None, MARIA, now_s() - (9 - n) * HOUR_S));
    wall.comment("900_910", Some("900_901"), MARIA, now_s() - 3 * HOUR_S);
    wall.comment("900_911", Some("900_901"), OURS, now_s() - 2 * HOUR_S);
    Rc::new(RefCell::new(wall))
}

/// How many of them a sweep tells: what was made since the day before.
const TOLD: usize = 9;

fn started(wall: &Shared) -> Running {
    let wall = Rc::clone(wall);
    Host::new().http(move |request: &Request| wall.borrow().answer(request)).start()
}

fn refused(code: u64, subcode: Option<u64>) -> Response {
    let mut error = json!({ "code": code, "message": "no", "type": "OAuthException" });
    if let Some(subcode) = subcode {
        error["error_subcode"] = json!(subcode);
    }
    Response::with_json(400, &json!({ "error": error }))
}

/// Polls until there is no more; each call knows nothing but the cursor.
fn sweep(channel: &Channel<Facebook>, cursor: &mut Option<String>) -> Vec<Interaction> {
    let mut found = Vec::new();
    for _ in 0..200 {
        let page = channel.poll(cursor.as_deref()).unwrap();
        assert!(page.cursor.as_ref().is_some_and(|cursor| cursor.len() < 16 << 10));
        *cursor = page.cursor;
        found.extend(page.interactions);
        if !page.more {
            return found;
        }
    }
    panic!("it never ends")
}

fn ids(found: &[Interaction]) -> BTreeSet<String> {
    found.iter().map(|one| one.native_id.clone()).collect()
}

#[test]
fn a_poll_gives_the_same_as_the_delivery() {
    let wall = filled(false);
    let _host = started(&wall);
    let polled = sweep(&reader(50), &mut None);
    assert_eq!(polled.len(), TOLD);
    for polled in polled {
        let told = wall.borrow().things.iter().find(|thing| thing.id == polled.native_id).unwrap().delivered();
        let body = json!({ "object": "page", "entry": [{ "id": PAGE, "time": now_s(), "changes": [told] }] }).to_string();
        let mut delivered = channel_with(&json!({})).deliver(&webhook::Request::post(body)).unwrap().interactions.remove(0);
        assert!(matches!(&polled.raw, Some(Raw::Text(text)) if serde_json::from_str::<Value>(text).is_ok()));
        delivered.raw.clone_from(&polled.raw);
        assert_eq!(polled, delivered);
    }
}

#[test]
fn all_come_once_at_every_page_boundary_in_either_order_and_restarted_at_every_page() {
    for is_oldest_first in [false, true] {
        for rows in [1, 2, 3, 6, 7, 8, 9, 50] {
            let _host = started(&filled(is_oldest_first));
            let (mut cursor, mut found) = (None, Vec::new());
            loop {
                let page = reader(rows).poll(cursor.as_deref()).unwrap();
                cursor = page.cursor;
                found.extend(page.interactions);
                if !page.more {
                    break;
                }
            }
            assert_eq!((found.len(), ids(&found).len()), (TOLD, TOLD), "{rows} rows, oldest first: {is_oldest_first}");
        }
    }
}

#[test]
fn a_page_that_is_read_again_after_a_crash_gives_the_same() {
    let _host = started(&filled(false));
    let mut cursor = None;
    loop {
        let (first, again) = (reader(2).poll(cursor.as_deref()).unwrap(), reader(2).poll(cursor.as_deref()).unwrap());
        assert_eq!(first, again);
        cursor = first.cursor;
        if !first.more {
            break;
        }
    }
}

#[test]
fn the_next_poll_reads_what_is_new_and_one_that_finds_nothing_new_leaves_the_cursor() {
    let wall = filled(false);
    let host = started(&wall);
    let mut cursor = None;
    sweep(&reader(3), &mut cursor);
    let before = cursor.clone();
    assert_eq!(ids(&sweep(&reader(3), &mut cursor)), BTreeSet::from(["900_910".into(), "900_911".into()]), "the hour before the latest");
    assert_eq!(cursor, before);

    wall.borrow_mut().comment("900_920", None, MARIA, now_s() - 2 * HOUR_S - HOUR_S / 2);
    wall.borrow_mut().comment("900_921", None, MARIA, now_s() - HOUR_S);
    let found = ids(&sweep(&reader(3), &mut cursor));
    assert!(found.contains("900_920") && found.contains("900_921"), "the late one too: {found:?}");
    let requests = host.requests().len();
    assert_eq!(sweep(&reader(50), &mut cursor).len(), 2);
    assert_eq!(host.requests().len(), requests + 2, "the wall, and the comments below the only post in which something happened");
}

#[test]
fn what_comes_during_a_sweep_is_not_lost() {
    let wall = filled(false);
    let _host = started(&wall);
    let (mut cursor, mut found) = (None, Vec::new());
    for n in 0..60 {
        let page = reader(2).poll(cursor.as_deref()).unwrap();
        cursor = page.cursor;
        found.extend(page.interactions);
        if n < 5 {
            wall.borrow_mut().post(&format!("100200300400500_96{n}"), MARIA, now_s() - HOUR_S + n);
            wall.borrow_mut().comment(&format!("900_93{n}"), None, MARIA, now_s() - HOUR_S + n);
        }
    }
    assert_eq!(ids(&found).len(), TOLD + 10);
}

#[test]
fn what_is_younger_than_ten_minutes_is_left_to_the_webhook_for_now() {
    let wall = filled(false);
    wall.borrow_mut().comment("900_940", None, MARIA, now_s() - 9 * MINUTE_S);
    let found = |now: &str, cursor: &mut Option<String>| {
        let wall = Rc::clone(&wall);
        let _host = Host::new().now(now).http(move |request: &Request| wall.borrow().answer(request)).start();
        ids(&sweep(&reader(50), cursor))
    };
    let mut cursor = None;
    assert!(!found(NOW, &mut cursor).contains("900_940"));
    assert!(found("2026-01-15T12:02:00Z", &mut cursor).contains("900_940"));
}

#[test]
fn the_first_poll_begins_now_or_where_the_settings_say_and_looks_below_posts_of_the_days_before() {
    let since = |settings: Value| {
        let host = started(&filled(false));
        channel_with(&settings).poll(None).unwrap();
        (now_s() - host.requests()[0].query_value("since").unwrap().parse::<i64>().unwrap()) / HOUR_S
    };
    assert_eq!(since(json!({})), 30 * 24);
    assert_eq!(since(json!({ "posts-days": 1 })), 24);
    assert_eq!(since(json!({ "since": "2026-01-14T12:00:00Z" })), 31 * 24);
    let _host = started(&filled(false));
    assert_eq!(sweep(&channel_with(&json!({})), &mut None), [], "what was there before is none of its business");
}

#[test]
fn a_thing_that_goes_during_a_sweep_costs_no_other() {
    for gone in ["100200300400500_950", POST, "900_906", "900_905", "900_904"] {
        for step in 0..8 {
            let wall = filled(false);
            let _host = started(&wall);
            let (mut cursor, mut found, mut pages) = (None, Vec::new(), 0);
            // One sweep, and another where the first one could not be read to its end.
            for _ in 0..2 {
                loop {
                    if pages == step {
                        wall.borrow_mut().things.retain(|thing| thing.id != gone);
                    }
                    pages += 1;
                    let page = reader(2).poll(cursor.as_deref()).unwrap();
                    cursor = page.cursor;
                    found.extend(page.interactions);
                    if !page.more {
                        break;
                    }
                }
            }
            let mut found = ids(&found);
            found.insert(gone.into());
            // With a post goes what is below it.
            let left = wall.borrow();
            let is_there = |thing: &&Thing| thing.below.is_none() || left.things.iter().any(|post| post.id == POST);
            let expected = left.things.iter().filter(is_there).filter(|thing| thing.made_s >= now_s() - 24 * HOUR_S);
            let lost: Vec<_> = expected.filter(|thing| !found.contains(&thing.id)).map(|thing| &thing.id).collect();
            assert!(lost.is_empty(), "{gone} went after {step} pages: {lost:?}");
        }
    }
}

#[test]
fn a_list_that_goes_on_without_a_cursor_is_told_as_far_as_it_can_be_read_and_read_again() {
    let wall = filled(false);
    let shared = Rc::clone(&wall);
    let host = Host::new()
        .http(move |request: &Request| {
            let mut page: Value = serde_json::from_slice(&shared.borrow().answer(request).body).unwrap();
            if request.path().ends_with("/comments") {
                page["paging"]["cursors"] = json!({});
            }
            Response::with_json(200, &page)
        })
        .start();
    let mut cursor = None;
    let found = sweep(&reader(2), &mut cursor);
    assert!(ids(&found).contains("900_911"));
    assert!(host.diagnostics().iter().any(|(level, text)| *level == Level::Warning && text.contains(POST)), "{:?}", host.diagnostics());
    drop(host);
    let _host = started(&wall);
    assert_eq!(sweep(&reader(2), &mut cursor).len(), TOLD, "from where it began");
}

/// Plays an answer, or none.
type Answering = fn() -> Result<Response, Failure>;

#[test]
fn any_failure_leaves_the_cursor_and_the_poll_goes_on_from_there() {
    let failures: [(&str, Answering); 9] = [
        ("rate-limited", || Ok(refused(4, None))),
        ("rate-limited", || Ok(refused(32, None))),
        ("rate-limited", || Ok(refused(613, None))),
        ("rate-limited", || Ok(refused(80001, None))),
        ("retry", || Ok(refused(2, None))),
        ("retry", || Ok(Response::with_text(503, "<html>"))),
        ("retry", || Ok(Response::with_json(200, &json!({ "hm": 7 })))),
        ("retry", || Err(Failure::Interrupted("time-out".into()))),
        ("auth", || Ok(refused(190, Some(463)))),
    ];
    let requests = {
        let host = started(&filled(false));
        sweep(&reader(2), &mut None);
        host.requests().len()
    };
    for (outcome, failure) in failures {
        for failing in 0..requests {
            let wall = filled(false);
            let mut number = 0;
            let host = Host::new()
                .http(move |request: &Request| {
                    number += 1;
                    if number == failing + 1 { failure() } else { Ok(wall.borrow().answer(request)) }
                })
                .start();
            let (mut cursor, mut found, mut failed) = (None, Vec::new(), 0);
            for _ in 0..100 {
                match reader(2).poll(cursor.as_deref()) {
                    Ok(page) => {
                        cursor = page.cursor;
                        found.extend(page.interactions);
                        if !page.more {
                            break;
                        }
                    }
                    Err(error) => {
                        assert_eq!(error.name(), outcome, "request {failing}");
                        failed += 1;
                        if let Error::RateLimited(limit) = error {
                            host.passes_until(&limit.until);
                        }
                    }
                }
            }
            assert_eq!((failed, found.len(), ids(&found).len()), (1, TOLD, TOLD), "{outcome} at request {failing}");
        }
    }
}

#[test]
fn without_the_permission_to_read_the_operator_is_told_which() {
    for code in [10, 200] {
        let _host = Host::new()
            .http(move |_: &Request| {
                let message = "(#10) This endpoint requires the 'pages_read_user_content' permission";
                Response::with_json(403, &json!({ "error": { "code": code, "message": message, "type": "OAuthException" } }))
            })
            .start();
        let Err(Error::Auth(reason)) = reader(50).poll(None) else { panic!("auth") };
        assert!(reason.contains("pages_read_user_content") && reason.contains("lacks a permission"), "{reason}");
    }
}

#[test]
fn where_nothing_is_left_under_the_limit_nothing_is_read() {
    let wall = filled(false);
    let host = Host::new()
        .http(move |request: &Request| {
            let usage = json!({ PAGE: [{ "type": "pages", "call_count": 100, "total_cputime": 1, "total_time": 1,
                "estimated_time_to_regain_access": 10 }] });
            wall.borrow().answer(request).with_header("x-business-use-case-usage", usage.to_string())
        })
        .start();
    let page = reader(50).poll(None).unwrap();
    assert!(page.more);
    assert!(matches!(reader(50).poll(page.cursor.as_deref()), Err(Error::RateLimited(_))));
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn a_row_of_another_shape_costs_no_other_and_is_kept() {
    let _host = Host::new()
        .http(|request: &Request| match request.path().ends_with("/feed") {
            true => Response::with_json(200, &json!({ "data": [{ "id": POST, "created_time": 7 }, 7, null, "x", { "from": 7 }] })),
            false => {
                let row = json!({ "id": 9_223_372_036_854_775_809_u64, "message": "ok", "from": { "id": 9_007_199_254_740_993_u64 },
                    "created_time": "2026-01-15T10:00:00+0000", "parent": 7, "new_in_2031": {} });
                let timeless = json!({ "id": "900_950", "message": "e adesso?", "created_time": "yesterday" });
                Response::with_json(200, &json!({ "data": [row, timeless, [], { "created_time": "2026-01-15T10:00:00+0000" }] }))
            }
        })
        .start();
    let mut cursor = None;
    let found = sweep(&reader(50), &mut cursor);
    let (unknown, understood): (Vec<_>, Vec<_>) = found.iter().partition(|one| is_not_understood(one));
    let ids: Vec<_> = understood.iter().map(|one| (one.native_id.as_str(), one.kind.as_str())).collect();
    assert_eq!(ids, [("900_950", "comment"), ("9223372036854775809", "comment")], "every digit");
    assert_eq!(understood[1].author.as_ref().map(|author| author.id.as_str()), Some("9007199254740993"));
    let from = "2026-01-14T12:00:00Z";
    assert_eq!((understood[0].text.as_deref(), understood[0].occurred_at.as_str()), (Some("e adesso?"), from), "it says no time");
    let raws: BTreeSet<_> = unknown.iter().map(|one| raw_of(one)).collect();
    let of_no_id = r#"{"created_time":"2026-01-15T10:00:00+0000"}"#;
    assert_eq!(raws, BTreeSet::from(["7", "null", "\"x\"", r#"{"from":7}"#, "[]", of_no_id]));
    assert!(unknown.iter().all(|one| one.kind == "page-edit" && (one.occurred_at == from || raw_of(one) == of_no_id)));
    let again: BTreeSet<_> = sweep(&reader(50), &mut cursor).iter().map(|one| one.native_id.clone()).collect();
    let first: BTreeSet<_> = found.iter().map(|one| one.native_id.clone()).collect();
    assert_eq!(again, first, "the host knows what it has");
}

/// Whether it is kept without being understood.
fn is_not_understood(one: &Interaction) -> bool {
    one.attributes.iter().any(|attribute| attribute.name == "not-understood")
}

fn raw_of(one: &Interaction) -> &str {
    match &one.raw {
        Some(Raw::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thousand_comments_are_read_without_loss() {
    let wall = filled(false);
    (0..1000).for_each(|n| wall.borrow_mut().comment(&format!("900_{}", 10_000 + n), None, MARIA, now_s() - HOUR_S - n));
    let _host = started(&wall);
    assert_eq!(ids(&sweep(&reader(50), &mut None)).len(), TOLD + 1000);
}

#[test]
fn a_cursor_of_another_connector_is_refused() {
    let _host = started(&filled(false));
    assert!(matches!(reader(20).poll(Some("QUJD")), Err(Error::Reject(_))));
}
