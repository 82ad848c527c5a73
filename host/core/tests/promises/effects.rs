use sportello_core::commands::{
    Accepted, ContactNews, DecideEffect, EffectDecision, EffectOutcome, FAILURES_MAX, FinishEffect, QueueEffect, StartEffect, TakeContacts,
};
use sportello_core::domain::channel::{Idempotency, Policy};
use sportello_core::domain::effect::{AskedBy, EFFECTS, EFFECTS_DUE, EFFECTS_STARTED, EFFECTS_UNDECIDED, Effect, EffectState};
use sportello_core::domain::lane::LANES;
use sportello_core::ids::{CaseId, ContactId, ConversationId, EffectId, Fingerprint, ProfileId};

use crate::desk::{Desk, channel, policy};

const EFFECT: EffectId = EffectId(1);

fn reply(key: &str) -> QueueEffect {
    QueueEffect {
        key: key.into(),
        channel: channel(),
        action: "reply".into(),
        case: Some(CaseId(1)),
        conversation: Some(ConversationId(601)),
        contact: None,
        profile: None,
        slot: sportello_core::ids::SlotId(900),
        sealed: vec![1],
        asked_by: AskedBy::Person { name: "anna".into() },
    }
}

fn desk(idempotency: Idempotency) -> Desk {
    let mut desk = Desk::with(policy(), idempotency);
    desk.says(1, 501, 601);
    desk.must(reply("a"));
    desk
}

fn effect(desk: &Desk) -> Effect {
    desk.get(&EFFECTS, &EFFECT).unwrap()
}

fn finish(desk: &mut Desk, attempt: u32, outcome: EffectOutcome) {
    desk.must(FinishEffect { effect: EFFECT, attempt, outcome });
}

fn uncertain() -> EffectOutcome {
    EffectOutcome::Uncertain("time-out".into())
}

#[test]
fn the_same_key_is_the_same_effect() {
    let mut desk = desk(Idempotency::Findable);
    let (accepted, events) = desk.must(reply("a"));
    assert_eq!((accepted, events.len()), (Accepted::Effect(EFFECT), 0));
    let (accepted, _) = desk.must(reply("b"));
    assert_eq!(accepted, Accepted::Effect(EffectId(2)), "the same words under another key are another effect");
}

#[test]
fn what_may_have_taken_place_is_looked_for_and_not_repeated() {
    let mut desk = desk(Idempotency::Findable);
    desk.must(StartEffect { effect: EFFECT });
    // The call took long: settling begins at its end, when the other side may still be at work.
    desk.now = desk.now.plus_ms(30_000);
    finish(&mut desk, 1, uncertain());
    assert_eq!(effect(&desk).state, EffectState::Unknown);
    desk.try_to(StartEffect { effect: EFFECT }).unwrap_err();
    finish(&mut desk, 1, EffectOutcome::Absent);
    assert_eq!(effect(&desk).state, EffectState::Unknown, "absent is not believed before it has settled");
    assert_eq!(effect(&desk).due_at, desk.now.plus_ms(5_000));
    desk.now = desk.now.plus_ms(5_000);
    finish(&mut desk, 1, EffectOutcome::Absent);
    assert_eq!(effect(&desk).state, EffectState::Queued, "now it is, and it may be done");
}

#[test]
fn an_unsafe_effect_of_unknown_outcome_is_a_persons_to_decide() {
    let mut desk = desk(Idempotency::Unsafe);
    desk.must(StartEffect { effect: EFFECT });
    finish(&mut desk, 1, uncertain());
    assert_eq!(effect(&desk).state, EffectState::Undecided);
    assert_eq!((desk.count(&EFFECTS_DUE), desk.count(&EFFECTS_UNDECIDED)), (0, 1));
    desk.must(DecideEffect { effect: EFFECT, decision: EffectDecision::Repeat, by: "anna".into() });
    assert_eq!(effect(&desk).state, EffectState::Queued);
}

#[test]
fn a_keyed_effect_of_unknown_outcome_is_repeated_because_that_changes_nothing() {
    let mut desk = desk(Idempotency::Keyed);
    desk.must(StartEffect { effect: EFFECT });
    finish(&mut desk, 1, uncertain());
    assert_eq!(effect(&desk).state, EffectState::Queued);
}

#[test]
fn a_late_outcome_of_an_earlier_attempt_is_refused() {
    let mut desk = desk(Idempotency::Keyed);
    desk.must(StartEffect { effect: EFFECT });
    finish(&mut desk, 1, uncertain());
    desk.must(StartEffect { effect: EFFECT });
    let late = EffectOutcome::Done { receipt: Fingerprint([1; 16]), sealed: vec![] };
    let refusal = desk.try_to(FinishEffect { effect: EFFECT, attempt: 1, outcome: late }).unwrap_err();
    assert!(refusal.to_string().contains("too late"), "{refusal}");
}

#[test]
fn attempts_come_to_an_end() {
    let mut desk = desk(Idempotency::Keyed);
    for attempt in 1..=FAILURES_MAX {
        desk.must(StartEffect { effect: EFFECT });
        let due_at = desk.now;
        finish(&mut desk, attempt, EffectOutcome::Postponed { due_at, setback: "busy".into() });
    }
    assert_eq!(effect(&desk).state, EffectState::Failed);
}

#[test]
fn an_effect_stands_in_the_list_of_its_state_and_in_no_other() {
    let mut desk = desk(Idempotency::Findable);
    assert_eq!((desk.count(&EFFECTS_DUE), desk.count(&EFFECTS_STARTED)), (1, 0));
    desk.must(StartEffect { effect: EFFECT });
    assert_eq!((desk.count(&EFFECTS_DUE), desk.count(&EFFECTS_STARTED)), (0, 1));
    finish(&mut desk, 1, EffectOutcome::Done { receipt: Fingerprint([1; 16]), sealed: vec![] });
    assert_eq!((desk.count(&EFFECTS_DUE), desk.count(&EFFECTS_STARTED)), (0, 0));
}

#[test]
fn an_answer_nobody_asked_for_is_a_persons_to_decide_where_the_network_says_so() {
    let mut desk = Desk::with(Policy { reply_only_summoned: true, ..policy() }, Idempotency::Findable);
    desk.says(1, 501, 601);
    desk.must(reply("a"));
    assert_eq!(effect(&desk).state, EffectState::Undecided);
}

#[test]
fn an_action_the_connector_does_not_have_is_refused_with_those_it_has() {
    let mut desk = desk(Idempotency::Findable);
    let refusal = desk.try_to(QueueEffect { action: "activity".into(), ..reply("c") }).unwrap_err();
    assert!(refusal.to_string().contains("it can: reply"), "{refusal}");
}

#[test]
fn what_may_have_taken_place_is_never_given_up_as_failed() {
    let mut desk = desk(Idempotency::Keyed);
    desk.must(StartEffect { effect: EFFECT });
    finish(&mut desk, 1, uncertain());
    desk.must(StartEffect { effect: EFFECT });
    finish(&mut desk, 2, EffectOutcome::Failed("refused".into()));
    assert_eq!(effect(&desk).state, EffectState::Undecided, "the first call may have taken effect: a person decides");
}

#[test]
fn calls_that_could_not_start_do_not_use_up_the_attempts() {
    let mut desk = desk(Idempotency::Findable);
    for attempt in 1..=FAILURES_MAX * 2 {
        desk.must(StartEffect { effect: EFFECT });
        let due_at = desk.now;
        finish(&mut desk, attempt, EffectOutcome::NotStarted { due_at, setback: "quarantined".into() });
    }
    assert_eq!(effect(&desk).state, EffectState::Queued);
}

#[test]
fn effects_of_one_conversation_are_done_one_after_the_other_in_the_order_they_were_asked_for() {
    let mut desk = desk(Idempotency::Findable);
    desk.must(reply("b"));
    desk.must(reply("c"));
    let refusal = desk.try_to(StartEffect { effect: EffectId(2) }).unwrap_err();
    assert!(refusal.to_string().contains("waits for effect 1"), "{refusal}");
    desk.must(StartEffect { effect: EFFECT });
    assert_eq!(desk.count(&EFFECTS_DUE), 0, "while the first is under way");
    finish(&mut desk, 1, uncertain());
    desk.try_to(StartEffect { effect: EffectId(2) }).expect_err("nor while it is looked for");
    desk.now = desk.now.plus_ms(5_000);
    finish(&mut desk, 1, EffectOutcome::Absent);
    desk.try_to(StartEffect { effect: EffectId(2) }).expect_err("nor before it is done again");
    desk.must(StartEffect { effect: EFFECT });
    finish(&mut desk, 2, uncertain());
    finish(&mut desk, 2, EffectOutcome::CannotTell);
    assert_eq!(effect(&desk).state, EffectState::Undecided, "a person may take days: nobody waits for them");
    assert_eq!(desk.count(&EFFECTS_DUE), 1);
    desk.must(DecideEffect { effect: EFFECT, decision: EffectDecision::Repeat, by: "anna".into() });
    for id in [2, 3, 1] {
        let effect = EffectId(id);
        let attempt = desk.get(&EFFECTS, &effect).unwrap().attempts + 1;
        desk.must(StartEffect { effect });
        desk.must(FinishEffect { effect, attempt, outcome: EffectOutcome::Failed("refused".into()) });
    }
    assert_eq!((desk.count(&EFFECTS_DUE), desk.count(&LANES)), (0, 0), "nothing is left of the queue");
}

#[test]
fn effects_of_different_conversations_contacts_and_people_do_not_wait_for_each_other() {
    let mut desk = desk(Idempotency::Findable);
    desk.says(2, 502, 602);
    let news = ContactNews { contact: ContactId(701), version: [1; 16], sealed: vec![4], identifiers: vec![], deleted: false };
    desk.must(TakeContacts { channel: channel(), contacts: vec![news], cursor: None });
    desk.must(QueueEffect { conversation: Some(ConversationId(602)), ..reply("b") });
    let about = |key: &str, contact: Option<u64>, profile: Option<u64>| QueueEffect {
        conversation: None,
        action: "post".into(),
        contact: contact.map(ContactId),
        profile: profile.map(ProfileId),
        ..reply(key)
    };
    desk.must(about("c", Some(701), Some(501)));
    desk.must(about("d", None, Some(501)));
    desk.must(about("e", None, None));
    for id in 1..=5 {
        desk.must(StartEffect { effect: EffectId(id) });
    }
    desk.must(about("f", Some(701), None));
    desk.must(about("g", None, None));
    for id in [6, 7] {
        desk.try_to(StartEffect { effect: EffectId(id) }).unwrap_err();
    }
}
