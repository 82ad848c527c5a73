//! Every limit holds, and says so.

use sportello_core::ids::Digest;
use sportello_workflow::commands::DefineWorkflow;
use sportello_workflow::limits::{
    INSTRUCTIONS_MAX, LIVE_RUNS_PER_CASE_MAX, NESTING_MAX, RUNS_PER_EVENT_MAX, SOURCE_BYTES_MAX, STARTS_PER_WINDOW_MAX,
};
use sportello_workflow::plan::{Action, Instruction, Plan, Trigger};
use sportello_workflow::run::RUNS_OF_CASE;
use sportello_workflow::{Event, check};

use crate::tenant::Tenant;

fn problem_of(source: &str) -> String {
    check(source, "t.yaml").expect_err("it is refused").iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_event_starts_a_limited_number_of_runs() {
    let mut tenant = Tenant::new();
    for number in 0..RUNS_PER_EVENT_MAX + 4 {
        tenant.define(&format!("{{name: w{number}, on: case.opened, steps: [stop]}}"));
    }
    tenant.say(1, 10);
    let words = tenant.last_words();
    assert_eq!(words.iter().filter(|word| **word == "run.started").count(), RUNS_PER_EVENT_MAX);
    assert_eq!(words.iter().filter(|word| **word == "run.held-back").count(), 4);
}

#[test]
fn a_flood_in_one_conversation_starts_a_limited_number_of_runs() {
    let mut tenant = Tenant::new();
    tenant.define("{name: w, on: interaction.received, steps: [stop]}");
    let arrivals = (0..1_000).map(|_| tenant.arrival(1, 10, false)).collect();
    tenant.ingest(arrivals);
    let started = tenant.workflow_events().iter().filter(|event| matches!(event, Event::RunStarted(_))).count();
    assert_eq!(started, STARTS_PER_WINDOW_MAX as usize);
    assert_eq!(tenant.last_words().iter().filter(|word| **word == "run.held-back").count(), 1, "said once");
}

#[test]
fn a_case_has_a_limited_number_of_runs_under_way() {
    let mut tenant = Tenant::new();
    tenant.define("{name: w, on: interaction.received, steps: [{wait: 10d}]}");
    let case = tenant.say(1, 10);
    for _ in 0..LIVE_RUNS_PER_CASE_MAX + 20 {
        tenant.wait_ms(5_000);
        tenant.say(1, 10);
    }
    assert_eq!(RUNS_OF_CASE.get(&tenant.rows, &case).expect("runs").live.len(), LIVE_RUNS_PER_CASE_MAX);
}

#[test]
fn definitions_are_limited_in_size_steps_and_nesting() {
    let head = "name: w\non: case.opened\nsteps:\n";
    let long = format!("{head}  - stop\n# {}", "x".repeat(SOURCE_BYTES_MAX));
    assert!(problem_of(&long).contains("bytes long"));
    let many = format!("{head}{}", "  - priority: 1\n".repeat(INSTRUCTIONS_MAX + 1));
    assert!(problem_of(&many).contains("make two workflows"));
    let enough = format!("{head}{}", "  - priority: 1\n".repeat(INSTRUCTIONS_MAX));
    check(&enough, "t.yaml").expect("as many as there can be");
    let nested = |depth: usize| {
        let mut steps = "[stop]".to_owned();
        for _ in 1..depth {
            steps = format!("[{{if: person.customer, then: {steps}}}]");
        }
        format!("name: w\non: case.opened\nsteps: {steps}\n")
    };
    check(&nested(NESTING_MAX), "t.yaml").expect("as deep as it can be");
    assert!(problem_of(&nested(NESTING_MAX + 1)).contains("nested more than"));
    // Far deeper than any parser's stack.
    check(&nested(2_000), "t.yaml").expect_err("refused");
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\n\
                d: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e]\n";
    check(bomb, "t.yaml").expect_err("refused");
}

#[test]
fn a_plan_that_jumps_backwards_is_refused_by_the_writer_too() {
    let mut tenant = Tenant::new();
    let instruction = |action| Instruction { step: "s".to_owned(), may_fail: false, action };
    for to in [0, 1, 3] {
        let instructions = vec![instruction(Action::Priority { priority: 1 }), instruction(Action::Jump { to })];
        let plan = Plan { trigger: Trigger::CaseOpened, channels: Vec::new(), when: None, instructions };
        let command = DefineWorkflow { name: "loop".to_owned(), hash: Digest([1; 32]), source: String::new(), plan };
        tenant.submit(command).expect_err("it would never end, or end nowhere");
    }
}
