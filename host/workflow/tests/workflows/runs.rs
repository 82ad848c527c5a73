//! Runs: pinned to a definition, asking outside, ending visibly.

use sportello_core::commands::{AnswerLookUps, SetCaseState};
use sportello_core::domain::case::{CASES, CaseState};
use sportello_core::domain::profile::PROFILES;
use sportello_core::ids::ProfileId;
use sportello_workflow::commands::{Answer, CancelRun, RetireWorkflow};
use sportello_workflow::run::{Ending, RUNS, RunId, Waiting};
use sportello_workflow::{Event, Question, question_of};

use crate::tenant::Tenant;

#[test]
fn a_run_keeps_the_definition_it_started_with() {
    let mut tenant = Tenant::new();
    let first = tenant.define("{name: greet, on: case.opened, steps: [{wait: 10m}, {priority: 10}]}");
    let old_case = tenant.say(1, 10);
    let second = tenant.define("{name: greet, on: case.opened, steps: [{priority: 20}]}");
    assert_ne!(first, second);
    let new_case = tenant.say(2, 20);
    tenant.wait_minutes(10);
    tenant.fire(1, 1).expect("fired");
    assert_eq!(CASES.get(&tenant.rows, &old_case).expect("a case").priority, 10, "the run that was under way did as it had begun");
    assert_eq!(CASES.get(&tenant.rows, &new_case).expect("a case").priority, 20, "the new one did as defined anew");
    assert_eq!((tenant.run(1).hash, tenant.run(2).hash), (first, second));
}

#[test]
fn a_retired_workflow_starts_nothing_and_lets_runs_finish() {
    let mut tenant = Tenant::new();
    let source = "{name: greet, on: case.opened, steps: [{wait: 10m}, {priority: 10}]}";
    tenant.define(source);
    let case = tenant.say(1, 10);
    tenant.submit(RetireWorkflow { name: "greet".to_owned() }).expect("retired");
    tenant.say(2, 20);
    assert!(RUNS.get(&tenant.rows, &RunId(2)).is_none(), "no new run");
    tenant.wait_minutes(10);
    tenant.fire(1, 1).expect("fired");
    assert_eq!(CASES.get(&tenant.rows, &case).expect("a case").priority, 10);
    tenant.define(source);
    tenant.say(3, 30);
    assert!(tenant.run(2).is_live(), "defining it again brings it back");
}

#[test]
fn where_there_is_no_crm_the_first_words_start_what_follows_a_look_up() {
    let mut tenant = Tenant::without_crm();
    tenant.define("{name: greet, on: profile.looked-up, steps: [{priority: 10}]}");
    let case = tenant.say(1, 10);
    assert_eq!(CASES.get(&tenant.rows, &case).expect("a case").priority, 10);
    assert!(RUNS.get(&tenant.rows, &RunId(2)).is_none(), "once");
}

#[test]
fn the_same_definition_again_changes_nothing() {
    let mut tenant = Tenant::new();
    let source = "{name: greet, on: case.opened, steps: [{priority: 10}]}";
    tenant.define(source);
    let before = tenant.records.len();
    tenant.define(source);
    assert_eq!(tenant.records.len(), before);
}

#[test]
fn conditions_are_asked_outside_and_answered_once() {
    let mut tenant = Tenant::new();
    tenant.define("{name: sort, on: case.opened, steps: [{if: person.customer, then: [{priority: 80}], else: [{priority: 20}]}]}");
    let (yes, no) = (tenant.say(1, 10), tenant.say(2, 20));
    assert_eq!(tenant.asked(), [(RunId(1), 1), (RunId(2), 1)]);
    let asked = question_of(&tenant.rows, RunId(1), 1).expect("it asks");
    assert_eq!(asked.question, Question::Condition("person.customer".to_owned()));
    assert_eq!((asked.case, asked.step.as_str(), asked.workflow.as_str()), (yes, "1-if", "sort"));
    assert!(asked.interaction.is_some(), "the question says about which interaction");
    tenant.answer(1, 1, Answer::Condition(true)).expect("answered");
    tenant.answer(2, 1, Answer::Condition(false)).expect("answered");
    assert_eq!(CASES.get(&tenant.rows, &yes).expect("a case").priority, 80);
    assert_eq!(CASES.get(&tenant.rows, &no).expect("a case").priority, 20);
    assert!(tenant.asked().is_empty());
    tenant.answer(1, 1, Answer::Condition(false)).expect_err("an answer to what is no longer asked is refused");
    assert!(question_of(&tenant.rows, RunId(1), 1).is_none());
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let mut tenant = Tenant::new();
    tenant.define("{name: sort, on: case.opened, steps: [{if: person.customer, then: [{priority: 80}]}]}");
    tenant.say(1, 10);
    tenant.answer_words(1, 1).expect_err("words are no yes or no");
    tenant.answer(1, 2, Answer::Condition(true)).expect_err("not this visit");
    tenant.answer(9, 1, Answer::Condition(true)).expect_err("no such run");
    assert_eq!(tenant.asked(), [(RunId(1), 1)], "it still asks");
}

#[test]
fn a_run_whose_when_does_not_hold_leaves_events_and_no_rows() {
    let mut tenant = Tenant::new();
    tenant.define("{name: vip, on: case.opened, when: person.customer, steps: [{priority: 90}]}");
    let case = tenant.say(1, 10);
    tenant.answer(1, 1, Answer::Condition(false)).expect("answered");
    assert_eq!(tenant.last_words(), ["step.condition", "run.ended"]);
    assert!(RUNS.get(&tenant.rows, &RunId(1)).is_none());
    assert_eq!(CASES.get(&tenant.rows, &case).expect("a case").priority, 0);
    tenant.say(2, 20);
    tenant.answer(2, 1, Answer::Condition(true)).expect("the number was not given out again");
    assert!(matches!(tenant.run(2).waiting, Waiting::Ended { ending: Ending::Completed, .. }));
}

#[test]
fn a_question_without_answer_fails_the_run_visibly() {
    let mut tenant = Tenant::new();
    tenant.define("{name: vip, on: case.opened, when: person.customer, steps: [{priority: 90}]}");
    tenant.say(1, 10);
    tenant.answer(1, 1, Answer::Failed("à".repeat(1_000))).expect("taken");
    let Waiting::Ended { ending: Ending::Failed { step, problem }, .. } = tenant.run(1).waiting else { panic!("it failed") };
    assert_eq!(step, "when");
    assert!(problem.len() <= sportello_workflow::limits::PROBLEM_BYTES_MAX);
}

#[test]
fn a_run_can_be_cancelled_once() {
    let mut tenant = Tenant::new();
    tenant.define("{name: slow, on: case.opened, steps: [{wait: 10m}, {priority: 10}]}");
    let case = tenant.say(1, 10);
    let cancel = CancelRun { run: RunId(1), by: "anna".to_owned() };
    tenant.submit(cancel.clone()).expect("cancelled");
    tenant.submit(cancel).expect_err("it has ended");
    assert!(tenant.timers().is_empty(), "its timer is gone");
    tenant.wait_minutes(20);
    tenant.fire(1, 1).expect_err("nothing to fire");
    assert_eq!(CASES.get(&tenant.rows, &case).expect("a case").priority, 0);
}

#[test]
fn recognising_somebody_later_starts_a_run_about_their_case() {
    let mut tenant = Tenant::new();
    tenant.define("{name: known, on: link.made, steps: [{priority: 60}]}");
    tenant.define("{name: new, on: profile.looked-up, steps: [{priority: 30}]}");
    let (customer, prospect) = (tenant.say(1, 10), tenant.say(2, 20));
    tenant.recognise(1);
    let asked = PROFILES.get(&tenant.rows, &ProfileId(2)).expect("a profile").identifiers;
    tenant.submit(AnswerLookUps { asked: vec![(ProfileId(2), asked)] }).expect("answered");
    assert_eq!(CASES.get(&tenant.rows, &customer).expect("a case").priority, 60);
    assert_eq!(CASES.get(&tenant.rows, &prospect).expect("a case").priority, 30);
}

#[test]
fn each_trigger_starts_what_is_defined_for_it() {
    let mut tenant = Tenant::new();
    for (name, trigger) in [
        ("a", "case.opened"),
        ("b", "interaction.received"),
        ("c", "case.assigned"),
        ("d", "case.answered"),
        ("e", "case.resolved"),
        ("f", "case.reopened"),
        ("g", "case.state-changed"),
    ] {
        tenant.define(&format!("{{name: {name}, on: {trigger}, steps: [stop]}}"));
    }
    let mut seen = 0;
    let mut started = |tenant: &Tenant| {
        let all: Vec<String> = tenant
            .workflow_events()
            .into_iter()
            .filter_map(|event| if let Event::RunStarted(event) = event { Some(event.workflow) } else { None })
            .collect();
        let new = all[seen..].join("");
        seen = all.len();
        new
    };
    let case = tenant.say(1, 10);
    assert_eq!(started(&tenant), "ba", "the interaction comes first, and has its case all the same");
    tenant.submit(sportello_core::commands::AssignCase { case, owner: Some("anna".to_owned()) }).expect("assigned");
    assert_eq!(started(&tenant), "cg");
    tenant.say_ourselves(10);
    assert_eq!(started(&tenant), "d", "our own words start nothing but what follows from an answer");
    tenant.submit(SetCaseState { case, to: CaseState::Resolved }).expect("resolved");
    assert_eq!(started(&tenant), "eg");
    tenant.say(1, 10);
    assert_eq!(started(&tenant), "bfg");
}
