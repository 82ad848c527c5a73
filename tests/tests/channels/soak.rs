//! A day on a network where everything goes wrong now and then: as the other side counts, nothing is lost, nothing is doubled, no limit that was told
//! beforehand is broken.
//!
//! The clock is moved by the test, a minute at a time. The seed is printed, and `SPORTELLO_SEED` plays it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sportello_core::domain::effect::{Effect, EffectState};
use sportello_core::domain::interaction::Change;
use sportello_core::ids::ConversationId;
use sportello_core::time::Timestamp;
use sportello_tests::stand_ins::DeliveryPlan;

use crate::desk::{Desk, MOMENT};
use crate::network::{Network, Promise};

/// Share of requests, deliveries and moments that meet each kind of trouble.
const TROUBLE_PERCENT: u8 = 5;
const MINUTE: Duration = Duration::from_secs(60);
/// Customers.
const PEOPLE: usize = 40;

/// Nothing happens for so many steps: it is over.
const QUIET: usize = 12;

/// Something somebody said.
struct Thing {
    native_id: String,
    words: String,
    edits: usize,
    /// So quickly after an edit that nobody may tell of the edit.
    removed_at_once: bool,
    removed: bool,
    said_at: Timestamp,
}

pub(crate) async fn everything_goes_wrong<N: Network>(hours: u64) {
    let seed = std::env::var("SPORTELLO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("{}: {hours} hours, SPORTELLO_SEED={seed}", N::CONNECTOR);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut desk = Desk::<N>::soaking().await;
    desk.network.faults().at_random(TROUBLE_PERCENT, seed, N::troubles());
    let mut things: BTreeMap<String, Thing> = BTreeMap::new();
    let mut posts = Vec::new();

    for minute in 0..hours * 60 {
        act(&desk, &mut random, &mut things, minute);
        if N::cannot(Promise::Posts).is_none() && random.u8(..100) < TROUBLE_PERCENT {
            let text = format!("Avviso delle {minute} (sabato) 🙏");
            desk.posts(&text).await;
            posts.push(text);
        }
        desk.network.tells_errors_beside(random.u8(..100) < TROUBLE_PERCENT);
        let plan = DeliveryPlan {
            updates_max: random.usize(1..20),
            shuffle: random.u8(..100) < 50,
            duplicates_percent: TROUBLE_PERCENT,
            late_duplicates_percent: TROUBLE_PERCENT,
            in_flight_max: random.usize(1..5),
            ..DeliveryPlan::default()
        };
        desk.network.deliver(&plan).await;
        if N::cannot(Promise::Tokens).is_none() && random.u8(..100) < TROUBLE_PERCENT {
            desk.network.expires_token();
        }
        if N::cannot(Promise::Headroom).is_some() && random.u8(..100) < TROUBLE_PERCENT {
            desk.network.limits(MINUTE * random.u32(1..10));
        }
        if random.u8(..100) < 1 {
            desk = desk.restarted().await;
            desk.network.faults().at_random(TROUBLE_PERCENT, random.u64(..), N::troubles());
        }
        desk.advance(MINUTE);
        desk.running.works(MOMENT).await;
    }

    let troubles = desk.network.faults().struck_at_random();
    desk.network.faults().at_random(0, seed, &[]);
    desk.network.tells_errors_beside(false);
    settle(&desk).await;
    judge(&desk, &things);
    let there = desk.network.posts();
    for text in &posts {
        assert_eq!(there.iter().filter(|post| post.contains(text)).count(), 1, "{text}: {there:?}");
    }
    assert_eq!(there.len(), posts.len());
    println!(
        "{}: {} things said, {} posts, {troubles} requests in trouble since the last restart",
        N::CONNECTOR,
        things.len(),
        posts.len()
    );
    desk.stop().await;
}

/// What people do in a minute.
fn act<N: Network>(desk: &Desk<N>, random: &mut fastrand::Rng, things: &mut BTreeMap<String, Thing>, minute: u64) {
    // What the company itself says meanwhile is listed at once: a look for it relies on the settling time.
    let lag = (random.u8(..100) < TROUBLE_PERCENT).then(|| N::OVERLAP.mul_f32(random.f32()));
    if let Some(lag) = lag {
        desk.network.lists_late(lag);
    }
    for number in 0..random.usize(0..3) {
        let words = format!("Domanda {minute}-{number}: perché? 😡");
        let thing = desk.network.asks(&format!("Cliente {}", random.usize(..PEOPLE)), &words);
        let native_id = desk.network.native_id(&thing);
        things.insert(
            thing,
            Thing { native_id, words: desk.network.worded(&words), edits: 0, removed_at_once: false, removed: false, said_at: desk.now() },
        );
    }
    if lag.is_some() {
        desk.network.lists_late(Duration::ZERO);
    }
    let recent: Vec<String> = things.iter().filter(|(_, thing)| !thing.removed).map(|(id, _)| id.clone()).collect();
    let Some(chosen) = random.choice(recent.iter().rev().take(20)) else { return };
    let thing = things.get_mut(chosen).expect("it was chosen among them");
    match random.u8(..20) {
        0 | 1 if N::cannot(Promise::Edits).is_none() && thing.edits == 0 => {
            desk.network.edits(chosen, &format!("Domanda {minute}: tutto a posto"));
            thing.edits += 1;
        }
        2 if desk.network.is_removable(chosen) => {
            desk.network.removes(chosen);
            thing.removed = true;
        }
        3 => desk.network.shimmers(),
        4 if N::cannot(Promise::Edits).is_none() && thing.edits == 0 && desk.network.is_removable(chosen) => {
            desk.network.edits(chosen, &format!("Domanda {minute}: niente"));
            desk.network.removes(chosen);
            thing.edits += 1;
            (thing.removed_at_once, thing.removed) = (true, true);
        }
        _ => {}
    }
}

/// Gives the host the time to do what is left.
async fn settle<N: Network>(desk: &Desk<N>) {
    let is_over = |state: EffectState| matches!(state, EffectState::Done | EffectState::Failed | EffectState::Undecided);
    let mut quiet = 0;
    let mut before = (0, 0);
    for _ in 0..2_000 {
        desk.deliver().await;
        let effects = desk.effects();
        let now = (effects.len(), desk.said().len());
        quiet = if now == before && effects.iter().all(|effect| is_over(effect.state)) { quiet + 1 } else { 0 };
        before = now;
        if quiet == QUIET {
            return;
        }
        // What is kept for some hours only must still be there to be judged.
        desk.advance(if quiet > 0 { MINUTE * 10 } else { MINUTE });
        desk.running.works(MOMENT).await;
    }
    let open: Vec<_> = desk.effects().into_iter().filter(|effect| !is_over(effect.state)).collect();
    let live = desk.running.desk().channels.live();
    let health: Vec<_> = live.values().map(|channel| channel.health.shown(desk.now())).collect();
    panic!("{} effects are not over at {:?}: {:?}; the channel says: {health:?}", open.len(), desk.now(), reasons(&open));
}

/// How many of them are in which state, and what went wrong last.
fn reasons(effects: &[Effect]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for effect in effects {
        *reasons.entry(format!("{:?}: {}", effect.state, effect.problem.as_deref().unwrap_or("nothing"))).or_default() += 1;
    }
    reasons
}

fn judge<N: Network>(desk: &Desk<N>, things: &BTreeMap<String, Thing>) {
    // Nothing is lost, nothing enters twice.
    let mut created: BTreeMap<String, usize> = BTreeMap::new();
    for id in desk.created() {
        *created.entry(id).or_default() += 1;
    }
    let expected: BTreeSet<&String> = things.values().map(|thing| &thing.native_id).collect();
    let found: BTreeSet<&String> = created.keys().filter(|id| expected.contains(id)).collect();
    let lost: Vec<&&String> = expected.difference(&found).collect();
    // Of what was taken back before it came in there is the deletion alone; its words are gone either way.
    let gone: BTreeSet<&String> = things.values().filter(|thing| thing.removed).map(|thing| &thing.native_id).collect();
    let lost: Vec<&&&String> = lost.iter().filter(|id| !gone.contains(**id)).collect();
    let listed = lost.iter().map(|id| desk.network.listed(id)).collect::<Vec<_>>();
    assert!(lost.is_empty(), "{} of {} things are lost: {lost:?}; the platform's list: {listed:?}", lost.len(), expected.len());
    let doubled: Vec<_> = created.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "entered twice: {doubled:?}");

    // What was taken back has no words any more, everything else has its own.
    let words: BTreeMap<String, String> = desk.words().into_iter().collect();
    for thing in things.values() {
        match words.get(&thing.native_id) {
            Some(words) => assert!(!thing.removed && *words == thing.words, "{words:?} instead of {:?}", thing.words),
            None => {
                let gone_by = N::keeps_words_hours().map(|hours| thing.said_at.plus_ms(hours * 3_600_000));
                let had_to_go = thing.removed || gone_by.is_some_and(|by| by <= desk.now());
                assert!(had_to_go, "the words of {} are gone: {:?}", thing.native_id, thing.words);
            }
        }
    }

    // Everybody is answered once, as the platform counts.
    assert_eq!(desk.network.doubled(), 0, "answers stand there twice");
    let effects = desk.effects();
    // What is left to people is what nobody can do: answering what was taken back.
    let said = desk.said();
    let taken_back: BTreeSet<ConversationId> =
        said.iter().filter(|(row, _)| row.change == Change::Created && row.withdrawn).map(|(row, _)| row.conversation).collect();
    let is_excused = |effect: &Effect| effect.conversation.is_some_and(|conversation| taken_back.contains(&conversation));
    let left: Vec<Effect> = effects.into_iter().filter(|effect| effect.state != EffectState::Done && !is_excused(effect)).collect();
    assert!(left.is_empty(), "{} answers are left to people: {:?}", left.len(), reasons(&left));
    let unanswered: Vec<&Thing> =
        things.iter().filter(|(id, thing)| !thing.removed && desk.network.answers_to(id).is_empty()).map(|(_, thing)| thing).collect();
    assert!(unanswered.is_empty(), "{} are not answered, first {:?}", unanswered.len(), unanswered[0].words);
    for id in things.keys() {
        assert!(desk.network.answers_to(id).len() <= 1, "{id} is answered twice");
    }
    if N::cannot(Promise::Headroom).is_none() {
        assert_eq!(desk.network.calls_over_limit(), 0, "limits that were told beforehand");
    }
    let too_early = desk.network.faults().too_early();
    assert!(too_early.is_empty(), "{} requests came before they were told to come again: {too_early:#?}", too_early.len());
    assert_eq!(desk.parked(), 0, "deliveries were set aside");
    let edits = desk.said().iter().filter(|(row, _)| row.change == Change::Edited).count();
    let told = things.values().filter(|thing| !thing.removed_at_once).map(|thing| thing.edits).sum::<usize>();
    let made = things.values().map(|thing| thing.edits).sum::<usize>();
    assert!((told..=made).contains(&edits), "{edits} edits are known of {made}, {told} of which must be");
}
