use sportello_core::commands::{AssignCase, SetCaseState};
use sportello_core::domain::case::{CASES, CASES_BY_STATE, CaseState};
use sportello_core::domain::interaction::Change;
use sportello_core::ids::CaseId;

use crate::desk::Desk;

const CASE: CaseId = CaseId(1);

#[test]
fn a_thread_has_one_case_whoever_speaks_in_it() {
    let mut desk = Desk::new();
    desk.says(1, 501, 601);
    desk.says(2, 502, 601);
    desk.says(3, 501, 602);
    assert_eq!(desk.count(&CASES), 2);
}

#[test]
fn a_reaction_and_the_companys_own_words_open_no_case() {
    let mut desk = Desk::new();
    let mut reaction = desk.arrival(1, 0, Change::Created, 501, 601);
    reaction.kind = "reaction".into();
    let mut own = desk.arrival(2, 0, Change::Created, 502, 602);
    own.own = true;
    desk.ingest(vec![reaction, own]);
    assert_eq!(desk.count(&CASES), 0);
}

#[test]
fn who_writes_again_reopens_the_case_for_its_owner() {
    let mut desk = Desk::new();
    desk.says(1, 501, 601);
    desk.must(AssignCase { case: CASE, owner: Some("anna".into()) });
    desk.must(SetCaseState { case: CASE, to: CaseState::Resolved });
    desk.says(2, 501, 601);
    let case = desk.get(&CASES, &CASE).unwrap();
    assert_eq!((case.state, case.owner.as_deref(), case.reopened), (CaseState::Assigned, Some("anna"), 1));
    assert_eq!(desk.count(&CASES), 1);
}

#[test]
fn a_case_stands_in_exactly_one_list() {
    let mut desk = Desk::new();
    desk.says(1, 501, 601);
    for to in [CaseState::Waiting, CaseState::Resolved, CaseState::Open, CaseState::Resolved] {
        desk.must(SetCaseState { case: CASE, to });
        assert_eq!(desk.count(&CASES_BY_STATE), 1);
        assert!(desk.get(&CASES_BY_STATE, &(to.code(), CASE)).is_some());
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    let mut desk = Desk::new();
    desk.says(1, 501, 601);
    let refusal = desk.try_to(SetCaseState { case: CASE, to: CaseState::Assigned }).unwrap_err();
    assert!(refusal.to_string().contains("assign it"), "{refusal}");
    desk.must(SetCaseState { case: CASE, to: CaseState::Resolved });
    let refusal = desk.try_to(AssignCase { case: CASE, owner: Some("anna".into()) }).unwrap_err();
    assert!(refusal.to_string().contains("reopen it first"), "{refusal}");
}

#[test]
fn the_first_answer_is_whoevers_of_the_company() {
    let mut desk = Desk::new();
    desk.says(1, 501, 601);
    desk.now = desk.now.plus_ms(90_000);
    let mut by_hand = desk.arrival(2, 0, Change::Created, 502, 601);
    by_hand.own = true;
    desk.ingest(vec![by_hand]);
    assert_eq!(desk.get(&CASES, &CASE).unwrap().first_answer_at, Some(desk.now));
}
