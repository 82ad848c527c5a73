//! What each refusal asks of the host, for a look and for a reply.

use sportello_sdk::find::Presence;
use sportello_sdk::http::{Request, Response};
use sportello_sdk::testing::{Host, Running, reply};
use sportello_sdk::{Effect, Error, testing};

use crate::platform::*;

fn post() -> Effect {
    testing::effect("run-1-post-1", "post", "Da lunedì apriamo alle 8.")
}

fn effect() -> Effect {
    reply("run-1-reply-1", QUESTION, "Stiamo riparando.")
}

fn answering(answer: Response) -> Running {
    Host::new().http(move |_: &Request| answer.clone()).start()
}

#[test]
fn each_status_and_code_becomes_what_the_host_must_do() {
    // answer; what it means for a reply, a look and a poll
    let table = [
        (refused(401, "EXPIRED_ACCESS_TOKEN", Some(65602), "x"), "retry", "retry", "retry"),
        (refused(401, "REVOKED_ACCESS_TOKEN", Some(65601), "x"), "auth", "auth", "auth"),
        (refused(401, "INVALID_ACCESS_TOKEN", Some(65600), "x"), "auth", "auth", "auth"),
        (Response::with_text(401, "<html>"), "auth", "auth", "auth"),
        (refused(403, "ACCESS_DENIED", Some(100), "Not enough permissions to access: x"), "auth", "auth", "auth"),
        (refused(403, "COMMENTS_DISABLED", None, "x"), "reject", "reject", "reject"),
        (refused(404, "RESOURCE_NOT_FOUND", None, "x"), "reject", "cannot tell", "reject"),
        (refused(409, "DUPLICATE_COMMENT", None, "x"), "uncertain", "reject", "reject"),
        (refused(422, "UNPROCESSABLE", None, "x"), "reject", "reject", "reject"),
        (refused(426, "NONEXISTENT_VERSION", None, "Requested version 20260101 is not active"), "auth", "auth", "auth"),
        (refused(429, "TOO_MANY_REQUESTS", Some(101), "x"), "rate-limited", "rate-limited", "rate-limited"),
        (Response::with_text(429, "<html>"), "rate-limited", "rate-limited", "rate-limited"),
        (refused(500, "INTERNAL_SERVER_ERROR", None, "x"), "uncertain", "retry", "retry"),
        (Response::with_text(502, "<html>"), "uncertain", "retry", "retry"),
        (Response::with_text(503, ""), "uncertain", "retry", "retry"),
        (Response::with_text(504, ""), "uncertain", "retry", "retry"),
        (Response::with_text(408, ""), "uncertain", "retry", "retry"),
        (refused(415, "UNSUPPORTED_MEDIA_TYPE", None, "x"), "reject", "reject", "reject"),
    ];
    for (answer, of_reply, of_look, of_poll) in table {
        let case = format!("HTTP {} {}", answer.status, answer.text());
        let _host = answering(answer);
        assert_eq!(name(&channel().publish(&effect()).unwrap_err()), of_reply, "reply: {case}");
        let look = match channel().find(&effect()) {
            Ok(Presence::CannotTell) => "cannot tell",
            Ok(other) => panic!("{case}: {other:?}"),
            Err(error) => name(&error),
        };
        assert_eq!(look, of_look, "look: {case}");
        assert_eq!(name(&channel().publish(&post()).unwrap_err()), of_reply, "post: {case}");
        assert_eq!(name(&channel().poll(None).unwrap_err()), of_poll, "poll: {case}");
    }
}

#[test]
fn an_expired_token_is_given_up_at_every_call_and_only_then() {
    let renewals = |code: &str, service_code: u32| {
        let host = answering(refused(401, code, Some(service_code), "x"));
        let errors = [channel().publish(&effect()).unwrap_err(), channel().find(&effect()).unwrap_err(), channel().poll(None).unwrap_err()];
        (errors.iter().map(name).collect::<Vec<_>>(), host.renewed().len())
    };
    assert_eq!(renewals("EXPIRED_ACCESS_TOKEN", 65602), (vec!["retry"; 3], 3));
    assert_eq!(renewals("REVOKED_ACCESS_TOKEN", 65601), (vec!["auth"; 3], 0));
}

#[test]
fn a_daily_limit_lasts_until_midnight_utc_and_another_as_long_as_is_said_or_five_minutes() {
    let until = |answer: Response| {
        let host = answering(answer);
        let limits: Vec<Error> =
            vec![channel().publish(&effect()).unwrap_err(), channel().find(&effect()).unwrap_err(), channel().poll(None).unwrap_err()];
        let Error::RateLimited(limit) = &limits[0] else { panic!("{limits:?}") };
        let told: Vec<(String, u32, String)> =
            host.headroom().into_iter().map(|window| (window.name, window.remaining, window.resets_at)).collect();
        let of = |resource: &str| (resource.to_owned(), 0, limit.until.clone());
        assert_eq!(told, [of("socialActions"), of("organizationalEntityNotifications")], "each resource has a limit of its own");
        assert_eq!(host.requests().len(), 2, "the look is not made: what the answer needed is refused");
        assert!(limits.iter().all(|error| matches!(error, Error::RateLimited(other) if other.until == limit.until)));
        limit.until.clone()
    };
    for whose in ["APPLICATION", "MEMBER"] {
        let message = format!("Resource level throttle {whose} DAY limit for calls to this resource is reached.");
        assert_eq!(until(refused(429, "TOO_MANY_REQUESTS", Some(101), &message)), "2026-01-16T00:00:00Z");
    }
    let of_the_day =
        |seconds: &str| refused(429, "TOO_MANY_REQUESTS", Some(101), "throttle MEMBER DAY limit").with_header("retry-after", seconds);
    assert_eq!(until(of_the_day("30")), "2026-01-16T00:00:00Z", "of the two the later one");
    assert_eq!(until(of_the_day("86400")), "2026-01-16T12:00:00Z");
    assert_eq!(until(refused(429, "TOO_MANY_REQUESTS", Some(101), "Too many calls at the moment.")), "2026-01-15T12:05:00Z");
    assert_eq!(until(refused(429, "TOO_MANY_REQUESTS", Some(101), "x").with_header("retry-after", "30")), "2026-01-15T12:00:30Z");
}

#[test]
fn an_operator_is_told_which_setting_or_role_is_to_be_changed() {
    let reason = |answer: Response| {
        let _host = answering(answer);
        let Err(Error::Auth(reason)) = channel().publish(&effect()) else { panic!("auth") };
        reason
    };
    let version = reason(refused(426, "NONEXISTENT_VERSION", None, "not active"));
    assert!(version.contains("`version`") && version.contains("202601"), "{version}");
    let role = reason(refused(403, "ACCESS_DENIED", Some(100), "Not enough permissions"));
    assert!(role.contains("ADMINISTRATOR") && role.contains(ORGANIZATION), "{role}");
}
