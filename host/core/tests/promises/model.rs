use sportello_core::commands::{
    AnswerLookUps, Arrival, AssignCase, ContactNews, DecideEffect, EffectDecision, EffectOutcome, EndLink, ErasePerson, FinishEffect,
    Ingest, PrioritiseCase, QueueEffect, SetCaseState, StartEffect, TakeContacts,
};
use sportello_core::domain::case::{CASES, CASES_BY_STATE, CaseState};
use sportello_core::domain::channel::Idempotency;
use sportello_core::domain::effect::{AskedBy, EFFECTS, EFFECTS_DUE, EFFECTS_STARTED, EFFECTS_UNDECIDED, Effect, EffectState};
use sportello_core::domain::interaction::{Change, IDENTITIES, INTERACTIONS};
use sportello_core::domain::lane::{LANES, Lane};
use sportello_core::domain::person::LINKED_PROFILES;
use sportello_core::domain::profile::PROFILES;
use sportello_core::ids::{CaseId, ContactId, ConversationId, EffectId, LinkId, PersonId, ProfileId, SlotId, SubjectId};

use crate::desk::{Desk, channel, identified, policy};

/// Random commands, refused or not: after each, replay equals live (checked inside), and what must hold does.
#[test]
fn whatever_is_asked_the_invariants_hold() {
    for round in 0..40 {
        let seed = std::env::var("SPORTELLO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
        println!("round {round}: seed {seed} (set SPORTELLO_SEED to repeat)");
        let mut random = fastrand::Rng::with_seed(seed);
        let classes = [Idempotency::Findable, Idempotency::Unsafe, Idempotency::Keyed, Idempotency::Idempotent];
        let mut desk = Desk::with(policy(), classes[round % classes.len()]);
        for _ in 0..250 {
            desk.now = desk.now.plus_ms(random.u64(0..3_000));
            step(&mut desk, &mut random);
        }
        check(&desk);
    }
}

fn step(desk: &mut Desk, random: &mut fastrand::Rng) {
    let case = CaseId(random.u64(1..12));
    let effect = EffectId(random.u64(1..12));
    // Refusals are fine: they must change nothing, which the comparison with the replay shows.
    let _ = match random.u8(0..14) {
        0..=3 => {
            let change = [Change::Created, Change::Created, Change::Edited, Change::Deleted][random.usize(0..4)];
            let author = random.u64(501..507);
            let mut arrival = desk.arrival(random.u8(1..30), random.u8(0..3), change, author, random.u64(601..608));
            if random.u8(0..4) == 0 {
                arrival = Arrival { own: true, author: None, effect_key: random.bool().then(|| random.u8(0..12).to_string()), ..arrival };
            }
            let arrivals = vec![arrival];
            desk.try_to(Ingest { channel: channel(), arrivals, known: 0, cursor: None, state_writes: vec![], replayed: None })
        }
        4 => {
            let news = ContactNews {
                contact: ContactId(random.u64(701..704)),
                version: [random.u8(..); 16],
                sealed: vec![1],
                identifiers: vec![identified("chirper.id", random.u64(10_501..10_507))],
                deleted: random.u8(0..8) == 0,
            };
            desk.try_to(TakeContacts { channel: channel(), contacts: vec![news], cursor: None })
        }
        5 => {
            let profile = ProfileId(random.u64(501..507));
            let asked = desk.get(&PROFILES, &profile).map_or_else(Vec::new, |row| row.identifiers);
            desk.try_to(AnswerLookUps { asked: vec![(profile, asked)] })
        }
        6 => desk.try_to(EndLink { link: LinkId(random.u64(1..6)), reason: "no".into() }),
        7 => desk.try_to(AssignCase { case, owner: random.bool().then(|| "anna".to_owned()) }),
        8 => {
            let states = [CaseState::Open, CaseState::Assigned, CaseState::Waiting, CaseState::Resolved];
            desk.try_to(SetCaseState { case, to: states[random.usize(0..4)] })
        }
        9 => desk.try_to(PrioritiseCase { case, priority: random.u8(0..120) }),
        10 => desk.try_to(QueueEffect {
            key: random.u8(0..12).to_string(),
            channel: channel(),
            action: "reply".into(),
            case: None,
            conversation: Some(ConversationId(random.u64(601..604))),
            answers: None,
            contact: None,
            profile: Some(ProfileId(random.u64(501..507))),
            basis: None,
            slot: SlotId(5),
            sealed: vec![1],
            asked_by: AskedBy::Person { name: "anna".into() },
        }),
        11 => desk.try_to(StartEffect { effect }),
        12 => {
            let outcome = match random.u8(0..6) {
                0 => EffectOutcome::Done { receipt: SubjectId(1), sealed: vec![] },
                1 => EffectOutcome::Postponed { due_at: desk.now, setback: "busy".into() },
                2 => EffectOutcome::Absent,
                3 => EffectOutcome::CannotTell,
                4 => EffectOutcome::Failed("no".into()),
                _ => EffectOutcome::Uncertain("time-out".into()),
            };
            desk.try_to(FinishEffect { effect, attempt: random.u32(1..4), outcome })
        }
        _ if random.u8(0..6) == 0 => desk.try_to(ErasePerson { person: PersonId(random.u64(1..8)), by: "anna".into() }),
        _ => desk.try_to(DecideEffect { effect, decision: EffectDecision::Repeat, by: "anna".into() }),
    };
}

fn check(desk: &Desk) {
    assert_eq!(desk.count(&CASES), desk.count(&CASES_BY_STATE), "a case stands in one list");
    assert_eq!(desk.count(&INTERACTIONS), desk.count(&IDENTITIES), "an identity is one interaction");
    let effects: Vec<Effect> = (1..).map_while(|id| desk.get(&EFFECTS, &EffectId(id))).collect();
    let count = |wanted: &[EffectState]| effects.iter().filter(|effect| wanted.contains(&effect.state)).count();
    let mut lanes: Vec<Lane> = Vec::new();
    for effect in effects.iter().filter(|effect| effect.state.is_pending()) {
        if !lanes.contains(&Lane::of(effect)) {
            lanes.push(Lane::of(effect));
        }
    }
    assert_eq!(desk.count(&LANES), lanes.len(), "a lane is there as long as something is to be done in it");
    assert_eq!(desk.count(&EFFECTS_STARTED), count(&[EffectState::Started]));
    assert_eq!(
        desk.count(&EFFECTS_DUE) + desk.count(&EFFECTS_STARTED),
        lanes.len(),
        "of each lane one effect waits for a worker, or is with one"
    );
    assert_eq!(desk.count(&EFFECTS_UNDECIDED), count(&[EffectState::Undecided]));
    let linked = (501..507).filter_map(|id| desk.get(&PROFILES, &ProfileId(id))).filter(|profile| profile.link.is_some()).count();
    let listed: usize = (1..60).filter_map(|id| desk.get(&LINKED_PROFILES, &PersonId(id))).map(|profiles| profiles.len()).sum();
    assert_eq!(linked, listed, "a linked profile is its person's, once");
}
