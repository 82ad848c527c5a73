use sportello_core::commands::{
    Accepted, Arrival, ContactNews, DecideEffect, EffectDecision, EffectOutcome, ErasePerson, FAILURES_MAX, FinishEffect, QueueEffect,
    StartEffect, TakeContacts,
};
use sportello_core::domain::case::CASES;
use sportello_core::domain::channel::{Idempotency, Policy};
use sportello_core::domain::effect::{AskedBy, EFFECTS, EFFECTS_DUE, EFFECTS_STARTED, EFFECTS_UNDECIDED, Effect, EffectState};
use sportello_core::domain::interaction::{Change, INTERACTIONS};
use sportello_core::domain::lane::LANES;
use sportello_core::event::Event;
use sportello_core::ids::{CaseId, ContactId, ConversationId, EffectId, InteractionId, PersonId, ProfileId, SubjectId};
use sportello_core::refusal::Refusal;

use crate::desk::{Desk, channel, policy};

const EFFECT: EffectId = EffectId(1);

fn reply(key: &str) -> QueueEffect {
    QueueEffect {
        key: key.into(),
        channel: channel(),
        action: "reply".into(),
        case: Some(CaseId(1)),
        conversation: Some(ConversationId(601)),
        answers: None,
        contact: None,
        profile: None,
        basis: None,
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
    let late = EffectOutcome::Done { receipt: SubjectId(1), sealed: vec![] };
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
    finish(&mut desk, 1, EffectOutcome::Done { receipt: SubjectId(1), sealed: vec![] });
    assert_eq!((desk.count(&EFFECTS_DUE), desk.count(&EFFECTS_STARTED)), (0, 0));
}

#[test]
fn an_answer_nobody_asked_for_is_a_persons_to_decide_where_network_or_operator_say_so() {
    let summoned = |only| Policy { reply_only_summoned: only, ..policy() };
    // The stricter of network and operator.
    for (network, operator, expected) in [
        (false, Some(false), EffectState::Queued),
        (false, Some(true), EffectState::Undecided),
        (true, None, EffectState::Undecided),
        (true, Some(false), EffectState::Undecided),
    ] {
        let mut desk = Desk::under(summoned(network));
        desk.operator_says(operator.map(summoned));
        desk.says(1, 501, 601);
        desk.must(reply("a"));
        assert_eq!(effect(&desk).state, expected, "{network}, {operator:?}");
    }
}

#[test]
fn who_addressed_the_company_once_has_not_addressed_it_with_everything_said_there_since() {
    let mut desk = Desk::under(Policy { reply_only_summoned: true, ..policy() });
    let summoning = Arrival { summons: true, ..desk.arrival(1, 0, Change::Created, 501, 601) };
    desk.ingest(vec![summoning]);
    desk.must(reply("a"));
    desk.says(2, 501, 601);
    let state = |desk: &Desk, number: u64| desk.get(&EFFECTS, &EffectId(number)).unwrap().state;
    for (number, (answers, expected)) in (2..).zip([
        (None, EffectState::Undecided),
        (Some(InteractionId(2)), EffectState::Undecided),
        (Some(InteractionId(1)), EffectState::Queued),
        (Some(InteractionId(99)), EffectState::Undecided),
    ]) {
        desk.must(QueueEffect { answers, ..reply(&number.to_string()) });
        assert_eq!(state(&desk, number), expected, "{answers:?}");
    }
    assert_eq!(state(&desk, 1), EffectState::Queued, "she had addressed it then");
}

#[test]
fn a_reply_nobody_asked_for_that_waits_while_the_policy_becomes_stricter_is_a_persons_to_decide() {
    let summoned = || Some(Policy { reply_only_summoned: true, ..policy() });
    for (summons, before, expected) in [
        (false, 0, EffectState::Undecided),
        (false, 1, EffectState::Undecided),
        (true, 0, EffectState::Started),
        (true, 1, EffectState::Started),
    ] {
        let mut desk = Desk::new();
        let arrival = Arrival { summons, ..desk.arrival(1, 0, Change::Created, 501, 601) };
        desk.ingest(vec![arrival]);
        desk.must(reply("a"));
        for attempt in 1..=before {
            desk.must(StartEffect { effect: EFFECT });
            let due_at = desk.now;
            finish(&mut desk, attempt, EffectOutcome::Postponed { due_at, setback: "busy".into() });
        }
        // Somebody says more in the thread meanwhile: what is answered is what was answered when it was asked for.
        desk.says(2, 502, 601);
        desk.operator_says(summoned());
        desk.must(StartEffect { effect: EFFECT });
        let row = effect(&desk);
        assert_eq!(row.state, expected, "summons {summons}, {before} calls before: {:?}", row.problem);
        let says_why = row.problem.is_some_and(|problem| problem.contains("only where one was addressed"));
        assert_eq!(says_why, !summons);
        assert_eq!(desk.count(&EFFECTS_UNDECIDED), usize::from(!summons));
    }
}

#[test]
fn a_reply_nobody_asked_for_that_may_have_taken_place_says_so_when_it_is_left_to_people() {
    let mut desk = desk(Idempotency::Keyed);
    desk.must(StartEffect { effect: EFFECT });
    finish(&mut desk, 1, uncertain());
    desk.operator_says(Some(Policy { reply_only_summoned: true, ..policy() }));
    desk.must(StartEffect { effect: EFFECT });
    let row = effect(&desk);
    assert_eq!(row.state, EffectState::Undecided);
    let problem = row.problem.unwrap();
    assert!(problem.contains("may have taken effect") && problem.contains("only where one was addressed"), "{problem}");
}

#[test]
fn a_reply_nobody_asked_for_cannot_be_repeated_while_the_policy_stands() {
    let summoned = || Some(Policy { reply_only_summoned: true, ..policy() });
    let repeat = || DecideEffect { effect: EFFECT, decision: EffectDecision::Repeat, by: "anna".into() };
    for is_queued_before in [false, true] {
        let mut desk = Desk::new();
        desk.says(1, 501, 601);
        if is_queued_before {
            desk.must(reply("a"));
            desk.operator_says(summoned());
            desk.must(StartEffect { effect: EFFECT });
        } else {
            desk.operator_says(summoned());
            desk.must(reply("a"));
        }
        assert_eq!(effect(&desk).state, EffectState::Undecided);
        let refusal = desk.try_to(repeat()).unwrap_err();
        assert!(matches!(refusal, Refusal::Forbidden(_)), "{refusal:?}");
        assert!(refusal.to_string().contains("answer by hand on the network, or give it up"), "{refusal}");
        desk.operator_says(None);
        desk.must(repeat());
        assert_eq!(effect(&desk).state, EffectState::Queued, "where it stands no more, it may be done");
        desk.operator_says(summoned());
        desk.must(StartEffect { effect: EFFECT });
        assert_eq!(effect(&desk).state, EffectState::Undecided, "and it is a person's again");
        desk.must(DecideEffect { decision: EffectDecision::GiveUp, ..repeat() });
        assert_eq!(effect(&desk).state, EffectState::Failed);
    }
}

#[test]
fn a_summoned_reply_that_may_have_taken_place_can_be_repeated_under_a_strict_policy() {
    let mut desk = Desk::with(Policy { reply_only_summoned: true, ..policy() }, Idempotency::Unsafe);
    let arrival = Arrival { summons: true, ..desk.arrival(1, 0, Change::Created, 501, 601) };
    desk.ingest(vec![arrival]);
    desk.must(reply("a"));
    desk.must(StartEffect { effect: EFFECT });
    finish(&mut desk, 1, uncertain());
    assert_eq!(effect(&desk).state, EffectState::Undecided);
    desk.must(DecideEffect { effect: EFFECT, decision: EffectDecision::Repeat, by: "anna".into() });
    desk.must(StartEffect { effect: EFFECT });
    assert_eq!(effect(&desk).state, EffectState::Started);
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

/// The platform shows something the company's account said: thing `native_id`, with this effect's key in it.
fn echo(desk: &mut Desk, native_id: u8, key: Option<&str>) -> Arrival {
    let arrival = desk.arrival(native_id, 0, Change::Created, 599, 601);
    Arrival { own: true, author: None, effect_key: key.map(str::to_owned), ..arrival }
}

fn shows(desk: &mut Desk, native_id: u8, key: Option<&str>) -> Vec<Event> {
    let arrival = echo(desk, native_id, key);
    desk.ingest(vec![arrival]).1
}

#[test]
fn an_echo_with_its_key_is_evidence_for_an_effect_whatever_was_known_of_it() {
    let to_started: fn(&mut Desk) = |desk| {
        desk.must(StartEffect { effect: EFFECT });
    };
    let to_unknown: fn(&mut Desk) = |desk| {
        desk.must(StartEffect { effect: EFFECT });
        finish(desk, 1, uncertain());
    };
    let to_undecided: fn(&mut Desk) = |desk| {
        desk.must(StartEffect { effect: EFFECT });
        finish(desk, 1, uncertain());
        finish(desk, 1, EffectOutcome::CannotTell);
    };
    let to_queued_again: fn(&mut Desk) = |desk| {
        desk.must(StartEffect { effect: EFFECT });
        let due_at = desk.now;
        finish(desk, 1, EffectOutcome::Postponed { due_at, setback: "the connection broke".into() });
    };
    let to_failed: fn(&mut Desk) = |desk| {
        desk.must(StartEffect { effect: EFFECT });
        finish(desk, 1, EffectOutcome::Failed("refused".into()));
    };
    let befores = [
        (EffectState::Started, to_started),
        (EffectState::Unknown, to_unknown),
        (EffectState::Undecided, to_undecided),
        (EffectState::Queued, to_queued_again),
        (EffectState::Failed, to_failed),
    ];
    for (state, before) in befores {
        let mut desk = desk(Idempotency::Findable);
        before(&mut desk);
        assert_eq!(effect(&desk).state, state);
        let events = shows(&mut desk, 9, Some("a"));
        let echo = Some(InteractionId(2));
        assert!(
            events.iter().any(|event| matches!(event, Event::EffectDone(done) if done.effect == EFFECT && done.echo == echo)),
            "{state:?}: {events:?}"
        );
        let row = effect(&desk);
        assert_eq!((row.state, row.echo), (EffectState::Done, echo), "it was {state:?}");
        assert_eq!((desk.count(&EFFECTS_DUE), desk.count(&EFFECTS_STARTED), desk.count(&EFFECTS_UNDECIDED)), (0, 0, 0), "it was {state:?}");
        assert!(desk.get(&CASES, &CaseId(1)).unwrap().first_answer_at.is_some(), "the case has its answer");
        desk.try_to(StartEffect { effect: EFFECT }).unwrap_err();
    }
}

#[test]
fn what_is_said_of_a_call_after_its_echo_changes_nothing() {
    let mut desk = desk(Idempotency::Findable);
    desk.must(StartEffect { effect: EFFECT });
    shows(&mut desk, 9, Some("a"));
    let done = effect(&desk);
    let late = EffectOutcome::Done { receipt: SubjectId(9), sealed: vec![7] };
    for outcome in [uncertain(), EffectOutcome::Absent, EffectOutcome::Failed("refused".into()), late] {
        let (_, events) = desk.must(FinishEffect { effect: EFFECT, attempt: 1, outcome });
        assert!(events.is_empty(), "{events:?}");
    }
    assert_eq!(effect(&desk), done);
}

#[test]
fn the_echo_of_an_effect_that_is_done_is_tied_to_it_by_its_receipt_in_either_order() {
    let receipt = || EffectOutcome::Done { receipt: SubjectId(9), sealed: vec![7] };
    let mut desk = desk(Idempotency::Findable);
    desk.must(StartEffect { effect: EFFECT });
    finish(&mut desk, 1, receipt());
    assert_eq!(effect(&desk).echo, None);
    let events = shows(&mut desk, 9, None);
    assert!(!events.iter().any(|event| matches!(event, Event::EffectDone(_))), "it was done before: {events:?}");
    assert_eq!(effect(&desk).echo, Some(InteractionId(2)));

    // A platform that tells the world before it answers the call.
    let mut desk = self::desk(Idempotency::Findable);
    desk.must(StartEffect { effect: EFFECT });
    shows(&mut desk, 9, None);
    assert_eq!(effect(&desk).state, EffectState::Started, "without a key or a receipt nobody knows what it is the echo of");
    finish(&mut desk, 1, receipt());
    assert_eq!(effect(&desk).echo, Some(InteractionId(2)));
}

#[test]
fn only_the_companys_own_account_on_the_effects_channel_is_believed() {
    let mut desk = desk(Idempotency::Findable);
    desk.must(StartEffect { effect: EFFECT });
    let quoted = echo(&mut desk, 9, Some("a"));
    let author = desk.arrival(8, 0, Change::Created, 502, 601).author;
    desk.ingest(vec![Arrival { own: false, author, ..quoted }]);
    shows(&mut desk, 10, Some("b"));
    assert_eq!(effect(&desk).state, EffectState::Started, "a customer who copies the key, or another key, is no evidence");
}

#[test]
fn an_echo_of_words_to_somebody_who_was_erased_is_withdrawn_at_once() {
    for key in [Some("a"), None] {
        let mut desk = Desk::new();
        desk.says(1, 501, 601);
        desk.must(QueueEffect { profile: Some(ProfileId(501)), ..reply("a") });
        desk.must(StartEffect { effect: EFFECT });
        if key.is_none() {
            finish(&mut desk, 1, EffectOutcome::Done { receipt: SubjectId(9), sealed: vec![7] });
        }
        desk.must(ErasePerson { person: PersonId(1), by: "anna".into() });
        shows(&mut desk, 9, key);
        assert_eq!(effect(&desk).state, EffectState::Done);
        let echo = desk.get(&INTERACTIONS, &InteractionId(2)).unwrap();
        assert!(echo.withdrawn && echo.sealed.is_empty(), "{echo:?}");
    }
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
fn an_effect_that_ends_before_its_turn_is_passed_over() {
    let mut desk = desk(Idempotency::Findable);
    for key in ["b", "c", "d"] {
        desk.must(reply(key));
    }
    shows(&mut desk, 9, Some("b"));
    shows(&mut desk, 10, Some("d"));
    for id in [1, 3] {
        desk.must(StartEffect { effect: EffectId(id) });
        desk.must(FinishEffect { effect: EffectId(id), attempt: 1, outcome: EffectOutcome::Failed("refused".into()) });
    }
    assert_eq!((desk.count(&EFFECTS_DUE), desk.count(&LANES)), (0, 0));
    desk.must(reply("e"));
    desk.must(StartEffect { effect: EffectId(5) });
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
        answers: None,
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
