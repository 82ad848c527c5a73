use sportello_core::commands::{
    ContactNews, ErasePerson, Ingest, QueueEffect, RecordErased, RequestDeletions, RequestedDeletion, TakeContacts,
};
use sportello_core::domain::contact::{CONTACTS, CONTACTS_OF_IDENTIFIER};
use sportello_core::domain::deletion::{DELETION_REQUESTS, is_done};
use sportello_core::domain::effect::{AskedBy, EFFECTS_BY_PROFILE};
use sportello_core::domain::erasure::{Due, ERASURES_DUE};
use sportello_core::domain::interaction::{Change, INTERACTIONS};
use sportello_core::domain::person::{PEOPLE, person_of};
use sportello_core::domain::profile::{PROFILES, PROFILES_OF_IDENTIFIER};
use sportello_core::ids::{CaseId, ContactId, ConversationId, EffectId, Fingerprint, IdentifierId, InteractionId, ProfileId, SlotId};
use sportello_core::refusal::Refusal;

use crate::desk::{Desk, channel, identified};

/// Ada, a customer; Bruno shares her office's phone.
fn two_people() -> Desk {
    let mut desk = Desk::new();
    let contact = ContactNews {
        contact: ContactId(701),
        version: [1; 16],
        sealed: vec![4],
        identifiers: vec![identified("chirper.id", 10_501), identified("email", 20_001)],
        deleted: false,
    };
    desk.must(TakeContacts { channel: channel(), contacts: vec![contact], cursor: None });
    for (native_id, author) in [(1, 501), (2, 502)] {
        let mut arrival = desk.arrival(native_id, 0, Change::Created, author, 600 + u64::from(native_id));
        arrival.author.as_mut().unwrap().news.as_mut().unwrap().identifiers.push(identified("phone", 30_000));
        desk.ingest(vec![arrival]);
    }
    desk
}

#[test]
fn erasing_somebody_takes_profile_contact_and_identifiers_nobody_else_carries() {
    let mut desk = two_people();
    let ada = desk.get(&PROFILES, &ProfileId(501)).unwrap();
    desk.must(ErasePerson { person: ada.person, by: "anna".into() });
    let due = |what| desk.get(&ERASURES_DUE, &(desk.now, what)).is_some();
    assert!(due(Due::WholeProfile(ProfileId(501))) && due(Due::Contact(ContactId(701))));
    assert!(due(Due::Identifier(IdentifierId(10_501))) && due(Due::Identifier(IdentifierId(20_001))));
    assert!(!due(Due::Identifier(IdentifierId(30_000))), "Bruno still has that phone");
    assert!(!due(Due::WholeProfile(ProfileId(502))), "Bruno stays");
    let ada = desk.get(&PROFILES, &ProfileId(501)).unwrap();
    assert!(ada.erased && ada.sealed.is_empty() && ada.identifiers.is_empty() && ada.link.is_none());
    assert!(desk.get(&PROFILES_OF_IDENTIFIER, &IdentifierId(10_501)).is_none());
    assert!(desk.get(&CONTACTS_OF_IDENTIFIER, &IdentifierId(20_001)).is_none());
}

#[test]
fn an_effect_is_forgotten_with_whom_it_is_for_and_with_whose_case_it_is() {
    let mut desk = Desk::new();
    desk.says(1, 501, 601);
    desk.says(2, 502, 601);
    let reply = QueueEffect {
        key: "a".into(),
        channel: channel(),
        action: "reply".into(),
        case: Some(CaseId(1)),
        conversation: Some(ConversationId(601)),
        answers: None,
        contact: None,
        profile: Some(ProfileId(502)),
        basis: None,
        slot: SlotId(900),
        sealed: vec![1],
        asked_by: AskedBy::Person { name: "anna".into() },
    };
    desk.must(reply);
    for profile in [501, 502] {
        assert!(desk.get(&EFFECTS_BY_PROFILE, &(ProfileId(profile), EffectId(1))).is_some(), "profile {profile}");
    }
}

#[test]
fn a_contact_that_was_erased_is_not_brought_back_by_what_was_read_before() {
    let mut desk = two_people();
    let ada = desk.get(&PROFILES, &ProfileId(501)).unwrap();
    desk.must(ErasePerson { person: ada.person, by: "anna".into() });
    let before = desk.rows.clone();
    let contact = ContactNews {
        contact: ContactId(701),
        version: [2; 16],
        sealed: vec![5],
        identifiers: vec![identified("phone", 30_000)],
        deleted: false,
    };
    let (_, events) = desk.must(TakeContacts { channel: channel(), contacts: vec![contact], cursor: None });
    assert!(events.is_empty(), "{events:?}");
    assert_eq!(desk.rows, before);
}

#[test]
fn a_person_known_by_profile_or_by_contact_is_the_same_person_to_erase() {
    let mut by_profile = two_people();
    let ada = by_profile.get(&PROFILES, &ProfileId(501)).unwrap();
    let linked = person_of(&by_profile.rows, &ada);
    let mut by_contact = two_people();
    by_profile.must(ErasePerson { person: ada.person, by: "anna".into() });
    by_contact.must(ErasePerson { person: linked, by: "anna".into() });
    assert_eq!(by_profile.rows, by_contact.rows);
    assert!(by_profile.get(&PEOPLE, &linked).unwrap().erased);
}

#[test]
fn what_comes_in_for_an_erased_profile_is_refused_so_that_the_edge_resolves_again() {
    let mut desk = two_people();
    let ada = desk.get(&PROFILES, &ProfileId(501)).unwrap();
    desk.must(ErasePerson { person: ada.person, by: "anna".into() });
    let arrival = desk.arrival(9, 0, Change::Created, 501, 609);
    let command = Ingest { channel: channel(), arrivals: vec![arrival], known: 0, cursor: None, state_writes: vec![], replayed: None };
    assert_eq!(desk.try_to(command).unwrap_err(), Refusal::ProfileErased(501));
}

#[test]
fn what_was_erased_leaves_the_list_and_its_words() {
    let mut desk = two_people();
    let due_at = desk.now;
    let erased = vec![(Some(due_at), Due::Interaction(InteractionId(1)))];
    let (_, events) = desk.must(RecordErased { erased: erased.clone() });
    assert!(events.is_empty(), "nothing was due");
    desk.must(RecordErased { erased: vec![(None, Due::Interaction(InteractionId(1)))] });
    assert!(desk.get(&INTERACTIONS, &InteractionId(1)).unwrap().sealed.is_empty());
    assert_eq!(desk.count(&ERASURES_DUE), 0);
}

fn asked_by_platform(desk: &mut Desk, code: u8, profile: Option<u64>) {
    let requests = vec![RequestedDeletion { confirmation: Fingerprint([code; 16]), profile: profile.map(ProfileId) }];
    desk.must(RequestDeletions { channel: channel(), requests });
}

#[test]
fn a_deletion_asked_for_by_way_of_the_platform_takes_the_profile_and_leaves_the_company_s_own_record() {
    let mut desk = two_people();
    asked_by_platform(&mut desk, 1, Some(501));
    let due = |desk: &Desk, what| desk.get(&ERASURES_DUE, &(desk.now, what)).is_some();
    assert!(due(&desk, Due::WholeProfile(ProfileId(501))));
    assert!(!due(&desk, Due::Identifier(IdentifierId(10_501))) && !due(&desk, Due::Contact(ContactId(701))), "the CRM has both");
    assert!(!desk.get(&CONTACTS, &ContactId(701)).unwrap().erased);
    let ada = desk.get(&PROFILES, &ProfileId(501)).unwrap();
    assert!(ada.erased && ada.sealed.is_empty() && ada.link.is_none());
    assert!(!due(&desk, Due::WholeProfile(ProfileId(502))), "Bruno stays");
}

#[test]
fn who_asked_for_deletion_can_see_when_it_is_done() {
    let mut desk = two_people();
    asked_by_platform(&mut desk, 1, Some(501));
    let request = |desk: &Desk, code: u8| desk.get(&DELETION_REQUESTS, &Fingerprint([code; 16]));
    let asked = request(&desk, 1).unwrap();
    assert!(!is_done(&desk.rows, &asked));
    let at = desk.now;
    // The platform repeats itself, while the keys are still there: that is no answer to the question.
    desk.now = desk.now.plus_ms(1_000);
    asked_by_platform(&mut desk, 1, Some(501));
    asked_by_platform(&mut desk, 1, None);
    assert_eq!(request(&desk, 1).unwrap(), asked);
    assert!(!is_done(&desk.rows, &request(&desk, 1).unwrap()));
    desk.must(RecordErased { erased: vec![(Some(at), Due::WholeProfile(ProfileId(501)))] });
    assert!(is_done(&desk.rows, &asked));
    // The platform asks again, and somebody nobody knows asks.
    asked_by_platform(&mut desk, 1, Some(501));
    asked_by_platform(&mut desk, 2, None);
    assert_eq!(desk.count(&ERASURES_DUE), 0, "there is nothing more to erase");
    assert!(is_done(&desk.rows, &request(&desk, 1).unwrap()) && is_done(&desk.rows, &request(&desk, 2).unwrap()));
    assert!(request(&desk, 3).is_none());
}

#[test]
fn a_deletion_asked_for_while_an_administrator_s_is_under_way_is_not_done_before_it_is() {
    let mut desk = two_people();
    let ada = desk.get(&PROFILES, &ProfileId(501)).unwrap();
    desk.must(ErasePerson { person: ada.person, by: "anna".into() });
    let begun = desk.now;
    desk.now = desk.now.plus_ms(1_000);
    asked_by_platform(&mut desk, 1, Some(501));
    let asked = desk.get(&DELETION_REQUESTS, &Fingerprint([1; 16])).unwrap();
    assert!(!is_done(&desk.rows, &asked), "her words can still be read");
    let whole = Due::WholeProfile(ProfileId(501));
    desk.must(RecordErased { erased: vec![(Some(begun), whole), (Some(asked.at), whole)] });
    assert!(is_done(&desk.rows, &asked));
    assert!(desk.get(&ERASURES_DUE, &(asked.at, whole)).is_none() && desk.get(&ERASURES_DUE, &(begun, whole)).is_none());
}
