//! `stand-in`, the networks' stand-ins as a command: it delivers to whoever asks, keeps the books, and its exit code says whether they are right.

#[path = "stand_ins/receiver.rs"]
mod receiver;

use std::collections::BTreeMap;
use std::process::Stdio;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use sportello_tests::http_client::HttpClient;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::receiver::{Proof, Receiver, is_signed};

const SECRET: &str = "s3cret";
const VERIFY_TOKEN: &str = "v3rify";
const NETWORKS: [&str; 3] = ["facebook", "twitter", "linkedin"];

/// What a receiver of one network knows.
struct Known(&'static str);

impl Proof for Known {
    fn answer(&self, query: &BTreeMap<String, String>) -> Option<String> {
        let tag = |text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes());
        match self.0 {
            "facebook" => (query.get("hub.verify_token")? == VERIFY_TOKEN).then(|| query.get("hub.challenge").cloned())?,
            "twitter" => Some(json!({"response_token": format!("sha256={}", STANDARD.encode(tag(query.get("crc_token")?)))}).to_string()),
            _ => {
                let code = query.get("challengeCode")?;
                Some(json!({"challengeCode": code, "challengeResponse": hex::encode(tag(code))}).to_string())
            }
        }
    }

    fn content_type(&self) -> &'static str {
        if self.0 == "facebook" { "text/plain" } else { "application/json" }
    }

    fn is_genuine(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let in_hex = |text: &str| hex::decode(text).ok();
        match self.0 {
            "facebook" => is_signed(headers, ("x-hub-signature-256", "sha256="), in_hex, SECRET, body),
            "twitter" => is_signed(headers, ("x-twitter-webhooks-signature", "sha256="), |text| STANDARD.decode(text).ok(), SECRET, body),
            _ => {
                let signed = [b"hmacsha256=", body].concat();
                ["hmacsha256=", ""].iter().any(|prefix| is_signed(headers, ("x-li-signature", prefix), in_hex, SECRET, &signed))
            }
        }
    }
}

fn stand_in(network: &str, receiver: &Receiver, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stand-in"));
    command.args([network, "--webhook", &receiver.url, "--secret", SECRET, "--verify-token", VERIFY_TOKEN, "--json"]).args(more);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Its exit code and the books it printed last.
async fn played(command: &mut Command) -> (Option<i32>, Value) {
    let output = command.output().await.expect("the command starts");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let last = said.lines().last().unwrap_or_else(|| panic!("it says nothing: {complained}"));
    (output.status.code(), serde_json::from_str(last).unwrap_or_else(|why| panic!("{why}: {said}\n{complained}")))
}

#[tokio::test]
async fn every_network_delivers_what_people_do_and_its_books_are_right() {
    for network in NETWORKS {
        let receiver = Receiver::start(Known(network)).await;
        let options = ["--acts", "60", "--every", "2ms", "--shuffle", "--duplicates", "40", "--fault-share", "20", "--linger", "200ms"];
        let (code, said) = played(&mut stand_in(network, &receiver, &options)).await;
        let books = &said["books"];
        assert_eq!((code, &said["right"]), (Some(0), &json!(true)), "{network}: {said:#}");
        let (made, acknowledged) = (books["updates"]["made"].as_u64().unwrap(), books["updates"]["acknowledged"].as_u64().unwrap());
        assert!(made >= 40 && made == acknowledged, "{network}: {said:#}");
        let acts: u64 = books["acts"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(acts, 60, "{network}: {said:#}");
        let bodies = receiver.bodies();
        let different: std::collections::BTreeSet<_> = bodies.iter().collect();
        assert!(different.len() < bodies.len(), "{network}: some came twice");
        assert_eq!(bodies.len() as u64, books["deliveries"]["acknowledged"].as_u64().unwrap(), "{network}: {said:#}");
    }
}

#[tokio::test]
async fn what_a_receiver_refuses_until_the_network_gives_up_is_counted_as_lost() {
    for network in NETWORKS {
        let receiver = Receiver::start(Known(network)).await;
        receiver.answer_next(&[500; 20_000]);
        let (code, said) = played(&mut stand_in(network, &receiver, &["--acts", "10", "--every", "2ms", "--linger", "50ms"])).await;
        assert_eq!((code, &said["right"]), (Some(1), &json!(false)), "{network}: {said:#}");
        let updates = &said["books"]["updates"];
        assert!(updates["lost"].as_u64().unwrap() > 0 && updates["lost"] == updates["made"], "{network}: {said:#}");
        assert!(receiver.bodies().is_empty());
    }
}

#[tokio::test]
async fn a_refusal_that_passes_is_no_loss() {
    for network in NETWORKS {
        let receiver = Receiver::start(Known(network)).await;
        receiver.answer_next(&[503; 3]);
        let (code, said) = played(&mut stand_in(network, &receiver, &["--acts", "10", "--every", "2ms", "--linger", "50ms"])).await;
        assert_eq!(code, Some(0), "{network}: {said:#}");
        assert_eq!(said["books"]["deliveries"]["refused"], json!({"503": 3}), "{network}: {said:#}");
    }
}

#[tokio::test]
async fn an_answer_that_is_given_twice_is_seen_and_an_interruption_ends_with_the_books() {
    let receiver = Receiver::start(Known("facebook")).await;
    let mut child = stand_in("facebook", &receiver, &["--every", "1s"]).spawn().expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is ours")).lines();
    let first: Value = serde_json::from_str(&lines.next_line().await.unwrap().expect("what it expects")).unwrap();
    let expects = |name: &str| first["expects"][name].as_str().unwrap_or_else(|| panic!("no {name}: {first:#}")).to_owned();

    let comment = loop {
        let documents = receiver.documents();
        let comments = documents.iter().filter_map(|document| document.pointer("/entry/0/changes/0/value"));
        let found = comments.filter(|value| value["verb"] == "add").find_map(|value| value["comment_id"].as_str().map(str::to_owned));
        match found {
            Some(found) => break found,
            None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    };
    let http = HttpClient::default();
    let authorization = format!("Bearer {}", expects("page-token"));
    for _ in 0..2 {
        let url = format!("{}/v24.0/{comment}/comments", expects("graph-url"));
        let answer = http.post_json(&url, &[("authorization", &authorization)], &json!({"message": "Ci stiamo lavorando"})).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())).expect("it runs");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let said: Value = serde_json::from_str(&lines.next_line().await.unwrap().expect("its books")).unwrap();
    assert_eq!((&said["books"]["replies"], &said["books"]["doubled"]), (&json!(2), &json!(1)), "{said:#}");
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn with_a_secret_of_ones_own_the_same_is_expected_every_time() {
    for network in NETWORKS {
        let mut expected = Vec::new();
        for _ in 0..2 {
            let receiver = Receiver::start(Known(network)).await;
            let output = stand_in(network, &receiver, &["--acts", "0", "--linger", "0s"]).output().await.unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let first: Value = serde_json::from_str(said.lines().next().expect("what it expects")).unwrap();
            let facts = first["expects"].as_object().unwrap().clone();
            let without_port = facts.into_iter().filter(|(name, _)| !name.ends_with("-url"));
            expected.push(without_port.collect::<BTreeMap<String, Value>>());
        }
        assert!(expected[0] == expected[1] && expected[0].len() >= 4, "{network}: {expected:#?}");
    }
}

#[tokio::test]
async fn a_webhook_that_does_not_prove_itself_gets_nothing() {
    for network in NETWORKS {
        let receiver = Receiver::start(Known(network)).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_stand-in"));
        let output = command.args([network, "--webhook", &receiver.url, "--register-within", "0s"]).output().await.unwrap();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && complained.contains("did not prove itself"), "{network}: {complained}");
        assert!(receiver.bodies().is_empty());
    }
}
