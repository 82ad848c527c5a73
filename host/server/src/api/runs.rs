//! Runs: one durable execution of a workflow for one case.

use serde::Serialize;
use sportello_core::domain::case::CASES;
use sportello_core::ids::CaseId;
use sportello_core::tables::key_bytes;
use sportello_workflow::commands::CancelRun;
use sportello_workflow::run::{Ending, RUNS, RUNS_BY_CASE, Run, RunId, Waiting};
use utoipa::ToSchema;

use crate::api::request::{Asked, At, Page, Paging};
use crate::api::vocabulary::Moment;
use crate::api::{Answer, Caller, number, reading};

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunView {
    /// Its number.
    run: u64,
    /// The workflow's name.
    workflow: String,
    /// SHA-256 of the definition it is pinned to.
    hash: String,
    /// The case it is about.
    case: u64,
    /// The interaction it is about.
    interaction: Option<u64>,
    /// When it started.
    started_at: Moment,
    /// Steps visited so far.
    visit: u64,
    /// The attempt at the present step, from 1.
    attempt: u32,
    /// What it waits for.
    waiting: WaitingView,
}

/// What a run waits for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub(crate) enum WaitingView {
    /// Nothing: it moves.
    Nothing,
    /// The answer to a question.
    Answer,
    /// A moment.
    Timer {
        /// Which.
        due_at: Moment,
    },
    /// The moment at which an effect that failed is asked for again.
    Retry {
        /// Which.
        due_at: Moment,
    },
    /// The end of an effect.
    Effect {
        /// Which.
        effect: u64,
    },
    /// Nothing any more: it has ended.
    End {
        /// When.
        at: Moment,
        /// How.
        ending: EndingView,
    },
}

/// How a run ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub(crate) enum EndingView {
    /// All its steps are done.
    Completed,
    /// The workflow's `when` did not hold.
    Unwanted,
    /// A step was refused or failed.
    Failed {
        /// The step.
        step: String,
        /// Why. Null for viewers.
        problem: Option<String>,
    },
    /// Somebody ended it.
    Cancelled {
        /// Who, by token name.
        by: String,
    },
}

fn view(caller: &Caller, id: RunId, row: Run) -> RunView {
    RunView {
        run: id.0,
        workflow: row.workflow,
        hash: hex::encode(row.hash.0),
        case: row.case.0,
        interaction: row.interaction.map(|interaction| interaction.0),
        started_at: row.started_at.into(),
        visit: row.visit,
        attempt: row.attempt,
        waiting: match row.waiting {
            Waiting::Nothing => WaitingView::Nothing,
            Waiting::Answer => WaitingView::Answer,
            Waiting::Timer { due_at, .. } => WaitingView::Timer { due_at: due_at.into() },
            Waiting::Retry { due_at } => WaitingView::Retry { due_at: due_at.into() },
            Waiting::Effect { effect } => WaitingView::Effect { effect: effect.0 },
            Waiting::Ended { ending, at } => WaitingView::End {
                at: at.into(),
                ending: match ending {
                    Ending::Completed => EndingView::Completed,
                    Ending::Unwanted => EndingView::Unwanted,
                    Ending::Failed { step, problem } => {
                        EndingView::Failed { step, problem: Some(problem).filter(|_| caller.reads_words()) }
                    }
                    Ending::Cancelled { by } => EndingView::Cancelled { by },
                },
            },
        },
    }
}

/// A case's runs, ended ones too.
#[utoipa::path(get, path = "/cases/{case}/runs", tag = "runs", operation_id = "list_case_runs", params(Paging), responses((status = 200, description = "A page of runs", body = Page<RunView>)))]
pub(crate) async fn of_case(caller: Caller, At(id): At<u64>, Asked(paging): Asked<Paging>) -> Answer<Page<RunView>> {
    reading(caller, move |caller| {
        let case = CaseId(id);
        caller.row(&CASES, &case, "case")?;
        caller.page(&RUNS_BY_CASE, &key_bytes(&case), &paging, |key, ()| {
            let id = RunId(number(key));
            Ok(caller.tenant().get(&RUNS, &id)?.map(|row| view(caller, id, row)))
        })
    })
    .await
}

/// One run.
#[utoipa::path(get, path = "/runs/{run}", tag = "runs", operation_id = "get_run", responses((status = 200, description = "The run", body = RunView)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<RunView> {
    reading(caller, move |caller| Ok(view(caller, RunId(id), caller.row(&RUNS, &RunId(id), "run")?))).await
}

/// Ends a run where it is. An effect it has asked for takes its course.
#[utoipa::path(post, path = "/runs/{run}/cancel", tag = "runs", operation_id = "cancel_run", responses((status = 200, description = "The run as it is now", body = RunView)))]
pub(crate) async fn cancel(caller: Caller, At(id): At<u64>) -> Answer<RunView> {
    caller.tenant().submit_workflow(&caller.name, CancelRun { run: RunId(id), by: caller.name.clone() }).await?;
    reading(caller, move |caller| Ok(view(caller, RunId(id), caller.row(&RUNS, &RunId(id), "run")?))).await
}
