//! How long what is known and said of people is kept, and that what is deleted on the platform is given up.

use std::time::Duration;

use http::Method;
use serde_json::json;
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::profile::PROFILES;
use sportello_core::ids::EffectId;
use sportello_server::desk::Desk;
use sportello_tests::canaries;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::kept::{nothing_due, openable};
use sportello_tests::stand_ins::DeliveryPlan;
use sportello_tests::stand_ins::facebook::Facebook;
use sportello_tests::stand_ins::linkedin::{LinkedIn, LinkedInSettings};
use sportello_tests::stand_ins::twitter::{Endpoint, Limit, Payloads, Twitter, TwitterSettings};
use sportello_views::Direction;

use crate::{ANSWER, api, can_be_read, clock, start};

const HOUR: Duration = Duration::from_secs(60 * 60);
const HOUR_MS: u64 = 60 * 60 * 1_000;

async fn forgotten(running: &RunningHost) {
    running.until("what is due is forgotten", nothing_due).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_linkedin_says_of_somebody_is_gone_after_a_day_and_their_words_after_two() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let linkedin = LinkedIn::start_with(LinkedInSettings { now, ..LinkedInSettings::default() }).await.unwrap();
    let plan = HostPlan::default().linkedin(&linkedin, "poll-seconds = 0").workflow("answer", ANSWER);
    let running = start(folder.path(), &plan, &clock).await;
    linkedin.register_webhook(&running.url("/hooks/demo/linkedin")).await.unwrap();
    let (id_before, words) = (linkedin.person("Ada Moretti"), canaries::word("text"));
    let post = linkedin.post("Manutenzione sabato");
    linkedin.comment(&id_before, &post, &words);
    linkedin.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("it is answered", |desk| state_of(desk, 1) == Some(EffectState::Done)).await;
    let who = id_before.urn();
    let id = who.rsplit(':').next().unwrap().to_owned();
    let desk = running.desk();
    let profile_is_kept =
        |desk: &Desk| desk.tenant.known_profile("linkedin", &id).is_some() || desk.tenant.known_profile("linkedin", &who).is_some();
    assert!(profile_is_kept(&desk) && can_be_read(&desk, &words));

    let step = |by: Duration| {
        linkedin.advance(by);
        clock.advance_ms(u64::try_from(by.as_millis()).unwrap());
    };
    step(HOUR * 24 - Duration::from_secs(60));
    forgotten(&running).await;
    assert!(profile_is_kept(&desk), "a minute before a day has passed");
    step(Duration::from_secs(60));
    running.until("the profile is erased", |desk| !profile_is_kept(desk)).await;
    forgotten(&running).await;
    let profiles = desk.tenant.list(&PROFILES, &[], None, Direction::Forward, usize::MAX).unwrap();
    assert!(profiles.iter().all(|(_, row)| row.erased || row.own), "{profiles:?}");
    assert!(can_be_read(&desk, &words), "words may stay for another day");

    step(HOUR * 24);
    running.until("the words are gone", |desk| !can_be_read(desk, &words)).await;
    forgotten(&running).await;
    assert!(!openable(&desk.tenant).iter().any(|content| content.contains("ci stiamo lavorando")), "and so is what was answered");
    let verified = running.verify().await;
    assert!(verified.equal, "{verified:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_goes_by_the_policy_that_the_operator_tightens() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = clock();
    let facebook = Facebook::start().await.unwrap();
    // Asked for, the answer would come in hours later, and be kept from then on.
    let plan = |more: &str| HostPlan::default().facebook_page(&facebook, &format!("poll-seconds = 0\n{more}")).workflow("answer", ANSWER);
    let running = start(folder.path(), &plan(""), &clock).await;
    facebook.subscribe(&running.url("/hooks/demo/facebook-page")).await.unwrap();
    let (name, words) = (canaries::word("name"), canaries::word("text"));
    facebook.comment(&facebook.person(&name), &facebook.post(&facebook.page(), "Manutenzione sabato"), &words);
    facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("it is answered", |desk| state_of(desk, 1) == Some(EffectState::Done)).await;
    running.stop().await;

    clock.advance_ms(2 * HOUR_MS);
    let running = start(folder.path(), &plan("policy = { profile-hours = 3, content-hours = 4 }"), &clock).await;
    let enforced = |desk: &Desk| desk.channels.rows().unwrap().iter().all(|(_, _, row)| row.loosest == row.policy());
    running.until("the policy is enforced", enforced).await;
    forgotten(&running).await;
    let desk = running.desk();
    assert!(can_be_read(&desk, &name) && can_be_read(&desk, &words), "they came two hours ago");
    clock.advance_ms(HOUR_MS);
    running.until("the profile is erased", |desk| !can_be_read(desk, &name)).await;
    forgotten(&running).await;
    assert!(can_be_read(&desk, &words), "words may stay for another hour");
    clock.advance_ms(HOUR_MS);
    running.until("the words are gone", |desk| !can_be_read(desk, &words)).await;
    forgotten(&running).await;
    assert!(!openable(&desk.tenant).iter().any(|content| content.contains("ci stiamo lavorando")), "and so is what was answered");
    let verified = running.verify().await;
    assert!(verified.equal, "{verified:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_on_x_is_given_up_when_x_says_so() {
    let (clock, now) = clock();
    for payloads in [Payloads::Activity, Payloads::AccountActivity] {
        let folder = tempfile::tempdir().unwrap();
        let twitter = Twitter::start_with(TwitterSettings { now, payloads, ..TwitterSettings::default() }).await.unwrap();
        let running = start(folder.path(), &HostPlan::default().twitter(&twitter, "poll-seconds = 0"), &clock).await;
        twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
        let (first, second, kept) = (canaries::word("first"), canaries::word("second"), canaries::word("kept"));
        let handle = &twitter.settings().handle;
        let ada = twitter.person("Ada");
        let post = twitter.post(&ada, &format!("@{handle} {first}"));
        twitter.post(&ada, &format!("@{handle} {kept}"));
        let edited = twitter.edit(&post, &format!("@{handle} {second}"));
        twitter.deliver(&DeliveryPlan::default()).await.unwrap();
        let desk = running.desk();
        assert!([&first, &second, &kept].iter().all(|word| can_be_read(&desk, word)));

        // One version is deleted, and all are gone.
        twitter.remove(&edited);
        twitter.deliver(&DeliveryPlan::default()).await.unwrap();
        forgotten(&running).await;
        assert!(!can_be_read(&desk, &first) && !can_be_read(&desk, &second), "{payloads:?}");
        assert!(can_be_read(&desk, &kept));
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_x_tells_nobody_of_is_honoured_within_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let twitter = Twitter::start_with(TwitterSettings { now, ..TwitterSettings::default() }).await.unwrap();
    twitter.unsubscribe_from_authors();
    let running = start(folder.path(), &HostPlan::default().twitter(&twitter, "poll-seconds = 0"), &clock).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    let (vanishing, edited, kept) = (canaries::word("vanishing"), canaries::word("edited"), canaries::word("kept"));
    let handle = &twitter.settings().handle;
    let ada = twitter.person("Ada");
    let post = twitter.post(&ada, &format!("@{handle} {vanishing}"));
    let later = twitter.edit(&post, &format!("@{handle} {edited}"));
    let liked = twitter.post(&ada, &format!("@{handle} {kept}"));
    twitter.like(&ada, &liked);
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    twitter.remove(&later);
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    let desk = running.desk();
    assert!([&vanishing, &edited, &kept].iter().all(|word| can_be_read(&desk, word)), "nobody tells of it");

    let step = |by: Duration| {
        twitter.advance(by);
        clock.advance_ms(u64::try_from(by.as_millis()).unwrap());
    };
    for _ in 0..23 {
        step(HOUR);
        forgotten(&running).await;
    }
    running.until("what is gone is forgotten", |desk| !can_be_read(desk, &vanishing) && !can_be_read(desk, &edited)).await;
    forgotten(&running).await;
    assert!(can_be_read(&desk, &kept));
    let channel = api(&running, Method::GET, "/channels/twitter", json!(null)).await;
    assert_eq!(channel["policy"]["recheck_hours"], 24, "{channel}");
    // Who tells of it later says nothing new.
    let interactions = |desk: &Desk| desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap().len();
    let before = interactions(&desk);
    for _ in 0..24 {
        step(HOUR);
        forgotten(&running).await;
    }
    assert_eq!(interactions(&desk), before, "what is gone is not asked about again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_what_is_still_there_keeps_to_limits_and_goes_on_where_a_stop_interrupted_it() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let mut settings = TwitterSettings { now, ..TwitterSettings::default() };
    settings.calls_max.insert((Limit::Quarter, Endpoint::Lookups), 1);
    let twitter = Twitter::start_with(settings).await.unwrap();
    twitter.unsubscribe_from_authors();
    let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 0\npolicy.recheck-hours = 4");
    let running = start(folder.path(), &plan, &clock).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    let words: Vec<String> = ["first", "second", "third"].map(canaries::word).to_vec();
    let handle = &twitter.settings().handle;
    let ada = twitter.person("Ada");
    let mut removed = Vec::new();
    // A look is at a hundred at once.
    for number in 0..250 {
        let word = if number % 100 == 10 { words[number / 100].clone() } else { "ciao".to_owned() };
        let post = twitter.post(&ada, &format!("@{handle} {number} {word}"));
        if number % 100 == 10 {
            removed.push(post);
        }
    }
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    for post in &removed {
        twitter.remove(post);
    }
    let step = |by: Duration| {
        twitter.advance(by);
        clock.advance_ms(u64::try_from(by.as_millis()).unwrap());
    };
    let readable = |desk: &Desk| words.iter().filter(|word| can_be_read(desk, word)).count();
    step(HOUR * 2);
    running.until("the first hundred are looked at", |desk| readable(desk) == 2).await;
    running.stop().await;

    let running = start(folder.path(), &plan, &clock).await;
    for left in [1, 0] {
        assert_eq!(readable(&running.desk()), left + 1);
        // A second longer than the window, as clocks differ.
        step(Duration::from_secs(15 * 60 + 1));
        running.until("the next are looked at", |desk| readable(desk) == left).await;
    }
    assert_eq!(twitter.calls_over_limit(), 0);
    running.stop().await;
}

fn state_of(desk: &Desk, effect: u64) -> Option<EffectState> {
    desk.tenant.get(&EFFECTS, &EffectId(effect)).unwrap().map(|effect| effect.state)
}
