//! The stored form of each event is held in `stored.txt`: what is in a journal must be read by every later program. A changed line means a
//! new version of that event with an upcaster, never a new line. `BLESS=1` writes what is found, for new kinds.

use std::fs;
use std::path::PathBuf;

use sportello_core::domain::case::CaseState;
use sportello_core::event::split_raw;
use sportello_core::ids::{CaseId, Digest, EffectId, InteractionId};
use sportello_core::time::Timestamp;
use sportello_workflow::Event;
use sportello_workflow::event::*;
use sportello_workflow::plan::{Action, Instruction, Part, Plan, Retry, Template, Text, Trigger, Until};
use sportello_workflow::run::{Ending, RunId};

fn plan() -> Plan {
    let words = Template(vec![Part::Words("a".to_owned()), Part::Value("case.number".to_owned())]);
    let text = Text { languages: vec![("it".to_owned(), words.clone())] };
    let retry = Retry { attempts: 3, every_ms: 1_000 };
    let actions = [
        Action::If { condition: "c".to_owned(), otherwise: 3 },
        Action::Jump { to: 2 },
        Action::Assign { owner: "o".to_owned() },
        Action::State { to: CaseState::Waiting },
        Action::Priority { priority: 9 },
        Action::Reply { text: text.clone(), retry },
        Action::Activity { crm: Some("crm".to_owned()), subject: words, text, retry },
        Action::Wait { ms: 1_000, unless: Some(Until::CaseAnswered) },
        Action::Stop,
    ];
    let instructions = actions.into_iter().map(|action| Instruction { step: "s".to_owned(), may_fail: true, action }).collect();
    Plan { trigger: Trigger::LinkMade, channels: vec!["desk".to_owned()], when: Some("w".to_owned()), instructions }
}

fn one_of_each() -> Vec<Event> {
    let run = RunId(7);
    let position = || Position { run, visit: 3, instruction: Some(2), step: "s".to_owned() };
    let problem = || "p".to_owned();
    let workflow = || "w".to_owned();
    let ended = |ending| RunEnded { run, ending }.into();
    vec![
        WorkflowDefined { name: workflow(), hash: Digest([1; 32]), source: "y".to_owned(), plan: plan() }.into(),
        WorkflowRetired { name: workflow() }.into(),
        RunStarted {
            run,
            workflow: workflow(),
            hash: Digest([1; 32]),
            trigger: Trigger::CaseOpened,
            case: CaseId(5),
            interaction: Some(InteractionId(6)),
        }
        .into(),
        StartHeldBack { workflow: workflow(), case: CaseId(5), problem: problem() }.into(),
        ended(Ending::Completed),
        ended(Ending::Unwanted),
        ended(Ending::Failed { step: "s".to_owned(), problem: problem() }),
        ended(Ending::Cancelled { by: "anna".to_owned() }),
        StepAsked { position: position(), attempt: 2 }.into(),
        ConditionAnswered { position: position(), holds: true }.into(),
        StepDone { position: position() }.into(),
        StepSkipped { position: position(), reason: problem() }.into(),
        StepRefused { position: position(), problem: problem() }.into(),
        StepFailed { position: position(), problem: problem() }.into(),
        EffectAwaited { position: position(), effect: EffectId(8) }.into(),
        RetrySet { position: position(), due_at: Timestamp(9), problem: problem() }.into(),
        TimerSet { position: position(), due_at: Timestamp(9), unless: Some(Until::InteractionReceived) }.into(),
        TimerFired { position: position() }.into(),
        TimerEnded { position: position(), because: Until::CaseResolved }.into(),
    ]
}

#[test]
fn what_is_stored_stays_readable() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/workflows/stored.txt");
    let mut found = String::new();
    for event in one_of_each() {
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        let (raw, rest) = split_raw(&bytes).expect("one event");
        assert!(rest.is_empty());
        assert!((1_000..2_000).contains(&raw.kind));
        assert_eq!(Event::from_payload(raw.kind, raw.version, raw.payload).as_ref(), Ok(&event), "it is read back");
        found.push_str(&format!("{} {}\n", event.word(), hex::encode(&bytes)));
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &found).expect("writable");
    }
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), found, "the stored form has changed: old journals could not be read");
}
