//! What is delivered comes in once and whole, in whatever order and shape it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sportello_core::domain::interaction::Change;
use sportello_core::ids::ConversationId;
use sportello_tests::stand_ins::DeliveryPlan;

use crate::desk::Desk;
use crate::network::{Network, Promise, is_given};
use crate::promises::QUESTION;

/// For how long a network sends again what it believes nobody took: Facebook, the longest of all.
const REPEATED_HOURS: u64 = 36;

pub(crate) async fn a_redelivery_enters_once<N: Network>() {
    let desk = Desk::<N>::listening().await;
    let all: BTreeSet<String> =
        (0..20).map(|number| desk.network.asks(&format!("Cliente {}", number % 3), &format!("Domanda {number}"))).collect();
    let again =
        DeliveryPlan { updates_max: 1, duplicates_percent: 100, late_duplicates_percent: 100, in_flight_max: 4, ..DeliveryPlan::default() };
    desk.deliver_by(&again).await;
    assert_eq!(desk.said().len(), 20);
    let words: BTreeSet<String> = desk.words().into_iter().map(|(id, _)| id).collect();
    assert_eq!(words, all.iter().map(|thing| desk.network.native_id(thing)).collect());
    // What comes again when others have gone by.
    desk.network.asks("Ada", "Ancora");
    desk.deliver().await;
    let cases = desk.cases();
    for _ in 0..REPEATED_HOURS * 4 {
        desk.advance(Duration::from_secs(15 * 60));
        desk.network.deliver(&DeliveryPlan::default()).await;
    }
    assert_eq!((desk.said().len(), desk.cases()), (21, cases));
    desk.stop().await;
}

pub(crate) async fn any_order_gives_the_same<N: Network>() {
    let mut told = Vec::new();
    for shuffle in [false, true] {
        let desk = Desk::<N>::listening().await;
        let ask = |number: usize| (desk.network.asks(&format!("Cliente {}", number % 5), &format!("Domanda {number}")), number);
        let numbers: BTreeMap<String, usize> = (0..30).map(ask).map(|(thing, number)| (desk.network.native_id(&thing), number)).collect();
        desk.deliver_by(&DeliveryPlan { updates_max: 1, shuffle, in_flight_max: 4, ..DeliveryPlan::default() }).await;
        told.push((in_conversations(&desk, &numbers), desk.said().len(), desk.cases()));
        desk.stop().await;
    }
    assert_eq!(told[0], told[1]);
    assert_eq!((told[0].0.len(), told[0].1), (30, 30));
}

/// Everything said: which it is, its words, and which was asked first of its conversation.
fn in_conversations<N: Network>(desk: &Desk<N>, numbers: &BTreeMap<String, usize>) -> BTreeSet<(usize, String, usize)> {
    let mut roots: BTreeMap<ConversationId, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for (row, content) in desk.said() {
        let content = content.expect("nothing is gone");
        let number = numbers[&content.native_id];
        let root = roots.entry(row.conversation).or_insert(number);
        *root = number.min(*root);
        all.push((number, content.text.unwrap_or_default(), row.conversation));
    }
    all.into_iter().map(|(number, text, conversation)| (number, text, roots[&conversation])).collect()
}

pub(crate) async fn an_edit_that_comes_before_its_original_is_filed_with_it<N: Network>() {
    if !is_given::<N>(Promise::Edits) {
        return;
    }
    let desk = Desk::<N>::listening().await;
    let thing = desk.network.asks("Ada", QUESTION);
    desk.advance(Duration::from_secs(60));
    desk.network.edits(&thing, "La rete è su, grazie");
    desk.deliver_by(&DeliveryPlan { updates_max: 1, reverse: true, ..DeliveryPlan::default() }).await;
    let said = desk.said();
    let told: Vec<(Change, Option<&str>)> =
        said.iter().map(|(row, content)| (row.change, content.as_ref().and_then(|content| content.text.as_deref()))).collect();
    let (edited, asked) = (desk.network.worded("La rete è su, grazie"), desk.network.worded(QUESTION));
    assert_eq!(told, [(Change::Edited, Some(edited.as_str())), (Change::Created, Some(asked.as_str()))]);
    assert_eq!(said[0].0.conversation, said[1].0.conversation);
    assert_eq!(said[0].0.subject, said[1].0.subject);
    assert_eq!(desk.cases(), 1);
    desk.stop().await;
}

pub(crate) async fn a_deletion_that_comes_before_its_original_leaves_no_words<N: Network>() {
    if !is_given::<N>(Promise::Disorder) {
        return;
    }
    let desk = Desk::<N>::listening().await;
    let thing = desk.network.asks("Ada", QUESTION);
    desk.advance(Duration::from_secs(60));
    desk.network.removes(&thing);
    desk.deliver_by(&DeliveryPlan { updates_max: 1, reverse: true, ..DeliveryPlan::default() }).await;
    let said = desk.said();
    assert_eq!(said.iter().map(|(row, _)| row.change).collect::<Vec<_>>(), [Change::Deleted, Change::Created]);
    assert!(said.iter().all(|(_, content)| content.as_ref().is_none_or(|content| content.text.is_none())), "no words are left: {said:?}");
    assert_eq!(desk.cases(), 0, "nobody has to answer what was taken back");
    desk.stop().await;
}

pub(crate) async fn what_nobody_knows_costs_nothing_else<N: Network>() {
    let desk = Desk::<N>::listening().await;
    desk.network.asks("Ada", "Prima");
    desk.network.shimmers();
    desk.network.asks("Bruno", "Dopo");
    desk.deliver().await;
    let words: BTreeSet<String> = desk.words().into_iter().map(|(_, text)| text).filter(|text| !text.is_empty()).collect();
    assert_eq!(words, BTreeSet::from([desk.network.worded("Prima"), desk.network.worded("Dopo")]));
    let strange = desk.said().into_iter().filter_map(|(_, content)| content);
    let strange: Vec<_> =
        strange.filter(|content| content.attributes.iter().any(|(name, value)| name == "not-understood" && value == "true")).collect();
    assert_eq!(strange.len(), 1, "it is kept, not understood");
    assert!(strange[0].raw.as_ref().is_some_and(|raw| !raw.is_empty()), "in the platform's own words: {strange:?}");
    assert_eq!((desk.parked(), desk.cases()), (0, 2));
    desk.stop().await;
}

pub(crate) async fn fields_nobody_knows_cost_nothing_and_are_kept<N: Network>() {
    let desk = Desk::<N>::listening().await;
    desk.network.sends_a_question_with_unknown_fields(QUESTION).await;
    desk.deliver().await;
    let said = desk.said();
    assert_eq!(said.len(), 1, "{said:?}");
    let content = said[0].1.as_ref().expect("its words are there");
    assert_eq!(content.text.as_deref(), Some(QUESTION));
    assert!(content.raw.as_ref().is_some_and(|raw| raw.contains("shimmer_2027")), "{:?}", content.raw);
    assert_eq!((desk.parked(), desk.cases()), (0, 1));
    desk.stop().await;
}

pub(crate) async fn ids_keep_every_digit_and_words_every_letter<N: Network>() {
    let desk = Desk::<N>::listening().await;
    let text = "𝔘𝔯𝔤𝔢𝔫𝔱𝔢 🙏🏽 «così» — перше & <b>\u{200d}";
    let long_ids = is_given::<N>(Promise::LongIds);
    let things: Vec<String> = (0..10).map(|number| desk.network.asks("Zoë 𝔊", &format!("{text} {number}"))).collect();
    desk.deliver().await;
    let words = desk.words();
    for (number, thing) in things.iter().enumerate() {
        let id = desk.network.native_id(thing);
        let digits: Vec<u64> = id.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
        assert!(!long_ids || digits.iter().any(|digits| *digits > 1 << 53), "{id} proves nothing");
        let found = words.iter().find(|(native_id, _)| *native_id == id).unwrap_or_else(|| panic!("{id} is not among {words:?}"));
        assert_eq!(found.1, desk.network.worded(&format!("{text} {number}")));
    }
    desk.stop().await;
}

pub(crate) async fn a_thousand_at_once_all_come_in<N: Network>() {
    let desk = Desk::<N>::listening().await;
    for number in 0..N::MANY {
        desk.network.asks(&format!("Cliente {}", number % 50), &format!("Domanda {number}"));
    }
    desk.deliver_by(&DeliveryPlan { in_flight_max: 8, ..DeliveryPlan::default() }).await;
    let words: BTreeSet<String> = desk.words().into_iter().map(|(_, text)| text).collect();
    assert_eq!((desk.said().len(), words.len(), desk.parked()), (N::MANY, N::MANY, 0));
    desk.stop().await;
}
