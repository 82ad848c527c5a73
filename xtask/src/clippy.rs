//! `cargo xtask clippy`: lints of both workspaces, warnings are errors.

use std::process::Command;

use crate::guests::{self, NATIVE, TARGET, WASI_TARGET};
use crate::process::{self, Failure, Workspace};
use crate::sabotage;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::new("`clippy` takes no argument"));
    }
    let features = sabotage::features()?.join(",");
    // Cheapest first. What only a sabotaged build or only the sandbox compiles is looked at too, so that it cannot rot.
    lint(Workspace::Connectors, &["--workspace", "--all-targets"])?;
    lint_guests()?;
    lint(Workspace::Host, &["--workspace", "--all-targets"])?;
    lint(Workspace::Host, &["--workspace", "--all-targets", "--features", &features])
}

/// As they are built, and with lints of their own for those without WASI.
fn lint_guests() -> Result<(), Failure> {
    let with_wasi = guests::with_wasi()?;
    let mut command = process::cargo(&["clippy"], Workspace::Connectors);
    command.env("CLIPPY_CONF_DIR", process::root().join("plugins/sandbox-lints"));
    command.args(["--lib", "--target", TARGET, "--workspace", "--exclude", NATIVE]);
    command.args(with_wasi.iter().flat_map(|guest| ["--exclude", guest]));
    deny_warnings(command)?;
    let mut flags = vec!["--lib", "--target", WASI_TARGET];
    flags.extend(with_wasi.iter().flat_map(|guest| ["--package", guest]));
    lint(Workspace::Connectors, &flags)
}

fn lint(workspace: Workspace, flags: &[&str]) -> Result<(), Failure> {
    let mut command = process::cargo(&["clippy"], workspace);
    command.args(flags);
    deny_warnings(command)
}

fn deny_warnings(mut command: Command) -> Result<(), Failure> {
    command.args(["--", "-D", "warnings"]);
    process::run(&mut command)
}
