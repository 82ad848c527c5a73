//! What a connector remembers, when several of its calls remember something at the same time.

use sportello_core::domain::channel::CONNECTOR_STATE;
use sportello_core::domain::delivery::DELIVERIES;
use sportello_core::ids::ChannelName;
use sportello_tests::host::RunningHost;
use sportello_tests::waiting_guests::{answer, asked, deliver, host_asking};
use sportello_views::Direction;
use tokio::net::TcpListener;

fn count(running: &RunningHost) -> String {
    let key = (ChannelName::new("counter").unwrap(), "count".to_owned());
    let count = running.desk().tenant.get(&CONNECTOR_STATE, &key).unwrap().unwrap();
    String::from_utf8(count.bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_that_count_at_the_same_time_count_two() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = host_asking(folder.path(), &listener).await;
    let url = running.url("/hooks/demo/counter");

    let slow = tokio::spawn(deliver(url.clone(), "counts slowly"));
    let held = asked(&listener).await;
    // It has seen that nothing was counted. Another one counts meanwhile.
    assert_eq!(deliver(url, "counts").await, 200);
    answer(held).await;
    // Read anew, it asks anew.
    answer(asked(&listener).await).await;
    assert_eq!(slow.await.unwrap(), 200);
    assert_eq!(count(&running), "2");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_whose_state_another_call_changes_each_time_is_to_come_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = host_asking(folder.path(), &listener).await;
    let url = running.url("/hooks/demo/counter");
    let mut slow = tokio::spawn(deliver(url.clone(), "counts slowly"));
    let mut readings = 0;
    let told = loop {
        tokio::select! {
            told = &mut slow => break told.unwrap(),
            held = asked(&listener) => {
                readings += 1;
                assert!(readings <= 20, "it is read over and over");
                assert_eq!(deliver(url.clone(), "counts").await, 200);
                answer(held).await;
            }
        }
    };
    assert_eq!((told, readings), (503, 9), "read with others once, then so often by itself");
    assert_eq!(count(&running), "9", "nothing of it was taken in");
    assert!(running.desk().tenant.list(&DELIVERIES, &[], None, Direction::Forward, 1).unwrap().is_empty(), "nor is it set aside");
    running.stop().await;
}
