//! Does what is to be done outside, honestly: `started` is durable before every call, and what has no outcome is never simply repeated.
//!
//! One task a channel, one effect at a time: a platform's order of posts is ours, and an unsafe effect never shares a call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sportello_core::commands::{EffectOutcome, FinishEffect, StartEffect};
use sportello_core::domain::effect::{EFFECTS, EFFECTS_DUE, EFFECTS_STARTED, Effect, EffectState};
use sportello_core::ids::{ChannelName, EffectId};
use sportello_core::time::Timestamp;
use sportello_runtime::CallFailure;
use sportello_runtime::contract::{self, ConnectorError, ConversationReference, Presence, Receipt};
use sportello_views::Direction;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::channels::{LiveChannel, channel_prefix};
use crate::desk::Desk;
use crate::ingress::arrivals::moment;
use crate::tenant::content::{EffectContent, ReceiptContent};
use crate::workers::{Rest, backoff};

const ACTOR: &str = "worker:effects";
/// First and longest pause between attempts of one effect.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// See [`RETRY_FIRST`].
const RETRY_LONGEST: Duration = Duration::from_secs(15 * 60);
/// Effects looked at in one go.
const LIST_MAX: usize = 64;
/// Bytes of an effect's key in its row's key: the number at the end.
const ID_BYTES: usize = 8;

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    recover(&desk).await;
    let mut changes = desk.channels.watch();
    let mut running: BTreeMap<ChannelName, JoinHandle<()>> = BTreeMap::new();
    loop {
        let live = desk.channels.live();
        running.retain(|_, task| !task.is_finished());
        for name in live.keys() {
            if !running.contains_key(name) {
                let task = channel(Arc::clone(&desk), name.clone(), stopping.clone());
                running.insert(name.clone(), tokio::spawn(task));
            }
        }
        tokio::select! {
            () = stopping.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { break },
        }
    }
    for (_, task) in running {
        // A panic in a task was reported by the runtime.
        let _ = task.await;
    }
}

/// Whatever was started before the host stopped has no outcome on record: it is unknown.
async fn recover(desk: &Desk) {
    let Ok(started) = desk.tenant.list(&EFFECTS_STARTED, &[], None, Direction::Forward, usize::MAX) else { return };
    for (key, ()) in started {
        let Some(id) = effect_id(&key) else { continue };
        let Ok(Some(effect)) = desk.tenant.get(&EFFECTS, &id) else { continue };
        let problem = "the host stopped while the call was under way".to_owned();
        finish(desk, id, effect.attempts, EffectOutcome::Uncertain { problem }).await;
    }
}

async fn channel(desk: Arc<Desk>, name: ChannelName, stopping: CancellationToken) {
    let mut rest = Rest::new(&desk, stopping);
    let mut paused_until: Option<Timestamp> = None;
    while !rest.stopping() {
        let Some(live) = desk.channels.get(&name) else { return };
        let now = desk.tenant.now();
        let mut next = paused_until.filter(|until| *until > now);
        if next.is_none() {
            match work(&desk, &live, now).await {
                Worked::Nothing { next_due } => next = next_due,
                Worked::Some => continue,
                Worked::Paused(until) => {
                    paused_until = Some(until);
                    next = paused_until;
                }
            }
        }
        if !rest.until(now, next).await {
            return;
        }
    }
}

enum Worked {
    Nothing {
        next_due: Option<Timestamp>,
    },
    Some,
    /// The platform says: not before then.
    Paused(Timestamp),
}

async fn work(desk: &Desk, live: &LiveChannel, now: Timestamp) -> Worked {
    let prefix = channel_prefix(&live.name);
    let Ok(due) = desk.tenant.list(&EFFECTS_DUE, &prefix, None, Direction::Forward, LIST_MAX) else {
        return Worked::Nothing { next_due: None };
    };
    let mut worked = false;
    for (key, ()) in due {
        let Some(id) = effect_id(&key) else { continue };
        let Ok(Some(effect)) = desk.tenant.get(&EFFECTS, &id) else { continue };
        if effect.due_at > now {
            return if worked { Worked::Some } else { Worked::Nothing { next_due: Some(effect.due_at) } };
        }
        let paused = match effect.state {
            EffectState::Queued => publish(desk, live, id).await,
            EffectState::Unknown => look(desk, live, id, &effect).await,
            _ => None,
        };
        if let Some(until) = paused {
            return Worked::Paused(until);
        }
        worked = true;
    }
    if worked { Worked::Some } else { Worked::Nothing { next_due: None } }
}

/// Announces the call, makes it, and records what became of it. Gives the moment before which the channel must not call again, if any.
async fn publish(desk: &Desk, live: &LiveChannel, id: EffectId) -> Option<Timestamp> {
    let start_late = crate::sabotage::sabotaged("forget-effect-started");
    if !start_late && !start(desk, id).await {
        return Some(desk.tenant.now().plus_ms(1_000));
    }
    let effect = desk.tenant.get(&EFFECTS, &id).ok().flatten()?;
    let Some(request) = contract_effect(desk, &effect) else {
        let problem = "its words have been erased".to_owned();
        finish(desk, id, effect.attempts, EffectOutcome::Failed { problem }).await;
        return None;
    };
    let outcome = match live.runtime.publish(desk.call(live), vec![request]).await {
        Ok(done) => {
            desk.diagnostics(live, &done.diagnostics, done.diagnostics_dropped);
            match done.value.into_iter().next() {
                Some(Ok(receipt)) => done_outcome(desk, live, &effect, receipt),
                Some(Err(error)) => failed_call(desk, &effect, error),
                None => EffectOutcome::Uncertain { problem: "the connector gave no answer".to_owned() },
            }
        }
        // Nothing ran: no guest was free, or the connector is out of service.
        Err(failure) if !failure.is_connectors_fault() => {
            EffectOutcome::Postponed { due_at: later(desk, &effect, None), problem: failure.to_string() }
        }
        Err(failure) => EffectOutcome::Uncertain { problem: failure.to_string() },
    };
    let mut attempt = effect.attempts;
    if start_late {
        start(desk, id).await;
        attempt += 1;
    }
    let paused = match &outcome {
        EffectOutcome::Postponed { due_at, .. } => Some(*due_at),
        _ => None,
    };
    desk.metrics.effect(&live.name, word(&outcome));
    finish(desk, id, attempt, outcome).await;
    // One effect that must wait (a rate limit, a platform that is down) holds back the channel, not the others' channels.
    paused
}

async fn start(desk: &Desk, id: EffectId) -> bool {
    match desk.tenant.submit(ACTOR, StartEffect { effect: id }).await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(effect = %id, %error, "an effect could not be started");
            false
        }
    }
}

fn failed_call(desk: &Desk, effect: &Effect, error: ConnectorError) -> EffectOutcome {
    match error {
        ConnectorError::Retry(retry) => {
            EffectOutcome::Postponed { due_at: later(desk, effect, Some(u64::from(retry.after_ms))), problem: retry.reason }
        }
        ConnectorError::RateLimited(limit) => EffectOutcome::Postponed {
            due_at: moment(&limit.until).unwrap_or_default().max(desk.tenant.now().plus_ms(1_000)),
            problem: limit.reason,
        },
        ConnectorError::Auth(reason) => EffectOutcome::Postponed {
            due_at: later(desk, effect, Some(60_000)),
            problem: format!("the credential does not work: {reason}"),
        },
        ConnectorError::Reject(reason) => EffectOutcome::Failed { problem: reason },
        ConnectorError::Uncertain(reason) => EffectOutcome::Uncertain { problem: reason },
    }
}

/// Looks whether an effect of unknown outcome took place.
async fn look(desk: &Desk, live: &LiveChannel, id: EffectId, effect: &Effect) -> Option<Timestamp> {
    let look_again = |problem: String| EffectOutcome::LookAgain { due_at: later(desk, effect, Some(10_000)), problem };
    let outcome = match contract_effect(desk, effect) {
        None => EffectOutcome::Failed { problem: "its words have been erased".to_owned() },
        Some(_) if !live.prepared.capabilities().find => EffectOutcome::CannotTell,
        Some(request) => match live.runtime.find(desk.call(live), request).await {
            Ok(done) => match done.value {
                Ok(Presence::Present(receipt)) => done_outcome(desk, live, effect, receipt),
                Ok(Presence::Absent) => EffectOutcome::Absent,
                Ok(Presence::CannotTell) => EffectOutcome::CannotTell,
                Err(error) => look_again(crate::ingress::webhook::reason(&error)),
            },
            Err(CallFailure::Quarantined { .. }) => look_again("the connector is quarantined".to_owned()),
            Err(failure) => look_again(failure.to_string()),
        },
    };
    desk.metrics.effect(&live.name, word(&outcome));
    finish(desk, id, effect.attempts, outcome).await;
    None
}

fn done_outcome(desk: &Desk, live: &LiveChannel, effect: &Effect, receipt: Receipt) -> EffectOutcome {
    let content = ReceiptContent { native_id: receipt.native_id, url: receipt.url };
    // Erased between call and answer: it took place all the same.
    let sealed = desk.tenant.seal(effect.slot, &content).unwrap_or_default();
    EffectOutcome::Done { receipt: desk.tenant.fingerprint("subject", &[live.name.as_str(), &content.native_id]), sealed }
}

async fn finish(desk: &Desk, id: EffectId, attempt: u32, outcome: EffectOutcome) {
    if let Err(error) = desk.tenant.submit(ACTOR, FinishEffect { effect: id, attempt, outcome }).await {
        tracing::warn!(effect = %id, %error, "an effect's outcome could not be recorded");
    }
}

fn contract_effect(desk: &Desk, effect: &Effect) -> Option<contract::Effect> {
    let content: EffectContent = desk.tenant.open_sealed(effect.slot, &effect.sealed).ok().flatten()?;
    Some(contract::Effect {
        key: effect.key.clone(),
        action: effect.action.clone(),
        conversation: content.conversation_key.map(|key| ConversationReference { key, title: None, url: None }),
        in_reply_to: content.in_reply_to,
        contact: content.contact,
        subject: content.subject,
        text: content.text,
        queued_at: jiff::Timestamp::from_millisecond(effect.queued_at.0).unwrap_or_default().to_string(),
        attributes: Vec::new(),
    })
}

fn later(desk: &Desk, effect: &Effect, at_least_ms: Option<u64>) -> Timestamp {
    let pause = backoff(effect.attempts, RETRY_FIRST, RETRY_LONGEST);
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    desk.tenant.now().plus_ms(at_least_ms.map_or(pause_ms, |least| least.max(1)))
}

fn word(outcome: &EffectOutcome) -> &'static str {
    match outcome {
        EffectOutcome::Done { .. } => "done",
        EffectOutcome::Postponed { .. } => "postponed",
        EffectOutcome::Failed { .. } => "failed",
        EffectOutcome::Uncertain { .. } => "uncertain",
        EffectOutcome::Absent => "absent",
        EffectOutcome::LookAgain { .. } => "look-again",
        EffectOutcome::CannotTell => "cannot-tell",
    }
}

fn effect_id(key: &[u8]) -> Option<EffectId> {
    let (_, number) = key.split_at_checked(key.len().checked_sub(ID_BYTES)?)?;
    Some(EffectId(u64::from_be_bytes(number.try_into().ok()?)))
}
