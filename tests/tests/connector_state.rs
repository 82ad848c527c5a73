//! What a connector remembers, when several of its calls remember something at the same time.

use std::time::Duration;

use http::Method;
use ring::hmac;
use sportello_core::domain::channel::CONNECTOR_STATE;
use sportello_core::ids::ChannelName;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::http_client::HttpClient;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_that_count_at_the_same_time_count_two() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let channel = format!(
        "connector = \"hostile\"\ncomponent = \"{{component:hostile}}\"\norigins = [\"{target}\"]\nprivate-network = true\n\
         settings = {{ behaviour = \"well-behaved\", granted = \"{target}\", target = \"{target}/slow\" }}\n\
         secrets.signing.secret = \"signing\"\nsecrets.token.token = \"token\"\n"
    );
    let plan = HostPlan::default().channel("counter", &channel).secret("signing", SECRET).secret("token", "not used");
    let running = RunningHost::start(folder.path(), &plan).await;
    let url = running.url("/hooks/demo/counter");

    let slow = tokio::spawn(send(url.clone(), "counts slowly"));
    let held = asked(&listener).await;
    // It has seen that nothing was counted. Another one counts meanwhile.
    assert_eq!(send(url, "counts").await, 200);
    answer(held).await;
    // Read anew, it asks anew.
    answer(asked(&listener).await).await;
    assert_eq!(slow.await.unwrap(), 200);
    let key = (ChannelName::new("counter").unwrap(), "count".to_owned());
    let count = running.desk().tenant.get(&CONNECTOR_STATE, &key).unwrap().unwrap();
    assert_eq!(count.bytes, b"2");
    running.stop().await;
}
