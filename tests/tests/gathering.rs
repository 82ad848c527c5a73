//! Deliveries that come together are read together, and stay each other's strangers.

use std::collections::BTreeMap;

use http::Method;
use sportello_core::domain::delivery::{DELIVERIES, DeliveryState};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_runtime::limits::EngineLimits;
use sportello_server::desk::Desk;
use sportello_server::ingress::webhook::DELIVERIES_UNDER_WAY_MAX;
use sportello_tests::host::RunningHost;
use sportello_tests::http_client::HttpClient;
use sportello_tests::waiting_guests::{SOON, answer, asked, deliver, host, host_asking};
use sportello_views::Direction;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Sends deliveries at the same time; gives how often each status came.
async fn deliver_all(running: &RunningHost, bodies: impl IntoIterator<Item = String>) -> BTreeMap<u16, usize> {
    let url = running.url("/hooks/demo/counter");
    let mut sending = JoinSet::new();
    for body in bodies {
        sending.spawn(deliver(url.clone(), body));
    }
    let mut statuses = BTreeMap::new();
    while let Some(status) = sending.join_next().await {
        *statuses.entry(status.unwrap()).or_default() += 1;
    }
    statuses
}

/// Delivers so many times what lets its guest ask the listener; gives what comes of the deliveries, and the connections the guests wait on.
async fn let_wait(running: &RunningHost, listener: &TcpListener, count: usize) -> (JoinSet<u16>, Vec<TcpStream>) {
    let (mut waiting, mut held) = (JoinSet::new(), Vec::new());
    for _ in 0..count {
        waiting.spawn(deliver(running.url("/hooks/demo/counter"), "wait"));
        held.push(asked(listener).await);
    }
    (waiting, held)
}

fn says(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("says {number}"))
}

fn interactions(desk: &Desk) -> usize {
    desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap().len()
}

fn parked(desk: &Desk) -> usize {
    let rows = desk.tenant.list(&DELIVERIES, &[], None, Direction::Forward, usize::MAX).unwrap();
    rows.iter().filter(|(_, row)| row.state == DeliveryState::Parked).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_that_come_together_share_records_and_each_enters_once() {
    let folder = tempfile::tempdir().unwrap();
    let running = host(folder.path(), "http://127.0.0.1:1").await;
    let before = running.desk().tenant.cursor();
    // Each of them twice: what is the same stands in one call, too.
    let statuses = deliver_all(&running, says(150).chain(says(150))).await;
    assert_eq!(statuses, [(200, 300)].into());
    assert_eq!(interactions(&running.desk()), 150);
    let records = running.desk().tenant.cursor() - before;
    assert!(records < 150, "150 interactions took {records} records: nothing was gathered");
    assert!(running.verify().await.equal);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_breaks_its_guest_is_parked_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = host(folder.path(), "http://127.0.0.1:1").await;
    // Fewer than a quarantine takes: had the calls they broke together counted, too, the channel would be closed now.
    let poison = (0..4).map(|_| "trap".to_owned());
    let statuses = deliver_all(&running, says(100).chain(poison)).await;
    assert_eq!(statuses, [(200, 104)].into());
    assert_eq!((interactions(&running.desk()), parked(&running.desk())), (100, 4));
    assert_eq!(deliver_all(&running, ["says more".to_owned()]).await, [(200, 1)].into());
    assert_eq!(interactions(&running.desk()), 101, "the channel is in service");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_a_guest_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    // A server that takes requests and answers none.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = host_asking(folder.path(), &listener).await;
    // More than guests that compute at once, fewer than a channel may have.
    let (mut waiting, held) = let_wait(&running, &listener, std::thread::available_parallelism().unwrap().get() + 4).await;
    let statuses = tokio::time::timeout(SOON, deliver_all(&running, says(3))).await.expect("nobody waits for the others");
    assert_eq!(statuses, [(200, 3)].into());
    assert!(waiting.try_join_next().is_none(), "those are waiting all the while");
    for stream in held {
        answer(stream).await;
    }
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(parked(&running.desk()), 0, "and each came to its end");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_every_guest_of_a_channel_waits_challenges_are_answered_and_deliveries_wait_together() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = host_asking(folder.path(), &listener).await;
    let (mut waiting, mut held) = let_wait(&running, &listener, EngineLimits::default().channel_calls_max as usize).await;
    let url = running.url("/hooks/demo/counter");
    // A platform asks whether we are still there, more than once.
    for _ in 0..3 {
        let challenged = HttpClient::new(SOON).send(Method::GET, &format!("{url}?code=47"), &[], Vec::new().into()).await.unwrap();
        assert_eq!((challenged.status, &*challenged.text()), (200, "47"));
    }
    let before = running.desk().tenant.cursor();
    let mut saying = JoinSet::new();
    for (number, said) in says(5).enumerate() {
        saying.spawn(deliver(url.clone(), said));
        let under_way = held.len() + number + 1;
        running.until("it waits", |desk| desk.deliveries_under_way.available_permits() == DELIVERIES_UNDER_WAY_MAX - under_way).await;
    }
    answer(held.pop().unwrap()).await;
    while let Some(status) = saying.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(running.desk().tenant.cursor() - before, 1, "the first guest that was free read all of them");
    for stream in held {
        answer(stream).await;
    }
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    running.stop().await;
}
