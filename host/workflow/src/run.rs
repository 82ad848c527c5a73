//! Runs: one durable execution of a workflow for one case.

use serde::{Deserialize, Serialize};
use sportello_core::ids::{CaseId, Digest, EffectId, InteractionId};
use sportello_core::tables::{Key, Table, Tables};
use sportello_core::time::Timestamp;

use crate::limits::STARTS_WINDOW_MS;
use crate::plan::Until;

/// Runs by number. A run whose `when` did not hold leaves no row.
pub const RUNS: Table<RunId, Run> = Table::new(120, "runs");
/// Runs of a case, ended ones too.
pub const RUNS_BY_CASE: Table<(CaseId, RunId), ()> = Table::new(121, "runs-by-case");
/// Timers by the moment they are due: run and visit. The timer worker lists it and answers with `FireTimer`.
pub const TIMERS_DUE: Table<(Timestamp, RunId, u64), ()> = Table::new(122, "timers-due");
/// Questions that wait for an answer: run and visit. The evaluating worker lists it and answers with `AnswerStep`.
pub const STEPS_ASKED: Table<(RunId, u64), ()> = Table::new(123, "steps-asked");
/// What is under way for a case.
pub const RUNS_OF_CASE: Table<CaseId, RunsOfCase> = Table::new(124, "runs-of-case");

/// A run, counted per tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

impl std::fmt::Display for RunId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Key for RunId {
    fn write_to(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// The one thing a run waits for between two records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// Nothing: it moves, within a record.
    Nothing,
    /// The answer to a question.
    Answer,
    /// A moment.
    Timer {
        /// Which.
        due_at: Timestamp,
        /// What ends it before.
        unless: Option<Until>,
    },
    /// The moment at which an effect that failed is asked for again.
    Retry {
        /// Which.
        due_at: Timestamp,
    },
    /// The end of an effect.
    Effect {
        /// Which.
        effect: EffectId,
    },
    /// Nothing any more.
    Ended {
        /// How it ended.
        ending: Ending,
        /// When.
        at: Timestamp,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// All its steps are done.
    Completed,
    /// The workflow's `when` did not hold.
    Unwanted,
    /// A step was refused or failed.
    Failed {
        /// The step.
        step: String,
        /// Why.
        problem: String,
    },
    /// Somebody ended it.
    Cancelled {
        /// Who, by token name.
        by: String,
    },
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The workflow's name.
    pub workflow: String,
    /// The definition it is pinned to.
    pub hash: Digest,
    /// The case it is about.
    pub case: CaseId,
    /// The interaction it is about: the one that started it, or the latest of somebody else's in the conversation then.
    pub interaction: Option<InteractionId>,
    /// When it started.
    pub started_at: Timestamp,
    /// The plan's instruction it is at; None: at the workflow's `when`.
    pub instruction: Option<u16>,
    /// Steps visited so far; the present one is this one.
    pub visit: u64,
    /// The attempt at the present step, from 1.
    pub attempt: u32,
    /// What it waits for.
    pub waiting: Waiting,
}

impl Run {
    /// Whether it goes on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.waiting, Waiting::Ended { .. })
    }
}

/// What is under way for a case, and what started of late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsOfCase {
    /// Runs that have not ended.
    pub live: Vec<RunId>,
    /// Starts by workflow within the present window.
    pub starts: Vec<Starts>,
}

/// How often a workflow started for a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starts {
    /// The workflow.
    pub workflow: String,
    /// When the window began.
    pub since: Timestamp,
    /// How often it started, or was held back, since.
    pub count: u32,
}

impl RunsOfCase {
    /// How often the workflow started within the window that `now` lies in.
    #[must_use]
    pub fn starts_of(&self, workflow: &str, now: Timestamp) -> u32 {
        self.starts
            .iter()
            .find(|starts| starts.workflow == workflow && now.ms_since(starts.since) < STARTS_WINDOW_MS)
            .map_or(0, |starts| starts.count)
    }

    pub(crate) fn note_start(&mut self, workflow: &str, now: Timestamp) {
        self.starts.retain(|starts| now.ms_since(starts.since) < STARTS_WINDOW_MS);
        match self.starts.iter_mut().find(|starts| starts.workflow == workflow) {
            Some(starts) => starts.count = starts.count.saturating_add(1),
            None => self.starts.push(Starts { workflow: workflow.to_owned(), since: now, count: 1 }),
        }
    }
}

/// Changes a run, and where it can be found by what it waits for.
pub(crate) fn change(tables: &mut Tables, id: RunId, change: impl FnOnce(&mut Run)) {
    let Some(mut run) = tables.get(&RUNS, &id) else { return };
    match run.waiting {
        Waiting::Answer => tables.delete(&STEPS_ASKED, &(id, run.visit)),
        Waiting::Timer { due_at, .. } | Waiting::Retry { due_at } => tables.delete(&TIMERS_DUE, &(due_at, id, run.visit)),
        Waiting::Nothing | Waiting::Effect { .. } | Waiting::Ended { .. } => {}
    }
    change(&mut run);
    match run.waiting {
        Waiting::Answer => tables.put(&STEPS_ASKED, &(id, run.visit), &()),
        Waiting::Timer { due_at, .. } | Waiting::Retry { due_at } => tables.put(&TIMERS_DUE, &(due_at, id, run.visit), &()),
        Waiting::Nothing | Waiting::Effect { .. } | Waiting::Ended { .. } => {}
    }
    tables.put(&RUNS, &id, &run);
}
