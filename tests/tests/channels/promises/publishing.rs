//! Answers and posts are given once, and known again, whatever becomes of their confirmation and of the host.

use sportello_core::domain::effect::EffectState;
use sportello_tests::stand_ins::Fault;

use crate::desk::Desk;
use crate::network::{Network, Promise, is_given};
use crate::promises::QUESTION;

/// After which nobody knows whether it was done, be it that it was or not.
const LOST: [Fault; 5] = [
    Fault::RefuseAfterEffect { status: 502 },
    Fault::NoAnswerAfterEffect,
    Fault::BrokenBody,
    Fault::NoAnswer,
    Fault::Refuse { status: 503, retry_after_s: None },
];

pub(crate) async fn our_own_answer_is_an_echo_and_opens_no_case<N: Network>() {
    let desk = Desk::<N>::answering().await;
    let thing = desk.network.asks("Ada", QUESTION);
    desk.deliver().await;
    desk.until_effect(1, EffectState::Done).await;
    assert_eq!(desk.network.answers_to(&thing).len(), 1);
    desk.deliver().await;
    desk.until("the echo is known", |desk| desk.effect(1).is_some_and(|effect| effect.echo.is_some())).await;
    assert_eq!((desk.cases(), desk.effect(2)), (1, None));
    desk.stop().await;
}

pub(crate) async fn an_answer_whose_confirmation_is_lost_is_given_once<N: Network>() {
    for fault in LOST {
        let desk = Desk::<N>::answering().await;
        let lost = desk.network.faults().arm(fault, desk.network.publishing(), 1);
        let thing = desk.network.asks("Ada", QUESTION);
        desk.deliver().await;
        let effect = desk.until_effect(1, EffectState::Done).await;
        assert_eq!((lost.count(), desk.network.answers_to(&thing).len()), (1, 1), "{fault:?}: {effect:?}");
        desk.stop().await;
    }
}

pub(crate) async fn a_post_whose_confirmation_is_lost_stands_there_once<N: Network>() {
    if !is_given::<N>(Promise::Posts) {
        return;
    }
    for fault in LOST {
        let desk = Desk::<N>::listening().await;
        let lost = desk.network.faults().arm(fault, desk.network.posting(), 1);
        desk.posts("Da lunedì (8 gennaio) apriamo alle 8 🙏").await;
        let effect = desk.until_effect(1, EffectState::Done).await;
        assert_eq!((lost.count(), desk.network.posts().len()), (1, 1), "{fault:?}: {effect:?}");
        desk.deliver().await;
        assert_eq!((desk.said().len(), desk.cases()), (0, 0), "nobody said anything");
        if N::TELLS_OWN_POSTS {
            desk.until("the echo is known", |desk| desk.effect(1).is_some_and(|effect| effect.echo.is_some())).await;
        }
        desk.stop().await;
    }
}

pub(crate) async fn a_restart_at_every_step_loses_and_doubles_nothing<N: Network>() {
    let desk = Desk::<N>::answering().await;
    let thing = desk.network.asks("Ada", QUESTION);
    let desk = desk.restarted().await;
    desk.deliver().await;
    let desk = desk.restarted().await;
    desk.until("the case is there", |desk| desk.case_exists(1)).await;
    let desk = desk.restarted().await;
    desk.until_effect(1, EffectState::Done).await;
    let desk = desk.restarted().await;
    desk.deliver().await;
    let desk = desk.restarted().await;
    desk.until("the echo is known", |desk| desk.effect(1).is_some_and(|effect| effect.echo.is_some())).await;
    assert_eq!((desk.network.answers_to(&thing).len(), desk.said().len(), desk.cases()), (1, 1, 1));
    let verified = desk.running.verify().await;
    assert!(verified.equal, "{verified:?}");
    desk.stop().await;
}

pub(crate) async fn a_restart_while_nobody_knows_whether_it_was_done_doubles_nothing<N: Network>() {
    let mut desk = Desk::<N>::answering().await;
    let mut effect = 0;
    for fault in LOST {
        effect += 1;
        let lost = desk.network.faults().arm(fault, desk.network.publishing(), 1);
        let thing = desk.network.asks("Ada", QUESTION);
        desk.deliver().await;
        desk = restarted_in_doubt(desk, effect).await;
        assert_eq!((lost.count(), desk.network.answers_to(&thing).len()), (1, 1), "{fault:?}");
    }
    let posts = if is_given::<N>(Promise::Posts) { &LOST[..] } else { &[] };
    for (posted, fault) in (1..).zip(posts) {
        effect += 1;
        let lost = desk.network.faults().arm(*fault, desk.network.posting(), 1);
        desk.posts(&format!("Chiusi per {posted} giorni")).await;
        desk = restarted_in_doubt(desk, effect).await;
        assert_eq!((lost.count(), desk.network.posts().len()), (1, posted), "{fault:?}");
    }
    assert_eq!(desk.network.doubled(), 0);
    desk.stop().await;
}

/// Restarts before it was looked whether the effect is there, and goes on until it is.
async fn restarted_in_doubt<N: Network>(desk: Desk<N>, effect: u64) -> Desk<N> {
    // Where the host asks what is new it may know by the echo already.
    let is_in_doubt = |state: EffectState| matches!(state, EffectState::Unknown | EffectState::Done);
    desk.until("nobody knows whether it was done", |desk| desk.effect(effect).is_some_and(|effect| is_in_doubt(effect.state))).await;
    let desk = desk.restarted().await;
    desk.until_effect(effect, EffectState::Done).await;
    desk
}
