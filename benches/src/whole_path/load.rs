//! The load generator: connections that stay open, each with one delivery under way, and an eye on every answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::deliveries::Deliveries;
use super::process::Measurable;
use crate::Problem;

/// Where deliveries go, how, and what must come back beside 200.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    pub(crate) connections: usize,
    pub(crate) body_expected: &'static [u8],
}

/// What came of it, without the time for warming up.
pub(crate) struct Outcome {
    /// How long was measured.
    pub(crate) seconds: f64,
    /// Processor time of the process under load.
    pub(crate) cpu_seconds: f64,
    /// Of each delivery answered in that time, in rising order.
    latencies: Vec<Duration>,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.latencies.len() as f64 / self.cpu_seconds
    }

    /// The latency that this part of all deliveries did not exceed.
    pub(crate) fn latency(&self, part: f64) -> Duration {
        let place = (self.latencies.len().saturating_sub(1) as f64 * part) as usize;
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

impl Load {
    /// Delivers until the time is over. An answer that is not as expected ends it with an error.
    pub(crate) async fn run(
        &self,
        deliveries: &Arc<Deliveries>,
        process: &Measurable,
        warm_up: Duration,
        duration: Duration,
    ) -> Result<Outcome, Problem> {
        let from = Instant::now() + warm_up;
        let until = from + duration;
        let mut tasks = JoinSet::new();
        for _ in 0..self.connections {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let one = Connection { sender, address: self.address.to_string(), path: self.path, body_expected: self.body_expected };
            tasks.spawn(one.deliver(Arc::clone(deliveries), from, until));
        }
        tokio::time::sleep_until(from.into()).await;
        let (measured_from, cpu_before) = (Instant::now(), process.cpu_seconds()?);
        tokio::time::sleep_until(until.into()).await;
        let (seconds, cpu_seconds) = (measured_from.elapsed().as_secs_f64(), process.cpu_seconds()? - cpu_before);
        let mut latencies = Vec::new();
        while let Some(task) = tasks.join_next().await {
            latencies.extend(task??);
        }
        latencies.sort_unstable();
        Ok(Outcome { seconds, cpu_seconds, latencies })
    }
}

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    address: String,
    path: &'static str,
    body_expected: &'static [u8],
}

impl Connection {
    /// The latencies of what was answered between the two moments.
    async fn deliver(mut self, deliveries: Arc<Deliveries>, from: Instant, until: Instant) -> Result<Vec<Duration>, Problem> {
        let mut latencies = Vec::new();
        while Instant::now() < until {
            let (body, signature) = deliveries.next();
            let request = Request::post(self.path)
                .header("host", &self.address)
                .header("content-type", "application/json")
                .header("user-agent", "facebookexternalua")
                .header("x-hub-signature-256", signature)
                .body(Full::new(body))?;
            let started = Instant::now();
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            let answer = response.into_body().collect().await?.to_bytes();
            let ended = Instant::now();
            if status != 200 || answer != self.body_expected {
                return Err(format!("a delivery was answered {status} {:?}", String::from_utf8_lossy(&answer)).into());
            }
            if (from..until).contains(&ended) {
                latencies.push(ended - started);
            }
        }
        Ok(latencies)
    }
}
