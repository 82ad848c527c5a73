//! Sources that are asked: a changed channel is asked as it now says, at once.

use std::sync::Arc;

use sportello_core::domain::channel::{CHANNELS, CURSORS, ChannelSettings};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::ids::ChannelName;
use sportello_core::time::Timestamp;
use sportello_server::clock::SetClock;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::servers::Wiki;
use sportello_tests::stand_ins::wiki::WikiStandIn;
use sportello_views::Direction;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_interval_is_taken_at_once_and_a_channel_switched_off_and_on_is_asked_again() {
    let wiki = WikiStandIn::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running = RunningHost::start(folder.path(), &HostPlan::default().wiki(&wiki, "poll-seconds = 3600")).await;
    running
        .until("the wiki has been asked once", |desk| !desk.tenant.list(&CURSORS, &[], None, Direction::Forward, 1).unwrap().is_empty())
        .await;
    let desk = running.desk();
    let name = ChannelName::new("wiki").unwrap();
    let hourly = desk.tenant.get(&CHANNELS, &name).unwrap().unwrap().settings;
    let often = ChannelSettings { poll_ms: Some(200), ..hourly.clone() };
    let is_found = |words: usize| {
        running.until("what was written is found", move |desk| {
            desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, 10).unwrap().len() == words
        })
    };

    wiki.customer().edit_talk("Talk:Product", "Rete giù", "Perché? --~~~~").await.unwrap();
    desk.channels.configure("test", &name, often.clone()).await.unwrap();
    is_found(1).await;

    for enabled in [false, true, false, true] {
        desk.channels.configure("test", &name, ChannelSettings { enabled, ..often.clone() }).await.unwrap();
    }
    wiki.customer().edit_talk("Talk:Product", "Ancora", "Sempre giù. --~~~~").await.unwrap();
    is_found(2).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_stands_still_because_it_was_set_back_keeps_nobody_from_being_asked() {
    let wiki = WikiStandIn::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::at(Timestamp(jiff::Timestamp::now().as_millisecond() + 3_600_000)));
    let running = RunningHost::start_at(folder.path(), &HostPlan::default().wiki(&wiki, "poll-seconds = 0.2"), clock).await;
    running
        .until("the wiki has been asked once", |desk| !desk.tenant.list(&CURSORS, &[], None, Direction::Forward, 1).unwrap().is_empty())
        .await;
    wiki.customer().edit_talk("Talk:Product", "Rete giù", "Perché? --~~~~").await.unwrap();
    running
        .until("what was written is found", |desk| desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, 10).unwrap().len() == 1)
        .await;
    running.stop().await;
}
