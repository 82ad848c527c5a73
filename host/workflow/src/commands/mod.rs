//! Commands: what may be asked of the workflows, one file each.

mod answer_step;
mod cancel_run;
mod define_workflow;
mod fire_timer;
mod retire_workflow;

pub use answer_step::{Answer, AnswerStep};
pub use cancel_run::CancelRun;
pub use define_workflow::DefineWorkflow;
pub use fire_timer::FireTimer;
pub use retire_workflow::RetireWorkflow;

use sportello_core::refusal::Refusal;

use crate::advance::Composed;

sportello_core::commands! {
    /// Any command of the workflows.
    pub enum Command of Composed;

    AnswerStep, CancelRun, DefineWorkflow, FireTimer, RetireWorkflow,
}

fn not_found(what: &'static str, name: impl ToString) -> Refusal {
    Refusal::NotFound { what, name: name.to_string() }
}
