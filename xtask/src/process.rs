//! How a task starts another program: from the repository's root, with the command line shown first.

use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a task ended without success, in one message for the person who typed it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The two Cargo workspaces, each with its own lock file and target folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workspace {
    /// The product and its tests.
    Host,
    /// The connectors and the SDK, built for wasm and tested natively.
    Connectors,
}

impl Workspace {
    pub(crate) const BOTH: [Self; 2] = [Self::Host, Self::Connectors];

    /// Relative to the repository's root.
    pub(crate) fn manifest(self) -> &'static str {
        match self {
            Self::Host => "Cargo.toml",
            Self::Connectors => "plugins/Cargo.toml",
        }
    }

    /// Where Cargo leaves what it builds; absolute.
    pub(crate) fn target_folder(self) -> PathBuf {
        match self {
            Self::Host => root().join("target"),
            Self::Connectors => root().join("plugins/target"),
        }
    }
}

/// The repository's root: the folder above this crate's own.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// A program started from the repository's root.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    // Cargo describes xtask itself to us in the environment. Handed on, it would make build scripts that watch these names (ring's
    // does) run again each time a person changes between `cargo xtask` and plain `cargo`.
    for (name, _) in std::env::vars_os() {
        let inherited = name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_TARGET_DIR");
        if inherited {
            command.env_remove(&name);
        }
    }
    command
}

/// `cargo SUBCOMMAND --manifest-path …` in a workspace. In CI the lock file must already be right.
pub(crate) fn cargo(subcommand: &[&str], workspace: Workspace) -> Command {
    let mut command = program("cargo");
    command.args(subcommand);
    command.args(["--manifest-path", workspace.manifest()]);
    if in_ci() {
        command.arg("--locked");
    }
    command
}

/// Whether a machine runs us: `CI` is set and not empty.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

/// `always` where a person watches: the output of tests passes through us, so that Cargo can't see the terminal by itself.
pub(crate) fn colour() -> &'static str {
    if std::io::stderr().is_terminal() { "always" } else { "never" }
}

/// Whether `cargo NAME` can be called here.
pub(crate) fn has_cargo_subcommand(name: &str) -> bool {
    program("cargo")
        .args([name, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Shows the command line as a person would type it.
pub(crate) fn announce(command: &Command) {
    eprintln!("   $ {}", display(command));
}

/// Runs to the end with our own standard streams.
///
/// # Errors
/// When it can't be started or doesn't succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    announce(command);
    let status = command.status().map_err(|error| could_not_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{}`: {status}", display(command)))) }
}

/// Runs to the end and returns its standard output, trimmed.
///
/// # Errors
/// When it can't be started, doesn't succeed, or answers with something that is not text.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|error| could_not_start(command, &error))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{}`: {}", display(command), output.status)));
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("`{}` answered with something that is not text", display(command))))?;
    Ok(text.trim().to_owned())
}

pub(crate) fn could_not_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("`{}` could not be started: {error}", display(command)))
}

/// The command line with its added environment, quoted where a shell would need it.
pub(crate) fn display(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.to_string_lossy(), quoted(&value.to_string_lossy())));
        }
    }
    words.push(quoted(&command.get_program().to_string_lossy()));
    for argument in command.get_args() {
        words.push(quoted(&argument.to_string_lossy()));
    }
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|character| character.is_ascii_alphanumeric() || "-_./=:,+@".contains(character));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
