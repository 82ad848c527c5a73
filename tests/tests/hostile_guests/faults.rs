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
