//! What the host asks for: what was not delivered, page by page, and whether what came in is still there.

use std::collections::BTreeSet;
use std::time::Duration;

use sportello_tests::stand_ins::{Fault, FaultHandle};

use crate::desk::Desk;
use crate::network::{Network, Promise, is_given};
use crate::trial::TROUBLES;

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
