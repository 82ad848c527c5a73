//! The answer to what a step asked.

use sportello_core::commands::{Accepted, QueueEffect};
use sportello_core::domain::case::CASES;
use sportello_core::domain::effect::AskedBy;
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::draft::Draft;
use sportello_core::ids::{ChannelName, ContactId, ConversationId, SlotId};
use sportello_core::refusal::Refusal;

use super::not_found;
use crate::advance::{Composed, advance, carry_out_core, contact_for, cut, emit, end, fail, give_up, position_of};
use crate::event::{ConditionAnswered, EffectAwaited, Position, StepRefused, StepSkipped};
use crate::plan::{Action, Plan};
use crate::run::{Ending, RUNS, Run, RunId, Waiting};
use crate::workflow::PLANS;

/// Answers the question a run asks at a visit. Refused when it no longer asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerStep {
    /// The run.
    pub run: RunId,
    /// The visit that asks.
    pub visit: u64,
    /// The answer.
    pub answer: Answer,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Whether the condition holds.
    Condition(bool),
    /// The words of a reply or of an activity, sealed.
    Text {
        /// Where their key is.
        slot: SlotId,
        /// They, sealed.
        sealed: Vec<u8>,
    },
    /// There is no answer: the step fails.
    Failed(String),
}

impl AnswerStep {
    pub(super) fn decide<E: Composed>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let run = draft.tables().get(&RUNS, &self.run).ok_or_else(|| not_found("run", self.run))?;
        if run.waiting != Waiting::Answer || run.visit != self.visit {
            return Err(Refusal::Conflict(format!("run {} no longer asks the question of visit {}", self.run, self.visit)));
        }
        let plan = draft.tables().get(&PLANS, &run.hash).ok_or_else(|| not_found("definition of run", self.run))?;
        let position = position_of(self.run, &run, &plan);
        let action = run.instruction.and_then(|index| plan.instructions.get(usize::from(index))).map(|step| &step.action);
        match (run.instruction, action, &self.answer) {
            (_, _, Answer::Failed(problem)) => fail(draft, position, problem, &plan),
            (None, _, Answer::Condition(holds)) => {
                emit(draft, ConditionAnswered { position, holds: *holds });
                if *holds {
                    advance(draft, self.run, 0, 1);
                } else {
                    end(draft, self.run, Ending::Unwanted);
                }
            }
            (Some(index), Some(Action::If { otherwise, .. }), Answer::Condition(holds)) => {
                emit(draft, ConditionAnswered { position, holds: *holds });
                advance(draft, self.run, if *holds { index + 1 } else { *otherwise }, 1);
            }
            (Some(index), Some(Action::Reply { .. }), Answer::Text { slot, sealed }) => {
                let case = draft.tables().get(&CASES, &run.case).ok_or_else(|| not_found("case", run.case))?;
                let target = Target { channel: case.channel, action: "reply", conversation: Some(case.conversation), contact: None };
                self.queue(draft, &run, &plan, index, position, target, *slot, sealed);
            }
            (Some(index), Some(Action::Activity { crm, .. }), Answer::Text { slot, sealed }) => {
                match contact_for(draft.tables(), run.case, crm.as_deref()) {
                    Ok((contact, channel)) => {
                        let target = Target { channel, action: "activity", conversation: None, contact: Some(contact) };
                        self.queue(draft, &run, &plan, index, position, target, *slot, sealed);
                    }
                    // The link ended between the question and the answer.
                    Err(reason) => {
                        emit(draft, StepSkipped { position, reason });
                        advance(draft, self.run, index + 1, 1);
                    }
                }
            }
            _ => return Err(Refusal::Invalid(format!("this is no answer to what step {} of run {} asks", position.step, self.run))),
        }
        Ok(Accepted::Done)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one sentence; a struct for them would be used once")]
    fn queue<E: Composed>(
        &self,
        draft: &mut Draft<'_, E>,
        run: &Run,
        plan: &Plan,
        index: u16,
        position: Position,
        target: Target,
        slot: SlotId,
        sealed: &[u8],
    ) {
        // The words may quote whoever the run is about, who need not be the one who opened the case.
        let about = run.interaction.and_then(|id| draft.tables().get(&INTERACTIONS, &id)).filter(|interaction| !interaction.own);
        let profile = about
            .and_then(|interaction| interaction.profile)
            .or_else(|| draft.tables().get(&CASES, &run.case).and_then(|case| case.profile));
        let command = QueueEffect {
            // Who asks, never what for: the same words twice are two effects, one visit is one.
            key: format!("run-{}-{}", self.run, self.visit),
            channel: target.channel,
            action: target.action.to_owned(),
            case: Some(run.case),
            conversation: target.conversation,
            answers: run.interaction,
            contact: target.contact,
            profile,
            basis: None,
            slot,
            sealed: sealed.to_vec(),
            asked_by: AskedBy::Run { run: self.run.0, step: position.step.clone() },
        };
        match carry_out_core(draft, command) {
            Ok(Accepted::Effect(effect)) => emit(draft, EffectAwaited { position, effect }),
            // The core answers an effect with an effect; anything else would be nothing to wait for.
            Ok(_) => advance(draft, self.run, index + 1, 1),
            Err(refusal) => {
                let problem = cut(&refusal.to_string());
                emit(draft, StepRefused { position: position.clone(), problem: problem.clone() });
                give_up(draft, position, problem, plan);
            }
        }
    }
}

/// Where an effect goes.
struct Target {
    channel: ChannelName,
    action: &'static str,
    conversation: Option<ConversationId>,
    contact: Option<ContactId>,
}
