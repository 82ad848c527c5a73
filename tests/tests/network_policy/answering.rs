//! Whom nobody but a person may answer.

use std::time::Duration;

use http::Method;
use serde_json::json;
use sportello_core::domain::conversation::CONVERSATIONS;
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_server::desk::Desk;
use sportello_tests::host::HostPlan;
use sportello_tests::stand_ins::DeliveryPlan;
use sportello_tests::stand_ins::twitter::{Payloads, Twitter, TwitterSettings};
use sportello_views::Direction;

use crate::{ANSWER, api, clock, start};

fn effects(desk: &Desk) -> Vec<EffectState> {
    desk.tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).unwrap().into_iter().map(|(_, effect)| effect.state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_did_not_address_the_company_on_x_is_a_persons_task() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let settings = TwitterSettings { now, payloads: Payloads::AccountActivity, ..TwitterSettings::default() };
    let twitter = Twitter::start_with(settings).await.unwrap();
    let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 0").workflow("answer", ANSWER);
    let running = start(folder.path(), &plan, &clock).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    let (ada, bruno) = (twitter.person("Ada"), twitter.person("Bruno"));
    let post = twitter.post(&ada, &format!("@{} la rete è giù", twitter.settings().handle));
    // He answers her, not the company; X puts the company's name before his words all the same.
    let aside = twitter.reply(&bruno, &post, "anche da me");
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("Ada is answered", |desk| effects(desk).contains(&EffectState::Done)).await;
    running.until("Bruno is somebody's task", |desk| effects(desk).contains(&EffectState::Undecided)).await;
    assert_eq!((twitter.replies_to(&post).len(), twitter.replies_to(&aside).len(), twitter.unsummoned_refused()), (1, 0, 0));
    let undecided = api(&running, Method::GET, "/effects?which=undecided", json!(null)).await;
    let problem = undecided["items"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("only where one was addressed"), "{problem}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_quotes_the_company_on_x_is_answered_and_who_neither_names_nor_quotes_it_is_not() {
    let (clock, now) = clock();
    for payloads in [Payloads::Activity, Payloads::AccountActivity] {
        let folder = tempfile::tempdir().unwrap();
        let twitter = Twitter::start_with(TwitterSettings { now, payloads, ..TwitterSettings::default() }).await.unwrap();
        let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 60").workflow("answer", ANSWER);
        let running = start(folder.path(), &plan, &clock).await;
        twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
        let (ada, bruno) = (twitter.person("Ada"), twitter.person("Bruno"));
        let quote = twitter.quote(&ada, &twitter.post(&twitter.company(), "Manutenzione sabato"), "E domenica?");
        twitter.deliver(&DeliveryPlan::default()).await.unwrap();
        running.until("who quotes is answered", |desk| effects(desk) == [EffectState::Done]).await;

        // X puts the company's name before his words: the newer shape does not tell that, the list shows it.
        let named = twitter.post(&ada, &format!("@{} la rete è giù", twitter.settings().handle));
        let aside = twitter.reply(&bruno, &named, "anche da me");
        twitter.deliver(&DeliveryPlan::default()).await.unwrap();
        clock.advance_ms(60_000);
        twitter.advance(Duration::from_secs(60));
        let states = |desk: &Desk| effects(desk).into_iter().map(|state| state == EffectState::Done).collect::<Vec<_>>();
        running.until("who does neither is somebody's task", |desk| effects(desk).contains(&EffectState::Undecided)).await;
        running.until("the others are answered", |desk| states(desk) == [true, true, false]).await;
        let answers = [quote, named, aside].map(|post| twitter.replies_to(&post).len());
        assert_eq!((answers, twitter.unsummoned_refused()), ([1, 1, 0], 0), "{payloads:?}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_addressed_the_company_on_x_is_not_answered_for_all_they_say_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let settings = TwitterSettings { now, payloads: Payloads::AccountActivity, ..TwitterSettings::default() };
    let twitter = Twitter::start_with(settings).await.unwrap();
    let each = ANSWER.replace("case.opened", "interaction.received");
    let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 0").workflow("answer", &each);
    let running = start(folder.path(), &plan, &clock).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    let ada = twitter.person("Ada");
    let post = twitter.post(&ada, &format!("@{} la rete è giù", twitter.settings().handle));
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("Ada is answered", |desk| effects(desk) == [EffectState::Done]).await;

    // She goes on below her own post, to nobody in particular.
    let aside = twitter.reply(&ada, &post, "e piove");
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("the rest is somebody's task", |desk| effects(desk) == [EffectState::Done, EffectState::Undecided]).await;
    let conversations = running.desk().tenant.list(&CONVERSATIONS, &[], None, Direction::Forward, usize::MAX).unwrap();
    assert_eq!(conversations.len(), 1, "one person in one thread");
    assert_eq!((twitter.replies_to(&post).len(), twitter.replies_to(&aside).len(), twitter.unsummoned_refused()), (1, 0, 0));
    running.stop().await;
}
