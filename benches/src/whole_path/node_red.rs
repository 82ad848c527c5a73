//! Node-RED as a peer: a webhook, a function, an answer; nothing is stored.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::process::Measurable;
use crate::Problem;

const STARTING_TIME_MAX: Duration = Duration::from_secs(60);
const STARTING_PAUSE: Duration = Duration::from_millis(100);

/// Node-RED, running.
pub(crate) struct NodeRed {
    pub(crate) process: Measurable,
    address: SocketAddr,
}

/// Its program: in the folder SPORTELLO_NODE_RED, or where `npm ci` puts it beside its flow.
pub(crate) fn find() -> Option<PathBuf> {
    let folder = std::env::var_os("SPORTELLO_NODE_RED").map_or_else(peer_folder, PathBuf::from);
    [folder.join("node_modules/node-red/red.js"), folder.join("red.js")].into_iter().find(|program| program.is_file())
}

fn peer_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/node-red")
}

impl NodeRed {
    pub(crate) async fn start(program: &Path, folder: &Path) -> Result<Self, Problem> {
        for file in ["settings.js", "flows.json"] {
            std::fs::copy(peer_folder().join(file), folder.join(file))?;
        }
        // It can't be told to choose a port itself.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new("node");
        command.arg(program).arg("--userDir").arg(folder).arg("--settings").arg(folder.join("settings.js"));
        command.arg("--port").arg(address.port().to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        let mut process = Measurable::new("Node-RED", command.spawn().map_err(|error| format!("node: {error}; install Node.js"))?);
        let started = Instant::now();
        // It listens before its flows are there: only an answer of the flow shows that it is ready.
        while !answers(address).await {
            if process.has_ended() || started.elapsed() > STARTING_TIME_MAX {
                return Err(format!("Node-RED at {} did not start", program.display()).into());
            }
            tokio::time::sleep(STARTING_PAUSE).await;
        }
        Ok(Self { process, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn answers(address: SocketAddr) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let request = format!("GET /ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let mut answer = Vec::new();
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}
