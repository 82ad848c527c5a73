//! Replays parked deliveries: what a connector could not take is tried again, ever more rarely, and at once when another generation of the
//! connector is live. So mending a connector is all an operator has to do. At the end of a platform's limit that its deliveries need all are
//! tried, too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sportello_core::domain::delivery::{DELIVERIES, DELIVERIES_BY_CHANNEL};
use sportello_core::ids::{ChannelName, DeliveryId};
use sportello_core::time::Timestamp;
use sportello_views::Direction;
use tokio_util::sync::CancellationToken;

use crate::channels::{LiveChannel, channel_prefix};
use crate::desk::Desk;
use crate::health::Purpose;
use crate::ingress::delivery::{process, unparked};
use crate::tenant::content::DeliveryContent;
use crate::workers::{Rest, backoff};

/// First and longest pause before a delivery is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(60);
/// See [`RETRY_FIRST`].
const RETRY_LONGEST: Duration = Duration::from_secs(60 * 60);
/// Parked deliveries of a channel looked at in one round, oldest first.
const LIST_MAX: usize = 256;

/// A delivery that failed again, or was seen parked.
struct PutOff {
    failures: u32,
    until: Timestamp,
}

/// What is put off on a channel, while one generation is live.
struct Round {
    generation: Arc<LiveChannel>,
    put_off: HashMap<DeliveryId, PutOff>,
    /// A limit lasted when it was looked last.
    is_held: bool,
}

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    let mut rounds: HashMap<ChannelName, Round> = HashMap::new();
    loop {
        let live = desk.channels.live();
        rounds.retain(|name, _| live.contains_key(name));
        let mut next: Option<Timestamp> = None;
        for (name, channel) in live.iter() {
            let known = rounds.remove(name);
            // What was parked under an earlier generation is tried at once on a new one.
            let fresh = known.as_ref().is_none_or(|round| !Arc::ptr_eq(&round.generation, channel));
            let was_held = known.as_ref().is_some_and(|round| round.is_held);
            let held_until = channel.health.windows.held(Purpose::Webhook, desk.tenant.now());
            let is_held = held_until.is_some();
            let at_once = fresh || was_held && !is_held;
            let put_off = known.filter(|_| !at_once).map_or_else(HashMap::new, |round| round.put_off);
            let mut round = Round { generation: Arc::clone(channel), put_off, is_held };
            let due_at = replay(&desk, &mut round, at_once).await;
            next = [next, due_at, held_until.filter(|_| due_at.is_some())].into_iter().flatten().min();
            rounds.insert(name.clone(), round);
        }
        if !rest.until(next).await {
            return;
        }
    }
}

/// Tries whatever is due on one channel; gives the moment at which something is next, if anything is left.
async fn replay(desk: &Desk, round: &mut Round, at_once: bool) -> Option<Timestamp> {
    let live = Arc::clone(&round.generation);
    let prefix = channel_prefix(&live.name);
    let parked = desk.tenant.list(&DELIVERIES_BY_CHANNEL, &prefix, None, Direction::Forward, LIST_MAX).unwrap_or_default();
    let ids: Vec<DeliveryId> =
        parked.iter().filter_map(|(key, ())| key.last_chunk::<8>()).map(|id| DeliveryId(u64::from_be_bytes(*id))).collect();
    round.put_off.retain(|id, _| ids.contains(id));
    for id in ids {
        let now = desk.tenant.now();
        // One that has just been parked has just been tried.
        let first = if at_once { now } else { later(now, 0) };
        let waiting = round.put_off.entry(id).or_insert(PutOff { failures: 0, until: first });
        if waiting.until > now {
            continue;
        }
        waiting.failures += 1;
        waiting.until = later(now, waiting.failures);
        if let Some(request) = request(desk, id)
            && process(desk, &live, &request, Some(id)).await.is_ok()
        {
            round.put_off.remove(&id);
            tracing::info!(channel = %live.name, delivery = %id, "a parked delivery was taken in");
        }
    }
    round.put_off.values().map(|waiting| waiting.until).min()
}

fn request(desk: &Desk, id: DeliveryId) -> Option<sportello_runtime::contract::WebhookRequest> {
    let row = desk.tenant.get(&DELIVERIES, &id).ok().flatten()?;
    let content: DeliveryContent = desk.tenant.open_sealed(row.slot, &row.sealed).ok().flatten()?;
    unparked(content)
}

fn later(now: Timestamp, failures: u32) -> Timestamp {
    let pause = backoff(failures, RETRY_FIRST, RETRY_LONGEST);
    now.plus_ms(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
}
