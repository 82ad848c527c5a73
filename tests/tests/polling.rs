//! Sources that are asked: a changed channel is asked as it now says, at once.

use sportello_core::domain::channel::{CHANNELS, CURSORS, ChannelSettings};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::ids::ChannelName;
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
