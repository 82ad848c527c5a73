//! The promises, each for any network.

use std::collections::BTreeSet;
use std::time::Duration;

use sportello_core::domain::effect::EffectState;
use sportello_core::domain::interaction::Change;
use sportello_tests::stand_ins::{DeliveryPlan, Fault, FaultHandle, SPENDS};

use crate::desk::{Desk, MOMENT};
use crate::network::{Network, Promise, is_given};
use crate::trial::{PostTrial, TROUBLES, Trial};

/// Makes a module of tests out of these promises for one network.
#[macro_export]
macro_rules! channel_promises {
    ($module:ident, $network:ty) => {
        mod $module {
            use super::*;
            $crate::channel_promises!(@each $network;
                a_redelivery_enters_once
                any_order_gives_the_same
                an_edit_that_comes_before_its_original_is_filed_with_it
                a_deletion_that_comes_before_its_original_leaves_no_words
                a_deletion_that_nobody_tells_is_found_out
                our_own_answer_is_an_echo_and_opens_no_case
                what_nobody_knows_costs_nothing_else
                fields_nobody_knows_cost_nothing_and_are_kept
                ids_keep_every_digit_and_words_every_letter
                a_thousand_at_once_all_come_in
                what_was_not_delivered_is_asked_for_page_by_page
                a_restart_between_two_pages_loses_and_doubles_nothing
                what_the_list_shows_late_is_not_missed
                a_limit_is_waited_for_and_nothing_is_called_meanwhile
                who_is_told_to_come_again_later_does_not_come_before
                trouble_of_any_kind_at_any_request_costs_no_word_and_no_answer
                a_token_that_ends_costs_nothing
                a_token_that_ends_at_any_request_costs_no_word_and_no_answer
                an_answer_whose_confirmation_is_lost_is_given_once
                a_post_whose_confirmation_is_lost_stands_there_once
                a_post_stands_there_once_whatever_the_trouble_at_any_request
                a_post_stands_there_once_though_the_token_ends_at_any_request
                a_restart_at_every_step_loses_and_doubles_nothing
                a_restart_while_nobody_knows_whether_it_was_done_doubles_nothing
            );

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn an_hour_in_which_everything_goes_wrong() {
                $crate::soak::everything_goes_wrong::<$network>(1).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn long_a_day_in_which_everything_goes_wrong() {
                $crate::soak::everything_goes_wrong::<$network>(24).await;
            }
        }
    };
    (@each $network:ty; $($promise:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            $crate::promises::$promise::<$network>().await;
        }
    )* };
}

/// For how long a network sends again what it believes nobody took: Facebook, the longest of all.
const REPEATED_HOURS: u64 = 36;

const QUESTION: &str = "La rete è giù, perché? 😡";

pub(crate) async fn a_redelivery_enters_once<N: Network>() {
    let desk = Desk::<N>::listening().await;
    let all: BTreeSet<String> =
        (0..20).map(|number| desk.network.asks(&format!("Cliente {}", number % 3), &format!("Domanda {number}"))).collect();
    let again =
        DeliveryPlan { updates_max: 1, duplicates_percent: 100, late_duplicates_percent: 100, in_flight_max: 4, ..DeliveryPlan::default() };
    desk.deliver_by(&again).await;
    assert_eq!(desk.said().len(), 20);
    let words: BTreeSet<String> = desk.words().into_iter().map(|(id, _)| id).collect();
    assert_eq!(words, all.iter().map(|thing| desk.network.native_id(thing)).collect());
    // What comes again when others have gone by.
    desk.network.asks("Ada", "Ancora");
    desk.deliver().await;
    let cases = desk.cases();
    for _ in 0..REPEATED_HOURS * 4 {
        desk.advance(Duration::from_secs(15 * 60));
        desk.network.deliver(&DeliveryPlan::default()).await;
    }
    assert_eq!((desk.said().len(), desk.cases()), (21, cases));
    desk.stop().await;
}

pub(crate) async fn any_order_gives_the_same<N: Network>() {
    let mut told = Vec::new();
    for shuffle in [false, true] {
        let desk = Desk::<N>::listening().await;
        for number in 0..30 {
            desk.network.asks(&format!("Cliente {}", number % 5), &format!("Domanda {number}"));
        }
        desk.deliver_by(&DeliveryPlan { updates_max: 1, shuffle, in_flight_max: 4, ..DeliveryPlan::default() }).await;
        let words: BTreeSet<String> = desk.words().into_iter().map(|(_, text)| text).collect();
        told.push((desk.said().len(), words.len(), desk.cases()));
        desk.stop().await;
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].0, 30);
}

pub(crate) async fn an_edit_that_comes_before_its_original_is_filed_with_it<N: Network>() {
    if !is_given::<N>(Promise::Edits) {
        return;
    }
    let desk = Desk::<N>::listening().await;
    let thing = desk.network.asks("Ada", QUESTION);
    desk.advance(Duration::from_secs(60));
    desk.network.edits(&thing, "La rete è su, grazie");
    desk.deliver_by(&DeliveryPlan { updates_max: 1, reverse: true, ..DeliveryPlan::default() }).await;
    let said = desk.said();
    let told: Vec<(Change, Option<&str>)> =
        said.iter().map(|(row, content)| (row.change, content.as_ref().and_then(|content| content.text.as_deref()))).collect();
    let (edited, asked) = (desk.network.worded("La rete è su, grazie"), desk.network.worded(QUESTION));
    assert_eq!(told, [(Change::Edited, Some(edited.as_str())), (Change::Created, Some(asked.as_str()))]);
    assert_eq!(said[0].0.conversation, said[1].0.conversation);
    assert_eq!(said[0].0.subject, said[1].0.subject);
    assert_eq!(desk.cases(), 1);
    desk.stop().await;
}

pub(crate) async fn a_deletion_that_comes_before_its_original_leaves_no_words<N: Network>() {
    if !is_given::<N>(Promise::Disorder) {
        return;
    }
    let desk = Desk::<N>::listening().await;
    let thing = desk.network.asks("Ada", QUESTION);
    desk.advance(Duration::from_secs(60));
    desk.network.removes(&thing);
    desk.deliver_by(&DeliveryPlan { updates_max: 1, reverse: true, ..DeliveryPlan::default() }).await;
    let said = desk.said();
    assert_eq!(said.iter().map(|(row, _)| row.change).collect::<Vec<_>>(), [Change::Deleted, Change::Created]);
    assert!(said.iter().all(|(_, content)| content.as_ref().is_none_or(|content| content.text.is_none())), "no words are left: {said:?}");
    assert_eq!(desk.cases(), 0, "nobody has to answer what was taken back");
    desk.stop().await;
}

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

pub(crate) async fn what_nobody_knows_costs_nothing_else<N: Network>() {
    let desk = Desk::<N>::listening().await;
    desk.network.asks("Ada", "Prima");
    desk.network.shimmers();
    desk.network.asks("Bruno", "Dopo");
    desk.deliver().await;
    let words: BTreeSet<String> = desk.words().into_iter().map(|(_, text)| text).filter(|text| !text.is_empty()).collect();
    assert_eq!(words, BTreeSet::from([desk.network.worded("Prima"), desk.network.worded("Dopo")]));
    let strange = desk.said().into_iter().filter_map(|(_, content)| content);
    let strange: Vec<_> =
        strange.filter(|content| content.attributes.iter().any(|(name, value)| name == "not-understood" && value == "true")).collect();
    assert_eq!(strange.len(), 1, "it is kept, not understood");
    assert!(strange[0].raw.as_ref().is_some_and(|raw| !raw.is_empty()), "in the platform's own words: {strange:?}");
    assert_eq!((desk.parked(), desk.cases()), (0, 2));
    desk.stop().await;
}

pub(crate) async fn fields_nobody_knows_cost_nothing_and_are_kept<N: Network>() {
    let desk = Desk::<N>::listening().await;
    desk.network.sends_a_question_with_unknown_fields(QUESTION).await;
    desk.deliver().await;
    let said = desk.said();
    assert_eq!(said.len(), 1, "{said:?}");
    let content = said[0].1.as_ref().expect("its words are there");
    assert_eq!(content.text.as_deref(), Some(QUESTION));
    assert!(content.raw.as_ref().is_some_and(|raw| raw.contains("shimmer_2027")), "{:?}", content.raw);
    assert_eq!((desk.parked(), desk.cases()), (0, 1));
    desk.stop().await;
}

pub(crate) async fn ids_keep_every_digit_and_words_every_letter<N: Network>() {
    let desk = Desk::<N>::listening().await;
    let text = "𝔘𝔯𝔤𝔢𝔫𝔱𝔢 🙏🏽 «così» — перше & <b>\u{200d}";
    let long_ids = is_given::<N>(Promise::LongIds);
    let things: Vec<String> = (0..10).map(|number| desk.network.asks("Zoë 𝔊", &format!("{text} {number}"))).collect();
    desk.deliver().await;
    let words = desk.words();
    for (number, thing) in things.iter().enumerate() {
        let id = desk.network.native_id(thing);
        let digits: Vec<u64> = id.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
        assert!(!long_ids || digits.iter().any(|digits| *digits > 1 << 53), "{id} proves nothing");
        let found = words.iter().find(|(native_id, _)| *native_id == id).unwrap_or_else(|| panic!("{id} is not among {words:?}"));
        assert_eq!(found.1, desk.network.worded(&format!("{text} {number}")));
    }
    desk.stop().await;
}

pub(crate) async fn a_thousand_at_once_all_come_in<N: Network>() {
    let desk = Desk::<N>::listening().await;
    for number in 0..N::MANY {
        desk.network.asks(&format!("Cliente {}", number % 50), &format!("Domanda {number}"));
    }
    desk.deliver_by(&DeliveryPlan { in_flight_max: 8, ..DeliveryPlan::default() }).await;
    let words: BTreeSet<String> = desk.words().into_iter().map(|(_, text)| text).collect();
    assert_eq!((desk.said().len(), words.len(), desk.parked()), (N::MANY, N::MANY, 0));
    desk.stop().await;
}

pub(crate) async fn what_was_not_delivered_is_asked_for_page_by_page<N: Network>() {
    if !is_given::<N>(Promise::Asking) {
        return;
    }
    const ALL: usize = 130;
    let desk = Desk::<N>::asking().await;
    let requests = desk.requests();
    let mut asked = BTreeSet::new();
    for number in 0..ALL {
        asked.insert(desk.network.native_id(&desk.network.asks(&format!("Cliente {}", number % 7), &format!("Domanda {number}"))));
        desk.advance(Duration::from_secs(1));
    }
    desk.as_time_passes("all have come in", |desk| desk.words().len() >= ALL).await;
    // The next looks read some of it again.
    desk.as_time_passes("it is asked again", |desk| desk.requests() > requests + 10).await;
    let words: BTreeSet<String> = desk.words().into_iter().map(|(id, _)| id).collect();
    assert_eq!((desk.said().len(), words), (ALL, asked));
    desk.stop().await;
}

pub(crate) async fn a_restart_between_two_pages_loses_and_doubles_nothing<N: Network>() {
    if !is_given::<N>(Promise::Asking) {
        return;
    }
    // The request for the second of three pages is never answered, or while the host stops.
    for (fault, pages_left) in [(Fault::HoldInVain, 2), (Fault::HoldBefore, 1)] {
        restarted_at_the_second_page::<N>(fault, pages_left).await;
    }
}

/// Stops a host while the second of three pages is asked for, and starts it anew; it has so many pages left to ask for.
async fn restarted_at_the_second_page<N: Network>(fault: Fault, pages_left: usize) {
    let all = N::PAGE_ROWS * 5 / 2;
    let desk = Desk::<N>::asking().await;
    desk.network.connect(&desk.running).await;
    let first = counts_pages(&desk, 1);
    let second = desk.network.faults().arm(fault, N::PAGES, 1);
    let mut asked = BTreeSet::new();
    let says = |network: &N, _| {
        for number in 0..all {
            asked.insert(network.native_id(&network.asks(&format!("Cliente {}", number % 2), &format!("Domanda {number}"))));
        }
    };
    // The first poll after that finds all of it.
    let desk = desk.away_for(1, says).await;
    second.struck(1).await;
    let taken_in = desk.words().len();
    assert!((1..all).contains(&taken_in), "{taken_in} of {all} are on the first page");
    let rest = counts_pages(&desk, usize::MAX);
    let stopping = desk.running.host.stopping();
    let lets_go = async {
        stopping.cancelled().await;
        second.release();
    };
    let (desk, ()) = tokio::join!(desk.restarted(), lets_go);
    desk.until("all have come in", |desk| desk.words().len() >= all).await;
    assert_eq!((first.count(), second.count(), rest.count()), (1, 1, pages_left), "{fault:?}: what was taken in is not asked for again");
    // The next looks read some of it again.
    let requests = desk.requests();
    desk.as_time_passes("it is asked again", |desk| desk.requests() > requests + 10).await;
    let words: BTreeSet<String> = desk.words().into_iter().map(|(id, _)| id).collect();
    assert_eq!((desk.said().len(), words), (all, asked), "{fault:?}");
    desk.stop().await;
}

/// Lets so many requests for a page by, and counts them.
fn counts_pages<N: Network>(desk: &Desk<N>, times: usize) -> FaultHandle {
    let counted = desk.network.faults().arm(Fault::HoldBefore, N::PAGES, times);
    counted.release();
    counted
}

pub(crate) async fn what_the_list_shows_late_is_not_missed<N: Network>() {
    if !is_given::<N>(Promise::Asking) {
        return;
    }
    let overlap = N::OVERLAP;
    let desk = Desk::<N>::asking().await;
    desk.advance(Duration::from_secs(1));
    // Long enough for the host to have asked meanwhile, however slow the network is.
    desk.network.lists_late(overlap + Duration::from_secs(4 * 60 * 60));
    let late = desk.network.native_id(&desk.network.asks("Ada", "Prima"));
    desk.advance(overlap - Duration::from_secs(2));
    desk.network.lists_late(Duration::ZERO);
    let soon = desk.network.native_id(&desk.network.asks("Bruno", "Dopo"));
    let ids = |desk: &Desk<N>| desk.words().into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>();
    desk.as_time_passes("what is shown at once has come in", |desk| !desk.words().is_empty()).await;
    assert_eq!(ids(&desk), BTreeSet::from([soon.clone()]), "the other one is not shown yet");
    desk.as_time_passes("what is shown late has come in", |desk| desk.words().len() > 1).await;
    let requests = desk.requests();
    desk.as_time_passes("it is asked again", |desk| desk.requests() > requests + 5).await;
    assert_eq!((ids(&desk), desk.said().len()), (BTreeSet::from([soon, late]), 2));
    desk.stop().await;
}

pub(crate) async fn a_limit_is_waited_for_and_nothing_is_called_meanwhile<N: Network>() {
    let desk = Desk::<N>::answering().await;
    let things: Vec<String> = ["Ada", "Bruno", "Carla"].map(|who| desk.network.asks(who, QUESTION)).into();
    desk.network.limits(Duration::from_secs(15 * 60));
    desk.deliver().await;
    desk.until("the limit was met, and all answers wait", |desk| {
        let effects: Vec<_> = (1..=3).filter_map(|effect| desk.effect(effect)).collect();
        let waits = effects.len() == 3 && effects.iter().all(|effect| effect.state == EffectState::Queued);
        waits && effects.iter().any(|effect| effect.attempts > 0)
    })
    .await;
    // Who asks what is new may go on asking: there it counts how often it is refused.
    let made = || if desk.network.times_asked().is_none() { desk.requests() } else { desk.network.calls_over_limit() };
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
            desk.advance(Duration::from_secs(60));
            desk.running.works(MOMENT).await;
        }
        println!("{call:?}: {} lost, {} told", lost.count(), told.count());
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

/// After which nobody knows whether it was done, be it that it was or not.
const LOST: [Fault; 5] = [
    Fault::RefuseAfterEffect { status: 502 },
    Fault::NoAnswerAfterEffect,
    Fault::BrokenBody,
    Fault::NoAnswer,
    Fault::Refuse { status: 503, retry_after_s: None },
];

pub(crate) async fn a_deletion_that_nobody_tells_is_found_out<N: Network>() {
    if !is_given::<N>(Promise::Rechecks) {
        return;
    }
    let desk = Desk::<N>::soaking().await;
    let kept = desk.network.asks("Bruno", "Resta");
    for trouble in TROUBLES {
        let struck = desk.network.faults().arm(trouble, N::rechecks(), 1);
        let gone = desk.network.asks("Ada", &format!("Sparisce: {trouble:?}"));
        desk.deliver().await;
        desk.network.expires_token();
        desk.network.removes(&gone);
        let (kept, gone) = (desk.network.native_id(&kept), desk.network.native_id(&gone));
        let is_there = |desk: &Desk<N>, id: &String| desk.words().iter().any(|(native_id, _)| native_id == id);
        assert!(is_there(&desk, &gone), "nobody told of it");
        let strikes = async {
            struck.struck(1).await;
            struck.release();
        };
        tokio::join!(strikes, desk.as_time_passes("its words are gone", |desk| !is_there(desk, &gone)));
        assert!(is_there(&desk, &kept), "{trouble:?}");
    }
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
            if !call.contains(&SPENDS) || may_spend {
                trial.round(call, *trouble, |_| {}).await;
            }
        }
    }
    trial.end().await;
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
