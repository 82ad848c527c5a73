//! A day on a network where everything goes wrong now and then: as the other side counts, nothing is lost, nothing is doubled, no limit that was told
//! beforehand is broken.
//!
//! The clock is moved by the test, a minute at a time. The seed is printed, and with `SPORTELLO_SEED` the same people do the same by the same plan; which
//! request meets which trouble depends on the machine, too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sportello_core::domain::effect::{Effect, EffectState};
use sportello_core::domain::interaction::Change;
use sportello_core::ids::{ConversationId, SubjectId};
use sportello_core::time::Timestamp;
use sportello_server::tenant::content::InteractionContent;
use sportello_tests::stand_ins::{DeliveryPlan, Fault};

use crate::desk::{Desk, MOMENT, Said};
use crate::network::{Network, Promise};

/// Share of requests, deliveries and moments that meet each kind of trouble.
const TROUBLE_PERCENT: u8 = 5;
const MINUTE: Duration = Duration::from_secs(60);
/// Customers.
const PEOPLE: usize = 40;
/// Where deletions are not told, each thing is looked for so often; see [`Desk::soaking`].
const LOOKED_FOR_EVERY: Duration = Duration::from_secs(60 * 60);
/// For how long words are changed: X lets nobody do so later.
const EDITED_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Calls that may be under way when a limit begins or a pause ends, and find out each for itself: an answer, what is read, what is asked for.
const UNDER_WAY: u64 = 3;

/// Nothing happens for so many steps: it is over.
const QUIET: usize = 12;

/// Something somebody said.
struct Thing {
    native_id: String,
    words: String,
    /// The words it was given later.
    edited: Option<String>,
    /// So quickly after an edit that nobody may tell of the edit.
    removed_at_once: bool,
    removed: bool,
    /// It was taken back before it could come in.
    came_and_went: bool,
    said_at: Timestamp,
}

/// What happened beside what people said.
#[derive(Default)]
struct Beside {
    /// Things nobody knows.
    shimmers: usize,
    /// Calls over a limit that nobody could have known of.
    found_out_max: u64,
}

pub(crate) async fn everything_goes_wrong<N: Network>(hours: u64) {
    let seed = std::env::var("SPORTELLO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("{}: {hours} hours, SPORTELLO_SEED={seed}", N::CONNECTOR);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut desk = Desk::<N>::soaking().await;
    desk.network.faults().at_random(TROUBLE_PERCENT, seed, N::troubles());
    let mut things: BTreeMap<String, Thing> = BTreeMap::new();
    let mut posts = Vec::new();
    let mut beside = Beside::default();

    for minute in 0..hours * 60 {
        act(&desk, &mut random, &mut things, &mut beside, minute);
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
            let time = MINUTE * random.u32(1..10);
            desk.network.limits(time);
            beside.found_out_max += UNDER_WAY * (1 + time.as_secs() / N::PAUSE.as_secs());
        }
        if random.u8(..100) < 1 {
            desk = desk.restarted().await;
            beside.found_out_max += UNDER_WAY;
            desk.network.faults().at_random(TROUBLE_PERCENT, random.u64(..), N::troubles());
        }
        desk.running.calls_end().await;
        desk.advance(MINUTE);
        desk.running.works(MOMENT).await;
    }

    let troubles = desk.network.faults().struck_at_random();
    desk.network.faults().at_random(0, seed, &[]);
    desk.network.tells_errors_beside(false);
    settle(&desk).await;
    judge(&desk, &things, &beside);
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
fn act<N: Network>(desk: &Desk<N>, random: &mut fastrand::Rng, things: &mut BTreeMap<String, Thing>, beside: &mut Beside, minute: u64) {
    // What the company itself says meanwhile is listed at once: a look for it relies on the settling time.
    let lag = (random.u8(..100) < TROUBLE_PERCENT).then(|| N::OVERLAP.mul_f32(random.f32()));
    if let Some(lag) = lag {
        desk.network.lists_late(lag);
    }
    for number in 0..random.usize(0..3) {
        let words = format!("Domanda {minute}-{number}: perché? 😡");
        let thing = desk.network.asks(&format!("Cliente {}", random.usize(..PEOPLE)), &words);
        let native_id = desk.network.native_id(&thing);
        let said = Thing {
            native_id,
            words: desk.network.worded(&words),
            edited: None,
            removed_at_once: false,
            removed: false,
            came_and_went: false,
            said_at: desk.now(),
        };
        things.insert(thing, said);
    }
    if lag.is_some() {
        desk.network.lists_late(Duration::ZERO);
    }
    let mut recent: Vec<_> = things.iter().filter(|(_, thing)| !thing.removed).map(|(id, thing)| (thing.said_at, id.clone())).collect();
    recent.sort();
    let Some((_, chosen)) = random.choice(recent.iter().rev().take(20)) else { return };
    let thing = things.get_mut(chosen).expect("it was chosen among them");
    let is_young = desk.now().ms_since(thing.said_at) < ms(EDITED_WITHIN);
    let can_be_edited = N::cannot(Promise::Edits).is_none() && thing.edited.is_none() && is_young;
    match random.u8(..20) {
        0 | 1 if can_be_edited => edit(desk, chosen, thing, &format!("Domanda {minute}: tutto a posto")),
        2 if desk.network.is_removable(chosen) => remove(desk, chosen, thing),
        3 => {
            desk.network.shimmers();
            beside.shimmers += 1;
        }
        4 if can_be_edited && desk.network.is_removable(chosen) => {
            edit(desk, chosen, thing, &format!("Domanda {minute}: niente"));
            remove(desk, chosen, thing);
            thing.removed_at_once = true;
        }
        _ => {}
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("a short while")
}

fn edit<N: Network>(desk: &Desk<N>, id: &str, thing: &mut Thing, words: &str) {
    desk.network.edits(id, words);
    thing.edited = Some(desk.network.worded(words));
}

fn remove<N: Network>(desk: &Desk<N>, id: &str, thing: &mut Thing) {
    desk.network.removes(id);
    thing.removed = true;
    // Where the host asks it may have been kept from asking; where it is told it was told after the minute in which it was said.
    let could_come_in = desk.network.times_asked().is_none() && thing.said_at < desk.now();
    thing.came_and_went = !could_come_in && !desk.has_come_in(&thing.native_id);
}

/// Gives the host the time to do what is left.
async fn settle<N: Network>(desk: &Desk<N>) {
    let began = desk.now();
    let mut looks = None;
    let is_over = |state: EffectState| matches!(state, EffectState::Done | EffectState::Failed | EffectState::Undecided);
    let mut quiet = 0;
    let mut before = (0, 0);
    for _ in 0..2_000 {
        desk.deliver().await;
        let effects = desk.effects();
        let now = (effects.len(), desk.said().len());
        // What is looked for from now on was not being looked for while there was trouble.
        if N::cannot(Promise::Rechecks).is_none() && looks.is_none() && desk.now().ms_since(began) >= ms(LOOKED_FOR_EVERY) {
            let seen = desk.network.faults().arm(Fault::HoldBefore, N::rechecks(), 1);
            seen.release();
            looks = Some(seen);
        }
        let is_looked_for = N::cannot(Promise::Rechecks).is_some() || looks.as_ref().is_some_and(|looks| looks.count() > 0);
        let is_quiet = now == before && is_looked_for && effects.iter().all(|effect| is_over(effect.state));
        quiet = if is_quiet { quiet + 1 } else { 0 };
        before = now;
        if quiet == QUIET {
            return;
        }
        // What is kept for some hours only must still be there to be judged.
        desk.running.calls_end().await;
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

fn judge<N: Network>(desk: &Desk<N>, things: &BTreeMap<String, Thing>, beside: &Beside) {
    let mut rows: BTreeMap<SubjectId, Vec<Said>> = BTreeMap::new();
    for said in desk.said() {
        rows.entry(said.0.subject).or_default().push(said);
    }
    let mut lost = Vec::new();
    for thing in things.values() {
        let versions = rows.remove(&desk.subject_of(&thing.native_id)).unwrap_or_default();
        let of = |change: Change| versions.iter().filter(move |(row, _)| row.change == change);
        // Nothing is lost: where only the newest words are listed, and the first were told in vain, the edit alone may have come in. Of what was taken back
        // before it came in there is the deletion alone, if anything.
        let is_in = versions.iter().any(|(row, _)| row.change != Change::Deleted);
        let is_gone = thing.came_and_went || thing.removed && !versions.is_empty();
        if !is_in && !is_gone {
            lost.push((&thing.native_id, thing.said_at, thing.removed, desk.network.listed(&thing.native_id)));
        }
        // Nothing enters twice.
        assert!(of(Change::Created).count() <= 1, "entered twice: {versions:?}");
        let edits = of(Change::Edited).count();
        let made = usize::from(thing.edited.is_some());
        assert!(edits == made || edits < made && thing.removed_at_once, "{edits} edits of {made} are known: {versions:?}");
        judge_words::<N>(desk, thing, &versions);
    }
    assert!(
        lost.is_empty(),
        "{} of {} things are lost (id, when it was said, whether it was removed, the platform's list): {lost:?}",
        lost.len(),
        things.len()
    );
    judge_strange(rows, beside);

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
    let answers: Vec<usize> = things.keys().map(|id| desk.network.answers_to(id).len()).collect();
    assert!(answers.iter().all(|answers| *answers <= 1), "something is answered twice");
    assert_eq!(answers.iter().sum::<usize>(), desk.network.answers(), "something else was answered, too");
    let over = desk.network.calls_over_limit();
    println!("{}: {over} calls over a limit, at most {}", N::CONNECTOR, beside.found_out_max);
    let found_out_max = if N::cannot(Promise::Headroom).is_none() { 0 } else { beside.found_out_max };
    assert!(over <= found_out_max, "{over} calls over a limit, {found_out_max} of which could not know it");
    let too_early = desk.network.faults().too_early();
    assert!(too_early.is_empty(), "{} requests came before they were told to come again: {too_early:#?}", too_early.len());
    assert_eq!(desk.parked(), 0, "deliveries were set aside");
}

/// What was taken back has no words any more, everything else has its own, as they were and as they are.
fn judge_words<N: Network>(desk: &Desk<N>, thing: &Thing, versions: &[Said]) {
    let gone_by = N::keeps_words_hours().map(|hours| thing.said_at.plus_ms(hours * 3_600_000));
    let had_to_go = thing.removed || gone_by.is_some_and(|by| by <= desk.now());
    for (row, content) in versions.iter().filter(|(row, _)| row.change != Change::Deleted) {
        let right = if row.change == Change::Edited { thing.edited.as_ref() } else { Some(&thing.words) };
        match content.as_ref().and_then(|content| content.text.as_ref()) {
            Some(words) => assert!(!thing.removed && Some(words) == right, "{words:?} instead of {right:?}, {row:?}"),
            None => assert!(had_to_go, "the words of {} are gone: {:?}, {row:?}", thing.native_id, thing.words),
        }
    }
}

/// What came in though nobody said it is what nobody knows, and that is there once. A deletion may be told of a version.
fn judge_strange(rows: BTreeMap<SubjectId, Vec<Said>>, beside: &Beside) {
    let strange: Vec<Said> = rows.into_values().flatten().filter(|(row, _)| row.change != Change::Deleted).collect();
    let is_known =
        |content: &InteractionContent| !content.attributes.iter().any(|(name, value)| name == "not-understood" && value == "true");
    let phantom = strange.iter().find(|(_, content)| content.as_ref().is_some_and(is_known));
    assert!(phantom.is_none(), "nobody said it: {phantom:?}");
    assert!(strange.len() <= beside.shimmers, "{} things nobody knows are there of {}", strange.len(), beside.shimmers);
}
