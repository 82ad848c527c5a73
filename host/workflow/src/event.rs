//! What happened to workflows and runs, as it stands in the journal: the core's stored form, kinds 1000 to 1999.

use serde::{Deserialize, Serialize};
use sportello_core::ids::{CaseId, Digest, EffectId, InteractionId};
use sportello_core::numbers::Counter;
use sportello_core::tables::Tables;
use sportello_core::time::Timestamp;

use crate::plan::{Plan, Trigger, Until};
use crate::run::{self, Ending, RUNS, RUNS_BY_CASE, RUNS_OF_CASE, Run, RunId, Waiting};
use crate::workflow;

sportello_core::events! {
    /// Something that happened to a workflow or a run.
    pub enum Event;

    /// A workflow was defined, or defined anew.
    1000 WorkflowDefined = "workflow.defined",
    /// A workflow was retired.
    1001 WorkflowRetired = "workflow.retired",
    /// A run started.
    1010 RunStarted = "run.started",
    /// A run did not start, because too much is under way.
    1011 StartHeldBack = "run.held-back",
    /// A run ended.
    1012 RunEnded = "run.ended",
    /// A step asks something that is answered outside.
    1020 StepAsked = "step.asked",
    /// A condition was answered.
    1021 ConditionAnswered = "step.condition",
    /// A step is done.
    1022 StepDone = "step.done",
    /// A step was left out.
    1023 StepSkipped = "step.skipped",
    /// A step was refused.
    1024 StepRefused = "step.refused",
    /// A step failed.
    1025 StepFailed = "step.failed",
    /// A step waits for its effect.
    1026 EffectAwaited = "step.effect-awaited",
    /// A step's effect is to be asked for again.
    1027 RetrySet = "step.retry-set",
    /// A timer was set.
    1030 TimerSet = "timer.set",
    /// A timer's moment came.
    1031 TimerFired = "timer.fired",
    /// A timer ended before its moment.
    1032 TimerEnded = "timer.ended",
}

/// A workflow was defined, or defined anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowDefined {
    /// Its name.
    pub name: String,
    /// SHA-256 of its text.
    pub hash: Digest,
    /// Its text.
    pub source: String,
    /// What the text comes to.
    pub plan: Plan,
}

/// A workflow was retired: it starts no more runs; those under way go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRetired {
    /// Its name.
    pub name: String,
}

/// A run started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Its number.
    pub run: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The definition it is pinned to.
    pub hash: Digest,
    /// What started it.
    pub trigger: Trigger,
    /// The case it is about.
    pub case: CaseId,
    /// The interaction it is about.
    pub interaction: Option<InteractionId>,
}

/// A run did not start. Said once per window and workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartHeldBack {
    /// The workflow's name.
    pub workflow: String,
    /// The case.
    pub case: CaseId,
    /// Why.
    pub problem: String,
}

/// A run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Which.
    pub run: RunId,
    /// How.
    pub ending: Ending,
}

/// Where in a run something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The run.
    pub run: RunId,
    /// The visit, counted per run from 1.
    pub visit: u64,
    /// The plan's instruction; None: the workflow's `when`.
    pub instruction: Option<u16>,
    /// The step's name.
    pub step: String,
}

/// A step asks something that is answered outside: a condition's result, or sealed words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepAsked {
    /// Where.
    pub position: Position,
    /// The attempt at the step, from 1.
    pub attempt: u32,
}

/// A condition was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionAnswered {
    /// Where.
    pub position: Position,
    /// Whether it holds.
    pub holds: bool,
}

/// A step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDone {
    /// Where.
    pub position: Position,
}

/// A step was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSkipped {
    /// Where.
    pub position: Position,
    /// Why.
    pub reason: String,
}

/// The core refused a step; its cause took place all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRefused {
    /// Where.
    pub position: Position,
    /// Why.
    pub problem: String,
}

/// A step failed: its question could not be answered, or its effect did not take place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailed {
    /// Where.
    pub position: Position,
    /// Why.
    pub problem: String,
}

/// A step waits for its effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectAwaited {
    /// Where.
    pub position: Position,
    /// Which effect.
    pub effect: EffectId,
}

/// A step's effect failed for certain and is to be asked for again, in a visit of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySet {
    /// Where.
    pub position: Position,
    /// When.
    pub due_at: Timestamp,
    /// Why.
    pub problem: String,
}

/// A timer was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerSet {
    /// Where.
    pub position: Position,
    /// When it is due.
    pub due_at: Timestamp,
    /// What ends it before.
    pub unless: Option<Until>,
}

/// A timer's moment came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerFired {
    /// Where.
    pub position: Position,
}

/// A timer ended before its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerEnded {
    /// Where.
    pub position: Position,
    /// What ended it.
    pub because: Until,
}

/// Changes the rows as the event says. Total: an event about something that is not there changes nothing.
pub fn apply(tables: &mut Tables, at: Timestamp, event: &Event) {
    match event {
        Event::WorkflowDefined(event) => workflow::defined(tables, at, event),
        Event::WorkflowRetired(event) => workflow::retired(tables, event),
        Event::RunStarted(event) => started(tables, at, event),
        Event::StartHeldBack(event) => note_start(tables, at, event.case, &event.workflow),
        Event::RunEnded(event) => ended(tables, at, event),
        Event::StepAsked(event) => {
            moved(tables, &event.position, Waiting::Answer, Some(event.attempt));
        }
        Event::ConditionAnswered(event) => moved(tables, &event.position, Waiting::Nothing, None),
        Event::StepDone(event) => moved(tables, &event.position, Waiting::Nothing, None),
        Event::StepSkipped(event) => moved(tables, &event.position, Waiting::Nothing, None),
        Event::StepRefused(event) => moved(tables, &event.position, Waiting::Nothing, None),
        Event::StepFailed(event) => moved(tables, &event.position, Waiting::Nothing, None),
        Event::EffectAwaited(event) => moved(tables, &event.position, Waiting::Effect { effect: event.effect }, None),
        Event::RetrySet(event) => moved(tables, &event.position, Waiting::Retry { due_at: event.due_at }, None),
        Event::TimerSet(event) => {
            moved(tables, &event.position, Waiting::Timer { due_at: event.due_at, unless: event.unless }, None);
        }
        Event::TimerFired(event) => moved(tables, &event.position, Waiting::Nothing, None),
        Event::TimerEnded(event) => moved(tables, &event.position, Waiting::Nothing, None),
    }
}

fn started(tables: &mut Tables, at: Timestamp, event: &RunStarted) {
    let run = Run {
        workflow: event.workflow.clone(),
        hash: event.hash,
        case: event.case,
        interaction: event.interaction,
        started_at: at,
        instruction: None,
        visit: 0,
        attempt: 1,
        waiting: Waiting::Nothing,
    };
    tables.put(&RUNS, &event.run, &run);
    tables.put(&RUNS_BY_CASE, &(event.case, event.run), &());
    note_start(tables, at, event.case, &event.workflow);
    let mut runs = tables.get(&RUNS_OF_CASE, &event.case).unwrap_or_default();
    runs.live.push(event.run);
    tables.put(&RUNS_OF_CASE, &event.case, &runs);
    tables.note_number(Counter::Run, event.run.0);
}

fn note_start(tables: &mut Tables, at: Timestamp, case: CaseId, workflow: &str) {
    let mut runs = tables.get(&RUNS_OF_CASE, &case).unwrap_or_default();
    runs.note_start(workflow, at);
    tables.put(&RUNS_OF_CASE, &case, &runs);
}

fn ended(tables: &mut Tables, at: Timestamp, event: &RunEnded) {
    run::change(tables, event.run, |run| run.waiting = Waiting::Ended { ending: event.ending.clone(), at });
    let Some(run) = tables.get(&RUNS, &event.run) else { return };
    tables.update(&RUNS_OF_CASE, &run.case, |runs| runs.live.retain(|live| *live != event.run));
    // A run that was not wanted did nothing; its events say that it was looked at.
    if event.ending == Ending::Unwanted {
        tables.delete(&RUNS, &event.run);
        tables.delete(&RUNS_BY_CASE, &(run.case, event.run));
    }
}

fn moved(tables: &mut Tables, position: &Position, waiting: Waiting, attempt: Option<u32>) {
    run::change(tables, position.run, |run| {
        // An ended run stays ended, whatever comes.
        if run.is_live() {
            run.visit = position.visit;
            run.instruction = position.instruction;
            run.attempt = attempt.unwrap_or(run.attempt);
            run.waiting = waiting;
        }
    });
}
