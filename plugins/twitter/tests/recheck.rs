//! What the connector promises about looking whether posts are still there.

use serde_json::{Value, json};
use sportello_sdk::testing::{Channel, Host};
use sportello_sdk::{Error, LinkPermission, ReplyPermission, http};
use twitter::Twitter;

fn channel() -> Channel<Twitter> {
    Channel::new(json!({ "user-id": "1400000000000000001", "handle": "sole", "api-url": "https://api.x.com" }))
}

/// A row of `errors`: <https://docs.x.com/x-api/fundamentals/response-codes-and-errors>
fn problem(id: &str, kind: &str) -> Value {
    json!({"value": id, "resource_id": id, "resource_type": "tweet", "parameter": "ids", "type": format!("https://api.x.com/2/problems/{kind}")})
}

#[test]
fn only_what_x_does_not_find_is_gone() {
    let host = Host::new()
        .http(|_: &http::Request| {
            let errors =
                [problem("1460323737035677699", "resource-not-found"), problem("1460323737035677700", "not-authorized-for-resource")];
            http::Response::with_json(200, &json!({"data": [{"id": "1460323737035677698", "text": "ciao"}], "errors": errors}))
        })
        .start();
    // The last is neither shown nor said to be missing.
    let asked = ["1460323737035677698", "1460323737035677699", "1460323737035677700", "1460323737035677701"];
    assert_eq!(channel().gone(asked.map(|id| (id, "mention"))).unwrap(), ["1460323737035677699"]);
    let requests = host.requests();
    assert_eq!((requests.len(), requests[0].path()), (1, "/2/tweets"));
    assert_eq!(requests[0].query_value("ids").as_deref(), Some(asked.join(",").as_str()));
}

#[test]
fn a_look_asks_for_a_hundred_at_most() {
    let host = Host::new().http(|_: &http::Request| http::Response::with_json(200, &json!({"data": []}))).start();
    let ids: Vec<String> = (0..250).map(|number| (1_460_323_737_035_677_000_u64 + number).to_string()).collect();
    channel().gone(ids.iter().map(|id| (id.as_str(), "post"))).unwrap();
    let asked: Vec<_> = host.requests().iter().map(|request| request.query_value("ids").unwrap().split(',').count()).collect();
    assert_eq!(asked, [100, 100, 50]);
}

#[test]
fn what_is_no_post_is_not_asked_about() {
    let host = Host::new().http(|_: &http::Request| http::Response::with_json(200, &json!({}))).start();
    let things = [("7-likes-8", "reaction"), ("9", "follow"), ("10", "direct-message"), ("event-3f", "post")];
    assert_eq!(channel().gone(things).unwrap(), Vec::<String>::new());
    assert_eq!(host.requests().len(), 0);
}

#[test]
fn while_x_cannot_answer_nothing_is_gone() {
    let status = |status: u16| {
        let _host = Host::new().http(move |_: &http::Request| http::Response::with_json(status, &json!({"title": "no"}))).start();
        channel().gone([("1460323737035677698", "mention")]).unwrap_err()
    };
    assert!(matches!(status(429), Error::RateLimited(_)), "{:?}", status(429));
    assert!(matches!(status(503), Error::Retry(_)), "{:?}", status(503));
}

#[test]
fn the_manifest_says_what_the_terms_allow() {
    let policy = channel().manifest().policy;
    assert_eq!((policy.link, policy.reply, policy.recheck_hours), (LinkPermission::Evidence, ReplyPermission::Summoned, 24));
}
