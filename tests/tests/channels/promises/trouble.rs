//! Limits, tokens that end, and trouble of any kind at any request.

use std::time::Duration;

use sportello_core::domain::effect::EffectState;
use sportello_tests::stand_ins::{DeliveryPlan, Fault, SPENDS};

use crate::desk::{Desk, MOMENT};
use crate::network::{Network, Promise, is_given};
use crate::promises::QUESTION;
use crate::trial::{PostTrial, TROUBLES, Trial};

pub(crate) async fn a_limit_is_waited_for_and_nothing_is_called_meanwhile<N: Network>() {
    let desk = Desk::<N>::answering().await;
    let things: Vec<String> = ["Ada", "Bruno", "Carla"].map(|who| desk.network.asks(who, QUESTION)).into();
    desk.network.limits(Duration::from_secs(15 * 60));
    desk.deliver().await;
    desk.until("the limit was met, and all answers wait, or what is to be answered", |desk| {
        if desk.cases() == 0 && desk.parked() > 0 {
            return true;
        }
        let effects: Vec<_> = (1..=3).filter_map(|effect| desk.effect(effect)).collect();
        let waits = effects.len() == 3 && effects.iter().all(|effect| effect.state == EffectState::Queued);
        waits && effects.iter().any(|effect| effect.attempts > 0)
    })
    .await;
    // Who asks what is new may go on asking: there it counts how often it is refused.
    let made = || if desk.network.times_asked().is_none() { desk.network.faults().requests() } else { desk.network.calls_over_limit() };
    let before = made();
    let watched = Duration::from_secs(9 * 60);
    for _ in 0..9 {
        desk.advance(watched / 9);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    // Who is not told until when has to try now and then, and each of the answers under way finds out for itself.
    let tries = if is_given::<N>(Promise::Headroom) { 0 } else { 3 * (watched.as_secs() / N::PAUSE.as_secs()) };
    let made = made() - before;
    assert!(made <= tries, "{made} requests were made in nine of the fifteen minutes");
    assert!(things.iter().all(|thing| desk.network.answers_to(thing).is_empty()));
    desk.as_time_passes("all is taken in", |desk| (1..=3).all(|effect| desk.effect(effect).is_some())).await;
    for effect in 1..=3 {
        desk.until_effect(effect, EffectState::Done).await;
    }
    assert!(things.iter().all(|thing| desk.network.answers_to(thing).len() == 1));
    assert_eq!(desk.network.doubled(), 0);
    let found_out = desk.network.calls_over_limit();
    // Three deliveries and three answers may each have found out: they were under way at the same time.
    assert!(found_out <= 6 + tries, "{found_out} calls were made over the limit");
    desk.stop().await;
}

/// Whichever request is told to, others of its kind are still to be made: new questions come in, answers wait, what is new is asked for.
pub(crate) async fn who_is_told_to_come_again_later_does_not_come_before<N: Network>() {
    if !N::CAN_GO_THROUGH_ALL {
        println!("left to the stand-in");
        return;
    }
    let desk = Desk::<N>::soaking().await;
    let mut things = Vec::new();
    for call in N::calls() {
        let lost = desk.network.faults().arm(Fault::RefuseAfterEffect { status: 502 }, desk.network.publishing(), 1);
        let told = desk.network.faults().arm(Fault::Refuse { status: 429, retry_after_s: Some(15 * 60) }, call, 1);
        for minute in 0..40 {
            if minute % 2 == 0 {
                things.push(desk.network.asks(&format!("Cliente {}", things.len() % 7), &format!("Domanda {}", things.len())));
            }
            desk.network.deliver(&DeliveryPlan::default()).await;
            desk.running.calls_end().await;
            desk.advance(Duration::from_secs(60));
            desk.running.works(MOMENT).await;
        }
        assert_eq!(
            (lost.count(), told.count()),
            (1, 1),
            "{call:?}: how often a confirmation was lost, and how often it was told to come again"
        );
    }
    let is_over = |desk: &Desk<N>| {
        let effects = desk.effects();
        effects.len() == things.len() && effects.iter().all(|effect| effect.state == EffectState::Done)
    };
    desk.deliver().await;
    desk.as_time_passes("all are answered", is_over).await;
    assert!(things.iter().all(|thing| desk.network.answers_to(thing).len() == 1));
    let too_early = desk.network.faults().too_early();
    assert!(too_early.is_empty(), "{} requests came before they were told to: {too_early:#?}", too_early.len());
    desk.stop().await;
}

pub(crate) async fn trouble_of_any_kind_at_any_request_costs_no_word_and_no_answer<N: Network>() {
    if !N::CAN_GO_THROUGH_ALL {
        println!("left to the stand-in");
        return;
    }
    let mut trial = Trial::<N>::begin().await;
    let log_ins = if is_given::<N>(Promise::Tokens) { N::log_ins() } else { &[] };
    for call in N::calls().iter().chain(log_ins) {
        for trouble in TROUBLES.iter().chain(N::troubles()) {
            let may_spend = matches!(
                trouble,
                Fault::Refuse { .. } | Fault::NoAnswer | Fault::Decline { .. } | Fault::DeclineUntil { .. } | Fault::SlowBody
            );
            if !N::SPENDS_TOKENS || !call.contains(&SPENDS) || may_spend {
                trial.round(call, *trouble, |_| {}).await;
            }
        }
    }
    trial.end().await;
}

pub(crate) async fn a_token_that_ends_costs_nothing<N: Network>() {
    if !is_given::<N>(Promise::Tokens) {
        return;
    }
    let desk = Desk::<N>::answering().await;
    let first = desk.network.asks("Ada", QUESTION);
    desk.deliver().await;
    desk.until_effect(1, EffectState::Done).await;
    // Before a call that publishes.
    desk.network.expires_token();
    let second = desk.network.asks("Bruno", QUESTION);
    desk.deliver().await;
    desk.until_effect(2, EffectState::Done).await;
    // Between a call that publishes and the look whether it did.
    let lost = desk.network.faults().arm(Fault::RefuseAfterEffect { status: 502 }, desk.network.publishing(), 1);
    let third = desk.network.asks("Carla", QUESTION);
    desk.deliver().await;
    // Where the host asks what is new it may know by the echo already.
    let is_lost = |desk: &Desk<N>| desk.effect(3).is_some_and(|effect| matches!(effect.state, EffectState::Unknown | EffectState::Done));
    desk.until("the answer is lost", is_lost).await;
    desk.network.expires_token();
    desk.until_effect(3, EffectState::Done).await;
    assert_eq!(lost.count(), 1);
    for thing in [first, second, third] {
        assert_eq!(desk.network.answers_to(&thing).len(), 1);
    }
    assert_eq!(desk.network.doubled(), 0);
    desk.stop().await;
}

pub(crate) async fn a_token_that_ends_at_any_request_costs_no_word_and_no_answer<N: Network>() {
    if !is_given::<N>(Promise::Tokens) || !N::CAN_GO_THROUGH_ALL {
        return;
    }
    let mut trial = Trial::<N>::begin().await;
    for call in N::calls().iter().chain(N::log_ins()) {
        trial.round(call, Fault::HoldBefore, N::expires_token).await;
    }
    trial.end().await;
}

pub(crate) async fn a_post_stands_there_once_whatever_the_trouble_at_any_request<N: Network>() {
    if !is_given::<N>(Promise::Posts) || !N::CAN_GO_THROUGH_ALL {
        return;
    }
    let mut trial = PostTrial::<N>::begin().await;
    for call in N::calls_for_a_post() {
        for trouble in TROUBLES.iter().chain(N::troubles()) {
            trial.round(call, *trouble, |_| {}).await;
        }
    }
    trial.end().await;
}

pub(crate) async fn a_post_stands_there_once_though_the_token_ends_at_any_request<N: Network>() {
    if !is_given::<N>(Promise::Posts) || !is_given::<N>(Promise::Tokens) || !N::CAN_GO_THROUGH_ALL {
        return;
    }
    let mut trial = PostTrial::<N>::begin().await;
    for call in N::calls_for_a_post() {
        trial.round(call, Fault::HoldBefore, N::expires_token).await;
    }
    trial.end().await;
}
