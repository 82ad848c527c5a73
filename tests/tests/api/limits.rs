//! What is too much, one beyond each limit.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use sportello_core::commands::ConfigureChannel;
use sportello_core::domain::access::Role;
use sportello_core::domain::channel::ChannelSettings;
use sportello_core::ids::ChannelName;
use sportello_server::channels::CHANNELS_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::Stage;

/// Requests of one tenant carried out at once.
const REQUESTS_UNDER_WAY_MAX: usize = 256;

/// A request that is let in and whose body does not come: it is under way until its connection goes.
async fn under_way(stage: &Stage, role: Role, path: &str, content_type: &str) -> TcpStream {
    let url = stage.url(path);
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut connection = TcpStream::connect(host).await.unwrap();
    let head = format!(
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-type: {content_type}\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n",
        stage.secret(role)
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    // Said once somebody begins to read the body, which is after the place was taken.
    let mut said = [0; 25];
    connection.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_beyond_those_that_can_be_under_way_is_told_to_come_back() {
    let stage = Stage::new().await;
    let one_more = || under_way(&stage, Role::Agent, "/cases/1/priority", "application/json");
    let mut held = Vec::new();
    for _ in 1..REQUESTS_UNDER_WAY_MAX {
        held.push(one_more().await);
    }
    stage.get(Role::Viewer, "/me").await.expect(200);
    held.push(one_more().await);
    let refused = stage.get(Role::Viewer, "/me").await;
    assert_eq!(refused.answer.header("retry-after"), "1");
    let detail = refused.problem(503, "overloaded");
    assert!(detail.contains("256 requests"), "{detail}");

    let mut one = held.pop().unwrap();
    one.write_all(b"0123456789").await.unwrap();
    let mut status = [0; 12];
    one.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 400", "its body is no JSON");
    stage.get(Role::Viewer, "/me").await.expect(200);
    drop(held);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_component_is_installed_another_is_told_to_come_back() {
    let stage = Stage::new().await;
    let wasm = [("content-type", "application/wasm")];
    let another =
        || stage.send(Some(stage.secret(Role::Operator)), Method::POST, "/connectors", &wasm, Bytes::from_static(b"no component"));
    let mut first = under_way(&stage, Role::Operator, "/connectors", "application/wasm").await;
    let refused = another().await;
    assert_eq!(refused.answer.header("retry-after"), "1");
    let detail = refused.problem(503, "overloaded");
    assert!(detail.contains("another component is being installed"), "{detail}");

    first.write_all(b"0123456789").await.unwrap();
    let mut status = [0; 12];
    first.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 422", "its body is no component");
    another().await.problem(422, "invalid");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_byte_or_item_more_than_a_route_takes_is_refused() {
    let stage = Stage::new().await;
    stage.comment().await;
    let (key, text) = ("k".repeat(255), "x".repeat(64 << 10));
    stage.reply(1, &key, &text).await.expect(201);
    stage.reply(1, &format!("{key}k"), &text).await.problem(400, "malformed");
    let detail = stage.reply(1, "long", &format!("{text}x")).await.problem(422, "invalid");
    assert!(detail.contains("text has 1 to 65536 bytes"), "{detail}");

    let headers = [("idempotency-key", "activity")];
    let activity = json!({ "subject": "s".repeat(513), "text": "x" });
    let told = stage.json(Role::Agent, Method::POST, "/cases/1/activities", &headers, &activity).await;
    let detail = told.problem(422, "invalid");
    assert!(detail.contains("subject has 1 to 512 bytes"), "{detail}");

    let unlink = json!({ "reason": "r".repeat(513) });
    let detail = stage.post(Role::Agent, "/profiles/1/unlink", &unlink).await.problem(422, "invalid");
    assert!(detail.contains("reason has 1 to 512 bytes"), "{detail}");

    stage.get(Role::Viewer, "/cases?limit=200").await.expect(200);
    let detail = stage.get(Role::Viewer, "/cases?limit=201").await.problem(422, "invalid");
    assert!(detail.contains("between 1 and 200"), "{detail}");

    for (bytes, status, kind) in [(256 << 10, 400, "malformed"), ((256 << 10) + 1, 413, "too-large")] {
        let (agent, body) = (Some(stage.secret(Role::Agent)), Bytes::from(vec![b' '; bytes]));
        let headers = [("content-type", "application/json")];
        stage.send(agent, Method::POST, "/cases/1/priority", &headers, body).await.problem(status, kind);
    }
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_too_many_and_a_poll_too_seldom_are_refused() {
    let stage = Stage::new().await;
    let year_ms: u64 = 366 * 24 * 60 * 60 * 1_000;
    let given = |poll_ms: u64| json!({ "connector": "legacy-crm", "poll_ms": poll_ms });
    let detail = stage.json(Role::Operator, Method::PUT, "/channels/crm", &[], &given(year_ms + 1)).await.problem(422, "invalid");
    assert!(detail.contains("poll_ms is 0 (never) to"), "{detail}");
    stage.json(Role::Operator, Method::PUT, "/channels/crm", &[], &given(year_ms)).await.expect(201);

    let settings = ChannelSettings {
        connector: "legacy-crm".into(),
        settings: "{}".into(),
        origins: vec![],
        private_network: false,
        folders: vec![],
        secrets: BTreeMap::new(),
        poll_ms: None,
        policy: None,
        enabled: false,
    };
    let tenant = &stage.running.desk().tenant;
    // With those of the page and the CRM.
    let commands = (2..CHANNELS_MAX).map(|number| {
        let channel = ChannelName::new(format!("c-{number}")).unwrap();
        tenant.submit("test", ConfigureChannel { channel, settings: settings.clone() })
    });
    assert!(join_all(commands).await.iter().all(Result::is_ok));
    let one_more = stage.json(Role::Operator, Method::PUT, "/channels/one-more", &[], &given(0)).await;
    assert!(one_more.problem(409, "conflict").contains("1000 channels"));
    stage.json(Role::Operator, Method::PUT, "/channels/crm", &[], &given(0)).await.expect(200);
    stage.running.stop().await;
}
