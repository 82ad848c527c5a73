//! A server process that cannot outlive its test.
//!
//! The server runs in a process group of its own, as the child of a small shell that also holds the reading end of a pipe from the test.
//! When the test ends for whatever reason (it returns, panics, is killed with SIGKILL) the pipe closes and the shell kills the whole group,
//! workers included. `Drop` does the same at once and waits, so that the port and the files are free afterwards. When the server ends by
//! itself, so does the shell: a dead server is seen, never mistaken for another one that happens to listen on the port.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{Error, Result};

/// How long a server may take until it answers.
pub const START_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a killed server's workers may take to be gone.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// How often another port is tried when somebody else took the chosen one in between.
const PORT_TRIES_MAX: usize = 5;

/// What the shell does: the pipe on file 3 is read by a watcher; when it closes, the group dies.
const GUARD: &str = r#"exec 3<&0; (cat <&3 >/dev/null 2>&1; kill -KILL 0) & exec 3<&-; "$@" </dev/null; exit $?"#;

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    output: PathBuf,
}

impl ServerProcess {
    /// Starts `program` with `arguments` and `environment`, its output going to the file `output`.
    ///
    /// # Errors
    /// [`Error::Io`] when the shell or the output file cannot be made.
    pub fn spawn(program: &str, arguments: &[&str], environment: &[(&str, &str)], output: &Path) -> Result<Self> {
        let doing = || format!("starting {program}");
        let file = File::create(output).map_err(Error::io(format!("creating {}", output.display())))?;
        let child = Command::new("sh")
            .args(["-c", GUARD, "server", program])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(file.try_clone().map_err(Error::io(doing()))?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .map_err(Error::io(doing()))?;
        Ok(Self { child, output: output.to_owned() })
    }

    /// Whether the server ended by itself.
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The process group's id.
    pub fn group_id(&self) -> u32 {
        self.child.id()
    }

    /// What a SIGKILL of the test leaves: no destructor ran, and the kernel closed the pipe. Only for the test of the guard.
    pub fn forget_as_if_killed(mut self) {
        drop(self.child.stdin.take());
        std::mem::forget(self);
    }

    /// All that the server printed so far.
    pub fn output(&self) -> String {
        std::fs::read(&self.output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // The watcher keeps the group alive as long as our end of the pipe is open, so its id cannot belong to anybody else yet.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
        // SIGKILL works in its own time: workers are not ours to wait for, but the port and the files are to be free when this returns.
        let deadline = Instant::now() + STOP_TIME_MAX;
        while group_lives(self.child.id()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether any process of the group is there, those left out that ended and were not yet reaped by whoever inherited them.
pub fn group_lives(group: u32) -> bool {
    let group = group.to_string();
    let is_member = |stat: String| {
        // `pid (name) state parent group …`; the name may hold spaces and brackets, so count from the last closing one.
        let mut rest = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let (state, _parent, of) = (rest.next(), rest.next(), rest.next());
        of == Some(group.as_str()) && !matches!(state, Some("Z" | "X"))
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.into_iter().any(|entry| std::fs::read_to_string(entry.path().join("stat")).is_ok_and(is_member))
}

/// A loopback port that was free a moment ago.
///
/// # Errors
/// [`Error::Io`] when the system gives none.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Error::io("looking for a free port"))?;
    Ok(listener.local_addr().map_err(Error::io("looking for a free port"))?.port())
}

/// Starts a server on a port of its own and waits until it answers.
///
/// `spawn` starts it on the given port; it counts as listening once its output contains `listening_sign` (so that a stranger on the same
/// port is not taken for it) and as ready once `answers` says so.
///
/// # Errors
/// [`Error::Start`] with the server's output when it does not answer within [`START_TIME_MAX`].
pub async fn start_on_free_port<Answers>(
    what: &str,
    listening_sign: &str,
    spawn: impl Fn(u16) -> Result<ServerProcess>,
    answers: impl Fn(u16) -> Answers,
) -> Result<(ServerProcess, u16)>
where
    Answers: Future<Output = bool>,
{
    let mut output = String::new();
    for _ in 0..PORT_TRIES_MAX {
        let port = free_port()?;
        let mut process = spawn(port)?;
        let deadline = Instant::now() + START_TIME_MAX;
        while !process.ended() {
            if process.output().contains(listening_sign) && answers(port).await && !process.ended() {
                return Ok((process, port));
            }
            if Instant::now() > deadline {
                return Err(Error::Start {
                    what: what.to_owned(),
                    why: format!("no answer within {START_TIME_MAX:?}"),
                    output: process.output(),
                });
            }
            // Polling a process of somebody else's making: there is no event to wait for. Bounded by the deadline above.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        output = process.output();
    }
    Err(Error::Start { what: what.to_owned(), why: format!("it ended by itself on {PORT_TRIES_MAX} ports"), output })
}

/// Runs a set-up program to its end.
///
/// # Errors
/// [`Error::Start`] with its output when it does not exit with 0.
pub fn run_to_end(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<String> {
    let ran = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(format!("running {program}")))?;
    let output = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if !ran.status.success() {
        return Err(Error::Start { what: format!("{program} {}", arguments.join(" ")), why: ran.status.to_string(), output });
    }
    Ok(output)
}

/// Where a program stands on the search path, if anywhere.
pub fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}
