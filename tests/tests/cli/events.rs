//! `sportello events …`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use sportello_tests::host::{HostPlan, HostProcess};

use super::command::Cli;

/// Longest wait for a line that must come.
const LINE_WAIT: Duration = Duration::from_secs(60);
/// How often a silent stream says that it is alive: an export that waits for something after its last record takes as long.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// `sportello events tail` at work. Killed when it goes.
struct Tailing {
    child: Child,
    events: Receiver<Value>,
}

impl Tailing {
    fn start(cli: &Cli, arguments: &[&str]) -> Self {
        let mut child = cli.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON object a line: {error}: {line}"));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events }
    }

    /// The events up to the first that `is_last`.
    fn until(&self, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.events.recv_timeout(LINE_WAIT).unwrap_or_else(|error| panic!("{error} after {events:?}"));
            let last = is_last(&event);
            events.push(event);
            if last {
                return events;
            }
        }
    }

    /// Waits for its end; gives its code and what it complained of.
    fn end(mut self) -> (Option<i32>, String) {
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), err)
    }
}

impl Drop for Tailing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_token_of(name: &str) -> impl Fn(&Value) -> bool {
    move |event| event["type"] == "token.created" && event["data"]["name"] == name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_the_same_from_the_files_and_from_the_running_host() {
    let mut cli = Cli::new(&HostPlan::default().channel("desk", "connector = \"desk\"\n"));
    let admin = cli.token("root", "admin");
    cli.token("anna", "agent");
    let host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    cli.set("SPORTELLO_TOKEN", &admin);
    cli.token("bob", "viewer");
    cli.token("carla", "viewer");

    let part = cli.run(&["events", "export", "--from", "2", "--to", "3"]);
    let began = Instant::now();
    let whole = cli.run(&["events", "export"]);
    assert!(began.elapsed() < HEARTBEAT, "nothing comes after the last record, and it is not waited for");
    cli.run(&["events", "export", "--from", "1000"]).wrong(1, &["the journal ends at 5"]);
    host.stop().await;

    let mut at_rest = Cli::of(&std::fs::read_to_string(&cli.config).unwrap());
    at_rest.config.clone_from(&cli.config);
    let events = at_rest.run(&["events", "export"]).objects();
    assert_eq!(whole.objects(), events);
    let sequence = |event: &Value| event["id"].as_str().unwrap().split('.').next().unwrap().parse::<u64>().unwrap();
    let middle: Vec<Value> = events.iter().filter(|event| (2..=3).contains(&sequence(event))).cloned().collect();
    assert!(!middle.is_empty());
    assert_eq!(part.objects(), middle);
    assert_eq!(at_rest.run(&["events", "export", "--from", "2", "--to", "3"]).objects(), middle);
    for event in &events {
        // What CloudEvents 1.0 requires of every event.
        assert_eq!(event["specversion"], "1.0", "{event}");
        for required in ["id", "source", "type", "time"] {
            assert!(event[required].as_str().is_some_and(|text| !text.is_empty()), "{required}: {event}");
        }
    }
    assert_eq!(events.iter().filter(|event| event["type"] == "token.created").count(), 4);
    at_rest.run(&["events", "export", "--from", "1000"]).wrong(1, &["the journal ends at 5"]);
    assert_eq!(at_rest.run(&["events", "export", "--from", "6"]).right(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_goes_on_where_it_was_when_a_killed_host_is_back() {
    // A port that was free a moment ago: the host must come back on the same.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut cli = Cli::at(&HostPlan::default(), &address);
    let admin = cli.token("root", "admin");
    cli.set("SPORTELLO_TOKEN", &admin);
    let host = HostProcess::start(&cli.config).await;
    let tailing = Tailing::start(&cli, &["events", "tail", "--from", "1"]);
    cli.token("anna", "agent");
    let mut seen = tailing.until(is_token_of("anna"));
    host.kill().await;
    // Made while nobody listens: on the files.
    cli.token("bob", "agent");
    let host = HostProcess::start(&cli.config).await;
    cli.token("carla", "agent");
    seen.extend(tailing.until(is_token_of("carla")));
    drop(tailing);
    host.stop().await;
    let exported = cli.run(&["events", "export"]).objects();
    assert_eq!(seen, exported, "nothing twice, nothing left out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_begins_now_and_ends_when_its_token_is_revoked() {
    let mut cli = Cli::new(&HostPlan::default());
    let admin = cli.token("root", "admin");
    let viewer = cli.token("vera", "viewer");
    let host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    cli.set("SPORTELLO_TOKEN", &viewer);
    let tailing = Tailing::start(&cli, &["events", "tail"]);
    cli.set("SPORTELLO_TOKEN", &admin);
    // It listens once it shows something; until then something new has to happen again and again.
    let shown = loop {
        cli.token("noise", "viewer");
        if let Ok(shown) = tailing.events.recv_timeout(Duration::from_millis(200)) {
            break shown;
        }
    };
    assert_eq!(shown["data"]["name"], "noise", "something older came: {shown}");
    cli.run(&["token", "revoke", "2"]).right();
    let (code, err) = tailing.end();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("not in force"), "{err}");
    host.stop().await;
}

#[test]
fn a_reader_that_has_read_enough_is_no_problem() {
    let cli = Cli::new(&HostPlan::default());
    cli.token("anna", "agent");
    let mut child = cli.command(&["events", "export"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
