//! One call about one effect: doing it, or looking whether it took place, and what the answer means.

use std::time::Duration;

use sportello_core::commands::{EffectOutcome, Setback, StartEffect};
use sportello_core::domain::effect::{EFFECTS, Effect, EffectState};
use sportello_core::ids::EffectId;
use sportello_core::time::Timestamp;
use sportello_runtime::contract::{self, Attribute, ConnectorError, ConversationReference, Presence, Receipt};
use sportello_runtime::{CallFailure, Done};

use super::{ACTOR, OWN_PAUSE, finish};
use crate::channels::LiveChannel;
use crate::desk::Desk;
use crate::health::{Purpose, limit_ends_at};
use crate::ingress::delivery::reason;
use crate::tenant::content::{EffectContent, ReceiptContent};
use crate::workers::{backoff, millis};

/// First and longest pause between attempts of one effect.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// See [`RETRY_FIRST`].
const RETRY_LONGEST: Duration = Duration::from_secs(15 * 60);
/// Longest pause a platform can ask for: a wrong date must not freeze a channel for years.
const PAUSE_MAX_MS: u64 = 24 * 60 * 60 * 1_000;
/// Pause while a credential does not work.
const AUTH_PAUSE_MS: u64 = 60_000;
/// Shortest and longest pause between two looks for the same effect.
const LOOK_SHORTEST_MS: u64 = 10_000;
/// See [`LOOK_SHORTEST_MS`].
const LOOK_LONGEST_MS: u64 = 15 * 60 * 1_000;

/// Does what is due about an effect. Gives the moment before which the channel must not call again, if any.
pub(super) async fn attend(desk: &Desk, live: &LiveChannel, id: EffectId, effect: &Effect) -> Option<Timestamp> {
    match effect.state {
        EffectState::Queued => publish(desk, live, id).await,
        EffectState::Unknown => {
            look(desk, live, id, effect).await;
            None
        }
        _ => None,
    }
}

/// Announces the call, makes it, and records what became of it.
async fn publish(desk: &Desk, live: &LiveChannel, id: EffectId) -> Option<Timestamp> {
    let start_late = crate::sabotage::sabotaged("forget-effect-started");
    if !start_late && !start(desk, id).await {
        return Some(desk.tenant.now().plus_ms(millis(OWN_PAUSE)));
    }
    let effect = desk.tenant.get(&EFFECTS, &id).ok().flatten()?;
    // The policy forbids it by now: it has come to its end.
    if effect.state != EffectState::Started && !start_late {
        return None;
    }
    let called = match contract_effect(desk, &effect) {
        Ok(Some(request)) => call(desk, live, &effect, request).await,
        Ok(None) => Called::only(EffectOutcome::Failed("its words have been erased".into())),
        Err(problem) => Called::only(not_started(desk, &effect, &problem)),
    };
    let mut attempt = effect.attempts;
    if start_late {
        start(desk, id).await;
        attempt += 1;
    }
    desk.metrics.effect(&live.name, word(&called.outcome));
    finish(desk, id, attempt, called.outcome).await;
    called.paused
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

/// What became of a call, and how long the whole channel must wait.
struct Called {
    outcome: EffectOutcome,
    paused: Option<Timestamp>,
}

impl Called {
    fn only(outcome: EffectOutcome) -> Self {
        Self { outcome, paused: None }
    }
}

async fn call(desk: &Desk, live: &LiveChannel, effect: &Effect, request: contract::Effect) -> Called {
    let called = live.runtime.publish(desk.call(live, Purpose::Publish), vec![request]).await;
    desk.note(live, Purpose::Publish, &called);
    match called {
        Ok(done) => match done.value.into_iter().next() {
            Some(Ok(receipt)) => Called::only(done_outcome(desk, live, effect, receipt)),
            Some(Err(error)) => failed_call(desk, effect, &error),
            None => Called::only(EffectOutcome::Uncertain("the connector gave no answer".into())),
        },
        Err(failure) if failure.nothing_started() => {
            let wait_ms = failure.retry_after().map_or(RETRY_FIRST, |pause| pause.max(OWN_PAUSE));
            let due_at = desk.tenant.now().plus_ms(millis(wait_ms).min(PAUSE_MAX_MS));
            let setback = Setback { problem: failure.to_string(), detail: Vec::new() };
            Called { outcome: EffectOutcome::NotStarted { due_at, setback }, paused: Some(due_at) }
        }
        Err(failure) => Called::only(EffectOutcome::Uncertain(failed(desk, effect, &failure))),
    }
}

fn failed_call(desk: &Desk, effect: &Effect, error: &ConnectorError) -> Called {
    let now = desk.tenant.now();
    match error {
        ConnectorError::Retry(retry) => {
            let setback = setback(desk, effect, "the connector asks to try again", error);
            let pause_ms = millis(backoff(effect.failures, RETRY_FIRST, RETRY_LONGEST)).max(u64::from(retry.after_ms));
            Called::only(EffectOutcome::Postponed { due_at: now.plus_ms(pause_ms), setback })
        }
        ConnectorError::RateLimited(limit) => {
            let setback = setback(desk, effect, "the platform's limit is reached", error);
            let due_at = limit_ends_at(limit, now);
            Called { outcome: EffectOutcome::NotStarted { due_at, setback }, paused: Some(due_at) }
        }
        ConnectorError::Auth(_) => {
            let setback = setback(desk, effect, "the credential does not work", error);
            let due_at = now.plus_ms(AUTH_PAUSE_MS);
            tracing::error!(channel = %effect.channel, "the credential of a channel does not work; its effects wait");
            Called { outcome: EffectOutcome::NotStarted { due_at, setback }, paused: Some(due_at) }
        }
        ConnectorError::Reject(_) => Called::only(EffectOutcome::Failed(setback(desk, effect, "the platform will not do it", error))),
        ConnectorError::Uncertain(_) => {
            Called::only(EffectOutcome::Uncertain(setback(desk, effect, "the request may or may not have taken effect", error)))
        }
    }
}

/// When it is looked again for what was started then: the longer ago, the rarer the looks, and never before a limit of the platform's ends.
fn next_look_at(started_at: Timestamp, now: Timestamp, error: Option<&ConnectorError>) -> Timestamp {
    let due_at = now.plus_ms((now.ms_since(started_at) / 2).clamp(LOOK_SHORTEST_MS, LOOK_LONGEST_MS));
    match error {
        Some(ConnectorError::RateLimited(limit)) => due_at.max(limit_ends_at(limit, now)),
        _ => due_at,
    }
}

/// Looks whether an effect of unknown outcome took place.
async fn look(desk: &Desk, live: &LiveChannel, id: EffectId, effect: &Effect) {
    let now = desk.tenant.now();
    let started_at = effect.started_at.unwrap_or(now);
    let look_again = |setback, error| EffectOutcome::LookAgain { due_at: next_look_at(started_at, now, error), setback };
    let outcome = match contract_effect(desk, effect) {
        // Without its words nobody can tell it from another.
        Ok(None) => EffectOutcome::CannotTell,
        Err(problem) => look_again(Setback { problem, detail: Vec::new() }, None),
        Ok(Some(_)) if !live.prepared.capabilities().find => EffectOutcome::CannotTell,
        Ok(Some(request)) => match find(desk, live, request).await {
            Ok(done) => match done.value {
                Ok(Presence::Present(receipt)) => done_outcome(desk, live, effect, receipt),
                Ok(Presence::Absent) => EffectOutcome::Absent,
                Ok(Presence::CannotTell) => EffectOutcome::CannotTell,
                Err(error) => look_again(setback(desk, effect, "it could not be looked for", &error), Some(&error)),
            },
            Err(failure) => look_again(failed(desk, effect, &failure), None),
        },
    };
    desk.metrics.effect(&live.name, word(&outcome));
    finish(desk, id, effect.attempts, outcome).await;
}

async fn find(desk: &Desk, live: &LiveChannel, effect: contract::Effect) -> Result<Done<Result<Presence, ConnectorError>>, CallFailure> {
    let called = live.runtime.find(desk.call(live, Purpose::Find), effect).await;
    desk.note(live, Purpose::Find, &called);
    called
}

fn done_outcome(desk: &Desk, live: &LiveChannel, effect: &Effect, receipt: Receipt) -> EffectOutcome {
    let content = ReceiptContent { native_id: receipt.native_id, url: receipt.url };
    // Erased between call and answer: it took place all the same.
    let sealed = desk.tenant.seal(effect.slot, &content).unwrap_or_default();
    match desk.tenant.subject_of(&live.name, &content.native_id) {
        Ok(receipt) => EffectOutcome::Done { receipt, sealed },
        // It took place, but that cannot be noted now.
        Err(error) => EffectOutcome::Uncertain(error.to_string().as_str().into()),
    }
}

fn not_started(desk: &Desk, effect: &Effect, problem: &str) -> EffectOutcome {
    let due_at = desk.tenant.now().plus_ms(millis(backoff(effect.failures, RETRY_FIRST, RETRY_LONGEST)));
    EffectOutcome::NotStarted { due_at, setback: problem.into() }
}

/// A connector's words may quote people: they are kept sealed, ours in clear.
fn setback(desk: &Desk, effect: &Effect, problem: &str, error: &ConnectorError) -> Setback {
    Setback { problem: problem.to_owned(), detail: desk.tenant.seal(effect.slot, &reason(error)).unwrap_or_default() }
}

fn failed(desk: &Desk, effect: &Effect, failure: &CallFailure) -> Setback {
    match failure {
        // These say what the connector returned.
        CallFailure::Output { .. } | CallFailure::Unreadable { .. } => Setback {
            problem: "the connector answered against the contract".to_owned(),
            detail: desk.tenant.seal(effect.slot, &failure.to_string()).unwrap_or_default(),
        },
        _ => Setback { problem: failure.to_string(), detail: Vec::new() },
    }
}

/// The effect as the connector is given it; None: its words have been erased.
fn contract_effect(desk: &Desk, effect: &Effect) -> Result<Option<contract::Effect>, String> {
    let content: Option<EffectContent> = desk.tenant.open_sealed(effect.slot, &effect.sealed).map_err(|error| error.to_string())?;
    Ok(content.map(|content| contract::Effect {
        key: desk.tenant.effect_key_outside(&effect.key),
        action: effect.action.clone(),
        conversation: content.conversation_key.map(|key| ConversationReference { key, title: None, url: None }),
        in_reply_to: content.in_reply_to,
        contact: content.contact,
        subject: content.subject,
        text: content.text,
        queued_at: jiff::Timestamp::from_millisecond(effect.queued_at.0).unwrap_or_default().to_string(),
        attributes: content.attributes.into_iter().map(|(name, value)| Attribute { name, value }).collect(),
    }))
}

fn word(outcome: &EffectOutcome) -> &'static str {
    match outcome {
        EffectOutcome::Done { .. } => "done",
        EffectOutcome::NotStarted { .. } => "not-started",
        EffectOutcome::Postponed { .. } => "postponed",
        EffectOutcome::Failed(_) => "failed",
        EffectOutcome::Uncertain(_) => "uncertain",
        EffectOutcome::Absent => "absent",
        EffectOutcome::LookAgain { .. } => "look-again",
        EffectOutcome::CannotTell => "cannot-tell",
    }
}

#[cfg(test)]
mod tests {
    use sportello_runtime::contract::RateLimit;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_342_500_000);

    #[test]
    fn a_look_comes_not_before_the_platforms_limit_ends_nor_sooner_than_the_time_it_has_been_unknown_asks() {
        let limited = |after_ms: u64| {
            let until = jiff::Timestamp::from_millisecond(NOW.plus_ms(after_ms).0).unwrap().to_string();
            let error = ConnectorError::RateLimited(RateLimit { until, reason: String::new() });
            next_look_at(NOW, NOW, Some(&error)).ms_since(NOW)
        };
        assert_eq!(next_look_at(NOW, NOW, None).ms_since(NOW), LOOK_SHORTEST_MS);
        assert_eq!((limited(10), limited(LOOK_SHORTEST_MS + 7)), (LOOK_SHORTEST_MS, LOOK_SHORTEST_MS + 1_007));
        assert_eq!(limited(PAUSE_MAX_MS + 1), PAUSE_MAX_MS);
        let long_ago = Timestamp(NOW.0 - 40 * LOOK_LONGEST_MS.cast_signed());
        assert_eq!(next_look_at(long_ago, NOW, None).ms_since(NOW), LOOK_LONGEST_MS);
    }
}
