//! The live stream.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sportello_core::domain::access::Role;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use super::client::{NAME, Stage, WORDS};

/// One open stream, spoken in HTTP/1.0 so that no chunks come between the lines.
struct Stream {
    status: u16,
    lines: Lines<BufReader<TcpStream>>,
}

/// One message: id, event, data.
#[derive(Clone, Debug, PartialEq)]
struct Message {
    id: String,
    event: String,
    data: Value,
}

impl Stream {
    async fn open(stage: &Stage, secret: &str, query: &str, last: Option<&str>) -> Self {
        let url = stage.url(&format!("/events{query}"));
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut connection = TcpStream::connect(host).await.unwrap();
        let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
        let request = format!("GET /{path} HTTP/1.0\r\nhost: {host}\r\nauthorization: Bearer {secret}\r\n{last}\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(connection).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        while !lines.next_line().await.unwrap().unwrap().is_empty() {}
        Self { status: first.split(' ').nth(1).unwrap().parse().unwrap(), lines }
    }

    /// The next message; None: the stream has ended.
    async fn next(&mut self) -> Option<Message> {
        let reading = async {
            let mut message = Message { id: String::new(), event: String::new(), data: Value::Null };
            loop {
                let line = self.lines.next_line().await.ok().flatten()?;
                match line.split_once(": ") {
                    Some(("id", id)) => message.id = id.to_owned(),
                    Some(("event", event)) => message.event = event.to_owned(),
                    Some(("data", data)) => message.data = serde_json::from_str(data).unwrap(),
                    _ if line.is_empty() && !message.id.is_empty() => return Some(message),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the stream says something within 20 s")
    }

    async fn take(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.push(self.next().await.expect("the stream goes on"));
        }
        messages
    }

    async fn rest(self) -> String {
        let mut text = String::new();
        self.lines.into_inner().read_to_string(&mut text).await.unwrap();
        text
    }
}

/// Every event the journal holds now: id and kind.
fn journalled(stage: &Stage) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for record in stage.running.desk().tenant.records(1).unwrap() {
        let (sequence, record) = record.unwrap();
        for (index, event) in record.events.iter().enumerate() {
            all.push((format!("{sequence}.{index}"), event.as_ref().unwrap().word().to_owned()));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_resumes_after_a_sequence_and_loses_nothing() {
    let stage = Stage::new().await;
    let viewer = stage.secret(Role::Viewer);
    let mut early = Stream::open(&stage, viewer, "?from=1", None).await;
    stage.comment().await;
    for (number, state) in ["waiting", "resolved", "open"].into_iter().cycle().take(300).enumerate() {
        let told = stage.post(Role::Agent, "/cases/1/state", &json!({ "state": state })).await;
        assert_eq!(told.status, 200, "change {number}: {}", told.json);
    }
    let last = journalled(&stage).len();
    let all = early.take(last).await;
    // Workers may have added something since; what was counted is there, in order, once.
    let told: Vec<_> = all.iter().map(|message| (message.id.clone(), message.event.clone())).collect();
    assert_eq!(told, journalled(&stage)[..last], "a stream from 1 tells the whole journal");

    // Between records, and in the middle of one.
    let record = |message: &Message| message.id.split_once('.').unwrap().0.to_owned();
    let within = (0..last - 1).filter(|cut| record(&all[*cut]) == record(&all[cut + 1])).take(20);
    let cuts: Vec<usize> = within.chain([0, 1, last / 3, last - 2]).collect();
    assert!(cuts.len() > 8, "records of several events are among them: {cuts:?}");
    for cut in cuts {
        let mut again = Stream::open(&stage, viewer, "", Some(&all[cut].id)).await;
        assert_eq!(again.take(last - cut - 1).await, all[cut + 1..], "it goes on after {}", all[cut].id);
    }
    let first_of_five = all.iter().position(|message| message.id == "5.0").unwrap();
    let mut from_five = Stream::open(&stage, viewer, "?from=5", None).await;
    assert_eq!(from_five.take(3).await, all[first_of_five..first_of_five + 3]);

    for message in &all {
        assert_eq!((&message.data["specversion"], &message.data["id"]), (&json!("1.0"), &json!(message.id)));
        assert_eq!(message.data["type"], message.event);
        let text = message.data.to_string();
        assert!(!text.contains(WORDS) && !text.contains(NAME) && !text.contains("sealed"), "{text}");
    }
    let changed = all.iter().find(|message| message.event == "case.state-changed").unwrap();
    assert_eq!(changed.data["data"], json!({ "case": 1, "from": "open", "to": "waiting" }));
    assert_eq!(changed.data["actor"], "anna");
    stage.running.stop().await;
    let end = async { while early.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(60), end).await.expect("streams end when the host stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_when_its_token_is_revoked() {
    let stage = Stage::new().await;
    let mut stream = Stream::open(&stage, stage.secret(Role::Viewer), "", None).await;
    assert_eq!(stream.status, 200);
    let path = format!("/tokens/{}", stage.token(Role::Viewer));
    stage.send(Some(stage.secret(Role::Admin)), Method::DELETE, &path, &[], Bytes::new()).await.expect(200);
    assert_eq!(stream.next().await, None, "not even its own end is told to it");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_beyond_the_limit_or_beyond_the_journal_is_refused() {
    let stage = Stage::new().await;
    let viewer = stage.secret(Role::Viewer);
    stage.get(Role::Viewer, "/events?from=100000").await.problem(422, "invalid");
    let told = stage.send(Some(viewer), Method::GET, "/events", &[("last-event-id", "soon")], Bytes::new()).await;
    told.problem(400, "malformed");
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Stream::open(&stage, viewer, "", None).await);
    }
    assert!(open.iter().all(|stream| stream.status == 200));
    let refused = Stream::open(&stage, viewer, "", None).await;
    assert_eq!(refused.status, 503);
    assert!(refused.rest().await.contains("urn:sportello:problem:overloaded"));
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_how_every_tenant_is() {
    let stage = Stage::new().await;
    stage.comment().await;
    let text = stage.http.get(&stage.running.url("/metrics"), &[]).await.unwrap().text();
    let durable = *stage.running.desk().tenant.watch_durable().borrow();
    let shown = text.lines().find_map(|line| line.strip_prefix("sportello_durable_sequence{tenant=\"demo\"} "));
    assert!(shown.is_some_and(|shown| (1..=durable).contains(&shown.parse().unwrap())), "{text}");
    for name in ["queued_commands", "view_lag_records"] {
        assert!(text.contains(&format!("sportello_{name}{{tenant=\"demo\"}}")), "{text}");
    }
    stage.running.stop().await;
}
