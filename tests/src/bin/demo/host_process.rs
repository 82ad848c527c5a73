//! The real binary, as an operator runs it: a process of its own, told to stop by a signal.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sportello_tests::http_client::HttpClient;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::{Problem, TENANT};

/// How long the host may take to listen. A debug build compiles three components first.
const START_TIME_MAX: Duration = Duration::from_secs(120);
/// How long it may take to stop in order.
const STOP_TIME_MAX: Duration = Duration::from_secs(40);

/// The running host.
pub(crate) struct HostProcess {
    child: Child,
    /// `http://127.0.0.1:port`.
    pub(crate) url: String,
    binary: PathBuf,
    configuration: PathBuf,
    http: HttpClient,
    // Reads what the host still prints, so that it never waits for a reader.
    reading: JoinHandle<()>,
}

impl HostProcess {
    /// Starts `sportello serve` and waits until it listens. Its diagnostics go into `diagnostics`.
    pub(crate) async fn start(binary: &Path, configuration: &Path, diagnostics: &Path) -> Result<Self, Problem> {
        let written = std::fs::File::create(diagnostics).map_err(|error| format!("{}: {error}", diagnostics.display()))?;
        let mut child = Command::new(binary)
            .arg("--config")
            .arg(configuration)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(written)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", binary.display()))?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("the host has no output")?).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Ok::<_, Problem>(url.trim().to_owned());
                }
            }
            Err("it ended".into())
        };
        let listened = tokio::time::timeout(START_TIME_MAX, listening).await;
        let url = match listened.map_err(|_| format!("nothing within {START_TIME_MAX:?}").into()).and_then(|url| url) {
            Ok(url) => url,
            Err(problem) => {
                let said = std::fs::read_to_string(diagnostics).unwrap_or_default();
                return Err(format!("sportello serve does not listen: {problem}\n{said}").into());
            }
        };
        let reading = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, url, binary: binary.to_owned(), configuration: configuration.to_owned(), http: HttpClient::default(), reading })
    }

    /// The counters now.
    pub(crate) async fn metrics(&self) -> Result<Metrics, Problem> {
        let answer = self.http.get(&format!("{}/metrics", self.url), &[]).await?;
        Ok(Metrics(answer.text()))
    }

    /// What the API answers to a GET below `/api/v1/demo`, for the holder of a token.
    pub(crate) async fn ask(&self, path: &str, token: &str) -> Result<Value, Problem> {
        let url = format!("{}/api/v1/{TENANT}{path}", self.url);
        let bearer = format!("Bearer {token}");
        let answer = self.http.send(Method::GET, &url, &[("authorization", &bearer)], Bytes::new()).await?;
        if answer.status != 200 {
            return Err(format!("GET {url} was answered {}: {}", answer.status, answer.text()).into());
        }
        Ok(answer.json()?)
    }

    /// SIGTERM, and an end in order.
    pub(crate) async fn stop(mut self) -> Result<StoppedHost, Problem> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.ok_or("the host has ended by itself")?, Signal::TERM)?;
        let status = tokio::time::timeout(STOP_TIME_MAX, self.child.wait())
            .await
            .map_err(|_| format!("the host did not stop within {STOP_TIME_MAX:?}"))??;
        self.reading.abort();
        if !status.success() {
            return Err(format!("the host ended with {status}").into());
        }
        Ok(StoppedHost { binary: self.binary, configuration: self.configuration })
    }
}

/// A host at rest.
pub(crate) struct StoppedHost {
    binary: PathBuf,
    configuration: PathBuf,
}

impl StoppedHost {
    /// `sportello verify --json`: what it says, and whether it is satisfied.
    pub(crate) async fn verify(&self) -> Result<(bool, Value), Problem> {
        let output = Command::new(&self.binary).arg("--config").arg(&self.configuration).args(["verify", "--json"]).output().await?;
        let said = String::from_utf8_lossy(&output.stdout);
        let verified = said.lines().next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null);
        Ok((output.status.success(), verified))
    }
}

/// What `/metrics` says.
pub(crate) struct Metrics(String);

impl Metrics {
    /// The sum of a counter over all its labels that contain every one of `labels`.
    pub(crate) fn sum(&self, counter: &str, labels: &[&str]) -> u64 {
        let lines = self.0.lines().filter(|line| line.starts_with(counter) && line[counter.len()..].starts_with(['{', ' ']));
        lines
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            // Counters are whole numbers far below 2^53.
            .map(|value| value as u64)
            .sum()
    }
}
