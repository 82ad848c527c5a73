//! A connector is upgraded again and again while deliveries come in and answers go out: nothing is lost, nothing doubled, and what cannot
//! be used changes nothing.

use std::collections::BTreeSet;

use http::Method;
use sportello_core::commands::RetireConnector;
use sportello_core::domain::channel::{CHANNELS, ChannelSettings};
use sportello_core::domain::connector::CONNECTORS;
use sportello_core::domain::delivery::DELIVERIES;
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::ids::{ChannelName, Digest};
use sportello_server::connectors::core_digest;
use sportello_server::desk::Desk;
use sportello_server::tenant::Event;
use sportello_tests::guests::{guest, with_note};
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::stand_ins::facebook::{DeliveryPlan, Facebook};
use sportello_views::Direction;

const HOOK: &str = "/hooks/demo/facebook-page";
const ANSWER: &str = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}\"\n";
/// Swaps under traffic; `SPORTELLO_SWAPS` asks for more.
const SWAPS: usize = 60;
/// Comments between two swaps that wait for each other.
const COMMENTS_PER_ROUND: usize = 3;

fn channel_name() -> ChannelName {
    ChannelName::new("facebook-page").unwrap()
}

/// The component that the channel is granted, and the one calls are made on.
fn live(desk: &Desk) -> (Digest, Digest) {
    let granted = desk.tenant.get(&CHANNELS, &channel_name()).unwrap().unwrap().grant.expect("a component is granted").digest;
    (granted, core_digest(&desk.channels.get(&channel_name()).unwrap().prepared))
}

/// Installs a component through the API; gives its digest.
async fn install(running: &RunningHost, component: Vec<u8>) -> Digest {
    let answer = running.ask(Method::POST, "/connectors", "application/wasm", component).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let shown = answer.json().unwrap()["digest"].as_str().expect("a digest").to_owned();
    Digest(hex::decode(shown).unwrap().try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapping_under_traffic_loses_and_doubles_nothing() {
    let swaps = std::env::var("SPORTELLO_SWAPS").ok().and_then(|swaps| swaps.parse().ok()).unwrap_or(SWAPS);
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let plan = HostPlan::default().facebook_page(&facebook, "").workflow("answer", ANSWER);
    let running = RunningHost::start(folder.path(), &plan).await;
    facebook.subscribe(&running.url(HOOK)).await.unwrap();
    let desk = running.desk();
    let first = live(&desk).0;
    let second = install(&running, with_note(&guest("facebook"), "second build")).await;
    assert_ne!(first, second);

    let post = facebook.post(&facebook.page(), "Manutenzione");
    let mut comments = BTreeSet::new();
    for swap in 0..swaps {
        for _ in 0..COMMENTS_PER_ROUND {
            comments.insert(facebook.comment(&facebook.person("Ada"), &post, &format!("Perché? {swap}")));
        }
        let delivery = DeliveryPlan { updates_max: 1, duplicates_percent: 20, shuffle: true, in_flight_max: 4, ..DeliveryPlan::default() };
        let delivering = facebook.deliver(&delivery);
        let next = if swap % 2 == 0 { second } else { first };
        let name = channel_name();
        let swapping = desk.channels.grant("test", &name, next);
        let (delivered, swapped) = tokio::join!(delivering, swapping);
        swapped.unwrap();
        let report = delivered.unwrap();
        assert_eq!(report.posted, report.acknowledged, "swap {swap}: no delivery is turned away: {report:?}");
        assert_eq!(live(&desk), (next, next), "swap {swap}");
    }
    let answered = |desk: &Desk| {
        let effects = desk.tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).unwrap();
        effects.len() == comments.len() && effects.iter().all(|(_, effect)| effect.state == EffectState::Done)
    };
    running.until("every comment is answered", answered).await;

    let rows = desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap();
    let taken = rows.iter().filter(|(_, row)| !row.own && row.kind == "comment").count();
    assert_eq!(taken, comments.len(), "every comment is there exactly once");
    assert!(desk.tenant.list(&DELIVERIES, &[], None, Direction::Forward, 1).unwrap().is_empty(), "none was parked");
    for comment in &comments {
        assert_eq!(facebook.replies_to(comment).len(), 1, "{comment} has one answer");
    }
    // The echoes of the answers.
    facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    let counts = facebook.counts();
    assert_eq!((counts.updates_acknowledged, counts.updates_pending), (counts.updates_made, 0), "all was acknowledged");
    assert_eq!(
        desk.tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).unwrap().len(),
        comments.len(),
        "an echo asks nothing"
    );
    let earlier = desk.tenant.get(&CHANNELS, &channel_name()).unwrap().unwrap().earlier;
    assert_eq!(earlier.len(), 1, "two builds: one live, one to go back to");
    assert!(running.verify().await.equal);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_whose_caller_goes_away_while_it_is_recorded_is_live_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = RunningHost::start(folder.path(), &HostPlan::default().facebook_page(&facebook, "")).await;
    let desk = running.desk();
    let name = channel_name();
    let upgraded = install(&running, with_note(&guest("facebook"), "upgrade")).await;
    {
        let mut granting = std::pin::pin!(desk.channels.grant("test", &name, upgraded));
        std::future::poll_fn(|context| {
            // What was decided is in the rows before its caller is answered: this is the last moment to go away.
            if live(&desk).0 == upgraded {
                std::task::Poll::Ready(())
            } else {
                granting.as_mut().poll(context).map(|granted| granted.unwrap())
            }
        })
        .await;
    }
    running.until("what is granted is live", |desk| live(desk) == (upgraded, upgraded)).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_and_the_settings_that_belong_to_it_are_one_record() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = RunningHost::start(folder.path(), &HostPlan::default().facebook_page(&facebook, "")).await;
    let desk = running.desk();
    let name = channel_name();
    let upgraded = install(&running, with_note(&guest("facebook"), "upgrade")).await;
    let (first, _) = live(&desk);
    let settings = || desk.tenant.get(&CHANNELS, &name).unwrap().unwrap().settings;
    let polled = |poll_ms| ChannelSettings { poll_ms: Some(poll_ms), ..settings() };
    desk.channels.set_up("otto", &name, polled(7_000), upgraded).await.unwrap();
    assert_eq!(live(&desk), (upgraded, upgraded));
    let records = desk.tenant.records(1).unwrap().map(|record| record.unwrap().1).filter(|record| record.actor == "otto");
    let words: Vec<Vec<&str>> = records.map(|record| record.events.iter().flatten().map(Event::word).collect()).collect();
    assert_eq!(words, [["channel.configured", "channel.granted"]]);

    // The core refuses the component: the settings are not changed either.
    desk.channels.grant("otto", &name, first).await.unwrap();
    desk.tenant.submit("otto", RetireConnector { digest: upgraded }).await.unwrap();
    let refused = desk.channels.set_up("otto", &name, polled(9_000), upgraded).await.unwrap_err().to_string();
    assert!(refused.contains("retired"), "{refused}");
    assert_eq!((settings().poll_ms, live(&desk)), (Some(7_000), (first, first)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_that_cannot_be_used_changes_nothing_and_an_earlier_build_can_be_gone_back_to() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let plan = HostPlan::default().facebook_page(&facebook, "");
    let running = RunningHost::start(folder.path(), &plan).await;
    facebook.subscribe(&running.url(HOOK)).await.unwrap();
    let desk = running.desk();
    let name = channel_name();
    let (first, _) = live(&desk);
    let upgraded = install(&running, with_note(&guest("facebook"), "upgrade")).await;
    let of_another_kind = install(&running, guest("minimal")).await;
    let before = *desk.tenant.watch_durable().borrow();

    // Nobody installed it; another connector's; cut off; its bytes are gone bad on disk.
    assert!(desk.channels.grant("test", &name, Digest([1; 32])).await.is_err());
    let problem = desk.channels.grant("test", &name, of_another_kind).await.unwrap_err().to_string();
    assert!(problem.contains("facebook"), "{problem}");
    let cut = guest("facebook");
    let refused = running.ask(Method::POST, "/connectors", "application/wasm", cut[..cut.len() / 2].to_vec()).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!((live(&desk), *desk.tenant.watch_durable().borrow()), ((first, first), before));
    comment_comes_in(&running, &facebook, 1).await;

    desk.channels.grant("test", &name, upgraded).await.unwrap();
    assert_eq!(live(&desk), (upgraded, upgraded));
    comment_comes_in(&running, &facebook, 2).await;
    let earlier = desk.tenant.get(&CHANNELS, &name).unwrap().unwrap().earlier;
    assert_eq!(earlier, [first], "where to go back to is remembered");
    desk.channels.grant("test", &name, earlier[0]).await.unwrap();
    assert_eq!(live(&desk), (first, first));
    comment_comes_in(&running, &facebook, 3).await;
    desk.channels.grant("test", &name, upgraded).await.unwrap();
    drop(desk);
    running.stop().await;

    // The file of the live component goes bad while the host is down: the configuration names the first build, which makes that one live.
    let file = folder.path().join("data/connectors").join(format!("{}.wasm", hex::encode(upgraded.0)));
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let again = RunningHost::start(folder.path(), &plan).await;
    assert_eq!(live(&again.desk()).1, first, "the configuration file names the first build, so that is live");
    let installed = again.desk().tenant.list(&CONNECTORS, &[], None, Direction::Forward, usize::MAX).unwrap();
    assert_eq!(installed.len(), 3);
    let damaged = again.desk().channels.grant("test", &name, upgraded).await.unwrap_err().to_string();
    assert!(damaged.contains("install it again"), "{damaged}");
    assert_eq!(live(&again.desk()), (first, first));
    assert_eq!(install(&again, with_note(&guest("facebook"), "upgrade")).await, upgraded);
    again.desk().channels.grant("test", &name, upgraded).await.unwrap();
    assert_eq!(live(&again.desk()), (upgraded, upgraded), "installing it again mends it");
    assert_eq!(std::fs::read(&file).unwrap(), with_note(&guest("facebook"), "upgrade"), "its file too");
    again.stop().await;
}

async fn comment_comes_in(running: &RunningHost, facebook: &Facebook, comments: usize) {
    let post = facebook.post(&facebook.person("Grace"), "Aiuto");
    facebook.comment(&facebook.person("Ada"), &post, "Anche da me");
    let report = facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    assert_eq!(report.posted, report.acknowledged, "{report:?}");
    let rows = running.desk().tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap();
    assert_eq!(rows.iter().filter(|(_, row)| row.kind == "comment").count(), comments);
}
