//! What a guest does wrong is told, refused, and in the end no longer asked for.

use std::time::Duration;

use sportello_runtime::contract::WebhookRequest;
use sportello_runtime::limits::QuarantineLimits;
use sportello_runtime::{CallFailure, QuarantineState};

use super::house::{House, call, poll};

#[tokio::test]
async fn a_trap_is_an_answer_with_a_reason() {
    let house = House::new();
    let failure = poll(&house.channel("trap").await).await.unwrap_err();
    assert!(matches!(&failure, CallFailure::Trap { reason, .. } if reason.contains("unreachable")), "{failure}");
    let failure = poll(&house.channel("exit").await).await.unwrap_err();
    assert!(matches!(&failure, CallFailure::Trap { .. }), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn repeated_traps_quarantine_the_channel_and_no_other() {
    let house = House::new();
    let channel = house
        .configured("trap", |options| {
            options.quarantine = QuarantineLimits { failures_max: 3, window: Duration::from_secs(600), rest: Duration::from_secs(600) };
        })
        .await
        .unwrap();
    for _ in 0..3 {
        assert!(matches!(poll(&channel).await, Err(CallFailure::Trap { .. })));
    }
    let failure = poll(&channel).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Quarantined { .. }), "{failure}");
    assert!(failure.retry_after().is_some());
    assert!(matches!(channel.quarantine(), QuarantineState::Resting { .. }));
    house.still_serves().await;
}

#[tokio::test]
async fn a_broken_promise_in_the_output_refuses_all_of_it() {
    let house = House::new();
    let failure = poll(&house.channel("broken-promise").await).await.unwrap_err();
    assert!(matches!(&failure, CallFailure::Output { fault, .. } if fault.field.contains("occurred-at")), "{failure}");

    let channel = house.channel("well-behaved").await;
    let request = |method: &str| WebhookRequest { method: method.into(), query: vec![], headers: vec![], body: b"{}".to_vec() };
    let unsigned = channel.webhook(call(), &[request("GET")]).await.unwrap_err();
    assert!(unsigned.to_string().contains("not signed"), "{unsigned}");
    let beyond = channel.webhook(call(), &[request("POST")]).await.unwrap_err();
    assert!(beyond.to_string().contains("raw"), "{beyond}");
    house.still_serves().await;
}

#[tokio::test]
async fn what_is_not_signed_or_not_alone_takes_no_connector_out_of_service() {
    let house = House::new();
    let channel = house.channel("well-behaved").await;
    let request = |method: &str| WebhookRequest { method: method.into(), query: vec![], headers: vec![], body: b"{}".to_vec() };
    for _ in 0..2 * QuarantineLimits::default().failures_max {
        channel.webhook(call(), &[request("GET")]).await.unwrap_err();
        channel.webhook(call(), &[request("POST"), request("POST")]).await.unwrap_err();
    }
    assert_eq!(channel.quarantine(), QuarantineState::Serving { failures: 0 });
    channel.webhook(call(), &[request("POST")]).await.unwrap_err();
    assert_eq!(channel.quarantine(), QuarantineState::Serving { failures: 1 }, "a signed delivery by itself says something about it");
    house.still_serves().await;
}

#[tokio::test]
async fn a_challenge_is_tried_while_its_channel_is_quarantined_and_neither_lengthens_nor_ends_that() {
    let house = House::new();
    let request = |method: &str, query: &[(String, String)], body: &str| WebhookRequest {
        method: method.into(),
        query: query.to_vec(),
        headers: vec![],
        body: body.into(),
    };
    let (asks, traps) = (request("GET", &[("code".to_owned(), "47".to_owned())], ""), request("GET", &[], "trap"));
    for rest in [Duration::from_secs(600), Duration::ZERO] {
        let channel = house
            .configured("well-behaved", |options| {
                options.quarantine = QuarantineLimits { failures_max: 3, window: Duration::from_secs(600), rest };
            })
            .await
            .unwrap();
        for _ in 0..3 {
            channel.webhook(call(), &[request("POST", &[], "trap")]).await.unwrap_err();
        }
        let QuarantineState::Resting { remaining: before } = channel.quarantine() else { panic!("{:?}", channel.quarantine()) };
        for _ in 0..4 {
            let failure = channel.challenge(call(), &traps).await.unwrap_err();
            assert!(matches!(failure, CallFailure::Trap { .. }), "{failure}");
            let answered = channel.challenge(call(), &asks).await.unwrap().value;
            assert_eq!(answered[0].as_ref().unwrap().response.as_ref().unwrap().body, b"47");
        }
        let after = channel.quarantine();
        assert!(matches!(after, QuarantineState::Resting { remaining } if remaining <= before), "{after:?}");
        let delivered = channel.webhook(call(), &[request("POST", &[], "says hello")]).await;
        match rest {
            // It is over: what is no challenge probes, and ends it.
            Duration::ZERO => assert!(delivered.is_ok() && channel.quarantine() == QuarantineState::Serving { failures: 0 }),
            _ => assert!(matches!(delivered, Err(CallFailure::Quarantined { .. }))),
        }
    }
    house.still_serves().await;
}
