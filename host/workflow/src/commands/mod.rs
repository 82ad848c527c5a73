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

use sportello_core::commands::Accepted;
use sportello_core::draft::Draft;
use sportello_core::refusal::Refusal;

use crate::advance::Composed;

macro_rules! commands {
    ($($name:ident),* $(,)?) => {
        /// Any command of the workflows.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "one command at a time is alive per queue slot")]
        pub enum Command {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        $(impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })*

        /// Carries a command out in the draft, or refuses it; a refused one may leave the draft half changed, so restore it.
        ///
        /// # Errors
        /// The reason of the refusal.
        pub fn decide<E: Composed>(draft: &mut Draft<'_, E>, command: &Command) -> Result<Accepted, Refusal> {
            match command { $(Command::$name(command) => command.decide(draft),)* }
        }
    };
}

commands! { AnswerStep, CancelRun, DefineWorkflow, FireTimer, RetireWorkflow }

fn not_found(what: &'static str, name: impl ToString) -> Refusal {
    Refusal::NotFound { what, name: name.to_string() }
}
