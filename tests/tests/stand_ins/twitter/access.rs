use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::json;
use sportello_tests::http_client::{Answer, HttpClient, encode_pairs, with_query};
use sportello_tests::stand_ins::twitter::{Endpoint, Limit, Twitter, TwitterSettings, calls_max_default};

use super::{Api, problem};

/// Asks for a new access token with this refresh token.
pub(super) async fn refresh(api: &Api, refresh_token: &str) -> Answer {
    let settings = api.twitter.settings();
    let basic = STANDARD.encode(format!("{}:{}", settings.client_id, settings.client_secret));
    token_call(&api.twitter, &format!("Basic {basic}"), &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

async fn token_call(twitter: &Twitter, authorization: &str, fields: &[(&str, &str)]) -> Answer {
    let headers = [("authorization", authorization), ("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{}/2/oauth2/token", twitter.api_url());
    HttpClient::default().send(Method::POST, &url, &headers, encode_pairs(fields).into()).await.expect("an answer")
}

async fn me_with(api: &Api, authorization: &str) -> u16 {
    let url = format!("{}/2/users/me", api.twitter.api_url());
    api.http.send(Method::GET, &url, &[("authorization", authorization)], Bytes::new()).await.expect("an answer").status
}

#[tokio::test]
async fn an_access_token_ends_after_two_hours_and_a_refresh_token_serves_once() {
    let api = Api::start().await;
    let (access, first) = (api.twitter.access_token(), api.twitter.refresh_token());
    api.twitter.advance(Duration::from_secs(7_199));
    assert_eq!(api.get("/2/users/me", &[]).await.status, 200);
    api.twitter.advance(Duration::from_secs(1));
    let ended = api.get("/2/users/me", &[]).await;
    assert_eq!((problem(&ended).0, ended.json().expect("JSON")["title"].clone()), (401, json!("Unauthorized")));
    let given = refresh(&api, &first).await;
    assert_eq!(given.status, 200, "{}", given.text());
    let given = given.json().expect("JSON");
    assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("bearer"), &json!(7_200)));
    assert_eq!(
        (&given["access_token"], &given["refresh_token"]),
        (&json!(api.twitter.access_token()), &json!(api.twitter.refresh_token()))
    );
    assert!(given["scope"].as_str().is_some_and(|scope| scope.contains("offline.access")));
    assert_ne!((access.as_str(), first.as_str()), (api.twitter.access_token().as_str(), api.twitter.refresh_token().as_str()));
    assert_eq!(api.get("/2/users/me", &[]).await.status, 200);
    let spent = refresh(&api, &first).await;
    assert_eq!((spent.status, spent.json().expect("JSON")["error"].clone()), (400, json!("invalid_request")));
    assert_eq!(api.twitter.token_refreshes(), 1, "a refusal gives nothing out");
    api.twitter.advance(Duration::from_secs(7_199));
    assert_eq!(api.get("/2/users/me", &[]).await.status, 200, "it has two hours of its own");
    api.twitter.advance(Duration::from_secs(1));
    assert_eq!(api.get("/2/users/me", &[]).await.status, 401);
    assert_eq!(refresh(&api, &api.twitter.refresh_token()).await.status, 200);
    assert_eq!(api.get("/2/users/me", &[]).await.status, 200);
    api.twitter.expire_token();
    assert_eq!(api.get("/2/users/me", &[]).await.status, 401);
}

#[tokio::test]
async fn a_user_who_takes_the_rights_away_ends_every_token() {
    let api = Api::start().await;
    let settings = api.twitter.settings();
    let address = format!("{}/2/users/me", api.twitter.api_url());
    let now = api.twitter.now().as_second();
    let header = |nonce: &str| oauth1_header(settings, &settings.oauth1_token_secret, "GET", &address, &[], now, nonce);
    assert_eq!((api.get("/2/users/me", &[]).await.status, me_with(&api, &header("a")).await), (200, 200));
    api.twitter.revoke();
    assert_eq!(api.get("/2/users/me", &[]).await.status, 401, "the access token");
    assert_eq!(me_with(&api, &header("b")).await, 401, "that of OAuth 1.0a");
    assert_eq!(refresh(&api, &api.twitter.refresh_token()).await.status, 400, "the refresh token");
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_only() {
    let with = |scope: &str| Api::start_with(TwitterSettings { scope: scope.to_owned(), ..TwitterSettings::default() });
    let reader = with("tweet.read users.read offline.access").await;
    let question = reader.twitter.post(&reader.twitter.person("Ada"), "@TelefoniaSole aiuto");
    assert_eq!(reader.get("/2/users/me", &[]).await.status, 200);
    assert_eq!(problem(&reader.reply(&question, "Eccoci").await), (403, "Forbidden".to_owned()));
    assert!(reader.twitter.replies().is_empty());
    let given = refresh(&reader, &reader.twitter.refresh_token()).await.json().expect("JSON");
    assert_eq!(given["scope"], json!("tweet.read users.read offline.access"));
    assert_eq!(reader.reply(&question, "Eccoci").await.status, 403, "a refresh gives no more than there was");
    let stranger = with("users.read offline.access").await;
    for path in ["/2/users/me".to_owned(), stranger.mentions_path(), stranger.timeline_path(), format!("/2/tweets/{question}")] {
        assert_eq!(problem(&stranger.get(&path, &[]).await), (403, "Forbidden".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn the_token_endpoint_wants_the_client_and_a_form() {
    let api = Api::start().await;
    let token = api.twitter.refresh_token();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let stranger = token_call(&api.twitter, "Basic c3RyYW5nZXI6c2VjcmV0", &fields).await;
    assert_eq!((stranger.status, stranger.json().expect("JSON")["error"].clone()), (401, json!("unauthorized_client")));
    let settings = api.twitter.settings();
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", settings.client_id, settings.client_secret)));
    assert_eq!(token_call(&api.twitter, &basic, &[("refresh_token", &token)]).await.status, 400);
    assert_eq!(token_call(&api.twitter, &basic, &[("grant_type", "authorization_code")]).await.status, 501);
    let url = format!("{}/2/oauth2/token", api.twitter.api_url());
    let document = json!({"grant_type": "refresh_token", "refresh_token": token});
    assert_eq!(api.http.post_json(&url, &[("authorization", &basic)], &document).await.expect("an answer").status, 400);
    assert_eq!((api.twitter.token_refreshes(), api.twitter.refresh_token()), (0, token), "nothing was spent");
    assert_eq!(me_with(&api, "Bearer nobody").await, 401);
    assert_eq!(me_with(&api, &basic).await, 401);
}

/// A header as RFC 5849 wants it, made apart from how the stand-in reads it.
fn oauth1_header(
    settings: &TwitterSettings,
    secret: &str,
    method: &str,
    address: &str,
    query: &[(&str, &str)],
    time: i64,
    nonce: &str,
) -> String {
    let encoded = |text: &str| encode_pairs(&[("", text)])[1..].to_owned();
    let time = time.to_string();
    let own = [
        ("oauth_consumer_key", settings.consumer_key.as_str()),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", &time),
        ("oauth_token", &settings.oauth1_token),
        ("oauth_version", "1.0"),
    ];
    let mut pairs: Vec<String> = own.iter().chain(query).map(|pair| encode_pairs(&[*pair])).collect();
    pairs.sort();
    let base = format!("{method}&{}&{}", encoded(address), encoded(&pairs.join("&")));
    let key = format!("{}&{}", encoded(&settings.consumer_secret), encoded(secret));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let signature = STANDARD.encode(ring::hmac::sign(&key, base.as_bytes()));
    let fields = own.iter().copied().chain([("oauth_signature", signature.as_str())]);
    format!("OAuth {}", fields.map(|(name, value)| format!("{name}=\"{}\"", encoded(value))).collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn a_call_signed_with_oauth_1_is_taken_once_in_time_and_unchanged() {
    let api = Api::start().await;
    let settings = api.twitter.settings();
    let secret = settings.oauth1_token_secret.as_str();
    let address = format!("{}{}", api.twitter.api_url(), api.mentions_path());
    let query = [("max_results", "5"), ("tweet.fields", "created_at,author_id")];
    let now = api.twitter.now().as_second();
    let call = async |header: &str, query: &[(&str, &str)]| {
        let url = with_query(&address, query);
        api.http.send(Method::GET, &url, &[("authorization", header)], Bytes::new()).await.expect("an answer").status
    };
    let header = |secret: &str, time: i64, nonce: &str| oauth1_header(settings, secret, "GET", &address, &query, time, nonce);
    assert_eq!(call(&header("wrong", now, "a"), &query).await, 401, "a wrong signature");
    assert_eq!(call(&header(secret, now - 301, "a"), &query).await, 401, "too old");
    assert_eq!(call(&header(secret, now + 301, "a"), &query).await, 401, "from the future");
    assert_eq!(call(&header(secret, now, "a"), &[("max_results", "6"), query[1]]).await, 401, "another query than was signed");
    assert_eq!(call(&header(secret, now, "a"), &query).await, 200, "nothing refused spent the nonce");
    assert_eq!(call(&header(secret, now, "a"), &query).await, 401, "a nonce serves once");
    assert_eq!(call(&header(secret, now - 300, "b"), &query).await, 200);
    api.twitter.advance(Duration::from_secs(3 * 3_600));
    assert_eq!(call(&header(secret, now + 3 * 3_600, "c"), &query).await, 200, "this token does not end");

    let posts = format!("{}/2/tweets", api.twitter.api_url());
    let header = oauth1_header(settings, secret, "POST", &posts, &[], now + 3 * 3_600, "d");
    let posted = api.http.post_json(&posts, &[("authorization", &header)], &json!({"text": "Perché no?"})).await.expect("an answer");
    assert_eq!(posted.status, 201, "the JSON body is not signed");
}

/// Limit, remaining and seconds until the reset.
fn window(api: &Api, answer: &Answer) -> (i64, i64, i64) {
    window_of("x-rate-limit", api, answer)
}

fn window_of(limit: &str, api: &Api, answer: &Answer) -> (i64, i64, i64) {
    let number = |what: &str| answer.header(&format!("{limit}-{what}")).parse::<i64>().expect("a number");
    (number("limit"), number("remaining"), number("reset") - api.twitter.now().as_second())
}

#[tokio::test]
async fn a_window_of_15_minutes_takes_so_many_calls_and_ends_at_its_reset() {
    let mut calls_max = calls_max_default();
    assert_eq!(
        [Endpoint::Mentions, Endpoint::Posts, Endpoint::Timeline, Endpoint::Lookups].map(|endpoint| calls_max[&(Limit::Quarter, endpoint)]),
        [300, 100, 900, 900]
    );
    calls_max.insert((Limit::Quarter, Endpoint::Mentions), 3);
    let api = Api::start_with(TwitterSettings { calls_max, ..TwitterSettings::default() }).await;
    let mentions = api.mentions_path();
    for remaining in [2, 1, 0] {
        let answer = api.get(&mentions, &[]).await;
        assert_eq!((answer.status, window(&api, &answer)), (200, (3, remaining, 900)));
    }
    assert_eq!(api.twitter.calls_over_limit(), 0);
    api.twitter.advance(Duration::from_secs(899));
    let refused = api.get(&mentions, &[]).await;
    assert_eq!((problem(&refused).0, window(&api, &refused)), (429, (3, 0, 1)));
    assert_eq!(api.twitter.calls_over_limit(), 1);
    assert_eq!(api.get(&api.timeline_path(), &[]).await.status, 200, "each endpoint counts for itself");
    api.twitter.advance(Duration::from_secs(1));
    let answer = api.get(&mentions, &[]).await;
    assert_eq!((answer.status, window(&api, &answer)), (200, (3, 2, 900)));
    let wrong = api.get(&mentions, &[("max_results", "1")]).await;
    assert_eq!((wrong.status, window(&api, &wrong).1), (400, 1), "a wrong call counts too");
    assert_eq!(api.twitter.calls_over_limit(), 1);
}

#[tokio::test]
async fn a_day_takes_so_many_calls_of_the_user_and_of_the_application_and_ends_after_24_hours() {
    const DAY_S: i64 = 24 * 60 * 60;
    let mut calls_max = calls_max_default();
    assert_eq!(calls_max[&(Limit::AppDay, Endpoint::Posts)], 10_000);
    calls_max.insert((Limit::UserDay, Endpoint::Posts), 2);
    let now = "2026-01-15T12:00:00Z".parse().expect("a time");
    let api = Api::start_with(TwitterSettings { calls_max, now, ..TwitterSettings::default() }).await;
    let mention = api.twitter.post(&api.twitter.person("Ada"), "@TelefoniaSole aiuto");
    for remaining in [1, 0] {
        let posted = api.reply(&mention, &format!("Eccoci: {remaining}")).await;
        assert_eq!((posted.status, window_of("x-user-limit-24hour", &api, &posted)), (201, (2, remaining, DAY_S)));
        assert_eq!(window_of("x-app-limit-24hour", &api, &posted), (10_000, 9_998 + remaining, DAY_S));
    }
    api.twitter.advance(Duration::from_secs(24 * 60 * 60 - 1));
    refresh(&api, &api.twitter.refresh_token()).await;
    let refused = api.reply(&mention, "Eccoci").await;
    assert_eq!((problem(&refused).0, window_of("x-user-limit-24hour", &api, &refused)), (429, (2, 0, 1)));
    assert_eq!(window(&api, &refused), (100, 100, 900), "of the quarter of an hour all is left");
    assert_eq!(api.get(&api.timeline_path(), &[]).await.headers.get("x-user-limit-24hour-limit"), None, "it has no limit of a day");
    api.twitter.advance(Duration::from_secs(1));
    assert_eq!(api.reply(&mention, "Eccoci").await.status, 201);
    api.twitter.use_up_day(Endpoint::Posts, Duration::from_secs(60 * 60));
    let refused = api.reply(&mention, "Ancora").await;
    assert_eq!((refused.status, window_of("x-app-limit-24hour", &api, &refused)), (429, (10_000, 0, 60 * 60)));
    assert_eq!((api.twitter.calls_over_limit(), api.twitter.replies().len()), (2, 3));
}

#[tokio::test]
async fn a_limit_on_demand_ends_when_it_says_with_a_whole_second() {
    let now = "2026-01-15T12:00:00.5Z".parse().expect("a time");
    let api = Api::start_with(TwitterSettings { now, ..TwitterSettings::default() }).await;
    let mention = api.twitter.post(&api.twitter.person("Ada"), "@TelefoniaSole aiuto");
    api.twitter.limit_rate(Endpoint::Posts, Duration::from_secs(60));
    let refused = api.reply(&mention, "Eccoci").await;
    let (_, remaining, wait_s) = window(&api, &refused);
    assert_eq!((refused.status, remaining, wait_s), (429, 0, 61));
    assert!(api.twitter.replies().is_empty());
    api.twitter.advance(Duration::from_secs(60));
    assert_eq!(api.reply(&mention, "Eccoci").await.status, 429);
    api.twitter.advance(Duration::from_millis(500));
    assert_eq!(api.reply(&mention, "Eccoci").await.status, 201);
    assert_eq!((api.twitter.calls_over_limit(), api.twitter.replies().len()), (2, 1));
}
