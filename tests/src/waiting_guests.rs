//! A host with one channel whose guests do what each delivery says; the guest of one that asks a server waits until the test answers.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use ring::hmac;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::host::{HostPlan, RunningHost};
use crate::http_client::HttpClient;

/// What must happen soon happens within this, or the test fails.
pub const SOON: Duration = Duration::from_secs(60);
const SECRET: &str = "the-signing-secret";

/// A host with the channel `counter`. Its guests trap, wait at the origin `target`, count or say something, as each delivery asks.
pub async fn host(folder: &Path, target: &str) -> RunningHost {
    let channel = format!(
        "connector = \"hostile\"\ncomponent = \"{{component:hostile}}\"\norigins = [\"{target}\"]\nprivate-network = true\n\
         settings = {{ behaviour = \"well-behaved\", granted = \"{target}\", target = \"{target}/slow\" }}\n\
         secrets.signing.secret = \"signing\"\nsecrets.token.token = \"token\"\n"
    );
    let plan = HostPlan::default().channel("counter", &channel).secret("signing", SECRET).secret("token", "not used");
    RunningHost::start(folder, &plan).await
}

/// The same, with guests that ask this listener.
///
/// # Panics
/// When the listener has no address.
pub async fn host_asking(folder: &Path, listener: &TcpListener) -> RunningHost {
    host(folder, &format!("http://{}", listener.local_addr().expect("it listens"))).await
}

/// Delivers this to the channel whose webhook address `url` is; gives the status.
///
/// # Panics
/// When nobody answers within [`SOON`].
pub async fn deliver(url: String, body: impl Into<Bytes>) -> u16 {
    let body = body.into();
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &body);
    let answer = HttpClient::new(SOON).send(Method::POST, &url, &[("x-signature", &hex::encode(signature))], body).await;
    answer.expect("the host answers").status
}

/// The next request of a guest, read to its end: closing a connection with something unread in it would take the answer back.
///
/// # Panics
/// When no guest asks within [`SOON`].
pub async fn asked(listener: &TcpListener) -> TcpStream {
    let mut stream = tokio::time::timeout(SOON, listener.accept()).await.expect("a guest asks").expect("it is let in").0;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("the guest asks to the end"));
    }
    stream
}

/// Answers it: the guest goes on.
///
/// # Panics
/// When the guest is gone.
pub async fn answer(mut stream: TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.expect("the guest waits");
}
