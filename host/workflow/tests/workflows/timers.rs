//! Timers: neither early nor twice, nor gone.

use sportello_core::commands::SetCaseState;
use sportello_core::domain::case::{CASES, CaseState};
use sportello_core::time::Timestamp;
use sportello_workflow::run::RunId;

use crate::tenant::{Tenant, replay};

#[test]
fn a_timer_fires_neither_early_nor_twice() {
    let mut tenant = Tenant::new();
    tenant.define("{name: slow, on: case.opened, steps: [{wait: 10m}, {priority: 10}, {wait: 1h}, {priority: 20}]}");
    let started_at = tenant.now;
    let case = tenant.say(1, 10);
    assert_eq!(tenant.timers(), [(started_at.plus_ms(600_000), RunId(1), 1)]);
    tenant.wait_ms(599_999);
    let refusal = tenant.fire(1, 1).expect_err("a millisecond early");
    assert!(refusal.to_string().contains("in 1 ms"), "{refusal}");
    tenant.wait_ms(1);
    tenant.fire(1, 1).expect("on time");
    assert_eq!(CASES.get(&tenant.rows, &case).expect("a case").priority, 10);
    tenant.wait_minutes(120);
    tenant.fire(1, 1).expect_err("twice");
    assert_eq!(CASES.get(&tenant.rows, &case).expect("a case").priority, 10, "the second wait is the third visit's");
    tenant.fire(1, 3).expect("the second timer, late but there");
    assert_eq!(CASES.get(&tenant.rows, &case).expect("a case").priority, 20);
    assert!(tenant.timers().is_empty());
}

#[test]
fn a_timer_survives_a_crash() {
    let mut tenant = Tenant::new();
    tenant.define("{name: slow, on: case.opened, steps: [{wait: 10m}, {priority: 10}]}");
    tenant.say(1, 10);
    let timers = tenant.timers();
    tenant.rows = replay(&tenant.records);
    assert_eq!(tenant.timers(), timers);
    tenant.wait_minutes(10);
    tenant.fire(1, 1).expect("fired");
}

#[test]
fn timers_are_listed_in_the_order_they_are_due() {
    let mut tenant = Tenant::new();
    tenant.define("{name: slow, on: case.opened, steps: [{wait: 2h}]}");
    tenant.define("{name: quick, on: case.opened, steps: [{wait: 1m}]}");
    tenant.say(1, 10);
    let due: Vec<Timestamp> = tenant.timers().iter().map(|(due_at, _, _)| *due_at).collect();
    assert_eq!(due, [tenant.now.plus_ms(60_000), tenant.now.plus_ms(7_200_000)]);
}

#[test]
fn what_a_wait_waits_for_ends_it_early() {
    for (unless, expected) in [("case.answered", 0), ("interaction.received", 1), ("case.resolved", 2)] {
        let mut tenant = Tenant::new();
        tenant.define(&format!("{{name: w, on: case.opened, steps: [{{wait: {{for: 1d, unless: {unless}}}}}, {{priority: 10}}]}}"));
        let case = tenant.say(1, 10);
        let acts: [&dyn Fn(&mut Tenant); 3] = [
            &|tenant| tenant.say_ourselves(10),
            &|tenant| {
                tenant.say(1, 10);
            },
            &|tenant| {
                tenant.submit(SetCaseState { case, to: CaseState::Resolved }).expect("resolved");
            },
        ];
        for (index, act) in acts.iter().enumerate() {
            let mut other = tenant.clone();
            act(&mut other);
            let ended = CASES.get(&other.rows, &case).expect("a case").priority == 10;
            assert_eq!(ended, index == expected, "{unless} and act {index}");
            assert_eq!(other.timers().is_empty(), ended, "an ended wait leaves no timer");
        }
    }
}

#[test]
fn a_wait_for_what_is_so_already_is_over_at_once() {
    let mut tenant = Tenant::new();
    let case = tenant.say(1, 10);
    tenant.say_ourselves(10);
    tenant.define("{name: w, on: case.assigned, steps: [{wait: {for: 1d, unless: case.answered}}, {priority: 10}]}");
    tenant.submit(sportello_core::commands::AssignCase { case, owner: Some("anna".to_owned()) }).expect("assigned");
    assert!(tenant.last_words().contains(&"timer.ended"));
    assert_eq!(CASES.get(&tenant.rows, &case).expect("a case").priority, 10);
}

#[test]
fn the_interaction_that_starts_a_run_does_not_end_its_wait() {
    let mut tenant = Tenant::new();
    tenant.define("{name: w, on: interaction.received, steps: [{wait: {for: 1d, unless: interaction.received}}, {priority: 10}]}");
    let case = tenant.say(1, 10);
    assert_eq!(tenant.timers().len(), 1);
    tenant.say(1, 10);
    assert_eq!(CASES.get(&tenant.rows, &case).expect("a case").priority, 10, "the next one does");
    assert_eq!(tenant.timers().len(), 1, "and starts a run of its own");
}
