//! Running the binary, and what it said.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sportello_tests::host::{HostPlan, binary};

/// A folder with a configuration, and the binary run in it.
pub(crate) struct Cli {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: PathBuf,
    environment: Vec<(String, String)>,
}

/// What one run came to.
pub(crate) struct Ran {
    arguments: String,
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Cli {
    /// With the configuration of `plan`, on a port the system chooses.
    pub(crate) fn new(plan: &HostPlan) -> Self {
        Self::at(plan, "127.0.0.1:0")
    }

    /// With the configuration of `plan`, on this address.
    pub(crate) fn at(plan: &HostPlan, address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = plan.write(folder.path(), address);
        Self { folder, config, environment: Vec::new() }
    }

    /// With a configuration of these words.
    pub(crate) fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("sportello.toml");
        std::fs::write(&config, text).unwrap();
        Self { folder, config, environment: Vec::new() }
    }

    /// From now on with this environment variable.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The command, not yet run. Nothing of the environment of the tests reaches it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SPORTELLO_")) {
            command.env_remove(name);
        }
        command.arg("--config").arg(&self.config).args(arguments).envs(self.environment.iter().cloned());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the binary starts");
        let ran = Ran {
            arguments: arguments.join(" "),
            code: output.status.code().expect("it ends by itself"),
            out: String::from_utf8(output.stdout).expect("its output is UTF-8"),
            err: String::from_utf8(output.stderr).expect("its messages are UTF-8"),
        };
        assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "colours where nobody looks: {}{}", ran.out, ran.err);
        ran
    }

    /// Makes a token at rest or through the host; gives its secret.
    pub(crate) fn token(&self, name: &str, role: &str) -> String {
        self.run(&["token", "create", "--name", name, "--role", role]).right().trim().to_owned()
    }
}

impl Ran {
    /// Its output, because all went well.
    #[track_caller]
    pub(crate) fn right(&self) -> &str {
        assert_eq!(self.code, 0, "sportello {}: {}{}", self.arguments, self.out, self.err);
        &self.out
    }

    /// What it complained of, with this exit code and these words.
    #[track_caller]
    pub(crate) fn wrong(&self, code: i32, words: &[&str]) -> &str {
        assert_eq!(self.code, code, "sportello {}: {}{}", self.arguments, self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "sportello {} does not say {word:?}: {}", self.arguments, self.err);
        }
        &self.err
    }

    /// Its output as one JSON object a line.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.right().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }
}

/// Whether a file somewhere below `folder` holds these bytes.
pub(crate) fn found_below(folder: &Path, bytes: &[u8]) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = found_below(&path, bytes) {
                return Some(found);
            }
        } else if std::fs::read(&path).unwrap_or_default().windows(bytes.len()).any(|window| window == bytes) {
            return Some(path);
        }
    }
    None
}
