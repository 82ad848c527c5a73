//! Does what is to be done outside, honestly: `started` is durable before every call, and what has no outcome is never simply repeated.
//!
//! One task a channel; up to [`EFFECTS_AT_ONCE_PER_CHANNEL_MAX`] calls of it under way at once, one effect each, so that a platform which lets
//! one call hang does not hold up the others. Order is kept where people see it: the core lists the first effect of each lane only (a
//! conversation, a contact, …), and those behind it wait until it has come to an end. What concerns the whole channel (a rate limit, a
//! credential that does not work, a quarantine) lets nothing start until it is over or another generation is live; calls under way end.

mod call;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sportello_core::commands::{EffectOutcome, FinishEffect};
use sportello_core::domain::effect::{EFFECTS, EFFECTS_DUE, EFFECTS_STARTED, Effect, EffectState};
use sportello_core::ids::{ChannelName, EffectId};
use sportello_core::time::Timestamp;
use sportello_views::Direction;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::channels::{LiveChannel, channel_prefix};
use crate::desk::Desk;
use crate::health::Purpose;
use crate::tenant::SubmitError;
use crate::workers::{Rest, millis};

const ACTOR: &str = "worker:effects";
/// Calls of one channel under way at once. Fewer than the guests a channel may have (the runtime's `channel_calls_max`, 16): deliveries and polls
/// need some while every call hangs.
const EFFECTS_AT_ONCE_PER_CHANNEL_MAX: usize = 8;
/// Pause after something of ours did not work: a full queue, a store that cannot be read.
const OWN_PAUSE: Duration = Duration::from_millis(500);
/// Due effects looked past at most where a platform's window keeps some back.
const HELD_LOOKED_PAST_MAX: usize = 512;
/// Effects recovered in one go.
const LIST_MAX: usize = 64;
/// Bytes of an effect's number, at the end of its row's key.
const ID_BYTES: usize = 8;

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    recover(&desk, &stopping).await;
    let mut changes = desk.channels.watch();
    let mut running = BTreeSet::new();
    let mut tasks = JoinSet::new();
    loop {
        for name in desk.channels.live().keys() {
            if running.insert(name.clone()) {
                let (desk, name, stopping) = (Arc::clone(&desk), name.clone(), stopping.clone());
                tasks.spawn(async move {
                    // In a task of its own, so that a panic in it does not take the name along.
                    let worked = tokio::spawn(channel(desk, name.clone(), stopping));
                    (name, worked.await.is_err())
                });
            }
        }
        tokio::select! {
            () = stopping.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { break },
            Some(ended) = tasks.join_next() => if let Ok((name, panicked)) = ended {
                running.remove(&name);
                if panicked {
                    tracing::error!(channel = %name, "the effects of a channel stopped by a fault of ours; they go on");
                    tokio::time::sleep(OWN_PAUSE).await;
                }
            },
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Whatever was started before the host stopped has no outcome on record: it is unknown.
async fn recover(desk: &Desk, stopping: &CancellationToken) {
    while !stopping.is_cancelled() {
        match desk.tenant.list(&EFFECTS_STARTED, &[], None, Direction::Forward, LIST_MAX) {
            Ok(started) if started.is_empty() => return,
            Ok(started) => {
                for (key, ()) in started {
                    if let Some(id) = effect_id(&key) {
                        lost(desk, id, "the host stopped while the call was under way").await;
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "effects under way before the last stop cannot be listed; trying again");
                tokio::time::sleep(OWN_PAUSE).await;
            }
        }
    }
}

/// Nobody will ever say what became of this effect's call, if one was started.
async fn lost(desk: &Desk, id: EffectId, problem: &str) {
    if let Ok(Some(effect)) = desk.tenant.get(&EFFECTS, &id)
        && effect.state == EffectState::Started
    {
        finish(desk, id, effect.attempts, EffectOutcome::Uncertain(problem.into())).await;
    }
}

/// Calls of one channel under way.
#[derive(Default)]
struct Calls {
    tasks: JoinSet<Ended>,
    /// Which effects they are about, and what they do about them.
    about: BTreeMap<EffectId, Purpose>,
}

/// The end of a call.
struct Ended {
    id: EffectId,
    /// The generation it was made on.
    live: Arc<LiveChannel>,
    /// The moment before which that generation must not call again.
    paused: Option<Timestamp>,
}

impl Calls {
    fn under_way(&self, purpose: Purpose) -> usize {
        self.about.values().filter(|of| **of == purpose).count()
    }

    fn start(&mut self, desk: &Arc<Desk>, live: &Arc<LiveChannel>, id: EffectId, effect: Effect, purpose: Purpose) {
        self.about.insert(id, purpose);
        let (desk, live) = (Arc::clone(desk), Arc::clone(live));
        self.tasks.spawn(async move {
            let calling = {
                let (desk, live) = (Arc::clone(&desk), Arc::clone(&live));
                // In a task of its own, so that a panic in it leaves the effect no longer than any other lost call.
                tokio::spawn(async move { call::attend(&desk, &live, id, &effect).await })
            };
            let paused = match calling.await {
                Ok(paused) => paused,
                Err(error) => {
                    tracing::error!(effect = %id, %error, "the call of an effect stopped by a fault of ours");
                    lost(&desk, id, "a fault of ours ended the call").await;
                    Some(desk.tenant.now().plus_ms(millis(OWN_PAUSE)))
                }
            };
            Ended { id, live, paused }
        });
    }

    /// The end of the next call that ends; waits for ever where none is under way.
    async fn next_end(&mut self) -> Ended {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => {
                self.about.remove(&ended.id);
                ended
            }
            // Tasks neither panic nor are they ended from outside.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }
}

async fn channel(desk: Arc<Desk>, name: ChannelName, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    let mut calls = Calls::default();
    // A pause belongs to the generation that was told of it.
    let mut paused: Option<(Timestamp, Arc<LiveChannel>)> = None;
    while !rest.stopping() {
        let Some(live) = desk.channels.get(&name) else { break };
        let now = desk.tenant.now();
        let next = match paused.as_ref().filter(|(until, of)| *until > now && Arc::ptr_eq(of, &live)) {
            Some((until, _)) => Some(*until),
            None => start_due(&desk, &live, &mut calls, now),
        };
        tokio::select! {
            go_on = rest.until(next) => if !go_on { break },
            ended = calls.next_end() => {
                if let Some(until) = ended.paused.filter(|_| Arc::ptr_eq(&ended.live, &live)) {
                    let longest = paused.filter(|(_, of)| Arc::ptr_eq(of, &live)).map_or(until, |(other, _)| other.max(until));
                    paused = Some((longest, live));
                }
            }
        }
    }
    // Whatever was started has an outcome, and it is put on record.
    while calls.tasks.join_next().await.is_some() {}
}

/// Starts what is due, as far as there is room. Gives the moment at which to look again: of the first that is not due yet, or of the first window
/// that kept something back.
fn start_due(desk: &Arc<Desk>, live: &Arc<LiveChannel>, calls: &mut Calls, now: Timestamp) -> Option<Timestamp> {
    // Those under way may be listed still; so are those that a window keeps back, and others may stand behind them.
    let rows_max = EFFECTS_AT_ONCE_PER_CHANNEL_MAX + calls.about.len();
    let mut held_until: Option<Timestamp> = None;
    for rows_max in [rows_max, HELD_LOOKED_PAST_MAX] {
        let Ok(due) = desk.tenant.list(&EFFECTS_DUE, &channel_prefix(&live.name), None, Direction::Forward, rows_max) else {
            return Some(now.plus_ms(millis(OWN_PAUSE)));
        };
        let are_all = due.len() < rows_max;
        for (key, ()) in due {
            let Some(id) = effect_id(&key).filter(|id| !calls.about.contains_key(id)) else { continue };
            let Ok(Some(effect)) = desk.tenant.get(&EFFECTS, &id) else { continue };
            if effect.due_at > now {
                return Some(held_until.map_or(effect.due_at, |until| until.min(effect.due_at)));
            }
            if calls.about.len() >= EFFECTS_AT_ONCE_PER_CHANNEL_MAX {
                return held_until;
            }
            let purpose = if effect.state == EffectState::Unknown { Purpose::Find } else { Purpose::Publish };
            match live.health.windows.room(purpose, now) {
                // What is left is for those under way; the end of one of them is a reason to look again, and so is the window's.
                Some((room, until)) if calls.under_way(purpose) >= room => {
                    held_until = Some(held_until.map_or(until, |earlier| earlier.min(until)));
                }
                _ => calls.start(desk, live, id, effect, purpose),
            }
        }
        if are_all || held_until.is_none() {
            break;
        }
    }
    held_until
}

/// Records an outcome; waits for room rather than lose it.
async fn finish(desk: &Desk, id: EffectId, attempt: u32, outcome: EffectOutcome) {
    loop {
        match desk.tenant.submit(ACTOR, FinishEffect { effect: id, attempt, outcome: outcome.clone() }).await {
            Ok(_) => return,
            Err(SubmitError::Overloaded(_)) => tokio::time::sleep(OWN_PAUSE).await,
            Err(error) => return tracing::warn!(effect = %id, %error, "an effect's outcome could not be recorded"),
        }
    }
}

fn effect_id(key: &[u8]) -> Option<EffectId> {
    let (_, number) = key.split_at_checked(key.len().checked_sub(ID_BYTES)?)?;
    Some(EffectId(u64::from_be_bytes(number.try_into().ok()?)))
}
