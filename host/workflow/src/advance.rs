//! Moving a run on, step by step, until it waits for something or ends.

use sportello_core::commands::{self as core_commands, Accepted, AssignCase, PrioritiseCase, SetCaseState};
use sportello_core::domain::case::{CASES, CaseState};
use sportello_core::domain::person;
use sportello_core::domain::profile::PROFILES;
use sportello_core::draft::Draft;
use sportello_core::event::Event as CoreEvent;
use sportello_core::ids::{CaseId, ChannelName, ContactId};
use sportello_core::refusal::Refusal;
use sportello_core::tables::Rows;

use crate::event::{Event, Position, RunEnded, StepAsked, StepDone, StepFailed, StepRefused, StepSkipped, TimerEnded, TimerSet, apply};
use crate::limits::{PROBLEM_BYTES_MAX, VISITS_MAX};
use crate::plan::{Action, Instruction, Plan, Until};
use crate::run::{Ending, RUNS, Run, RunId};
use crate::workflow::PLANS;

/// The event type of whoever composes the core with the workflows.
pub trait Composed: From<CoreEvent> + From<Event> {}

impl<E: From<CoreEvent> + From<Event>> Composed for E {}

/// The name of the step that the workflow's `when` is.
pub(crate) const WHEN: &str = "when";

/// Something of the workflows happened.
pub(crate) fn emit<E: Composed>(draft: &mut Draft<'_, E>, event: impl Into<Event>) {
    let event = event.into();
    draft.emit_with(E::from(event.clone()), |tables, at, _| apply(tables, at, &event));
}

/// Carries a command of the core out on a draft of its own: a refused one leaves nothing behind, whatever it did before it was refused, and
/// saving the whole draft for every step of a large ingest is spared.
pub(crate) fn carry_out_core<E: Composed>(
    draft: &mut Draft<'_, E>,
    command: impl Into<core_commands::Command>,
) -> Result<Accepted, Refusal> {
    let mut tried: Draft<'_, CoreEvent> = Draft::new(draft.tables(), draft.now());
    let accepted = core_commands::decide(&mut tried, &command.into())?;
    let (events, _) = tried.finish();
    for event in events {
        draft.emit(event);
    }
    Ok(accepted)
}

/// What became of a step within this record.
enum Progress {
    /// The run goes on behind it.
    Done,
    /// The run waits.
    Waits,
    /// It did not work.
    Failed(String),
}

/// Moves the run on from the instruction `next`, which is tried for the `attempt`th time.
pub(crate) fn advance<E: Composed>(draft: &mut Draft<'_, E>, id: RunId, mut next: u16, mut attempt: u32) {
    let Some(run) = draft.tables().get(&RUNS, &id).filter(Run::is_live) else { return };
    let Some(plan) = draft.tables().get(&PLANS, &run.hash) else { return };
    let mut visit = run.visit;
    while let Some(instruction) = plan.instructions.get(usize::from(next)) {
        match instruction.action {
            Action::Jump { to } => {
                next = to;
                continue;
            }
            Action::Stop => break,
            _ => {}
        }
        if visit >= VISITS_MAX {
            let problem = format!("the run has visited {VISITS_MAX} steps, the most there can be");
            return end(draft, id, Ending::Failed { step: instruction.step.clone(), problem });
        }
        visit += 1;
        let position = Position { run: id, visit, instruction: Some(next), step: instruction.step.clone() };
        match carry_out(draft, &run, instruction, position, attempt) {
            Progress::Done => {}
            Progress::Waits => return,
            Progress::Failed(_) if instruction.may_fail => {}
            Progress::Failed(problem) => return end(draft, id, Ending::Failed { step: instruction.step.clone(), problem }),
        }
        next += 1;
        attempt = 1;
    }
    end(draft, id, Ending::Completed);
}

fn carry_out<E: Composed>(draft: &mut Draft<'_, E>, run: &Run, instruction: &Instruction, position: Position, attempt: u32) -> Progress {
    let case = run.case;
    match &instruction.action {
        Action::Assign { owner } => settle(draft, AssignCase { case, owner: Some(owner.clone()) }, position),
        Action::State { to } => settle(draft, SetCaseState { case, to: *to }, position),
        Action::Priority { priority } => settle(draft, PrioritiseCase { case, priority: *priority }, position),
        Action::If { .. } | Action::Reply { .. } => {
            emit(draft, StepAsked { position, attempt });
            Progress::Waits
        }
        Action::Activity { crm, .. } => match contact_for(draft.tables(), case, crm.as_deref()) {
            Ok(_) => {
                emit(draft, StepAsked { position, attempt });
                Progress::Waits
            }
            Err(reason) => {
                emit(draft, StepSkipped { position, reason });
                Progress::Done
            }
        },
        Action::Wait { ms, unless } => match unless.filter(|until| holds(draft.tables(), case, *until)) {
            Some(because) => {
                emit(draft, TimerEnded { position, because });
                Progress::Done
            }
            None => {
                let due_at = draft.now().plus_ms(*ms);
                emit(draft, TimerSet { position, due_at, unless: *unless });
                Progress::Waits
            }
        },
        // Taken care of by the caller.
        Action::Jump { .. } | Action::Stop => Progress::Done,
    }
}

fn settle<E: Composed>(draft: &mut Draft<'_, E>, command: impl Into<core_commands::Command>, position: Position) -> Progress {
    match carry_out_core(draft, command) {
        Ok(_) => {
            emit(draft, StepDone { position });
            Progress::Done
        }
        Err(refusal) => {
            let problem = cut(&refusal.to_string());
            emit(draft, StepRefused { position, problem: problem.clone() });
            Progress::Failed(problem)
        }
    }
}

/// Whether what ends a wait is so already when it begins.
fn holds(rows: &(impl Rows + ?Sized), case: CaseId, until: Until) -> bool {
    let Some(case) = CASES.get(rows, &case) else { return false };
    match until {
        Until::CaseAnswered => case.first_answer_at.is_some(),
        Until::CaseResolved => case.state == CaseState::Resolved,
        Until::InteractionReceived => false,
    }
}

/// The contact an activity about the case goes to, and the channel that records it; or why there is none.
pub(crate) fn contact_for(rows: &(impl Rows + ?Sized), case: CaseId, crm: Option<&str>) -> Result<(ContactId, ChannelName), String> {
    let profile = CASES.get(rows, &case).and_then(|case| case.profile).and_then(|profile| PROFILES.get(rows, &profile));
    let contact = profile.and_then(|profile| person::contact_of(rows, &profile));
    let Some(contact) = contact else { return Err("no contact is linked".to_owned()) };
    let row = sportello_core::domain::contact::CONTACTS.get(rows, &contact).filter(|row| !row.deleted);
    let Some(row) = row else { return Err("the linked contact no longer exists".to_owned()) };
    match crm {
        Some(crm) if crm != row.channel.as_str() => Err(format!("the linked contact is in {}, not in {crm}", row.channel)),
        _ => Ok((contact, row.channel)),
    }
}

/// Records that a step did not work out; goes on if it may fail, or else ends the run.
pub(crate) fn fail<E: Composed>(draft: &mut Draft<'_, E>, position: Position, problem: &str, plan: &Plan) {
    let problem = cut(problem);
    emit(draft, StepFailed { position: position.clone(), problem: problem.clone() });
    give_up(draft, position, problem, plan);
}

/// What follows a step that was refused or failed.
pub(crate) fn give_up<E: Composed>(draft: &mut Draft<'_, E>, position: Position, problem: String, plan: &Plan) {
    let instruction = position.instruction.and_then(|index| plan.instructions.get(usize::from(index)).map(|step| (index, step)));
    match instruction {
        Some((index, step)) if step.may_fail => advance(draft, position.run, index + 1, 1),
        _ => end(draft, position.run, Ending::Failed { step: position.step, problem }),
    }
}

/// Ends a run.
pub(crate) fn end<E: Composed>(draft: &mut Draft<'_, E>, run: RunId, ending: Ending) {
    emit(draft, RunEnded { run, ending });
}

/// The run's present position, with its step's name.
pub(crate) fn position_of(id: RunId, run: &Run, plan: &Plan) -> Position {
    let step = match run.instruction.map(|index| plan.instructions.get(usize::from(index))) {
        Some(Some(instruction)) => instruction.step.clone(),
        _ => WHEN.to_owned(),
    };
    Position { run: id, visit: run.visit, instruction: run.instruction, step }
}

/// A problem's text, not longer than an event holds.
pub(crate) fn cut(problem: &str) -> String {
    let mut end = problem.len().min(PROBLEM_BYTES_MAX);
    while !problem.is_char_boundary(end) {
        end -= 1;
    }
    problem[..end].to_owned()
}
