//! Versions, tokens and limits.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use sportello_tests::http_client::Answer;
use sportello_tests::stand_ins::Fault;
use sportello_tests::stand_ins::linkedin::{DailyLimit, LinkedInSettings};

use super::{Api, comments_of, refusal, refused};

const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn refresh(api: &Api, refresh_token: &str) -> Answer {
    let (id, secret) = (api.linkedin.client_id().to_owned(), api.linkedin.client_secret().to_owned());
    refresh_as(api, refresh_token, &id, &secret).await
}

async fn refresh_as(api: &Api, refresh_token: &str, id: &str, secret: &str) -> Answer {
    let url = format!("{}/oauth/v2/accessToken", api.linkedin.api_url());
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", id), ("client_secret", secret)];
    api.http.post_form(&url, &form).await.expect("an answer")
}

fn error_of(answer: &Answer) -> (u16, String) {
    let document = answer.json().expect("JSON");
    (answer.status, document["error"].as_str().unwrap_or_default().to_owned())
}

fn days(answer: &Value, field: &str) -> i64 {
    answer[field].as_i64().expect("seconds") / 86_400
}

#[tokio::test]
async fn a_call_says_its_version_and_the_protocol_and_old_versions_are_sunset() {
    let api = Api::start().await;
    let path = comments_of(&api.linkedin.post("Buongiorno"));
    let call = async |name: &str, value: Option<&str>| {
        let mut headers = api.headers();
        headers.retain(|(known, _)| *known != name);
        if let Some(value) = value {
            headers.push(("linkedin-version", value.to_owned()));
        }
        api.send(Method::GET, &path, &headers, "").await
    };
    assert_eq!(refusal(&call("linkedin-version", None).await), refused(400, "VERSION_MISSING"));
    assert_eq!(refusal(&call("x-restli-protocol-version", None).await), refused(400, "ILLEGAL_ARGUMENT"));
    for version in ["2026-01", "26", "20260101"] {
        assert_eq!(call("linkedin-version", Some(version)).await.status, 400, "{version}");
    }
    for version in ["202206", "999912"] {
        assert_eq!(refusal(&call("linkedin-version", Some(version)).await), refused(426, "NONEXISTENT_VERSION"), "{version}");
    }
    let of_days_ago = |days: u32| (api.linkedin.now() - days * DAY).strftime("%Y%m").to_string();
    assert_eq!(call("linkedin-version", Some(&of_days_ago(335))).await.status, 200);
    assert_eq!(call("linkedin-version", Some(&of_days_ago(335 + 31))).await.status, 426);
    assert_eq!(api.get(&path).await.status, 200);
    let version = api.linkedin.newest_version();
    api.linkedin.advance(40 * DAY);
    api.linkedin.retire_versions_before(&api.linkedin.newest_version());
    assert_eq!(refusal(&call("linkedin-version", Some(&version)).await), refused(426, "NONEXISTENT_VERSION"), "retired meanwhile");
    assert_eq!(api.get(&path).await.status, 200, "the newest is served");
}

#[tokio::test]
async fn a_token_is_invalid_expired_or_revoked_and_its_code_says_which() {
    let api = Api::start().await;
    let path = comments_of(&api.linkedin.post("Buongiorno"));
    let code = |answer: &Answer| answer.json().expect("JSON")["serviceErrorCode"].as_u64();
    let mut headers = api.headers();
    headers.retain(|(name, _)| *name != "authorization");
    let without = api.send(Method::GET, &path, &headers, "").await;
    assert_eq!((refusal(&without), code(&without)), (refused(401, "INVALID_ACCESS_TOKEN"), Some(65600)));
    headers.push(("authorization", "Bearer no".to_owned()));
    assert_eq!(refusal(&api.send(Method::GET, &path, &headers, "").await), refused(401, "INVALID_ACCESS_TOKEN"));
    api.linkedin.advance(60 * DAY - Duration::from_secs(1));
    assert_eq!(api.get(&path).await.status, 200, "sixty days");
    api.linkedin.advance(Duration::from_secs(1));
    let expired = api.get(&path).await;
    assert_eq!((refusal(&expired), code(&expired)), (refused(401, "EXPIRED_ACCESS_TOKEN"), Some(65602)));
    assert_eq!(refresh(&api, &api.linkedin.refresh_token()).await.status, 200);
    assert_eq!(api.get(&path).await.status, 200);
    api.linkedin.expire_token();
    assert_eq!(refusal(&api.get(&path).await), refused(401, "EXPIRED_ACCESS_TOKEN"));
}

#[tokio::test]
async fn other_scopes_void_all_tokens_and_a_missing_scope_denies_access() {
    let api = Api::start().await;
    let post = api.linkedin.post("Buongiorno");
    let old = api.linkedin.refresh_token();
    api.linkedin.change_scopes(&["r_organization_social"]);
    let revoked = api.get(&comments_of(&post)).await;
    assert_eq!(refusal(&revoked), refused(401, "REVOKED_ACCESS_TOKEN"));
    assert_eq!(revoked.json().expect("JSON")["serviceErrorCode"], 65601);
    assert_eq!(error_of(&refresh(&api, &old).await), (400, "invalid_grant".to_owned()));
    api.linkedin.authorize();
    assert_eq!(api.get(&comments_of(&post)).await.status, 200);
    assert_eq!(refusal(&api.reply(&post, "x").await), refused(403, "ACCESS_DENIED"));
    assert!(api.linkedin.replies().is_empty());
}

#[tokio::test]
async fn a_refresh_never_lengthens_the_refresh_tokens_life() {
    for gives_new_refresh_tokens in [false, true] {
        let api = Api::start_with(LinkedInSettings { gives_new_refresh_tokens, ..LinkedInSettings::default() }).await;
        let first = api.linkedin.refresh_token();
        api.linkedin.advance(59 * DAY);
        let answer = refresh(&api, &first).await.json().expect("JSON");
        assert_eq!((days(&answer, "expires_in"), days(&answer, "refresh_token_expires_in")), (60, 306));
        assert_eq!(
            (answer["access_token"].as_str(), answer["refresh_token"] == first.as_str()),
            (Some(api.linkedin.access_token().as_str()), !gives_new_refresh_tokens)
        );
        let again = refresh(&api, &first).await;
        assert_eq!(again.status, if gives_new_refresh_tokens { 400 } else { 200 }, "a replaced token is void");
        api.linkedin.advance(301 * DAY);
        let answer = refresh(&api, &api.linkedin.refresh_token()).await.json().expect("JSON");
        assert_eq!((days(&answer, "expires_in"), days(&answer, "refresh_token_expires_in")), (5, 5), "both end with the year");
        api.linkedin.advance(5 * DAY);
        assert_eq!(error_of(&refresh(&api, &api.linkedin.refresh_token()).await), (400, "invalid_grant".to_owned()));
        assert_eq!(api.linkedin.token_refreshes(), if gives_new_refresh_tokens { 2 } else { 3 });
    }
}

#[tokio::test]
async fn a_refresh_is_refused_to_others_and_after_a_revocation() {
    let api = Api::start().await;
    let token = api.linkedin.refresh_token();
    let (id, secret) = (api.linkedin.client_id().to_owned(), api.linkedin.client_secret().to_owned());
    assert_eq!(error_of(&refresh_as(&api, &token, &id, "no").await), (401, "invalid_client".to_owned()));
    assert_eq!(error_of(&refresh_as(&api, &token, "no", &secret).await), (401, "invalid_client".to_owned()));
    assert_eq!(error_of(&refresh_as(&api, "", &id, &secret).await), (400, "invalid_request".to_owned()));
    assert_eq!(error_of(&refresh_as(&api, "no", &id, &secret).await), (400, "invalid_grant".to_owned()));
    let url = format!("{}/oauth/v2/accessToken", api.linkedin.api_url());
    let bare = api.http.post_form(&url, &[("grant_type", "authorization_code")]).await.expect("an answer");
    assert_eq!(error_of(&bare), (400, "unsupported_grant_type".to_owned()));
    api.linkedin.revoke_refresh_token();
    assert_eq!(error_of(&refresh(&api, &token).await), (400, "invalid_grant".to_owned()));
    assert_eq!(api.linkedin.token_refreshes(), 0);
    let consented = api.linkedin.authorize();
    assert_eq!(refresh(&api, &consented.refresh_token).await.status, 200);
}

#[tokio::test]
async fn a_daily_limit_is_per_resource_and_begins_anew_at_midnight_utc() {
    for limit in [DailyLimit::App, DailyLimit::Member] {
        let now = "2026-11-26T23:59:00+00:00".parse().expect("a time");
        let api = Api::start_with(LinkedInSettings { now, oldest_version: "202512".to_owned(), ..LinkedInSettings::default() }).await;
        let path = comments_of(&api.linkedin.post("Buongiorno"));
        api.linkedin.limit_calls_per_day(limit, 3);
        for _ in 0..3 {
            assert_eq!(api.get(&path).await.status, 200);
        }
        let over = api.get(&path).await;
        assert_eq!(refusal(&over), refused(429, "TOO_MANY_REQUESTS"), "{limit:?}");
        assert_eq!(over.header("retry-after"), "", "no header tells when");
        let people = format!("/rest/people/(id:{})", api.linkedin.person("Ada").id);
        assert_eq!(api.get(&people).await.status, 200, "other resources have their own limit");
        api.linkedin.advance(Duration::from_secs(59));
        assert_eq!(api.get(&path).await.status, 429);
        api.linkedin.advance(Duration::from_secs(1));
        assert_eq!(api.get(&path).await.status, 200, "midnight UTC");
        assert_eq!(api.linkedin.calls_over_limit(), 2);
    }
}

#[tokio::test]
async fn a_limited_while_ends_with_the_platforms_clock_and_faults_strike_where_armed() {
    let api = Api::start().await;
    let post = api.linkedin.post("Buongiorno");
    api.linkedin.limit_rate(Duration::from_secs(60));
    assert_eq!(refusal(&api.reply(&post, "x").await), refused(429, "TOO_MANY_REQUESTS"));
    api.linkedin.advance(Duration::from_secs(60));
    api.linkedin.faults().arm(Fault::RefuseAfterEffect { status: 502 }, &["POST ", "due"], 1);
    assert_eq!((api.reply(&post, "uno").await.status, api.reply(&post, "due").await.status), (201, 502));
    assert_eq!((api.linkedin.replies().len(), api.linkedin.calls_over_limit()), (2, 1), "the answer was lost, the effect was not");
}
