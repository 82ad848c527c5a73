//! `cargo xtask fmt`: rustfmt on both workspaces.

use crate::process::{self, Failure, Workspace};

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => format_all(false),
        [flag] if flag == "--check" => format_all(true),
        _ => Err(Failure::new("`fmt` takes nothing, or --check")),
    }
}

/// Formats, or fails where formatting would change something.
pub(crate) fn format_all(check_only: bool) -> Result<(), Failure> {
    for workspace in Workspace::BOTH {
        // Not `process::cargo`: `cargo fmt` knows no --locked.
        let mut command = process::program("cargo");
        command.args(["fmt", "--all", "--manifest-path", workspace.manifest()]);
        if check_only {
            command.arg("--check");
        }
        process::run(&mut command).map_err(|failure| Failure::new(format!("{failure}\n`cargo xtask fmt` puts it right.")))?;
    }
    Ok(())
}
