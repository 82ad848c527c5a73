//! Durable workflows: what the company does by itself when something happens to a case.
//!
//! ```text
//! definition (YAML + CEL) ──check──► plan ──DefineWorkflow──► journal
//!
//! core event ──react──► run started ─┬─► a step of the core (assign, state, priority): done in the same record
//!                                    ├─► a question (condition, words) ──evaluate, outside──► AnswerStep
//!                                    ├─► a timer ──when it is due──► FireTimer
//!                                    └─► an effect (reply, activity) ──done or failed──► react
//! ```
//!
//! The crate composes with the core in **one record**: whoever composes them calls [`commands::decide`] or the core's own on a draft, then
//! hands every core event of that draft to [`react()`], in order, those that [`react()`] adds included. So what follows from an event lies in
//! the event's own record, and there is nothing to recover in between.
//!
//! # Invariants
//! * **A run belongs to one definition**, by the hash of its text. Defining a workflow anew touches only runs that start later.
//! * **Every step is on record**: its outcome, its timer and each condition's result are events with run, step and visit; nothing of it is
//!   computed again on replay.
//! * **Between two records a run waits for exactly one thing** ([`run::Waiting`]): an answer, a moment, an effect; or it has ended.
//! * **A step that is refused never refuses its cause.** Steps of the core are tried on a draft of their own; a refusal becomes an event of
//!   the run, which then ends as failed where everybody can see it.
//! * **An effect's key is `run-<run>-<visit>`**: who asked, never what for. A retry is a new visit, so a new key, and only follows an effect
//!   that failed for certain.
//! * **Everything has a limit** ([`limits`]): a run's visits, a plan's size and nesting, runs per event and per case, an expression's size,
//!   depth and cost, a text's length. Plans only jump forwards.
//!
//! # Where words are
//! Nothing in the rows or events here is personal. Conditions and texts need people's words; they are asked for ([`question::Asked`]),
//! evaluated outside the writer with plaintext ([`evaluate()`]) and come back as a yes or no, or sealed. Messages of failed evaluations are made
//! so that they never quote a value.
//!
//! # Failure
//! [`apply`] is total: an event about a run that is not there changes nothing.

mod advance;
pub mod commands;
mod cost;
pub mod definition;
mod evaluate;
pub mod event;
mod expression;
pub mod facts;
pub mod limits;
pub mod plan;
pub mod question;
mod react;
pub mod run;
pub mod workflow;

pub use advance::Composed;
pub use commands::{Command, decide};
pub use definition::{Checked, Problem, TrialReport, check, run_tests};
pub use evaluate::{EvaluationError, Outcome, evaluate};
pub use event::{Event, apply};
pub use facts::Facts;
pub use question::{Asked, Question, question_of};
pub use react::react;
