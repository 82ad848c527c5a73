//! Effects of runs: keys from who asks, retries only of what failed for certain.

use sportello_core::commands::{Accepted, DecideEffect, EffectDecision, EffectOutcome, FinishEffect, StartEffect};
use sportello_core::domain::channel::Idempotency;
use sportello_core::domain::effect::{AskedBy, EFFECTS, EFFECTS_BY_KEY, Effect};
use sportello_core::ids::{EffectId, SubjectId};
use sportello_workflow::run::{Ending, RunId, Waiting};

use crate::tenant::{CHANNEL, CRM, Tenant, channel};

const REPLY: &str = "{name: r, on: case.opened, steps: [{name: greet, reply: hello, retry: {attempts: 3, every: 5m}}, {priority: 10}]}";

fn effect(tenant: &Tenant, id: u64) -> Effect {
    EFFECTS.get(&tenant.rows, &EffectId(id)).unwrap_or_else(|| panic!("there is no effect {id}"))
}

fn finish(tenant: &mut Tenant, id: u64, outcome: EffectOutcome) {
    tenant.submit(StartEffect { effect: EffectId(id) }).expect("started");
    tenant.submit(FinishEffect { effect: EffectId(id), attempt: 1, outcome }).expect("finished");
}

fn failed() -> EffectOutcome {
    EffectOutcome::Failed("the page is gone".into())
}

fn ending(tenant: &Tenant, run: u64) -> Option<Ending> {
    match tenant.run(run).waiting {
        Waiting::Ended { ending, .. } => Some(ending),
        _ => None,
    }
}

#[test]
fn a_reply_goes_where_the_case_is_and_the_run_waits_for_its_end() {
    let mut tenant = Tenant::new();
    tenant.define(REPLY);
    let case = tenant.say(1, 10);
    tenant.answer_words(1, 1).expect("answered");
    let queued = effect(&tenant, 1);
    assert_eq!((queued.channel, queued.action.as_str(), queued.case), (channel(CHANNEL), "reply", Some(case)));
    assert_eq!(queued.asked_by, AskedBy::Run { run: 1, step: "greet".to_owned() });
    assert_eq!(tenant.run(1).waiting, Waiting::Effect { effect: EffectId(1) });
    finish(&mut tenant, 1, EffectOutcome::Done { receipt: SubjectId(1), sealed: vec![1] });
    assert!(tenant.last_words().starts_with(&["effect.done", "case.answered", "step.done"]), "{:?}", tenant.last_words());
    assert_eq!(ending(&tenant, 1), Some(Ending::Completed));
}

#[test]
fn an_effects_key_says_who_asks_and_never_what_for() {
    let mut tenant = Tenant::new();
    tenant.define(REPLY);
    tenant.say(1, 10);
    tenant.say(2, 20);
    // The same sealed words for both.
    tenant.answer_words(1, 1).expect("answered");
    tenant.answer_words(2, 1).expect("answered");
    assert_eq!(effect(&tenant, 1).sealed, effect(&tenant, 2).sealed);
    assert_eq!(effect(&tenant, 1).key, "run-1-1");
    assert_eq!(effect(&tenant, 2).key, "run-2-1", "equal words are two effects");
    tenant.answer_words(1, 1).expect_err("one visit is one effect");
    assert_eq!(EFFECTS_BY_KEY.get(&tenant.rows, &"run-1-1".to_owned()), Some(EffectId(1)));
}

#[test]
fn what_failed_for_certain_is_asked_for_again_under_a_new_key() {
    let mut tenant = Tenant::new();
    tenant.define(REPLY);
    tenant.say(1, 10);
    for (attempt, visit) in [(1, 1), (2, 2), (3, 3)] {
        tenant.answer_words(1, visit).expect("answered");
        assert_eq!(effect(&tenant, attempt).key, format!("run-1-{visit}"));
        finish(&mut tenant, attempt, failed());
        if attempt < 3 {
            assert_eq!(tenant.timers(), [(tenant.now.plus_ms(300_000), RunId(1), visit)]);
            tenant.fire(1, visit).expect_err("not before its time");
            tenant.wait_minutes(5);
            tenant.fire(1, visit).expect("fired");
        }
    }
    let problem = "the page is gone".to_owned();
    assert_eq!(ending(&tenant, 1), Some(Ending::Failed { step: "greet".to_owned(), problem }), "three attempts and no more");
}

#[test]
fn what_somebody_leaves_is_never_asked_for_again() {
    let mut tenant = Tenant::new();
    tenant.define(REPLY);
    tenant.say(1, 10);
    tenant.answer_words(1, 1).expect("answered");
    assert_eq!(effect(&tenant, 1).idempotency, Idempotency::Keyed);
    tenant.submit(StartEffect { effect: EffectId(1) }).expect("started");
    tenant.submit(FinishEffect { effect: EffectId(1), attempt: 1, outcome: EffectOutcome::Uncertain("time-out".into()) }).expect("unknown");
    tenant.submit(StartEffect { effect: EffectId(1) }).expect("repeated, as its key allows");
    tenant.submit(FinishEffect { effect: EffectId(1), attempt: 2, outcome: failed() }).expect("refused, and the first may have arrived");
    assert!(tenant.run(1).is_live(), "it may have taken place: a person decides");
    let decide = DecideEffect { effect: EffectId(1), decision: EffectDecision::GiveUp, by: "anna".to_owned() };
    tenant.submit(decide).expect("decided");
    assert!(tenant.timers().is_empty(), "no retry: it may have taken place");
    assert!(matches!(ending(&tenant, 1), Some(Ending::Failed { .. })));
}

#[test]
fn a_channel_that_cannot_reply_fails_the_run_and_refuses_nothing() {
    let mut tenant = Tenant::new();
    tenant.define("{name: r, on: case.opened, steps: [{reply: hello, may-fail: true}, {reply: again}]}");
    tenant.say(1, 10);
    let mut grant =
        sportello_core::domain::channel::CHANNELS.get(&tenant.rows, &channel(CHANNEL)).and_then(|row| row.grant).expect("granted");
    grant.actions.clear();
    tenant.submit(sportello_core::commands::GrantConnector { channel: channel(CHANNEL), grant }).expect("granted");
    assert_eq!(tenant.answer_words(1, 1).expect("the answer is taken"), Accepted::Done);
    assert!(tenant.last_words().starts_with(&["step.refused", "step.asked"]), "{:?}", tenant.last_words());
    tenant.answer_words(1, 2).expect("the answer is taken");
    assert!(matches!(ending(&tenant, 1), Some(Ending::Failed { problem, .. }) if problem.contains("cannot \"reply\"")));
}

#[test]
fn an_activity_needs_a_linked_contact_and_is_left_out_visibly_without() {
    let source = "{name: a, on: case.assigned, steps: [{activity: {subject: s, text: t}}, {priority: 10}]}";
    let mut tenant = Tenant::new();
    tenant.define(source);
    let (stranger, customer) = (tenant.say(1, 10), tenant.say(2, 20));
    tenant.recognise(2);
    for case in [stranger, customer] {
        tenant.submit(sportello_core::commands::AssignCase { case, owner: Some("anna".to_owned()) }).expect("assigned");
    }
    assert_eq!(ending(&tenant, 1), Some(Ending::Completed), "the rest was done");
    assert!(tenant.workflow_events().iter().any(|event| event.word() == "step.skipped"));
    tenant.answer_words(2, 1).expect("answered");
    let queued = effect(&tenant, 1);
    assert_eq!((queued.channel, queued.action.as_str()), (channel(CRM), "activity"));
    assert_eq!(queued.contact, Some(sportello_core::ids::ContactId(502)));
}

#[test]
fn an_activity_goes_only_into_the_crm_it_names() {
    let mut tenant = Tenant::new();
    tenant.define("{name: a, on: case.assigned, steps: [{activity: {crm: other-crm, subject: s, text: t}}]}");
    let case = tenant.say(1, 10);
    tenant.recognise(1);
    tenant.submit(sportello_core::commands::AssignCase { case, owner: Some("anna".to_owned()) }).expect("assigned");
    assert!(tenant.last_words().contains(&"step.skipped"));
}
