//! What looking for an effect by its words promises.

use sportello_sdk::find::{Candidates, Presence, same_words, since_ms};
use sportello_sdk::testing::reply;
use sportello_sdk::{Receipt, time};

fn receipt(id: &str) -> Option<Receipt> {
    Some(Receipt::new(id))
}

#[test]
fn one_of_ours_since_the_effect_was_queued_is_it_and_of_two_nobody_can_tell() {
    let effect = reply("e", "t", "ciao");
    let since_ms = since_ms(&effect);
    assert_eq!(since_ms, time::milliseconds(&effect.queued_at).unwrap() - 120_000);
    let mut candidates = Candidates::new(&effect);
    candidates.own(Some(since_ms - 1), receipt("older"));
    candidates.own(Some(since_ms), receipt("1"));
    candidates.own(Some(since_ms), receipt("1"));
    let at = time::from_milliseconds(since_ms);
    assert!(matches!(candidates.presence(), Presence::Present(found) if found.native_id == "1" && found.at == Some(at)));
    let mut twins = Candidates::new(&effect);
    twins.own(None, receipt("1"));
    twins.own(None, receipt("2"));
    assert!(!twins.are_others());
    assert_eq!(twins.presence(), Presence::CannotTell);
}

#[test]
fn what_hides_something_is_not_absent_and_nobody_elses() {
    let effect = reply("e", "t", "ciao");
    assert_eq!(Candidates::new(&effect).presence(), Presence::Absent);
    let mut others = Candidates::new(&effect);
    others.own(Some(0), receipt("older"));
    assert!(others.are_others());
    others.unclear();
    assert!(!others.are_others());
    assert_eq!(others.presence(), Presence::CannotTell);
    let mut nameless = Candidates::new(&effect);
    nameless.own(None, None);
    assert_eq!(nameless.presence(), Presence::CannotTell);
}

#[test]
fn white_space_is_no_word() {
    assert!(same_words("  Buon\ngiorno  a tutti ", "Buon giorno a tutti"));
    assert!(!same_words("Buongiorno", "Buon giorno"));
}
