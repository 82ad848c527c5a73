use sportello_core::commands::{Accepted, INTERACTIONS_PER_INGEST_MAX, Ingest, StateChange};
use sportello_core::domain::channel::{CHANNELS, CONNECTOR_STATE, CURSORS, STATE_KEYS_MAX, Source, StateWrite};
use sportello_core::domain::conversation::CONVERSATIONS;
use sportello_core::domain::erasure::{Due, ERASURES_DUE};
use sportello_core::domain::interaction::{Change, INTERACTIONS, VERSIONS_MAX};
use sportello_core::ids::{ConversationId, InteractionId};
use sportello_core::refusal::Refusal;
use sportello_core::time::Timestamp;

use crate::desk::{Desk, channel};

fn change(key: &str, value: Option<u8>, based_on: u64) -> StateChange {
    StateChange { write: StateWrite { key: key.into(), value: value.map(|value| vec![value]) }, based_on }
}

#[test]
fn an_interaction_enters_once_however_late_it_is_delivered_again() {
    let mut desk = Desk::new();
    desk.says(1, 501, 601);
    desk.now = desk.now.plus_ms(1_000 * 60 * 60 * 36);
    let (accepted, events) = desk.says(1, 501, 601);
    assert_eq!(accepted, Accepted::Ingested { new: 0, duplicates: 1 });
    assert!(events.is_empty(), "nothing happened: {events:?}");
    assert_eq!(desk.count(&INTERACTIONS), 1);
}

#[test]
fn the_same_thing_twice_in_one_delivery_enters_once() {
    let mut desk = Desk::new();
    let arrival = desk.arrival(1, 0, Change::Created, 501, 601);
    let (accepted, _) = desk.ingest(vec![arrival.clone(), arrival]);
    assert_eq!(accepted, Accepted::Ingested { new: 1, duplicates: 1 });
}

#[test]
fn a_call_that_brings_more_than_is_taken_in_at_once_brings_nothing() {
    let mut desk = Desk::new();
    let arrival = desk.arrival(1, 0, Change::Created, 501, 601);
    let brings = |count: usize| Ingest {
        channel: channel(),
        arrivals: vec![arrival.clone(); count],
        known: 0,
        cursor: None,
        state_writes: vec![],
        replayed: None,
    };
    let refusal = desk.try_to(brings(INTERACTIONS_PER_INGEST_MAX + 1)).unwrap_err();
    assert!(refusal.to_string().contains("at most 5000"), "{refusal}");
    assert_eq!(desk.count(&INTERACTIONS), 0);
    desk.must(brings(INTERACTIONS_PER_INGEST_MAX));
}

#[test]
fn what_was_made_of_an_older_profile_is_refused_so_that_it_is_made_anew() {
    let mut desk = Desk::new();
    let stale = desk.arrival(2, 0, Change::Created, 501, 601);
    desk.says(1, 501, 601);
    let brings =
        |arrival| Ingest { channel: channel(), arrivals: vec![arrival], known: 0, cursor: None, state_writes: vec![], replayed: None };
    assert_eq!(desk.try_to(brings(stale)).unwrap_err(), Refusal::ProfileChanged(501));
    let anew = desk.arrival(2, 0, Change::Created, 501, 601);
    desk.must(brings(anew));
}

#[test]
fn a_deletion_withdraws_every_version_and_their_words_are_due_at_once() {
    let mut desk = Desk::new();
    desk.says(1, 501, 601);
    let edit = desk.arrival(1, 1, Change::Edited, 501, 601);
    desk.ingest(vec![edit]);
    let deletion = desk.arrival(1, 2, Change::Deleted, 501, 601);
    desk.ingest(vec![deletion]);
    for id in 1..=3 {
        let row = desk.get(&INTERACTIONS, &InteractionId(id)).unwrap();
        assert!(row.withdrawn && row.sealed.is_empty(), "version {id} is withdrawn");
        assert!(desk.get(&ERASURES_DUE, &(desk.now, Due::Interaction(InteractionId(id)))).is_some(), "and its slot is due");
    }
}

#[test]
fn a_deletion_reaches_every_version_however_many_there_were() {
    let mut desk = Desk::new();
    let versions = u8::try_from(VERSIONS_MAX).unwrap() + 6;
    for revision in 0..versions {
        let edit = desk.arrival(1, revision, Change::Edited, 501, 601);
        desk.ingest(vec![edit]);
    }
    let deletion = desk.arrival(1, versions, Change::Deleted, 501, 601);
    desk.ingest(vec![deletion]);
    for id in 1..=u64::from(versions) + 1 {
        let row = desk.get(&INTERACTIONS, &InteractionId(id)).unwrap();
        assert!(row.withdrawn && row.sealed.is_empty(), "version {id} is withdrawn");
        assert!(desk.get(&ERASURES_DUE, &(desk.now, Due::Interaction(InteractionId(id)))).is_some(), "and its slot is due");
    }
}

#[test]
fn a_deletion_that_comes_before_the_original_withdraws_it_when_it_comes() {
    let mut desk = Desk::new();
    let deletion = desk.arrival(1, 2, Change::Deleted, 501, 601);
    desk.ingest(vec![deletion]);
    desk.says(1, 501, 601);
    let row = desk.get(&INTERACTIONS, &InteractionId(2)).unwrap();
    assert!(row.withdrawn && row.sealed.is_empty());
    assert_eq!(desk.count(&sportello_core::domain::case::CASES), 0, "what is gone opens no case");
}

#[test]
fn an_empty_poll_writes_nothing() {
    let mut desk = Desk::new();
    let poll = |cursor: &str| Ingest {
        channel: channel(),
        arrivals: vec![],
        known: 0,
        cursor: Some((Source::Poll, Some(cursor.to_owned()))),
        state_writes: vec![change("seen", Some(1), 1)],
        replayed: None,
    };
    let (_, events) = desk.must(poll("a"));
    assert_eq!(events.len(), 2);
    let (_, events) = desk.must(poll("a"));
    assert!(events.is_empty(), "{events:?}");
    assert_eq!(desk.get(&CURSORS, &(channel(), Source::Poll.code())).as_deref(), Some("a"));
    assert_eq!(desk.get(&CONNECTOR_STATE, &(channel(), "seen".to_owned())).unwrap().bytes, [1]);
}

#[test]
fn a_connectors_state_has_a_limit_and_deleting_makes_room() {
    let mut desk = Desk::new();
    let write = |range: std::ops::Range<u32>, value: Option<u8>| Ingest {
        channel: channel(),
        arrivals: vec![],
        known: 0,
        cursor: None,
        state_writes: range.map(|key| change(&key.to_string(), value, u64::MAX)).collect(),
        replayed: None,
    };
    desk.must(write(0..STATE_KEYS_MAX, Some(1)));
    let refusal = desk.try_to(write(STATE_KEYS_MAX..STATE_KEYS_MAX + 1, Some(1))).unwrap_err();
    assert!(refusal.to_string().contains("1024 keys"), "{refusal}");
    desk.must(write(0..1, None));
    desk.must(write(STATE_KEYS_MAX..STATE_KEYS_MAX + 1, Some(1)));
}

#[test]
fn what_another_call_has_changed_since_is_not_overwritten() {
    let mut desk = Desk::new();
    let version = |desk: &Desk| desk.get(&CHANNELS, &channel()).unwrap().state_version;
    let write = |key: &str, value: Option<u8>, based_on: u64| Ingest {
        channel: channel(),
        arrivals: vec![],
        known: 0,
        cursor: None,
        state_writes: vec![change(key, value, based_on)],
        replayed: None,
    };
    let began = version(&desk);
    desk.must(write("count", Some(1), began));
    // Two who counted from 0 to 1 at the same time would count one of them only.
    let changed = Refusal::StateChanged { channel: channel(), key: "count".into() };
    assert_eq!(desk.try_to(write("count", Some(1), began)).unwrap_err(), changed);
    desk.must(write("other", Some(1), began));
    let began = version(&desk);
    desk.must(write("count", None, began));
    assert_eq!(desk.try_to(write("count", Some(2), began)).unwrap_err(), changed, "not even what was removed");
    let anew = version(&desk);
    desk.must(write("count", Some(2), anew));
}

#[test]
fn content_is_due_when_the_networks_policy_says() {
    let policy = sportello_core::domain::channel::Policy { content_ms: Some(48 * 60 * 60 * 1_000), ..crate::desk::policy() };
    let mut desk = Desk::under(policy);
    desk.says(1, 501, 601);
    let due = Timestamp(desk.now.0 + 48 * 60 * 60 * 1_000);
    assert!(desk.get(&ERASURES_DUE, &(due, Due::Interaction(InteractionId(1)))).is_some());
}

#[test]
fn what_becomes_of_a_thing_is_filed_where_the_thing_is_whatever_thread_the_platform_names() {
    let mut desk = Desk::new();
    desk.says(1, 501, 601);
    for (revision, change, interaction) in [(1, Change::Edited, 2), (2, Change::Deleted, 3)] {
        let arrival = desk.arrival(1, revision, change, 501, 699);
        desk.ingest(vec![arrival]);
        assert_eq!(desk.get(&INTERACTIONS, &InteractionId(interaction)).unwrap().conversation, ConversationId(601), "{change:?}");
    }
    assert!(desk.get(&CONVERSATIONS, &ConversationId(699)).is_none());
    // A deletion that comes first has nowhere else to go, and the thing itself is filed where it belongs.
    let arrival = desk.arrival(7, 1, Change::Deleted, 501, 699);
    desk.ingest(vec![arrival]);
    desk.says(7, 501, 601);
    assert_eq!(desk.get(&INTERACTIONS, &InteractionId(5)).unwrap().conversation, ConversationId(601));
}
