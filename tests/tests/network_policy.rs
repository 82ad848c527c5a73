//! What a network's terms allow is kept by the host, whatever anybody asks: how long things stay, who may be linked, who may be answered. On a clock
//! that the tests move, with proof that what had to go cannot be read any more.

#[path = "network_policy/answering.rs"]
mod answering;
#[path = "network_policy/keeping.rs"]
mod keeping;
#[path = "network_policy/linking.rs"]
mod linking;

use std::path::Path;
use std::sync::Arc;

use http::Method;
use jiff::Timestamp as Moment;
use serde_json::Value;
use sportello_core::time::Timestamp;
use sportello_server::clock::{Clock, SetClock};
use sportello_server::desk::Desk;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::kept::openable;

const ANSWER: &str = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}: ci stiamo lavorando\"\n";

/// A clock that shows now, to the second.
fn clock() -> (Arc<SetClock>, Moment) {
    let now = Moment::from_second(Moment::now().as_second()).unwrap();
    (Arc::new(SetClock::at(Timestamp(now.as_millisecond()))), now)
}

async fn start(folder: &Path, plan: &HostPlan, clock: &Arc<SetClock>) -> RunningHost {
    RunningHost::start_at(folder, plan, Arc::clone(clock) as Arc<dyn Clock>).await
}

fn can_be_read(desk: &Desk, word: &str) -> bool {
    openable(&desk.tenant).iter().any(|content| content.contains(word))
}

async fn api(running: &RunningHost, method: Method, path: &str, body: Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = running.ask(method, path, "application/json", body).await;
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.text());
    answer.json().unwrap()
}
