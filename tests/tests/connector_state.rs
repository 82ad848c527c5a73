//! What a connector remembers, when several of its calls remember something at the same time.

use std::path::Path;
use std::time::Duration;

use http::Method;
use ring::hmac;
use sportello_core::domain::channel::CONNECTOR_STATE;
use sportello_core::domain::delivery::DELIVERIES;
use sportello_core::ids::ChannelName;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::http_client::HttpClient;
use sportello_views::Direction;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "the-signing-secret";
/// What must happen soon happens within this, or the test fails.
const SOON: Duration = Duration::from_secs(20);

async fn send(url: String, body: &'static str) -> u16 {
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body.as_bytes());
    let answer = HttpClient::new(SOON).send(Method::POST, &url, &[("x-signature", &hex::encode(signature))], body.into()).await;
    answer.unwrap().status
}

/// A request, read to its end: closing a connection with something unread in it would take the answer back.
async fn asked(listener: &TcpListener) -> TcpStream {
    let mut stream = tokio::time::timeout(SOON, listener.accept()).await.expect("the guest asks").unwrap().0;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream
}

async fn answer(mut stream: TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
}

/// A host whose channel `counter` counts its deliveries; `counts slowly` asks at `target` before it writes the count down.
async fn counting(folder: &Path, target: &str) -> RunningHost {
    let channel = format!(
        "connector = \"hostile\"\ncomponent = \"{{component:hostile}}\"\norigins = [\"{target}\"]\nprivate-network = true\n\
         settings = {{ behaviour = \"well-behaved\", granted = \"{target}\", target = \"{target}/slow\" }}\n\
         secrets.signing.secret = \"signing\"\nsecrets.token.token = \"token\"\n"
    );
    let plan = HostPlan::default().channel("counter", &channel).secret("signing", SECRET).secret("token", "not used");
    RunningHost::start(folder, &plan).await
}

fn count(running: &RunningHost) -> String {
    let key = (ChannelName::new("counter").unwrap(), "count".to_owned());
    let count = running.desk().tenant.get(&CONNECTOR_STATE, &key).unwrap().unwrap();
    String::from_utf8(count.bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_that_count_at_the_same_time_count_two() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = counting(folder.path(), &format!("http://{}", listener.local_addr().unwrap())).await;
    let url = running.url("/hooks/demo/counter");

    let slow = tokio::spawn(send(url.clone(), "counts slowly"));
    let held = asked(&listener).await;
    // It has seen that nothing was counted. Another one counts meanwhile.
    assert_eq!(send(url, "counts").await, 200);
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
    let running = counting(folder.path(), &format!("http://{}", listener.local_addr().unwrap())).await;
    let url = running.url("/hooks/demo/counter");
    let mut slow = tokio::spawn(send(url.clone(), "counts slowly"));
    let mut readings = 0;
    let told = loop {
        tokio::select! {
            told = &mut slow => break told.unwrap(),
            held = asked(&listener) => {
                readings += 1;
                assert!(readings <= 20, "it is read over and over");
                assert_eq!(send(url.clone(), "counts").await, 200);
                answer(held).await;
            }
        }
    };
    assert_eq!((told, readings), (503, 9), "read with others once, then so often by itself");
    assert_eq!(count(&running), "9", "nothing of it was taken in");
    assert!(running.desk().tenant.list(&DELIVERIES, &[], None, Direction::Forward, 1).unwrap().is_empty(), "nor is it set aside");
    running.stop().await;
}
