//! A host that is stopped at every page of a CRM's changes: before the page has come in, and when it has.

use sportello_tests::stand_ins::{Fault, FaultHandle};

use super::*;

/// Minutes without anything left to do, after all of it.
const QUIET_MINUTES: u32 = 20;

pub(crate) async fn at_every_page<B: Books>() {
    let Some(books) = B::open().await else { return };
    let mut day = Day::begin(books).await;
    day.running.until("nothing had changed yet", |_| day.looked_at().is_some()).await;
    for number in 0..B::OF_THREE_PAGES {
        let name = format!("Cliente {number}, è");
        let id = day.books.enter(&Entry { number, name: name.clone(), facebook: None }).await;
        day.records.insert(id, Record { name, is_away: false });
    }
    let random = &mut fastrand::Rng::new();
    // A file is there as a whole.
    day.books.minute_ends(random).await;
    day.books.minute_ends(random).await;

    let (mut held, mut lives, mut known) = (None, 0, 0);
    while known < day.records.len() {
        let (lost, before) = (lives % 2 == 0, known);
        (day, held) = day.next_life(held, lost).await;
        known = day.known();
        lives += 1;
        println!("life {lives}: {known} records are known");
        // The page that was held is known to the next one.
        assert!(known > before || !lost || lives == 1 || held.is_none(), "the page was asked for again");
    }
    assert!(lives > 5 || held.is_none(), "{lives} lives are less than three pages");
    if let Some(faults) = day.books.faults() {
        faults.clear();
    }
    day.settle(random, QUIET_MINUTES).await;
    day.judge().await;
    day.running.stop().await;
}

impl<B: Books> Day<B> {
    /// Stops the host while a page is held, which then comes in, and starts the next one: it loses its page, or is held before it. Where there is no way
    /// on which that could be, it takes in what it can meanwhile.
    async fn next_life(self, held: Option<FaultHandle>, is_lost: bool) -> (Self, Option<FaultHandle>) {
        // It stops after the page it is at; what is held is let go once it was told to.
        tokio::join!(self.running.stop(), async { held.inspect(FaultHandle::release) });
        let fault = if is_lost { Fault::BrokenBody } else { Fault::HoldBefore };
        let held = self.books.faults().map(|faults| faults.arm_behind(B::BEFORE_A_PAGE, fault, &[], 1));
        let running = RunningHost::start_at(self.folder.path(), &self.plan, Arc::clone(&self.clock) as Arc<dyn Clock>).await;
        let day = Self { running, ..self };
        match &held {
            Some(held) => held.struck(1).await,
            None => day.running.until("it has looked", |_| day.looked_at().is_some()).await,
        }
        (day, held)
    }
}
