//! Forgets what is due: overwrites key slots, then says so.
//!
//! The order makes a crash harmless:
//!
//! 1. gather what is due from the rows, which may be ahead of the disk;
//! 2. wait until every record those rows were made of is durable. A row whose record is lost in a crash would otherwise have cost a slot: a
//!    parked delivery called replayed, for instance, of which neither the delivery nor what came of it is left;
//! 3. overwrite the slots (again, if need be);
//! 4. take the entries off the list, whatever was found along the way first, in records of [`ENTRIES_PER_RECORD_MAX`] entries. A crash in
//!    between leaves the entry itself, and all of it is done once more.
//!
//! An identifier may be claimed again while its erasure is due. The core then takes its entry off the list, and it is passed over here; what is
//! claimed in the moment between that look and the overwriting is an identifier that nothing will meet again, because the next sighting of its
//! value claims another one: a link that is missed until then, never a wrong one.

mod found;

use std::sync::Arc;

use sportello_core::commands::RecordErased;
use sportello_core::domain::erasure::Due;
use sportello_core::time::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::workers::Rest;
use found::{Found, gather};

const ACTOR: &str = "worker:erasure";
/// Entries told of in one record; a thousand-fold talker's erasure comes to many records.
const ENTRIES_PER_RECORD_MAX: usize = 5_000;

/// Something erased, with the moment its entry stands under in the list; None: it was found along the way.
type Erased = (Option<Timestamp>, Due);

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping.clone());
    loop {
        let now = desk.tenant.now();
        let next = match due(&desk, now, &stopping).await {
            Ok(Looked::Handled) => continue,
            Ok(Looked::Nothing { next }) => next,
            Ok(Looked::Stopping) => return,
            Err(problem) => {
                tracing::error!(tenant = desk.tenant.name(), problem, "what must be forgotten could not be; trying again");
                None
            }
        };
        if !rest.until(next).await {
            return;
        }
    }
}

enum Looked {
    Handled,
    Nothing { next: Option<Timestamp> },
    Stopping,
}

async fn due(desk: &Arc<Desk>, now: Timestamp, stopping: &CancellationToken) -> Result<Looked, String> {
    // Gathering walks through all a person ever said, and overwriting fsyncs.
    let worker = Arc::clone(desk);
    let gathered = tokio::task::spawn_blocking(move || gather(&worker.tenant, now)).await;
    let found = gathered.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    if found.listed.is_empty() {
        return Ok(Looked::Nothing { next: found.next });
    }
    // The rows are at least as old as this.
    let seen = desk.tenant.cursor();
    if !durable_up_to(desk.tenant.watch_durable(), seen, stopping).await {
        return Ok(Looked::Stopping);
    }
    let worker = Arc::clone(desk);
    let overwritten = tokio::task::spawn_blocking(move || {
        let found = found::without_claimed(&worker.tenant, found).map_err(|error| error.to_string())?;
        worker.tenant.erase_slots(&found.slots).map_err(|error| error.to_string())?;
        Ok::<Found, String>(found)
    });
    let found = overwritten.await.map_err(|error| error.to_string())??;
    if found.listed.is_empty() {
        return Ok(Looked::Nothing { next: None });
    }
    for erased in records(found) {
        desk.tenant.submit(ACTOR, RecordErased { erased }).await.map_err(|error| error.to_string())?;
    }
    Ok(Looked::Handled)
}

/// Waits until the journal is durable up to `seen`. False: the host, or the tenant, stops.
async fn durable_up_to(mut durable: watch::Receiver<u64>, seen: u64, stopping: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stopping.cancelled() => false,
        reached = durable.wait_for(|sequence| *sequence >= seen) => reached.is_ok(),
    }
}

/// What is told of together. What was found along the way comes before the entries that led to it.
fn records(found: Found) -> Vec<Vec<Erased>> {
    let all: Vec<Erased> = found.along.into_iter().map(|what| (None, what)).chain(found.listed).collect();
    all.chunks(ENTRIES_PER_RECORD_MAX).map(<[Erased]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use sportello_core::ids::{InteractionId, ProfileId};

    use super::*;

    #[tokio::test]
    async fn nothing_is_overwritten_on_the_strength_of_a_row_that_a_crash_could_take_back() {
        let (durable, watched) = watch::channel(6);
        let stopping = CancellationToken::new();
        let mut waiting = pin!(durable_up_to(watched, 8, &stopping));
        assert!(futures_util::poll!(&mut waiting).is_pending(), "record 8 is not durable");
        durable.send_replace(7);
        assert!(futures_util::poll!(&mut waiting).is_pending(), "nor is it now");
        durable.send_replace(8);
        assert!(waiting.await, "now it is");
    }

    #[tokio::test]
    async fn waiting_for_the_disk_ends_when_the_host_stops() {
        let (durable, watched) = watch::channel(6);
        let stopping = CancellationToken::new();
        let mut waiting = pin!(durable_up_to(watched, 8, &stopping));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        stopping.cancel();
        assert!(!waiting.await);
        drop(durable);
    }

    #[test]
    fn an_erasure_of_any_size_fits_records_and_its_entry_goes_last() {
        let listed = (Some(Timestamp(7)), Due::WholeProfile(ProfileId(1)));
        let along: Vec<Due> = (0..70_000).map(|id| Due::Interaction(InteractionId(id))).collect();
        let records = records(Found { along: along.iter().copied().collect(), listed: vec![listed], ..Found::default() });
        assert!(records.iter().all(|record| record.len() <= ENTRIES_PER_RECORD_MAX));
        let mut told: Vec<Erased> = records.concat();
        assert_eq!(told.pop(), Some(listed), "a crash before the end leaves the entry on the list");
        assert_eq!(told, along.into_iter().map(|what| (None, what)).collect::<Vec<_>>());
    }
}
