//! The journal is the only truth: whatever was done, any prefix of its records comes to the rows that were there, and going on from them
//! comes to the same end.

use sportello_core::commands::{AssignCase, EffectOutcome, FinishEffect, SetCaseState, StartEffect};
use sportello_core::domain::case::CaseState;
use sportello_core::domain::effect::EFFECTS;
use sportello_core::ids::{CaseId, EffectId, SubjectId};
use sportello_core::time::Timestamp;
use sportello_workflow::commands::{Answer, AnswerStep, CancelRun, FireTimer, RetireWorkflow};
use sportello_workflow::run::{RUNS, RunId, STEPS_ASKED, TIMERS_DUE, Waiting};
use sportello_workflow::{Question, question_of};

use crate::tenant::{Command, MemoryRows, Tenant, replay};

const DEFINITIONS: [&str; 6] = [
    "{name: a, on: case.opened, when: person.customer, steps: [{assign: second-line}, {reply: hello, retry: {attempts: 2, every: 1m}}, \
     {wait: {for: 10m, unless: case.answered}}, {if: '!case.answered', then: [{priority: 90}], else: [{state: waiting}]}]}",
    "{name: b, on: interaction.received, steps: [{wait: {for: 5m, unless: interaction.received}}, {priority: 20}]}",
    "{name: c, on: case.assigned, steps: [{activity: {subject: s, text: t}, may-fail: true}, {state: resolved}]}",
    "{name: d, on: case.state-changed, steps: [{state: open, may-fail: true}, {wait: 1m}, {priority: 3}]}",
    "{name: a, on: link.made, steps: [{priority: 50}, {reply: welcome}]}",
    "{name: e, on: case.resolved, steps: [{assign: nobody-can}]}",
];

/// What is done to the tenant, drawn by lot; what was refused was refused.
fn act(tenant: &mut Tenant, random: &mut fastrand::Rng) -> Option<(Timestamp, Command)> {
    let person = random.u64(1..6);
    let conversation = random.u64(10..16);
    let run = RunId(random.u64(1..40));
    let case = CaseId(random.u64(1..7));
    let command: Command = match random.u8(0..16) {
        0 => {
            let source = DEFINITIONS[random.usize(..DEFINITIONS.len())];
            let checked = sportello_workflow::check(source, "d.yaml").expect("a definition");
            let (name, hash, plan) = (checked.name, checked.hash, checked.plan);
            sportello_workflow::commands::DefineWorkflow { name, hash, source: source.to_owned(), plan }.into()
        }
        1 => RetireWorkflow { name: ["a", "b", "c"][random.usize(..3)].to_owned() }.into(),
        2..=4 => {
            let own = random.u8(..4) == 0;
            let arrivals = (0..random.usize(1..4)).map(|_| tenant.arrival(person, conversation, own)).collect();
            let channel = crate::tenant::channel(crate::tenant::CHANNEL);
            sportello_core::commands::Ingest { channel, arrivals, known: 0, cursor: None, state_writes: Vec::new(), replayed: None }.into()
        }
        5 => {
            tenant.recognise(person);
            return None;
        }
        6 => AssignCase { case, owner: random.bool().then(|| "anna".to_owned()) }.into(),
        7 => SetCaseState { case, to: [CaseState::Open, CaseState::Waiting, CaseState::Resolved][random.usize(..3)] }.into(),
        8 => CancelRun { run, by: "anna".to_owned() }.into(),
        9 | 10 => {
            let timers = tenant.timers();
            let (due_at, run, visit) = *timers.first()?;
            tenant.now = tenant.now.max(due_at);
            FireTimer { run, visit }.into()
        }
        11 | 12 => {
            let effect = EffectId(random.u64(1..20));
            let row = EFFECTS.get(&tenant.rows, &effect)?;
            if tenant.submit(StartEffect { effect }).is_err() {
                return None;
            }
            let outcome = if random.bool() {
                EffectOutcome::Done { receipt: SubjectId(1_000 + effect.0), sealed: vec![1] }
            } else {
                EffectOutcome::Failed("no".into())
            };
            FinishEffect { effect, attempt: row.attempts + 1, outcome }.into()
        }
        _ => {
            let asked = tenant.asked();
            let (run, visit) = *asked.get(random.usize(..asked.len().max(1)))?;
            let question = question_of(&tenant.rows, run, visit).expect("what is listed is asked").question;
            let answer = match (question, random.u8(..8)) {
                (_, 0) => Answer::Failed("it could not be evaluated".to_owned()),
                (Question::Condition(_), draw) => Answer::Condition(draw > 3),
                _ => Answer::Text { slot: sportello_core::ids::SlotId(random.u64(..)), sealed: vec![4; 4] },
            };
            AnswerStep { run, visit, answer }.into()
        }
    };
    Some((tenant.now, command))
}

/// Live runs wait for exactly one thing, and are listed under it and under nothing else.
fn check_lists(rows: &MemoryRows, seed: u64) {
    let (mut asked, mut timers) = (0, 0);
    for key in rows.keys(&RUNS) {
        let id = RunId(u64::from_be_bytes(key.try_into().expect("a run's number")));
        let run = RUNS.get(rows, &id).expect("a run");
        match run.waiting {
            Waiting::Nothing => panic!("seed {seed}: run {id} waits for nothing between records"),
            Waiting::Answer => {
                asked += 1;
                assert!(STEPS_ASKED.get(rows, &(id, run.visit)).is_some(), "seed {seed}: run {id} asks unheard");
            }
            Waiting::Timer { due_at, .. } | Waiting::Retry { due_at } => {
                timers += 1;
                assert!(TIMERS_DUE.get(rows, &(due_at, id, run.visit)).is_some(), "seed {seed}: run {id} waits for ever");
            }
            Waiting::Effect { .. } | Waiting::Ended { .. } => {}
        }
    }
    assert_eq!(rows.keys(&STEPS_ASKED).len(), asked, "seed {seed}: a question nobody asks");
    assert_eq!(rows.keys(&TIMERS_DUE).len(), timers, "seed {seed}: a timer nobody waits for");
}

fn story(seed: u64, acts: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tenant = Tenant::new();
    for source in &DEFINITIONS[..4] {
        tenant.define(source);
    }
    // The rows after each record, and what was submitted between a record and the end.
    let mut snapshots = vec![(tenant.records.len(), tenant.clone())];
    for _ in 0..acts {
        tenant.now = tenant.now.plus_ms(random.u64(..90_000));
        if let Some((_, command)) = act(&mut tenant, &mut random) {
            // Refusals are part of the story.
            let _refused_or_not = tenant.submit(command);
        }
        check_lists(&tenant.rows, seed);
        snapshots.push((tenant.records.len(), tenant.clone()));
    }
    for (records, snapshot) in &snapshots {
        assert_eq!(replay(&tenant.records[..*records]), snapshot.rows, "seed {seed}: the first {records} records come to other rows");
    }
}

#[test]
fn any_prefix_of_the_records_comes_to_the_rows_that_were_there() {
    let first = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("seeds {first} to {}; repeat with SEED={first}", first + 11);
    for seed in first..first + 12 {
        story(seed, 80);
    }
}

#[test]
fn going_on_from_replayed_rows_comes_to_the_same_end() {
    let seed = fastrand::u64(..1_000_000);
    println!("seed {seed}");
    for crash_at in [10, 25, 40] {
        let (mut random, mut other_random) = (fastrand::Rng::with_seed(seed), fastrand::Rng::with_seed(seed));
        let mut tenants = [Tenant::new(), Tenant::new()];
        for (index, (tenant, random)) in tenants.iter_mut().zip([&mut random, &mut other_random]).enumerate() {
            for source in &DEFINITIONS[..4] {
                tenant.define(source);
            }
            for turn in 0..60 {
                // The second one crashes and is rebuilt from its journal.
                if index == 1 && turn == crash_at {
                    tenant.rows = replay(&tenant.records);
                }
                tenant.now = tenant.now.plus_ms(random.u64(..90_000));
                if let Some((_, command)) = act(tenant, random) {
                    let _refused_or_not = tenant.submit(command);
                }
            }
        }
        let [one, other] = &tenants;
        assert_eq!(one.rows, other.rows, "seed {seed}: a crash after {crash_at} acts changed the end");
        assert!(one.records.iter().map(|record| &record.bytes).eq(other.records.iter().map(|record| &record.bytes)));
    }
}

#[test]
fn events_of_a_newer_program_are_told_apart() {
    use sportello_core::event::EventError;
    use sportello_workflow::Event;
    assert_eq!(Event::from_payload(1_999, 1, &[]), Err(EventError::UnknownKind { kind: 1_999, version: 1 }));
    assert_eq!(Event::from_payload(1_010, 2, &[]), Err(EventError::UnknownKind { kind: 1_010, version: 2 }));
    assert_eq!(Event::from_payload(1_010, 1, &[1]), Err(EventError::Unreadable { kind: 1_010, version: 1 }));
}
