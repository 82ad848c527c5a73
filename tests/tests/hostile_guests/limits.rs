//! Time, memory and output come to an end.

use std::time::{Duration, Instant};

use sportello_runtime::CallFailure;
use sportello_runtime::limits::CallLimits;

use super::house::{House, poll, told};

#[tokio::test]
async fn an_endless_loop_is_stopped_by_the_time_for_computing() {
    let house = House::new();
    // However slow the machine is, the time of the whole call is not over first.
    let channel = house.configured("endless-loop", |options| options.limits.wall_max = Duration::from_secs(60)).await.unwrap();
    let failure = poll(&channel).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Deadline { computing: true, .. }), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn spinning_in_host_calls_is_stopped_like_any_loop() {
    let house = House::new();
    let failure = poll(&house.channel("host-call-storm").await).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Deadline { .. }), "{failure}");
    house.still_serves().await;
}

/// On one thread: a guest that spins must not keep the timer, or anybody else, from their turn.
#[tokio::test(flavor = "current_thread")]
async fn a_spinning_guest_does_not_take_the_thread_from_others() {
    let house = House::new();
    let channel = house.channel("endless-loop").await;
    let turns = async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        Instant::now()
    };
    let call = async { (poll(&channel).await, Instant::now()) };
    let ((failure, call_ended), turns_ended) = tokio::join!(call, turns);
    assert!(matches!(failure, Err(CallFailure::Deadline { .. })));
    assert!(turns_ended < call_ended, "nobody else had a turn before the guest was stopped");
    house.still_serves().await;
}

#[tokio::test]
async fn waiting_for_ever_in_a_host_call_is_stopped_by_the_time_of_the_call() {
    let house = House::new();
    let wall_max = Duration::from_millis(1_500);
    let channel = house.configured("wait-for-ever", |options| options.limits.wall_max = wall_max).await.unwrap();
    match poll(&channel).await {
        Err(CallFailure::Deadline { computing: false, elapsed, .. }) => {
            assert!(elapsed >= wall_max, "{elapsed:?}");
        }
        other => panic!("{other:?}"),
    }
    house.still_serves().await;
}

#[tokio::test]
async fn a_memory_bomb_is_refused_the_memory_and_named() {
    let house = House::new();
    match poll(&house.channel("memory-bomb").await).await {
        Err(CallFailure::Memory { asked_bytes, limit_bytes, .. }) => {
            assert_eq!(limit_bytes, CallLimits::default().memory_bytes_max);
            assert!(asked_bytes > limit_bytes && asked_bytes < limit_bytes + (16 << 20), "{asked_bytes}");
        }
        Err(failure) => panic!("stopped by something else: {failure}"),
        Ok(answer) => panic!("the guest {} and was let", told(&answer)),
    }
    house.still_serves().await;
}

#[tokio::test]
async fn one_text_aliased_into_a_giant_result_is_refused_before_the_host_copies_it() {
    let house = House::new();
    let failure = poll(&house.channel("aliased-giant-result").await).await.unwrap_err();
    assert!(matches!(failure, CallFailure::OutputTooLarge { .. }), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn deep_recursion_traps_in_the_guest() {
    let house = House::new();
    let failure = poll(&house.channel("deep-recursion").await).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Trap { .. }), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn a_flood_of_diagnostics_is_cut_in_number_and_length_and_counted() {
    let house = House::new();
    let answer = poll(
        &house
            .configured("diagnostics-flood", |options| {
                options.limits =
                    CallLimits { wall_max: Duration::from_secs(60), computing_max: Duration::from_secs(60), ..CallLimits::default() };
            })
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    let limits = CallLimits::default();
    assert_eq!(answer.diagnostics.len(), limits.diagnostics_max);
    assert_eq!(answer.diagnostics_dropped as usize, 20_000 - limits.diagnostics_max);
    for diagnostic in &answer.diagnostics {
        assert!(diagnostic.message.len() <= limits.diagnostic_bytes_max + '…'.len_utf8());
    }
    assert!(answer.output_bytes_discarded > 9_000, "{}", answer.output_bytes_discarded);
    house.still_serves().await;
}
