//! Slots of the pool are shared, and come back.

use std::time::Duration;

use sportello_runtime::limits::EngineLimits;
use sportello_runtime::{CallFailure, Runtime, RuntimeOptions};

use super::house::{House, poll, told};

#[tokio::test]
async fn a_call_more_than_there_are_slots_is_busy_and_drains_when_the_others_end() {
    let house = House::new();
    // Longer than it takes, on a busy machine too, to find out that there is no slot left.
    let channel = house.configured("wait-for-ever", |options| options.limits.wall_max = Duration::from_secs(5)).await.unwrap();
    let waiting: Vec<_> = (0..house.slots)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move { poll(&channel).await })
        })
        .collect();
    while house.runtime.free_slots() > 0 {
        tokio::task::yield_now().await;
    }
    let failure = poll(&channel).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Busy { .. }), "{failure}");
    assert_eq!(channel.in_flight(), house.slots);
    channel.drained().await;
    for call in waiting {
        assert!(matches!(call.await.unwrap(), Err(CallFailure::Deadline { .. })));
    }
    house.still_serves().await;
}

#[tokio::test]
async fn a_slow_channel_leaves_slots_to_the_others() {
    let slot_wait_max = Duration::from_millis(200);
    let limits = EngineLimits { calls_max: 4, channel_calls_max: 3, slot_wait_max, ..EngineLimits::default() };
    let slots = limits.calls_max as usize;
    let house = House { runtime: Runtime::new(RuntimeOptions { limits, ..RuntimeOptions::default() }).unwrap(), slots };
    let slow = house.configured("wait-for-ever", |options| options.limits.wall_max = Duration::from_secs(60)).await.unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let slow = slow.clone();
            tokio::spawn(async move { poll(&slow).await })
        })
        .collect();
    while house.runtime.free_slots() > 1 {
        tokio::task::yield_now().await;
    }
    let failure = poll(&slow).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Busy { .. }) && failure.to_string().contains("channel_calls_max"), "{failure}");
    let answer = poll(&house.channel("well-behaved").await).await.unwrap();
    assert_eq!(told(&answer), "well");
    for call in waiting {
        call.abort();
        let _ = call.await;
    }
    slow.drained().await;
    house.still_serves().await;
}

#[tokio::test]
async fn a_call_given_up_gives_everything_back() {
    let house = House::new();
    let channel = house.channel("wait-for-ever").await;
    let task = tokio::spawn({
        let channel = channel.clone();
        async move { poll(&channel).await }
    });
    while house.runtime.free_slots() == house.slots {
        tokio::task::yield_now().await;
    }
    task.abort();
    let _ = task.await;
    channel.drained().await;
    house.still_serves().await;
}
