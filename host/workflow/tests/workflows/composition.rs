//! What follows from an event lies in the event's own record, and never refuses it.

use sportello_core::commands::{AssignCase, SetCaseState};
use sportello_core::domain::case::{CASES, CaseState};
use sportello_workflow::Event;
use sportello_workflow::run::{Ending, Waiting};

use crate::tenant::{Tenant, events_of};

#[test]
fn what_follows_from_an_event_lies_in_its_record() {
    let mut tenant = Tenant::new();
    tenant.define("{name: sort, on: case.opened, steps: [{assign: second-line}, {priority: 70}, {state: waiting}]}");
    let before = tenant.records.len();
    let case = tenant.say(1, 10);
    assert_eq!(tenant.records.len(), before + 1, "one command, one record");
    let words = tenant.last_words();
    for word in ["case.opened", "run.started", "case.assigned", "case.prioritised", "case.state-changed", "run.ended"] {
        assert!(words.contains(&word), "{word} is missing in {words:?}");
    }
    let row = CASES.get(&tenant.rows, &case).expect("the case");
    assert_eq!((row.owner.as_deref(), row.priority, row.state), (Some("second-line"), 70, CaseState::Waiting));
    assert!(matches!(tenant.run(1).waiting, Waiting::Ended { ending: Ending::Completed, .. }));
}

#[test]
fn a_refused_step_never_refuses_its_cause() {
    let mut tenant = Tenant::new();
    let case = tenant.say(1, 10);
    // A resolved case takes no owner.
    tenant.define("{name: too-late, on: case.resolved, steps: [{assign: second-line}, {priority: 99}]}");
    tenant.submit(SetCaseState { case, to: CaseState::Resolved }).expect("the cause is carried out");
    let row = CASES.get(&tenant.rows, &case).expect("the case");
    assert_eq!((row.state, row.owner, row.priority), (CaseState::Resolved, None, 0), "the step left nothing behind");
    let words = tenant.last_words();
    assert!(words.contains(&"step.refused") && words.contains(&"run.ended"), "the refusal is on record: {words:?}");
    let Waiting::Ended { ending: Ending::Failed { step, problem }, .. } = tenant.run(1).waiting else { panic!("it failed visibly") };
    assert_eq!(step, "1-assign");
    assert!(problem.contains("reopen it first"), "the problem says what to do: {problem}");
}

#[test]
fn a_refused_step_that_may_fail_lets_the_run_go_on() {
    let mut tenant = Tenant::new();
    let case = tenant.say(1, 10);
    tenant.define("{name: late, on: case.resolved, steps: [{assign: second-line, may-fail: true}, {priority: 99}]}");
    tenant.submit(SetCaseState { case, to: CaseState::Resolved }).expect("resolved");
    assert_eq!(CASES.get(&tenant.rows, &case).expect("the case").priority, 99);
    assert!(matches!(tenant.run(1).waiting, Waiting::Ended { ending: Ending::Completed, .. }));
}

#[test]
fn a_runs_step_can_start_another_workflow_in_the_same_record() {
    let mut tenant = Tenant::new();
    tenant.define("{name: a, on: case.opened, steps: [{assign: second-line}]}");
    tenant.define("{name: b, on: case.assigned, steps: [{priority: 5}]}");
    let case = tenant.say(1, 10);
    assert_eq!(CASES.get(&tenant.rows, &case).expect("the case").priority, 5);
    let started = tenant.workflow_events().iter().filter(|event| matches!(event, Event::RunStarted(_))).count();
    assert_eq!(started, 2);
}

#[test]
fn workflows_that_wake_each_other_come_to_an_end() {
    let mut tenant = Tenant::new();
    tenant.define("{name: ping, on: case.state-changed, steps: [{state: waiting, may-fail: true}]}");
    tenant.define("{name: pong, on: case.state-changed, steps: [{state: resolved, may-fail: true}, {state: open, may-fail: true}]}");
    let case = tenant.say(1, 10);
    tenant.submit(SetCaseState { case, to: CaseState::Waiting }).expect("the cause is carried out");
    let words = tenant.last_words();
    assert!(words.contains(&"run.held-back"), "holding back is on record");
    assert!(words.len() < 1_000, "{} events follow from one", words.len());
    assert!(words.iter().filter(|word| **word == "run.held-back").count() <= 4, "it is said once per workflow, not once per start");
    // A minute later they are let start again.
    tenant.wait_minutes(2);
    tenant.submit(AssignCase { case, owner: Some("anna".to_owned()) }).expect("assigned");
    assert!(tenant.last_words().contains(&"run.started"));
}

#[test]
fn only_the_named_channels_start_a_workflow() {
    let mut tenant = Tenant::new();
    tenant.define("{name: elsewhere, on: case.opened, channels: [town-page], steps: [{priority: 1}]}");
    tenant.define("{name: here, on: case.opened, channels: [town-page, desk], steps: [{priority: 2}]}");
    let case = tenant.say(1, 10);
    assert_eq!(CASES.get(&tenant.rows, &case).expect("the case").priority, 2);
    let events = events_of(tenant.records.last().expect("a record"));
    assert_eq!(events.iter().filter(|event| event.word() == "run.started").count(), 1);
}
