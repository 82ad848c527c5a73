//! Every limit holds, and says so.

use sportello_core::ids::Digest;
use sportello_core::tables::Tables;
use sportello_workflow::commands::{DefineWorkflow, RetireWorkflow};
use sportello_workflow::limits::{
    CHANNELS_MAX, EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, INSTRUCTIONS_MAX, LANGUAGES_MAX, LIVE_RUNS_PER_CASE_MAX, NAME_BYTES_MAX,
    NESTING_MAX, PROBLEMS_MAX, RETRY_ATTEMPTS_MAX, RUNS_PER_EVENT_MAX, SOURCE_BYTES_MAX, STARTS_PER_WINDOW_MAX, TEXT_BYTES_MAX, VISITS_MAX,
    WORKFLOWS_PER_TRIGGER_MAX,
};
use sportello_workflow::plan::{Action, Instruction, Plan, Trigger};
use sportello_workflow::run::{Ending, RUNS, RUNS_OF_CASE, RunId};
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

/// What is taken, and one more of it, which is refused with these words.
fn one_beyond(of: impl Fn(usize) -> String, most: usize, refusal: &str) {
    if let Err(problems) = check(&of(most), "t.yaml") {
        panic!("{most} are refused: {problems:?}");
    }
    let problem = problem_of(&of(most + 1));
    assert!(problem.contains(refusal), "{problem}");
}

#[test]
fn one_more_than_a_definition_may_have_of_anything_is_refused() {
    let step = |step: &str| format!("{{name: w, on: case.opened, steps: [{step}]}}");
    let when = |when: &str| format!("name: w\non: case.opened\nwhen: '{when}'\nsteps: [stop]\n");
    let listed = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
    let language = |number: usize| format!("{}{}: x", char::from(b'a' + (number / 26) as u8), char::from(b'a' + (number % 26) as u8));

    one_beyond(|bytes| format!("{{name: {}, on: case.opened, steps: [stop]}}", "w".repeat(bytes)), NAME_BYTES_MAX, "w");
    let channels = |count: usize| listed(count, &|number| format!("c-{number}"));
    one_beyond(
        |count| format!("{{name: w, on: case.opened, channels: [{}], steps: [stop]}}", channels(count)),
        CHANNELS_MAX,
        "at most 64 can be",
    );
    one_beyond(|bytes| step(&format!("{{assign: {}}}", "o".repeat(bytes))), NAME_BYTES_MAX, "1 to 64 bytes");
    one_beyond(|hours| step(&format!("{{wait: {hours}h}}")), 366 * 24, "a run can wait");
    one_beyond(
        |attempts| step(&format!("{{reply: x, retry: {{attempts: {attempts}, every: 1m}}}}")),
        RETRY_ATTEMPTS_MAX as usize,
        "from 1 to 10",
    );
    one_beyond(|minutes| step(&format!("{{reply: x, retry: {{attempts: 2, every: {minutes}m}}}}")), 24 * 60, "a retry follows after");
    one_beyond(|count| step(&format!("{{reply: {{{}}}}}", listed(count, &language))), LANGUAGES_MAX, "in 1 to 32 languages");
    one_beyond(|bytes| step(&format!("{{reply: {}}}", "x".repeat(bytes))), TEXT_BYTES_MAX, "longer than 8192 bytes");
    let written = r#"case.owner == """#.len();
    one_beyond(|bytes| when(&format!("case.owner == \"{}\"", "x".repeat(bytes - written))), EXPRESSION_BYTES_MAX, "at most 1024 are taken");
    one_beyond(|bytes| when(&format!("interaction.text.matches(\"{}\")", "x".repeat(bytes))), 256, "at most 256 bytes");

    let wrong = step(&vec!["{nothing: 1}"; PROBLEMS_MAX + 1].join(", "));
    assert_eq!(check(&wrong, "t.yaml").expect_err("it is refused").len(), PROBLEMS_MAX);
}

#[test]
fn an_expression_is_nested_no_deeper_than_its_evaluation_can_stand() {
    let when = |when: &str| format!("name: w\non: case.opened\nwhen: '{when}'\nsteps: [stop]\n");
    let nested = |begin: &str, end: &str, depth: usize| when(&format!("{}person.customer{}", begin.repeat(depth), end.repeat(depth)));
    // Of each way to nest: a little is taken, more than the limit is refused in words, and so is as much as an expression has bytes for.
    for (begin, end) in [("(", ")"), ("!", ""), ("true ? true : ", ""), ("[", "].size() == 1"), ("false || (", ")")] {
        check(&nested(begin, end, 1), "t.yaml").unwrap_or_else(|problems| panic!("{begin}: {problems:?}"));
    }
    for (begin, end) in [("(", ")"), ("[", "]"), ("false || (", ")"), ("size([", "])"), ("{\"a\": ", "}")] {
        for depth in [EXPRESSION_DEPTH_MAX + 1, EXPRESSION_BYTES_MAX / (begin.len() + end.len()) - 20] {
            check(&nested(begin, end, depth), "t.yaml").expect_err(begin);
        }
    }
    // A tree that is deep without brackets: every operator adds to it.
    let added = |count: usize| when(&format!("1{} == 7", " + 1".repeat(count)));
    check(&added(EXPRESSION_DEPTH_MAX / 2), "t.yaml").expect("it is not deep");
    assert!(problem_of(&added(EXPRESSION_DEPTH_MAX * 2)).contains("nested more than"));
}

#[test]
fn a_run_ends_after_as_many_steps_as_there_can_be_and_says_so() {
    let mut tenant = Tenant::new();
    tenant.define("{name: w, on: case.opened, steps: [{name: pause, wait: 1m}, {name: last, priority: 1}, {name: over, priority: 2}]}");
    tenant.say(1, 10);
    // As if retries had brought it here.
    let visit = VISITS_MAX - 1;
    let mut tables = Tables::over(&tenant.rows);
    tables.update(&RUNS, &RunId(1), |run| run.visit = visit);
    let changes = tables.into_changes();
    tenant.rows.take(changes);
    tenant.wait_minutes(1);
    tenant.fire(1, visit).expect("due");
    let ending = tenant.workflow_events().into_iter().find_map(|event| match event {
        Event::RunEnded(ended) => Some(ended.ending),
        _ => None,
    });
    let Some(Ending::Failed { step, problem }) = ending else { panic!("it went on: {ending:?}") };
    assert_eq!((step.as_str(), problem.contains("1000 steps, the most there can be")), ("over", true), "{problem}");
}

#[test]
fn one_workflow_more_than_can_start_on_the_same_is_refused_until_another_is_retired() {
    let mut tenant = Tenant::new();
    let source = |number: usize| format!("{{name: w-{number}, on: case.opened, steps: [stop]}}");
    for number in 0..WORKFLOWS_PER_TRIGGER_MAX {
        tenant.define(&source(number));
    }
    let one_more = check(&source(WORKFLOWS_PER_TRIGGER_MAX), "t.yaml").expect("a definition");
    let (name, hash) = (one_more.name, one_more.hash);
    let define = DefineWorkflow { name, hash, source: source(WORKFLOWS_PER_TRIGGER_MAX), plan: one_more.plan };
    let refusal = tenant.submit(define.clone()).expect_err("it is refused");
    assert!(refusal.to_string().contains("256 workflows start on"), "{refusal}");
    tenant.define(&source(7));
    tenant.submit(RetireWorkflow { name: "w-7".to_owned() }).expect("retired");
    tenant.submit(define).expect("now there is room");
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
