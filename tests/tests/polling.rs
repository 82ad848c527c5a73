//! Sources that are asked: a changed channel is asked as it now says, at once; a CRM about a few people at once.

use std::sync::Arc;
use std::time::Duration;

use sportello_core::domain::channel::{CHANNELS, CURSORS, ChannelSettings};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::profile::LOOK_UPS_PENDING;
use sportello_core::ids::ChannelName;
use sportello_core::time::Timestamp;
use sportello_server::clock::SetClock;
use sportello_server::desk::Desk;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::servers::{Crm as _, Wiki};
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::facebook::Facebook;
use sportello_tests::stand_ins::wiki::WikiStandIn;
use sportello_tests::stand_ins::{DeliveryPlan, Fault};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_is_asked_about_a_few_people_at_once_however_many_are_new() {
    let (crm, facebook) = (CrmStandIn::start().await.unwrap(), Facebook::start().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (base, account) = (crm.base_url(), crm.account());
    let plan = HostPlan::default()
        .facebook_page(&facebook, "")
        .channel(
            "crm",
            &format!(
                "connector = \"legacy-crm\"\ncomponent = \"{{component:legacy-crm}}\"\norigins = [\"{base}\"]\nprivate-network = true\n\
                 settings = {{ base-url = \"{base}\", rpc-path = \"/crm/\" }}\npoll-seconds = 0\n\
                 secrets.user = {{ user = \"crm-user\", password = \"crm-password\" }}\n"
            ),
        )
        .plain("crm-user", &account.name)
        .secret("crm-password", &account.password);
    let running = RunningHost::start(folder.path(), &plan).await;
    facebook.subscribe(&running.url("/hooks/demo/facebook-page")).await.unwrap();
    let held = crm.faults().arm(Fault::HoldBefore, &["search_read"], usize::MAX);
    let post = facebook.post(&facebook.page(), "Manutenzione sabato");
    let says = async |who: std::ops::Range<usize>| {
        for number in who {
            facebook.comment(&facebook.person(&format!("Cliente {number}")), &post, "Perché?");
        }
        facebook.deliver(&DeliveryPlan { updates_max: 100, ..DeliveryPlan::default() }).await.unwrap();
    };
    let asked_about = |desk: &Desk| desk.tenant.list(&LOOK_UPS_PENDING, &[], None, Direction::Forward, usize::MAX).unwrap().len();

    says(0..30).await;
    tokio::time::timeout(Duration::from_secs(30), held.struck(8)).await.expect("eight are asked about");
    // All questions that are put at once are put before this has gone its whole way.
    says(30..31).await;
    assert_eq!((held.count(), asked_about(&running.desk())), (8, 31));
    held.release();
    running.until("all are asked about", |desk| asked_about(desk) == 0).await;
    running.stop().await;
}
