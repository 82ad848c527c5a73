//! What the connector promises about the end of the page's token.

use std::cell::RefCell;
use std::rc::Rc;

use facebook::Facebook;
use serde_json::{Value, json};
use sportello_sdk::diagnostics::Level;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, Running};

const NOW: &str = "2026-01-15T12:00:00Z";
const NOW_S: i64 = 1_768_478_400;
const DAY_S: i64 = 24 * 60 * 60;

fn channel(more: Value) -> Channel<Facebook> {
    let mut settings = json!({ "page-id": "100200300400500", "graph-url": "https://graph.facebook.com" });
    more.as_object().unwrap().iter().for_each(|(name, value)| settings[name] = value.clone());
    Channel::new(settings)
}

/// A page on which nothing happens, and whose token is described so.
fn host(asked_at: Option<i64>, answer: impl Fn() -> Result<Response, Failure> + 'static) -> Running {
    let host = Host::new().now(NOW).http(move |request: &Request| {
        if request.path().ends_with("/feed") {
            return Ok(Response::with_json(200, &json!({ "data": [] })));
        }
        assert_eq!((request.method(), request.path()), ("GET", "/v24.0/debug_token"));
        assert_eq!(request.header_value("sportello-credential"), Some("page-token-check"));
        answer()
    });
    match asked_at {
        Some(asked_at) => host.state("token-asked-at", &asked_at).start(),
        None => host.start(),
    }
}

/// <https://developers.facebook.com/docs/facebook-login/guides/%20access-tokens/debugging>
fn described(expires_at: i64, data_access_expires_at: i64) -> Result<Response, Failure> {
    let data = json!({ "type": "PAGE", "is_valid": true, "expires_at": expires_at, "data_access_expires_at": data_access_expires_at });
    Ok(Response::with_json(200, &json!({ "data": data })))
}

fn warnings(host: &Running) -> usize {
    host.diagnostics().into_iter().filter(|(level, _)| *level == Level::Warning).count()
}

#[test]
fn the_host_is_told_when_the_pages_token_ends_or_what_may_be_read_with_it_whichever_is_first() {
    let (first, later) = (NOW_S + 14 * DAY_S, NOW_S + 14 * DAY_S + 1);
    for (expires, data_access, told) in [(0, 0, false), (first, 0, true), (0, first, true), (first, later, true), (later, first, true)] {
        let host = host(None, move || described(expires, data_access));
        channel(json!({ "ask-token-end": true })).poll(None).unwrap();
        assert_eq!(host.ends("page-token"), Some(told.then(|| "2026-01-29T12:00:00Z".to_owned())), "{expires} {data_access}");
        assert_eq!((host.state::<i64>("token-asked-at"), warnings(&host)), (Some(NOW_S * 1000), 0));
    }
}

#[test]
fn the_pages_token_is_asked_about_itself_once_a_day_and_only_where_the_settings_say_so() {
    let day_ms = DAY_S * 1000;
    let now_ms = NOW_S * 1000;
    for (asks, asked_at, requests) in
        [(false, None, 1), (true, Some(now_ms - day_ms + 1), 1), (true, Some(now_ms - day_ms), 2), (true, None, 2)]
    {
        let host = host(asked_at, || described(0, 0));
        channel(json!({ "ask-token-end": asks })).poll(None).unwrap();
        assert_eq!((host.requests().len(), host.ends("page-token").is_some()), (requests, requests == 2), "{asks} {asked_at:?}");
    }
}

#[test]
fn whatever_becomes_of_asking_when_the_token_ends_the_poll_goes_on_and_asks_again_the_next_time() {
    let ended =
        || Ok(Response::with_json(400, &json!({ "error": { "message": "Session has expired.", "code": 190, "error_subcode": 463 } })));
    let troubles: [fn() -> Result<Response, Failure>; 4] = [
        || Err(Failure::Denied("not bound".into())),
        || Err(Failure::Interrupted("time-out".into())),
        ended,
        || Ok(Response::with_json(200, &json!({}))),
    ];
    for trouble in troubles {
        let host = host(None, trouble);
        let cursor = Rc::new(RefCell::new(None));
        for _ in 0..2 {
            let page = channel(json!({ "ask-token-end": true })).poll(cursor.borrow().as_deref()).unwrap();
            *cursor.borrow_mut() = page.cursor;
        }
        assert_eq!((host.requests().len(), warnings(&host)), (4, 2), "{:?}", host.diagnostics());
        assert_eq!((host.state::<i64>("token-asked-at"), host.ends("page-token")), (None, None));
    }
}
