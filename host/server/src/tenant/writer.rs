//! The one writer of a tenant.
//!
//! A thread takes commands off a bounded queue, decides each against the views (which hold everything decided before it, durable or not), lets
//! the workflows react, appends one record, and goes on without waiting for the disk. The journal's own thread fsyncs whole groups and calls
//! [`Acknowledgements::durable`], which answers the callers whose records are safe now. So nothing is acknowledged before it is durable, and
//! the disk and the processor work at the same time.
//!
//! An accepted command without events is answered when everything decided before it is durable: "I had that already" must be true after a
//! crash, too.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sportello_core::commands::{self, Accepted};
use sportello_core::draft::Draft;
use sportello_core::refusal::Refusal;
use sportello_core::time::Timestamp;
use sportello_journal::{Journal, JournalError, Sequence};
use sportello_views::Views;
use sportello_workflow as workflow;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::tenant::record::{Event, encode};
use crate::tenant::replay::to_changes;
use crate::tenant::rows::ViewRows;

/// Events in one record, reactions included.
const EVENTS_PER_RECORD_MAX: usize = 60_000;

/// A command of any domain.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one lives per queue slot")]
pub(crate) enum Command {
    /// Of the core.
    Core(commands::Command),
    /// Of the workflows.
    Workflow(workflow::Command),
}

/// Why a command did not take place, or may not have.
#[derive(Clone, Debug, Error)]
pub enum SubmitError {
    /// Refused: nothing happened.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The queue is full: nothing happened; try again a little later.
    #[error("the tenant's queue of {0} commands is full; try again in a second")]
    Overloaded(usize),
    /// The tenant has stopped; whether the command took place shows when it is opened again.
    #[error("the tenant has stopped: {0}")]
    Stopped(String),
}

pub(crate) struct Job {
    pub(crate) actor: String,
    pub(crate) command: Command,
    pub(crate) answer: oneshot::Sender<Result<Accepted, SubmitError>>,
}

struct Waiting {
    sequence: Sequence,
    accepted: Accepted,
    answer: oneshot::Sender<Result<Accepted, SubmitError>>,
}

/// Callers that wait for the disk.
pub(crate) struct Acknowledgements {
    waiting: Mutex<VecDeque<Waiting>>,
    durable: watch::Sender<u64>,
    stopped: watch::Sender<Option<String>>,
    views: Arc<Views>,
}

impl Acknowledgements {
    pub(crate) fn new(views: Arc<Views>, durable: u64) -> Self {
        Self { waiting: Mutex::default(), durable: watch::Sender::new(durable), stopped: watch::Sender::new(None), views }
    }

    /// The last durable sequence, as it grows.
    pub(crate) fn watch_durable(&self) -> watch::Receiver<u64> {
        self.durable.subscribe()
    }

    /// Why the tenant stopped, once it has.
    pub(crate) fn watch_stopped(&self) -> watch::Receiver<Option<String>> {
        self.stopped.subscribe()
    }

    /// Called by the journal's thread after each group.
    pub(crate) fn durable(&self, outcome: Result<Sequence, JournalError>) {
        match outcome {
            Ok(sequence) => {
                self.views.only_up_to(sequence.get());
                self.durable.send_replace(sequence.get());
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                while waiting.front().is_some_and(|first| first.sequence <= sequence) {
                    if let Some(first) = waiting.pop_front() {
                        // A caller that went away needs no answer.
                        let _ = first.answer.send(Ok(first.accepted));
                    }
                }
            }
            // Closing is how a tenant ends in order; whoever still waits is told all the same.
            Err(JournalError::Closed { .. }) => self.end("it is shutting down"),
            Err(error) => self.stop(&error.to_string()),
        }
    }

    fn stop(&self, reason: &str) {
        tracing::error!(reason, "the tenant stops: nothing is acknowledged any more");
        self.end(reason);
    }

    fn end(&self, reason: &str) {
        self.stopped.send_replace(Some(reason.to_owned()));
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for first in waiting.drain(..) {
            let _ = first.answer.send(Err(SubmitError::Stopped(reason.to_owned())));
        }
    }

    fn wait(&self, sequence: Sequence, accepted: Accepted, answer: oneshot::Sender<Result<Accepted, SubmitError>>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = self.stopped.borrow().clone() {
            let _ = answer.send(Err(SubmitError::Stopped(reason)));
        } else if *self.durable.borrow() >= sequence.get() {
            let _ = answer.send(Ok(accepted));
        } else {
            waiting.push_back(Waiting { sequence, accepted, answer });
        }
    }
}

pub(crate) struct Writer {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) views: Arc<Views>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) acknowledgements: Arc<Acknowledgements>,
}

impl Writer {
    /// Works until every sender is gone or the journal stops.
    pub(crate) fn run(self, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.blocking_recv() {
            if let Some(reason) = self.acknowledgements.stopped.borrow().clone() {
                let _ = job.answer.send(Err(SubmitError::Stopped(reason)));
                continue;
            }
            let now = self.clock.now();
            match self.decide(now, &job.actor, &job.command) {
                Ok((sequence, accepted)) => self.acknowledgements.wait(sequence, accepted, job.answer),
                Err(SubmitError::Stopped(reason)) => {
                    self.acknowledgements.stop(&reason);
                    let _ = job.answer.send(Err(SubmitError::Stopped(reason)));
                }
                Err(error) => {
                    let _ = job.answer.send(Err(error));
                }
            }
        }
    }

    fn decide(&self, now: Timestamp, actor: &str, command: &Command) -> Result<(Sequence, Accepted), SubmitError> {
        let rows = ViewRows::new(&self.views);
        let mut draft: Draft<'_, Event> = Draft::new(&rows, now);
        let accepted = match command {
            Command::Core(command) => commands::decide(&mut draft, command),
            Command::Workflow(command) => workflow::decide(&mut draft, command),
        };
        let stopped = |error: &dyn std::fmt::Display| SubmitError::Stopped(error.to_string());
        rows.check().map_err(|error| stopped(&error))?;
        let accepted = accepted?;
        react(&mut draft);
        rows.check().map_err(|error| stopped(&error))?;
        if draft.event_count() > EVENTS_PER_RECORD_MAX {
            let events = draft.event_count();
            return Err(
                Refusal::Invalid(format!("the command comes to {events} events; at most {EVENTS_PER_RECORD_MAX} fit a record")).into()
            );
        }
        let cursor = self.views.cursor();
        if draft.event_count() == 0 {
            return Ok((Sequence::new(cursor), accepted));
        }
        let record = encode(now, actor, draft.events());
        let sequence = match self.journal.append(&record) {
            Ok(sequence) => sequence,
            Err(error @ JournalError::RecordTooLong { .. }) => return Err(Refusal::Invalid(error.to_string()).into()),
            Err(error) => return Err(stopped(&error)),
        };
        assert_eq!(sequence.get(), cursor + 1, "journal and views count the same records");
        let (_, changes) = draft.finish();
        self.views.apply(sequence.get(), to_changes(changes)).map_err(|error| stopped(&error))?;
        Ok((sequence, accepted))
    }
}

/// Lets the workflows answer every event, those their answers bring about too.
fn react(draft: &mut Draft<'_, Event>) {
    draft.respond(EVENTS_PER_RECORD_MAX, |draft, event| {
        if let Event::Core(event) = event {
            workflow::react(draft, event);
        }
    });
}

#[cfg(test)]
mod tests;
