//! What follows from an event of the core: runs start, waits end, steps learn what became of their effects.

use sportello_core::domain::case::{CASES, CaseState, LATEST_CASES};
use sportello_core::domain::conversation::CONVERSATIONS;
use sportello_core::domain::effect::{AskedBy, EFFECTS};
use sportello_core::domain::interaction::{Change, INTERACTIONS, InteractionReceived};
use sportello_core::domain::profile::LookUp;
use sportello_core::draft::Draft;
use sportello_core::event::Event as CoreEvent;
use sportello_core::ids::{CaseId, EffectId, InteractionId, ProfileId};
use sportello_core::numbers::Counter;

use crate::advance::{Composed, WHEN, advance, emit, fail, position_of};
use crate::event::{Position, RetrySet, RunStarted, StartHeldBack, StepAsked, StepDone, TimerEnded};
use crate::limits::{LIVE_RUNS_PER_CASE_MAX, RUNS_PER_EVENT_MAX, STARTS_PER_WINDOW_MAX, STARTS_WINDOW_MS};
use crate::plan::{Action, Retry, Trigger, Until};
use crate::run::{RUNS, RUNS_OF_CASE, RunId, Waiting};
use crate::workflow::{ACTIVE, PLANS, WORKFLOWS, Workflow};

/// Does in the draft what follows from an event of the core that lies in it. Never refuses anything.
///
/// Call it for every core event of the draft, in order, and also for those it adds; limits on starts end that
/// ([`STARTS_PER_WINDOW_MAX`]).
pub fn react<E: Composed>(draft: &mut Draft<'_, E>, event: &CoreEvent) {
    match event {
        CoreEvent::EffectDone(event) => effect_ended(draft, event.effect, None),
        CoreEvent::EffectFailed(event) => {
            // Left by somebody, or unknown at some time, it may have taken place: a retry could double it.
            let may_have_happened = draft.tables().get(&EFFECTS, &event.effect).is_some_and(|effect| effect.may_have_happened);
            let for_certain = event.left_by.is_none() && !may_have_happened;
            let failure = Failure { problem: &event.problem, for_certain };
            effect_ended(draft, event.effect, Some(failure));
        }
        CoreEvent::CaseOpened(event) => start_all(draft, &[Trigger::CaseOpened], event.case, None),
        CoreEvent::CaseAssigned(event) => start_all(draft, &[Trigger::CaseAssigned], event.case, None),
        CoreEvent::CaseAnswered(event) => {
            end_waits(draft, event.case, Until::CaseAnswered);
            start_all(draft, &[Trigger::CaseAnswered], event.case, None);
        }
        CoreEvent::CaseStateChanged(event) => {
            let also = match (event.from, event.to) {
                (_, CaseState::Resolved) => {
                    end_waits(draft, event.case, Until::CaseResolved);
                    Some(Trigger::CaseResolved)
                }
                (CaseState::Resolved, _) => Some(Trigger::CaseReopened),
                _ => None,
            };
            let triggers: Vec<Trigger> = also.into_iter().chain([Trigger::CaseStateChanged]).collect();
            start_all(draft, &triggers, event.case, None);
        }
        CoreEvent::InteractionReceived(event) => interaction_received(draft, event),
        CoreEvent::LinkMade(event) => {
            if let Some(case) = draft.tables().get(&LATEST_CASES, &event.profile) {
                start_all(draft, &[Trigger::LinkMade], case, None);
            }
        }
        CoreEvent::LookUpAnswered(event) if event.look_up == LookUp::Absent => looked_up_in_vain(draft, event.profile),
        CoreEvent::ProfileSeen(event) if event.look_up == Some(LookUp::Absent) => looked_up_in_vain(draft, event.profile),
        _ => {}
    }
}

fn looked_up_in_vain<E: Composed>(draft: &mut Draft<'_, E>, profile: ProfileId) {
    if let Some(case) = draft.tables().get(&LATEST_CASES, &profile) {
        start_all(draft, &[Trigger::ProfileLookedUp], case, None);
    }
}

fn interaction_received<E: Composed>(draft: &mut Draft<'_, E>, event: &InteractionReceived) {
    if event.own || event.change != Change::Created {
        return;
    }
    let case = draft.tables().get(&CONVERSATIONS, &event.conversation).and_then(|conversation| conversation.case);
    let Some(case) = case else { return };
    let trigger = Trigger::InteractionReceived;
    let concerns_any = draft.tables().contains(&RUNS_OF_CASE, &case) || draft.tables().contains(&ACTIVE, &trigger.code());
    if !concerns_any {
        return;
    }
    // Deleted before it came: there is nothing to answer.
    if draft.tables().get(&INTERACTIONS, &event.interaction).is_none_or(|row| row.withdrawn) {
        return;
    }
    end_waits(draft, case, Until::InteractionReceived);
    start_all(draft, &[trigger], case, Some(event.interaction));
}

fn start_all<E: Composed>(draft: &mut Draft<'_, E>, triggers: &[Trigger], case_id: CaseId, interaction: Option<InteractionId>) {
    let mut started = 0;
    for trigger in triggers {
        for name in draft.tables().get(&ACTIVE, &trigger.code()).unwrap_or_default() {
            let Some(workflow) = draft.tables().get(&WORKFLOWS, &name) else { continue };
            let Some(case) = draft.tables().get(&CASES, &case_id) else { return };
            if !workflow.channels.is_empty() && !workflow.channels.iter().any(|channel| channel == case.channel.as_str()) {
                continue;
            }
            if may_start(draft, &name, case_id, started) {
                let latest = || draft.tables().get(&CONVERSATIONS, &case.conversation).and_then(|row| row.latest_inbound);
                let interaction = interaction.or_else(latest);
                start(draft, name, &workflow, case_id, interaction);
                started += 1;
            }
        }
    }
}

/// Whether the limits let a run start; where they do not, that is said, once per window.
fn may_start<E: Composed>(draft: &mut Draft<'_, E>, name: &str, case: CaseId, started: usize) -> bool {
    let runs = draft.tables().get(&RUNS_OF_CASE, &case).unwrap_or_default();
    let starts = runs.starts_of(name, draft.now());
    let problem = if started >= RUNS_PER_EVENT_MAX {
        format!("one event starts {RUNS_PER_EVENT_MAX} runs at most")
    } else if runs.live.len() >= LIVE_RUNS_PER_CASE_MAX {
        format!("{LIVE_RUNS_PER_CASE_MAX} runs of case {case} are under way, the most there can be; cancel some")
    } else if starts >= STARTS_PER_WINDOW_MAX {
        let window_s = STARTS_WINDOW_MS / 1_000;
        format!("it has started {STARTS_PER_WINDOW_MAX} times for case {case} within {window_s} s; do workflows wake each other?")
    } else {
        return true;
    };
    // Held-back starts count too, so that this is said a limited number of times.
    if starts <= STARTS_PER_WINDOW_MAX {
        emit(draft, StartHeldBack { workflow: name.to_owned(), case, problem });
    }
    false
}

fn start<E: Composed>(draft: &mut Draft<'_, E>, name: String, workflow: &Workflow, case: CaseId, interaction: Option<InteractionId>) {
    let Some(plan) = draft.tables().get(&PLANS, &workflow.hash) else { return };
    let run = RunId(draft.next(Counter::Run));
    emit(draft, RunStarted { run, workflow: name, hash: workflow.hash, trigger: workflow.trigger, case, interaction });
    if plan.when.is_some() {
        let position = Position { run, visit: 1, instruction: None, step: WHEN.to_owned() };
        emit(draft, StepAsked { position, attempt: 1 });
    } else {
        advance(draft, run, 0, 1);
    }
}

fn end_waits<E: Composed>(draft: &mut Draft<'_, E>, case: CaseId, because: Until) {
    for id in draft.tables().get(&RUNS_OF_CASE, &case).unwrap_or_default().live {
        let Some(run) = draft.tables().get(&RUNS, &id) else { continue };
        if !matches!(run.waiting, Waiting::Timer { unless: Some(unless), .. } if unless == because) {
            continue;
        }
        let (Some(index), Some(plan)) = (run.instruction, draft.tables().get(&PLANS, &run.hash)) else { continue };
        emit(draft, TimerEnded { position: position_of(id, &run, &plan), because });
        advance(draft, id, index + 1, 1);
    }
}

struct Failure<'event> {
    problem: &'event str,
    for_certain: bool,
}

fn effect_ended<E: Composed>(draft: &mut Draft<'_, E>, effect: EffectId, failure: Option<Failure<'_>>) {
    let Some(row) = draft.tables().get(&EFFECTS, &effect) else { return };
    let AskedBy::Run { run: number, .. } = row.asked_by else { return };
    let id = RunId(number);
    let Some(run) = draft.tables().get(&RUNS, &id) else { return };
    if run.waiting != (Waiting::Effect { effect }) {
        return;
    }
    let (Some(index), Some(plan)) = (run.instruction, draft.tables().get(&PLANS, &run.hash)) else { return };
    let position = position_of(id, &run, &plan);
    let Some(failure) = failure else {
        emit(draft, StepDone { position });
        return advance(draft, id, index + 1, 1);
    };
    let retry = match plan.instructions.get(usize::from(index)).map(|instruction| &instruction.action) {
        Some(Action::Reply { retry, .. } | Action::Activity { retry, .. }) => *retry,
        _ => Retry::default(),
    };
    if failure.for_certain && run.attempt < retry.attempts {
        let due_at = draft.now().plus_ms(retry.every_ms);
        emit(draft, RetrySet { position, due_at, problem: crate::advance::cut(failure.problem) });
    } else {
        fail(draft, position, failure.problem, &plan);
    }
}
