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
    let running = RunningHost::start(folder.path(), &plan(&wiki)).await;
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

/// Asked once an hour.
fn plan(wiki: &WikiStandIn) -> HostPlan {
    let url = wiki.api_url();
    let (origin, path) = url.split_at(url["http://".len()..].find('/').expect("the API has a path") + "http://".len());
    let bot = wiki.bot_account();
    let bot_name = bot.name.split('@').next().unwrap_or_default();
    HostPlan::default()
        .channel(
            "wiki",
            &format!(
                "connector = \"wiki\"\ncomponent = \"{{component:wiki}}\"\norigins = [\"{origin}\"]\nprivate-network = true\n\
                 settings = {{ base-url = \"{origin}\", api-path = \"{path}\", bot = \"{bot_name}\", language = \"it\" }}\n\
                 secrets.bot = {{ user = \"wiki-user\", password = \"wiki-password\" }}\npoll-seconds = 3600\n"
            ),
        )
        .plain("wiki-user", &bot.name)
        .secret("wiki-password", &bot.password)
}
