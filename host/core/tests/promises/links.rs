use sportello_core::commands::{Accepted, AnswerLookUps, Arrival, ContactNews, EndLink, EnforcePolicy, LinkProfile, TakeContacts};
use sportello_core::domain::channel::{CHANNELS, LinkPermission, Policy};
use sportello_core::domain::contact::{CONTACTS_OF_IDENTIFIER, CONTACTS_PER_IDENTIFIER_MAX};
use sportello_core::domain::erasure::Due;
use sportello_core::domain::interaction::Change;
use sportello_core::domain::person::{
    LINKED_PROFILES, LINKS, LawfulBasis, PROFILES_PER_PERSON_MAX, REFUSED_LINKS, Standing, person_of, standing,
};
use sportello_core::domain::profile::{LOOK_UPS_PENDING, LookUp, PROFILES, PROFILES_PER_IDENTIFIER_MAX, Profile};
use sportello_core::event::Event;
use sportello_core::ids::{ContactId, IdentifierId, LinkId, ProfileId};

use crate::desk::{Desk, channel, identified, policy};

const ADA: ProfileId = ProfileId(501);

fn contact(desk: &mut Desk, id: u64, version: u8, identifiers: &[u64]) {
    let news = ContactNews {
        contact: ContactId(id),
        version: [version; 16],
        sealed: vec![4],
        identifiers: identifiers.iter().map(|identifier| identified("chirper.id", *identifier)).collect(),
        deleted: false,
    };
    desk.must(TakeContacts { channel: channel(), contacts: vec![news], cursor: None });
}

/// Every CRM was asked about Ada as she is.
fn asked(desk: &mut Desk) {
    let asked = ada(desk).identifiers;
    desk.must(AnswerLookUps { asked: vec![(ADA, asked)] });
}

/// How many events say that no CRM knows somebody: workflows start by each.
fn absences(events: &[Event]) -> usize {
    let says_so = |event: &&Event| match event {
        Event::ProfileSeen(seen) => seen.look_up == Some(LookUp::Absent),
        Event::LookUpAnswered(answer) => answer.look_up == LookUp::Absent,
        _ => false,
    };
    events.iter().filter(says_so).count()
}

fn ada(desk: &Desk) -> Profile {
    desk.get(&PROFILES, &ADA).unwrap()
}

#[test]
fn an_exact_identifier_links_whichever_side_comes_first() {
    for contact_first in [false, true] {
        let mut desk = Desk::new();
        if contact_first {
            contact(&mut desk, 701, 1, &[10_501]);
        }
        desk.says(1, ADA.0, 601);
        if !contact_first {
            assert_eq!(standing(&ada(&desk)), Standing::Unknown, "the CRM has not answered");
            contact(&mut desk, 701, 1, &[10_501]);
        }
        assert_eq!(standing(&ada(&desk)), Standing::Customer);
        assert_eq!(desk.count(&LOOK_UPS_PENDING), 0);
    }
}

#[test]
fn nobody_the_crms_know_is_a_prospect() {
    let mut desk = Desk::new();
    desk.says(1, ADA.0, 601);
    asked(&mut desk);
    assert_eq!(standing(&ada(&desk)), Standing::Prospect);
    contact(&mut desk, 701, 1, &[10_501]);
    assert_eq!(standing(&ada(&desk)), Standing::Customer, "and becomes a customer without losing history");
}

#[test]
fn the_companys_own_account_is_nobody_the_crms_could_know() {
    let mut desk = Desk::new();
    contact(&mut desk, 701, 1, &[10_501]);
    let mut own = desk.arrival(1, 0, Change::Created, ADA.0, 601);
    own.own = true;
    desk.ingest(vec![own]);
    contact(&mut desk, 701, 2, &[10_501]);
    assert_eq!((standing(&ada(&desk)), ada(&desk).link, desk.count(&LOOK_UPS_PENDING)), (Standing::Own, None, 0));
    let decided =
        LinkProfile { profile: ADA, contact: ContactId(701), by: "anna".into(), reason: "she called".into(), basis: LawfulBasis::Consent };
    let refusal = desk.try_to(decided).unwrap_err();
    assert!(refusal.to_string().contains("own account"), "{refusal}");

    // Said by somebody else after all: the settings that told the company's accounts were wrong.
    let mut other = desk.arrival(2, 0, Change::Created, ADA.0, 601);
    other.author.as_mut().unwrap().news = None;
    desk.ingest(vec![other]);
    assert_eq!(standing(&ada(&desk)), Standing::Customer);
    desk.says(3, 502, 602);
    assert_eq!(desk.count(&LOOK_UPS_PENDING), 1, "everybody else is asked about");
}

#[test]
fn two_contacts_with_one_identifier_are_no_evidence() {
    let mut desk = Desk::new();
    contact(&mut desk, 701, 1, &[10_501]);
    contact(&mut desk, 702, 1, &[10_501]);
    desk.says(1, ADA.0, 601);
    assert_eq!(ada(&desk).link, None);
}

#[test]
fn undoing_a_link_restores_what_was_and_evidence_does_not_make_it_again() {
    let mut desk = Desk::new();
    desk.says(1, ADA.0, 601);
    asked(&mut desk);
    let person = person_of(&desk.rows, &ada(&desk));
    contact(&mut desk, 701, 1, &[10_501]);
    assert_ne!(person_of(&desk.rows, &ada(&desk)), person);
    desk.must(EndLink { link: LinkId(1), reason: "another person".into() });
    assert_eq!(person_of(&desk.rows, &ada(&desk)), person);
    assert_eq!(ada(&desk).link, None);
    contact(&mut desk, 701, 2, &[10_501]);
    assert_eq!(ada(&desk).link, None, "a person's no is final for evidence");
    let decided =
        LinkProfile { profile: ADA, contact: ContactId(701), by: "anna".into(), reason: "she called".into(), basis: LawfulBasis::Consent };
    desk.must(decided);
    assert_eq!(standing(&ada(&desk)), Standing::Customer, "a person may change their mind");
}

#[test]
fn a_link_ends_when_the_contact_no_longer_carries_the_identifier() {
    let mut desk = Desk::new();
    contact(&mut desk, 701, 1, &[10_501]);
    desk.says(1, ADA.0, 601);
    contact(&mut desk, 701, 2, &[10_999]);
    assert_eq!(ada(&desk).link, None);
    contact(&mut desk, 701, 3, &[10_501]);
    assert!(ada(&desk).link.is_some(), "nobody said no: it comes back with the evidence");
}

#[test]
fn the_same_version_of_a_contact_changes_nothing() {
    let mut desk = Desk::new();
    contact(&mut desk, 701, 1, &[10_501]);
    let news = ContactNews { contact: ContactId(701), version: [1; 16], sealed: vec![5], identifiers: vec![], deleted: false };
    let (_, events) = desk.must(TakeContacts { channel: channel(), contacts: vec![news], cursor: None });
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn a_network_that_forbids_linking_is_obeyed_by_everybody() {
    for (permission, basis, allowed) in [
        (LinkPermission::Consent, LawfulBasis::LegitimateInterest, false),
        (LinkPermission::Consent, LawfulBasis::Consent, true),
        (LinkPermission::Forbidden, LawfulBasis::Consent, false),
    ] {
        let mut desk = Desk::under(Policy { link: permission, ..policy() });
        contact(&mut desk, 701, 1, &[10_501]);
        desk.says(1, ADA.0, 601);
        assert_eq!(ada(&desk).link, None, "{permission:?}: never on evidence alone");
        let command = LinkProfile { profile: ADA, contact: ContactId(701), by: "anna".into(), reason: "asked".into(), basis };
        let outcome = desk.try_to(command);
        assert_eq!(outcome.is_ok(), allowed, "{permission:?} with {basis:?}: {outcome:?}");
    }
}

#[test]
fn consent_to_a_link_that_evidence_made_is_put_on_record() {
    let mut desk = Desk::new();
    contact(&mut desk, 701, 1, &[10_501]);
    desk.says(1, ADA.0, 601);
    let by_evidence = ada(&desk).link.unwrap();
    let decided = |basis| LinkProfile { profile: ADA, contact: ContactId(701), by: "anna".into(), reason: "she agreed".into(), basis };
    desk.must(decided(LawfulBasis::Consent));
    let with_consent = ada(&desk).link.unwrap();
    let row = |desk: &Desk, link: LinkId| desk.get(&LINKS, &link).unwrap();
    assert_eq!((row(&desk, with_consent).basis, row(&desk, with_consent).ended), (LawfulBasis::Consent, None));
    assert!(with_consent == by_evidence || row(&desk, by_evidence).ended.is_some(), "one link holds");
    assert_eq!(desk.get(&LINKED_PROFILES, &person_of(&desk.rows, &ada(&desk))), Some(vec![ADA]));
    assert_eq!(desk.count(&REFUSED_LINKS), 0, "nobody said no");

    let (accepted, events) = desk.must(decided(LawfulBasis::Consent));
    assert_eq!((accepted, events.len()), (Accepted::Link(with_consent), 0), "once more is nothing new");
    // It outlives a policy under which only consent is enough.
    desk.operator_says(Some(Policy { link: LinkPermission::Consent, ..policy() }));
    let policy = desk.get(&CHANNELS, &channel()).unwrap().policy().unwrap();
    desk.must(EnforcePolicy { channel: channel(), policy, stored: vec![Due::Profile(ADA)], is_last: true });
    assert_eq!(ada(&desk).link, Some(with_consent));
}

#[test]
fn consent_can_be_put_on_record_of_a_contact_that_has_as_many_profiles_as_it_may() {
    let mut desk = Desk::new();
    let profiles = ADA.0..ADA.0 + PROFILES_PER_PERSON_MAX as u64;
    contact(&mut desk, 701, 1, &profiles.clone().map(|author| 10_000 + author).collect::<Vec<_>>());
    for (native_id, author) in (1..).zip(profiles) {
        desk.says(native_id, author, 601);
    }
    let basis = LawfulBasis::Consent;
    desk.must(LinkProfile { profile: ADA, contact: ContactId(701), by: "anna".into(), reason: "she agreed".into(), basis });
    assert_eq!(desk.get(&LINKS, &ada(&desk).link.unwrap()).unwrap().basis, LawfulBasis::Consent);
}

#[test]
fn about_whom_evidence_may_not_link_no_crm_is_asked() {
    for permission in [LinkPermission::Consent, LinkPermission::Forbidden] {
        let mut desk = Desk::under(Policy { link: permission, ..policy() });
        let (_, events) = desk.says(1, ADA.0, 601);
        assert_eq!(absences(&events), 1, "{permission:?}: there is nothing to wait for: {events:?}");
        let mut arrival = desk.arrival(2, 0, Change::Created, ADA.0, 601);
        arrival.author.as_mut().unwrap().news.as_mut().unwrap().identifiers.push(identified("email", 77));
        desk.ingest(vec![arrival]);
        assert_eq!((ada(&desk).look_up, desk.count(&LOOK_UPS_PENDING)), (LookUp::Absent, 0), "{permission:?}");
        // What a CRM tells by itself says that somebody could be linked with their consent; where that is forbidden, not even that.
        contact(&mut desk, 701, 1, &[10_501]);
        let known = if permission == LinkPermission::Consent { LookUp::Found } else { LookUp::Absent };
        assert_eq!((ada(&desk).look_up, ada(&desk).link), (known, None), "{permission:?}");
    }
}

#[test]
fn a_link_made_while_the_crms_are_asked_leaves_no_question_open() {
    let mut desk = Desk::new();
    contact(&mut desk, 701, 1, &[10_999]);
    desk.says(1, ADA.0, 601);
    let decided = LinkProfile {
        profile: ADA,
        contact: ContactId(701),
        by: "anna".into(),
        reason: "she called".into(),
        basis: LawfulBasis::LegitimateInterest,
    };
    desk.must(decided);
    asked(&mut desk);
    assert_eq!(desk.count(&LOOK_UPS_PENDING), 0);
}

#[test]
fn where_there_is_no_crm_nobody_waits_for_its_answer() {
    let mut desk = Desk::without_crm();
    let (_, events) = desk.says(1, ADA.0, 601);
    assert_eq!(absences(&events), 1, "it is answered with the words themselves, once: {events:?}");
    assert_eq!((ada(&desk).look_up, standing(&ada(&desk))), (LookUp::Absent, Standing::Prospect));
    assert_eq!(desk.count(&LOOK_UPS_PENDING), 0);
    // Seen again as she was she is no news.
    let (_, events) = desk.says(2, ADA.0, 601);
    assert_eq!(absences(&events), 0, "{events:?}");
    // But she is when she can be recognised by something else.
    let mut arrival = desk.arrival(3, 0, Change::Created, ADA.0, 601);
    if let Some(news) = arrival.author.as_mut().and_then(|author| author.news.as_mut()) {
        news.identifiers.push(identified("email", 77));
    }
    let (_, events) = desk.ingest(vec![arrival]);
    assert_eq!(absences(&events), 1, "it is answered with the words themselves, once: {events:?}");
    assert_eq!((ada(&desk).look_up, desk.count(&LOOK_UPS_PENDING)), (LookUp::Absent, 0));
}

#[test]
fn where_there_is_no_crm_any_more_what_it_told_still_links() {
    let mut desk = Desk::without_crm();
    contact(&mut desk, 701, 1, &[10_501]);
    desk.says(1, ADA.0, 601);
    assert_eq!((ada(&desk).look_up, ada(&desk).link.is_some(), desk.count(&LOOK_UPS_PENDING)), (LookUp::Found, true, 0));
}

#[test]
fn who_is_linked_is_found_where_there_is_no_crm_any_more() {
    let mut desk = Desk::without_crm();
    contact(&mut desk, 701, 1, &[10_999]);
    desk.says(1, ADA.0, 601);
    let basis = LawfulBasis::LegitimateInterest;
    desk.must(LinkProfile { profile: ADA, contact: ContactId(701), by: "anna".into(), reason: "she called".into(), basis });
    // Taken for the company's own account, and then no longer.
    for (native_id, own) in [(2, true), (3, false)] {
        let arrival = desk.arrival(native_id, 0, Change::Created, ADA.0, 601);
        desk.ingest(vec![Arrival { own, ..arrival }]);
    }
    assert_eq!((ada(&desk).look_up, ada(&desk).link.is_some(), desk.count(&LOOK_UPS_PENDING)), (LookUp::Found, true, 0));
}

#[test]
fn an_answer_about_what_a_profile_no_longer_is_leaves_the_question_open() {
    let mut desk = Desk::new();
    desk.says(1, ADA.0, 601);
    desk.must(AnswerLookUps { asked: vec![(ADA, vec![identified("email", 1)])] });
    assert_eq!(desk.count(&LOOK_UPS_PENDING), 1);
}

#[test]
fn a_person_has_as_many_profiles_as_they_may_and_no_more() {
    let mut desk = Desk::new();
    let one_too_many = ADA.0 + PROFILES_PER_PERSON_MAX as u64;
    let identifiers: Vec<u64> = (ADA.0..=one_too_many).map(|author| 10_000 + author).collect();
    contact(&mut desk, 701, 1, &identifiers);
    for (native_id, author) in (1..).zip(ADA.0..=one_too_many) {
        desk.says(native_id, author, 601);
    }
    let link_of = |desk: &Desk, profile: u64| desk.get(&PROFILES, &ProfileId(profile)).unwrap().link;
    assert!((ADA.0..one_too_many).all(|profile| link_of(&desk, profile).is_some()));
    assert_eq!(link_of(&desk, one_too_many), None, "evidence links no more");
    let decided = LinkProfile {
        profile: ProfileId(one_too_many),
        contact: ContactId(701),
        by: "anna".into(),
        reason: "she called".into(),
        basis: LawfulBasis::LegitimateInterest,
    };
    let refusal = desk.try_to(decided.clone()).unwrap_err();
    assert!(refusal.to_string().contains("64 profiles already"), "{refusal}");
    let person = person_of(&desk.rows, &ada(&desk));
    assert_eq!(desk.get(&LINKED_PROFILES, &person).unwrap().len(), PROFILES_PER_PERSON_MAX);
    desk.must(EndLink { link: link_of(&desk, ADA.0).unwrap(), reason: "another person".into() });
    desk.must(decided);
}

#[test]
fn an_identifier_more_profiles_share_than_may_recognises_no_further_ones() {
    let mut desk = Desk::new();
    let last = ADA.0 + PROFILES_PER_IDENTIFIER_MAX as u64;
    for (native_id, author) in (1..).zip(ADA.0..=last) {
        let mut arrival = desk.arrival(native_id, 0, Change::Created, author, 601);
        arrival.author.as_mut().unwrap().news.as_mut().unwrap().identifiers = vec![identified("chirper.id", 30_000)];
        desk.ingest(vec![arrival]);
    }
    contact(&mut desk, 701, 1, &[30_000]);
    let linked = |profile: u64| desk.get(&PROFILES, &ProfileId(profile)).unwrap().link.is_some();
    assert!((ADA.0..last).all(linked));
    assert!(!linked(last), "it is no evidence any more for whoever comes after them");
}

#[test]
fn an_identifier_more_contacts_share_than_may_is_not_kept_for_further_ones() {
    let mut desk = Desk::new();
    let contacts = 701..=701 + CONTACTS_PER_IDENTIFIER_MAX as u64;
    for id in contacts.clone() {
        contact(&mut desk, id, 1, &[30_000]);
    }
    let carried = desk.get(&CONTACTS_OF_IDENTIFIER, &IdentifierId(30_000)).unwrap();
    assert_eq!(carried, contacts.take(CONTACTS_PER_IDENTIFIER_MAX).map(ContactId).collect::<Vec<_>>());
}
