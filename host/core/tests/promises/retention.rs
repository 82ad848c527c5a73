//! What is kept no longer than it is needed: identifiers nobody carries, people nobody sees, words that have done their work.

use sportello_core::commands::{
    Accepted, ContactNews, ENFORCED_AT_ONCE_MAX, EffectOutcome, EnforcePolicy, FinishEffect, Ingest, ParkDelivery, QueueEffect,
    RecordErased, StartEffect, TakeContacts,
};
use sportello_core::domain::channel::{CHANNELS, LinkPermission, Policy};
use sportello_core::domain::contact::CONTACTS_OF_IDENTIFIER;
use sportello_core::domain::delivery::DELIVERIES;
use sportello_core::domain::effect::{AskedBy, EFFECTS, EffectState};
use sportello_core::domain::erasure::{Due, ERASURES_DUE, IDENTIFIERS_GIVEN_UP};
use sportello_core::domain::interaction::{Change, INTERACTIONS};
use sportello_core::domain::person::{LINKED_PROFILES, LINKS, LawfulBasis, PROFILES_PER_PERSON_MAX, REFUSED_LINKS};
use sportello_core::domain::profile::{Identified, PROFILES, PROFILES_OF_IDENTIFIER};
use sportello_core::event::Event;
use sportello_core::ids::{
    CaseId, ChannelName, ContactId, ConversationId, DeliveryId, EffectId, IdentifierId, InteractionId, ProfileId, SlotId, SubjectId,
};
use sportello_core::time::Timestamp;

use crate::desk::{Desk, channel, identified, policy};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const OLD: IdentifierId = IdentifierId(20_001);
const NEW: IdentifierId = IdentifierId(20_002);

/// Ada says something, calling herself by these handles.
fn ada_says(desk: &mut Desk, native_id: u8, handles: &[IdentifierId]) {
    let mut arrival = desk.arrival(native_id, 0, Change::Created, 501, 601);
    arrival.author.as_mut().unwrap().news.as_mut().unwrap().identifiers = handles.iter().map(handle).collect();
    desk.ingest(vec![arrival]);
}

/// Ada says something, and nothing new of herself.
fn ada_goes_on(desk: &mut Desk, native_id: u8) -> usize {
    let mut arrival = desk.arrival(native_id, 0, Change::Created, 501, 601);
    arrival.author.as_mut().unwrap().news = None;
    desk.ingest(vec![arrival]).1.len()
}

fn handle(identifier: &IdentifierId) -> Identified {
    identified("wiki.handle", identifier.0)
}

fn contact_is(desk: &mut Desk, id: u64, version: u8, identifiers: &[IdentifierId], deleted: bool) -> ContactNews {
    let news = ContactNews {
        contact: ContactId(id),
        version: [version; 16],
        sealed: vec![4],
        identifiers: identifiers.iter().map(handle).collect(),
        deleted,
    };
    desk.must(TakeContacts { channel: channel(), contacts: vec![news.clone()], cursor: None });
    news
}

fn due(desk: &Desk, at: Timestamp, what: Due) -> bool {
    desk.get(&ERASURES_DUE, &(at, what)).is_some()
}

#[test]
fn an_identifier_goes_with_the_last_who_carried_it() {
    let mut desk = Desk::new();
    ada_says(&mut desk, 1, &[OLD]);
    contact_is(&mut desk, 701, 1, &[OLD], false);
    ada_says(&mut desk, 2, &[NEW]);
    assert!(!due(&desk, desk.now, Due::Identifier(OLD)), "the CRM still has the old handle");
    contact_is(&mut desk, 701, 2, &[NEW], false);
    assert!(due(&desk, desk.now, Due::Identifier(OLD)), "now nobody has");
    assert!(!due(&desk, desk.now, Due::Identifier(NEW)));
    contact_is(&mut desk, 701, 3, &[NEW], true);
    assert!(!due(&desk, desk.now, Due::Identifier(NEW)), "Ada calls herself so");
}

#[test]
fn a_profile_whose_time_is_over_takes_its_identifiers_along() {
    let mut desk = Desk::new();
    ada_says(&mut desk, 1, &[OLD]);
    desk.must(RecordErased { erased: vec![(None, Due::Profile(ProfileId(501)))] });
    assert!(due(&desk, desk.now, Due::Identifier(OLD)));
}

#[test]
fn what_a_deleted_record_is_told_to_be_recognised_by_is_not_kept() {
    let mut desk = Desk::new();
    contact_is(&mut desk, 701, 1, &[OLD], true);
    assert!(due(&desk, desk.now, Due::Identifier(OLD)));
}

#[test]
fn an_identifier_claimed_again_in_time_is_not_erased() {
    let mut desk = Desk::new();
    contact_is(&mut desk, 701, 1, &[OLD], false);
    let given_up_at = desk.now;
    contact_is(&mut desk, 701, 2, &[], false);
    assert!(due(&desk, given_up_at, Due::Identifier(OLD)));
    desk.now = desk.now.plus_ms(10);
    ada_says(&mut desk, 1, &[OLD]);
    assert!(!due(&desk, given_up_at, Due::Identifier(OLD)), "Ada carries it");
    assert_eq!(desk.count(&IDENTIFIERS_GIVEN_UP), 0);
}

#[test]
fn an_identifier_that_moves_from_one_record_to_another_stays() {
    let mut desk = Desk::new();
    contact_is(&mut desk, 701, 1, &[OLD], false);
    // The CRM merges two records: one is deleted, the other has its address, in one page of changes.
    let gone = ContactNews { contact: ContactId(701), version: [2; 16], sealed: vec![], identifiers: vec![], deleted: true };
    let merged =
        ContactNews { contact: ContactId(702), version: [1; 16], sealed: vec![4], identifiers: vec![handle(&OLD)], deleted: false };
    desk.must(TakeContacts { channel: channel(), contacts: vec![gone, merged], cursor: None });
    assert!(!due(&desk, desk.now, Due::Identifier(OLD)));
    assert_eq!(desk.get(&CONTACTS_OF_IDENTIFIER, &OLD), Some(vec![ContactId(702)]));
}

#[test]
fn an_identifier_resolved_just_before_it_was_erased_meets_nothing_and_goes_again() {
    let mut desk = Desk::new();
    contact_is(&mut desk, 701, 1, &[OLD], false);
    contact_is(&mut desk, 701, 2, &[], false);
    desk.must(RecordErased { erased: vec![(Some(desk.now), Due::Identifier(OLD))] });
    assert_eq!((desk.count(&IDENTIFIERS_GIVEN_UP), desk.count(&ERASURES_DUE)), (0, 0));
    desk.now = desk.now.plus_ms(10);
    // The edge had looked it up while it was still there; the CRM's next sighting of the same value claims another one.
    ada_says(&mut desk, 1, &[OLD]);
    contact_is(&mut desk, 701, 3, &[NEW], false);
    assert_eq!(desk.get(&PROFILES, &ProfileId(501)).unwrap().link, None, "no link, rather than a wrong one");
    ada_says(&mut desk, 2, &[NEW]);
    assert!(desk.get(&PROFILES, &ProfileId(501)).unwrap().link.is_some(), "the next sighting mends it");
    assert!(desk.get(&PROFILES_OF_IDENTIFIER, &OLD).is_none() && due(&desk, desk.now, Due::Identifier(OLD)));
}

#[test]
fn whoever_is_seen_again_is_kept_from_then_on() {
    let mut desk = Desk::under(Policy { profile_ms: Some(30 * DAY_MS), ..policy() });
    let ada = Due::Profile(ProfileId(501));
    ada_says(&mut desk, 1, &[OLD]);
    let first = desk.now.plus_ms(30 * DAY_MS);
    assert!(due(&desk, first, ada));
    let before = desk.get(&PROFILES, &ProfileId(501)).unwrap();

    desk.now = desk.now.plus_ms(DAY_MS - 1);
    ada_goes_on(&mut desk, 2);
    assert!(due(&desk, first, ada), "not every word of hers puts it off");
    desk.now = desk.now.plus_ms(1);
    ada_goes_on(&mut desk, 3);
    let second = desk.now.plus_ms(30 * DAY_MS);
    assert!(due(&desk, second, ada) && !due(&desk, first, ada), "the first deadline is taken back");
    let after = desk.get(&PROFILES, &ProfileId(501)).unwrap();
    assert_eq!((after.sealed, after.identifiers, after.look_up), (before.sealed, before.identifiers, before.look_up));

    desk.now = desk.now.plus_ms(1);
    ada_says(&mut desk, 4, &[NEW]);
    assert!(!due(&desk, second, ada) && due(&desk, desk.now.plus_ms(30 * DAY_MS), ada), "news of her put it off, too");
}

/// When Ada must be given up.
fn adas_deadline(desk: &Desk) -> Option<Timestamp> {
    let deadline = desk.get(&PROFILES, &ProfileId(501)).unwrap().erase_at;
    assert_eq!(desk.count(&ERASURES_DUE), usize::from(deadline.is_some()), "one entry, and no other");
    deadline
}

#[test]
fn whoever_is_seen_on_several_channels_is_kept_as_long_as_the_strictest_of_them_allows() {
    let strict = || Policy { profile_ms: Some(2 * DAY_MS), ..policy() };
    let is_strict = |name: &str| name == "page";
    for news in [false, true] {
        for order in [["page", "lax", "lenient"], ["lax", "page", "lenient"], ["lenient", "page", "lax"], ["lax", "lenient", "page"]] {
            let mut desk = Desk::under(strict());
            desk.second_channel("lax", policy());
            desk.second_channel("lenient", Policy { profile_ms: Some(30 * DAY_MS), ..policy() });
            let mut seen_strictly = false;
            for (native_id, name) in (1..).zip(order) {
                desk.now = desk.now.plus_ms(60_000);
                let mut arrival = desk.arrival(native_id, 0, Change::Created, 501, 601);
                if native_id > 1 && !news {
                    arrival.author.as_mut().unwrap().news = None;
                }
                let channel = ChannelName::new(name).unwrap();
                desk.must(Ingest { channel, arrivals: vec![arrival], known: 0, cursor: None, state_writes: vec![], replayed: None });
                seen_strictly |= is_strict(name);
                let latest = desk.now.plus_ms(2 * DAY_MS);
                let deadline = adas_deadline(&desk);
                assert_eq!(
                    deadline.is_some_and(|deadline| deadline <= latest),
                    seen_strictly,
                    "{order:?}, news {news}, on {name}: {deadline:?}, {latest:?} at the latest"
                );
            }
        }
    }
}

#[test]
fn a_link_ends_with_the_profile_whose_time_is_over() {
    let mut desk = Desk::under(Policy { profile_ms: Some(DAY_MS), ..policy() });
    contact_is(&mut desk, 701, 1, &[OLD], false);
    // She comes back more often than one person can have profiles, as somebody new each time.
    let last = 501 + PROFILES_PER_PERSON_MAX as u64;
    for (native_id, id) in (1..).zip(501..=last) {
        let mut arrival = desk.arrival(native_id, 0, Change::Created, id, 601);
        arrival.author.as_mut().unwrap().news.as_mut().unwrap().identifiers = vec![handle(&OLD)];
        desk.ingest(vec![arrival]);
        let link = desk.get(&PROFILES, &ProfileId(id)).unwrap().link;
        assert!(link.is_some(), "time {native_id}");
        desk.now = desk.now.plus_ms(DAY_MS);
        desk.must(RecordErased { erased: vec![(Some(desk.now), Due::Profile(ProfileId(id)))] });
        let row = desk.get(&PROFILES, &ProfileId(id)).unwrap();
        assert!(row.erased && row.link.is_none());
        let ended = desk.get(&LINKS, &link.unwrap()).unwrap().ended;
        assert!(ended.is_some_and(|(at, _)| at == desk.now));
        assert_eq!((desk.count(&LINKED_PROFILES), desk.count(&REFUSED_LINKS)), (0, 0), "nobody said no");
    }
}

#[test]
fn a_link_ends_once_though_its_profile_is_purged_twice() {
    let mut desk = Desk::new();
    contact_is(&mut desk, 701, 1, &[OLD], false);
    ada_says(&mut desk, 1, &[OLD]);
    let purge = || RecordErased { erased: vec![(None, Due::Profile(ProfileId(501))), (None, Due::WholeProfile(ProfileId(501)))] };
    let ends = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::LinkEnded(_))).count();
    assert_eq!(ends(&desk.must(purge()).1), 1);
    assert_eq!(ends(&desk.must(purge()).1), 0);
}

#[test]
fn where_nothing_limits_how_long_people_are_kept_seeing_them_again_is_no_event() {
    let mut desk = Desk::new();
    ada_says(&mut desk, 1, &[OLD]);
    let usual = ada_goes_on(&mut desk, 2);
    desk.now = desk.now.plus_ms(10 * DAY_MS);
    assert_eq!(ada_goes_on(&mut desk, 3), usual);
}

#[test]
fn an_effects_words_are_kept_after_its_end_as_long_as_contents_may_be() {
    let mut desk = Desk::under(Policy { content_ms: Some(2 * DAY_MS), ..policy() });
    desk.says(1, 501, 601);
    for (number, outcome) in [(1, EffectOutcome::Done { receipt: SubjectId(1), sealed: vec![2] }), (2, EffectOutcome::Failed("no".into()))]
    {
        desk.must(about_ada(number, channel(), "reply"));
        desk.must(StartEffect { effect: EffectId(number) });
        desk.now = desk.now.plus_ms(10);
        desk.must(FinishEffect { effect: EffectId(number), attempt: 1, outcome });
        let due_at = desk.now.plus_ms(2 * DAY_MS);
        assert!(due(&desk, due_at, Due::Effect(EffectId(number))), "effect {number}");
        desk.must(RecordErased { erased: vec![(Some(due_at), Due::Effect(EffectId(number)))] });
        let row = desk.get(&EFFECTS, &EffectId(number)).unwrap();
        assert!(row.sealed.is_empty() && row.receipt.is_empty());
        assert!(!due(&desk, due_at, Due::Effect(EffectId(number))));
    }
}

/// Whether what is stored is still to be brought in line.
fn is_behind(desk: &Desk) -> bool {
    let row = desk.get(&CHANNELS, &channel()).unwrap();
    row.loosest != row.policy()
}

fn enforce(desk: &mut Desk, stored: &[Due]) -> usize {
    let policy = desk.get(&CHANNELS, &channel()).unwrap().policy().unwrap();
    desk.must(EnforcePolicy { channel: channel(), policy, stored: stored.to_vec(), is_last: true }).1.len()
}

/// Somebody's reply to Ada or note about her.
fn about_ada(number: u64, by: ChannelName, action: &str) -> QueueEffect {
    QueueEffect {
        key: number.to_string(),
        channel: by,
        action: action.into(),
        case: Some(CaseId(1)),
        conversation: (action == "reply").then_some(ConversationId(601)),
        answers: None,
        contact: None,
        profile: Some(ProfileId(501)),
        basis: None,
        slot: SlotId(900 + number),
        sealed: vec![1],
        asked_by: AskedBy::Person { name: "anna".into() },
    }
}

/// The same, done.
fn done(desk: &mut Desk, number: u64, by: ChannelName, action: &str) {
    desk.must(about_ada(number, by, action));
    desk.must(StartEffect { effect: EffectId(number) });
    let outcome = EffectOutcome::Done { receipt: SubjectId(number), sealed: vec![2] };
    desk.must(FinishEffect { effect: EffectId(number), attempt: 1, outcome });
}

#[test]
fn what_is_there_goes_by_a_stricter_policy_and_never_by_a_looser_one() {
    let mut desk = Desk::under(Policy { profile_ms: Some(30 * DAY_MS), content_ms: Some(10 * DAY_MS), ..policy() });
    ada_says(&mut desk, 1, &[OLD]);
    done(&mut desk, 1, channel(), "reply");
    let came = desk.now;
    let stored = [Due::Profile(ProfileId(501)), Due::Interaction(InteractionId(1)), Due::Effect(EffectId(1))];
    assert!(!is_behind(&desk), "nothing came in under another policy");

    desk.now = desk.now.plus_ms(3 * DAY_MS);
    desk.operator_says(Some(Policy { profile_ms: Some(DAY_MS), content_ms: Some(2 * DAY_MS), ..policy() }));
    assert!(is_behind(&desk));
    enforce(&mut desk, &stored);
    assert!(!is_behind(&desk));
    let days = |days: u64| came.plus_ms(days * DAY_MS);
    assert!(
        due(&desk, days(1), stored[0]) && due(&desk, days(2), stored[1]) && due(&desk, days(2), stored[2]),
        "counted from when they came"
    );
    assert!(!due(&desk, days(30), stored[0]), "the later deadline is taken back");
    assert_eq!(enforce(&mut desk, &stored), 0, "again is nothing new");

    desk.operator_says(None);
    assert!(!is_behind(&desk), "a looser policy asks nothing of what is there");
    enforce(&mut desk, &stored);
    assert!(due(&desk, days(1), stored[0]) && due(&desk, days(2), stored[1]) && due(&desk, days(2), stored[2]), "nor lets it stay");
}

#[test]
fn what_came_in_while_a_policy_was_loosened_is_brought_in_line_too() {
    let strict = Policy { content_ms: Some(DAY_MS), ..policy() };
    let mut desk = Desk::new();
    desk.operator_says(Some(strict.clone()));
    enforce(&mut desk, &[]);
    // Loosened and tightened again before anybody looked.
    desk.operator_says(None);
    ada_says(&mut desk, 1, &[OLD]);
    desk.operator_says(Some(strict));
    assert!(is_behind(&desk));
    enforce(&mut desk, &[Due::Interaction(InteractionId(1))]);
    assert!(due(&desk, desk.now.plus_ms(DAY_MS), Due::Interaction(InteractionId(1))));
}

#[test]
fn a_batch_that_was_gathered_under_another_policy_is_refused() {
    let mut desk = Desk::new();
    ada_says(&mut desk, 1, &[OLD]);
    let before = desk.get(&CHANNELS, &channel()).unwrap().policy().unwrap();
    desk.operator_says(Some(Policy { content_ms: Some(DAY_MS), ..policy() }));
    let late = EnforcePolicy { channel: channel(), policy: before, stored: vec![Due::Interaction(InteractionId(1))], is_last: true };
    desk.try_to(late).unwrap_err();
    assert!(is_behind(&desk));
}

#[test]
fn a_batch_of_more_than_may_be_brought_in_line_at_once_is_refused() {
    let mut desk = Desk::new();
    let policy = desk.get(&CHANNELS, &channel()).unwrap().policy().unwrap();
    let batch = |size: usize| EnforcePolicy {
        channel: channel(),
        policy: policy.clone(),
        stored: vec![Due::Interaction(InteractionId(1)); size],
        is_last: false,
    };
    desk.must(batch(ENFORCED_AT_ONCE_MAX));
    desk.try_to(batch(ENFORCED_AT_ONCE_MAX + 1)).unwrap_err();
}

#[test]
fn a_link_ends_when_the_policy_no_longer_allows_it() {
    for (link, holds) in [(LinkPermission::Evidence, true), (LinkPermission::Consent, false), (LinkPermission::Forbidden, false)] {
        let mut desk = Desk::new();
        contact_is(&mut desk, 701, 1, &[OLD], false);
        ada_says(&mut desk, 1, &[OLD]);
        desk.operator_says(Some(Policy { link, content_ms: Some(DAY_MS), ..policy() }));
        enforce(&mut desk, &[Due::Profile(ProfileId(501))]);
        assert_eq!(desk.get(&PROFILES, &ProfileId(501)).unwrap().link.is_some(), holds, "{link:?}");
    }
}

#[test]
fn what_would_tell_a_crm_of_somebody_is_not_started_once_the_policy_forbids_it() {
    let crm = || ChannelName::new("crm").unwrap();
    let known = Some(ContactId(701));
    for (link, action, contact, goes) in [
        (LinkPermission::Evidence, "activity", known, true),
        (LinkPermission::Consent, "activity", known, false),
        (LinkPermission::Forbidden, "activity", known, false),
        (LinkPermission::Evidence, "contact", None, true),
        (LinkPermission::Forbidden, "contact", None, false),
        (LinkPermission::Forbidden, "contact", known, true),
        (LinkPermission::Forbidden, "post", known, true),
    ] {
        let mut desk = Desk::new();
        contact_is(&mut desk, 701, 1, &[OLD], false);
        ada_says(&mut desk, 1, &[OLD]);
        desk.must(QueueEffect { contact, ..about_ada(1, crm(), action) });
        desk.operator_says(Some(Policy { link, ..policy() }));
        enforce(&mut desk, &[Due::Profile(ProfileId(501))]);
        desk.must(StartEffect { effect: EffectId(1) });
        let row = desk.get(&EFFECTS, &EffectId(1)).unwrap();
        let state = if goes { EffectState::Started } else { EffectState::Failed };
        assert_eq!(row.state, state, "{action} with {link:?}: {:?}", row.problem);
        assert_eq!(row.problem.is_some_and(|problem| problem.contains("channel page no longer lets a CRM be told of profile 501")), !goes);
    }
}

#[test]
fn a_contact_that_was_asked_for_without_consent_is_not_made_once_the_policy_asks_for_it() {
    let crm = || ChannelName::new("crm").unwrap();
    for (basis, state) in [
        (None, EffectState::Failed),
        (Some(LawfulBasis::LegitimateInterest), EffectState::Failed),
        (Some(LawfulBasis::Consent), EffectState::Started),
    ] {
        let mut desk = Desk::new();
        ada_says(&mut desk, 1, &[OLD]);
        desk.must(QueueEffect { contact: None, basis, ..about_ada(1, crm(), "contact") });
        desk.operator_says(Some(Policy { link: LinkPermission::Consent, ..policy() }));
        desk.must(StartEffect { effect: EffectId(1) });
        let row = desk.get(&EFFECTS, &EffectId(1)).unwrap();
        assert_eq!(row.state, state, "{basis:?}: {:?}", row.problem);
        let says_why = row.problem.is_some_and(|problem| problem.contains("profile 501 without that person's consent on record"));
        assert_eq!(says_why, state == EffectState::Failed, "{basis:?}");
    }
}

#[test]
fn a_note_in_another_system_is_kept_no_longer_than_what_it_may_quote() {
    let crm = ChannelName::new("crm").unwrap();
    let mut desk = Desk::new();
    desk.operator_says(Some(Policy { content_ms: Some(2 * DAY_MS), ..policy() }));
    ada_says(&mut desk, 1, &[OLD]);
    done(&mut desk, 1, crm, "post");
    assert!(due(&desk, desk.now.plus_ms(2 * DAY_MS), Due::Effect(EffectId(1))));
}

/// The channel's connector cannot take a delivery; gives its number.
fn parked(desk: &mut Desk) -> DeliveryId {
    let slot = desk.slot();
    let park = ParkDelivery { channel: channel(), slot, sealed: vec![1], problem: "it cannot read it".into() };
    let (Accepted::Delivery(delivery), _) = desk.must(park) else { panic!("it is parked") };
    delivery
}

#[test]
fn a_parked_delivery_is_kept_as_long_as_raw_data_and_content_may_be_and_three_days_at_most() {
    let hours = |hours: u64| Some(hours * 60 * 60 * 1_000);
    for (raw_ms, content_ms, kept) in [
        (None, None, hours(72)),
        (hours(100), hours(100), hours(72)),
        (hours(1), hours(2), hours(1)),
        (hours(2), hours(1), hours(1)),
        (None, hours(48), hours(48)),
        (hours(24), None, hours(24)),
    ] {
        let mut desk = Desk::under(Policy { raw_ms, content_ms, ..policy() });
        let delivery = parked(&mut desk);
        let erase_at = desk.now.plus_ms(kept.unwrap());
        assert!(due(&desk, erase_at, Due::Delivery(delivery)), "{raw_ms:?} {content_ms:?}");
        assert_eq!(desk.get(&DELIVERIES, &delivery).unwrap().erase_at, erase_at);
    }
}

#[test]
fn what_a_parked_delivery_brings_counts_from_when_it_came() {
    let limits = Policy { profile_ms: Some(2 * DAY_MS), content_ms: Some(3 * DAY_MS), ..policy() };
    let mut desk = Desk::under(limits);
    let delivery = parked(&mut desk);
    let came = desk.now;
    let replay = |desk: &mut Desk, native_id: u8, author: u64| {
        let arrivals = vec![desk.arrival(native_id, 0, Change::Created, author, 601)];
        let replayed = Some(delivery);
        desk.must(Ingest { channel: channel(), arrivals, known: 0, cursor: None, state_writes: vec![], replayed });
    };
    desk.now = desk.now.plus_ms(DAY_MS);
    desk.says(1, 502, 601);
    let seen = desk.now;
    desk.now = desk.now.plus_ms(60_000);
    replay(&mut desk, 2, 501);
    assert_eq!(desk.get(&INTERACTIONS, &InteractionId(2)).unwrap().received_at, came);
    assert!(due(&desk, came.plus_ms(3 * DAY_MS), Due::Interaction(InteractionId(2))), "the words");
    assert!(due(&desk, came.plus_ms(2 * DAY_MS), Due::Profile(ProfileId(501))), "who said them");
    // Whoever has been seen since is not kept shorter for what came before.
    replay(&mut desk, 3, 502);
    assert!(due(&desk, seen.plus_ms(2 * DAY_MS), Due::Profile(ProfileId(502))));
}

#[test]
fn a_stricter_policy_reaches_parked_deliveries() {
    let mut desk = Desk::new();
    let delivery = parked(&mut desk);
    let came = desk.now;
    desk.now = desk.now.plus_ms(1);
    desk.operator_says(Some(Policy { raw_ms: Some(DAY_MS), ..policy() }));
    enforce(&mut desk, &[Due::Delivery(delivery)]);
    assert!(due(&desk, came.plus_ms(DAY_MS), Due::Delivery(delivery)) && !due(&desk, came.plus_ms(3 * DAY_MS), Due::Delivery(delivery)));
    assert_eq!(enforce(&mut desk, &[Due::Delivery(delivery)]), 0);
}
